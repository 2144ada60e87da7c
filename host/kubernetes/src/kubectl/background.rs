//! A `kubectl` in the background that opens a port on this machine.

use std::io::{BufRead, BufReader};
use std::process::Child;
use std::sync::mpsc;
use std::time::Duration;

use super::{Kubectl, KubectlError};

/// Timeout of the start.
const START_TIMEOUT: Duration = Duration::from_secs(20);

/// A running process, killed on drop.
#[derive(Debug)]
pub struct Background {
    child: Child,
    /// Address of the port, such as `127.0.0.1:40123`.
    pub address: String,
}

impl Background {
    /// Starts `kubectl` and waits for the line with its address.
    pub fn start(kubectl: &Kubectl, arguments: &[&str]) -> Result<Self, KubectlError> {
        let unexpected = |problem: &str| KubectlError::Unexpected {
            arguments: arguments.join(" "),
            problem: problem.to_owned(),
        };
        let mut child = kubectl.spawn(arguments)?;
        let Some(stdout) = child.stdout.take() else { return Err(unexpected("it prints nothing")) };
        let mut process = Self { child, address: String::new() };
        let (line_tx, line_rx) = mpsc::channel();
        // The thread reads until the end, so that a full pipe never blocks the process.
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                // Nobody receives the lines after the first.
                let _ = line_tx.send(line);
            }
        });
        let line = line_rx
            .recv_timeout(START_TIMEOUT)
            .map_err(|_| unexpected("it did not start to serve in time"))?;
        let address = line.split(' ').find(|word| word.contains(':'));
        let Some(address) = address else { return Err(unexpected(&format!("no address in `{line}`"))) };
        process.address = address.to_owned();
        Ok(process)
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        // Both fail only if the process has already ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

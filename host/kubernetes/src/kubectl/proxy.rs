//! `kubectl proxy`: one process for requests to the API of every pod.

use std::io::{BufRead, BufReader};
use std::process::Child;
use std::sync::mpsc;
use std::time::Duration;

use super::pod::Pod;
use super::{Kubectl, KubectlError};
use crate::manifests::workload::PORT;

/// A running proxy, killed on drop.
#[derive(Debug)]
pub struct Proxy {
    child: Child,
    url: String,
}

/// Timeout of the start.
const START_TIMEOUT: Duration = Duration::from_secs(20);
const ARGUMENTS: [&str; 2] = ["proxy", "--port=0"];

impl Proxy {
    /// Starts a proxy on a free loopback port and waits until it serves.
    pub fn start(kubectl: &Kubectl) -> Result<Self, KubectlError> {
        let mut child = kubectl.spawn(&ARGUMENTS)?;
        let Some(stdout) = child.stdout.take() else { return Err(unexpected("it prints nothing")) };
        let mut proxy = Self { child, url: String::new() };
        let (line_tx, line_rx) = mpsc::channel();
        // Reads until the end, so that a full pipe never blocks the proxy.
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let _ = line_tx.send(line);
            }
        });
        // "Starting to serve on 127.0.0.1:40123"
        let line = line_rx
            .recv_timeout(START_TIMEOUT)
            .map_err(|_| unexpected("it did not start to serve in time"))?;
        let address = line.rsplit(' ').next().filter(|word| word.contains(':'));
        let Some(address) = address else { return Err(unexpected(&format!("no address in `{line}`"))) };
        proxy.url = format!("http://{address}");
        Ok(proxy)
    }

    /// URL of a pod's API.
    pub fn pod_url(&self, pod: &Pod) -> String {
        let Pod { name, namespace, .. } = pod;
        let namespace = if namespace.is_empty() { "default" } else { namespace };
        format!("{}/api/v1/namespaces/{namespace}/pods/{name}:{PORT}/proxy", self.url)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn unexpected(problem: &str) -> KubectlError {
    KubectlError::Unexpected { arguments: ARGUMENTS.join(" "), problem: problem.to_owned() }
}

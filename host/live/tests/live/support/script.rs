//! Server in Python that prints its port, and then a line for each event. It ends when dropped.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tokio::sync::mpsc;

use super::wait_for;

pub struct Script {
    pub port: u16,
    child: Child,
    lines: mpsc::UnboundedReceiver<String>,
}

impl Script {
    /// Starts a script of this folder.
    pub async fn start(name: &str, arguments: &[&str]) -> Self {
        Self::run("python3", name, arguments).await
    }

    /// Starts a script with the Python of the system, which has the modules of its packages.
    pub async fn with_system_modules(name: &str, arguments: &[&str]) -> Self {
        let own = Path::new("/usr/bin/python3");
        let python = if own.exists() { "/usr/bin/python3" } else { "python3" };
        Self::run(python, name, arguments).await
    }

    async fn run(python: &str, name: &str, arguments: &[&str]) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/live/support").join(name);
        let mut child = Command::new(python)
            .arg(path)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("Python has to be installed: `apt-get install python3`");
        let (sender, mut lines) = mpsc::unbounded_channel();
        let output = child.stdout.take().unwrap();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        let port =
            wait_for(&mut lines, "the port of the script", |line: &String| line.parse::<u16>().is_ok());
        let port = port.await.parse().unwrap();
        Self { port, child, lines }
    }

    /// Waits for the next line that satisfies `matches`.
    pub async fn line(&mut self, what: &str, matches: impl FnMut(&String) -> bool) -> String {
        wait_for(&mut self.lines, what, matches).await
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

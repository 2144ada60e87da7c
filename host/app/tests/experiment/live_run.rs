//! Runs in real time: with the embedded broker and with Mosquitto, with changes over HTTP, and with signals.

mod agreement;
mod audit;
mod early_end;
mod refusals;
mod timeline;

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::mosquitto::free_port;
use crate::workspace::Workspace;

/// Timeout for the start of the program on a machine that is busy with other tests.
const STARTUP_TIMEOUT: Duration = Duration::from_secs(60);

/// Process that runs a plan in real time.
pub struct Running {
    pub child: Child,
    pub url: String,
}

impl Running {
    /// Starts a run and waits until its HTTP API answers.
    pub fn start(workspace: &Workspace, args: &[&str]) -> Self {
        let http = format!("127.0.0.1:{}", free_port());
        let broker = format!("embedded:{}", free_port());
        let mut all = vec!["run", "plan.toml", "--time", "real", "--http", &http, "--out", "out", "--json"];
        if !args.contains(&"--broker") {
            all.extend(["--broker", &broker]);
        }
        all.extend(args);
        let child = workspace.command(&all).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let running = Self { child, url: format!("http://{http}") };
        let began = Instant::now();
        while running.request("GET", "/status", "").is_none() {
            assert!(began.elapsed() < STARTUP_TIMEOUT, "the HTTP API does not answer");
            std::thread::sleep(Duration::from_millis(20));
        }
        running
    }

    /// Sends a request with curl. Returns `None` unless the response is a success.
    pub fn request(&self, method: &str, path: &str, body: &str) -> Option<Value> {
        let output = Command::new("curl")
            .args(["-sf", "--max-time", "20", "-X", method, "-H", "Content-Type: application/json"])
            .args(if body.is_empty() { vec![] } else { vec!["--data-binary", body] })
            .arg(format!("{}{path}", self.url))
            .output()
            .expect("curl is installed");
        output.status.success().then(|| serde_json::from_slice(&output.stdout).unwrap_or_default())
    }

    /// Waits until the status of the fleet satisfies the condition.
    pub fn wait_until(&self, condition: impl Fn(&Value) -> bool) {
        let began = Instant::now();
        let mut last = None;
        while !last.as_ref().is_some_and(&condition) {
            assert!(began.elapsed() < STARTUP_TIMEOUT, "{last:?}");
            std::thread::sleep(Duration::from_millis(20));
            last = self.request("GET", "/status", "");
        }
    }
}

//! The same plans in real time: against the embedded broker and a real Mosquitto, with users who change things
//! meanwhile, and with signals.

mod agreement;
mod audit;
mod early_end;
mod timeline;

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::mosquitto::free_port;
use crate::workspace::Workspace;

/// Longest that a program may take to begin, on a machine that is busy with other tests.
const STARTUP_TIMEOUT: Duration = Duration::from_secs(60);

/// A plan that is being run in real time.
pub struct Running {
    pub child: Child,
    url: String,
}

impl Running {
    /// Begin, and wait until its HTTP API answers.
    pub fn begin(workspace: &Workspace, words: &[&str]) -> Self {
        let http = format!("127.0.0.1:{}", free_port());
        let broker = format!("embedded:{}", free_port());
        let mut all = vec!["run", "plan.toml", "--time", "real", "--http", &http, "--out", "out", "--json"];
        if !words.contains(&"--broker") {
            all.extend(["--broker", &broker]);
        }
        all.extend(words);
        let child = workspace.command(&all).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let running = Self { child, url: format!("http://{http}") };
        let began = Instant::now();
        while running.ask("GET", "/status", "").is_none() {
            assert!(began.elapsed() < STARTUP_TIMEOUT, "it does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        running
    }

    /// Ask with curl; nothing if nobody answers with a success.
    pub fn ask(&self, method: &str, path: &str, body: &str) -> Option<Value> {
        let answer = Command::new("curl")
            .args(["-sf", "--max-time", "20", "-X", method, "-H", "Content-Type: application/json"])
            .args(if body.is_empty() { vec![] } else { vec!["--data-binary", body] })
            .arg(format!("{}{path}", self.url))
            .output()
            .expect("curl is installed");
        answer.status.success().then(|| serde_json::from_slice(&answer.stdout).unwrap_or_default())
    }

    /// Wait until the fleet is as wanted.
    pub fn until(&self, wanted: impl Fn(&Value) -> bool) {
        let began = Instant::now();
        let mut last = None;
        while !last.as_ref().is_some_and(&wanted) {
            assert!(began.elapsed() < STARTUP_TIMEOUT, "{last:?}");
            std::thread::sleep(Duration::from_millis(20));
            last = self.ask("GET", "/status", "");
        }
    }
}

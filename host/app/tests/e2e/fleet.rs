//! A running `wasmote` process.

use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::lines::{DEFAULT_TIMEOUT, Lines};
use crate::program::{wasmote, wasmote_after};

pub struct Fleet {
    child: Child,
    pub stderr: Lines,
    pub stdout: Lines,
    pub http: String,
}

impl Fleet {
    /// Starts a run on a free HTTP port and reads the port from the log.
    pub fn run(args: &[&str]) -> Self {
        Self::of(wasmote(&["run", "--http", "127.0.0.1:0"]).args(args))
    }

    /// Starts a run with a limit of open file descriptors.
    pub fn run_within(descriptors: u32, args: &[&str]) -> Self {
        let limit = format!("ulimit -n {descriptors}");
        Self::of(wasmote_after(&limit, &["run", "--http", "127.0.0.1:0"]).args(args))
    }

    /// Starts a command that runs a fleet, and reads its HTTP port from the log.
    pub fn of(command: &mut Command) -> Self {
        let mut child = command.spawn().expect("the program starts");
        let stderr = Lines::of(child.stderr.take().expect("a pipe"));
        let stdout = Lines::of(child.stdout.take().expect("a pipe"));
        let mut fleet = Self { child, stderr, stdout, http: String::new() };
        // A start waits for the compiler, which other tests may keep busy; it ends at once if the program ends.
        let found = fleet.stderr.wait(1, Duration::from_secs(300), |line| line.contains("  http    http://"));
        let stderr = &found[0];
        fleet.http = stderr.split_whitespace().nth(1).expect("an address").to_owned();
        fleet
    }

    /// Waits until every device is connected.
    pub fn ready(self) -> Self {
        self.wait_until("/readyz responds with 200", DEFAULT_TIMEOUT, |fleet| {
            fleet.status_of("/readyz") == 200
        });
        self
    }

    pub fn wait_until(&self, what: &str, timeout: Duration, mut condition: impl FnMut(&Self) -> bool) {
        let end = Instant::now() + timeout;
        while !condition(self) {
            assert!(
                Instant::now() < end,
                "not within {timeout:?}: {what}; stderr:\n{}",
                self.stderr.all().join("\n")
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Sends a request with curl, as in the README. Returns status and body.
    pub fn curl(&self, args: &[&str], path: &str) -> (u16, String) {
        let output = Command::new("curl")
            .args(["-s", "-S", "--max-time", "60", "-w", "\n%{http_code}"])
            .args(args)
            .arg(format!("{}{path}", self.http))
            .output()
            .expect("curl is installed; `make test` checks it");
        let text = String::from_utf8(output.stdout).expect("text");
        let (body, status) = text.rsplit_once('\n').unwrap_or(("", &text));
        let stderr = String::from_utf8_lossy(&output.stderr);
        (status.parse().unwrap_or_else(|_| panic!("curl {path}: {stderr}")), body.to_owned())
    }

    pub fn get(&self, path: &str) -> Value {
        let (status, body) = self.curl(&[], path);
        assert_eq!(status, 200, "GET {path}: {body}");
        serde_json::from_str(&body).unwrap_or_else(|why| panic!("GET {path}: {why}: {body}"))
    }

    pub fn send(&self, method: &str, path: &str, body: &str) -> (u16, Value) {
        let json = ["-X", method, "-H", "content-type: application/json", "-d", body];
        let (status, body) = self.curl(&json, path);
        (status, serde_json::from_str(&body).unwrap_or(Value::Null))
    }

    pub fn status_of(&self, path: &str) -> u16 {
        self.curl(&[], path).0
    }

    /// Number of the process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Resident memory of the process, without its children.
    pub fn memory_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("it runs");
        let kilobytes =
            status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"));
        1024 * kilobytes.and_then(|number| number.trim().parse::<u64>().ok()).expect("a number")
    }

    pub fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &id]).status().expect("kill is there");
        assert!(sent.success());
    }

    /// Memory in use, in MiB.
    pub fn resident_mib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("Linux");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a line");
        line.split_whitespace().next().expect("a number").parse::<u64>().expect("a number") / 1_024
    }

    /// Waits for the end. Returns the exit status and the lines on stdout.
    pub fn end(mut self) -> (ExitStatus, Vec<String>) {
        let printed = self.stdout.to_end();
        (self.child.wait().expect("the program ended"), printed)
    }

    /// Stops the process with SIGTERM, as `kubectl delete` does. Returns the lines on stdout.
    pub fn stop(self) -> Vec<String> {
        self.signal("TERM");
        let (status, printed) = self.end();
        assert!(status.success(), "{status}");
        printed
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

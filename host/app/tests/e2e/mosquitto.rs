//! A Mosquitto broker on a free port, and Mosquitto's clients.

use std::io::Write;
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::lines::{DEFAULT_TIMEOUT, Lines};

#[path = "../../../sim/tests/support/port.rs"]
mod port;

pub use port::free_port;

pub struct Mosquitto {
    child: Child,
    pub port: u16,
    pub log: Lines,
    _folder: TempDir,
}

impl Mosquitto {
    pub fn start() -> Self {
        Self::with("allow_anonymous true", "")
    }

    /// Starts a broker with these lines in its configuration. They must contain the rule for access, such as
    /// `allow_anonymous true`.
    pub fn start_with(access: &str) -> Self {
        Self::with(access, "")
    }

    /// Starts a broker with these lines in its configuration, and with these rules of topics if there are any.
    pub fn with(lines: &str, topics: &str) -> Self {
        let port = free_port();
        let folder = tempfile::tempdir().expect("a folder");
        let config = folder.path().join("mosquitto.conf");
        let mut file = std::fs::File::create(&config).expect("a file");
        writeln!(
            file,
            "listener {port} 127.0.0.1\nlog_type all\nset_tcp_nodelay true\n\
             max_queued_messages 100000\nsys_interval 1\n{lines}"
        )
        .expect("disk space");
        if !topics.is_empty() {
            let rules = folder.path().join("access");
            std::fs::write(&rules, topics).expect("a file");
            // Without `user root` it would drop root and could not read the folder.
            writeln!(file, "user root\nacl_file {}", rules.display()).expect("disk space");
        }
        // On Debian, Mosquitto is in /usr/sbin, which only root has in PATH.
        let path = format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default());
        let mut child = Command::new("mosquitto")
            .env("PATH", path)
            .arg("-c")
            .arg(&config)
            .stderr(Stdio::piped())
            .spawn()
            .expect("Mosquitto is installed; `make test` checks it");
        let log = Lines::of(child.stderr.take().expect("a pipe"));
        let broker = Self { child, port, log, _folder: folder };
        broker.await_connection();
        broker
    }

    /// Stops the process with SIGSTOP, as if the machine hung.
    pub fn freeze(&self) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-STOP", &id]).status().expect("kill is there").success());
    }

    fn await_connection(&self) {
        let end = Instant::now() + DEFAULT_TIMEOUT;
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(Instant::now() < end, "Mosquitto does not listen: {:?}", self.log.all());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub fn url(&self) -> String {
        format!("mqtt://127.0.0.1:{}", self.port)
    }

    /// Subscribes with Mosquitto's client. Each message is a line: topic, space, payload. Returns after the broker
    /// has acknowledged the subscription.
    pub fn subscribe(&self, filter: &str) -> Subscriber {
        subscribe(self.port, filter, || {
            self.log.wait_for(&format!("Sending SUBACK to {}", subscriber_name(filter)));
        })
    }

    /// The same with the payload in hexadecimal digits.
    pub fn subscribe_hex(&self, filter: &str) -> Subscriber {
        subscribe_as(self.port, filter, "%t %x", || {
            self.log.wait_for(&format!("Sending SUBACK to {}", subscriber_name(filter)));
        })
    }

    pub fn publish(&self, topic: &str, payload: &str) {
        let port = self.port.to_string();
        let sent = Command::new("mosquitto_pub")
            .args(["-h", "127.0.0.1", "-p", &port, "-q", "1", "-t", topic, "-m", payload])
            .status()
            .expect("mosquitto_pub is installed");
        assert!(sent.success());
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub struct Subscriber {
    child: Child,
    pub lines: Lines,
}

fn subscriber_name(filter: &str) -> String {
    format!("outside-{}", filter.replace(['/', '+', '#', '$'], "_"))
}

/// Subscribes at any broker. `ready` returns after the subscription is established.
pub fn subscribe(port: u16, filter: &str, ready: impl FnOnce()) -> Subscriber {
    subscribe_as(port, filter, "%t %p", ready)
}

fn subscribe_as(port: u16, filter: &str, format: &str, ready: impl FnOnce()) -> Subscriber {
    let mut child = Command::new("mosquitto_sub")
        .args(["-h", "127.0.0.1", "-p", &port.to_string(), "-i", &subscriber_name(filter)])
        .args(["-q", "2", "-t", filter, "-F", format])
        .stdout(Stdio::piped())
        .spawn()
        .expect("mosquitto_sub is installed; `make test` checks it");
    let lines = Lines::of(child.stdout.take().expect("a pipe"));
    ready();
    Subscriber { child, lines }
}

impl Subscriber {
    /// Waits for `count` messages on topics with this ending.
    pub fn wait(&self, count: usize, ending: &str, timeout: Duration) -> Vec<(String, String)> {
        let found = self.lines.wait(count, timeout, |line| topic(line).ends_with(ending));
        found.iter().map(|line| split(line)).collect()
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn topic(line: &str) -> &str {
    line.split(' ').next().unwrap_or_default()
}

fn split(line: &str) -> (String, String) {
    let (topic, payload) = line.split_once(' ').unwrap_or((line, ""));
    (topic.to_owned(), payload.to_owned())
}

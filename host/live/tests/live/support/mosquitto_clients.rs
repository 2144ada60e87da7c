//! Third-party clients: `mosquitto_sub` and `mosquitto_pub`.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::sync::mpsc;

use super::wait_for;

/// Makes the subscribers' readiness topics unique.
static NEXT: AtomicU32 = AtomicU32::new(0);

pub struct Subscriber {
    child: Child,
    lines: mpsc::UnboundedReceiver<String>,
    early: VecDeque<String>,
}

impl Subscriber {
    /// Subscribes and waits until the subscription is active. A message reads `topic|qos|retained|payload`.
    pub async fn start(port: u16, filter: &str) -> Self {
        Self::with_format(port, filter, "%t|%q|%r|%p").await
    }

    /// Like [`Self::start`], with another format, which must include the topic.
    pub async fn with_format(port: u16, filter: &str, format: &str) -> Self {
        Self::with(port, filter, format, &["-V", "5", "-q", "2"]).await
    }

    /// Like [`Self::with_format`], at QoS 1 with MQTT 3.1.1. At QoS 2 with MQTT 5 `mosquitto_sub` treats a
    /// burst of messages as a protocol error and exits.
    pub async fn for_bursts(port: u16, filter: &str, format: &str) -> Self {
        Self::with(port, filter, format, &["-V", "311", "-q", "1"]).await
    }

    async fn with(port: u16, filter: &str, format: &str, more: &[&str]) -> Self {
        // `mosquitto_sub` reports its subscription only when its output buffer is full, so a retained message
        // signals it.
        let ready = format!("~ready/{}", NEXT.fetch_add(1, Ordering::Relaxed));
        publish(port, &ready, "ready", &["-r"]).await;
        let mut child = Command::new("mosquitto_sub")
            .args(["-p", &port.to_string(), "-t", filter, "-t", &ready, "-F", format])
            .args(more)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the clients have to be installed: `apt-get install mosquitto-clients`");
        let (sender, lines) = mpsc::unbounded_channel();
        let output = child.stdout.take().unwrap();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        let mut subscriber = Self { child, lines, early: VecDeque::new() };
        // Retained messages may arrive before the signal.
        let mut early = VecDeque::new();
        wait_for(&mut subscriber.lines, "the subscription", |line: &String| {
            early.push_back(line.clone());
            line.contains(&ready)
        })
        .await;
        early.pop_back();
        subscriber.early = early;
        subscriber
    }

    /// Waits for the next message that satisfies `matches`.
    pub async fn wait_for(&mut self, what: &str, matches: impl Fn(&str) -> bool) -> String {
        while let Some(line) = self.early.pop_front() {
            if matches(&line) {
                return line;
            }
        }
        wait_for(&mut self.lines, what, |line: &String| matches(line)).await
    }

    /// All messages that have arrived so far.
    pub fn messages(&mut self) -> Vec<String> {
        self.early.drain(..).chain(std::iter::from_fn(|| self.lines.try_recv().ok())).collect()
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Publishes one message, with further arguments for `mosquitto_pub`.
pub async fn publish(port: u16, topic: &str, payload: &str, more: &[&str]) {
    let mut command = Command::new("mosquitto_pub");
    command.args(["-p", &port.to_string(), "-t", topic, "-m", payload]).args(more);
    let done = tokio::task::spawn_blocking(move || command.status()).await.unwrap().unwrap();
    assert!(done.success(), "mosquitto_pub failed");
}

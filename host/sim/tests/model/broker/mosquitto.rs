//! A real Mosquitto as a broker under test, over TCP.

// A real broker runs in real time.
#![allow(clippy::disallowed_types, clippy::disallowed_methods)]

use std::net::{Ipv4Addr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use wasmote_mqtt::broker::packet::{Reply, Request};

use super::broker_under_test::BrokerUnderTest;
use super::over_tcp::OverTcp;

#[path = "../../support/port.rs"]
mod port;

/// Time without packets after which a connection counts as quiet. Mosquitto sends some packets up to 100 ms
/// late, at its next poll.
const QUIET: Duration = Duration::from_millis(120);
/// Timeout for the start of the broker.
const START: Duration = Duration::from_secs(60);

/// A broker process with connections to it. The process ends when this value is dropped.
pub struct Mosquitto {
    process: Child,
    port: u16,
    configuration: PathBuf,
    clients: OverTcp,
}

impl Mosquitto {
    pub fn start() -> Self {
        let port = port::free_port();
        let configuration = std::env::temp_dir().join(format!("wasmote-mosquitto-{port}.conf"));
        let text = format!("listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\n");
        std::fs::write(&configuration, text).expect("a temporary file");
        let process = Command::new("mosquitto")
            .arg("-c")
            .arg(&configuration)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("mosquitto is installed");
        let mut broker = Self { process, port, configuration, clients: OverTcp::new(port, QUIET) };
        broker.await_start();
        broker
    }

    fn await_start(&mut self) {
        let began = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_err() {
            let ended = self.process.try_wait().expect("a child process");
            assert!(ended.is_none() && began.elapsed() < START, "mosquitto did not start: {ended:?}");
            sleep(Duration::from_millis(10));
        }
    }
}

impl BrokerUnderTest for Mosquitto {
    fn send(&mut self, client: &str, request: Request) {
        self.clients.send(client, request);
    }

    fn receive(&mut self, client: &str) -> Vec<Reply> {
        self.clients.receive(client)
    }

    fn is_open(&mut self, client: &str, age: usize) -> bool {
        self.clients.is_open(client, age)
    }

    fn wait(&mut self, span: Duration) {
        self.clients.wait(span);
    }

    fn passed(&self) -> Duration {
        self.clients.passed()
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_file(&self.configuration);
    }
}

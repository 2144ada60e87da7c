//! A real Mosquitto as a broker under test, over TCP.
//!
//! * `wire`: packets as bytes, as far as the scenarios need them.

// A real broker lives in real time.
#![allow(clippy::disallowed_types, clippy::disallowed_methods)]

mod wire;

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use wasmote_sim::broker::packet::{Reply, Request};
use wasmote_sim::context::Protocol;

use super::arm::BrokerUnderTest;

/// How long nothing comes before a connection counts as quiet. Mosquitto sends some packets only when it
/// next looks around, a tenth of a second later.
const QUIET: Duration = Duration::from_millis(120);
/// How long the broker may take to start.
const START: Duration = Duration::from_secs(5);

/// A broker process, and connections to it. It ends with this value.
pub struct Mosquitto {
    process: Child,
    port: u16,
    configuration: PathBuf,
    connections: BTreeMap<String, Vec<Connection>>,
}

struct Connection {
    stream: Option<TcpStream>,
    protocol: Protocol,
    unread: Vec<u8>,
}

impl Mosquitto {
    pub fn start() -> Self {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = free.local_addr().expect("it is bound").port();
        drop(free);
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
        let broker = Self { process, port, configuration, connections: BTreeMap::new() };
        broker.await_start();
        broker
    }

    fn await_start(&self) {
        let began = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_err() {
            assert!(began.elapsed() < START, "mosquitto did not start");
            sleep(Duration::from_millis(10));
        }
    }

    fn open(&self, protocol: Protocol) -> Connection {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).expect("the broker listens");
        stream.set_nodelay(true).expect("a socket option");
        stream.set_read_timeout(Some(QUIET)).expect("a socket option");
        Connection { stream: Some(stream), protocol, unread: Vec::new() }
    }

    fn connection(&mut self, client: &str, age: usize) -> Option<&mut Connection> {
        self.connections.get_mut(client).and_then(|all| all.iter_mut().rev().nth(age))
    }
}

impl Connection {
    fn write(&mut self, request: &Request) {
        let Some(stream) = &mut self.stream else { return };
        if *request == Request::Lost {
            self.stream = None;
        } else {
            // The broker may have closed the connection.
            let _ = stream.write_all(&wire::encode(request, self.protocol));
        }
    }

    fn read(&mut self) -> Vec<Reply> {
        let mut replies = Vec::new();
        let mut buffer = [0; 64 << 10];
        while let Some(stream) = &mut self.stream {
            match stream.read(&mut buffer) {
                Ok(0) => self.stream = None,
                Ok(length) => self.unread.extend_from_slice(&buffer[..length]),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => break,
                Err(_) => self.stream = None,
            }
            while let Some(reply) = wire::decode(&mut self.unread, self.protocol) {
                replies.push(reply);
            }
            if !replies.is_empty() {
                break;
            }
        }
        replies
    }
}

impl BrokerUnderTest for Mosquitto {
    fn send(&mut self, client: &str, request: Request) {
        if let Request::Connect(connect) = &request {
            let connection = self.open(connect.protocol);
            self.connections.entry(client.to_owned()).or_default().push(connection);
        }
        let connections = self.connections.get_mut(client).expect("it connected before");
        connections.last_mut().expect("it connected before").write(&request);
        if request == Request::Lost {
            sleep(QUIET);
        }
    }

    fn receive(&mut self, client: &str) -> Vec<Reply> {
        self.connection(client, 0).map(Connection::read).unwrap_or_default()
    }

    fn is_open(&mut self, client: &str, age: usize) -> bool {
        let Some(connection) = self.connection(client, age) else { return false };
        while !connection.read().is_empty() {}
        connection.stream.is_some()
    }

    fn wait(&mut self, span: Duration) {
        sleep(span);
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_file(&self.configuration);
    }
}

//! Any broker over TCP.

// A broker behind a socket runs in real time.
#![allow(clippy::disallowed_types, clippy::disallowed_methods)]

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::thread::sleep;
use std::time::{Duration, Instant};

use wasmote_mqtt::broker::packet::{Reply, Request};
use wasmote_mqtt::protocol::Protocol;

use super::broker_under_test::BrokerUnderTest;
use super::wire;

/// Connections to a broker on this machine.
pub struct OverTcp {
    port: u16,
    began: Instant,
    /// Time without packets after which a connection counts as quiet.
    quiet: Duration,
    connections: BTreeMap<String, Vec<Connection>>,
    probe: Option<TcpStream>,
}

/// Timeout for any answer of the broker, sufficient on a loaded machine.
const START_TIMEOUT: Duration = Duration::from_secs(60);
/// CONNECT of MQTT 3.1.1 without a keepalive, PINGREQ, and the answers.
const CONNECT: &[u8] = b"\x10\x11\0\x04MQTT\x04\x02\0\0\0\x05probe";
const ACCEPTED: &[u8] = b"\x20\x02\0\0";
const PING: &[u8] = b"\xc0\0";
const PONG: &[u8] = b"\xd0\0";

struct Connection {
    stream: Option<TcpStream>,
    protocol: Protocol,
    unread: Vec<u8>,
}

impl OverTcp {
    pub fn new(port: u16, quiet: Duration) -> Self {
        Self { port, began: Instant::now(), quiet, connections: BTreeMap::new(), probe: None }
    }

    fn open(&self, protocol: Protocol) -> Connection {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).expect("the broker subscribes");
        stream.set_nodelay(true).expect("a socket option");
        stream.set_read_timeout(Some(self.quiet)).expect("a socket option");
        Connection { stream: Some(stream), protocol, unread: Vec::new() }
    }

    /// Waits until the broker has polled all connections: twice, because the first request may arrive in the
    /// middle of a poll. After that, the broker sends nothing more by itself, even on a slow machine.
    fn wait_for_broker(&mut self) {
        let probe = self.probe.get_or_insert_with(|| {
            let mut probe =
                TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).expect("the broker subscribes");
            probe.set_nodelay(true).expect("a socket option");
            probe.set_read_timeout(Some(START_TIMEOUT)).expect("a socket option");
            exchange(&mut probe, CONNECT, ACCEPTED);
            probe
        });
        exchange(probe, PING, PONG);
        exchange(probe, PING, PONG);
    }

    fn connection(&mut self, client: &str, age: usize) -> Option<&mut Connection> {
        self.connections.get_mut(client).and_then(|all| all.iter_mut().rev().nth(age))
    }
}

fn exchange(probe: &mut TcpStream, packet: &[u8], answer: &[u8]) {
    probe.write_all(packet).expect("the broker subscribes");
    let mut received = vec![0; answer.len()];
    probe.read_exact(&mut received).expect("the broker answers");
    assert_eq!(received, answer);
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

impl BrokerUnderTest for OverTcp {
    fn send(&mut self, client: &str, request: Request) {
        if let Request::Connect(connect) = &request {
            let connection = self.open(connect.protocol);
            self.connections.entry(client.to_owned()).or_default().push(connection);
        }
        let connections = self.connections.get_mut(client).expect("the client has connected");
        connections.last_mut().expect("the client has connected").write(&request);
        self.wait_for_broker();
        if request == Request::Lost {
            sleep(self.quiet);
            self.wait_for_broker();
        }
    }

    fn receive(&mut self, client: &str) -> Vec<Reply> {
        self.wait_for_broker();
        self.connection(client, 0).map(Connection::read).unwrap_or_default()
    }

    fn is_open(&mut self, client: &str, age: usize) -> bool {
        self.wait_for_broker();
        let Some(connection) = self.connection(client, age) else { return false };
        while !connection.read().is_empty() {}
        connection.stream.is_some()
    }

    fn wait(&mut self, span: Duration) {
        sleep(span);
        self.wait_for_broker();
    }

    fn passed(&self) -> Duration {
        self.began.elapsed()
    }
}

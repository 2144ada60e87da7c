//! Any broker over TCP.

// A broker behind a socket lives in real time.
#![allow(clippy::disallowed_types, clippy::disallowed_methods)]

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::thread::sleep;
use std::time::{Duration, Instant};

use wasmote_sim::broker::packet::{Reply, Request};
use wasmote_sim::context::Protocol;

use super::arm::BrokerUnderTest;
use super::wire;

/// Connections to a broker on this machine.
pub struct OverTcp {
    port: u16,
    began: Instant,
    /// How long nothing comes before a connection counts as quiet.
    quiet: Duration,
    connections: BTreeMap<String, Vec<Connection>>,
}

struct Connection {
    stream: Option<TcpStream>,
    protocol: Protocol,
    unread: Vec<u8>,
}

impl OverTcp {
    pub fn new(port: u16, quiet: Duration) -> Self {
        Self { port, began: Instant::now(), quiet, connections: BTreeMap::new() }
    }

    fn open(&self, protocol: Protocol) -> Connection {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).expect("the broker listens");
        stream.set_nodelay(true).expect("a socket option");
        stream.set_read_timeout(Some(self.quiet)).expect("a socket option");
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

impl BrokerUnderTest for OverTcp {
    fn send(&mut self, client: &str, request: Request) {
        if let Request::Connect(connect) = &request {
            let connection = self.open(connect.protocol);
            self.connections.entry(client.to_owned()).or_default().push(connection);
        }
        let connections = self.connections.get_mut(client).expect("it connected before");
        connections.last_mut().expect("it connected before").write(&request);
        if request == Request::Lost {
            sleep(self.quiet);
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

    fn passed(&self) -> Duration {
        self.began.elapsed()
    }
}

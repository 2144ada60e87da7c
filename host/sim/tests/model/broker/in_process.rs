//! The model as a broker under test.

use std::collections::BTreeMap;
use std::time::Duration;

use wasmote_mqtt::broker::limits::BrokerLimits;
use wasmote_mqtt::broker::packet::{Reply, Request};
use wasmote_mqtt::broker::{Broker, Replies};
use wasmote_mqtt::time::Time;

use super::broker_under_test::BrokerUnderTest;

/// Broker model. Connections are numbered in the order of their creation.
pub struct InProcess {
    pub broker: Broker<u32>,
    pub now: Time,
    connections: BTreeMap<String, Vec<u32>>,
    mailboxes: BTreeMap<u32, Vec<Reply>>,
    opened: u32,
}

impl InProcess {
    pub fn new(limits: BrokerLimits) -> Self {
        Self {
            broker: Broker::new(limits),
            now: Time::ZERO,
            connections: BTreeMap::new(),
            mailboxes: BTreeMap::new(),
            opened: 0,
        }
    }

    fn sort(&mut self, replies: Replies<u32>) {
        for (connection, reply) in replies {
            self.mailboxes.entry(connection).or_default().push(reply);
        }
    }

    fn connection(&self, client: &str, age: usize) -> Option<u32> {
        self.connections.get(client).and_then(|all| all.iter().rev().nth(age)).copied()
    }
}

impl BrokerUnderTest for InProcess {
    fn send(&mut self, client: &str, request: Request) {
        let connections = self.connections.entry(client.to_owned()).or_default();
        if connections.is_empty() || matches!(request, Request::Connect(_)) {
            self.opened += 1;
            connections.push(self.opened);
        }
        let connection = *connections.last().expect("a connection");
        let mut replies = Vec::new();
        self.broker.handle(connection, request, self.now, &mut replies);
        self.sort(replies);
    }

    fn receive(&mut self, client: &str) -> Vec<Reply> {
        let mailbox = self.connection(client, 0).and_then(|connection| self.mailboxes.remove(&connection));
        mailbox.unwrap_or_default()
    }

    fn is_open(&mut self, client: &str, age: usize) -> bool {
        self.connection(client, age).is_some_and(|connection| self.broker.is_connected(connection))
    }

    fn wait(&mut self, span: Duration) {
        let end = self.now + span;
        while let Some(due) = self.broker.next_deadline().filter(|due| *due <= end) {
            self.now = due;
            let mut replies = Vec::new();
            self.broker.wake(self.now, &mut replies);
            self.sort(replies);
        }
        self.now = end;
    }

    fn passed(&self) -> Duration {
        self.now.elapsed()
    }
}

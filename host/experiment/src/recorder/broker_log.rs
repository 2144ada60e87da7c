//! `broker.log`: connections and subscriptions, in the format of a broker's log.
//!
//! In virtual time, and at the embedded broker in real time, every packet is observed. For any other broker the log
//! contains only what devices know of their connections, and its first line says so.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use wasmote_fleet::printable::Printable;
use wasmote_live::broker::Peer;
use wasmote_mqtt::broker::packet::{ConnAck, Connect, Disconnect, Reply, Request, Subscribe, Unsubscribe};
use wasmote_mqtt::broker::reason::{CloseReason, ConnectRefusal};
use wasmote_mqtt::device_id::{DeviceId, Identity};
use wasmote_mqtt::message::{Message, Will};
use wasmote_mqtt::protocol::Protocol;
use wasmote_sim::device::Now;
use wasmote_sim::faults::broker::{BrokerTransition, Failure};
use wasmote_sim::notice::DeviceNotice;
use wasmote_sim::virtual_time::observer::ConnectionId;

use super::line_writer::LineWriter;
use super::logs::Timestamp;

/// A connection to the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Connection {
    /// Connection of a device in virtual time.
    Device(ConnectionId),
    /// Connection to the embedded broker.
    Peer(Peer),
}

/// A client that is connected.
struct Client {
    name: Arc<str>,
    will: Option<Will>,
}

pub(super) struct BrokerLog {
    file: LineWriter,
    connected: BTreeMap<Connection, Client>,
    connections: u64,
    /// Devices that report a connection; used when the broker itself is not observed.
    connected_devices: BTreeSet<DeviceId>,
}

impl BrokerLog {
    pub(super) fn create(folder: &Path) -> io::Result<Self> {
        let file = LineWriter::create(&folder.join("broker.log"))?;
        Ok(Self { file, connected: BTreeMap::new(), connections: 0, connected_devices: BTreeSet::new() })
    }

    fn line(&mut self, at: Now, text: fmt::Arguments<'_>) -> io::Result<()> {
        writeln!(self.file, "{} {}", Timestamp(at.wall), Printable(text))
    }

    /// Logs a packet that reaches the broker.
    pub(super) fn on_request(
        &mut self,
        at: Now,
        connection: Connection,
        request: &Request,
    ) -> io::Result<()> {
        match request {
            Request::Connect(connect) => return self.on_connect(at, connection, connect),
            Request::Subscribe(Subscribe { filters, .. }) => {
                let Some(Client { name, .. }) = self.connected.get(&connection) else { return Ok(()) };
                let name = Arc::clone(name);
                for (filter, options) in filters {
                    let qos = u8::from(options.qos);
                    self.line(at, format_args!("Client {name} subscribes to {filter} (QoS {qos})."))?;
                }
            }
            Request::Unsubscribe(Unsubscribe { filters, .. }) => {
                let Some(Client { name, .. }) = self.connected.get(&connection) else { return Ok(()) };
                let name = Arc::clone(name);
                for filter in filters {
                    self.line(at, format_args!("Client {name} unsubscribes from {filter}."))?;
                }
            }
            Request::Disconnect(Disconnect { with_will, .. }) => {
                let Some(Client { name, will }) = self.connected.remove(&connection) else { return Ok(()) };
                self.line(at, format_args!("Client {name} disconnected."))?;
                if *with_will {
                    self.on_will(at, &name, will)?;
                }
            }
            Request::Lost => {
                let Some(Client { name, will }) = self.connected.remove(&connection) else { return Ok(()) };
                self.line(at, format_args!("Client {name} closed its connection without a farewell."))?;
                self.on_will(at, &name, will)?;
            }
            Request::Publish(_) | Request::Ack(_) | Request::PingReq => {}
        }
        Ok(())
    }

    fn on_connect(&mut self, at: Now, connection: Connection, connect: &Connect) -> io::Result<()> {
        self.connections += 1;
        let client = Client { name: Arc::clone(&connect.client_id), will: connect.will.clone() };
        self.connected.insert(connection, client);
        let version = if connect.protocol == Protocol::V5 { "5" } else { "3.1.1" };
        let (name, clean, keep_alive) = (&connect.client_id, connect.clean_start, connect.keep_alive);
        let name = if name.is_empty() { "without a name" } else { name };
        self.line(
            at,
            format_args!(
                "Client {name} connected (MQTT {version}, clean start {clean}, keepalive {keep_alive} s)."
            ),
        )?;
        match &connect.will {
            None => Ok(()),
            Some(will) => self.line(at, format_args!("Client {name} has a will on {}.", will.message.topic)),
        }
    }

    /// Logs a packet from the broker: when it is sent, or in virtual time when it arrives.
    pub(super) fn on_reply(&mut self, at: Now, connection: Connection, reply: &Reply) -> io::Result<()> {
        match reply {
            Reply::ConnAck(ConnAck { session_present, assigned_client_id, .. }) => {
                let Some(client) = self.connected.get_mut(&connection) else { return Ok(()) };
                if let Some(assigned) = assigned_client_id {
                    client.name = Arc::clone(assigned);
                    self.line(at, format_args!("Client without a name is called {assigned}."))?;
                } else if *session_present {
                    let name = Arc::clone(&client.name);
                    self.line(at, format_args!("Client {name} resumes its session."))?;
                }
                Ok(())
            }
            // A broker that is down does not log.
            Reply::Refused(ConnectRefusal::Unavailable) => Ok(()),
            Reply::Close(CloseReason::ShuttingDown) => {
                self.connected.remove(&connection);
                Ok(())
            }
            Reply::Refused(reason) => {
                let Some(Client { name, .. }) = self.connected.remove(&connection) else { return Ok(()) };
                self.line(at, format_args!("Client {name} refused: {reason}."))
            }
            Reply::Close(reason) => {
                let Some(Client { name, will }) = self.connected.remove(&connection) else { return Ok(()) };
                let reason = match reason {
                    CloseReason::KeepAliveTimeout => "has exceeded its time-out".to_owned(),
                    other => format!("is disconnected by the broker: {other}"),
                };
                self.line(at, format_args!("Client {name} {reason}."))?;
                self.on_will(at, &name, will)
            }
            _ => Ok(()),
        }
    }

    /// Logs that the broker fails or recovers. A restart ends all connections.
    pub(super) fn on_broker_fault(&mut self, at: Now, transition: &BrokerTransition) -> io::Result<()> {
        let fault = &transition.fault;
        match (transition.failure, transition.until) {
            (Failure::Pause, Some(_)) => self.line(at, format_args!("The broker is paused (`{fault}`).")),
            (Failure::Pause, None) => self.line(at, format_args!("The broker resumes (`{fault}`).")),
            (Failure::Restart { .. }, Some(_)) => {
                self.connected.clear();
                self.line(at, format_args!("The broker is shutting down (`{fault}`)."))
            }
            (Failure::Restart { persistent: true }, None) => {
                self.line(at, format_args!("The broker runs again with its stored state."))
            }
            (Failure::Restart { persistent: false }, None) => {
                self.line(at, format_args!("The broker runs again without its earlier state."))
            }
        }
    }

    fn on_will(&mut self, at: Now, name: &str, will: Option<Will>) -> io::Result<()> {
        let Some(will) = will else { return Ok(()) };
        let topic = &will.message.topic;
        match will.delay {
            0 => self.line(at, format_args!("Will of {name} published on {topic}.")),
            delay => self.line(at, format_args!("Will of {name} on {topic} waits for {delay} s.")),
        }
    }

    pub(super) fn on_host_publish(&mut self, at: Now, message: &Message) -> io::Result<()> {
        let (topic, bytes) = (&message.topic, message.payload.len());
        self.line(at, format_args!("The host published {bytes} bytes on {topic}."))
    }

    /// Logs the broker of a run in real time.
    pub(super) fn on_start(&mut self, at: Now, url: &str, embedded: bool) -> io::Result<()> {
        if embedded {
            return self.line(at, format_args!("Broker {url}, embedded, as it sees its clients."));
        }
        self.line(
            at,
            format_args!(
                "Broker {url}, as its devices see it. What only the broker itself knows is not here: when it published \
                 a will, what it refused or dropped, and other clients."
            ),
        )
    }

    /// Logs a notice of a device in real time.
    pub(super) fn on_device_notice(
        &mut self,
        at: Now,
        device: &Identity,
        notice: &DeviceNotice,
    ) -> io::Result<()> {
        let id = &device.id;
        match notice {
            DeviceNotice::Connected(present) => {
                self.connections += 1;
                self.connected_devices.insert(id.clone());
                let session = if *present { ", and resumes its session" } else { "" };
                self.line(at, format_args!("Client {id} connected{session}."))
            }
            DeviceNotice::Disconnected(reason, _) if self.connected_devices.remove(id) => {
                self.line(at, format_args!("Client {id} lost its connection: {reason}."))
            }
            DeviceNotice::Disconnected(reason, _) => {
                self.line(at, format_args!("Client {id} could not connect: {reason}."))
            }
            DeviceNotice::Stopped(_) if self.connected_devices.remove(id) => {
                self.line(at, format_args!("Client {id} disconnected."))
            }
            DeviceNotice::Crashed(_) | DeviceNotice::Died(..) | DeviceNotice::Trapped(..)
                if self.connected_devices.remove(id) =>
            {
                self.line(at, format_args!("Client {id} closed its connection without a farewell."))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn finish(&mut self, at: Now) -> io::Result<()> {
        let (connections, still_connected) =
            (self.connections, self.connected.len() + self.connected_devices.len());
        self.line(
            at,
            format_args!("{connections} connections in all, {still_connected} of them up at the end."),
        )
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_reasons_from_outside_stay_on_their_line_without_controls() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = BrokerLog::create(folder.path()).unwrap();
        let reason = "quota\x1b[31m\nClient good-0 disconnected.";
        log.line(Now::default(), format_args!("Client a\0 could not connect: {reason}")).unwrap();
        log.flush().unwrap();
        let text = std::fs::read_to_string(folder.path().join("broker.log")).unwrap();
        assert!(
            text.ends_with("Client a\\x00 could not connect: quota\\x1b[31m\\nClient good-0 disconnected.\n"),
            "{text}"
        );
        assert_eq!(text.lines().count(), 1);
    }
}

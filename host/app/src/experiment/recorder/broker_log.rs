//! `broker.log`: comings and goings, as a broker would log them.
//!
//! In virtual time every packet is seen, and so it is on the embedded broker in real time. Of any other broker
//! nothing is seen but its devices, and what they know of their connections: the log is theirs then, and says so.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use wasmote_live::broker::Peer;
use wasmote_sim::action::Notice;
use wasmote_sim::broker::packet::{ConnAck, Connect, Disconnect, Reply, Request, Subscribe, Unsubscribe};
use wasmote_sim::broker::reason::{CloseReason, ConnectRefusal};
use wasmote_sim::context::Protocol;
use wasmote_sim::device::Now;
use wasmote_sim::device_id::{DeviceId, Identity};
use wasmote_sim::faults::broker::{Failure, Turn};
use wasmote_sim::message::{Message, Will};
use wasmote_sim::virtual_time::observer::LinkId;

use super::lines::Lines;
use super::logs::Calendar;

/// A connection to the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Line {
    /// A device's, in virtual time.
    Device(LinkId),
    /// Anybody's, at the embedded broker.
    Peer(Peer),
}

/// A client that is connected.
struct Client {
    name: Arc<str>,
    will: Option<Will>,
}

pub(super) struct BrokerLog {
    file: Lines,
    connected: BTreeMap<Line, Client>,
    connections: u64,
    /// Where only the devices are seen: those that are connected as far as they know.
    believed: BTreeSet<DeviceId>,
}

impl BrokerLog {
    pub(super) fn create(folder: &Path) -> io::Result<Self> {
        let file = Lines::create(&folder.join("broker.log"))?;
        Ok(Self { file, connected: BTreeMap::new(), connections: 0, believed: BTreeSet::new() })
    }

    fn line(&mut self, at: Now, text: fmt::Arguments<'_>) -> io::Result<()> {
        writeln!(self.file, "{} {text}", Calendar(at.wall))
    }

    /// A packet reaches the broker.
    pub(super) fn up(&mut self, at: Now, line: Line, request: &Request) -> io::Result<()> {
        match request {
            Request::Connect(connect) => return self.connects(at, line, connect),
            Request::Subscribe(Subscribe { filters, .. }) => {
                let Some(Client { name, .. }) = self.connected.get(&line) else { return Ok(()) };
                let name = Arc::clone(name);
                for (filter, options) in filters {
                    let qos = u8::from(options.qos);
                    self.line(at, format_args!("Client {name} subscribes to {filter} (QoS {qos})."))?;
                }
            }
            Request::Unsubscribe(Unsubscribe { filters, .. }) => {
                let Some(Client { name, .. }) = self.connected.get(&line) else { return Ok(()) };
                let name = Arc::clone(name);
                for filter in filters {
                    self.line(at, format_args!("Client {name} unsubscribes from {filter}."))?;
                }
            }
            Request::Disconnect(Disconnect { with_will, .. }) => {
                let Some(Client { name, will }) = self.connected.remove(&line) else { return Ok(()) };
                self.line(at, format_args!("Client {name} disconnected."))?;
                if *with_will {
                    self.will(at, &name, will)?;
                }
            }
            Request::Lost => {
                let Some(Client { name, will }) = self.connected.remove(&line) else { return Ok(()) };
                self.line(at, format_args!("Client {name} closed its connection without a farewell."))?;
                self.will(at, &name, will)?;
            }
            Request::Publish(_) | Request::Ack(_) | Request::PingReq => {}
        }
        Ok(())
    }

    fn connects(&mut self, at: Now, line: Line, connect: &Connect) -> io::Result<()> {
        self.connections += 1;
        let client = Client { name: Arc::clone(&connect.client_id), will: connect.will.clone() };
        self.connected.insert(line, client);
        let version = if connect.protocol == Protocol::V5 { "5" } else { "3.1.1" };
        let (name, clean, alive) = (&connect.client_id, connect.clean_start, connect.keep_alive);
        let name = if name.is_empty() { "without a name" } else { name };
        self.line(
            at,
            format_args!(
                "Client {name} connected (MQTT {version}, clean start {clean}, keepalive {alive} s)."
            ),
        )?;
        match &connect.will {
            None => Ok(()),
            Some(will) => self.line(at, format_args!("Client {name} has a will on {}.", will.message.topic)),
        }
    }

    /// The broker sends a packet, or in virtual time it arrives.
    pub(super) fn down(&mut self, at: Now, line: Line, reply: &Reply) -> io::Result<()> {
        match reply {
            Reply::ConnAck(ConnAck { session_present, assigned_client_id, .. }) => {
                let Some(client) = self.connected.get_mut(&line) else { return Ok(()) };
                if let Some(assigned) = assigned_client_id {
                    client.name = Arc::clone(assigned);
                    self.line(at, format_args!("Client without a name is called {assigned}."))?;
                } else if *session_present {
                    let name = Arc::clone(&client.name);
                    self.line(at, format_args!("Client {name} goes on with its session."))?;
                }
                Ok(())
            }
            // Nobody was there to log it.
            Reply::Refused(ConnectRefusal::Unavailable) => Ok(()),
            Reply::Close(CloseReason::ShuttingDown) => {
                self.connected.remove(&line);
                Ok(())
            }
            Reply::Refused(reason) => {
                let Some(Client { name, .. }) = self.connected.remove(&line) else { return Ok(()) };
                self.line(at, format_args!("Client {name} refused: {reason}."))
            }
            Reply::Close(reason) => {
                let Some(Client { name, will }) = self.connected.remove(&line) else { return Ok(()) };
                let why = match reason {
                    CloseReason::KeepAliveTimeout => "has exceeded its time-out".to_owned(),
                    other => format!("is disconnected by the broker: {other}"),
                };
                self.line(at, format_args!("Client {name} {why}."))?;
                self.will(at, &name, will)
            }
            _ => Ok(()),
        }
    }

    /// The broker itself fails, or is itself again. With its process its connections end.
    pub(super) fn fails(&mut self, at: Now, turn: &Turn) -> io::Result<()> {
        let fault = &turn.fault;
        match (turn.failure, turn.until) {
            (Failure::Pause, Some(_)) => self.line(at, format_args!("The broker stands still (`{fault}`).")),
            (Failure::Pause, None) => self.line(at, format_args!("The broker goes on (`{fault}`).")),
            (Failure::Restart { .. }, Some(_)) => {
                self.connected.clear();
                self.line(at, format_args!("The broker is shutting down (`{fault}`)."))
            }
            (Failure::Restart { persistent: true }, None) => {
                self.line(at, format_args!("The broker is back, with what it had written down."))
            }
            (Failure::Restart { persistent: false }, None) => {
                self.line(at, format_args!("The broker is back, and remembers nothing."))
            }
        }
    }

    fn will(&mut self, at: Now, name: &str, will: Option<Will>) -> io::Result<()> {
        let Some(will) = will else { return Ok(()) };
        let topic = &will.message.topic;
        match will.delay {
            0 => self.line(at, format_args!("Will of {name} published on {topic}.")),
            delay => self.line(at, format_args!("Will of {name} on {topic} waits for {delay} s.")),
        }
    }

    pub(super) fn published(&mut self, at: Now, message: &Message) -> io::Result<()> {
        let (topic, bytes) = (&message.topic, message.payload.len());
        self.line(at, format_args!("The host published {bytes} bytes on {topic}."))
    }

    /// A run in real time has this broker; whether it is the embedded one.
    pub(super) fn is(&mut self, at: Now, url: &str, embedded: bool) -> io::Result<()> {
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

    /// A device in real time has something to tell.
    pub(super) fn told(&mut self, at: Now, device: &Identity, notice: &Notice) -> io::Result<()> {
        let id = &device.id;
        match notice {
            Notice::Connected(present) => {
                self.connections += 1;
                self.believed.insert(id.clone());
                let session = if *present { ", and goes on with its session" } else { "" };
                self.line(at, format_args!("Client {id} connected{session}."))
            }
            Notice::Disconnected(reason, _) if self.believed.remove(id) => {
                self.line(at, format_args!("Client {id} lost its connection: {reason}."))
            }
            Notice::Disconnected(reason, _) => {
                self.line(at, format_args!("Client {id} could not connect: {reason}."))
            }
            Notice::Stopped(_) if self.believed.remove(id) => {
                self.line(at, format_args!("Client {id} disconnected."))
            }
            Notice::Crashed(_) | Notice::Died(..) | Notice::Trapped(..) if self.believed.remove(id) => {
                self.line(at, format_args!("Client {id} closed its connection without a farewell."))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn finish(&mut self, at: Now) -> io::Result<()> {
        let (connections, left) = (self.connections, self.connected.len() + self.believed.len());
        self.line(at, format_args!("{connections} connections in all, {left} of them up at the end."))
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

//! `broker.log`: comings and goings, as a broker would log them.
//!
//! In virtual time every packet is seen. In real time the devices are, and what they know of their connections: the
//! log is theirs then, and says so.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use wasmote_sim::action::Notice;
use wasmote_sim::broker::packet::{Connect, Reply, Request};
use wasmote_sim::broker::reason::{CloseReason, ConnectRefusal};
use wasmote_sim::context::Protocol;
use wasmote_sim::device::Now;
use wasmote_sim::device_id::{DeviceId, Identity};
use wasmote_sim::faults::broker::{Failure, Turn};
use wasmote_sim::message::{Message, Will};
use wasmote_sim::virtual_time::observer::LinkId;

use super::logs::Calendar;

pub(super) struct BrokerLog {
    file: BufWriter<File>,
    /// Connections that there are, with their wills.
    connected: BTreeMap<LinkId, Option<Will>>,
    connections: u64,
    /// In real time: devices that are connected as far as they know.
    believed: BTreeSet<DeviceId>,
}

impl BrokerLog {
    pub(super) fn create(folder: &Path) -> io::Result<Self> {
        let file = BufWriter::new(File::create(folder.join("broker.log"))?);
        Ok(Self { file, connected: BTreeMap::new(), connections: 0, believed: BTreeSet::new() })
    }

    fn line(&mut self, at: Now, text: fmt::Arguments<'_>) -> io::Result<()> {
        writeln!(self.file, "{} {text}", Calendar(at.wall))
    }

    pub(super) fn up(
        &mut self,
        at: Now,
        link: LinkId,
        device: &Identity,
        request: &Request,
    ) -> io::Result<()> {
        match request {
            Request::Connect(connect) => self.connects(at, link, connect),
            Request::Disconnect(_) => {
                if self.connected.remove(&link).is_some() {
                    self.line(at, format_args!("Client {} disconnected.", device.id))?;
                }
                Ok(())
            }
            Request::Lost => {
                let Some(will) = self.connected.remove(&link) else { return Ok(()) };
                self.line(
                    at,
                    format_args!("Client {} closed its connection without a farewell.", device.id),
                )?;
                self.will(at, device, will)
            }
            _ => Ok(()),
        }
    }

    fn connects(&mut self, at: Now, link: LinkId, connect: &Connect) -> io::Result<()> {
        self.connections += 1;
        self.connected.insert(link, connect.will.clone());
        let version = if connect.protocol == Protocol::V5 { "5" } else { "3.1.1" };
        let (name, clean, alive) = (&connect.client_id, connect.clean_start, connect.keep_alive);
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

    pub(super) fn down(&mut self, at: Now, link: LinkId, device: &Identity, reply: &Reply) -> io::Result<()> {
        let id = &device.id;
        match reply {
            Reply::ConnAck(accepted) if accepted.session_present => {
                self.line(at, format_args!("Client {id} goes on with its session."))
            }
            // Nobody was there to log it.
            Reply::Refused(ConnectRefusal::Unavailable) => Ok(()),
            Reply::Close(CloseReason::ShuttingDown) => {
                self.connected.remove(&link);
                Ok(())
            }
            Reply::Refused(reason) => {
                self.connected.remove(&link);
                self.line(at, format_args!("Client {id} refused: {reason}."))
            }
            Reply::Close(reason) => {
                let Some(will) = self.connected.remove(&link) else { return Ok(()) };
                let why = match reason {
                    CloseReason::KeepAliveTimeout => "has exceeded its time-out".to_owned(),
                    other => format!("is disconnected by the broker: {other}"),
                };
                self.line(at, format_args!("Client {id} {why}."))?;
                self.will(at, device, will)
            }
            _ => Ok(()),
        }
    }

    /// The broker itself fails, or is itself again. With its process its connections end, and say so
    /// one by one.
    pub(super) fn fails(&mut self, at: Now, turn: &Turn) -> io::Result<()> {
        let fault = &turn.fault;
        match (turn.failure, turn.until) {
            (Failure::Pause, Some(_)) => self.line(at, format_args!("The broker stands still (`{fault}`).")),
            (Failure::Pause, None) => self.line(at, format_args!("The broker goes on (`{fault}`).")),
            (Failure::Restart { .. }, Some(_)) => {
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

    fn will(&mut self, at: Now, device: &Identity, will: Option<Will>) -> io::Result<()> {
        let Some(will) = will else { return Ok(()) };
        let (id, topic) = (&device.id, &will.message.topic);
        match will.delay {
            0 => self.line(at, format_args!("Will of {id} published on {topic}.")),
            delay => self.line(at, format_args!("Will of {id} on {topic} waits for {delay} s.")),
        }
    }

    pub(super) fn published(&mut self, at: Now, message: &Message) -> io::Result<()> {
        let (topic, bytes) = (&message.topic, message.payload.len());
        self.line(at, format_args!("The host published {bytes} bytes on {topic}."))
    }

    /// A run in real time has this broker.
    pub(super) fn is(&mut self, at: Now, url: &str) -> io::Result<()> {
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

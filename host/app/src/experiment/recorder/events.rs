//! `events.ndjson`: what devices tell, for programs.

use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;
use wasmote_live::status::DeviceEvent;
use wasmote_mqtt::message::Message;
use wasmote_sim::device::Now;
use wasmote_sim::faults::broker::BrokerTransition;

use super::line_writer::LineWriter;
use crate::events::render::EventText;
use crate::experiment::latencies::seconds;

pub(super) struct EventLog(LineWriter);

/// One line. `step` is its place in the chain.
#[derive(Serialize)]
struct DeviceLine<'a> {
    step: u64,
    t_s: f64,
    device: &'a str,
    group: &'a str,
    #[serde(flatten)]
    event: EventText<'a>,
}

/// A message that no device published.
#[derive(Serialize)]
struct HostLine<'a> {
    step: u64,
    t_s: f64,
    kind: &'static str,
    topic: &'a str,
    payload: &'a str,
}

/// The broker fails, or is itself again.
#[derive(Serialize)]
struct BrokerLine<'a> {
    step: u64,
    t_s: f64,
    kind: &'static str,
    fault: &'a str,
    fault_kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    until_s: Option<f64>,
}

/// What no device tells: what a user did, or that something is left out.
#[derive(Serialize)]
struct NoteLine<'a> {
    step: u64,
    t_s: f64,
    kind: &'static str,
    message: &'a str,
}

impl EventLog {
    pub(super) fn create(folder: &Path) -> io::Result<Self> {
        Ok(Self(LineWriter::create(&folder.join("events.ndjson"))?))
    }

    pub(super) fn notice(&mut self, step: u64, happening: &DeviceEvent) -> io::Result<()> {
        self.write(&DeviceLine {
            step,
            t_s: seconds(happening.at.run.as_nanos()),
            device: happening.device.id.as_str(),
            group: &happening.device.group,
            event: EventText::new(happening),
        })
    }

    pub(super) fn host_publish(&mut self, at: Now, step: u64, message: &Message) -> io::Result<()> {
        let payload = String::from_utf8_lossy(&message.payload);
        let t_s = seconds(at.run.as_nanos());
        self.write(&HostLine {
            step,
            t_s,
            kind: "published",
            topic: message.topic.as_str(),
            payload: &payload,
        })
    }

    pub(super) fn broker_fault(
        &mut self,
        at: Now,
        step: u64,
        transition: &BrokerTransition,
    ) -> io::Result<()> {
        self.write(&BrokerLine {
            step,
            t_s: seconds(at.run.as_nanos()),
            kind: if transition.until.is_some() { "broker_fault_began" } else { "broker_fault_ended" },
            fault: &transition.fault,
            fault_kind: transition.failure.kind(),
            until_s: transition.until.map(|until| seconds(until.as_nanos())),
        })
    }

    fn write(&mut self, line: &impl Serialize) -> io::Result<()> {
        serde_json::to_writer(&mut self.0, line)?;
        self.0.write_all(b"\n")
    }

    /// Something that no device tells.
    pub(super) fn note(&mut self, at: Now, step: u64, kind: &'static str, message: &str) -> io::Result<()> {
        self.write(&NoteLine { step, t_s: seconds(at.run.as_nanos()), kind, message })
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

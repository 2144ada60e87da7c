//! `events.ndjson`: what devices tell, for programs.

use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;
use wasmote_live::status::Happening;
use wasmote_sim::device::Now;
use wasmote_sim::faults::broker::Turn;
use wasmote_sim::message::Message;

use super::lines::Lines;
use crate::experiment::latencies::seconds;
use crate::observer::told::Told;

pub(super) struct Events(Lines);

/// One line. `step` is its place in the chain.
#[derive(Serialize)]
struct Line<'a> {
    step: u64,
    t_s: f64,
    device: &'a str,
    group: &'a str,
    #[serde(flatten)]
    told: Told<'a>,
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
struct Note<'a> {
    step: u64,
    t_s: f64,
    kind: &'static str,
    message: &'a str,
}

impl Events {
    pub(super) fn create(folder: &Path) -> io::Result<Self> {
        Ok(Self(Lines::create(&folder.join("events.ndjson"))?))
    }

    pub(super) fn notice(&mut self, step: u64, happening: &Happening) -> io::Result<()> {
        self.write(&Line {
            step,
            t_s: seconds(happening.at.run.as_nanos()),
            device: happening.device.id.as_str(),
            group: &happening.device.group,
            told: Told::of(happening),
        })
    }

    pub(super) fn published(&mut self, at: Now, step: u64, message: &Message) -> io::Result<()> {
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

    pub(super) fn broker(&mut self, at: Now, step: u64, turn: &Turn) -> io::Result<()> {
        self.write(&BrokerLine {
            step,
            t_s: seconds(at.run.as_nanos()),
            kind: if turn.until.is_some() { "broker_fault_began" } else { "broker_fault_ended" },
            fault: &turn.fault,
            fault_kind: turn.failure.kind(),
            until_s: turn.until.map(|until| seconds(until.as_nanos())),
        })
    }

    fn write(&mut self, line: &impl Serialize) -> io::Result<()> {
        serde_json::to_writer(&mut self.0, line)?;
        self.0.write_all(b"\n")
    }

    /// Something that no device tells.
    pub(super) fn note(&mut self, at: Now, step: u64, kind: &'static str, message: &str) -> io::Result<()> {
        self.write(&Note { step, t_s: seconds(at.run.as_nanos()), kind, message })
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

//! `events.ndjson`: the events of a run for programs.

use std::io::{self, Write};
use std::path::Path;

use wasmote_fleet::events::render::EventText;
use wasmote_fleet::payload_bytes::encode;
use wasmote_live::status::DeviceEvent;
use wasmote_mqtt::message::Message;
use wasmote_results::{EventLine, LineFile, write_line};
use wasmote_sim::device::Now;
use wasmote_sim::faults::broker::BrokerTransition;
use wasmote_sim::notice::DeviceNotice;

use super::line_writer::LineWriter;
use crate::latencies::seconds;

/// Bytes of a payload that a line keeps.
const MAX_PAYLOAD: usize = 4 << 10;

fn payload_of(notice: &DeviceNotice) -> Option<&[u8]> {
    match notice {
        DeviceNotice::Sent(_, payload, _) | DeviceNotice::Received(_, payload, ..) => Some(payload),
        _ => None,
    }
}

pub(super) struct EventLog(LineWriter);

impl EventLog {
    pub(super) fn create(folder: &Path) -> io::Result<Self> {
        Ok(Self(LineWriter::create(&folder.join(EventLine::FILE))?))
    }

    /// Writes an event of a device. `step` is its position in the chain, here and below.
    pub(super) fn notice(
        &mut self,
        step: u64,
        happening: &DeviceEvent,
        notice: &DeviceNotice,
    ) -> io::Result<()> {
        let event = EventText::new(happening);
        let whole = payload_of(notice)
            .filter(|payload| event.payload.as_deref() != std::str::from_utf8(payload).ok());
        write_line(
            &mut self.0,
            &EventLine {
                step,
                t_s: seconds(happening.at.run.as_nanos()),
                device: Some(happening.device.id.as_str().into()),
                group: Some((&*happening.device.group).into()),
                kind: event.kind.into(),
                message: Some(event.text.into()),
                topic: event.topic.map(Into::into),
                payload: event.payload.map(Into::into),
                latency_s: event.latency_s,
                fault: event.fault.map(Into::into),
                reason: event.reason.map(Into::into),
                ends_after_s: event.ends_after_s,
                again_after_s: event.again_after_s,
                version: event.version.map(Into::into),
                payload_bytes: whole.map(|payload| payload.len() as u64),
                payload_base64: whole
                    .map(|payload| encode(&payload[..payload.len().min(MAX_PAYLOAD)]).into()),
                message_id: event.message_id.map(Into::into),
                ..EventLine::default()
            },
        )
    }

    /// Writes a message that the host publishes itself, not on behalf of a device.
    pub(super) fn host_publish(&mut self, at: Now, step: u64, message: &Message) -> io::Result<()> {
        write_line(
            &mut self.0,
            &EventLine {
                step,
                t_s: seconds(at.run.as_nanos()),
                kind: "published".into(),
                topic: Some(message.topic.as_str().into()),
                payload: Some(String::from_utf8_lossy(&message.payload)),
                ..EventLine::default()
            },
        )
    }

    /// Writes that the broker fails or recovers.
    pub(super) fn broker_fault(
        &mut self,
        at: Now,
        step: u64,
        transition: &BrokerTransition,
    ) -> io::Result<()> {
        let kind = if transition.until.is_some() { "broker_fault_began" } else { "broker_fault_ended" };
        write_line(
            &mut self.0,
            &EventLine {
                step,
                t_s: seconds(at.run.as_nanos()),
                kind: kind.into(),
                fault: Some((&*transition.fault).into()),
                fault_kind: Some(transition.failure.kind().into()),
                until_s: transition.until.map(|until| seconds(until.as_nanos())),
                ..EventLine::default()
            },
        )
    }

    /// Writes an event without a device: a change by a user, or the truncation note.
    pub(super) fn note(&mut self, at: Now, step: u64, kind: &str, message: &str) -> io::Result<()> {
        write_line(
            &mut self.0,
            &EventLine {
                step,
                t_s: seconds(at.run.as_nanos()),
                kind: kind.into(),
                message: Some(message.into()),
                ..EventLine::default()
            },
        )
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

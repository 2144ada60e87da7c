//! `journeys.ndjson`: what became of single messages, for as many messages as `events.ndjson` has.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

use wasmote_fleet::events::content::ContentIndex;
use wasmote_fleet::events::steps::{broker_step, device_step};
use wasmote_mqtt::broker::steps::BrokerStep;
use wasmote_mqtt::device_id::{DeviceId, Identity};
use wasmote_mqtt::message::MessageOrigin;
use wasmote_results::{JourneyStep, LineFile, write_line};
use wasmote_sim::device::Now;
use wasmote_sim::journey::{DeviceStep, StepKind};
use wasmote_sim::notice::DeviceNotice;

use super::line_writer::LineWriter;
use crate::latencies::seconds;

pub(super) struct JourneyLog {
    lines: LineWriter,
    /// For each device, the number of its last message whose steps are written.
    kept: HashMap<DeviceId, u64>,
    /// Names of devices by client identifier.
    by_client: HashMap<String, String>,
    /// Contents of messages, where connections carry no identity of messages.
    contents: Option<ContentIndex>,
}

impl JourneyLog {
    pub(super) fn create(folder: &Path) -> io::Result<Self> {
        let lines = LineWriter::create(&folder.join(JourneyStep::FILE))?;
        Ok(Self { lines, kept: HashMap::new(), by_client: HashMap::new(), contents: None })
    }

    /// Recognises received messages by their content.
    pub(super) fn recognise_contents(&mut self) {
        self.contents = Some(ContentIndex::default());
    }

    /// The step of a message that a device received, if it is recognised by its content.
    pub(super) fn recognise(&self, notice: &DeviceNotice) -> Option<DeviceStep> {
        self.contents.as_ref()?.recognise(notice)
    }

    pub(super) fn add(&mut self, device: &Identity) {
        self.by_client.insert(device.client_id().to_owned(), device.id.to_string());
    }

    /// Writes a step at a device. A message that is published now is kept if `has_room`.
    pub(super) fn device(
        &mut self,
        at: Now,
        device: &Arc<Identity>,
        step: &DeviceStep,
        has_room: bool,
    ) -> io::Result<()> {
        if let Some(contents) = &mut self.contents {
            contents.observe(step);
        }
        if let DeviceStep::Message(step) = step {
            let origin = &step.origin;
            if has_room && matches!(step.kind, StepKind::Published { .. }) {
                self.kept.insert(origin.from.clone(), origin.sequence);
            }
            if !self.keeps(origin) {
                return Ok(());
            }
        }
        let t_s = seconds(at.run.as_nanos());
        write_line(&mut self.lines, &device_step(t_s, device.id.as_str(), step, None))
    }

    /// Writes a step at the broker.
    pub(super) fn broker(&mut self, at: Now, step: &BrokerStep) -> io::Result<()> {
        if !self.keeps(&step.origin) {
            return Ok(());
        }
        let device = |client: &str| self.by_client.get(client).cloned();
        let line = broker_step(seconds(at.run.as_nanos()), &step.origin, &step.kind, device);
        write_line(&mut self.lines, &line)
    }

    fn keeps(&self, origin: &MessageOrigin) -> bool {
        self.kept.get(&origin.from).is_some_and(|last| origin.sequence <= *last)
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        io::Write::flush(&mut self.lines)
    }
}

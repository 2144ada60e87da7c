//! Device of a shard, with its connection and bookkeeping.

use std::sync::Arc;

use wasmote_mqtt::time::Time;
use wasmote_sim::device::{Blueprint, Device, PowerState};
use wasmote_sim::limits::Limits;

use super::connection::Connection;

pub(super) struct Slot {
    pub(super) device: Device,
    pub(super) limits: Arc<Limits>,
    pub(super) connection: Box<Connection>,
    /// Time of the first start.
    start: Option<Time>,
    /// Earliest deadline of this slot in the shard's heap.
    armed: Option<Time>,
    pub(super) was_connected: bool,
    settled: bool,
}

impl Slot {
    pub(super) fn new(
        blueprint: Blueprint,
        connection: Box<Connection>,
        start: Option<Time>,
        now: Time,
    ) -> Self {
        Self {
            limits: Arc::clone(&blueprint.limits),
            device: Device::new(blueprint, now),
            connection,
            start,
            armed: None,
            was_connected: false,
            settled: false,
        }
    }

    /// Deadline to add to the heap, if it is earlier than the one there.
    pub(super) fn arm(&mut self) -> Option<Time> {
        let due = [self.start, self.device.next_deadline(), self.connection.next_deadline()]
            .into_iter()
            .flatten()
            .min()?;
        if self.armed.is_some_and(|armed| armed <= due) {
            return None;
        }
        self.armed = Some(due);
        self.armed
    }

    /// Whether a popped deadline is current; it is then cleared.
    pub(super) fn disarm(&mut self, at: Time) -> bool {
        self.armed.take_if(|armed| *armed == at).is_some()
    }

    /// Whether the first start is due; it is then cleared.
    pub(super) fn take_start(&mut self, now: Time) -> bool {
        self.start.take_if(|start| *start <= now).is_some()
    }

    /// Cancels the scheduled first start.
    pub(super) fn cancel_start(&mut self) {
        self.start = None;
    }

    /// Whether the device has connected for the first time or given up since the last call.
    pub(super) fn take_newly_settled(&mut self) -> bool {
        use PowerState::{Dead, Failed, Off};
        let given_up = matches!(self.device.power(), Failed(_) | Off(_) | Dead(_));
        let settled = self.was_connected || given_up;
        settled && !std::mem::replace(&mut self.settled, settled)
    }
}

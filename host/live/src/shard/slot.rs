//! Device of a shard, with its connection and bookkeeping.

use std::sync::Arc;

use wasmote_mqtt::time::Time;
use wasmote_sim::device::{Blueprint, Device, PowerState};
use wasmote_sim::limits::Limits;

use super::connection::Connection;
use super::log_lines::DeviceLines;
use super::thread_share::ThreadShare;

pub(super) struct Slot {
    pub(super) device: Device,
    pub(super) limits: Arc<Limits>,
    pub(super) connection: Box<Connection>,
    /// Time of the first start.
    start: Option<Time>,
    /// Earliest deadline of this slot in the shard's heap, and the time at which it was due.
    armed: Option<(Time, Time)>,
    pub(super) share: ThreadShare,
    pub(super) lines: DeviceLines,
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
        let limits = Arc::clone(&blueprint.limits);
        let mut device = Device::new(blueprint, now);
        // Other devices are served between two calls of one behaviour.
        device.limit_steps(1);
        device.catch_up(true);
        Self {
            lines: DeviceLines::new(limits.log_lines_per_second),
            limits,
            device,
            connection,
            start,
            armed: None,
            share: ThreadShare::default(),
            was_connected: false,
            settled: false,
        }
    }

    /// Deadline to add to the heap, if it is earlier than the one there. It is not before now, so that overdue devices
    /// take turns.
    pub(super) fn arm(&mut self, now: Time) -> Option<Time> {
        let due = [
            self.start,
            self.device.next_deadline(),
            self.connection.next_deadline(),
            self.share.paused_until,
        ];
        let due = due.into_iter().flatten().min()?;
        let at = due.max(now);
        if self.armed.is_some_and(|(armed, _)| armed <= at) {
            return None;
        }
        self.armed = Some((at, due));
        Some(at)
    }

    /// Clears a popped deadline if it is current. Returns the time at which it was due.
    pub(super) fn disarm(&mut self, at: Time) -> Option<Time> {
        self.armed
            .take_if(|(armed, _)| *armed == at)
            .map(|(at, due)| if due == Time::ZERO { at } else { due })
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

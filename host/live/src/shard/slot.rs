//! A device with its connection, and what is known about both.

use std::sync::Arc;

use wasmote_mqtt::time::Time;
use wasmote_sim::device::{Blueprint, Device, PowerState};
use wasmote_sim::limits::Limits;

use super::connection::Connection;

pub(super) struct Slot {
    pub(super) device: Device,
    pub(super) limits: Arc<Limits>,
    pub(super) connection: Box<Connection>,
    /// When it is to be switched on for the first time.
    start: Option<Time>,
    /// The soonest deadline on the agenda.
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

    /// The deadline to put on the agenda, if there is one that is sooner than what is there.
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

    /// Whether a deadline from the agenda is not outdated.
    pub(super) fn disarm(&mut self, at: Time) -> bool {
        self.armed.take_if(|armed| *armed == at).is_some()
    }

    /// Whether it is time for the first start; it is then used up.
    pub(super) fn take_start(&mut self, now: Time) -> bool {
        self.start.take_if(|start| *start <= now).is_some()
    }

    /// It is switched by hand, or not at all.
    pub(super) fn cancel_start(&mut self) {
        self.start = None;
    }

    /// Whether it has, since the last question, been connected for the first time or given up.
    pub(super) fn take_newly_settled(&mut self) -> bool {
        use PowerState::{Dead, Failed, Off};
        let given_up = matches!(self.device.power(), Failed(_) | Off(_) | Dead(_));
        let settled = self.was_connected || given_up;
        settled && !std::mem::replace(&mut self.settled, settled)
    }
}

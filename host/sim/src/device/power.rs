//! Start, stop, crash and restart of a device.

use std::time::Duration;

use wasmote_mqtt::client::DisconnectMode;
use wasmote_mqtt::time::Time;

use super::{Device, Now};
use crate::action::Action;
use crate::behaviour::{Trap, TrapKind};
use crate::event::{Event, StartCause, StopReason};
use crate::faults::{Direction, Fault, Model};
use crate::journey::StepKind;
use crate::notice::DeviceNotice;
use crate::rng::Stream;

/// Power state of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PowerState {
    /// The device was never started.
    New,
    /// The behaviour runs.
    On,
    /// The device was stopped cleanly, with the reason.
    Off(StopReason),
    /// The device is down after a power loss or a trap, until the restart.
    Down {
        /// Reason as text.
        reason: String,
        /// Time of the restart.
        until: Time,
    },
    /// The behaviour refused to start; a retry would fail in the same way.
    Failed(String),
    /// The named battery is empty. The device stays off until it is started, with a new battery.
    Dead(String),
}

/// Delay before the restart after a manual crash.
pub(super) const REBOOT_DELAY: Duration = Duration::from_secs(5);
/// First delay after a trap; it doubles after every further trap.
const MIN_RESTART_DELAY: Duration = Duration::from_secs(1);
/// Longest delay after a trap.
const MAX_RESTART_DELAY: Duration = Duration::from_secs(60);
/// Uptime after which the restart delay is reset to the shortest.
const RESTART_DELAY_RESET_AFTER: Duration = Duration::from_secs(60);
/// Number of consecutive traps from which on a device counts as failing even while it runs between two traps.
const TRAP_LOOP: u32 = 3;

#[derive(Debug)]
pub(super) struct Power {
    pub(super) state: PowerState,
    pub(super) started_at: Option<Time>,
    has_started: bool,
    consecutive_traps: u32,
    jitter: Stream,
}

impl Power {
    pub(super) fn new(jitter: Stream) -> Self {
        Self { state: PowerState::New, started_at: None, has_started: false, consecutive_traps: 0, jitter }
    }

    pub(super) fn restart_at(&self) -> Option<Time> {
        match self.state {
            PowerState::Down { until, .. } => Some(until),
            _ => None,
        }
    }

    fn switch_on(&mut self, now: Time) -> StartCause {
        self.state = PowerState::On;
        self.started_at = Some(now);
        match std::mem::replace(&mut self.has_started, true) {
            false => StartCause::PowerOn,
            true => StartCause::Restart,
        }
    }

    /// Whether the behaviour has trapped at least [`TRAP_LOOP`] times and has not run for long since.
    pub(super) fn is_trap_loop(&self, now: Time) -> bool {
        self.consecutive_traps >= TRAP_LOOP
            && self.started_at.is_some_and(|started| now.since(started) < RESTART_DELAY_RESET_AFTER)
    }

    fn restart_delay(&mut self, now: Time) -> Duration {
        if self.started_at.is_some_and(|started| now.since(started) >= RESTART_DELAY_RESET_AFTER) {
            self.consecutive_traps = 0;
        }
        let doubled =
            MIN_RESTART_DELAY.saturating_mul(1_u32.checked_shl(self.consecutive_traps).unwrap_or(u32::MAX));
        self.consecutive_traps = (self.consecutive_traps + 1).min(16);
        doubled.min(MAX_RESTART_DELAY).mul_f64(0.75 + 0.25 * self.jitter.uniform())
    }
}

impl Device {
    pub(super) fn start(&mut self, now: Now, actions: &mut Vec<Action>) {
        if self.is_running() {
            return;
        }
        self.replace_at_start(actions);
        // A restart ends all hangs.
        while let Some(hang) = self.injector.end_hang(now.run) {
            self.outage(hang, now, actions);
        }
        self.injector.switch_on(now.run);
        let cause = self.power.switch_on(now.run);
        match self.blueprint.factory.instantiate(&self.blueprint.identity) {
            Ok(behaviour) => self.behaviour = Some(behaviour),
            Err(trap) => return self.trapped(trap, now, actions),
        }
        if let Some(context) = &mut self.context {
            context.set_layout(self.blueprint.factory.layout());
        }
        // Observers get "started" before the notices of the behaviour.
        let announced = actions.len();
        match self.call_handler(Event::Started(cause), now, actions) {
            Ok(()) => {
                self.history.started();
                actions.insert(announced, Action::Notice(DeviceNotice::Started(cause)));
                self.connect(now, actions);
            }
            Err(trap) => self.trapped(trap, now, actions),
        }
    }

    pub(super) fn stop(&mut self, reason: StopReason, now: Now, actions: &mut Vec<Action>) {
        if self.is_off() {
            return;
        }
        self.history.is_failing = self.is_failing(now.run);
        self.clear_trial();
        self.dispatch(Event::Stopping(reason), now, actions);
        if self.is_running() {
            self.flush_delayed(actions);
            actions.push(Action::Disconnect(DisconnectMode::Clean));
        }
        self.switch_off("stopped", now);
        self.note_unsubscribed(None, now.run);
        self.power.state = PowerState::Off(reason);
        actions.push(Action::Notice(DeviceNotice::Stopped(reason)));
    }

    /// Crashes the device and schedules its restart.
    pub(super) fn lose_power(&mut self, pause: Duration, now: Now, actions: &mut Vec<Action>) {
        if !self.is_running() {
            return;
        }
        actions.push(Action::Notice(DeviceNotice::Crashed(pause)));
        self.power_down("crashed".into(), pause, now, actions);
    }

    /// Handles a trap of the behaviour.
    pub(super) fn trapped(&mut self, trap: Trap, now: Now, actions: &mut Vec<Action>) {
        self.history.trapped(&trap);
        if trap.kind == TrapKind::Refused {
            self.power.state = PowerState::Failed(trap.message.clone());
            self.switch_off("the behaviour refused to start", now);
            return actions.push(Action::Notice(DeviceNotice::Trapped(trap, None)));
        }
        self.traps += 1;
        let pause = self.power.restart_delay(now.run);
        let reason = trap.to_string();
        actions.push(Action::Notice(DeviceNotice::Trapped(trap, Some(pause))));
        self.power_down(reason, pause, now, actions);
    }

    /// Handles an empty battery.
    pub(super) fn battery_died(&mut self, fault: &Fault, now: Now, actions: &mut Vec<Action>) {
        let Model::Battery(battery) = &fault.model else { return };
        self.ledger.outage_began(&fault.id);
        actions.push(Action::Notice(DeviceNotice::Died(fault.id.clone(), battery.recharge)));
        let reason = format!("the battery `{}` is empty", fault.id);
        match battery.recharge {
            Some(pause) => self.power_down(reason, pause, now, actions),
            None => {
                actions.push(Action::Disconnect(DisconnectMode::PowerLoss));
                self.switch_off(&reason, now);
                self.power.state = PowerState::Dead(reason);
            }
        }
    }

    fn power_down(&mut self, reason: String, pause: Duration, now: Now, actions: &mut Vec<Action>) {
        actions.push(Action::Disconnect(DisconnectMode::PowerLoss));
        self.switch_off(&reason, now);
        self.power.state = PowerState::Down { reason, until: now.run + pause };
    }

    /// Notes the messages that wait for the behaviour or for the connection, and are lost.
    fn note_lost_at_power_off(&mut self) {
        if !self.steps.is_followed() {
            return;
        }
        let lost = || StepKind::Lost("the device went off while it waited");
        for (event, _) in &self.deferred_events {
            if let Event::Message(message) = event {
                self.steps.add(Direction::In, message, lost);
            }
        }
        for message in self.connection.queue() {
            self.steps.add(Direction::Out, message, lost);
        }
    }

    fn switch_off(&mut self, reason: &str, now: Now) {
        self.injector.switch_off(now.run);
        self.note_lost_at_power_off();
        self.discard_deferred();
        self.clear_trial();
        self.behaviour = None;
        self.power.started_at = None;
        self.ledger.lost_offline += self.connection.switch_off(reason) as u64;
        if let Some(context) = &mut self.context {
            context.set_connected(false);
            context.reset();
        }
    }
}

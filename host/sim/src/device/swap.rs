//! Another version of the behaviour takes over while the device runs.
//!
//! The link, the MQTT session, subscriptions, the will, messages that wait, the store, the measurements, the
//! account and the numbers of messages belong to the device, so they stay, and so do requests over HTTP that
//! are under way: the answer goes to the new version. Timers die with the instance that set them; the new
//! version sets its own when it starts and restores. What the old version had subscribed to stays until the
//! new one unsubscribes, and to ask for it again costs no packet and brings no retained message twice.
//!
//! Nothing is given up before the new version runs. The old one gives its snapshot; the new one starts and
//! restores it, and only then is the old one told to stop. If anything of this fails, the device is put back
//! to what it was, the old instance goes on as if nothing had been, and the failure is told. What the old
//! version publishes when it stops goes out before anything of the new one's.
//!
//! For a while the new version is on trial. If it traps then, a fresh instance of the old one takes over with
//! the snapshot that the old one left. What the new version did meanwhile did happen, and the old one does
//! not know of it: what it counts itself, it may count twice.
//!
//! A device that is off or down has no state to hand over: it starts in the new version when it starts again.
//! If its behaviour had refused to start, it is started at once, as the new version may not refuse. A device
//! that hangs swaps when the hang is over, before anything else happens to it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::{Device, Now, PowerState};
use crate::action::Action;
use crate::behaviour::{Behaviour, BehaviourFactory, Trap, TrapKind, Version};
use crate::context::{Context, Effect};
use crate::event::{Event, StartCause, StopReason};
use crate::faults::battery::EnergyUse;
use crate::notice::DeviceNotice;
use wasmote_mqtt::message::Qos;
use wasmote_mqtt::time::Time;
use wasmote_mqtt::topic::TopicFilter;

/// Another version for a device.
#[derive(Clone)]
pub struct Upgrade {
    /// Makes instances of it.
    pub factory: Arc<dyn BehaviourFactory>,
    /// How long after the swap a trap brings the old version back. Zero for never.
    pub trial: Duration,
}

/// By what the version is, not by where it lies.
impl fmt::Debug for Upgrade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let version = self.factory.version();
        f.debug_struct("Upgrade").field("version", &version).field("trial", &self.trial).finish()
    }
}

/// From which version to which.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionChange {
    /// What ran before.
    pub from: Version,
    /// What is to run.
    pub to: Version,
}

/// Why the old version stays.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SwapRefusal {
    /// The old one could not say what it knows.
    #[error("the old version gave no snapshot: {}", trap_text(.0))]
    Snapshot(Trap),
    /// There is no instance of the new one.
    #[error("the new version could not be made: {}", trap_text(.0))]
    Instantiate(Trap),
    /// The new one's `start` failed.
    #[error("the new version did not start: {}", trap_text(.0))]
    Start(Trap),
    /// The new one did not take over what the old one knew.
    #[error("the new version did not restore the old one's snapshot: {}", trap_text(.0))]
    Restore(Trap),
}

/// A guest's own words, where it said no in order.
fn trap_text(trap: &Trap) -> String {
    match trap.kind {
        TrapKind::Refused => trap.message.clone(),
        _ => trap.to_string(),
    }
}

/// Counts of swaps of a device's behaviour to another version.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
pub struct SwapCounts {
    /// The new version took over, or was used at the next start.
    pub done: u64,
    /// The old version stayed.
    pub refused: u64,
    /// The new version trapped during its trial, and the device went back to the old one.
    #[serde(rename = "undone")]
    pub rolled_back: u64,
}

impl SwapCounts {
    /// Add another's counts.
    pub fn add(&mut self, other: Self) {
        self.done += other.done;
        self.refused += other.refused;
        self.rolled_back += other.rolled_back;
    }
}

/// What a device knows of its versions.
#[derive(Default)]
pub(super) struct Swaps {
    counts: SwapCounts,
    /// Why the last one came to nothing.
    last_error: Option<String>,
    trial: Option<Trial>,
    /// Waits for a hang to end.
    pending: Option<Upgrade>,
}

/// What brings the old version back.
struct Trial {
    old: Arc<dyn BehaviourFactory>,
    saved: Vec<u8>,
    until: Time,
}

/// An instance that has taken over, and what it asked for on the way.
struct Successor {
    behaviour: Box<dyn Behaviour>,
    effects: Vec<Effect>,
}

impl Device {
    /// The version of its behaviour: the one that runs, or that starts next.
    pub fn version(&self) -> Version {
        self.blueprint.factory.version()
    }

    /// What makes the instances of its behaviour.
    pub fn factory(&self) -> &Arc<dyn BehaviourFactory> {
        &self.blueprint.factory
    }

    /// Why the last swap came to nothing; none if it did not.
    pub fn last_swap_error(&self) -> Option<&str> {
        self.swaps.last_error.as_deref()
    }

    /// How often it got another version, or did not.
    pub fn swap_counts(&self) -> SwapCounts {
        self.swaps.counts
    }

    /// Whether another version waits for a hang to end.
    pub fn has_pending_swap(&self) -> bool {
        self.swaps.pending.is_some()
    }

    pub(super) fn swap(&mut self, upgrade: Upgrade, now: Now, actions: &mut Vec<Action>) {
        if self.is_running() && self.injector.hangs() {
            self.swaps.pending = Some(upgrade);
            return;
        }
        let change = VersionChange { from: self.version(), to: upgrade.factory.version() };
        if !self.is_running() {
            self.replace(upgrade.factory, change, actions);
            if matches!(self.power.state, PowerState::Failed(_)) {
                self.start(now, actions);
            }
            return;
        }
        if let Err(refusal) = self.swap_running(upgrade, &change, now, actions) {
            self.swaps.counts.refused += 1;
            self.swaps.last_error = Some(refusal.to_string());
            actions.push(Action::Notice(DeviceNotice::SwapRefused(change, refusal.clone())));
            // Whoever trapped in its snapshot cannot go on; whoever only declined can.
            if let SwapRefusal::Snapshot(trap) = refusal
                && trap.kind != TrapKind::Refused
                && !self.roll_back(&trap, now, actions)
            {
                self.trapped(trap, now, actions);
            }
        }
    }

    /// The hang is over, which a new version may have waited for.
    pub(super) fn run_pending_swap(&mut self, now: Now, actions: &mut Vec<Action>) {
        if let Some(upgrade) = self.swaps.pending.take() {
            self.swap(upgrade, now, actions);
        }
    }

    /// The device is about to start, and another version may have waited for a hang that this ends.
    pub(super) fn replace_at_start(&mut self, actions: &mut Vec<Action>) {
        if let Some(upgrade) = self.swaps.pending.take() {
            let change = VersionChange { from: self.version(), to: upgrade.factory.version() };
            self.replace(upgrade.factory, change, actions);
        }
    }

    /// There is no instance any more, or none whose trap anything would bring back.
    pub(super) fn clear_trial(&mut self) {
        self.swaps.trial = None;
    }

    /// What brings an old version back is not kept longer than it is needed.
    pub(super) fn end_trial(&mut self, now: Now) {
        self.swaps.trial.take_if(|trial| trial.until <= now.run);
    }

    fn replace(
        &mut self,
        factory: Arc<dyn BehaviourFactory>,
        change: VersionChange,
        actions: &mut Vec<Action>,
    ) {
        self.blueprint.factory = factory;
        self.swaps.last_error = None;
        self.swaps.counts.done += 1;
        actions.push(Action::Notice(DeviceNotice::Swapped(change)));
    }

    fn swap_running(
        &mut self,
        upgrade: Upgrade,
        change: &VersionChange,
        now: Now,
        actions: &mut Vec<Action>,
    ) -> Result<(), SwapRefusal> {
        let saved = self.call_behaviour(now, actions, |behaviour, context| behaviour.snapshot(context));
        let saved = saved.map_err(SwapRefusal::Snapshot)?;
        let Some(before) = self.context.clone() else { return Ok(()) };
        let mut successor = self.start_successor(&upgrade.factory, &saved, now, actions);
        if let (Err(SwapRefusal::Restore(_)), Some(trial)) = (&successor, &self.swaps.trial)
            && Arc::ptr_eq(&trial.old, &upgrade.factory)
        {
            // Back to where it came from: it does not read what its successor saved, but it does read its own.
            let own = trial.saved.clone();
            successor = self.start_successor(&upgrade.factory, &own, now, actions);
        }
        let Successor { behaviour, effects } = successor?;
        let subscriptions = before.subscriptions().clone();
        self.stop_predecessor(before, now, actions);
        self.behaviour = Some(behaviour);
        let old = std::mem::replace(&mut self.blueprint.factory, Arc::clone(&upgrade.factory));
        self.swaps.trial = Some(Trial { old, saved, until: now.run + upgrade.trial });
        self.swaps.last_error = None;
        self.swaps.counts.done += 1;
        actions.push(Action::Notice(DeviceNotice::Swapped(change.clone())));
        self.apply_new_effects(effects, subscriptions, now, actions);
        Ok(())
    }

    /// Make an instance that goes on with what another saved. If that fails, the device is as it was, but for
    /// what the instance logged.
    fn start_successor(
        &mut self,
        factory: &Arc<dyn BehaviourFactory>,
        saved: &[u8],
        now: Now,
        actions: &mut Vec<Action>,
    ) -> Result<Successor, SwapRefusal> {
        let mut behaviour =
            factory.instantiate(&self.blueprint.identity).map_err(SwapRefusal::Instantiate)?;
        let Some(before) = self.context.take() else {
            return Err(SwapRefusal::Instantiate(Trap::new(TrapKind::Host, "the device is busy")));
        };
        self.injector.spend(EnergyUse::Event);
        let mut context = before.clone();
        context.set_clock(now.run, self.injector.clock_reading(now.run, now.wall));
        context.timers().clear();
        let (context, started) = behaviour.handle(Event::Started(StartCause::Swap), context);
        let (mut context, outcome) = match started {
            Ok(()) => {
                let (context, restored) = behaviour.restore(saved, context);
                (context, restored.map_err(SwapRefusal::Restore))
            }
            Err(trap) => (context, Err(SwapRefusal::Start(trap))),
        };
        let effects = context.take_effects();
        match outcome {
            Ok(()) => {
                self.context = Some(context);
                Ok(Successor { behaviour, effects })
            }
            Err(refusal) => {
                self.context = Some(before);
                emit_logs(effects, actions);
                Err(refusal)
            }
        }
    }

    /// The old instance's last call. It speaks through a copy of the context: its messages and lines go out, but
    /// the timers and subscriptions are its successor's now.
    fn stop_predecessor(&mut self, mut before: Context, now: Now, actions: &mut Vec<Action>) {
        let Some(mut old) = self.behaviour.take() else { return };
        before.set_clock(now.run, self.injector.clock_reading(now.run, now.wall));
        let (mut context, outcome) = old.handle(Event::Stopping(StopReason::Swap), before);
        for effect in context.take_effects() {
            match effect {
                Effect::Publish(message) if outcome.is_ok() => self.publish(message, now, actions),
                Effect::Log(level, text) => actions.push(Action::Notice(DeviceNotice::Log(level, text))),
                _ => {}
            }
        }
    }

    /// Carry out what a successor asked for, but for subscriptions that the device has.
    fn apply_new_effects(
        &mut self,
        effects: Vec<Effect>,
        mut held: BTreeMap<TopicFilter, Qos>,
        now: Now,
        actions: &mut Vec<Action>,
    ) {
        for effect in effects {
            match &effect {
                Effect::Subscribe(filter, qos) if held.get(filter) == Some(qos) => continue,
                Effect::Subscribe(filter, qos) => drop(held.insert(filter.clone(), *qos)),
                Effect::Unsubscribe(filter) => drop(held.remove(filter)),
                _ => {}
            }
            self.apply_effect(effect, now, actions);
        }
    }

    /// The behaviour trapped. If it was on trial, let the old version go on. Says whether it does.
    pub(super) fn roll_back(&mut self, trap: &Trap, now: Now, actions: &mut Vec<Action>) -> bool {
        let Some(trial) = self.swaps.trial.take().filter(|trial| now.run < trial.until) else { return false };
        let change = VersionChange { from: self.version(), to: trial.old.version() };
        self.blueprint.factory = Arc::clone(&trial.old);
        self.swaps.counts.rolled_back += 1;
        self.swaps.last_error = Some(trap.to_string());
        let held = self.context.as_ref().map(|context| context.subscriptions().clone()).unwrap_or_default();
        let successor = self.start_successor(&trial.old, &trial.saved, now, actions);
        actions.push(Action::Notice(DeviceNotice::SwapRolledBack(change, trap.clone())));
        let Ok(Successor { behaviour, effects }) = successor else { return false };
        self.traps += 1;
        self.behaviour = Some(behaviour);
        self.apply_new_effects(effects, held, now, actions);
        true
    }
}

fn emit_logs(effects: Vec<Effect>, actions: &mut Vec<Action>) {
    for effect in effects {
        if let Effect::Log(level, text) = effect {
            actions.push(Action::Notice(DeviceNotice::Log(level, text)));
        }
    }
}

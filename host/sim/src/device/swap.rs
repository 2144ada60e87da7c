//! Hot swap: another version of the behaviour takes over while the device runs.
//!
//! The device keeps the link, the MQTT session, subscriptions, the will, queued messages, the store, metrics,
//! the ledger and message numbers. It also keeps HTTP requests in flight: the new version gets the answers.
//! Timers end with the instance that set them; the new version sets its own when it starts and restores.
//! Subscriptions of the old version stay until the new one unsubscribes. To subscribe again to the same
//! filter sends no packet and repeats no retained message.
//!
//! The old version stays until the new one runs. It gives a snapshot; the new version starts and restores it;
//! then the old version gets `Stopping`. If a step fails, the device is restored, the old instance continues,
//! and the failure is reported. Messages of the old version's stop precede those of the new version.
//!
//! The new version has a trial period. If it traps during the trial, a fresh instance of the old version
//! takes over with the old snapshot. The effects of the new version remain, but the old version does not know
//! of them: what it counts itself, it may count twice.
//!
//! A device that is off or down has no state to hand over: it uses the new version at its next start. If its
//! behaviour had refused to start, it is started at once, because the new version may not refuse. A hanging
//! device swaps at the end of the hang, before it handles deferred events.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use wasmote_mqtt::message::Qos;
use wasmote_mqtt::time::Time;
use wasmote_mqtt::topic::TopicFilter;

use super::{Device, Now, PowerState};
use crate::action::Action;
use crate::behaviour::{Behaviour, BehaviourFactory, Trap, TrapKind, Version};
use crate::context::{Context, Effect};
use crate::event::{Event, StartCause, StopReason};
use crate::faults::battery::EnergyUse;
use crate::notice::DeviceNotice;
use crate::version_change::{SwapRefusal, VersionChange};

/// A new version for a device.
#[derive(Clone)]
pub struct Upgrade {
    /// Factory of the new version.
    pub factory: Arc<dyn BehaviourFactory>,
    /// Trial period after the swap, during which a trap restores the old version. Zero for none.
    pub trial: Duration,
}

/// Formats the version only, because the factory's address differs between runs.
impl fmt::Debug for Upgrade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let version = self.factory.version();
        f.debug_struct("Upgrade").field("version", &version).field("trial", &self.trial).finish()
    }
}

/// Counts of swaps.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
pub struct SwapCounts {
    /// Swaps to the new version, immediate or at the next start.
    pub done: u64,
    /// Swaps that failed, so that the old version stayed.
    pub refused: u64,
    /// New versions that trapped during the trial and were rolled back.
    #[serde(rename = "undone")]
    pub rolled_back: u64,
}

impl SwapCounts {
    /// Adds the counts of another device.
    pub fn add(&mut self, other: Self) {
        self.done += other.done;
        self.refused += other.refused;
        self.rolled_back += other.rolled_back;
    }
}

/// Swap state of a device.
#[derive(Default)]
pub(super) struct Swaps {
    counts: SwapCounts,
    /// Error of the last swap, if it failed.
    last_error: Option<String>,
    trial: Option<Trial>,
    /// Swap that waits for the end of a hang.
    pending: Option<Upgrade>,
}

/// State for a rollback.
struct Trial {
    old: Arc<dyn BehaviourFactory>,
    saved: Vec<u8>,
    until: Time,
}

/// An instance that has taken over, with its effects so far.
struct Successor {
    behaviour: Box<dyn Behaviour>,
    effects: Vec<Effect>,
}

impl Device {
    /// Version of the behaviour that runs, or that starts next.
    pub fn version(&self) -> Version {
        self.blueprint.factory.version()
    }

    /// Factory of the behaviour.
    pub fn factory(&self) -> &Arc<dyn BehaviourFactory> {
        &self.blueprint.factory
    }

    /// Error of the last swap, if it failed.
    pub fn last_swap_error(&self) -> Option<&str> {
        self.swaps.last_error.as_deref()
    }

    /// Counts of swaps.
    pub fn swap_counts(&self) -> SwapCounts {
        self.swaps.counts
    }

    /// Whether a swap waits for the end of a hang.
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
            // A behaviour that trapped in its snapshot is ended; one that only refused continues.
            if let SwapRefusal::Snapshot(trap) = refusal
                && trap.kind != TrapKind::Refused
                && !self.roll_back(&trap, now, actions)
            {
                self.trapped(trap, now, actions);
            }
        }
    }

    /// Runs a swap that waited for the end of a hang.
    pub(super) fn run_pending_swap(&mut self, now: Now, actions: &mut Vec<Action>) {
        if let Some(upgrade) = self.swaps.pending.take() {
            self.swap(upgrade, now, actions);
        }
    }

    /// Applies a pending swap before a restart, which ends the hang that the swap waited for.
    pub(super) fn replace_at_start(&mut self, actions: &mut Vec<Action>) {
        if let Some(upgrade) = self.swaps.pending.take() {
            let change = VersionChange { from: self.version(), to: upgrade.factory.version() };
            self.replace(upgrade.factory, change, actions);
        }
    }

    /// Ends the trial without an instance that could be rolled back.
    pub(super) fn clear_trial(&mut self) {
        self.swaps.trial = None;
    }

    /// Discards the rollback state at the end of the trial.
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
            // Fallback if the old version cannot restore the successor's snapshot: it restores its own.
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

    /// Creates an instance that restores a snapshot. If that fails, the device is unchanged, except for log
    /// lines of the instance.
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
        context.set_layout(factory.layout());
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

    /// Stops the old instance. It gets a copy of the context: its messages and log lines are kept, but timers
    /// and subscriptions already belong to the successor.
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

    /// Carries out the effects of a successor, except for subscriptions that the device already has.
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

    /// Rolls back to the old version if the behaviour trapped on trial. True if it did.
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

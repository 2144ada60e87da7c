//! A fault of the message plane on one device.

use std::sync::Arc;
use std::time::Duration;

use wasmote_mqtt::budget::ByteBudget;
use wasmote_mqtt::message::Message;
use wasmote_mqtt::time::Time;

use crate::faults::component::ModelInput;
use crate::faults::component::runner::ModelRunner;
use crate::faults::partition::PartitionRule;
use crate::faults::reorder::{HeldMessage, HeldMessages};
use crate::faults::{Direction, Fault, FaultId, RuleInput, RuleState, Verdict};
use crate::journey::Decision;
use crate::ledger::Ledger;
use crate::notice::DeviceNotice;
use crate::rng::Stream;

#[derive(Debug)]
pub(super) struct Rule {
    pub(super) fault: Arc<Fault>,
    /// Slot of its counts in the ledger.
    slot: usize,
    kind: RuleKind,
    /// Position of the outage that activates the rule, for a recurring partition.
    pub(super) gate: Option<usize>,
    pub(super) waiting: HeldMessages,
}

#[derive(Debug)]
pub(super) enum RuleKind {
    Builtin(Box<BuiltinState>),
    Partition(PartitionRule),
    Component(Box<ModelRunner>),
}

/// State of a rule with random draws.
#[derive(Debug)]
pub(super) struct BuiltinState {
    stream: Stream,
    outbound: RuleState,
    inbound: RuleState,
}

/// Result of a rule for a set of messages.
#[derive(Debug, Default)]
pub(super) struct RuleOutcome {
    /// The last fault that dropped a message.
    pub(super) dropped_by: Option<FaultId>,
    /// Whether a message is held back.
    pub(super) held: bool,
    /// Notices of fault components.
    pub(super) notices: Vec<DeviceNotice>,
    /// Decisions, if messages are followed.
    pub(super) decisions: Option<Vec<(Arc<Fault>, Decision)>>,
}

impl RuleKind {
    pub(super) fn builtin(stream: Stream) -> Self {
        Self::Builtin(Box::new(BuiltinState {
            stream,
            outbound: RuleState::Nothing,
            inbound: RuleState::Nothing,
        }))
    }
}

/// Maximum number of copies of one message at one time. Faults that copy each other's copies would grow
/// without bound.
const MAX_COPIES: usize = 1_000;

impl Verdict {
    /// Limits the number of copies.
    fn capped(self, limit: usize) -> Self {
        match self {
            Self::Duplicate { copies, apart } => {
                let copies = copies.min(u32::try_from(limit).unwrap_or(u32::MAX));
                Self::Duplicate { copies, apart }
            }
            other => other,
        }
    }
}

impl Rule {
    pub(super) fn new(
        fault: Arc<Fault>,
        slot: usize,
        kind: RuleKind,
        gate: Option<usize>,
        budget: ByteBudget,
    ) -> Self {
        Self { fault, slot, kind, gate, waiting: HeldMessages::new(budget) }
    }

    /// Takes over the state of an earlier rule.
    pub(super) fn inherit_state(&mut self, before: Self) {
        match (&mut self.kind, before.kind) {
            (RuleKind::Component(runner), RuleKind::Component(state)) => runner.inherit_state(*state),
            (_, RuleKind::Builtin(builtin)) => self.kind = RuleKind::Builtin(builtin),
            // A partition rule has no state.
            _ => {}
        }
        self.waiting = before.waiting;
    }

    /// Judges the messages from position `first` on.
    pub(super) fn apply(
        &mut self,
        direction: Direction,
        now: Time,
        first: usize,
        passed: &mut Vec<(Message, Duration)>,
        ledger: &mut Ledger,
        outcome: &mut RuleOutcome,
    ) {
        let mut at = first;
        for _ in first..passed.len() {
            let verdict = self.judge(direction, &passed[at].0, now).capped(MAX_COPIES + first - passed.len());
            ledger.enter(self.slot, direction, &verdict);
            if let Some(decisions) = outcome.decisions.as_mut().filter(|_| self.judges(direction)) {
                decisions.push((Arc::clone(&self.fault), Decision::of(&verdict, &passed[at].0)));
            }
            self.drain_runner(ledger, outcome);
            match verdict {
                Verdict::Pass => {
                    self.waiting.overtaken(direction);
                    at += 1;
                }
                Verdict::Delay(more) => {
                    passed[at].1 = passed[at].1.saturating_add(more);
                    at += 1;
                }
                Verdict::Drop => {
                    passed.remove(at);
                    outcome.dropped_by = Some(FaultId::clone(&self.fault.id));
                }
                Verdict::Duplicate { copies, apart } => {
                    let (message, delay) = passed[at].clone();
                    let later = |nth| delay.saturating_add(apart.saturating_mul(nth));
                    passed.extend((1..=copies).map(|nth| (message.clone(), later(nth))));
                    at += 1;
                }
                Verdict::Corrupt(payload) => {
                    passed[at].0.payload = payload;
                    at += 1;
                }
                Verdict::HoldBack { others, at_most } => {
                    let (mut message, delay) = passed.remove(at);
                    if direction == Direction::In {
                        message.detach_payload();
                    }
                    self.waiting.hold(HeldMessage {
                        direction,
                        message,
                        delay,
                        others,
                        until: now + at_most,
                        _lease: None,
                    });
                    outcome.held = true;
                }
            }
        }
    }

    /// Whether the fault can decide about messages in this direction.
    fn judges(&self, direction: Direction) -> bool {
        match &self.kind {
            RuleKind::Partition(partition) => partition.judges(direction),
            _ => self.fault.model.direction().is_some_and(|ways| ways.include(direction)),
        }
    }

    /// Collects notices of a component, and counts its traps.
    fn drain_runner(&mut self, ledger: &mut Ledger, outcome: &mut RuleOutcome) {
        if let RuleKind::Component(runner) = &mut self.kind {
            let (notices, traps) = runner.drain_notices();
            outcome.notices.extend(notices);
            ledger.trapped(self.slot, traps);
        }
    }

    fn judge(&mut self, direction: Direction, message: &Message, now: Time) -> Verdict {
        let builtin = match &mut self.kind {
            RuleKind::Builtin(builtin) => &mut **builtin,
            RuleKind::Partition(partition) => return partition.judge(direction, message),
            RuleKind::Component(runner) => {
                let verdict = match self.fault.model.direction().is_some_and(|ways| ways.include(direction)) {
                    true => runner.judge(&ModelInput { now, direction, message }),
                    false => Verdict::Pass,
                };
                return self.waiting.admit(verdict, message);
            }
        };
        if !self.fault.model.direction().is_some_and(|ways| ways.include(direction)) {
            return Verdict::Pass;
        }
        let state = match direction {
            Direction::Out => &mut builtin.outbound,
            Direction::In => &mut builtin.inbound,
        };
        let mut input = RuleInput {
            message,
            now,
            can_hold: self.waiting.has_room(message),
            rng: &mut builtin.stream,
            state,
        };
        self.fault.model.judge(&mut input)
    }
}

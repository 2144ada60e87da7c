//! A fault of the message plane on one device.

use std::sync::Arc;
use std::time::Duration;

use crate::action::Notice;
use crate::faults::component::Case;
use crate::faults::component::keeper::Keeper;
use crate::faults::partition::Cut;
use crate::faults::reorder::{Held, Waiting};
use crate::faults::{Direction, Fault, FaultId, Model, Passage, Past, Verdict};
use crate::ledger::Ledger;
use crate::message::Message;
use crate::rng::Stream;
use crate::time::Time;

#[derive(Debug)]
pub(super) struct Rule {
    pub(super) fault: Arc<Fault>,
    /// Where the ledger keeps its counts.
    slot: usize,
    judge: Judge,
    /// Position of the outage that says when the rule holds, for a partition that comes and goes.
    pub(super) gate: Option<usize>,
    pub(super) waiting: Waiting,
}

#[derive(Debug)]
pub(super) enum Judge {
    Draw(Box<Drawing>),
    Cut(Cut),
    Component(Box<Keeper>),
}

/// What a rule needs that draws.
#[derive(Debug)]
pub(super) struct Drawing {
    stream: Stream,
    out: Past,
    inward: Past,
}

/// What becomes of the messages that a rule looks at.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// The last fault that took one.
    pub(super) taken_by: Option<FaultId>,
    /// Whether one is held back.
    pub(super) held: bool,
    /// What models had to say.
    pub(super) told: Vec<Notice>,
}

impl Judge {
    pub(super) fn draw(stream: Stream) -> Self {
        Self::Draw(Box::new(Drawing { stream, out: Past::Nothing, inward: Past::Nothing }))
    }
}

/// Most copies of one message at one time. Faults that copy each other's copies would grow without bound.
const MOST_COPIES: usize = 1_000;

impl Verdict {
    /// The same, with no more copies than there is room for.
    fn held_to(self, room: usize) -> Self {
        match self {
            Self::Duplicate { copies, apart } => {
                let copies = copies.min(u32::try_from(room).unwrap_or(u32::MAX));
                Self::Duplicate { copies, apart }
            }
            other => other,
        }
    }
}

impl Rule {
    pub(super) fn new(fault: Arc<Fault>, slot: usize, judge: Judge, gate: Option<usize>) -> Self {
        Self { fault, slot, judge, gate, waiting: Waiting::default() }
    }

    /// Go on where the one before was.
    pub(super) fn go_on_from(&mut self, before: Self) {
        match (&mut self.judge, before.judge) {
            (Judge::Component(keeper), Judge::Component(past)) => keeper.go_on_from(*past),
            (_, Judge::Draw(drawing)) => self.judge = Judge::Draw(drawing),
            // Which traffic a partition cuts is said by its document alone.
            _ => {}
        }
        self.waiting = before.waiting;
    }

    /// Judge each of the messages that have come this far, from `first` on.
    pub(super) fn apply(
        &mut self,
        direction: Direction,
        now: Time,
        first: usize,
        passed: &mut Vec<(Message, Duration)>,
        ledger: &mut Ledger,
        outcome: &mut Outcome,
    ) {
        let mut at = first;
        for _ in first..passed.len() {
            let verdict =
                self.judge(direction, &passed[at].0, now).held_to(MOST_COPIES + first - passed.len());
            ledger.enter(self.slot, direction, &verdict);
            self.hear_judge(ledger, outcome);
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
                    outcome.taken_by = Some(FaultId::clone(&self.fault.id));
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
                    let (message, delay) = passed.remove(at);
                    self.waiting.hold(Held { direction, message, delay, others, until: now + at_most });
                    outcome.held = true;
                }
            }
        }
    }

    /// Pass on what a component has said, and count its traps.
    fn hear_judge(&mut self, ledger: &mut Ledger, outcome: &mut Outcome) {
        if let Judge::Component(keeper) = &mut self.judge {
            let (told, traps) = keeper.take_told();
            outcome.told.extend(told);
            ledger.trapped(self.slot, traps);
        }
    }

    fn judge(&mut self, direction: Direction, message: &Message, now: Time) -> Verdict {
        let drawing = match &mut self.judge {
            Judge::Draw(drawing) => &mut **drawing,
            Judge::Cut(cut) => return cut.judge(direction, message),
            Judge::Component(keeper) => {
                let verdict = match self.fault.model.direction().is_some_and(|ways| ways.include(direction)) {
                    true => keeper.judge(&Case { now, direction, message }),
                    false => Verdict::Pass,
                };
                return self.waiting.bear(verdict);
            }
        };
        if !self.fault.model.direction().is_some_and(|ways| ways.include(direction)) {
            return Verdict::Pass;
        }
        let past = match direction {
            Direction::Out => &mut drawing.out,
            Direction::In => &mut drawing.inward,
        };
        let mut passage = Passage { message, now, draw: &mut drawing.stream, past };
        match &self.fault.model {
            Model::Delay(delay) => delay.judge(&mut passage),
            Model::Loss(loss) => loss.judge(&mut passage),
            Model::Duplicate(duplicate) => duplicate.judge(&mut passage),
            Model::Corrupt(corrupt) => corrupt.judge(&mut passage),
            Model::Reorder(reorder) => reorder.judge(&mut passage, &self.waiting),
            Model::Bandwidth(bandwidth) => bandwidth.judge(&mut passage),
            _ => Verdict::Pass,
        }
    }
}

//! Minds the judge of one device: makes it, asks it, and bears with its end.

use std::sync::Arc;

use super::{Case, Component, Desk, Judge};
use crate::action::Notice;
use crate::behaviour::{Trap, TrapKind};
use crate::device_id::Identity;
use crate::faults::{FaultId, Verdict};
use crate::limits::Limits;
use crate::rng::Stream;

/// A model that traps so often in a row is put aside.
const MOST_TRAPS: u32 = 3;

/// One model on one device.
pub(in crate::faults) struct Keeper {
    fault: FaultId,
    component: Component,
    judge: Option<Box<dyn Judge>>,
    /// It is away only while a judge has it.
    desk: Option<Desk>,
    traps_in_a_row: u32,
    is_aside: bool,
    /// What has to be told and was not yet.
    told: Vec<Notice>,
    /// Traps that were not counted yet.
    traps: u64,
}

impl std::fmt::Debug for Keeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keeper").field("component", &self.component).finish_non_exhaustive()
    }
}

impl Keeper {
    /// The judge is made when the first message comes.
    pub fn new(fault: FaultId, component: &Component, identity: &Identity, draw: Stream) -> Self {
        Self {
            fault,
            component: component.clone(),
            judge: None,
            desk: Some(Desk::new(Arc::new(identity.clone()), draw)),
            traps_in_a_row: 0,
            is_aside: false,
            told: Vec::new(),
            traps: 0,
        }
    }

    /// Ask the judge. A message whose judge fails passes.
    pub fn judge(&mut self, case: &Case<'_>) -> Verdict {
        if self.is_aside {
            return Verdict::Pass;
        }
        match self.ask(case).and_then(|verdict| sound(verdict, case)) {
            Ok(verdict) => {
                self.traps_in_a_row = 0;
                verdict
            }
            Err(trap) => {
                self.trapped(trap);
                Verdict::Pass
            }
        }
    }

    fn ask(&mut self, case: &Case<'_>) -> Result<Verdict, Trap> {
        if let Some(desk) = &mut self.desk {
            desk.0.now = case.now;
        }
        if self.judge.is_none() {
            self.judge = Some(self.component.model.appoint()?);
            self.configure()?;
        }
        self.lend(|judge, desk| judge.judge(case, desk)).unwrap_or(Ok(Verdict::Pass))
    }

    fn configure(&mut self) -> Result<(), Trap> {
        let config = Arc::clone(&self.component.config);
        self.lend(|judge, desk| judge.configure(&config, desk)).unwrap_or(Ok(()))
    }

    /// Lend the desk to the judge, and pass on what it wrote there.
    fn lend<T>(&mut self, ask: impl FnOnce(&mut dyn Judge, Desk) -> (Desk, T)) -> Option<T> {
        let judge = self.judge.as_mut()?;
        let (mut desk, outcome) = ask(&mut **judge, self.desk.take()?);
        let lines = desk.0.lines.drain(..);
        self.told
            .extend(lines.map(|(level, text)| Notice::FaultLog(FaultId::clone(&self.fault), level, text)));
        self.desk = Some(desk);
        Some(outcome)
    }

    fn trapped(&mut self, trap: Trap) {
        self.judge = None;
        self.traps += 1;
        self.traps_in_a_row += 1;
        // What does not take its configuration now will not take it the next time.
        self.is_aside = self.traps_in_a_row >= MOST_TRAPS || trap.kind == TrapKind::Refused;
        self.told.push(Notice::FaultTrapped(FaultId::clone(&self.fault), trap, self.is_aside));
    }

    /// Go on where the one before was: with its random numbers, and with its judge if it is of the same model.
    pub fn go_on_from(&mut self, before: Self) {
        let component = self.component.clone();
        let is_same_model = before.component.sha256() == component.sha256();
        let is_configured = is_same_model && before.component.config == component.config;
        *self = Self { component, ..before };
        if is_configured {
            return;
        }
        // Perhaps it fares better from now on.
        (self.traps_in_a_row, self.is_aside) = (0, false);
        self.judge = self.judge.take().filter(|_| is_same_model);
        if let Err(trap) = self.configure() {
            self.trapped(trap);
        }
    }

    /// What has happened since this was last asked: words for whoever watches, and how many traps.
    pub fn take_told(&mut self) -> (impl Iterator<Item = Notice>, u64) {
        (self.told.drain(..), std::mem::take(&mut self.traps))
    }
}

/// What a verdict may say. A payload may be as large as the one it replaces, or as a behaviour's may be.
fn sound(verdict: Verdict, case: &Case<'_>) -> Result<Verdict, Trap> {
    let largest = case.message.payload.len().max(Limits::default().payload_bytes as usize);
    match verdict {
        Verdict::Corrupt(payload) if payload.len() > largest => {
            let message =
                format!("it answered with a payload of {} bytes; the most are {largest}", payload.len());
            Err(Trap::new(TrapKind::Trapped, message))
        }
        // What waits for nobody does not wait, and no copies are none.
        Verdict::HoldBack { others: 0, .. } | Verdict::Duplicate { copies: 0, .. } => Ok(Verdict::Pass),
        Verdict::Delay(by) if by.is_zero() => Ok(Verdict::Pass),
        other => Ok(other),
    }
}

//! Minds the judge of one device: makes it, asks it, and bears with its end.

use std::sync::Arc;

use super::{Component, FaultModelInstance, ModelContext, ModelInput};
use crate::behaviour::{Trap, TrapKind};
use crate::faults::{FaultId, Verdict};
use crate::limits::Limits;
use crate::notice::DeviceNotice;
use crate::rng::Stream;
use wasmote_mqtt::device_id::Identity;

/// A model that traps so often in a row is put aside.
const MAX_CONSECUTIVE_TRAPS: u32 = 3;

/// One model on one device.
pub(in crate::faults) struct ModelRunner {
    fault: FaultId,
    component: Component,
    instance: Option<Box<dyn FaultModelInstance>>,
    /// It is away only while a judge has it.
    context: Option<ModelContext>,
    consecutive_traps: u32,
    is_disabled: bool,
    /// What has to be told and was not yet.
    notices: Vec<DeviceNotice>,
    /// Traps that were not counted yet.
    traps: u64,
}

impl std::fmt::Debug for ModelRunner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keeper").field("component", &self.component).finish_non_exhaustive()
    }
}

impl ModelRunner {
    /// The judge is made when the first message comes.
    pub fn new(fault: FaultId, component: &Component, identity: &Identity, draw: Stream) -> Self {
        Self {
            fault,
            component: component.clone(),
            instance: None,
            context: Some(ModelContext::new(Arc::new(identity.clone()), draw)),
            consecutive_traps: 0,
            is_disabled: false,
            notices: Vec::new(),
            traps: 0,
        }
    }

    /// Ask the judge. A message whose judge fails passes.
    pub fn judge(&mut self, input: &ModelInput<'_>) -> Verdict {
        if self.is_disabled {
            return Verdict::Pass;
        }
        match self.evaluate(input).and_then(|verdict| validate(verdict, input)) {
            Ok(verdict) => {
                self.consecutive_traps = 0;
                verdict
            }
            Err(trap) => {
                self.trapped(trap);
                Verdict::Pass
            }
        }
    }

    fn evaluate(&mut self, input: &ModelInput<'_>) -> Result<Verdict, Trap> {
        if let Some(context) = &mut self.context {
            context.set_now(input.now);
        }
        if self.instance.is_none() {
            self.instance = Some(self.component.model.create()?);
            self.configure()?;
        }
        self.lend(|instance, context| instance.judge(input, context)).unwrap_or(Ok(Verdict::Pass))
    }

    fn configure(&mut self) -> Result<(), Trap> {
        let config = Arc::clone(&self.component.config);
        self.lend(|instance, context| instance.configure(&config, context)).unwrap_or(Ok(()))
    }

    /// Lend the desk to the judge, and pass on what it wrote there.
    fn lend<T>(
        &mut self,
        call: impl FnOnce(&mut dyn FaultModelInstance, ModelContext) -> (ModelContext, T),
    ) -> Option<T> {
        let instance = self.instance.as_mut()?;
        let (mut context, outcome) = call(&mut **instance, self.context.take()?);
        let lines = context.0.lines.drain(..);
        self.notices.extend(
            lines.map(|(level, text)| DeviceNotice::FaultLog(FaultId::clone(&self.fault), level, text)),
        );
        self.context = Some(context);
        Some(outcome)
    }

    fn trapped(&mut self, trap: Trap) {
        self.instance = None;
        self.traps += 1;
        self.consecutive_traps += 1;
        // What does not take its configuration now will not take it the next time.
        self.is_disabled = self.consecutive_traps >= MAX_CONSECUTIVE_TRAPS || trap.kind == TrapKind::Refused;
        self.notices.push(DeviceNotice::FaultTrapped(FaultId::clone(&self.fault), trap, self.is_disabled));
    }

    /// Go on where the one before was: with its random numbers, and with its judge if it is of the same model.
    pub fn inherit_state(&mut self, before: Self) {
        let component = self.component.clone();
        let is_same_model = before.component.sha256() == component.sha256();
        let is_configured = is_same_model && before.component.config == component.config;
        *self = Self { component, ..before };
        if is_configured {
            return;
        }
        // Perhaps it fares better from now on.
        (self.consecutive_traps, self.is_disabled) = (0, false);
        self.instance = self.instance.take().filter(|_| is_same_model);
        if let Err(trap) = self.configure() {
            self.trapped(trap);
        }
    }

    /// What has happened since this was last asked: words for whoever watches, and how many traps.
    pub fn drain_notices(&mut self) -> (impl Iterator<Item = DeviceNotice>, u64) {
        (self.notices.drain(..), std::mem::take(&mut self.traps))
    }
}

/// What a verdict may say. A payload may be as large as the one it replaces, or as a behaviour's may be.
fn validate(verdict: Verdict, input: &ModelInput<'_>) -> Result<Verdict, Trap> {
    let largest = input.message.payload.len().max(Limits::default().payload_bytes as usize);
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

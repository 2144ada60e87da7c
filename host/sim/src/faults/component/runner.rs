//! Runs one fault-model instance per device and handles its traps.

use std::sync::Arc;

use wasmote_mqtt::device_id::Identity;

use super::{Component, FaultModelInstance, ModelContext, ModelInput};
use crate::behaviour::{Trap, TrapKind};
use crate::faults::{FaultId, Verdict};
use crate::limits::Limits;
use crate::notice::DeviceNotice;
use crate::rng::Stream;

/// Consecutive traps after which a model is disabled.
const MAX_CONSECUTIVE_TRAPS: u32 = 3;

/// Runner of one model on one device.
pub(in crate::faults) struct ModelRunner {
    fault: FaultId,
    component: Component,
    instance: Option<Box<dyn FaultModelInstance>>,
    /// `None` only while an instance uses it.
    context: Option<ModelContext>,
    consecutive_traps: u32,
    is_disabled: bool,
    /// Notices that are not reported yet.
    notices: Vec<DeviceNotice>,
    /// Traps that are not counted yet.
    traps: u64,
}

impl std::fmt::Debug for ModelRunner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keeper").field("component", &self.component).finish_non_exhaustive()
    }
}

impl ModelRunner {
    /// Creates a runner. The instance is created at the first message.
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

    /// Judges a message. It passes if the instance fails.
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

    /// Calls the instance with the context, and collects its log lines.
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
        // A refused configuration would be refused again.
        self.is_disabled = self.consecutive_traps >= MAX_CONSECUTIVE_TRAPS || trap.kind == TrapKind::Refused;
        self.notices.push(DeviceNotice::FaultTrapped(FaultId::clone(&self.fault), trap, self.is_disabled));
    }

    /// Takes over the random numbers of an earlier runner, and its instance if the model is the same.
    pub fn inherit_state(&mut self, before: Self) {
        let component = self.component.clone();
        let is_same_model = before.component.sha256() == component.sha256();
        let is_configured = is_same_model && before.component.config == component.config;
        *self = Self { component, ..before };
        if is_configured {
            return;
        }
        // The new configuration may not trap, so the traps are forgotten.
        (self.consecutive_traps, self.is_disabled) = (0, false);
        self.instance = self.instance.take().filter(|_| is_same_model);
        if let Err(trap) = self.configure() {
            self.trapped(trap);
        }
    }

    /// Returns and clears the collected notices and the number of traps.
    pub fn drain_notices(&mut self) -> (impl Iterator<Item = DeviceNotice>, u64) {
        (self.notices.drain(..), std::mem::take(&mut self.traps))
    }
}

/// Checks a verdict. A payload may be as large as the one it replaces, or as the limit of a behaviour.
fn validate(verdict: Verdict, input: &ModelInput<'_>) -> Result<Verdict, Trap> {
    let largest = input.message.payload.len().max(Limits::default().payload_bytes as usize);
    match verdict {
        Verdict::Corrupt(payload) if payload.len() > largest => {
            let message =
                format!("it answered with a payload of {} bytes; the most are {largest}", payload.len());
            Err(Trap::new(TrapKind::Trapped, message))
        }
        // `HoldBack` with zero messages and `Duplicate` with zero copies have no effect.
        Verdict::HoldBack { others: 0, .. } | Verdict::Duplicate { copies: 0, .. } => Ok(Verdict::Pass),
        Verdict::Delay(by) if by.is_zero() => Ok(Verdict::Pass),
        other => Ok(other),
    }
}

//! A fault model component, with one store for each device and fault.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use wasmote_sim::behaviour::Trap;
use wasmote_sim::config::DeviceConfig;
use wasmote_sim::faults::component::{
    Config, FaultModelFactory, FaultModelInstance, ModelContext, ModelInput,
};
use wasmote_sim::faults::{Direction, Verdict};
use wasmote_sim::limits::Limits;
use wasmtime::Store;

use crate::bindings::fault::exports::wasmote::device::fault_model as exported;
use crate::bindings::fault::{Fault, FaultPre};
use crate::component::{Linked, link, type_mismatch};
use crate::convert;
use crate::error::LoadError;
use crate::host::Host;
use crate::inspection::{Inspection, Role};
use crate::instance::{Guest, max_argument_bytes, refused, set_call_budget, trap_from_error};
use crate::loader::Loader;

/// A compiled fault model, ready for instantiation. Cheap to clone.
#[derive(Clone)]
pub struct FaultModel {
    inspection: Arc<Inspection>,
    pre: FaultPre<Host>,
    needs_wasi: bool,
    limits: Arc<Limits>,
}

impl FaultModel {
    pub(crate) fn load(
        loader: &Loader,
        name: &str,
        bytes: &[u8],
        limits: Arc<Limits>,
    ) -> Result<Self, LoadError> {
        let Linked { inspection, pre, needs_wasi, .. } = link(loader, name, bytes, Role::FaultModel)?;
        let pre = FaultPre::new(pre).map_err(type_mismatch)?;
        inspection.check_limits(&limits)?;
        Ok(Self { inspection: Arc::new(inspection), pre, needs_wasi, limits })
    }

    /// Metadata of the component: name, role, hash, imports and exports.
    pub fn inspect(&self) -> Inspection {
        (*self.inspection).clone()
    }
}

impl FaultModelFactory for FaultModel {
    fn create(&self) -> Result<Box<dyn FaultModelInstance>, Trap> {
        let config = DeviceConfig::new(Value::Object(Config::new()));
        let host = Host::new(config, &self.limits, Vec::new().into(), self.needs_wasi);
        let mut store = Store::new(self.pre.engine(), host);
        store.limiter(|host| &mut host.limiter);
        store.set_hostcall_fuel(max_argument_bytes(&self.limits));
        Ok(Box::new(Instance {
            store,
            guest: Guest::New(Box::new(self.pre.clone())),
            fuel_per_call: self.limits.fuel_per_call,
            max_reason_bytes: self.limits.host_call_bytes as usize,
        }))
    }

    fn name(&self) -> &str {
        &self.inspection.name
    }

    fn sha256(&self) -> &str {
        &self.inspection.sha256
    }
}

/// Instance of a model for one device. A trap poisons its store, so the instance ends with it.
struct Instance {
    store: Store<Host>,
    guest: Guest<FaultPre<Host>, Fault>,
    fuel_per_call: u64,
    /// Longest error text of the guest.
    max_reason_bytes: usize,
}

impl Instance {
    /// Calls the guest while its store holds the model context, and takes the context back.
    fn call<T>(
        &mut self,
        model_context: ModelContext,
        call: impl FnOnce(&exported::Guest, &mut Store<Host>) -> wasmtime::Result<T>,
    ) -> (ModelContext, Result<T, Trap>) {
        self.store.data_mut().model_context = Some(model_context);
        let outcome =
            self.guest.ready(&mut self.store, self.fuel_per_call, |pre, store| pre.instantiate(store));
        let outcome = outcome.and_then(|guest| {
            set_call_budget(&mut self.store, self.fuel_per_call)?;
            call(guest.wasmote_device_fault_model(), &mut self.store)
        });
        let outcome = outcome.map_err(|error| trap_from_error(&error, self.store.data(), self.fuel_per_call));
        let host = self.store.data_mut();
        host.flush_output();
        match host.model_context.take() {
            Some(model_context) => (model_context, outcome),
            // Only the line above takes the context out of the store.
            None => unreachable!("the model context stays in the store during a call"),
        }
    }
}

impl FaultModelInstance for Instance {
    fn configure(
        &mut self,
        config: &Config,
        model_context: ModelContext,
    ) -> (ModelContext, Result<(), Trap>) {
        self.store.data_mut().config = DeviceConfig::new(Value::Object(config.clone()));
        let (model_context, outcome) = self.call(model_context, |guest, store| guest.call_configure(store));
        let limit = self.max_reason_bytes;
        (model_context, outcome.and_then(|result| result.map_err(|reason| refused(reason, limit))))
    }

    fn judge(
        &mut self,
        input: &ModelInput<'_>,
        model_context: ModelContext,
    ) -> (ModelContext, Result<Verdict, Trap>) {
        let passage = passage(input);
        let (model_context, outcome) =
            self.call(model_context, |guest, store| guest.call_judge(store, &passage));
        (model_context, outcome.map(verdict))
    }
}

fn passage(input: &ModelInput<'_>) -> exported::Passage {
    let message = input.message;
    let origin = message.origin.as_ref().map(|origin| exported::Origin {
        device: origin.from.as_str().to_owned(),
        sequence: Some(origin.sequence).filter(|sequence| *sequence > 0),
    });
    exported::Passage {
        now: input.now.as_nanos(),
        direction: match input.direction {
            Direction::Out => exported::Direction::Out,
            Direction::In => exported::Direction::In,
        },
        topic: message.topic.as_str().to_owned(),
        payload: message.payload.to_vec(),
        qos: convert::qos_to_wit(message.qos),
        retain: message.retain,
        origin,
    }
}

fn verdict(verdict: exported::Verdict) -> Verdict {
    match verdict {
        exported::Verdict::Pass => Verdict::Pass,
        exported::Verdict::Delay(nanos) => Verdict::Delay(Duration::from_nanos(nanos)),
        exported::Verdict::Drop => Verdict::Drop,
        exported::Verdict::Duplicate(copies) => {
            Verdict::Duplicate { copies: copies.count, apart: Duration::from_nanos(copies.apart) }
        }
        exported::Verdict::Corrupt(payload) => Verdict::Corrupt(payload.into()),
        exported::Verdict::HoldBack(hold) => {
            Verdict::HoldBack { others: hold.others, at_most: Duration::from_nanos(hold.at_most) }
        }
    }
}

//! A component that judges messages: loaded, checked, and with one store for each device and fault.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use wasmote_sim::behaviour::{Trap, TrapKind};
use wasmote_sim::faults::component::{Appoint, Case, Config, Desk, Judge};
use wasmote_sim::faults::{Direction, Verdict};
use wasmote_sim::limits::Limits;
use wasmtime::Store;

use crate::bindings::fault::exports::wasmote::device::fault_model as exported;
use crate::bindings::fault::{Fault, FaultPre};
use crate::component::{Linked, link, other_shape};
use crate::config::DeviceConfig;
use crate::convert;
use crate::engine::Engine;
use crate::error::LoadError;
use crate::host::Host;
use crate::inspection::{Inspection, Role};
use crate::instance::{allow_call, diagnose, host_trap};

/// A fault model, compiled and ready to judge. Cheap to clone.
#[derive(Clone)]
pub struct FaultModel {
    inspection: Arc<Inspection>,
    pre: FaultPre<Host>,
    needs_wasi: bool,
    limits: Arc<Limits>,
}

impl FaultModel {
    pub(crate) fn load(
        engine: &Engine,
        name: &str,
        bytes: &[u8],
        limits: Arc<Limits>,
    ) -> Result<Self, LoadError> {
        let Linked { inspection, pre, needs_wasi, .. } = link(engine, name, bytes, Role::FaultModel)?;
        let pre = FaultPre::new(pre).map_err(other_shape)?;
        Ok(Self { inspection: Arc::new(inspection), pre, needs_wasi, limits })
    }

    /// What it says of itself.
    pub fn inspect(&self) -> Inspection {
        (*self.inspection).clone()
    }
}

impl Appoint for FaultModel {
    fn appoint(&self) -> Result<Box<dyn Judge>, Trap> {
        let config = DeviceConfig::new(Value::Object(Config::new()));
        let host = Host::new(config, &self.limits, Vec::new().into(), self.needs_wasi);
        let mut store = Store::new(self.pre.engine(), host);
        store.limiter(|host| &mut host.limiter);
        store.set_hostcall_fuel(self.limits.host_call_bytes as usize);
        let fuel_per_call = self.limits.fuel_per_call;
        allow_call(&mut store, fuel_per_call).map_err(|error| host_trap(&error))?;
        match self.pre.instantiate(&mut store) {
            Ok(guest) => Ok(Box::new(Instance { store, guest, fuel_per_call })),
            Err(error) => Err(diagnose(&error, store.data(), fuel_per_call)),
        }
    }

    fn name(&self) -> &str {
        &self.inspection.name
    }

    fn sha256(&self) -> &str {
        &self.inspection.sha256
    }
}

/// A model at work on one device. A trap poisons its store, so it ends with it.
struct Instance {
    store: Store<Host>,
    guest: Fault,
    fuel_per_call: u64,
}

impl Instance {
    /// Call the guest with the desk in the store, and take it out again.
    fn call<T>(
        &mut self,
        desk: Desk,
        call: impl FnOnce(&exported::Guest, &mut Store<Host>) -> wasmtime::Result<T>,
    ) -> (Desk, Result<T, Trap>) {
        self.store.data_mut().desk = Some(desk);
        let guest = self.guest.wasmote_device_fault_model();
        let outcome =
            allow_call(&mut self.store, self.fuel_per_call).and_then(|()| call(guest, &mut self.store));
        let outcome = outcome.map_err(|error| diagnose(&error, self.store.data(), self.fuel_per_call));
        let host = self.store.data_mut();
        host.tell_output();
        match host.desk.take() {
            Some(desk) => (desk, outcome),
            // Nothing takes the desk out of the store but the line above.
            None => unreachable!("the desk stays in the store for the length of a call"),
        }
    }
}

impl Judge for Instance {
    fn configure(&mut self, config: &Config, desk: Desk) -> (Desk, Result<(), Trap>) {
        self.store.data_mut().config = DeviceConfig::new(Value::Object(config.clone()));
        let (desk, outcome) = self.call(desk, |guest, store| guest.call_configure(store));
        (desk, outcome.and_then(|taken| taken.map_err(|why| Trap::new(TrapKind::Refused, why))))
    }

    fn judge(&mut self, case: &Case<'_>, desk: Desk) -> (Desk, Result<Verdict, Trap>) {
        let passage = passage(case);
        let (desk, outcome) = self.call(desk, |guest, store| guest.call_judge(store, &passage));
        (desk, outcome.map(verdict))
    }
}

fn passage(case: &Case<'_>) -> exported::Passage {
    let message = case.message;
    let origin = message.stamp.as_ref().map(|stamp| exported::Origin {
        device: stamp.from.as_str().to_owned(),
        sequence: Some(stamp.sequence).filter(|sequence| *sequence > 0),
    });
    exported::Passage {
        now: case.now.as_nanos(),
        direction: match case.direction {
            Direction::Out => exported::Direction::Out,
            Direction::In => exported::Direction::In,
        },
        topic: message.topic.as_str().to_owned(),
        payload: message.payload.to_vec(),
        qos: convert::qos_out(message.qos),
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

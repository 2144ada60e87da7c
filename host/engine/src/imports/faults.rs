//! `faults`: the active faults that a device can notice on itself.

use crate::bindings::wasmote::device::faults::{ActiveFault, Host as Faults};
use crate::cost::{self, PER_ENTRY};
use crate::host::Host;

impl Faults for Host {
    fn active(&mut self) -> wasmtime::Result<Vec<ActiveFault>> {
        let active = self.context()?.active_faults().iter().map(|fault| ActiveFault {
            id: fault.id.to_string(),
            kind: fault.kind.to_owned(),
            until: fault.until.map(|until| until.as_nanos()),
        });
        let active: Vec<ActiveFault> = active.collect();
        let bytes = active.iter().map(|fault| fault.id.len() + fault.kind.len()).sum();
        self.charge(&cost::FAULTS_ACTIVE, bytes)?;
        self.charge_units(&cost::FAULTS_ACTIVE, PER_ENTRY * active.len() as u64)?;
        Ok(active)
    }
}

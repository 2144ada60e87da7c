//! `faults`: the active faults that a device can notice on itself.

use crate::bindings::wasmote::device::faults::{ActiveFault, Host as Faults};
use crate::host::Host;

impl Faults for Host {
    fn active(&mut self) -> wasmtime::Result<Vec<ActiveFault>> {
        let active = self.context()?.active_faults().iter().map(|fault| ActiveFault {
            id: fault.id.to_string(),
            kind: fault.kind.to_owned(),
            until: fault.until.map(|until| until.as_nanos()),
        });
        Ok(active.collect())
    }
}

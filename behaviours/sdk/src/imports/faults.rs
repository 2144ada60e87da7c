//! Faults that affect the device.

use crate::Device;
use crate::host::imports;

pub use crate::bindings::wasmote::device::faults::ActiveFault;

imports! {
    faults::active => fn active_faults(host) -> Vec<ActiveFault> {
        host.context(|context| context.active_faults().iter().map(from_simulator).collect())
    }
}

#[cfg(all(not(target_arch = "wasm32"), feature = "bench"))]
fn from_simulator(fault: &wasmote_sim::faults::ActiveFault) -> ActiveFault {
    ActiveFault {
        id: fault.id.to_string(),
        kind: fault.kind.to_owned(),
        until: fault.until.map(|until| until.as_nanos()),
    }
}

/// Faults.
impl Device {
    /// Faults of the device plane that affect this device now.
    pub fn active_faults(&self) -> Vec<ActiveFault> {
        self.host().active_faults()
    }
}

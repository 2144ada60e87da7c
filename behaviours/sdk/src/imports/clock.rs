//! The clocks of the device.

use crate::Device;
use crate::host::imports;
use std::time::Duration;

imports! {
    clock::monotonic_now => fn monotonic_now(host) -> u64 {
        host.context(|context| context.now().as_nanos())
    }
    clock::wall_now => fn wall_now(host) -> u64 {
        host.context(|context| context.wall().as_nanos())
    }
}

/// Time.
impl Device {
    /// Time since the start of the run. Constant during a call.
    pub fn now(&self) -> Duration {
        Duration::from_nanos(self.host().monotonic_now())
    }

    /// Seconds since 1970-01-01T00:00:00Z by the device's own clock, to the microsecond: a `ts`.
    pub fn timestamp(&self) -> f64 {
        // Rounded as an integer first, so that its shortest decimal text has at most six decimals.
        (self.host().wall_now() / 1_000) as f64 / 1e6
    }
}

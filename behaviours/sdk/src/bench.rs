//! A fleet in virtual time, to unit-test a behaviour natively.
//!
//! A test starts a fleet, advances time, injects faults, and inspects the published messages:
//!
//! ```
//! use wasmote_sdk::{Behaviour, Device, Duration, Outgoing, StartCause, bench::Fleet};
//!
//! struct Hello;
//!
//! impl Behaviour for Hello {
//!     fn start(device: &mut Device, _: StartCause) -> Result<Self, String> {
//!         device.set_timer(0, Duration::from_secs(1));
//!         Ok(Hello)
//!     }
//!     fn on_timer(&mut self, device: &mut Device, _: u32) {
//!         device.send(&Outgoing::new(device.topic("hello"), "world"));
//!     }
//! }
//!
//! let mut fleet = Fleet::<Hello>::of("hello", 2).start();
//! fleet.run_for(Duration::from_secs(2));
//! assert_eq!(fleet.published("wasmote/+/hello").len(), 2);
//! ```
//!
//! The devices, the MQTT clients, the broker, the faults and the clock are those of the simulator itself
//! (`wasmote-sim`), so limits, wills, retained messages and sessions are those of a run in virtual time. All
//! random numbers derive from the seed, so a test that passes once always passes. Packets take no time unless
//! a fault delays them.
//!
//! * `fleet`: a fleet of one behaviour. `lane`: one link with one fault model.
//! * `behaviour`: adapter by which the simulator calls a native behaviour. `native_host`: the handle through which its
//!   host functions use the simulator.
//! * `convert`: conversions between types of the WIT package and those of the simulator. `journal`: records
//!   of a run.

mod behaviour;
pub(crate) mod convert;
mod fleet;
mod journal;
mod lane;
mod native_host;

pub use fleet::{Fleet, Plan};
pub use journal::{Line, Published};
pub use lane::Lane;
pub(crate) use native_host::NativeHost;

use crate::{Behaviour, Device};

/// A single device without a fleet, for the tests of parts of a behaviour. Its clocks read zero, and its
/// publications are discarded.
pub fn device(seed: u64) -> Device {
    device_with(seed, "{}")
}

/// A single device without a fleet, with a configuration.
pub fn device_with(seed: u64, config: &str) -> Device {
    Device::new(NativeHost::for_device(seed, config))
}

/// The error with which a behaviour refuses to start with this configuration.
///
/// # Panics
///
/// If it starts.
pub fn refusal<B: Behaviour + Send + 'static>(config: &str) -> String {
    match Fleet::<B>::of("device", 1).config(config).try_start() {
        Err(reason) => reason,
        Ok(_) => panic!("the behaviour starts with {config}"),
    }
}

#[cfg(test)]
mod tests;

//! A fleet in virtual time, to unit-test a behaviour natively.
//!
//! A test starts a fleet, lets time pass, injects faults, and looks at what was published:
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
//! (`wasmote-sim`), so a test meets the limits, the will, the retained messages and the session rules of a run in
//! virtual time. All randomness follows from the seed: a test that passes once passes always. Packets take no time
//! unless a fault delays them.
//!
//! * `fleet`: a fleet of one behaviour. `lane`: one link with one fault model.
//! * `behaviour`: makes the simulator call a native behaviour. `imports`: the host functions that it calls.
//! * `convert`: types of the WIT package against those of the simulator. `journal`: records what happens.

mod behaviour;
mod convert;
mod fleet;
mod imports;
mod journal;
mod lane;

pub use fleet::{Fleet, Plan};
pub(crate) use imports::NativeHost as Connection;
pub use journal::{Line, Published};
pub use lane::Lane;

use crate::{Behaviour, Device};

/// A single device without a fleet, for the tests of parts of a behaviour. Its clocks stand at zero, and what it
/// publishes goes nowhere.
pub fn device(seed: u64) -> Device {
    device_with(seed, "{}")
}

/// The same, with a configuration.
pub fn device_with(seed: u64, config: &str) -> Device {
    Device::new(Connection::for_device(seed, config))
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

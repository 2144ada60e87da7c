//! A fleet in virtual time, to test a behaviour natively.
//!
//! A test starts a fleet, lets time pass, breaks things, and looks at what was said:
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
//! Time is an integer number of nanoseconds and moves only from event to event; events due at the same
//! instant happen in the order in which they were asked for. All chance follows from the seed, so a
//! test that passes once passes always. The bus between the devices knows topics, wildcards, retained
//! messages and wills, which is what a behaviour can tell apart; it is no model of a broker.

mod bus;
mod connection;
mod duration;
mod fleet;
mod lane;
mod rng;

pub use bus::{Bus, Published};
pub(crate) use connection::Connection;
pub use connection::Line;
pub use fleet::{Fleet, Plan};
pub use lane::Lane;

use crate::{Behaviour, Device, StartCause};

/// A single device that is connected to nothing, for the tests of parts of a behaviour.
pub fn device(seed: u64) -> Device {
    device_with(seed, "{}")
}

/// The same, with a configuration.
pub fn device_with(seed: u64, config: &str) -> Device {
    Device::new(Connection::alone(seed, config))
}

/// Why a behaviour refuses to start with this configuration.
///
/// # Panics
///
/// If it does not.
pub fn refusal<B: Behaviour>(config: &str) -> String {
    match B::start(&mut device_with(1, config), StartCause::PowerOn) {
        Err(reason) => reason,
        Ok(_) => panic!("the behaviour starts with {config}"),
    }
}

#[cfg(test)]
mod tests;

//! Host functions of a device, one module for each interface of `wit/`.
//!
//! A module declares the functions with the answers of the bench, and wraps them as methods of [`crate::Device`].

mod clock;
mod faults;
mod http;
mod log;
mod metrics;
mod mqtt;
mod state;
mod timers;

pub use faults::ActiveFault;
pub use http::SendError;
pub use log::Level;
#[cfg(all(not(target_arch = "wasm32"), feature = "bench"))]
pub(crate) use log::level_to_wit;
pub use mqtt::{PublishError, SubscribeError, Will};
pub use state::StateError;

use std::time::Duration;

/// Nanoseconds, saturating.
fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

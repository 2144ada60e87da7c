//! Conversions between the WIT types of this crate's bindings and the types of `wasmote_sim`.

use crate::bindings::exports::wasmote::device::behaviour as exported;
use crate::bindings::wasmote::device::types as wit;

wasmote_sim::wit_conversions!(wit, exported);

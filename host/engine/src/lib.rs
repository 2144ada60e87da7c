//! The sandbox: WebAssembly components become behaviours, and models of faults.
//!
//! Start with [`engine`], which loads bytes into a [`component`]; a component's spawner makes one instance
//! for each device. Then:
//!
//! * `bindings`: made from `wit/`; `convert`: its types against the model's.
//! * `instance`: one store for each device, and how a call and its end become a behaviour's.
//! * [`fault_model`]: the same for components that judge messages, one store for each device and fault.
//! * `imports`: what guests may call, one file for each WIT interface; `config` holds what they read.
//! * `host`: what lies in a store. `limiter`: how memory is held to its limit; `memory`: where it comes from.
//! * `wasi`: the empty room for guests whose language insists on WASI.
//! * [`compile_mode`]: how much work is put into compiling; `compiler`: wasmtime's compilers. [`cache`]: compiled code that is
//!   kept from one start to the next, and what is believed of it.
//! * [`inspection`]: what a component says of itself. [`error`]: what can be wrong with a file.
//!
//! Nothing here waits: all calls are synchronous, and bounded by fuel instead of by time, so that a run
//! ends at the same instruction on every machine. (What was compiled in a hurry is bounded by time as well.)

#![deny(unsafe_code)] // `memory` and `cache::native_code` say why they need it.
#![deny(missing_docs)]

mod bindings;
pub mod cache;
pub mod compile_mode;
mod compiler;
pub mod component;
mod config;
mod convert;
pub mod engine;
pub mod error;
pub mod fault_model;
mod host;
mod imports;
pub mod inspection;
mod instance;
mod limiter;
mod memory;
mod wasi;

pub use compile_mode::CompileMode;
pub use component::{Component, DeviceSettings};
pub use engine::Engine;
pub use error::{EngineError, LoadError};
pub use fault_model::FaultModel;
pub use inspection::{Inspection, Role};

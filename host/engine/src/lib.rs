//! The WebAssembly sandbox: components become behaviours and fault models.
//!
//! Start with [`engine`], which loads a file as a [`component`]; the factory of a component creates one
//! instance for each device. Modules:
//!
//! * `bindings`: generated from `wit/`; `convert`: conversions between its types and those of `wasmote_sim`.
//! * `instance`: a behaviour's store, calls and traps.
//! * [`fault_model`]: the same for fault models, with one store for each device and fault.
//! * `imports`: implementations of the imports, one file for each WIT interface.
//! * `cost`: fuel that the imports cost. `host`: store data. `limiter`: memory limits; `memory`: allocation of linear memories.
//! * [`data_files`]: files with recorded data, shared by all devices.
//! * `wasi`: a minimal WASI for guests that import it.
//! * [`compile_mode`]: the trade-off between compile time and code quality; `compiler`: the wasmtime engines.
//!   [`compile_process`]: compilation in a child process with limits of memory and time. [`estimate`]: the memory for it.
//!   [`cache`]: compiled code on disk, and the checks before it is trusted. [`progress`]: observation of compilations.
//! * `structure`: sizes of a component, checked before it is compiled; `unsupported`: names of unsupported features.
//! * `loader`: compilers and cache together. [`inspection`]: metadata of a component; `admission`: whether devices may
//!   run it. [`error`]: load errors. [`sha256`]: hashes as text.
//!
//! No call waits: all calls are synchronous and bounded by fuel instead of time, so a run stops at the same
//! instruction on every machine. (Code of [`CompileMode::Quick`] has a time limit as well.)

mod admission;
mod bindings;
pub mod cache;
pub mod compile_mode;
pub mod compile_process;
mod compiler;
pub mod component;
mod convert;
mod cost;
pub mod data_files;
pub mod engine;
pub mod error;
pub mod estimate;
pub mod fault_model;
mod host;
mod imports;
pub mod inspection;
mod instance;
mod limiter;
mod loader;
mod memory;
pub mod progress;
pub mod sha256;
mod structure;
mod unsupported;
mod wasi;

pub use compile_mode::CompileMode;
pub use component::{Component, DeviceSettings};
pub use engine::Engine;
pub use error::{EngineError, LoadError};
pub use estimate::Estimate;
pub use fault_model::FaultModel;
pub use inspection::{CAPABILITIES, Inspection, Role};
pub use structure::estimate_of;

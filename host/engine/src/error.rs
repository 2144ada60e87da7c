//! Errors of loading a component. Each message names the remedy.

use crate::inspection::Role;
use crate::unsupported::unsupported_feature;
use crate::wasi::advice::advice;

/// wasmtime cannot run on this machine.
#[derive(Debug, thiserror::Error)]
#[error("the WebAssembly engine cannot run on this machine: {0}")]
pub struct EngineError(pub String);

/// Reason why a file is not a usable component.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// The file is empty.
    #[error("the file is empty")]
    Empty,
    /// The file is not WebAssembly.
    #[error("this is no WebAssembly: it starts with {found} instead of `\\0asm`")]
    NotWasm {
        /// The first bytes.
        found: String,
    },
    /// The file is a core module, not a component.
    #[error(
        "this is a core WebAssembly module, not a component; build it with `cargo component build`, or turn it \
         into a component with `wasm-tools component new`"
    )]
    CoreModule,
    /// The file is truncated or damaged.
    #[error("the file is damaged or incomplete: {detail}")]
    Damaged {
        /// Position and cause, from the validator.
        detail: String,
    },
    /// The component is larger or more complex than what is compiled.
    #[error("it has {found} {what}, and the limit is {limit}")]
    TooComplex {
        /// The number that was found.
        found: u64,
        /// What was counted.
        what: &'static str,
        /// The limit.
        limit: u64,
    },
    /// The component imports a capability that its group is denied.
    #[error(
        "it imports `{import}`, and its group is denied `{capability}` (`deny`, or --deny): allow it, or build the \
         component for a world without it"
    )]
    Denied {
        /// The capability.
        capability: &'static str,
        /// The import.
        import: String,
    },
    /// The component is not the one that is pinned.
    #[error("its SHA-256 is {found}, and it is pinned to {wanted} (`sha256`, or --sha256)")]
    Pinned {
        /// The SHA-256 that it must have.
        wanted: String,
        /// The SHA-256 that it has.
        found: String,
    },
    /// Compiling takes more memory than it may.
    #[error("compiling it needs more than {limit} bytes of memory{}", memory_advice(*container, *needed))]
    CompileMemory {
        /// The limit.
        limit: u64,
        /// The memory of the container, if it sets the limit, and not a flag.
        container: Option<u64>,
        /// About how many bytes are needed.
        needed: u64,
    },
    /// Compiling takes more time than it may.
    #[error(
        "compiling it takes more than {seconds} s{}; `--compile-time` allows more",
        if *real { "" } else { " of processor time" }
    )]
    CompileTime {
        /// The limit in seconds.
        seconds: u64,
        /// Whether real time was up, and not processor time.
        real: bool,
    },
    /// The process that compiles failed for another reason.
    #[error("the process that compiles it failed: {detail}")]
    CompileFailed {
        /// The reason.
        detail: String,
    },
    /// A segment does not fit, so that every instance would trap at its start.
    #[error("its {what} ends at {end}, and its {place} has {size} at the start; build it again")]
    Segment {
        /// The kind of segment.
        what: &'static str,
        /// End of the segment.
        end: u64,
        /// Where it belongs.
        place: &'static str,
        /// Size of the memory or table at the start.
        size: u64,
    },
    /// An instance needs more memory at its start than it may have.
    #[error(
        "it needs {needed} bytes of memory to start, and may have {limit}{}",
        limit_advice("memory_bytes", *flag, *needed)
    )]
    MemoryLimit {
        /// Bytes of all its memories at the start.
        needed: u64,
        /// The limit.
        limit: u64,
        /// Whether a flag sets the limit.
        flag: bool,
    },
    /// An instance needs a larger table at its start than it may have.
    #[error(
        "it needs a table of {needed} entries to start, and may have {limit}{}",
        limit_advice("table_entries", *flag, *needed)
    )]
    TableLimit {
        /// Entries of the largest table at the start.
        needed: u64,
        /// The limit.
        limit: u64,
        /// Whether a flag sets the limit.
        flag: bool,
    },
    /// The component uses a feature of WebAssembly that this host does not support.
    #[error("it uses {feature}, which this host does not support; build it without ({detail})")]
    UnsupportedFeature {
        /// Name of the feature.
        feature: &'static str,
        /// Position and cause, from the validator.
        detail: String,
    },
    /// The component was built for another version of the WIT package.
    #[error(
        "it was built for `{found}`, and this host offers `{offered}`; build it again with this host's `wit` folder"
    )]
    UnsupportedVersion {
        /// The package and version that it imports.
        found: String,
        /// The package and version of this host.
        offered: &'static str,
    },
    /// The component is a fault model, but a behaviour is required.
    #[error(
        "it is a fault model, not a behaviour: name it as `file` of a fault of kind `component`, and give the \
         devices a behaviour"
    )]
    IsFaultModel,
    /// The component is a behaviour, but a fault model is required.
    #[error(
        "it is a behaviour, not a fault model: give it to devices; a fault model targets the world `fault` in \
         `wit/worlds.wit`"
    )]
    IsBehaviour,
    /// The component was built for another WIT world.
    #[error(
        "it does not export `{missing}`, so it is built for another world; it exports {found}. A {role} \
         targets one of the worlds in `wit/worlds.wit`"
    )]
    WrongWorld {
        /// The missing export.
        missing: &'static str,
        /// The required role.
        role: Role,
        /// Exports of the component, as text.
        found: String,
    },
    /// The component has an import that this host does not provide.
    #[error(
        "it imports {found}, which this host does not offer; a {role} may import {offered} and WASI 0.2{}",
        advice(found.trim_start_matches('`'))
    )]
    UnknownImport {
        /// The import, as text.
        found: String,
        /// The role of the component.
        role: Role,
        /// The allowed imports.
        offered: &'static str,
    },
    /// The component imports a version of WASI that this host does not offer.
    #[error(
        "it imports `{import}`, and this host offers WASI 0.2: compile it for WASI 0.2 (in Rust for `wasm32-wasip2` or \
         `wasm32-unknown-unknown`), or with a version of the tool that does so"
    )]
    NewerWasi {
        /// The import.
        import: String,
    },
    /// An interface has the right name but other types.
    #[error(
        "its interfaces have other functions or types than this host's: {detail}; build it again with this host's \
         `wit` folder"
    )]
    TypeMismatch {
        /// The first difference, from the type checker.
        detail: String,
    },
}

impl LoadError {
    /// Whether compiling needs more memory or time than it may.
    pub(crate) fn is_limit_of_compilation(&self) -> bool {
        matches!(self, Self::CompileMemory { .. } | Self::CompileTime { .. })
    }

    /// Converts an error text of the validator.
    pub(crate) fn from_validator(detail: String) -> Self {
        let detail = with_offset_last(detail);
        match unsupported_feature(&detail) {
            Some(feature) => Self::UnsupportedFeature { feature, detail },
            None => Self::Damaged { detail },
        }
    }
}

/// Converts an error of function code, which begins with its position, to the form of the other errors.
fn with_offset_last(detail: String) -> String {
    let positioned = detail.strip_prefix("Invalid input WebAssembly code at offset ");
    match positioned
        .and_then(|rest| rest.split_once(": "))
        .map(|(offset, text)| (offset.parse::<u64>(), text))
    {
        Some((Ok(offset), text)) => format!("{text} (at offset 0x{offset:x})"),
        _ => detail,
    }
}

/// The remedy for a lack of memory: that of the container, or the flag that sets the limit.
fn memory_advice(container: Option<u64>, needed: u64) -> String {
    let about = needed.div_ceil(1 << 20);
    match container {
        None => format!("; `--compile-memory` allows more (about {about} MiB are needed)"),
        Some(all) => format!(
            ", all that this container of {} MiB can give (about {about} MiB are needed): compile it ahead with `wasmote \
             behaviours precompile`, as the init container of `wasmote manifests` does, or give the container more memory",
            all >> 20
        ),
    }
}

/// Value to suggest for a limit of which a guest needs this much: at least twice as much, and a power of two.
pub(crate) fn with_room_to_grow(needed: u64) -> u64 {
    needed.saturating_mul(2).checked_next_power_of_two().unwrap_or(u64::MAX)
}

/// The flag that raises a limit, with a value that leaves space to grow.
fn limit_advice(limit: &str, flag: bool, needed: u64) -> String {
    let enough = with_room_to_grow(needed);
    match flag {
        true => format!("; `--limit {limit}={enough}` allows more, or `limits` of its group"),
        false => String::new(),
    }
}

/// Innermost cause of an error as text.
pub(crate) fn root_cause(error: &wasmtime::Error) -> String {
    error.chain().last().map_or_else(|| error.to_string(), ToString::to_string)
}

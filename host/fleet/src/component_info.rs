//! Description of a component, as `wasmote behaviours`, the HTTP API and results show it.

use schemars::JsonSchema;
use serde::Serialize;
use wasmote_engine::{CompileMode, Estimate, Inspection};

/// A behaviour or a fault model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ComponentInfo {
    /// The name, such as `heartbeat`.
    pub name: String,
    /// `behaviour` or `fault model`.
    #[schemars(extend("enum" = ["behaviour", "fault model"]))]
    pub role: String,
    /// `built-in`, or the path of the file.
    pub source: String,
    /// Bytes of the component.
    pub size_bytes: usize,
    /// SHA-256 of the component.
    pub sha256: String,
    /// Interfaces that it imports.
    pub imports: Vec<String>,
    /// Capabilities that it imports, which a group can deny: names of interfaces such as `http`, and `wasi`.
    #[serde(default)]
    pub capabilities: Vec<String>,
    /// Interfaces that it exports.
    pub exports: Vec<String>,
    /// Bytes of memory that each device needs at its start.
    #[serde(default)]
    pub memory_bytes: u64,
    /// Entries of its largest table at the start.
    #[serde(default)]
    pub table_entries: u64,
    /// About how much memory compiling takes.
    #[serde(default)]
    pub compile_memory: CompileMemory,
}

/// Memory of the process that compiles a component, estimated from its file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct CompileMemory {
    /// Bytes with `--compile quick`.
    pub quick_bytes: u64,
    /// Bytes with `--compile full`, and to precompile it.
    pub full_bytes: u64,
}

impl From<Estimate> for CompileMemory {
    fn from(estimate: Estimate) -> Self {
        Self {
            quick_bytes: estimate.compile_bytes(CompileMode::Quick),
            full_bytes: estimate.compile_bytes(CompileMode::Full),
        }
    }
}

impl ComponentInfo {
    /// Describes a component from this source.
    pub fn new(source: impl ToString, inspection: Inspection) -> Self {
        let capabilities = inspection.capabilities().into_iter().map(ToOwned::to_owned).collect();
        let Inspection {
            name,
            role,
            size_bytes,
            sha256,
            imports,
            exports,
            memory_bytes,
            table_entries,
            compiling,
        } = inspection;
        let (role, source) = (role.to_string(), source.to_string());
        Self {
            name,
            role,
            source,
            size_bytes,
            sha256,
            imports,
            capabilities,
            exports,
            memory_bytes,
            table_entries,
            compile_memory: compiling.into(),
        }
    }
}

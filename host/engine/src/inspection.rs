//! Metadata of a component.

use std::fmt;

use wasmtime::component::Component;

use crate::estimate::Estimate;

/// Name, role, size, hash, imports, exports and needs of a component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspection {
    /// Name of the component, for messages.
    pub name: String,
    /// Behaviour or fault model.
    pub role: Role,
    /// Size of the file.
    pub size_bytes: usize,
    /// SHA-256 of the file, in lower-case hexadecimal.
    pub sha256: String,
    /// Imported interfaces, in the order of the component. A component cannot use interfaces that it does not
    /// import.
    pub imports: Vec<String>,
    /// Exported interfaces.
    pub exports: Vec<String>,
    /// Bytes of linear memory that an instance needs at its start.
    pub memory_bytes: u64,
    /// Entries of the largest table of an instance at its start.
    pub table_entries: u64,
    /// Memory for compiling it, and for its code.
    pub compiling: Estimate,
}

/// Names of the capabilities that a component can import, and that a group can deny: the interfaces of the host, and WASI.
pub const CAPABILITIES: [&str; 12] = [
    "mqtt", "timers", "clock", "random", "config", "log", "metrics", "http", "state", "faults", "data",
    "wasi",
];

/// The capability that an import gives; `None` for types.
pub(crate) fn capability_of(import: &str) -> Option<&'static str> {
    let name = import.split_once('@').map_or(import, |(name, _)| name);
    let wanted = if name.starts_with("wasi:") { "wasi" } else { name.strip_prefix("wasmote:device/")? };
    CAPABILITIES.into_iter().find(|capability| *capability == wanted)
}

impl Inspection {
    /// Capabilities that the component imports, each once, in the order of [`CAPABILITIES`].
    pub fn capabilities(&self) -> Vec<&'static str> {
        let imported: Vec<_> = self.imports.iter().filter_map(|import| capability_of(import)).collect();
        CAPABILITIES.into_iter().filter(|capability| imported.contains(capability)).collect()
    }
}

/// Names of the imports and exports of a component.
pub(crate) struct InterfaceNames {
    pub(crate) imports: Vec<String>,
    pub(crate) exports: Vec<String>,
}

pub(crate) fn interface_names(component: &Component) -> InterfaceNames {
    let (component_type, engine) = (component.component_type(), component.engine());
    InterfaceNames {
        imports: component_type.imports(engine).map(|(name, _)| name.to_owned()).collect(),
        exports: component_type.exports(engine).map(|(name, _)| name.to_owned()).collect(),
    }
}

/// Purpose of a component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Application code of a device.
    Behaviour,
    /// A model of message faults.
    FaultModel,
}

impl Role {
    const ALL: [Self; 2] = [Self::Behaviour, Self::FaultModel];

    /// The role of a component with these exports.
    pub(crate) fn of(exports: &[String]) -> Option<Self> {
        let has_export = |role: &Self| {
            let interface = role.export().rsplit_once('.').map_or("", |(interface, _)| interface);
            exports.iter().any(|export| export.starts_with(interface))
        };
        Self::ALL.into_iter().find(has_export)
    }

    /// The export that defines the role.
    pub(crate) fn export(self) -> &'static str {
        match self {
            Self::Behaviour => "wasmote:device/behaviour@0.1.0",
            Self::FaultModel => "wasmote:device/fault-model@0.1.0",
        }
    }

    /// The allowed imports in addition to WASI, as text.
    pub(crate) fn allowed_imports(self) -> &'static str {
        match self {
            Self::Behaviour => "`wasmote:device@0.1.0`",
            Self::FaultModel => "`random`, `config`, `log` and `types` of `wasmote:device@0.1.0`",
        }
    }

    /// True if the role may import this interface of the host.
    pub(crate) fn may_import(self, interface: &str) -> bool {
        let name = interface.split_once('@').map_or(interface, |(name, _)| name);
        let name = name.rsplit_once('/').map_or(name, |(_, name)| name);
        self == Self::Behaviour || ["random", "config", "log", "types"].contains(&name)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Behaviour => "behaviour",
            Self::FaultModel => "fault model",
        })
    }
}

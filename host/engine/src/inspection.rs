//! What a component says of itself.

use std::fmt;

use wasmtime::component::Component;

/// A component's name, size, hash, and what it needs and offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspection {
    /// What users call it.
    pub name: String,
    /// What it is for.
    pub role: Role,
    /// Size of the file.
    pub size_bytes: usize,
    /// SHA-256 of the file, in lower-case hexadecimal.
    pub sha256: String,
    /// Interfaces that it calls, in its own order. What is missing here it cannot do.
    pub imports: Vec<String>,
    /// Interfaces that it offers.
    pub exports: Vec<String>,
}

/// The names on a component's outside.
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

/// What a component is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It is what a device does.
    Behaviour,
    /// It is a model of what goes wrong.
    FaultModel,
}

impl Role {
    const ALL: [Self; 2] = [Self::Behaviour, Self::FaultModel];

    /// The role of a component that exports these.
    pub(crate) fn of(exports: &[String]) -> Option<Self> {
        let has_export = |role: &Self| {
            let interface = role.export().rsplit_once('.').map_or("", |(interface, _)| interface);
            exports.iter().any(|export| export.starts_with(interface))
        };
        Self::ALL.into_iter().find(has_export)
    }

    /// The export that makes it one.
    pub(crate) fn export(self) -> &'static str {
        match self {
            Self::Behaviour => "wasmote:device/behaviour@0.1.0",
            Self::FaultModel => "wasmote:device/fault-model@0.1.0",
        }
    }

    /// What it may import beside WASI, in words.
    pub(crate) fn allowed_imports(self) -> &'static str {
        match self {
            Self::Behaviour => "`wasmote:device@0.1.0`",
            Self::FaultModel => "`random`, `config`, `log` and `types` of `wasmote:device@0.1.0`",
        }
    }

    /// Whether it may import one of this host's interfaces.
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

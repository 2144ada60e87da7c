//! A component that was loaded and checked.

use std::sync::Arc;

use serde_json::Value;
use sha2::{Digest, Sha256};
use wasmote_mqtt::device_id::Identity;
use wasmote_sim::behaviour::{Behaviour, BehaviourFactory, Trap, Version};
use wasmote_sim::limits::Limits;
use wasmtime::component::InstancePre;

use crate::bindings::DevicePre;
use crate::cache::{CacheWarning, Loaded, Origin};
use crate::config::DeviceConfig;
use crate::engine::Engine;
use crate::error::LoadError;
use crate::host::Host;
use crate::inspection::{Inspection, InterfaceNames, Role, interface_names};
use crate::instance::Instance;
use crate::wasi;

/// The package that guests import and export.
pub const PACKAGE: &str = "wasmote:device@0.1.0";
/// A behaviour, compiled and ready to be given to devices. Cheap to clone.
#[derive(Clone)]
pub struct Component {
    inspection: Arc<Inspection>,
    version: Version,
    pre: DevicePre<Host>,
    needs_wasi: bool,
    origin: Origin,
    warnings: Arc<[CacheWarning]>,
}

/// What a behaviour is given on each of a group's devices.
#[derive(Clone, Debug)]
pub struct DeviceSettings {
    /// The behaviour's configuration, a JSON object.
    pub config: Value,
    /// What each device may use.
    pub limits: Arc<Limits>,
    /// Hosts that the device may reach over HTTP: names, or `*.example.org` for all below one; with any port,
    /// or with the one that stands behind, as in `10.0.0.1:8080`.
    pub allow_hosts: Arc<[String]>,
}

impl Component {
    pub(crate) fn load(engine: &Engine, name: &str, bytes: &[u8]) -> Result<Self, LoadError> {
        let Linked { inspection, pre, needs_wasi, origin, warnings } =
            link(engine, name, bytes, Role::Behaviour)?;
        let pre = DevicePre::new(pre).map_err(type_mismatch)?;
        let version = Version { name: name.into(), sha256: inspection.sha256.as_str().into() };
        Ok(Self {
            inspection: Arc::new(inspection),
            version,
            pre,
            needs_wasi,
            origin,
            warnings: warnings.into(),
        })
    }

    /// What users call it.
    pub fn name(&self) -> &str {
        &self.inspection.name
    }

    /// Which version of its behaviour it is.
    pub fn version(&self) -> Version {
        self.version.clone()
    }

    /// Where its code came from.
    pub fn origin(&self) -> Origin {
        self.origin
    }

    /// Why code that was there was not taken, or its own not kept.
    pub fn cache_warnings(&self) -> &[CacheWarning] {
        &self.warnings
    }

    /// What it says of itself.
    pub fn inspect(&self) -> Inspection {
        (*self.inspection).clone()
    }

    /// A source of instances that are all configured alike.
    pub fn behaviour_factory(&self, settings: DeviceSettings) -> Arc<dyn BehaviourFactory> {
        let DeviceSettings { config, limits, allow_hosts } = settings;
        Arc::new(ComponentFactory {
            component: self.clone(),
            config: DeviceConfig::new(config),
            limits,
            allow_hosts,
        })
    }
}

struct ComponentFactory {
    component: Component,
    config: DeviceConfig,
    limits: Arc<Limits>,
    allow_hosts: Arc<[String]>,
}

impl BehaviourFactory for ComponentFactory {
    fn instantiate(&self, _identity: &Identity) -> Result<Box<dyn Behaviour>, Trap> {
        let host = Host::new(
            self.config.clone(),
            &self.limits,
            Arc::clone(&self.allow_hosts),
            self.component.needs_wasi,
        );
        let instance = Instance::new(&self.component.pre, host, &self.limits)?;
        Ok(Box::new(instance))
    }

    fn name(&self) -> &str {
        self.component.name()
    }

    fn version(&self) -> Version {
        self.component.version()
    }
}

/// A component whose imports are there, in the role that it is to play.
pub(crate) struct Linked {
    pub(crate) inspection: Inspection,
    pub(crate) pre: InstancePre<Host>,
    pub(crate) needs_wasi: bool,
    /// Whether it was compiled, or had been before.
    pub(crate) origin: Origin,
    /// What was wrong with the place where that is kept.
    pub(crate) warnings: Vec<CacheWarning>,
}

/// Compile a component, check what it asks for and offers, and give it what it asks for.
pub(crate) fn link(engine: &Engine, name: &str, bytes: &[u8], role: Role) -> Result<Linked, LoadError> {
    let Loaded { component, compiler, origin, warnings } = compile(engine, bytes)?;
    let names = interface_names(&component);
    check_names(&names, role)?;
    let needs_wasi = names.imports.iter().any(|import| wasi::is_wasi(import));
    let linker = wasi::define_missing_as_traps(&compiler.linker, &component).map_err(type_mismatch)?;
    let pre = linker.instantiate_pre(&component).map_err(type_mismatch)?;
    Ok(Linked { inspection: inspection(name, bytes, role, names), pre, needs_wasi, origin, warnings })
}

/// What a component of either role says of itself.
pub(crate) fn inspect(engine: &Engine, name: &str, bytes: &[u8]) -> Result<Inspection, LoadError> {
    let Loaded { component, .. } = compile(engine, bytes)?;
    let names = interface_names(&component);
    let role = Role::of(&names.exports).unwrap_or(Role::Behaviour);
    check_names(&names, role)?;
    Ok(inspection(name, bytes, role, names))
}

fn compile<'e>(engine: &'e Engine, bytes: &[u8]) -> Result<Loaded<'e>, LoadError> {
    check_header(bytes)?;
    engine.cache.load(engine, bytes)
}

fn inspection(name: &str, bytes: &[u8], role: Role, names: InterfaceNames) -> Inspection {
    Inspection {
        name: name.to_owned(),
        role,
        size_bytes: bytes.len(),
        sha256: hex(&Sha256::digest(bytes)),
        imports: names.imports,
        exports: names.exports,
    }
}

pub(crate) fn type_mismatch(error: wasmtime::Error) -> LoadError {
    LoadError::TypeMismatch { detail: format!("{error:#}") }
}

/// Tell apart what is no WebAssembly, a core module, and a component, by the first eight bytes.
fn check_header(bytes: &[u8]) -> Result<(), LoadError> {
    const COMPONENT_LAYER: [u8; 2] = [1, 0];
    let (magic, version) = match bytes {
        [] => return Err(LoadError::Empty),
        [a, b, c, d, _, _, layer @ ..] if layer.len() >= 2 => ([*a, *b, *c, *d], [layer[0], layer[1]]),
        _ if b"\0asm".starts_with(&bytes[..bytes.len().min(4)]) => {
            let detail = format!("it ends after {} bytes, within the header", bytes.len());
            return Err(LoadError::Damaged { detail });
        }
        _ => return Err(LoadError::NotWasm { found: first_bytes(bytes) }),
    };
    if magic != *b"\0asm" {
        return Err(LoadError::NotWasm { found: first_bytes(bytes) });
    }
    if version == COMPONENT_LAYER { Ok(()) } else { Err(LoadError::CoreModule) }
}

fn first_bytes(bytes: &[u8]) -> String {
    format!("`{}`", bytes[..bytes.len().min(4)].escape_ascii())
}

/// Check by name what is asked for and offered, so that the error can say it in words.
fn check_names(names: &InterfaceNames, role: Role) -> Result<(), LoadError> {
    let is_wasmote = |name: &&String| name.starts_with("wasmote:device/");
    for name in names.imports.iter().chain(&names.exports).filter(is_wasmote) {
        let version = name.split_once('@').map_or("", |(_, version)| version);
        if !version.starts_with("0.1.") {
            let found = format!("wasmote:device@{version}");
            return Err(LoadError::UnsupportedVersion { found, offered: PACKAGE });
        }
    }
    match (Role::of(&names.exports), role) {
        (Some(found), wanted) if found == wanted => {}
        (Some(Role::FaultModel), _) => return Err(LoadError::IsFaultModel),
        (Some(Role::Behaviour), _) => return Err(LoadError::IsBehaviour),
        (None, wanted) => {
            let (missing, found) = (wanted.export(), quoted_list(&names.exports));
            return Err(LoadError::WrongWorld { missing, role: wanted, found });
        }
    }
    let offered = |import: &&String| wasi::is_wasi(import) || (is_wasmote(import) && role.may_import(import));
    let unknown: Vec<String> = names.imports.iter().filter(|import| !offered(import)).cloned().collect();
    if unknown.is_empty() {
        return Ok(());
    }
    Err(LoadError::UnknownImport { found: quoted_list(&unknown), role, offered: role.allowed_imports() })
}

fn quoted_list(names: &[String]) -> String {
    if names.is_empty() { "nothing".to_owned() } else { format!("`{}`", names.join("`, `")) }
}

/// The innermost cause: the validator's own words, without those of its callers.
pub(crate) fn root_cause(error: &wasmtime::Error) -> String {
    error.chain().last().map_or_else(|| error.to_string(), ToString::to_string)
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

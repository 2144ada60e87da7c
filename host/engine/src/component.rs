//! A loaded and checked component.

use std::sync::Arc;

use serde_json::Value;
use wasmote_mqtt::device_id::Identity;
use wasmote_sim::behaviour::{Behaviour, BehaviourFactory, Trap, Version};
use wasmote_sim::config::DeviceConfig;
use wasmote_sim::limits::Limits;
use wasmtime::component::InstancePre;

use crate::bindings::DevicePre;
use crate::bindings::fault::FaultPre;
use crate::cache::{CacheWarning, Loaded, Origin, native_code};
use crate::compiler::Compiler;
use crate::data_files;
use crate::error::LoadError;
use crate::estimate::Estimate;
use crate::host::Host;
use crate::inspection::{Inspection, InterfaceNames, Role, interface_names};
use crate::instance::Instance;
use crate::loader::Loader;
use crate::sha256::sha256;
use crate::structure::{self, Structure};
use crate::wasi;

/// The WIT package that guests import and export.
pub const PACKAGE: &str = "wasmote:device@0.1.0";
/// A compiled behaviour, ready for instantiation. Cheap to clone.
#[derive(Clone)]
pub struct Component {
    inspection: Arc<Inspection>,
    version: Version,
    pre: DevicePre<Host>,
    needs_wasi: bool,
    origin: Origin,
    warnings: Arc<[CacheWarning]>,
}

/// Settings for all devices of a group.
#[derive(Clone, Debug)]
pub struct DeviceSettings {
    /// The behaviour's configuration, a JSON object.
    pub config: Value,
    /// Resource limits of each device.
    pub limits: Arc<Limits>,
    /// Allow-list for outbound HTTP: host names, or `*.example.org` for all subdomains; with any port, or
    /// only with the given one, as in `10.0.0.1:8080`.
    pub allow_hosts: Arc<[String]>,
}

impl Component {
    pub(crate) fn load(loader: &Loader, name: &str, bytes: &[u8]) -> Result<Self, LoadError> {
        let Linked { inspection, pre, needs_wasi, origin, warnings } =
            link(loader, name, bytes, Role::Behaviour)?;
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

    /// Name of the component, for messages.
    pub fn name(&self) -> &str {
        &self.inspection.name
    }

    /// Version of the behaviour.
    pub fn version(&self) -> Version {
        self.version.clone()
    }

    /// Origin of the machine code.
    pub fn origin(&self) -> Origin {
        self.origin
    }

    /// Reasons why cached code was not loaded, or new code not stored.
    pub fn cache_warnings(&self) -> &[CacheWarning] {
        &self.warnings
    }

    /// Metadata of the component: name, role, hash, imports and exports.
    pub fn inspect(&self) -> Inspection {
        (*self.inspection).clone()
    }

    /// Checks that the component imports none of these capabilities.
    pub fn check_denied(&self, denied: &[String]) -> Result<(), LoadError> {
        self.inspection.check_denied(denied)
    }

    /// Checks the SHA-256 of the component, if it is pinned.
    pub fn check_pin(&self, pin: Option<&str>) -> Result<(), LoadError> {
        self.inspection.check_pin(pin)
    }

    /// Checks that an instance can start with these limits.
    pub fn check_limits(&self, limits: &Limits) -> Result<(), LoadError> {
        self.inspection.check_limits(limits)
    }

    /// Factory of instances with the same settings.
    pub fn behaviour_factory(&self, settings: DeviceSettings) -> Arc<dyn BehaviourFactory> {
        let DeviceSettings { config, limits, allow_hosts } = settings;
        Arc::new(ComponentFactory {
            component: self.clone(),
            config: DeviceConfig::new(config).with_files(Arc::new(data_files::SharedFiles)),
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
        Ok(Box::new(Instance::new(&self.component.pre, host, &self.limits)))
    }

    fn name(&self) -> &str {
        self.component.name()
    }

    fn version(&self) -> Version {
        self.component.version()
    }
}

/// A component with resolved imports, checked for its role.
pub(crate) struct Linked {
    pub(crate) inspection: Inspection,
    pub(crate) pre: InstancePre<Host>,
    pub(crate) needs_wasi: bool,
    /// Origin of the machine code.
    pub(crate) origin: Origin,
    /// Problems with the cache.
    pub(crate) warnings: Vec<CacheWarning>,
}

/// Compiles a component, checks its imports and exports for a role, and resolves the imports.
pub(crate) fn link(loader: &Loader, name: &str, bytes: &[u8], role: Role) -> Result<Linked, LoadError> {
    check_header(bytes)?;
    let structure = structure::check(bytes)?;
    check_wasi(&structure)?;
    let Loaded { component, compiler, origin, warnings } = loader.load(name, bytes)?;
    let names = interface_names(&component);
    check_names(&names, role)?;
    let pre = resolve(compiler, &component)?;
    let needs_wasi = names.imports.iter().any(|import| wasi::is_wasi(import));
    let inspection = inspection(name, bytes, role, names, &structure);
    Ok(Linked { inspection, pre, needs_wasi, origin, warnings })
}

/// Refuses a component for a newer WASI before its code is read: its asynchronous functions are features that this host does
/// not support, and an error about them would not say where they come from.
fn check_wasi(structure: &Structure) -> Result<(), LoadError> {
    match &structure.newer_wasi {
        Some(import) => Err(LoadError::NewerWasi { import: import.clone() }),
        None => Ok(()),
    }
}

/// Resolves the imports of a component, and checks their types.
fn resolve(
    compiler: &Compiler,
    component: &wasmtime::component::Component,
) -> Result<InstancePre<Host>, LoadError> {
    let linker = wasi::define_absent_functions(&compiler.linker, component).map_err(type_mismatch)?;
    linker.instantiate_pre(component).map_err(type_mismatch)
}

/// Inspects a component of either role with all checks of a load. Its code is validated, but not compiled.
pub(crate) fn inspect(loader: &Loader, name: &str, bytes: &[u8]) -> Result<Inspection, LoadError> {
    check_header(bytes)?;
    let structure = structure::check(bytes)?;
    check_wasi(&structure)?;
    structure::validate(bytes)?;
    let compiler = &loader.compilers.optimising;
    let component = native_code::compile(&loader.process, compiler, &structure::without_code(bytes)?)?;
    let names = interface_names(&component);
    let role = Role::of(&names.exports).unwrap_or(Role::Behaviour);
    check_names(&names, role)?;
    let pre = resolve(compiler, &component)?;
    match role {
        Role::Behaviour => drop(DevicePre::new(pre).map_err(type_mismatch)?),
        Role::FaultModel => drop(FaultPre::new(pre).map_err(type_mismatch)?),
    }
    Ok(inspection(name, bytes, role, names, &structure))
}

fn inspection(
    name: &str,
    bytes: &[u8],
    role: Role,
    names: InterfaceNames,
    Structure { needs, sizes, .. }: &Structure,
) -> Inspection {
    Inspection {
        compiling: Estimate::new(*sizes),
        memory_bytes: needs.memory_bytes,
        table_entries: needs.table_entries,
        name: name.to_owned(),
        role,
        size_bytes: bytes.len(),
        sha256: sha256(bytes),
        imports: names.imports,
        exports: names.exports,
    }
}

pub(crate) fn type_mismatch(error: wasmtime::Error) -> LoadError {
    LoadError::TypeMismatch { detail: format!("{error:#}") }
}

/// Distinguishes other files, core modules and components by the first eight bytes.
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

/// Checks imports and exports by name, because the errors of the linker do not name the remedy.
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
    if let Some(import) = unknown.iter().find(|import| wasi::is_newer_wasi(import)) {
        return Err(LoadError::NewerWasi { import: import.clone() });
    }
    Err(LoadError::UnknownImport { found: quoted_list(&unknown), role, offered: role.allowed_imports() })
}

fn quoted_list(names: &[String]) -> String {
    if names.is_empty() { "nothing".to_owned() } else { format!("`{}`", names.join("`, `")) }
}

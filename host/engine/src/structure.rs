//! The structure of a component: its sizes, checked before anything is compiled, and what its instances need.
//!
//! Compiling takes memory and time at least in proportion to the size of functions: a function of 3 MB, which gzip packs
//! into 12 KB, took 1.5 GB. This module reads only headers of sections and of functions, so it takes no memory that grows
//! with the component. `stub` makes a copy whose functions have no code, for inspections; `data` one with merged data segments,
//! for compilers.

mod data;
mod sections;
mod stub;

use wasmparser::{
    ComponentAlias, ComponentExternalKind, ComponentInstance, ComponentOuterAliasKind, ComponentTypeRef,
    ConstExpr, Data, DataKind, Element, ElementItems, ElementKind, Encoding, FunctionBody, Instance,
    Operator, Parser, Payload, TypeRef, Validator, WasmFeatures,
};

use crate::error::LoadError;
use crate::estimate::{Estimate, Sizes};
use crate::limiter::MAX_CORE_ITEMS;
use crate::wasi::is_newer_wasi;
pub(crate) use data::merge_segments;
pub(crate) use stub::without_code;

/// Longest function in bytes. Compilers of other languages write functions of up to 200,000 bytes.
const MAX_FUNCTION_BYTES: u64 = 1 << 20;
/// Most locals of a function.
const MAX_LOCALS: u64 = 10_000;
/// Most functions of a component. Python with its libraries has 20,000.
const MAX_FUNCTIONS: u64 = 100_000;
/// Most types of core modules.
const MAX_TYPES: u64 = 20_000;
/// Most bytes of types of components, which may contain others.
const MAX_TYPE_BYTES: u64 = 1 << 20;
/// Most imports and exports of all modules and components.
const MAX_NAMES: u64 = 20_000;
/// Most globals, and most segments of data and of elements.
const MAX_ENTRIES: u64 = 200_000;
/// Most modules and components, and most instances and aliases of them.
const MAX_PARTS: u64 = 20_000;
/// Most core modules.
const MAX_MODULES: u64 = 64;
/// Most components within each other.
const MAX_DEPTH: u64 = 8;

/// What an instance of a component needs at its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Needs {
    /// Bytes of all linear memories together.
    pub(crate) memory_bytes: u64,
    /// Entries of the largest table.
    pub(crate) table_entries: u64,
    /// Memories and tables.
    memories_and_tables: u64,
    /// Instances of core modules.
    instances: u64,
}

impl Needs {
    fn add(&mut self, other: Self) {
        self.memory_bytes = self.memory_bytes.saturating_add(other.memory_bytes);
        self.table_entries = self.table_entries.max(other.table_entries);
        self.memories_and_tables = self.memories_and_tables.saturating_add(other.memories_and_tables);
        self.instances = self.instances.saturating_add(other.instances);
    }
}

/// What the scan of a component found.
pub(crate) struct Structure {
    /// What an instance needs.
    pub(crate) needs: Needs,
    /// What compiling depends on.
    pub(crate) sizes: Sizes,
    /// The first import of a WASI that is newer than 0.2.
    pub(crate) newer_wasi: Option<String>,
}

/// Estimates the memory for compiling a component; an error if it is not one that is compiled.
pub fn estimate_of(component: &[u8]) -> Result<Estimate, LoadError> {
    check(component).map(|found| Estimate::new(found.sizes))
}

/// Checks the sizes of a component and returns what compiling it and an instance of it need.
pub(crate) fn check(bytes: &[u8]) -> Result<Structure, LoadError> {
    let mut scan = Scan::default();
    for payload in Parser::new(0).parse_all(bytes) {
        scan.read(payload.map_err(|error| LoadError::from_validator(error.to_string()))?)?;
    }
    let limit = MAX_CORE_ITEMS as u64;
    check_limit(scan.needs.instances, "core instances", limit)?;
    check_limit(scan.needs.memories_and_tables, "memories and tables", limit)?;
    Ok(Structure { needs: scan.needs, sizes: scan.sizes, newer_wasi: scan.newer_wasi })
}

/// Features of WebAssembly that the engines of this crate have, for both of their compilers.
fn features() -> WasmFeatures {
    let absent = WasmFeatures::RELAXED_SIMD
        | WasmFeatures::GC_TYPES
        | WasmFeatures::EXCEPTIONS
        | WasmFeatures::THREADS
        | WasmFeatures::CM_ASYNC;
    (WasmFeatures::WASM3 | WasmFeatures::COMPONENT_MODEL) & !absent
}

/// Validates a component without compiling it.
pub(crate) fn validate(bytes: &[u8]) -> Result<(), LoadError> {
    let valid = Validator::new_with_features(features()).validate_all(bytes);
    valid.map(drop).map_err(damaged)
}

/// A module or component that is being read.
#[derive(Default)]
struct Scope {
    is_module: bool,
    /// What an instance of it needs.
    needs: Needs,
    /// Size of its first memory at the start, if it is a module.
    memory_bytes: Option<u64>,
    /// Size of its first table at the start, if it is a module.
    table_entries: Option<u64>,
    /// What instances of its modules need; `None` for modules that are known only when it is instantiated.
    modules: Vec<Option<Needs>>,
    /// The same for the components within it.
    components: Vec<Option<Needs>>,
}

/// Counts of a scan so far.
#[derive(Default)]
struct Scan {
    scopes: Vec<Scope>,
    needs: Needs,
    sizes: Sizes,
    functions: u64,
    types: u64,
    type_bytes: u64,
    names: u64,
    entries: u64,
    parts: u64,
    modules: u64,
    newer_wasi: Option<String>,
}

/// Adds to a count and checks its limit.
fn count(counter: &mut u64, more: impl Into<u64>, what: &'static str, limit: u64) -> Result<(), LoadError> {
    *counter = counter.saturating_add(more.into());
    check_limit(*counter, what, limit)
}

fn check_limit(found: u64, what: &'static str, limit: u64) -> Result<(), LoadError> {
    if found > limit { Err(LoadError::TooComplex { found, what, limit }) } else { Ok(()) }
}

impl Scan {
    fn read(&mut self, payload: Payload<'_>) -> Result<(), LoadError> {
        let names = "imports and exports";
        let entries = "globals and segments";
        match payload {
            Payload::Version { encoding, .. } => self.enter(encoding)?,
            Payload::TypeSection(section) => count(&mut self.types, section.count(), "types", MAX_TYPES)?,
            Payload::CoreTypeSection(section) => {
                count(&mut self.type_bytes, section.range().len() as u64, "bytes of types", MAX_TYPE_BYTES)?;
            }
            Payload::ComponentTypeSection(section) => {
                count(&mut self.type_bytes, section.range().len() as u64, "bytes of types", MAX_TYPE_BYTES)?;
            }
            Payload::ImportSection(section) => {
                count(&mut self.names, section.count(), names, MAX_NAMES)?;
                for import in section.into_imports() {
                    self.import(import.map_err(damaged)?.ty);
                }
            }
            Payload::ExportSection(section) => count(&mut self.names, section.count(), names, MAX_NAMES)?,
            Payload::FunctionSection(section) => {
                count(&mut self.functions, section.count(), "functions", MAX_FUNCTIONS)?;
            }
            Payload::GlobalSection(section) => {
                count(&mut self.entries, section.count(), entries, MAX_ENTRIES)?;
            }
            Payload::ElementSection(section) => {
                count(&mut self.entries, section.count(), entries, MAX_ENTRIES)?;
                for segment in section {
                    self.check_elements(&segment.map_err(damaged)?)?;
                }
            }
            Payload::DataSection(section) => {
                count(&mut self.entries, section.count(), entries, MAX_ENTRIES)?;
                let mut merging = data::Merging::of(section.count());
                for segment in section {
                    let segment = segment.map_err(damaged)?;
                    self.check_data(&segment)?;
                    self.sizes.data_bytes += segment.data.len() as u64;
                    self.sizes.segments += u64::from(merging.begins_another(&segment));
                }
            }
            Payload::CodeSectionEntry(body) => {
                check_function(&body)?;
                let bytes = body.range().len() as u64;
                self.sizes.functions += 1;
                self.sizes.code_bytes += bytes;
                self.sizes.longest_function_bytes = self.sizes.longest_function_bytes.max(bytes);
            }
            Payload::MemorySection(section) => {
                count(&mut self.parts, section.count(), "memories", MAX_PARTS)?;
                for memory in section {
                    let memory = memory.map_err(damaged)?;
                    let page = 1_u64.checked_shl(memory.page_size_log2.unwrap_or(16)).unwrap_or(u64::MAX);
                    let memory_bytes = memory.initial.saturating_mul(page);
                    if let Some(scope) = self.scopes.last_mut() {
                        scope.memory_bytes.get_or_insert(memory_bytes);
                    }
                    self.add_needs(Needs { memory_bytes, memories_and_tables: 1, ..Needs::default() });
                }
            }
            Payload::TableSection(section) => {
                count(&mut self.parts, section.count(), "tables", MAX_PARTS)?;
                for table in section {
                    let table_entries = table.map_err(damaged)?.ty.initial;
                    if let Some(scope) = self.scopes.last_mut() {
                        scope.table_entries.get_or_insert(table_entries);
                    }
                    self.add_needs(Needs { table_entries, memories_and_tables: 1, ..Needs::default() });
                }
            }
            Payload::ModuleSection { .. } => {
                count(&mut self.modules, 1_u64, "core modules", MAX_MODULES)?;
            }
            Payload::ComponentSection { .. } => {
                count(&mut self.parts, 1_u64, "components, instances and aliases", MAX_PARTS)?;
            }
            Payload::End(_) => self.leave(),
            other => self.read_component_section(other)?,
        }
        Ok(())
    }

    /// Reads a section that only components have.
    fn read_component_section(&mut self, payload: Payload<'_>) -> Result<(), LoadError> {
        let (names, parts) = ("imports and exports", "components, instances and aliases");
        match payload {
            Payload::InstanceSection(section) => {
                count(&mut self.parts, section.count(), parts, MAX_PARTS)?;
                for instance in section {
                    if let Instance::Instantiate { module_index, .. } = instance.map_err(damaged)? {
                        let module = self.known(|scope| &scope.modules, module_index);
                        self.add_needs(module.unwrap_or_default());
                        self.add_needs(Needs { instances: 1, ..Needs::default() });
                    }
                }
            }
            Payload::ComponentInstanceSection(section) => {
                count(&mut self.parts, section.count(), parts, MAX_PARTS)?;
                for instance in section {
                    if let ComponentInstance::Instantiate { component_index, .. } =
                        instance.map_err(damaged)?
                    {
                        let component = self.known(|scope| &scope.components, component_index);
                        self.add_needs(component.unwrap_or_default());
                    }
                }
            }
            Payload::ComponentAliasSection(section) => {
                count(&mut self.parts, section.count(), parts, MAX_PARTS)?;
                for alias in section {
                    self.alias(&alias.map_err(damaged)?);
                }
            }
            Payload::ComponentImportSection(section) => {
                count(&mut self.names, section.count(), names, MAX_NAMES)?;
                for import in section {
                    let import = import.map_err(damaged)?;
                    if self.newer_wasi.is_none() && self.scopes.len() == 1 && is_newer_wasi(import.name.name)
                    {
                        self.newer_wasi = Some(import.name.name.to_owned());
                    }
                    match import.ty {
                        ComponentTypeRef::Module(_) => self.push_module(None),
                        ComponentTypeRef::Component(_) => self.push_component(None),
                        _ => {}
                    }
                }
            }
            // An export of a module or a component is one more name for it.
            Payload::ComponentExportSection(section) => {
                count(&mut self.names, section.count(), names, MAX_NAMES)?;
                for export in section {
                    let export = export.map_err(damaged)?;
                    match export.kind {
                        ComponentExternalKind::Module => {
                            self.push_module(self.known(|scope| &scope.modules, export.index));
                        }
                        ComponentExternalKind::Component => {
                            self.push_component(self.known(|scope| &scope.components, export.index));
                        }
                        _ => {}
                    }
                }
            }
            Payload::ComponentCanonicalSection(section) => {
                count(&mut self.parts, section.count(), "lifted and lowered functions", MAX_PARTS)?;
            }
            _ => {}
        }
        Ok(())
    }

    /// Remembers that the first memory or table of a module is another module's, so its size is not known here.
    fn import(&mut self, import: TypeRef) {
        let Some(scope) = self.scopes.last_mut() else { return };
        match import {
            TypeRef::Memory(_) => {
                scope.memory_bytes.get_or_insert(u64::MAX);
            }
            TypeRef::Table(_) => {
                scope.table_entries.get_or_insert(u64::MAX);
            }
            _ => {}
        }
    }

    /// Checks that a segment of data at a constant address fits into the first memory.
    fn check_data(&self, segment: &Data<'_>) -> Result<(), LoadError> {
        let DataKind::Active { memory_index: 0, offset_expr } = &segment.kind else { return Ok(()) };
        let size = self.scopes.last().and_then(|scope| scope.memory_bytes).unwrap_or(u64::MAX);
        let end = constant(offset_expr).unwrap_or(0).saturating_add(segment.data.len() as u64);
        match end > size {
            true => Err(LoadError::Segment { what: "data segment", end, place: "memory", size }),
            false => Ok(()),
        }
    }

    /// Checks that a segment of elements at a constant index fits into the first table.
    fn check_elements(&self, segment: &Element<'_>) -> Result<(), LoadError> {
        let ElementKind::Active { table_index: None | Some(0), offset_expr } = &segment.kind else {
            return Ok(());
        };
        let size = self.scopes.last().and_then(|scope| scope.table_entries).unwrap_or(u64::MAX);
        let entries = match &segment.items {
            ElementItems::Functions(functions) => functions.count(),
            ElementItems::Expressions(_, expressions) => expressions.count(),
        };
        let end = constant(offset_expr).unwrap_or(0).saturating_add(entries.into());
        match end > size {
            true => Err(LoadError::Segment { what: "element segment", end, place: "table", size }),
            false => Ok(()),
        }
    }

    fn enter(&mut self, encoding: Encoding) -> Result<(), LoadError> {
        self.scopes.push(Scope { is_module: encoding == Encoding::Module, ..Scope::default() });
        check_limit(self.scopes.len() as u64, "levels of components", MAX_DEPTH)
    }

    fn leave(&mut self) {
        let Some(Scope { is_module, needs, .. }) = self.scopes.pop() else { return };
        match (self.scopes.is_empty(), is_module) {
            (true, _) => self.needs = needs,
            (false, true) => self.push_module(Some(needs)),
            (false, false) => self.push_component(Some(needs)),
        }
    }

    fn alias(&mut self, alias: &ComponentAlias<'_>) {
        match alias {
            ComponentAlias::InstanceExport { kind: ComponentExternalKind::Module, .. } => {
                self.push_module(None)
            }
            ComponentAlias::InstanceExport { kind: ComponentExternalKind::Component, .. } => {
                self.push_component(None);
            }
            ComponentAlias::Outer { kind: ComponentOuterAliasKind::CoreModule, count, index } => {
                let outer = self.outer(*count).and_then(|scope| known_in(&scope.modules, *index));
                self.push_module(outer);
            }
            ComponentAlias::Outer { kind: ComponentOuterAliasKind::Component, count, index } => {
                let outer = self.outer(*count).and_then(|scope| known_in(&scope.components, *index));
                self.push_component(outer);
            }
            _ => {}
        }
    }

    /// The component this many levels outwards.
    fn outer(&self, levels: u32) -> Option<&Scope> {
        self.scopes.iter().rev().nth(levels as usize)
    }

    fn known(&self, list: impl FnOnce(&Scope) -> &Vec<Option<Needs>>, index: u32) -> Option<Needs> {
        known_in(list(self.scopes.last()?), index)
    }

    fn add_needs(&mut self, needs: Needs) {
        if let Some(scope) = self.scopes.last_mut() {
            scope.needs.add(needs);
        }
    }

    fn push_module(&mut self, needs: Option<Needs>) {
        if let Some(scope) = self.scopes.last_mut() {
            scope.modules.push(needs);
        }
    }

    fn push_component(&mut self, needs: Option<Needs>) {
        if let Some(scope) = self.scopes.last_mut() {
            scope.components.push(needs);
        }
    }
}

fn known_in(list: &[Option<Needs>], index: u32) -> Option<Needs> {
    list.get(index as usize).copied().flatten()
}

/// The value of an expression that is a 32-bit constant.
fn constant(expression: &ConstExpr<'_>) -> Option<u64> {
    match expression.get_operators_reader().read() {
        Ok(Operator::I32Const { value }) => Some(u64::from(value as u32)),
        _ => None,
    }
}

fn check_function(body: &FunctionBody<'_>) -> Result<(), LoadError> {
    check_limit(body.range().len() as u64, "bytes in one function", MAX_FUNCTION_BYTES)?;
    let mut locals = 0;
    for group in body.get_locals_reader().map_err(damaged)? {
        let (number, _) = group.map_err(damaged)?;
        count(&mut locals, number, "locals in one function", MAX_LOCALS)?;
    }
    Ok(())
}

fn damaged(error: wasmparser::BinaryReaderError) -> LoadError {
    LoadError::from_validator(error.to_string())
}

//! A minimal WASI 0.2 for guests that import it.
//!
//! Rust guests built for `wasm32-unknown-unknown` do not import WASI. The runtimes of other languages call it
//! during start-up, so this module provides it without resources: no files, no network, no environment, no
//! arguments. Clocks and random numbers are those of the simulation. Standard output and error become log
//! lines, also those of a start that fails. Waiting returns at once, because the time does not change during a
//! call. All other WASI functions are defined by name: [`absent`] answers them with an error, or with a trap that
//! says what to use in their place.
//!
//! `wasmtime-wasi` is not used because it waits in host time and needs an async runtime with a stack for each
//! instance.

mod absent;
pub(crate) mod advice;
mod clocks;
pub(crate) mod output;
mod process;
mod random;
mod resources;
mod streams;

use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, HasSelf, Linker, ResourceType};

use crate::host::Host;
use bindings::wasi::cli::terminal_input::TerminalInput;
use bindings::wasi::cli::terminal_output::TerminalOutput;
use bindings::wasi::filesystem::types::Descriptor;
use bindings::wasi::io::{error::Error, poll::Pollable, streams::InputStream, streams::OutputStream};

mod bindings {
    wasmtime::component::bindgen!({
        path: "wit",
        world: "wasmote:wasi-subset/subset",
        imports: { default: trappable },
    });
}

/// True if an import belongs to WASI 0.2.
pub(crate) fn is_wasi(import: &str) -> bool {
    import.starts_with("wasi:") && import.contains("@0.2.")
}

/// True if an import belongs to a version of WASI after 0.2.
pub(crate) fn is_newer_wasi(import: &str) -> bool {
    let version =
        import.strip_prefix("wasi:").and_then(|rest| rest.split_once('@')).map(|(_, version)| version);
    let mut numbers = version.unwrap_or_default().split('.').map(|number| number.parse::<u32>().ok());
    match (numbers.next().flatten(), numbers.next().flatten()) {
        (Some(0), Some(minor)) => minor > 2,
        (major, _) => major.is_some_and(|major| major > 0),
    }
}

pub(crate) fn add_to_linker(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    bindings::Subset::add_to_linker::<_, HasSelf<_>>(linker, |host| host)
}

/// Linker for one component, with answers for all imported WASI functions that this module does not implement.
pub(crate) fn define_absent_functions(
    linker: &Linker<Host>,
    component: &Component,
) -> wasmtime::Result<Linker<Host>> {
    let (mut linker, engine) = (linker.clone(), component.engine());
    for (import, item) in component.component_type().imports(engine).filter(|(import, _)| is_wasi(import)) {
        let ComponentItem::ComponentInstance(interface) = item.ty else { continue };
        let interface_name = stub_name(import);
        let mut stub = linker.instance(&interface_name)?;
        for (name, item) in interface.exports(engine) {
            // Defining an implemented function again fails, and the implementation stays.
            let _ = match item.ty {
                ComponentItem::ComponentFunc(_) => absent::define(&mut stub, &interface_name, name),
                ComponentItem::Resource(_) => stub.resource(name, resource(name), |mut store, _| {
                    store.data_mut().resource_dropped();
                    Ok(())
                }),
                _ => Ok(()),
            };
        }
    }
    Ok(linker)
}

/// Name of an interface in this linker. WASI 0.2 versions are compatible, so the linker defines only 0.2.0; a draft, such
/// as `0.2.0-rc.1`, is compatible with no other version.
fn stub_name(import: &str) -> String {
    match import.split_once('@') {
        Some((name, version)) if !version.contains('-') => format!("{name}@0.2.0"),
        _ => import.to_owned(),
    }
}

/// Host type of a resource. It depends only on the name, because interfaces re-export each other's resources.
fn resource(name: &str) -> ResourceType {
    match name {
        "error" => ResourceType::host::<Error>(),
        "pollable" => ResourceType::host::<Pollable>(),
        "input-stream" => ResourceType::host::<InputStream>(),
        "output-stream" => ResourceType::host::<OutputStream>(),
        "descriptor" => ResourceType::host::<Descriptor>(),
        "terminal-input" => ResourceType::host::<TerminalInput>(),
        "terminal-output" => ResourceType::host::<TerminalOutput>(),
        _ => ResourceType::host::<Unsupported>(),
    }
}

/// Type of resources that have no host type of their own, such as the network.
struct Unsupported;

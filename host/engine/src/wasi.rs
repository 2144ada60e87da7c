//! A minimal WASI 0.2 for guests that import it.
//!
//! Rust guests built for `wasm32-unknown-unknown` do not import WASI. The runtimes of other languages call it
//! during start-up, so this module provides it without resources: no files, no network, no environment, no
//! arguments. Clocks and random numbers are those of the simulation. Standard output and error become log
//! lines, also those of a start that fails. Waiting returns at once, because the time does not change during a
//! call. All other WASI functions are defined by name and trap when called.
//!
//! `wasmtime-wasi` is not used because it waits in host time and needs an async runtime with a stack for each
//! instance.

mod clocks;
pub(crate) mod output;
mod process;
mod random;
mod streams;

use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, HasSelf, Linker, LinkerInstance, ResourceType};

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

pub(crate) fn add_to_linker(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    bindings::Subset::add_to_linker::<_, HasSelf<_>>(linker, |host| host)
}

/// Linker for one component, with traps for all imported WASI functions that this module does not implement.
pub(crate) fn define_missing_as_traps(
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
                ComponentItem::ComponentFunc(_) => define_trap(&mut stub, &interface_name, name),
                ComponentItem::Resource(_) => stub.resource(name, resource(name), |_, _| Ok(())),
                _ => Ok(()),
            };
        }
    }
    Ok(linker)
}

/// Name of an interface in this linker. WASI 0.2 versions are compatible, so the linker defines only 0.2.0.
fn stub_name(import: &str) -> String {
    let name = import.split_once('@').map_or(import, |(name, _)| name);
    format!("{name}@0.2.0")
}

fn define_trap(stub: &mut LinkerInstance<'_, Host>, interface: &str, name: &str) -> wasmtime::Result<()> {
    let called = format!("{interface}#{name}");
    stub.func_new(name, move |_, _, _, _| {
        Err(wasmtime::format_err!("it called `{called}`, which a simulated device does not have"))
    })
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

/// Type of resources that are never created.
struct Unsupported;

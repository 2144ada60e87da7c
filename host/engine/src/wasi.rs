//! The empty room: WASI for guests whose language insists on it.
//!
//! Rust guests built for `wasm32-unknown-unknown` import none of it. Others call WASI before they reach
//! their own code, so it is there, with nothing in it: no files, no network, no environment, no arguments.
//! The clocks and the random numbers are the simulation's. What a guest writes to its standard output and
//! error becomes log lines. Waiting returns at once, as time stands still while a guest runs. Whatever else
//! WASI has is there by name, and traps when it is called.
//!
//! It is written here rather than taken from `wasmtime-wasi`, because that one waits in host time where a
//! guest asks to, and brings an async runtime with a stack for each instance.

mod clocks;
mod output;
mod process;
mod random;
mod streams;

use bindings::wasi::cli::terminal_input::TerminalInput;
use bindings::wasi::cli::terminal_output::TerminalOutput;
use bindings::wasi::filesystem::types::Descriptor;
use bindings::wasi::io::{error::Error, poll::Pollable, streams::InputStream, streams::OutputStream};
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, HasSelf, Linker, LinkerInstance, ResourceType};

use crate::host::Host;
pub(crate) use output::WasiOutput;

mod bindings {
    wasmtime::component::bindgen!({
        path: "wit",
        world: "wasmote:wasi-subset/subset",
        imports: { default: trappable },
    });
}

/// Whether an import belongs to WASI 0.2.
pub(crate) fn is_wasi(import: &str) -> bool {
    import.starts_with("wasi:") && import.contains("@0.2.")
}

pub(crate) fn add_to_linker(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    bindings::Subset::add_to_linker::<_, HasSelf<_>>(linker, |host| host)
}

/// The linker for one component: with traps for all of WASI that it asks for and that is not in the room.
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
            // What the room already has is refused here, and stays.
            let _ = match item.ty {
                ComponentItem::ComponentFunc(_) => define_trap(&mut stub, &interface_name, name),
                ComponentItem::Resource(_) => stub.resource(name, resource(name), |_, _| Ok(())),
                _ => Ok(()),
            };
        }
    }
    Ok(linker)
}

/// The name under which the room has an interface: all of WASI 0.2 is compatible, so one version serves.
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

/// The type of a resource. Interfaces pass each other's resources on, so the name decides.
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

/// A resource that no guest ever gets hold of.
struct Unsupported;

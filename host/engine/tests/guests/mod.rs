//! Guests made for tests: a template in the text format, filled with what each is to do.

#![allow(dead_code, reason = "each test binary uses its own share of these guests")]

use std::path::{Path, PathBuf};

use wit_component::{ComponentEncoder, StringEncoding};
use wit_parser::Resolve;

pub mod models;

/// What a guest made from the template does.
#[derive(Default)]
pub struct Guest<'a> {
    /// More imports.
    pub imports: &'a str,
    /// More globals.
    pub globals: &'a str,
    /// More functions.
    pub functions: &'a str,
    /// Instructions of `start`.
    pub start: &'a str,
    /// Instructions of `on-timer`.
    pub timer: &'a str,
}

impl Guest<'_> {
    /// The guest as a core module, which no host takes.
    pub fn core_module(&self) -> Vec<u8> {
        let text = include_str!("template.wat")
            .replace("{imports}", self.imports)
            .replace("{globals}", self.globals)
            .replace("{functions}", self.functions)
            .replace("{start}", self.start)
            .replace("{timer}", self.timer);
        wat::parse_str(text).expect("the template with its holes filled is a module")
    }

    /// The guest as a component for the host's own world.
    pub fn component(&self) -> Vec<u8> {
        encode(self.core_module(), "package test:guest; world guest { include wasmote:device/device@0.1.0; }")
    }
}

/// A component from a core module, for the world called `guest` in a package of its own.
pub fn encode(mut module: Vec<u8>, world: &str) -> Vec<u8> {
    let mut resolve = Resolve::default();
    resolve.push_path(repository().join("wit")).expect("wit/ is sound");
    resolve.push_path(repository().join("host/engine/wit")).expect("the WASI room is sound");
    let package = resolve.push_source("guest.wit", world).expect("the test's world is sound");
    let world = resolve.select_world(&[package], Some("guest")).expect("the world is called `guest`");
    wit_component::embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)
        .expect("the world can be described");
    let encoder = ComponentEncoder::default().module(&module).expect("the module fits its world");
    encoder.validate(true).encode().expect("the module fits its world")
}

/// Runs for ever as soon as its timer fires.
pub fn endless_loop() -> Guest<'static> {
    Guest { start: "(call $set-timer-1s)", timer: "(loop $ever (br $ever))", ..Guest::default() }
}

/// Takes memory until it gets no more, and then traps as an allocator would.
pub fn memory_eater() -> Guest<'static> {
    Guest {
        start: "(call $set-timer-1s)",
        timer: "(loop $more (br_if $more (i32.ge_s (memory.grow (i32.const 1)) (i32.const 0)))) (unreachable)",
        ..Guest::default()
    }
}

/// Writes a line and traps, as a panic does.
pub fn trapping() -> Guest<'static> {
    Guest {
        start: "(call $set-timer-1s)",
        timer: "(call $publish-one) (call $log-line) (unreachable)",
        ..Guest::default()
    }
}

/// Publishes 100,000 messages each time its timer fires.
pub fn flooder() -> Guest<'static> {
    Guest {
        globals: "(global $left (mut i32) (i32.const 0))",
        start: "(call $set-timer-1s)",
        timer: "(call $set-timer-1s) (global.set $left (i32.const 100000))
                (loop $more (call $publish-one) (global.set $left (i32.sub (global.get $left) (i32.const 1)))
                  (br_if $more (global.get $left)))",
        ..Guest::default()
    }
}

/// Publishes once a second.
pub fn well_behaved() -> Guest<'static> {
    Guest {
        start: "(call $set-timer-1s)",
        timer: "(call $set-timer-1s) (call $publish-one)",
        ..Guest::default()
    }
}

/// The root of the repository.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

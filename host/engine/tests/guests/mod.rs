//! Test guests, generated from a template in the text format.

#![allow(dead_code, reason = "each test binary uses its own share of these guests")]

use std::path::{Path, PathBuf};

use wit_component::{ComponentEncoder, StringEncoding};
use wit_parser::Resolve;

pub mod hostile;
pub mod models;

/// Code of a guest, inserted into the template.
#[derive(Clone, Copy, Default)]
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
    /// Instructions of `on-message`.
    pub message: &'a str,
    /// Instructions of `on-connection`.
    pub connection: &'a str,
    /// Instructions of `on-http-request`, after those that store the status 204.
    pub http: &'a str,
    /// Instructions of `on-http-reply`.
    pub reply: &'a str,
    /// Instructions of `stop`.
    pub stop: &'a str,
    /// Instructions of `snapshot`.
    pub snapshot: &'a str,
    /// Instructions of `restore`.
    pub restore: &'a str,
    /// First instructions of `cabi_realloc`.
    pub realloc: &'a str,
    /// Initial pages of memory; 0 means one.
    pub pages: u32,
}

impl Guest<'_> {
    /// The guest as a core module, which the host rejects.
    pub fn core_module(&self) -> Vec<u8> {
        let text = include_str!("template.wat")
            .replace("{imports}", self.imports)
            .replace("{globals}", self.globals)
            .replace("{functions}", self.functions)
            .replace("{start}", self.start)
            .replace("{timer}", self.timer)
            .replace("{message}", self.message)
            .replace("{connection}", self.connection)
            .replace("{http}", self.http)
            .replace("{reply}", self.reply)
            .replace("{stop}", self.stop)
            .replace("{snapshot}", self.snapshot)
            .replace("{restore}", self.restore)
            .replace("{realloc}", self.realloc)
            .replace("{pages}", &self.pages.max(1).to_string());
        wat::parse_str(text).expect("the filled template is a valid module")
    }

    /// The guest as a component for the world `device`.
    pub fn component(&self) -> Vec<u8> {
        encode(self.core_module(), "package test:guest; world guest { include wasmote:device/device@0.1.0; }")
    }
}

/// Encodes a core module as a component for the world `guest` of this package.
pub fn encode(mut module: Vec<u8>, world: &str) -> Vec<u8> {
    let mut resolve = Resolve::default();
    resolve.push_path(repository().join("wit")).expect("wit/ is valid");
    resolve.push_path(repository().join("host/engine/wit")).expect("the WASI subset is valid");
    let package = resolve.push_source("guest.wit", world).expect("the test's world is valid");
    let world = resolve.select_world(&[package], Some("guest")).expect("the world is called `guest`");
    wit_component::embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)
        .expect("the world can be described");
    let encoder = ComponentEncoder::default().module(&module).expect("the module fits its world");
    encoder.validate(true).encode().expect("the module fits its world")
}

/// Loops forever when its timer fires.
pub fn endless_loop() -> Guest<'static> {
    Guest { start: "(call $set-timer-1s)", timer: "(loop $ever (br $ever))", ..Guest::default() }
}

/// Grows its memory up to the limit, and then traps as an allocator does.
pub fn memory_eater() -> Guest<'static> {
    Guest {
        start: "(call $set-timer-1s)",
        timer: "(loop $more (br_if $more (i32.ge_s (memory.grow (i32.const 1)) (i32.const 0)))) (unreachable)",
        ..Guest::default()
    }
}

/// Logs a line and traps, as a panic does.
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

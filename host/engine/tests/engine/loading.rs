//! What a user is told of a file that is no behaviour.

use wasmote_engine::{Engine, LoadError};

use crate::guests;

fn refusal(bytes: &[u8]) -> String {
    match Engine::new().unwrap().load("file", bytes) {
        Ok(_) => panic!("it was taken"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn an_empty_file_and_some_other_file() {
    assert_eq!(refusal(b""), "the file is empty");
    assert_eq!(refusal(b"#!/bin/sh\n"), "this is no WebAssembly: it starts with `#!/b` instead of `\\0asm`");
}

#[test]
fn a_truncated_file_at_every_length() {
    let whole = guests::well_behaved().component();
    let engine = Engine::new().unwrap();
    for length in (1..whole.len()).step_by(97).chain([4, 7, 8, whole.len() - 1]) {
        let error = engine.load("file", &whole[..length]).err();
        let told = matches!(error, Some(LoadError::Damaged { .. } | LoadError::OtherWorld { .. }));
        assert!(told, "at {length} of {}: {error:?}", whole.len());
    }
}

#[test]
fn a_core_module() {
    let told = refusal(&guests::well_behaved().core_module());
    assert!(told.contains("a core WebAssembly module, not a component"), "{told}");
    assert!(told.contains("cargo component build"), "{told}");
}

#[test]
fn a_component_for_another_world() {
    let module = wat::parse_str("(module (func (export \"hello\")))").unwrap();
    let told = refusal(&guests::encode(module, "package test:guest; world guest { export hello: func(); }"));
    assert!(told.contains("does not export `wasmote:device/behaviour@0.1.0`"), "{told}");
    assert!(told.contains("it exports `hello`"), "{told}");
}

#[test]
fn a_component_for_another_version() {
    let module = wat::parse_str("(module (func (export \"wasmote:device/behaviour@0.9.0#go\")))").unwrap();
    let world = "package test:guest;
        world guest { export wasmote:device/behaviour@0.9.0; }
        package wasmote:device@0.9.0 { interface behaviour { go: func(); } }";
    let told = refusal(&guests::encode(module, world));
    assert!(
        told.starts_with(
            "it was built for `wasmote:device@0.9.0`, and this host offers `wasmote:device@0.1.0`"
        )
    );
}

#[test]
fn a_component_that_wants_more_than_there_is() {
    let module =
        wat::parse_str("(module (import \"test:guest/launch\" \"rocket\" (func)) (func (export \"hello\")))")
            .unwrap();
    let world = "package test:guest;
        interface launch { rocket: func(); }
        world guest { import launch; export hello: func(); }";
    let told = refusal(&guests::encode(module, world));
    assert!(told.contains("does not export"), "the missing behaviour comes first: {told}");
    let mut guest = guests::well_behaved();
    guest.imports = "(import \"test:guest/launch\" \"rocket\" (func $rocket))";
    guest.functions = "(func (export \"unused\") (call $rocket))";
    let world = "package test:guest;
        interface launch { rocket: func(); }
        world guest { include wasmote:device/device@0.1.0; import launch; export unused: func(); }";
    let told = refusal(&guests::encode(guest.core_module(), world));
    assert!(told.contains("it imports `test:guest/launch`, which this host does not offer"), "{told}");
}

#[test]
fn an_inspection_lists_what_a_component_can_do() {
    let component = Engine::new().unwrap().load("probe", &guests::well_behaved().component()).unwrap();
    let seen = component.inspect();
    // The template calls no HTTP, so the component proves by its imports that it has none.
    for used in ["wasmote:device/mqtt@0.1.0", "wasmote:device/timers@0.1.0", "wasmote:device/log@0.1.0"] {
        assert!(seen.imports.iter().any(|import| import == used), "{:?}", seen.imports);
    }
    assert!(!seen.imports.iter().any(|import| import.contains("/http@")), "{:?}", seen.imports);
    assert_eq!(seen.exports, ["wasmote:device/behaviour@0.1.0"]);
    assert_eq!(seen.sha256.len(), 64);
}

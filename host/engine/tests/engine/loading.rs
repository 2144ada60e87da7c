//! Error messages for files that are not behaviours.

use wasmote_engine::{Engine, LoadError};

use crate::guests;

fn load_error(bytes: &[u8]) -> String {
    match Engine::new().unwrap().load("file", bytes) {
        Ok(_) => panic!("it was taken"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn an_empty_file_and_some_other_file() {
    assert_eq!(load_error(b""), "the file is empty");
    assert_eq!(
        load_error(b"#!/bin/sh\n"),
        "this is no WebAssembly: it starts with `#!/b` instead of `\\0asm`"
    );
}

#[test]
fn a_truncated_file_at_every_length() {
    let whole = guests::well_behaved().component();
    let engine = Engine::new().unwrap();
    for length in (1..whole.len()).step_by(97).chain([4, 7, 8, whole.len() - 1]) {
        let error = engine.load("file", &whole[..length]).err();
        let is_reported = matches!(error, Some(LoadError::Damaged { .. } | LoadError::WrongWorld { .. }));
        assert!(is_reported, "at {length} of {}: {error:?}", whole.len());
    }
}

#[test]
fn a_component_with_unsupported_features() {
    let mut others = Vec::new();
    for (feature, component) in [
        ("async (component model)", "(component (type (future u8)))"),
        ("async (component model)", "(component (core func (canon waitable-set.new)))"),
        ("GC (garbage-collected types)", "(component (core module (type (struct (field i32)))))"),
        ("exceptions", "(component (core module (tag)))"),
        ("exceptions", "(component (core module (func (block (try_table (catch_all 0))))))"),
        ("threads", "(component (core module (memory 1 1 shared)))"),
        ("threads", "(component (core module (memory 1) (func (drop (i32.atomic.load (i32.const 0))))))"),
        (
            "relaxed SIMD",
            "(component (core module (func (param v128) (result v128)
               (i8x16.relaxed_swizzle (local.get 0) (local.get 0)))))",
        ),
        (
            "memory64 (64-bit memories)",
            r#"(component
                 (core module $m (memory (export "m") i64 1)
                   (func (export "r") (param i64 i64 i64 i64) (result i64) (unreachable))
                   (func (export "f") (param i64 i64)))
                 (core instance $i (instantiate $m))
                 (func (export "f") (param "s" string)
                   (canon lift (core func $i "f") (memory $i "m") (realloc (func $i "r")))))"#,
        ),
        ("stack switching", "(component (core module (type $f (func)) (type (cont $f))))"),
        ("custom page sizes", "(component (core module (memory 1 (pagesize 1))))"),
    ] {
        let message = load_error(&wat::parse_str(component).unwrap());
        let wanted = format!("it uses {feature}, which this host does not support; build it without (");
        if !message.starts_with(&wanted) {
            others.push(format!("{feature}: {component}: {message}"));
        }
    }
    assert!(others.is_empty(), "{others:#?}");
}

#[test]
fn a_core_module() {
    let message = load_error(&guests::well_behaved().core_module());
    assert!(message.contains("a core WebAssembly module, not a component"), "{message}");
    assert!(message.contains("cargo component build"), "{message}");
}

#[test]
fn a_component_for_another_world() {
    let module = wat::parse_str("(module (func (export \"hello\")))").unwrap();
    let message =
        load_error(&guests::encode(module, "package test:guest; world guest { export hello: func(); }"));
    assert!(message.contains("does not export `wasmote:device/behaviour@0.1.0`"), "{message}");
    assert!(message.contains("it exports `hello`"), "{message}");
}

#[test]
fn a_component_for_another_version() {
    let module = wat::parse_str("(module (func (export \"wasmote:device/behaviour@0.9.0#go\")))").unwrap();
    let world = "package test:guest;
        world guest { export wasmote:device/behaviour@0.9.0; }
        package wasmote:device@0.9.0 { interface behaviour { go: func(); } }";
    let message = load_error(&guests::encode(module, world));
    assert!(
        message.starts_with(
            "it was built for `wasmote:device@0.9.0`, and this host offers `wasmote:device@0.1.0`"
        )
    );
}

#[test]
fn a_component_with_an_unknown_import() {
    let module =
        wat::parse_str("(module (import \"test:guest/launch\" \"rocket\" (func)) (func (export \"hello\")))")
            .unwrap();
    let world = "package test:guest;
        interface launch { rocket: func(); }
        world guest { import launch; export hello: func(); }";
    let message = load_error(&guests::encode(module, world));
    assert!(message.contains("does not export"), "the missing behaviour comes first: {message}");
    let mut guest = guests::well_behaved();
    guest.imports = "(import \"test:guest/launch\" \"rocket\" (func $rocket))";
    guest.functions = "(func (export \"unused\") (call $rocket))";
    let world = "package test:guest;
        interface launch { rocket: func(); }
        world guest { include wasmote:device/device@0.1.0; import launch; export unused: func(); }";
    let message = load_error(&guests::encode(guest.core_module(), world));
    assert!(message.contains("it imports `test:guest/launch`, which this host does not offer"), "{message}");
}

#[test]
fn an_inspection_lists_imports_and_exports() {
    let component = Engine::new().unwrap().load("probe", &guests::well_behaved().component()).unwrap();
    let inspection = component.inspect();
    // The template does not use HTTP, so the component must not import it.
    for used in ["wasmote:device/mqtt@0.1.0", "wasmote:device/timers@0.1.0", "wasmote:device/log@0.1.0"] {
        assert!(inspection.imports.iter().any(|import| import == used), "{:?}", inspection.imports);
    }
    assert!(!inspection.imports.iter().any(|import| import.contains("/http@")), "{:?}", inspection.imports);
    assert_eq!(inspection.exports, ["wasmote:device/behaviour@0.1.0"]);
    assert_eq!(inspection.sha256.len(), 64);
}

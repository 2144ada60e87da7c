//! Error messages for files that are not behaviours.

use wasmote_engine::{Engine, LoadError};

use wasmote_sim::limits::Limits;

use crate::guests::{self, Guest};

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

/// Components with a feature that the host does not support.
const UNSUPPORTED: [(&str, &str); 11] = [
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
];

#[test]
fn a_component_with_unsupported_features() {
    let mut others = Vec::new();
    for (feature, component) in UNSUPPORTED {
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

/// A guest with these additional definitions.
fn with(functions: &str) -> Vec<u8> {
    Guest { functions, ..guests::well_behaved() }.component()
}

#[test]
fn needs_beyond_the_limits_of_a_device_are_refused_with_the_flag() {
    let python = Guest { pages: 208, ..guests::well_behaved() };
    let table = with("(table 30000 funcref)");
    let memories = with("(memory 40) (memory 40)");
    for (component, wanted) in [
        (
            python.component(),
            "it needs 13631488 bytes of memory to start, and may have 4194304; `--limit memory_bytes=33554432` \
             allows more, or `limits` of its group",
        ),
        (
            table,
            "it needs a table of 30000 entries to start, and may have 20000; `--limit table_entries=65536` allows \
             more, or `limits` of its group",
        ),
        (
            memories,
            "it needs 5308416 bytes of memory to start, and may have 4194304; `--limit memory_bytes=16777216` \
             allows more, or `limits` of its group",
        ),
    ] {
        let engine = Engine::new().unwrap();
        let loaded = engine.load("guest", &component).unwrap();
        assert_eq!(loaded.check_limits(&Limits::default()).unwrap_err().to_string(), wanted);
        let inspected = engine.inspect("guest", &component).unwrap();
        assert_eq!(inspected, loaded.inspect());
        assert_eq!(inspected.check_limits(&Limits::default()).unwrap_err().to_string(), wanted);
        let enough = Limits { memory_bytes: 33_554_432, table_entries: 65_536, ..Limits::default() };
        assert_eq!(loaded.check_limits(&enough), Ok(()));
    }
    let model = guests::models::Model { imports: "(memory 100)", ..guests::models::Model::default() };
    let limits = std::sync::Arc::new(Limits::default());
    let refused = Engine::new().unwrap().load_fault_model("model", &model.component(), limits);
    let refused = refused.err().map(|error| error.to_string()).unwrap_or_default();
    assert_eq!(refused, "it needs 6619136 bytes of memory to start, and may have 4194304");
}

#[test]
fn segments_that_do_not_fit_are_refused_at_load() {
    assert_eq!(
        load_error(&with("(data (i32.const 65530) \"too long\")")),
        "its data segment ends at 65538, and its memory has 65536 at the start; build it again"
    );
    assert_eq!(
        load_error(&with("(table 2 funcref) (elem (i32.const 1) $report $report)")),
        "its element segment ends at 3, and its table has 2 at the start; build it again"
    );
    let fits =
        with("(data (i32.const 65528) \"as long.\") (table 3 funcref) (elem (i32.const 1) $report $report)");
    assert!(Engine::new().unwrap().load("guest", &fits).is_ok());
}

#[test]
fn what_is_too_large_or_too_complex_is_refused_before_it_is_compiled() {
    let long = format!("(func {})", "(drop (i32.const 1))".repeat(400_000));
    let locals = format!("(func (local {}))", "i32 ".repeat(10_001));
    let functions = "(func)".repeat(100_001);
    let types: String =
        (0..20_001).map(|index| format!("(type (func (param {})))", "i64 ".repeat(index % 3))).collect();
    let module = "(core module)".repeat(65);
    let nested = format!("{}{}", "(component ".repeat(9), ")".repeat(9));
    let instances = format!("(component (core module $m) {})", "(core instance (instantiate $m))".repeat(65));
    let text = |text: &str| wat::parse_str(text).unwrap();
    for (component, wanted) in [
        (with(&long), "it has 1200002 bytes in one function, and the limit is 1048576"),
        (with(&locals), "it has 10001 locals in one function, and the limit is 10000"),
        (
            text(&format!("(component (core module {functions}))")),
            "it has 100001 functions, and the limit is 100000",
        ),
        (text(&format!("(component (core module {types}))")), "it has 20001 types, and the limit is 20000"),
        (text(&format!("(component {module})")), "it has 65 core modules, and the limit is 64"),
        (text(&nested), "it has 9 levels of components, and the limit is 8"),
        (text(&instances), "it has 65 core instances, and the limit is 64"),
    ] {
        assert_eq!(load_error(&component), wanted);
    }
}

#[test]
fn an_inspection_says_what_a_load_says() {
    let whole = guests::well_behaved().component();
    let mut components: Vec<Vec<u8>> =
        (1..whole.len()).step_by(501).map(|length| whole[..length].to_vec()).collect();
    components.extend(UNSUPPORTED.iter().map(|(_, text)| wat::parse_str(text).unwrap()));
    components.push(guests::well_behaved().core_module());
    components.push(b"#!/bin/sh\n".to_vec());
    let module = wat::parse_str("(module (func (export \"hello\")))").unwrap();
    components.push(guests::encode(module, "package test:guest; world guest { export hello: func(); }"));
    // A function whose code has a wrong type, and an interface with another type.
    let mut broken = with("(func (result i32) (i32.const 305419896))");
    let constant = broken.windows(5).position(|bytes| bytes == [0xf8, 0xac, 0xd1, 0x91, 0x01]).unwrap();
    broken[constant - 1] = 0x42;
    components.push(broken);
    let other_types = wat::parse_str(
        r#"(component
             (import "wasmote:device/clock@0.1.0" (instance (export "wall-now" (func (result string)))))
             (instance $none) (export "wasmote:device/behaviour@0.1.0" (instance $none)))"#,
    );
    components.push(other_types.unwrap());
    let engine = Engine::new().unwrap();
    for component in components {
        let loaded = engine.load("guest", &component).map(|component| component.inspect());
        assert_eq!(engine.inspect("guest", &component), loaded);
        assert!(loaded.is_err());
    }
    let inspected = engine.inspect("guest", &whole);
    assert_eq!(inspected, engine.load("guest", &whole).map(|component| component.inspect()));
    assert!(inspected.is_ok());
}

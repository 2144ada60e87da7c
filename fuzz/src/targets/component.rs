//! Loading of components: any bytes are refused with an error that says why, or are loaded.

use std::sync::{Arc, OnceLock};

use wasmote_engine::Engine;
use wasmote_fleet::component_file;
use wasmote_sim::limits::Limits;

/// A file, plain or compressed, as a behaviour and as a fault model.
pub(super) fn check(bytes: &[u8]) -> bool {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    let engine = ENGINE.get_or_init(|| Engine::new().expect("this machine runs WebAssembly"));
    // Text of WebAssembly, whose mutations are valid more often.
    let bytes = match bytes.first() {
        Some(b'(') => match wat::parse_bytes(bytes) {
            Ok(parsed) => parsed.into_owned(),
            Err(_) => return false,
        },
        _ => bytes.to_vec(),
    };
    let bytes = match component_file::decompress(bytes) {
        Ok(bytes) => bytes,
        Err(error) => {
            assert_helpful(&error.to_string());
            return false;
        }
    };
    let inspected = engine.inspect("fuzzed", &bytes);
    if let Err(error) = &inspected {
        assert_helpful(&error.to_string());
    }
    let loaded = engine.load("fuzzed", &bytes);
    let model = engine.load_fault_model("fuzzed", &bytes, Arc::new(Limits::default()));
    assert!(loaded.is_err() || model.is_err(), "a component has both roles");
    assert!(inspected.is_ok() || loaded.is_err(), "`inspect` refuses what a run loads");
    let accepted = inspected.is_ok();
    for error in [loaded.err(), model.err()].into_iter().flatten() {
        assert_helpful(&error.to_string());
    }
    accepted
}

fn assert_helpful(error: &str) {
    assert!(error.split_whitespace().count() >= 3, "`{error}` says nothing");
    assert!(!error.contains("panicked"), "{error}");
}

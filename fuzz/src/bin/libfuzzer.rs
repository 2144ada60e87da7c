//! libFuzzer's program for one target, which `WASMOTE_FUZZ_TARGET` names. `fuzz/run` starts it.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use wasmote_fuzz::Target;

static TARGET: LazyLock<&'static Target> = LazyLock::new(|| {
    let name = std::env::var("WASMOTE_FUZZ_TARGET").unwrap_or_default();
    Target::find(&name).unwrap_or_else(|| panic!("`{name}` is no target; set WASMOTE_FUZZ_TARGET"))
});

fuzz_target!(|bytes: &[u8]| {
    TARGET.run(bytes);
});

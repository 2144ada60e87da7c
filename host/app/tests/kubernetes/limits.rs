//! Size limits of components in ConfigMaps.

use std::fs;
use std::io::Read as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::command::{call, of_kind, rendered};

/// An empty component with an incompressible custom section of this size.
fn component(noise: usize) -> Vec<u8> {
    let mut bytes = b"\0asm\x0d\0\x01\0".to_vec();
    let mut state = 7_u64;
    let content: Vec<u8> = (0..noise)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        })
        .collect();
    bytes.extend([0, 0]);
    bytes.extend(content);
    bytes
}

fn render_with(noise: usize) -> std::process::Output {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mine.wasm");
    fs::write(&file, component(noise)).unwrap();
    call(&["--behaviour", file.to_str().unwrap()])
}

fn stderr(output: &std::process::Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn the_config_map_has_the_built_in_component() {
    let objects = rendered(&["--behaviour", "sensor", "--only", "behaviours"]);
    let data = &of_kind(&objects, "ConfigMap")[0]["binaryData"]["sensor.wasm"];
    let packed = STANDARD.decode(data.as_str().unwrap()).unwrap();
    let mut component = Vec::new();
    flate2::read::GzDecoder::new(&*packed).read_to_end(&mut component).unwrap();
    assert!(component == wasmote_fleet::builtins::find("sensor").unwrap().bytes);
}

#[test]
fn a_small_component_has_no_warning() {
    let output = render_with(180 << 10);
    assert!(output.status.success() && !stderr(&output).contains("warning"), "{}", stderr(&output));
}

#[test]
fn a_large_component_warns_about_server_side_apply() {
    let output = render_with(200 << 10);
    assert!(output.status.success());
    assert!(stderr(&output).contains("apply with --server-side"), "{}", stderr(&output));
    let objects: Vec<Value> = crate::command::read(&String::from_utf8(output.stdout).unwrap());
    assert_eq!(of_kind(&objects, "ConfigMap").len(), 2);
}

#[test]
fn a_component_too_large_for_a_config_map_is_an_error() {
    let output = render_with(1 << 20);
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    let stderr = stderr(&output);
    for words in ["mine.wasm", "a ConfigMap holds 1,024 KiB", "--behaviour-image"] {
        assert!(stderr.contains(words), "{stderr}");
    }
}

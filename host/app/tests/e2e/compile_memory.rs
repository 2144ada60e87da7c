//! Memory of the process that compiles: the estimate from the file, and what the real process takes.

use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use wasmote_engine::{CompileMode, estimate_of};
use wasmote_fleet::builtins;

use crate::guests::{self, Guest};
use crate::program::wasmote;

/// Whether the process that compiles succeeds with this limit of memory, on one thread.
fn compiles_within(bytes: u64, mode: CompileMode, component: &[u8]) -> bool {
    let target = match mode {
        CompileMode::Quick => "quick",
        CompileMode::Full => "full",
    };
    let mut child = Command::new(env!("CARGO_BIN_EXE_wasmote"))
        .args(["compile-component", target, &bytes.to_string(), "600"])
        .env_clear()
        .env("RAYON_NUM_THREADS", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    let mut stdout = child.stdout.take().expect("a pipe");
    let mut output = Vec::new();
    std::thread::scope(|scope| {
        // The child may end before it has read everything.
        scope.spawn(move || drop(stdin.write_all(component)));
        stdout.read_to_end(&mut output).expect("output");
    });
    let status = child.wait().expect("it ends");
    status.success() && output.first() == Some(&b'C')
}

/// A behaviour with so many functions of so many checked accesses to memory, and so many data segments.
fn component(functions: usize, accesses: usize, segments: usize) -> Vec<u8> {
    let access = "(i32.store (i32.const 5000) (i32.mul (i32.load (i32.const 5004)) (i32.const 3)))";
    let function = format!("(func {})", access.repeat(accesses));
    let segment = |index| format!("(data (i32.const {}) \"ab\")", 1_000 + index * 40);
    let segments: String = (0..segments).map(segment).collect();
    let functions = function.repeat(functions) + &segments;
    Guest { functions: &functions, ..guests::well_behaved() }.component()
}

const MODES: [CompileMode; 2] = [CompileMode::Quick, CompileMode::Full];

/// The factor is the room that manifests leave, and it is more than the error of the estimate.
#[test]
fn the_estimate_suffices_for_shipped_and_generated_components() {
    let shipped = builtins::all().map(|builtin| (builtin.name.to_owned(), builtin.bytes.to_vec()));
    let generated = [(2_000, 5, 0), (50, 100, 0), (2, 10_000, 0)].map(|(functions, accesses, segments)| {
        (format!("{functions} functions of {accesses}"), component(functions, accesses, segments))
    });
    for (name, bytes) in shipped.chain(generated) {
        let estimate = estimate_of(&bytes).expect("an estimate");
        for mode in MODES {
            let needed = estimate.compile_bytes(mode);
            assert!(compiles_within(needed / 2 * 3, mode, &bytes), "{name} {mode:?}: {needed}");
            // The test above can fail, and the estimate grows with the component.
            assert!(!compiles_within(4 << 20, mode, &bytes), "{name} {mode:?}");
        }
    }
}

/// The linkers of Go and Emscripten write thousands of data segments. Each would take tens of kilobytes.
#[test]
fn a_component_with_many_data_segments_takes_little_memory() {
    let many = component(10, 10, 1_500);
    for mode in MODES {
        let needed = estimate_of(&many).expect("an estimate").compile_bytes(mode);
        assert!(needed < 16 << 20, "{mode:?}: {needed}");
        assert!(compiles_within(24 << 20, mode, &many), "{mode:?}");
    }
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn only_file(folder: &Path) -> std::path::PathBuf {
    fs::read_dir(folder).expect("a folder").next().expect("a file").expect("an entry").path()
}

/// A component is compiled ahead with another limit than the pods that run it have.
#[test]
fn a_component_is_refused_in_words_and_runs_after_it_was_compiled_ahead() {
    let folder = tempfile::tempdir().expect("a folder");
    let (file, code) = (folder.path().join("large.wasm"), folder.path().join("code"));
    fs::write(&file, component(3_000, 60, 0)).expect("a file");
    let (file, code) = (file.to_str().expect("a path"), code.to_str().expect("a path"));
    // No broker listens there: it is enough that the device starts.
    let broker = ["--broker", "mqtt://127.0.0.1:9", "--http", "127.0.0.1:0", "--duration", "1s"];
    let run = [&["run", file, "-n", "1", "--compile-memory", "32MiB"], &broker[..]].concat();
    let refused = wasmote(&run).output().expect("it ran");
    assert_eq!(refused.status.code(), Some(1));
    let words =
        "compiling it needs more than 33554432 bytes of memory; `--compile-memory` allows more (about ";
    assert!(stderr(&refused).contains(words), "{}", stderr(&refused));

    let precompile = ["behaviours", "precompile", file, "--out", code];
    let refused =
        wasmote(&[&precompile[..], &["--compile-memory", "32MiB"]].concat()).output().expect("it ran");
    assert_eq!(refused.status.code(), Some(1));
    assert!(stderr(&refused).contains(words), "{}", stderr(&refused));
    let compiled = wasmote(&precompile).output().expect("it ran");
    assert!(compiled.status.success(), "{}", stderr(&compiled));
    let again = wasmote(&precompile).output().expect("it ran");
    assert!(String::from_utf8_lossy(&again.stdout).contains("(it was there)"), "{again:?}");

    let with_code = wasmote(&[&run[..], &["--precompiled", code]].concat()).output().expect("it ran");
    assert!(!stderr(&with_code).contains("compiling it needs"), "{}", stderr(&with_code));
    assert!(stderr(&with_code).contains("large-0 started"), "{}", stderr(&with_code));

    // Damaged code is not run: the component would have to be compiled.
    let artefact = only_file(Path::new(code));
    let mut bytes = fs::read(&artefact).expect("the code");
    *bytes.last_mut().expect("a byte") ^= 1;
    fs::write(&artefact, bytes).expect("a file");
    let damaged = wasmote(&[&run[..], &["--precompiled", code]].concat()).output().expect("it ran");
    assert_eq!(damaged.status.code(), Some(1));
    let replaced = wasmote(&precompile).output().expect("it ran");
    assert!(
        stderr(&replaced).contains("was compiled anew: it is damaged or incomplete"),
        "{}",
        stderr(&replaced)
    );
    let with_code = wasmote(&[&run[..], &["--precompiled", code]].concat()).output().expect("it ran");
    assert!(stderr(&with_code).contains("large-0 started"), "{}", stderr(&with_code));
}

#[test]
fn the_memory_for_compiling_is_shown() {
    let shown = wasmote(&["behaviours", "inspect", "sensor", "--json"]).output().expect("it ran");
    let shown: serde_json::Value = serde_json::from_slice(&shown.stdout).expect("JSON");
    let sensor = builtins::find("sensor").expect("it is built in");
    let estimate = estimate_of(sensor.bytes).expect("an estimate");
    assert_eq!(shown["compile_memory"]["full_bytes"], estimate.compile_bytes(CompileMode::Full));
    assert_eq!(shown["compile_memory"]["quick_bytes"], estimate.compile_bytes(CompileMode::Quick));
    let text = wasmote(&["behaviours", "inspect", "sensor"]).output().expect("it ran");
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    assert!(text.contains("MiB of memory") && text.contains("with --compile quick"), "{text}");
}

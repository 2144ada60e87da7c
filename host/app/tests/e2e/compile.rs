//! Compilation of components that take much memory or time, while a fleet runs.

use std::fs;
use std::io::Write;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::fleet::Fleet;
use crate::guests::{self, Guest};
use crate::mosquitto::Mosquitto;
use crate::program::wasmote;

/// Instructions of six bytes that the compiler removes.
const SUM: (&str, usize) = ("(drop (i32.add (i32.const 1) (i32.const 2)))", 6);
/// Instructions of 17 bytes with two checked accesses to memory, which take the compiler longer.
const ACCESSES: (&str, usize) =
    ("(i32.store (i32.const 5000) (i32.mul (i32.load (i32.const 5004)) (i32.const 3)))", 17);

/// A component with so many functions of about this many bytes. Gzip packs one into some kilobytes.
fn with_functions(count: usize, bytes: usize, (code, length): (&str, usize)) -> Vec<u8> {
    let function = format!("(func {})", code.repeat(bytes / length));
    Guest { functions: &function.repeat(count), ..guests::well_behaved() }.component()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

/// Puts a component and returns status and message.
fn put(fleet: &Fleet, component: &[u8]) -> (u32, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("body");
    fs::write(&file, gzip(component)).expect("a file");
    let body = format!("@{}", file.display());
    let (status, text) = fleet.curl(&["-X", "PUT", "--data-binary", &body], "/behaviours/heartbeat");
    let answer: Value = serde_json::from_str(&text).expect("JSON");
    (status.into(), answer["error"]["message"].as_str().unwrap_or_default().to_owned())
}

/// Puts a component that is refused for this reason, while the devices and `/healthz` are unaffected, and checks that the
/// memory of the process stays within 64 MiB of what it was.
fn assert_refused(flags: &[&str], component: &[u8], wanted: &str) {
    let broker = Mosquitto::start();
    let subscriber = broker.subscribe("wasmote/+/heartbeat");
    let args = ["--devices", "3", "--broker", &broker.url(), "--faults", "none"];
    let interval = ["--device-config", "interval=200ms"];
    let fleet = Fleet::run(&[&args[..], &interval, flags].concat()).ready();
    let before = fleet.memory_bytes();
    let (status, message, slowest) = std::thread::scope(|scope| {
        let update = scope.spawn(|| put(&fleet, component));
        let mut slowest = Duration::ZERO;
        while !update.is_finished() {
            let asked = Instant::now();
            assert_eq!(fleet.status_of("/healthz"), 200);
            slowest = slowest.max(asked.elapsed());
        }
        let (status, message) = update.join().expect("an answer");
        (status, message, slowest)
    });
    assert_eq!(status, 422, "{message}");
    assert!(message.contains(wanted), "{message}");
    // A second contains the start of the client process on a busy machine.
    assert!(slowest < Duration::from_secs(1), "{slowest:?}");
    let after = fleet.memory_bytes();
    assert!(after < before + (64 << 20), "{before} bytes before, {after} after");
    let lines = subscriber.lines.all().len();
    subscriber.lines.wait(lines + 9, crate::lines::DEFAULT_TIMEOUT, |line| line.contains("heartbeat-"));
    let connects =
        broker.log.count(|line| line.contains("New client connected") && line.contains("as heartbeat-"));
    assert_eq!(connects, 3, "no device has reconnected");
    fleet.stop();
}

#[test]
fn a_function_of_three_megabytes_in_a_small_archive_is_refused() {
    let component = with_functions(1, 3 << 20, SUM);
    assert!(gzip(&component).len() < 64 << 10);
    assert_refused(&[], &component, "bytes in one function, and the limit is 1048576");
}

#[test]
fn a_compilation_beyond_the_memory_limit_is_refused() {
    let component = with_functions(1, 900 << 10, SUM);
    assert_refused(
        &["--compile-memory", "64MiB"],
        &component,
        "compiling it needs more than 67108864 bytes of memory; `--compile-memory` allows more",
    );
}

#[test]
fn a_compilation_beyond_the_time_limit_is_refused() {
    let component = with_functions(20, 300 << 10, ACCESSES);
    assert_refused(&["--compile-time", "1s"], &component, "of processor time; `--compile-time` allows more");
}

#[test]
fn a_fleet_that_cannot_compile_its_behaviour_says_which_flag_helps() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("long.wasm");
    fs::write(&file, with_functions(1, 900 << 10, SUM)).expect("a file");
    let path = file.to_str().expect("a path");
    let output = wasmote(&["run", path, "--http", "127.0.0.1:0", "--compile-memory", "32MiB"]).output();
    let output = output.expect("it ran");
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        stderr.contains("needs more than 33554432 bytes of memory; `--compile-memory` allows more"),
        "{stderr}"
    );
    let output = wasmote(&["run", path, "--compile-memory", "1MiB"]).output().expect("it ran");
    assert_eq!(output.status.code(), Some(2));
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(stderr.contains("1048576 bytes are too few for a compiler; use 16MiB or more"), "{stderr}");
}

#[test]
fn a_long_compilation_is_shown_and_happens_once_for_runs_and_experiments() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("slow.wasm"), with_functions(30, 300 << 10, ACCESSES)).expect("a file");
    let plan =
        "name = \"slow\"\nduration = \"2s\"\nseeds = [1]\n[[group]]\nbehaviour = \"slow.wasm\"\ncount = 1\n";
    fs::write(folder.path().join("plan.toml"), plan).expect("a file");
    let stderr_of = |args: &[&str]| {
        let mut command = wasmote(args);
        command.current_dir(folder.path()).env_remove("WASMOTE_CACHE").env("XDG_CACHE_HOME", folder.path());
        let output = command.output().expect("it ran");
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "{stderr}");
        stderr
    };
    let run = [
        "run",
        "slow.wasm",
        "-n",
        "1",
        "--duration",
        "2s",
        "--http",
        "127.0.0.1:0",
        "--broker",
        "embedded:0",
    ];
    // The memory suffices for one thread, which takes more than a second.
    let run = [&run[..], &["--faults", "none", "--compile-memory", "640MiB"]].concat();
    let first = stderr_of(&run);
    assert!(first.contains("compiling `slow` ("), "{first}");
    assert!(first.contains("; later starts find the code in the cache"), "{first}");
    assert!(!stderr_of(&run).contains("compiling"));
    assert!(!stderr_of(&["experiment", "run", "plan.toml", "--out", "out"]).contains("compiling"));
    let results = fs::read_dir(folder.path().join("out")).expect("results").next().expect("a folder");
    let results = results.expect("an entry").path();
    assert!(!stderr_of(&["experiment", "verify", results.to_str().expect("UTF-8")]).contains("compiling"));
}

#[test]
fn the_hidden_process_is_no_subcommand_for_users() {
    let output = wasmote(&["compile-component", "fast"]).output().expect("it ran");
    assert_eq!(output.status.code(), Some(2));
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(stderr, "wasmote starts this process itself, to compile components\n");
    let help = wasmote(&["--help"]).output().expect("it ran");
    assert!(!String::from_utf8_lossy(&help.stdout).contains("compile-component"));
}

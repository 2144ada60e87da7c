//! Children that do not compile: the error names the reason, the limit and the flag.

use std::os::unix::fs::PermissionsExt;

use super::*;

/// Compiles with a program that is this script.
fn compile_with(script: &str, cpu: Duration) -> LoadError {
    let folder = tempfile::tempdir().expect("a folder");
    let program = folder.path().join("program");
    std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).expect("a file");
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o700))
        .expect("it becomes executable");
    let limits = CompileLimits { memory_bytes: 100 << 20, cpu };
    let mut component = b"\0asm\x0d\0\x01\0".to_vec();
    // A custom section that no pipe holds at once.
    const LENGTH: [u8; 3] = [0x80, 0x80, 0x40];
    component.push(0);
    component.extend(LENGTH);
    component.resize(component.len() + (1 << 20), 0);
    match compile(&program, &limits, Target::Full, &component) {
        Ok(_) => panic!("it sent code"),
        Err(error) => error,
    }
}

const A_MINUTE: Duration = Duration::from_secs(60);

#[test]
fn a_child_that_is_stuck_is_killed_and_the_error_names_the_flag() {
    let error = compile_with("exec /bin/sleep 600", Duration::from_millis(10));
    assert_eq!(error, LoadError::CompileTime { seconds: 0, real: true });
    assert!(error.to_string().contains("--compile-time"), "{error}");
}

#[test]
fn a_child_that_uses_too_much_processor_time_names_the_flag() {
    let error = compile_with("kill -XCPU $$", A_MINUTE);
    let wanted = "compiling it takes more than 60 s of processor time; `--compile-time` allows more";
    assert_eq!(error.to_string(), wanted);
}

#[test]
fn a_child_without_memory_names_the_limit_and_the_flag() {
    for script in [
        "echo 'memory allocation of 123 bytes failed' >&2; kill -ABRT $$",
        "printf 'Emmap failed: Cannot allocate memory (os error 12)'",
    ] {
        let error = compile_with(script, A_MINUTE).to_string();
        assert!(error.starts_with("compiling it needs more than "), "{script}: {error}");
        assert!(error.contains("`--compile-memory` allows more (about 100 MiB"), "{script}: {error}");
    }
}

#[test]
fn a_child_that_was_killed_or_failed_says_so() {
    for (script, wanted) in [
        ("kill -KILL $$", "it was killed, as the system does if memory runs out"),
        ("kill -SEGV $$", "it ended by signal 11"),
        ("exit 7", "it ended with exit status: 7"),
        ("echo first >&2; echo last words >&2; exit 1", "last words"),
        ("exit 0", "it ended with exit status: 0"),
        ("printf X", "it ended with exit status: 0"),
    ] {
        let error = compile_with(script, A_MINUTE).to_string();
        assert!(error.starts_with("the process that compiles it failed: "), "{script}: {error}");
        assert!(error.contains(wanted), "{script}: {error}");
    }
    let limits = CompileLimits::default();
    let empty = b"\0asm\x0d\0\x01\0";
    let missing = compile(Path::new("/nonexistent/program"), &limits, Target::Quick, empty).err();
    let missing = missing.map(|error| error.to_string()).unwrap_or_default();
    assert!(missing.contains("cannot start it: No such file"), "{missing}");
}

#[test]
fn an_error_of_the_compiler_is_that_of_the_component() {
    let error = compile_with("/bin/cat >/dev/null; printf 'Eunexpected end (at offset 0x8)'", A_MINUTE);
    assert_eq!(error, LoadError::Damaged { detail: "unexpected end (at offset 0x8)".to_owned() });
}

/// A component with so many functions of `length` additions.
fn component(functions: usize, length: usize) -> Vec<u8> {
    let function = format!("(func {})", "(drop (i32.add (i32.const 1) (i32.const 2)))".repeat(length));
    wat::parse_str(format!("(component (core module {}))", function.repeat(functions))).expect("it is valid")
}

/// The child would fail this test: there is no such program.
#[test]
fn a_component_that_is_too_large_is_refused_in_words_before_a_child_starts() {
    let large = component(20_000, 5);
    for (container, words) in [
        (None, "`--compile-memory` allows more (about 1"),
        (Some(64 << 20), "all that this container of 64 MiB can give (about 1"),
    ] {
        for mode in [CompileMode::Quick, CompileMode::Full] {
            let limit = MemoryLimit { bytes: 30 << 20, container };
            let error = Memory::check(limit, mode, &large).err().expect("it is refused");
            assert!(error.to_string().starts_with("compiling it needs more than 31457280 bytes"), "{error}");
            assert!(error.to_string().contains(words), "{error}");
        }
    }
    let error = LoadError::CompileMemory { limit: 1, container: Some(1), needed: 1 }.to_string();
    assert!(
        error.contains("wasmote behaviours precompile") && error.contains("wasmote manifests"),
        "{error}"
    );
}

/// A child with less may never end.
#[test]
fn no_child_starts_with_less_than_four_mebibytes() {
    for bytes in [0, 1 << 20, (4 << 20) - 1] {
        let limit = MemoryLimit { bytes, container: Some(16 << 20) };
        assert!(Memory::check(limit, CompileMode::Quick, &component(1, 1)).is_err(), "{bytes}");
    }
    let limit = MemoryLimit { bytes: 4 << 20, container: Some(16 << 20) };
    assert!(Memory::check(limit, CompileMode::Quick, &component(1, 1)).is_ok());
}

/// Each thread of the compiler holds one function, so with less memory there are fewer.
#[test]
fn the_number_of_threads_follows_the_memory() {
    let long = component(4, 30_000);
    let needed = estimate_of(&long).expect("an estimate").compile_bytes(CompileMode::Full);
    let threads = |bytes| {
        let limit = MemoryLimit { bytes, container: None };
        Memory::check(limit, CompileMode::Full, &long).map(|memory| memory.threads).expect("it fits")
    };
    assert_eq!(threads(needed), 1);
    assert_eq!(threads(needed - 1), 1, "the estimate may be too high");
    assert_eq!(threads(u64::MAX), thread::available_parallelism().map_or(1, NonZero::get) as u64);
}

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
    let component = vec![0; 1 << 20];
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
        assert!(error.ends_with("`--compile-memory` allows more"), "{script}: {error}");
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
    let missing = compile(Path::new("/nonexistent/program"), &limits, Target::Quick, b"").err();
    let missing = missing.map(|error| error.to_string()).unwrap_or_default();
    assert!(missing.contains("cannot start it: No such file"), "{missing}");
}

#[test]
fn an_error_of_the_compiler_is_that_of_the_component() {
    let error = compile_with("/bin/cat >/dev/null; printf 'Eunexpected end (at offset 0x8)'", A_MINUTE);
    assert_eq!(error, LoadError::Damaged { detail: "unexpected end (at offset 0x8)".to_owned() });
}

//! The built program, without environment variables that would change its settings.

use std::process::{Command, Stdio};

/// The program with these arguments.
pub fn wasmote(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wasmote"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("WASMOTE_") || name == "RUST_LOG") {
        command.env_remove(name);
    }
    command
        .args(args)
        .env("NO_COLOR", "1")
        // Code of another test would hide what a compilation does.
        .env("WASMOTE_CACHE", "off")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// The same in a shell that first runs a command, such as `ulimit -n 80`.
pub fn wasmote_after(shell_command: &str, args: &[&str]) -> Command {
    let program = wasmote(args);
    let mut shell = Command::new("sh");
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell
        .args(["-c", &format!("{shell_command}; exec \"$@\""), "sh"])
        .arg(program.get_program())
        .args(program.get_args())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    shell
}

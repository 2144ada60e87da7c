//! The child process: it limits itself, reads a component, and writes its machine code.

use std::io::{self, Read, Write};
use std::process::ExitCode;

use super::{CODE, ERROR, Target};
use crate::compiler;
use crate::error::root_cause;
use crate::structure;

/// Arguments of the child after [`ARGUMENT`](super::ARGUMENT): the compiler, and the limits.
struct Arguments {
    target: Target,
    memory_bytes: u64,
    cpu_seconds: u64,
}

/// Compiles the component from standard input. The parent starts it with these arguments; it is not a subcommand for users.
pub fn run(arguments: impl Iterator<Item = String>) -> ExitCode {
    let Some(arguments) = parse(arguments) else {
        // The parent shows the line, as does a user's terminal. The exit code tells of the failure even without it.
        let _ = writeln!(io::stderr(), "wasmote starts this process itself, to compile components");
        return ExitCode::from(2);
    };
    match limit(&arguments).and_then(|()| compile(arguments.target)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            let _ = writeln!(io::stderr(), "{problem}");
            ExitCode::FAILURE
        }
    }
}

fn parse(mut arguments: impl Iterator<Item = String>) -> Option<Arguments> {
    let target = Target::parse(&arguments.next()?)?;
    let memory_bytes = arguments.next()?.parse().ok()?;
    let cpu_seconds = arguments.next()?.parse().ok()?;
    arguments.next().is_none().then_some(Arguments { target, memory_bytes, cpu_seconds })
}

fn compile(target: Target) -> io::Result<()> {
    let mut bytes = Vec::new();
    io::stdin().lock().read_to_end(&mut bytes)?;
    let config = match target {
        Target::Full => Ok(compiler::optimising_config()),
        Target::Quick => Ok(compiler::quick_config()),
        Target::Portable => compiler::portable_config(),
    };
    let engine = config.and_then(|config| wasmtime::Engine::new(&config));
    let engine = engine.map_err(|error| io::Error::other(format!("{error:#}")))?;
    let (kind, output) = match engine.precompile_component(&structure::merge_segments(&bytes)) {
        Ok(code) => (CODE, code),
        Err(error) => (ERROR, root_cause(&error).into_bytes()),
    };
    let mut stdout = io::stdout().lock();
    stdout.write_all(&[kind])?;
    stdout.write_all(&output)?;
    stdout.flush()
}

/// Limits memory and processor time of this process, lowers its priority below that of devices, and lets it end with its parent.
#[cfg(unix)]
fn limit(arguments: &Arguments) -> io::Result<()> {
    use rustix::process::{Resource, Rlimit, nice, setrlimit};
    /// Steps by which this process is less urgent than its parent.
    const NICENESS: i32 = 10;
    let exactly = |limit| Rlimit { current: Some(limit), maximum: Some(limit) };
    let Arguments { memory_bytes, cpu_seconds, .. } = arguments;
    setrlimit(Resource::Core, exactly(0))?;
    // Anonymous writable memory, which excludes reserved address space. Some systems do not have this limit for mappings;
    // the memory of a container still limits them.
    setrlimit(Resource::Data, exactly(*memory_bytes))?;
    // At the first limit the kernel sends SIGXCPU, at the second SIGKILL.
    let cpu = Rlimit { current: Some(*cpu_seconds), maximum: Some(cpu_seconds.saturating_add(5)) };
    setrlimit(Resource::Cpu, cpu)?;
    // A process that may not change its priority compiles at the same one.
    let _ = nice(NICENESS);
    end_with_parent()
}

#[cfg(not(unix))]
fn limit(_: &Arguments) -> io::Result<()> {
    Ok(())
}

/// If the parent has ended before this call, the pipes to it are closed, so that reading or writing ends this process.
#[cfg(target_os = "linux")]
fn end_with_parent() -> io::Result<()> {
    use rustix::process::{Signal, set_parent_process_death_signal};
    Ok(set_parent_process_death_signal(Some(Signal::KILL))?)
}

#[cfg(all(unix, not(target_os = "linux")))]
fn end_with_parent() -> io::Result<()> {
    Ok(())
}

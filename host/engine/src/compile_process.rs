//! Compilation in a process of its own, so that a component can neither use up the memory of the host nor keep its
//! processors busy.
//!
//! The program starts itself with the argument [`ARGUMENT`], sends the component to its standard input, and reads the machine
//! code from its standard output; it needs no files. The child limits its own memory and processor time before it reads
//! anything, has a low priority, and ends with its parent. If it fails, the error names the limit and the flag.
//!
//! [`child`]: what the child does. [`limits`]: the limits, and the memory that a container has left.

pub mod child;
pub mod limits;

use std::io::{self, Read, Write};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use crate::compile_mode::CompileMode;
use crate::error::LoadError;
use crate::structure::estimate_of;
pub use limits::CompileLimits;
use limits::MemoryLimit;

/// First argument of the child process.
pub const ARGUMENT: &str = "compile-component";
/// Real time that a child may take for each second of processor time that it may use.
const REAL_PER_CPU_TIME: u32 = 10;
/// Bytes of the child's standard error that are kept for the error.
const MAX_STDERR_BYTES: u64 = 8 << 10;
/// First byte of the child's output: machine code, or the text of an error.
pub(crate) const CODE: u8 = b'C';
pub(crate) const ERROR: u8 = b'E';

static PROGRAM: OnceLock<PathBuf> = OnceLock::new();

/// Makes all later engines of this process compile in a child process, which is this program with [`ARGUMENT`]. Without
/// this call, as in tests, they compile in this process.
pub fn enable() {
    // The link stays valid if the file is replaced or deleted while the program runs.
    let link = Path::new("/proc/self/exe");
    let program = if link.exists() { Ok(link.to_owned()) } else { std::env::current_exe() };
    // Without the path of the program, components are compiled in this process, without limits.
    if let Ok(program) = program {
        // It may have been called before, with the same program.
        let _ = PROGRAM.set(program);
    }
}

/// How components are compiled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CompileProcess {
    /// The program of the child process; `None` to compile in this process.
    pub program: Option<PathBuf>,
    /// Limits of the child process.
    pub limits: CompileLimits,
}

impl CompileProcess {
    /// A child process with these limits, if [`enable`] was called.
    pub fn with_limits(limits: CompileLimits) -> Self {
        Self { program: PROGRAM.get().cloned(), limits }
    }
}

/// Which compiler the child uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// The optimising one.
    Full,
    /// The quick one.
    Quick,
    /// The optimising one, for all processors of this architecture.
    Portable,
}

impl Target {
    const ALL: [Self; 3] = [Self::Full, Self::Quick, Self::Portable];

    fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Quick => "quick",
            Self::Portable => "portable",
        }
    }

    /// The mode whose memory it takes.
    fn mode(self) -> CompileMode {
        match self {
            Self::Quick => CompileMode::Quick,
            Self::Full | Self::Portable => CompileMode::Full,
        }
    }

    fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|target| target.as_str() == text)
    }
}

/// Machine code that a child of this process has sent. Only [`compile`] creates it.
pub(crate) struct ChildCode(Vec<u8>);

impl ChildCode {
    pub(crate) fn bytes(&self) -> &[u8] {
        self.0.get(1..).unwrap_or_default()
    }
}

/// Compiles a component in a child process.
pub(crate) fn compile(
    program: &Path,
    limits: &CompileLimits,
    target: Target,
    bytes: &[u8],
) -> Result<ChildCode, LoadError> {
    let memory = Memory::check(limits.memory(), target.mode(), bytes)?;
    let arguments =
        [target.as_str().to_owned(), memory.limit.bytes.to_string(), limits.cpu_seconds().to_string()];
    let mut child = Command::new(program)
        .arg(ARGUMENT)
        .args(arguments)
        .env_clear()
        // The number of threads of the compiler.
        .env("RAYON_NUM_THREADS", memory.threads.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|problem| LoadError::CompileFailed { detail: format!("cannot start it: {problem}") })?;
    let patience = limits.cpu.saturating_mul(REAL_PER_CPU_TIME);
    let ended = exchange(&mut child, bytes, patience);
    let Ended { output, stderr, status } = match ended {
        Ok(ended) => ended,
        Err(problem) => {
            stop(&mut child);
            return Err(LoadError::CompileFailed { detail: problem.to_string() });
        }
    };
    match (output.first(), status) {
        (Some(&CODE), Some(status)) if status.success() => Ok(ChildCode(output)),
        (Some(&ERROR), Some(status)) if status.success() => {
            let detail = String::from_utf8_lossy(&output[1..]).into_owned();
            Err(match is_out_of_memory(&detail) {
                true => memory.error(),
                false => LoadError::from_validator(detail),
            })
        }
        (_, None) => Err(LoadError::CompileTime { seconds: patience.as_secs(), real: true }),
        (_, Some(status)) => Err(failure(status, &stderr, limits, &memory)),
    }
}

/// The memory of a child, and what it is for.
struct Memory {
    limit: MemoryLimit,
    /// Estimate of what compiling takes on one thread.
    needed: u64,
    /// Number of threads for which the memory suffices.
    threads: u64,
}

impl Memory {
    /// Refuses a component for which the memory cannot suffice, before a child is started: in a container that runs out of
    /// memory, the system kills the program, and no error tells why.
    fn check(limit: MemoryLimit, mode: CompileMode, component: &[u8]) -> Result<Self, LoadError> {
        let estimate = estimate_of(component)?;
        let most = thread::available_parallelism().map_or(1, NonZero::get) as u64;
        let fits = |threads: &u64| estimate.compile_bytes_on(mode, *threads) <= limit.bytes;
        let threads = (1..=most).rev().find(fits).unwrap_or(1);
        let memory = Self { limit, needed: estimate.compile_bytes(mode), threads };
        match estimate.too_few_bytes(mode) > limit.bytes {
            true => Err(memory.error()),
            false => Ok(memory),
        }
    }

    fn error(&self) -> LoadError {
        let MemoryLimit { bytes: limit, container } = self.limit;
        // The estimate was too low if the limit is above it.
        LoadError::CompileMemory { limit, container, needed: self.needed.max(limit) }
    }
}

/// What a child left behind.
struct Ended {
    output: Vec<u8>,
    stderr: String,
    /// `None` if it did not end in time and was killed.
    status: Option<ExitStatus>,
}

/// Sends the component and waits for the output and the end of the child, for at most this time.
fn exchange(child: &mut Child, bytes: &[u8], patience: Duration) -> io::Result<Ended> {
    let missing = || io::Error::other("its pipes are missing");
    let mut stdin = child.stdin.take().ok_or_else(missing)?;
    let mut stdout = child.stdout.take().ok_or_else(missing)?;
    let stderr = child.stderr.take().ok_or_else(missing)?;
    thread::scope(|scope| {
        // An error means that the child has ended, which its status explains. The pipe is closed at the end.
        scope.spawn(move || drop(stdin.write_all(bytes)));
        let errors = scope.spawn(move || read_head(stderr));
        let (sender, receiver) = mpsc::channel();
        scope.spawn(move || {
            let mut output = Vec::new();
            let read = stdout.read_to_end(&mut output);
            // The receiver waits until the end of this scope.
            let _ = sender.send(read.map(|_| output));
        });
        let received = receiver.recv_timeout(patience);
        if received.is_err() {
            stop(child);
        }
        let status = child.wait()?;
        // Without the text, the message about the child has only its status.
        let stderr = errors.join().unwrap_or_default();
        match received {
            Ok(output) => Ok(Ended { output: output?, stderr, status: Some(status) }),
            Err(RecvTimeoutError::Timeout) => Ok(Ended { output: Vec::new(), stderr, status: None }),
            Err(RecvTimeoutError::Disconnected) => Err(io::Error::other("its output cannot be read")),
        }
    })
}

/// Reads all of a stream and keeps its beginning.
fn read_head(mut stream: impl Read) -> String {
    let mut head = Vec::new();
    // What was read before an error is kept.
    let _ = stream.by_ref().take(MAX_STDERR_BYTES).read_to_end(&mut head);
    let _ = io::copy(&mut stream, &mut io::sink());
    String::from_utf8_lossy(&head).into_owned()
}

/// Kills and reaps a child.
fn stop(child: &mut Child) {
    // Both fail only if it has ended already.
    let _ = child.kill();
    let _ = child.wait();
}

/// Words of errors for a lack of memory: of Rust's allocator, and of the operating system.
fn is_out_of_memory(text: &str) -> bool {
    ["memory allocation of", "Cannot allocate memory", "os error 12", "out of memory"]
        .iter()
        .any(|words| text.contains(words))
}

/// The error for a child that ended without an answer.
fn failure(status: ExitStatus, stderr: &str, limits: &CompileLimits, memory: &Memory) -> LoadError {
    let signal = end_signal(status);
    if is_out_of_memory(stderr) {
        return memory.error();
    }
    if signal == Some(SIGXCPU) {
        return LoadError::CompileTime { seconds: limits.cpu_seconds(), real: false };
    }
    let last_line = stderr.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let detail = match (signal, last_line) {
        (Some(SIGKILL), _) => {
            "it was killed, as the system does if memory runs out; give the container more memory".to_owned()
        }
        (Some(signal), "") => format!("it ended by signal {signal}"),
        (None, "") => format!("it ended with {status}"),
        (_, line) => line.to_owned(),
    };
    LoadError::CompileFailed { detail }
}

#[cfg(unix)]
const SIGKILL: i32 = rustix::process::Signal::KILL.as_raw();
#[cfg(unix)]
const SIGXCPU: i32 = rustix::process::Signal::XCPU.as_raw();
#[cfg(not(unix))]
const SIGKILL: i32 = 9;
#[cfg(not(unix))]
const SIGXCPU: i32 = 24;

#[cfg(unix)]
fn end_signal(status: ExitStatus) -> Option<i32> {
    std::os::unix::process::ExitStatusExt::signal(&status)
}

#[cfg(not(unix))]
fn end_signal(_: ExitStatus) -> Option<i32> {
    None
}

#[cfg(test)]
#[cfg(unix)]
mod tests;

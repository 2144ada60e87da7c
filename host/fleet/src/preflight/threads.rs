//! Check of threads: a system that limits processes or memory refuses threads.
//!
//! The runtime and the compiler panic if a thread is refused, and the runtime may then wait for ever. So this
//! check first starts as many threads as a run needs, ends them, and returns an error if the system refuses one.

use std::io;
use std::sync::mpsc;
use std::thread::{self, Builder};

/// Threads of the runtime and of the compiler for each core.
const THREADS_PER_CORE: usize = 2;
/// Threads for files, names of hosts and signals.
const RESERVED: usize = 4;

/// The system refused a thread.
#[derive(Debug, thiserror::Error)]
#[error(
    "this process needs {needed} threads, and the system refused one: {problem}; raise the limit of processes \
     (`ulimit -u`, or pids.max of a container) or of memory (`ulimit -v`)"
)]
pub struct TooFewThreads {
    needed: usize,
    problem: io::Error,
}

/// Starts as many threads as a run needs, and ends them.
pub fn check() -> Result<(), TooFewThreads> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    check_number(cores * THREADS_PER_CORE + RESERVED)
}

fn check_number(needed: usize) -> Result<(), TooFewThreads> {
    let mut threads = Vec::new();
    for number in 0..needed {
        let (end, ended) = mpsc::channel::<()>();
        let wait = move || {
            let _ = ended.recv();
        };
        match Builder::new().name(format!("check-{number}")).spawn(wait) {
            Ok(thread) => threads.push((end, thread)),
            Err(problem) => return Err(TooFewThreads { needed, problem }),
        }
    }
    for (end, thread) in threads {
        drop(end);
        let _ = thread.join();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_that_the_system_has_are_not_refused() {
        check_number(8).unwrap();
    }
}

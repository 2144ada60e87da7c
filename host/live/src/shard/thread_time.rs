//! Time that a thread has run. Unlike the time that has passed, it excludes pauses of the thread by the system, which are
//! not the fault of the device whose turn it is.

use std::time::Duration;

/// Time for which the current thread has run; `None` if the system does not tell.
#[cfg(unix)]
pub(super) fn thread_time() -> Option<Duration> {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Some(Duration::new(u64::try_from(time.tv_sec).ok()?, u32::try_from(time.tv_nsec).ok()?))
}

#[cfg(not(unix))]
pub(super) fn thread_time() -> Option<Duration> {
    None
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_waits_does_not_run() {
        let before = thread_time().unwrap();
        let (_sender, receiver) = std::sync::mpsc::channel::<()>();
        let _ = receiver.recv_timeout(Duration::from_millis(200));
        assert!(thread_time().unwrap() - before < Duration::from_millis(100));
    }
}

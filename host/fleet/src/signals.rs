//! Ctrl-C and SIGTERM as a future.
//!
//! A dedicated thread with its own runtime listens for them, so that a blocked run cannot delay them: the second signal
//! ends the process at once.

use std::io;

use tokio::sync::watch;

/// Exit code of a process that a signal ended.
pub const INTERRUPTED: u8 = 130;

/// Receiver of the first signal.
#[derive(Clone, Debug)]
pub struct Signals(watch::Receiver<bool>);

impl Signals {
    /// Starts to listen.
    pub fn listen() -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let mut source = {
            let _inside = runtime.enter();
            SignalSource::new()?
        };
        let (stop_tx, stop_rx) = watch::channel(false);
        let listen = async move {
            source.next().await;
            tracing::info!("stopping; a second signal ends the process at once");
            stop_tx.send_replace(true);
            source.next().await;
            std::process::exit(INTERRUPTED.into());
        };
        std::thread::Builder::new().name("signals".into()).spawn(move || runtime.block_on(listen))?;
        Ok(Self(stop_rx))
    }

    /// True once the first signal has arrived.
    pub fn received(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits for the first signal; returns at once if it has arrived.
    pub async fn first(&mut self) {
        if self.0.wait_for(|stopped| *stopped).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(unix)]
struct SignalSource {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl SignalSource {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let interrupt = signal(SignalKind::interrupt())?;
        Ok(Self { interrupt, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(not(unix))]
struct SignalSource;

#[cfg(not(unix))]
impl SignalSource {
    fn new() -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

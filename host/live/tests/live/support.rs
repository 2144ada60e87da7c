//! Test support: brokers, devices whose behaviour is a closure, and third-party clients.

pub mod authority;
pub mod device;
pub mod embedded;
pub mod mosquitto;
pub mod mosquitto_clients;
pub mod proxy;
pub mod proxy_server;
pub mod script;
pub mod scripted_broker;
pub mod server;
pub mod silent;

use std::time::Duration;

use tokio::sync::mpsc;

/// Timeout of every wait. Generous, since the machine may be busy.
pub const TIMEOUT: Duration = Duration::from_secs(40);

/// Waits for the next item that satisfies `matches` and skips others.
pub async fn wait_for<T: std::fmt::Debug>(
    seen: &mut mpsc::UnboundedReceiver<T>,
    what: &str,
    mut matches: impl FnMut(&T) -> bool,
) -> T {
    let mut skipped = Vec::new();
    let found = tokio::time::timeout(TIMEOUT, async {
        while let Some(item) = seen.recv().await {
            if matches(&item) {
                return Some(item);
            }
            skipped.push(item);
        }
        None
    })
    .await;
    match found {
        Ok(Some(item)) => item,
        Ok(None) => panic!("the channel closed before {what}; skipped: {skipped:#?}"),
        Err(_) => panic!("timed out waiting for {what}; skipped: {skipped:#?}"),
    }
}

/// Polls a condition until it holds.
pub async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, mut poll: impl FnMut() -> F) -> T {
    let polled = tokio::time::timeout(TIMEOUT, async {
        loop {
            if let Some(found) = poll().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    polled.await.unwrap_or_else(|_| panic!("timed out waiting for {what}"))
}

/// Creates tests from functions that take a kind of broker: Mosquitto, Mosquitto over TLS and over WebSocket, the embedded
/// broker over TCP, and the embedded broker without sockets. Tests after `sockets_only` skip the last kind.
macro_rules! on_all_brokers {
    ($($name:ident),+ $(,)? $(; sockets_only: $($socket:ident),+ $(,)?)?) => {
        mod on_mosquitto {
            $crate::support::tests_on!(Mosquitto: $($name),+ $($(, $socket)+)?);
        }
        mod on_tls {
            $crate::support::tests_on!(Tls: $($name),+ $($(, $socket)+)?);
        }
        mod on_wss {
            $crate::support::tests_on!(Wss: $($name),+ $($(, $socket)+)?);
        }
        mod on_embedded {
            $crate::support::tests_on!(Embedded: $($name),+ $($(, $socket)+)?);
        }
        mod on_local {
            $crate::support::tests_on!(Local: $($name),+);
        }
    };
}
pub(crate) use on_all_brokers;

macro_rules! tests_on {
    ($kind:ident: $($name:ident),+) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            super::$name($crate::support::server::Kind::$kind).await;
        })+
    };
}
pub(crate) use tests_on;

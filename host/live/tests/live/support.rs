//! What the tests are written in: brokers, devices whose behaviour is a closure, and a client that
//! nobody here wrote.

pub mod authority;
pub mod device;
pub mod mosquitto;
pub mod mosquitto_clients;
pub mod proxy;
pub mod server;

use std::time::Duration;

use tokio::sync::mpsc;

/// Longest wait for anything. Generous, as the machine may be busy with other things.
pub const TIMEOUT: Duration = Duration::from_secs(40);

/// The next thing that `fits`; what comes before is passed over.
pub async fn wait_for<T: std::fmt::Debug>(
    seen: &mut mpsc::UnboundedReceiver<T>,
    what: &str,
    mut fits: impl FnMut(&T) -> bool,
) -> T {
    let mut passed = Vec::new();
    let found = tokio::time::timeout(TIMEOUT, async {
        while let Some(thing) = seen.recv().await {
            if fits(&thing) {
                return Some(thing);
            }
            passed.push(thing);
        }
        None
    })
    .await;
    match found {
        Ok(Some(thing)) => thing,
        Ok(None) => panic!("{what} can no longer come; before: {passed:#?}"),
        Err(_) => panic!("{what} did not come; before: {passed:#?}"),
    }
}

/// Look again until a condition holds.
pub async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, mut look: impl FnMut() -> F) -> T {
    let looked = tokio::time::timeout(TIMEOUT, async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    looked.await.unwrap_or_else(|_| panic!("{what} did not come about"))
}

/// Make tests of functions that take a kind of broker: a Mosquitto, a Mosquitto over TLS, the embedded one through its
/// door, and the embedded one by links. After `sockets_only` stand those in which there is nothing to link to.
macro_rules! on_all_brokers {
    ($($name:ident),+ $(,)? $(; sockets_only: $($socket:ident),+ $(,)?)?) => {
        mod on_mosquitto {
            $crate::support::tests_on!(Mosquitto: $($name),+ $($(, $socket)+)?);
        }
        mod on_tls {
            $crate::support::tests_on!(Tls: $($name),+ $($(, $socket)+)?);
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

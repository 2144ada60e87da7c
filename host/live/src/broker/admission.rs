//! Admission of clients from other programs: their number, and the bytes that they make the broker hold.
//!
//! Every client costs a task, a socket and small buffers. Bytes beyond these come from two budgets of all clients: one for
//! incomplete packets and packets that wait for the broker, and one for packets that clients have not read. So clients that
//! do not read take no room from those that publish.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, SemaphorePermit, oneshot};
use wasmote_mqtt::broker::limits::BrokerLimits;
use wasmote_mqtt::budget::{ByteBudget, Lease};

use super::report::{ClientRefusals, ClientReport};

/// Bytes in buffers that every client may have beside the budget.
const FREE_BYTES: usize = 64 << 10;
/// Greatest number of connections that have not sent CONNECT.
const MAX_SILENT: usize = 1_000;
/// Time between two warnings about refused clients.
const WARNING_INTERVAL: Duration = Duration::from_secs(60);
/// Time between two checks of an exhausted budget.
const ROOM_POLL: Duration = Duration::from_millis(5);

/// Limits of all clients from other programs. Clones share them.
#[derive(Clone, Debug)]
pub(super) struct Admission(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    most: usize,
    /// Incomplete packets, and packets that wait for the broker.
    received: ByteBudget,
    /// Packets that clients have not read.
    unread: ByteBudget,
    /// Permit to decode a large packet, which takes several times as much memory as its bytes.
    large_packets: Semaphore,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    open: usize,
    /// Connections that have not sent CONNECT. Dropping a sender closes its connection.
    silent: BTreeMap<u64, oneshot::Sender<()>>,
    refusals: ClientRefusals,
    /// Time of the last warning.
    warned: Option<Instant>,
}

/// A connection that was accepted. Dropping it makes room for another.
#[derive(Debug)]
pub(super) struct Admitted {
    /// Number of the connection.
    pub(super) number: u64,
    admission: Admission,
    evicted: oneshot::Receiver<()>,
}

/// Bytes of one client in the budget of all clients.
#[derive(Debug)]
pub(super) struct HeldBytes(Lease);

impl Admission {
    pub(super) fn new(limits: &BrokerLimits) -> Self {
        Self(Arc::new(Shared {
            most: limits.clients as usize,
            received: ByteBudget::new(limits.client_bytes),
            unread: ByteBudget::new(limits.client_unread_bytes),
            large_packets: Semaphore::new(1),
            state: Mutex::default(),
        }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Admits a connection. If there are too many, the oldest one without CONNECT makes room; `None` if all have sent one.
    pub(super) fn admit(&self, number: u64) -> Option<Admitted> {
        let mut state = self.state();
        if state.open >= self.0.most || state.silent.len() >= MAX_SILENT {
            let is_replaced = state.silent.pop_first().is_some();
            if is_replaced {
                state.refusals.no_connect += 1;
            } else {
                state.refusals.too_many += 1;
            }
            self.warn(&mut state);
            if !is_replaced {
                return None;
            }
        }
        let (sender, evicted) = oneshot::channel();
        state.open += 1;
        state.silent.insert(number, sender);
        Some(Admitted { number, admission: self.clone(), evicted })
    }

    fn warn(&self, state: &mut State) {
        if state.warned.is_some_and(|last| last.elapsed() < WARNING_INTERVAL) {
            return;
        }
        state.warned = Some(Instant::now());
        let ClientRefusals { too_many, no_connect, .. } = state.refusals;
        tracing::warn!(
            "the embedded broker has {} of at most {} connections from other programs (--broker-limit clients={}): {too_many} \
             were refused and {no_connect} closed that had not sent CONNECT so far; /metrics counts them",
            state.open,
            self.0.most,
            self.0.most
        );
    }

    pub(super) fn report(&self) -> ClientReport {
        let state = self.state();
        ClientReport {
            open: state.open,
            limit: self.0.most,
            refused: state.refusals,
            bytes: self.0.received.report(),
            unread: self.0.unread.report(),
        }
    }
}

impl Admitted {
    /// Waits until the connection must make room for another.
    pub(super) async fn evicted(&mut self) {
        // Nothing is sent: the wait ends when the sender is dropped.
        let _ = (&mut self.evicted).await;
    }

    /// Records that the client has sent CONNECT.
    pub(super) fn has_connected(&self) {
        self.admission.state().silent.remove(&self.number);
    }

    /// Counts a connection that is closed because it sent no CONNECT in time.
    pub(super) fn count_silent(&self) {
        self.admission.state().refusals.no_connect += 1;
    }

    /// Counts a connection that is closed because a packet took too long.
    pub(super) fn count_slow(&self) {
        self.admission.state().refusals.too_slow += 1;
    }

    /// The client's part of the budget for received bytes, which begins with none.
    pub(super) fn held_bytes(&self) -> HeldBytes {
        HeldBytes(self.received().force(0))
    }

    /// Budget of the packets that clients send.
    pub(super) fn received(&self) -> &ByteBudget {
        &self.admission.0.received
    }

    /// Budget of the packets that clients have not read.
    pub(super) fn unread(&self) -> &ByteBudget {
        &self.admission.0.unread
    }

    /// Waits for the permit to decode a large packet, and for room in the budget.
    pub(super) async fn large_packet_turn(&self) -> Option<SemaphorePermit<'_>> {
        // The semaphore is never closed.
        let permit = self.admission.0.large_packets.acquire().await.ok();
        while !self.received().has_room(0) {
            tokio::time::sleep(ROOM_POLL).await;
        }
        permit
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut state = self.admission.state();
        state.open -= 1;
        state.silent.remove(&self.number);
    }
}

impl HeldBytes {
    /// Sets the capacity of the client's read buffer. False, and counted, if the budget has no room for it.
    pub(super) fn set(&mut self, capacity: usize) -> bool {
        self.0.resize(capacity.saturating_sub(FREE_BYTES))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admission(clients: u32, client_bytes: u64) -> Admission {
        Admission::new(&BrokerLimits { clients, client_bytes, ..BrokerLimits::default() })
    }

    #[test]
    fn the_oldest_silent_connection_makes_room_and_connected_ones_stay() {
        let admission = admission(2, 0);
        let mut first = admission.admit(1).unwrap();
        let second = admission.admit(2).unwrap();
        second.has_connected();
        let third = admission.admit(3).unwrap();
        assert!(first.evicted.try_recv().is_err_and(|why| why == oneshot::error::TryRecvError::Closed));
        drop(first);
        third.has_connected();
        assert!(admission.admit(4).is_none(), "both have connected");
        let refused = ClientRefusals { too_many: 1, no_connect: 1, too_slow: 0 };
        assert_eq!((admission.report().open, admission.report().refused), (2, refused));
        drop(second);
        assert!(admission.admit(5).is_some());
    }

    #[test]
    fn bytes_beyond_the_small_buffers_come_from_the_budget_and_return() {
        let admission = admission(9, 100);
        let (one, other) = (admission.admit(1).unwrap(), admission.admit(2).unwrap());
        let (mut first, mut second) = (one.held_bytes(), other.held_bytes());
        assert!(first.set(FREE_BYTES + 60) && second.set(FREE_BYTES));
        assert!(!second.set(FREE_BYTES + 41));
        assert!(first.set(10) && second.set(FREE_BYTES + 100));
        drop(second);
        assert_eq!((admission.report().bytes.used, admission.report().bytes.refused), (0, 1));
    }
}

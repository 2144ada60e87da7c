//! Faults of the embedded broker, with the semantics of virtual time: a paused broker queues packets, and a
//! restart loses connections and, unless persistent, all state. The TCP listener stays open while the broker
//! is down, and new connections are closed at once.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use wasmote_mqtt::broker::packet::{Reply, Request};
use wasmote_mqtt::broker::reason::{CloseReason, ConnectRefusal};
use wasmote_mqtt::client::ids::ConnectionId;
use wasmote_sim::faults::broker::{BrokerTransition, Condition, Failure};
use wasmote_sim::faults::{Fault, FaultId};
use wasmote_sim::rng::Seed;

use super::super::{BrokerFaultEvent, Peer};
use super::BrokerTask;

impl BrokerTask {
    /// Replaces the faults. Failures of removed faults end.
    pub(in crate::broker) fn set_faults(&mut self, faults: &[Arc<Fault>], seed: Seed) {
        for transition in self.faults.change(faults, seed, self.clock.now().run) {
            self.apply_transition(&transition);
        }
    }

    /// Starts a failure now, for this duration, caused by this fault.
    pub(in crate::broker) fn fail(&mut self, fault: FaultId, failure: Failure, lasting: Duration) {
        let transition = self.faults.begin(fault, failure, lasting, self.clock.now().run);
        self.apply_transition(&transition);
    }

    /// Adds a subscriber of fault events.
    pub(in crate::broker) fn subscribe_fault_events(
        &mut self,
        sender: mpsc::UnboundedSender<BrokerFaultEvent>,
    ) {
        self.fault_event_senders.push(sender);
    }

    /// Applies the transitions that are due.
    pub(super) fn advance_faults(&mut self) {
        while let Some(transition) = self.faults.advance(self.clock.now().run) {
            self.apply_transition(&transition);
        }
    }

    /// Applies the start or end of a failure.
    fn apply_transition(&mut self, transition: &BrokerTransition) {
        let now = self.clock.now().run;
        let event = BrokerFaultEvent {
            fault: transition.fault.clone(),
            failure: transition.failure,
            lasting: transition.until.map(|until| until.since(now)),
        };
        tracing::warn!("{event}");
        self.fault_event_senders.retain(|sender| sender.send(event.clone()).is_ok());
        if let (Failure::Restart { persistent }, Some(_)) = (transition.failure, transition.until) {
            self.go_down(persistent);
        }
        if self.faults.condition() == Condition::Up {
            self.come_up(transition.failure);
        }
    }

    /// Simulates the end of the broker process. TCP connections close without DISCONNECT. Devices in this
    /// process have no socket that could close, so they receive a close reply.
    fn go_down(&mut self, persistent: bool) {
        for peer in self.model.fail(self.clock.now().run) {
            if let Peer::Device { shard, link } = peer {
                self.reply_to_shard(shard, link, Reply::Close(CloseReason::ShuttingDown));
            }
        }
        self.clients.clear();
        if !persistent {
            self.model.clear_state();
        }
    }

    /// Resumes work. After a pause, queued packets are handled before overdue deadlines. After a restart,
    /// overdue deadlines run first, to detect lost clients.
    fn come_up(&mut self, failure: Failure) {
        let now = self.clock.now().run;
        self.deadlines_checked = std::time::Instant::now();
        if let Failure::Restart { .. } = failure {
            self.restarts += 1;
            self.started = now;
            self.next_sys_publish = now;
            self.run_deadlines();
        }
    }

    /// Rejects a CONNECT of a device while the broker is down, and discards its other packets.
    pub(super) fn reject_while_down(&mut self, shard: u32, link: ConnectionId, request: &Request) {
        if matches!(request, Request::Connect(_)) {
            self.reply_to_shard(shard, link, Reply::Refused(ConnectRefusal::Unavailable));
        }
    }

    fn reply_to_shard(&mut self, shard: u32, link: ConnectionId, reply: Reply) {
        if let Some(shard_sender) = self.shards.get_mut(&shard) {
            shard_sender.push(link, reply);
        }
    }
}

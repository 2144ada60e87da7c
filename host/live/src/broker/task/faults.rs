//! The broker's own faults, as virtual time obeys them: what waits while it stands still, and what is gone when it
//! ends. Its door stays; whoever comes through it while there is no broker is let out again at once.

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
    /// Other faults from now on. What the others had begun is over.
    pub(in crate::broker) fn set_faults(&mut self, faults: &[Arc<Fault>], seed: Seed) {
        for transition in self.faults.change(faults, seed, self.clock.now().run) {
            self.apply_transition(&transition);
        }
    }

    /// Fail now, for so long, in this fault's name.
    pub(in crate::broker) fn fail(&mut self, fault: FaultId, failure: Failure, lasting: Duration) {
        let transition = self.faults.begin(fault, failure, lasting, self.clock.now().run);
        self.apply_transition(&transition);
    }

    /// Tell of every failure from now on.
    pub(in crate::broker) fn subscribe_fault_events(
        &mut self,
        sender: mpsc::UnboundedSender<BrokerFaultEvent>,
    ) {
        self.fault_event_senders.push(sender);
    }

    /// Begin and end what is due.
    pub(super) fn advance_faults(&mut self) {
        while let Some(transition) = self.faults.advance(self.clock.now().run) {
            self.apply_transition(&transition);
        }
    }

    /// A failure has begun or ended.
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

    /// The process ends. Visitors see their connections close without a word; devices have no socket that would
    /// show them.
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

    /// It is up again. What has come in meanwhile is dealt with before what it is late with; after a restart the
    /// first thing is to see who is gone.
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

    /// A device's packet comes while there is no broker.
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

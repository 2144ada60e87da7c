//! The broker's own faults, as virtual time obeys them: what waits while it stands still, and what is gone when it
//! ends. Its door stays; whoever comes through it while there is no broker is let out again at once.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use wasmote_sim::broker::packet::{Reply, Request};
use wasmote_sim::broker::reason::{CloseReason, ConnectRefusal};
use wasmote_sim::client::link::LinkId;
use wasmote_sim::faults::broker::{Condition, Failure, Turn};
use wasmote_sim::faults::{Fault, FaultId};
use wasmote_sim::rng::Seed;

use super::super::{BrokerTurn, Peer};
use super::Core;

impl Core {
    /// Other faults from now on. What the others had begun is over.
    pub(in crate::broker) fn set_faults(&mut self, faults: &[Arc<Fault>], seed: Seed) {
        for turn in self.faults.change(faults, seed, self.clock.now().run) {
            self.turns(&turn);
        }
    }

    /// Fail now, for so long, in this fault's name.
    pub(in crate::broker) fn fail(&mut self, fault: FaultId, failure: Failure, lasting: Duration) {
        let turn = self.faults.begin(fault, failure, lasting, self.clock.now().run);
        self.turns(&turn);
    }

    /// Tell of every failure from now on.
    pub(in crate::broker) fn tell_turns(&mut self, teller: mpsc::UnboundedSender<BrokerTurn>) {
        self.tellers.push(teller);
    }

    /// Begin and end what is due.
    pub(super) fn turn_faults(&mut self) {
        while let Some(turn) = self.faults.turn(self.clock.now().run) {
            self.turns(&turn);
        }
    }

    /// A failure has begun or ended.
    fn turns(&mut self, turn: &Turn) {
        let now = self.clock.now().run;
        let told = BrokerTurn {
            fault: turn.fault.clone(),
            failure: turn.failure,
            lasting: turn.until.map(|until| until.since(now)),
        };
        tracing::warn!("{told}");
        self.tellers.retain(|teller| teller.send(told.clone()).is_ok());
        if let (Failure::Restart { persistent }, Some(_)) = (turn.failure, turn.until) {
            self.ends(persistent);
        }
        if self.faults.condition() == Condition::Up {
            self.is_back(turn.failure);
        }
    }

    /// The process ends. Visitors see their connections close without a word; devices have no socket that would
    /// show them.
    fn ends(&mut self, persistent: bool) {
        for peer in self.model.fail(self.clock.now().run) {
            if let Peer::Device { shard, link } = peer {
                self.leave(shard, link, Reply::Close(CloseReason::ShuttingDown));
            }
        }
        self.visitors.clear();
        if !persistent {
            self.model.forget();
        }
    }

    /// It is up again. What has come in meanwhile is dealt with before what it is late with; after a restart the
    /// first thing is to see who is gone.
    fn is_back(&mut self, failure: Failure) {
        let now = self.clock.now().run;
        self.looked = std::time::Instant::now();
        if let Failure::Restart { .. } = failure {
            self.restarts += 1;
            self.started = now;
            self.tell_at = now;
            self.meet_deadlines();
        }
    }

    /// A device's packet comes while there is no broker.
    pub(super) fn take_in_vain(&mut self, shard: u32, link: LinkId, request: &Request) {
        if matches!(request, Request::Connect(_)) {
            self.leave(shard, link, Reply::Refused(ConnectRefusal::Unavailable));
        }
    }

    fn leave(&mut self, shard: u32, link: LinkId, reply: Reply) {
        if let Some(post) = self.posts.get_mut(&shard) {
            post.put(link, reply);
        }
    }
}

//! Outages, and changes of the device's faults.

use std::sync::Arc;

use super::connection::ConnectionState;
use super::traffic::DelayedMessage;
use super::{Blueprint, Device, Now};
use crate::action::Action;
use crate::faults::byte_stream::LinkBreak;
use crate::faults::injector::OutageTransition;
use crate::faults::{Fault, Model};
use crate::notice::DeviceNotice;

impl Device {
    pub(super) fn outage(&mut self, change: OutageTransition, now: Now, actions: &mut Vec<Action>) {
        self.refresh_active_faults();
        let (fault, until) = match change {
            OutageTransition::Began(fault, until) => (fault, Some(until)),
            OutageTransition::Occurred(fault) => return self.apply_instant_fault(&fault, now, actions),
            OutageTransition::Ended(fault) => (fault, None),
        };
        let kind = fault.model.kind();
        actions.push(Action::Notice(match until {
            Some(until) => DeviceNotice::FaultBegan(fault.id.clone(), kind, until),
            None => DeviceNotice::FaultEnded(fault.id.clone(), kind),
        }));
        match (&fault.model, until) {
            (Model::Silence(_) | Model::Hang(_), Some(_)) => actions.push(Action::Silence),
            (Model::Silence(_), None) => self.resume(actions),
            (Model::Hang(_), None) => {
                self.resume(actions);
                if !self.injector.hangs() {
                    self.run_deferred(now, actions);
                }
            }
            (Model::Stall(_) | Model::Throttle(_), _) => self.emit_link_conditions(actions),
            (Model::Crash(_), Some(until)) => self.lose_power(until.since(now.run), now, actions),
            (Model::Disconnect(_), Some(until)) => {
                self.break_connection(format!("fault `{}`", fault.id), until, now, actions);
            }
            _ => {}
        }
    }

    /// Applies a fault without duration.
    fn apply_instant_fault(&mut self, fault: &Fault, now: Now, actions: &mut Vec<Action>) {
        let (id, kind) = (&fault.id, fault.model.kind());
        actions.push(Action::Notice(DeviceNotice::FaultBegan(id.clone(), kind, now.run)));
        let link_break = match &fault.model {
            Model::Reset(_) => Some(LinkBreak::Reset),
            Model::HalfOpen(half_open) => Some(LinkBreak::HalfOpen(half_open.direction)),
            _ => None,
        };
        if let Some(link_break) =
            link_break.filter(|_| !matches!(self.connection.state, ConnectionState::Down(_)))
        {
            actions.push(Action::BreakLink(link_break, id.clone()));
        }
        actions.push(Action::Notice(DeviceNotice::FaultEnded(id.clone(), kind)));
    }

    /// Sends changed link conditions to the driver.
    pub(super) fn emit_link_conditions(&mut self, actions: &mut Vec<Action>) {
        let link_conditions = self.injector.link_conditions();
        if std::mem::replace(&mut self.link_conditions, link_conditions) != link_conditions {
            actions.push(Action::SetLinkConditions(link_conditions));
        }
    }

    /// Replaces the faults. Outages of removed faults end, and their held messages are released.
    pub(super) fn set_faults(&mut self, faults: Arc<[Arc<Fault>]>, now: Now, actions: &mut Vec<Action>) {
        let Blueprint { identity, seed, .. } = &self.blueprint;
        let mut gone = self.injector.change(&faults, identity, *seed, now.run, &mut self.ledger);
        self.injector.keep_batteries(&gone, now.run, self.is_running());
        self.blueprint.faults = faults;
        self.emit_link_conditions(actions);
        // An active disconnect lasts until its time.
        let ends = |fault: &Arc<Fault>| !matches!(fault.model, Model::Disconnect(_));
        for fault in gone.active_outages().into_iter().filter(ends) {
            self.outage(OutageTransition::Ended(fault), now, actions);
        }
        for (direction, message) in gone.release_all() {
            self.forward(DelayedMessage { direction, message, _lease: None }, now, actions);
        }
    }

    pub(super) fn resume(&mut self, actions: &mut Vec<Action>) {
        if self.injector.silence().is_some() {
            return;
        }
        if self.connection.state == ConnectionState::Up {
            self.connection.state = ConnectionState::Resuming;
        }
        actions.push(Action::Resume);
    }

    pub(super) fn refresh_active_faults(&mut self) {
        let active = self.injector.active();
        if let Some(context) = &mut self.context {
            context.set_active_faults(active);
        }
    }
}

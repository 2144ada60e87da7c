//! What comes over the device for a while, and other faults from now on.

use std::sync::Arc;

use super::link::LinkState;
use super::traffic::Parcel;
use super::{Blueprint, Device, Now};
use crate::action::{Action, Notice};
use crate::faults::byte_stream::Blow;
use crate::faults::injector::OutageChange;
use crate::faults::{Fault, Model};

impl Device {
    pub(super) fn outage(&mut self, change: OutageChange, now: Now, actions: &mut Vec<Action>) {
        self.refresh_active_faults();
        let (fault, until) = match change {
            OutageChange::Began(fault, until) => (fault, Some(until)),
            OutageChange::Struck(fault) => return self.strike(&fault, now, actions),
            OutageChange::Ended(fault) => (fault, None),
        };
        let kind = fault.model.kind();
        actions.push(Action::Notice(match until {
            Some(until) => Notice::FaultBegan(fault.id.clone(), kind, until),
            None => Notice::FaultEnded(fault.id.clone(), kind),
        }));
        match (&fault.model, until) {
            (Model::Silence(_) | Model::Hang(_), Some(_)) => actions.push(Action::Silence),
            (Model::Silence(_), None) => self.resume(actions),
            (Model::Hang(_), None) => {
                self.resume(actions);
                if !self.injector.hangs() {
                    self.thaw(now, actions);
                }
            }
            (Model::Stall(_) | Model::Throttle(_), _) => self.tell_weather(actions),
            (Model::Crash(..), Some(until)) => self.lose_power(until.since(now.run), now, actions),
            (Model::Disconnect(_), Some(until)) => {
                self.break_link(format!("fault `{}`", fault.id), until, now, actions);
            }
            _ => {}
        }
    }

    /// A fault strikes and is over.
    fn strike(&mut self, fault: &Fault, now: Now, actions: &mut Vec<Action>) {
        let (id, kind) = (&fault.id, fault.model.kind());
        actions.push(Action::Notice(Notice::FaultBegan(id.clone(), kind, now.run)));
        let blow = match &fault.model {
            Model::Reset(_) => Some(Blow::Reset),
            Model::HalfOpen(half_open) => Some(Blow::HalfOpen(half_open.direction)),
            _ => None,
        };
        if let Some(blow) = blow.filter(|_| !matches!(self.link.state, LinkState::Down(_))) {
            actions.push(Action::Strike(blow, id.clone()));
        }
        actions.push(Action::Notice(Notice::FaultEnded(id.clone(), kind)));
    }

    /// Tell the driver what the line does with bytes, if it is something else than before.
    pub(super) fn tell_weather(&mut self, actions: &mut Vec<Action>) {
        let weather = self.injector.weather();
        if std::mem::replace(&mut self.weather, weather) != weather {
            actions.push(Action::Weather(weather));
        }
    }

    /// Other faults from now on. What those that are gone had begun is over, and what they held back goes on.
    pub(super) fn set_faults(&mut self, faults: Arc<[Arc<Fault>]>, now: Now, actions: &mut Vec<Action>) {
        let Blueprint { identity, seed, .. } = &self.blueprint;
        let mut gone = self.injector.change(&faults, identity, *seed, now.run, &mut self.ledger);
        self.injector.keep_batteries(&gone, now.run, self.is_running());
        self.blueprint.faults = faults;
        self.tell_weather(actions);
        // A line that was cut stays so until its time.
        let ends = |fault: &Arc<Fault>| !matches!(fault.model, Model::Disconnect(_));
        for fault in gone.under_way().into_iter().filter(ends) {
            self.outage(OutageChange::Ended(fault), now, actions);
        }
        for (direction, message) in gone.release_all() {
            self.forward(Parcel { direction, message }, now, actions);
        }
    }

    pub(super) fn resume(&mut self, actions: &mut Vec<Action>) {
        if self.injector.silence().is_some() {
            return;
        }
        if self.link.state == LinkState::Up {
            self.link.state = LinkState::Resuming;
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

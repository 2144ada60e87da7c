//! What the device does as its connection comes and goes.

use std::time::Duration;

use super::link::LinkState;
use super::{Device, Now};
use crate::action::{Action, Farewell, Notice};
use crate::context::Context;
use crate::event::{ConnectionChange, Event};
use crate::time::Time;

impl Device {
    pub(super) fn connect(&mut self, now: Now, actions: &mut Vec<Action>) {
        if let Some(fault) = self.injector.silence() {
            // The deadline waits for the silence to end.
            return self.link.stay_down(format!("fault `{fault}`"), now.run);
        }
        self.tell_weather(actions);
        self.link.state = LinkState::Connecting;
        actions.push(Action::Connect(self.context.as_ref().and_then(Context::will).cloned()));
    }

    pub(super) fn connected(&mut self, session_present: bool, now: Now, actions: &mut Vec<Action>) {
        if !self.is_running() {
            // It came up while the device went down.
            return actions.push(Action::Disconnect(Farewell::Cut));
        }
        let Some(context) = &mut self.context else { return };
        context.set_connected(true);
        actions.push(Action::Notice(Notice::Connected(session_present)));
        self.link.came_up(session_present, context.subscriptions(), actions);
        self.send_queued(actions);
        self.tell(Event::Connection(ConnectionChange::Up { session_present }), now, actions);
    }

    pub(super) fn disconnected(&mut self, reason: String, now: Now, actions: &mut Vec<Action>) {
        if !self.is_running() || matches!(self.link.state, LinkState::Down(_)) {
            return;
        }
        let was_up = self.link.was_up();
        let pause = self.link.went_down(reason.clone(), now.run);
        self.after_loss(was_up, reason, pause, now, actions);
    }

    /// End the connection without a farewell and stay away until then.
    pub(super) fn break_link(&mut self, reason: String, until: Time, now: Now, actions: &mut Vec<Action>) {
        if !self.is_running() {
            return;
        }
        let was_up = self.link.was_up();
        actions.push(Action::Disconnect(Farewell::Cut));
        self.link.stay_down(reason.clone(), until);
        self.after_loss(was_up, reason, until.since(now.run), now, actions);
    }

    pub(super) fn after_loss(
        &mut self,
        was_up: bool,
        reason: String,
        pause: Duration,
        now: Now,
        actions: &mut Vec<Action>,
    ) {
        if let Some(context) = &mut self.context {
            context.set_connected(false);
        }
        actions.push(Action::Notice(Notice::Disconnected(reason.clone(), pause)));
        if was_up {
            self.tell(Event::Connection(ConnectionChange::Down(reason)), now, actions);
        }
    }

    /// The broker still knows the connection after a silence.
    pub(super) fn resumed(&mut self, actions: &mut Vec<Action>) {
        if self.link.state == LinkState::Resuming {
            self.link.state = LinkState::Up;
            self.send_queued(actions);
        }
    }

    pub(super) fn send_queued(&mut self, actions: &mut Vec<Action>) {
        for message in self.link.take_queued() {
            self.hand_over(message, actions);
        }
    }
}

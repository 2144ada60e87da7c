//! Handling of connects and disconnects.

use std::time::Duration;

use wasmote_mqtt::answer::Disconnection;
use wasmote_mqtt::client::DisconnectMode;
use wasmote_mqtt::time::Time;

use super::connection::ConnectionState;
use super::{Device, Now};
use crate::action::Action;
use crate::context::Context;
use crate::event::{ConnectionChange, Event};
use crate::notice::DeviceNotice;

impl Device {
    pub(super) fn connect(&mut self, now: Now, actions: &mut Vec<Action>) {
        if let Some(fault) = self.injector.silence() {
            // The reconnect deadline applies after the silence.
            return self.connection.hold_down(format!("fault `{fault}`"), now.run, now.run);
        }
        self.emit_link_conditions(actions);
        self.connection.state = ConnectionState::Connecting;
        actions.push(Action::Connect(self.context.as_ref().and_then(Context::will).cloned()));
    }

    pub(super) fn connected(&mut self, session_present: bool, now: Now, actions: &mut Vec<Action>) {
        if !self.is_running() {
            // The connection came up after the device went down.
            return actions.push(Action::Disconnect(DisconnectMode::Abort));
        }
        let Some(context) = &mut self.context else { return };
        context.set_connected(true);
        self.history.connected();
        actions.push(Action::Notice(DeviceNotice::Connected(session_present)));
        self.connection.mark_connected(session_present, context.subscriptions(), now.run, actions);
        self.send_queued(actions);
        self.dispatch(Event::Connection(ConnectionChange::Up { session_present }), now, actions);
    }

    pub(super) fn disconnected(&mut self, end: Disconnection, now: Now, actions: &mut Vec<Action>) {
        if let Some(answer) = &end.answer {
            self.ledger.answered(answer.code);
        }
        if !self.is_running() || matches!(self.connection.state, ConnectionState::Down(_)) {
            return;
        }
        let reason = end.to_string();
        self.history.disconnected(&reason);
        let was_up = self.connection.was_up();
        let pause = self.connection.mark_disconnected(reason, now.run);
        self.connection_lost(was_up, end, pause, now, actions);
    }

    /// Aborts the connection and blocks reconnects until this time.
    pub(super) fn break_connection(
        &mut self,
        reason: String,
        until: Time,
        now: Now,
        actions: &mut Vec<Action>,
    ) {
        if !self.is_running() {
            return;
        }
        let was_up = self.connection.was_up();
        actions.push(Action::Disconnect(DisconnectMode::Abort));
        self.connection.hold_down(reason.clone(), until, now.run);
        self.connection_lost(was_up, reason.into(), until.since(now.run), now, actions);
    }

    pub(super) fn connection_lost(
        &mut self,
        was_up: bool,
        end: Disconnection,
        pause: Duration,
        now: Now,
        actions: &mut Vec<Action>,
    ) {
        if let Some(context) = &mut self.context {
            context.set_connected(false);
        }
        let reason = end.to_behaviour();
        actions.push(Action::Notice(DeviceNotice::Disconnected(end, pause)));
        if was_up {
            self.dispatch(Event::Connection(ConnectionChange::Down(reason)), now, actions);
        }
    }

    /// Handles a connection that survived a silence.
    pub(super) fn resumed(&mut self, actions: &mut Vec<Action>) {
        if self.connection.state == ConnectionState::Resuming {
            self.connection.state = ConnectionState::Up;
            self.send_queued(actions);
        }
    }

    pub(super) fn send_queued(&mut self, actions: &mut Vec<Action>) {
        for message in self.connection.take_queued() {
            self.send(message, actions);
        }
    }
}

//! Sessions of earlier and later runs.
//!
//! A run neither resumes the session of an earlier one nor leaves its own at the broker. On MQTT 5, CONNECT and
//! DISCONNECT say so. On 3.1.1 only a connection with a clean session discards one [MQTT-3.1.2-6 of 3.1.1], and such
//! a connection keeps none itself, so the client opens one more, without a will, before the first connection and
//! after the last.

use std::sync::Arc;

use super::{Client, ClientEvent, Outbox, State};
use crate::broker::packet::{Connect, Disconnect, Request};
use crate::message::Will;
use crate::protocol::Protocol;
use crate::time::Time;

/// Purpose of a connection that only discards the session.
#[derive(Debug)]
pub(super) enum Discard {
    /// Precedes the connection with this will.
    Before(Option<Will>),
    /// Follows the last connection.
    After,
}

impl Client {
    /// Whether the broker may keep a session that the client began.
    pub fn may_have_session(&self) -> bool {
        self.may_have_session
    }

    /// Whether the client discards sessions that would outlast their connection.
    pub(super) fn discards_sessions(&self) -> bool {
        self.options.discard_sessions && self.options.session_expiry > 0
    }

    /// Whether a session of an earlier run has to be discarded before the next connection.
    pub(super) fn must_discard_first(&self) -> bool {
        self.protocol == Protocol::V4 && self.needs_clean_start && self.discards_sessions()
    }

    /// Opens a connection that only discards the session.
    pub(super) fn discard_session<E: From<ClientEvent>>(
        &mut self,
        purpose: Discard,
        now: Time,
        out: &mut Outbox<E>,
    ) {
        self.discarding = Some(purpose);
        let connect = Connect {
            protocol: self.protocol,
            keep_alive: self.options.keep_alive,
            ..Connect::new(Arc::clone(&self.client_id))
        };
        self.open(connect, now, out);
    }

    /// Ends a connection that has discarded the session. Returns whether it was one.
    pub(super) fn session_discarded<E: From<ClientEvent>>(&mut self, now: Time, out: &mut Outbox<E>) -> bool {
        let Some(purpose) = self.discarding.take() else { return false };
        self.may_have_session = false;
        self.send(Request::Disconnect(Disconnect::default()), now, out);
        self.close(out);
        match purpose {
            Discard::Before(will) => {
                self.needs_clean_start = false;
                self.connect(will, now, out);
            }
            Discard::After => self.start_queued_connect(now, out),
        }
        true
    }

    /// DISCONNECT that ends the session too, if the protocol allows that.
    pub(super) fn last_disconnect(&mut self) -> Disconnect {
        if self.protocol != Protocol::V5 || !self.discards_sessions() {
            return Disconnect::default();
        }
        self.may_have_session = false;
        Disconnect { session_expiry: Some(0), ..Disconnect::default() }
    }

    /// Discards the session after the last connection, if the broker may still have it. A silent client sends
    /// nothing.
    pub fn end_session<E: From<ClientEvent>>(&mut self, now: Time, out: &mut Outbox<E>) {
        let is_idle = self.state == State::Down && self.queued_connect.is_none() && !self.silent;
        if is_idle && self.discards_sessions() && self.may_have_session {
            self.discard_session(Discard::After, now, out);
        }
    }
}

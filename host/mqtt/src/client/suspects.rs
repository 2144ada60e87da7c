//! Messages at which the broker ends the connection.
//!
//! On 3.1.1 a broker has no answer to a message that it does not take, such as one beyond its size limit: it ends
//! the connection. The session delivers the message again [MQTT-4.4.0-1], and all others wait behind it for ever.
//!
//! After such an end the client sends the messages that were in flight one at a time. Each connection is tested
//! first with a ping, behind the subscriptions and messages that the device sends on its own: a broker that ends
//! this connection as well does so for another reason. The message that is alone in flight at the end of several
//! tested connections is given up.

use std::num::NonZeroU16;
use std::time::Duration;

use super::{Client, ClientEvent, Outbox, RESPONSE_TIMEOUT, Refusal, State};
use crate::answer::{Disconnection, NegativeAnswer};
use crate::message::Message;
use crate::reason_text;
use crate::time::Time;

/// Number of connections that end with the same message alone in flight, before the message is given up.
pub const GIVE_UP_AFTER: u32 = 3;
/// Age of a connection below which an unexplained end suggests a cause that recurs.
const EARLY_END: Duration = Duration::from_secs(30);

/// State of the search for such a message.
#[derive(Debug, Default)]
pub(super) struct Suspects {
    /// Unexplained ends in a row, each soon after the broker had accepted the connection.
    early_ends: u32,
    /// Messages that are still to be sent one at a time.
    one_at_a_time: usize,
    /// Number of the message that was alone in flight at the end of the last connections, and of these
    /// connections.
    suspect: Option<(u64, u32)>,
    test: ConnectionTest,
}

/// Test of a connection before it carries a suspect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum ConnectionTest {
    /// The test has succeeded, or is not needed.
    #[default]
    Over,
    /// The ping follows what the device sends in response to the new connection.
    Due,
    /// The ping is sent.
    Running,
}

impl Suspects {
    /// Begins a connection.
    pub(super) fn connected(&mut self) {
        self.test = if self.one_at_a_time > 0 { ConnectionTest::Due } else { ConnectionTest::Over };
    }

    /// Notes that a message was answered.
    pub(super) fn answered(&mut self) {
        self.one_at_a_time = self.one_at_a_time.saturating_sub(1);
        self.suspect = None;
    }

    /// Whether messages at QoS 1 and 2 wait for the end of the test.
    pub(super) fn holds_messages(&self) -> bool {
        self.test != ConnectionTest::Over
    }

    /// Whether the ping of the test is due.
    pub(super) fn ping_is_due(&self) -> bool {
        self.test == ConnectionTest::Due
    }

    /// Maximum number of messages in flight, given that of the connection.
    fn window(&self, window: NonZeroU16) -> NonZeroU16 {
        if self.one_at_a_time > 0 { NonZeroU16::MIN } else { window }
    }

    /// Notes the end of a connection with these messages in flight. Returns whether the only one is to be given
    /// up.
    fn ended(&mut self, in_flight: usize, only: Option<u64>) -> bool {
        self.one_at_a_time = self.one_at_a_time.max(in_flight);
        let Some(number) = only else { return false };
        let before = self.suspect.filter(|(known, _)| *known == number).map_or(0, |(_, times)| times);
        self.suspect = Some((number, before + 1));
        before + 1 >= GIVE_UP_AFTER
    }
}

impl Client {
    /// Notes the end of a connection, before its messages are returned. Returns the reason for the device.
    pub(super) fn note_end<E: From<ClientEvent>>(
        &mut self,
        end: Disconnection,
        now: Time,
        out: &mut Outbox<E>,
    ) -> Disconnection {
        let was_open = matches!(self.state, State::Up | State::Disconnecting(_));
        let is_early = end.is_unexplained && now.since(self.up_since) < EARLY_END;
        let blames_packet = end.answer.as_ref().is_some_and(|answer| answer.code.blames_packet());
        if !was_open || !(is_early || blames_packet) {
            self.suspects.early_ends = 0;
            return end;
        }
        self.find_suspect(end.answer.as_ref(), out);
        if blames_packet {
            return end;
        }
        self.suspects.early_ends += 1;
        match self.suspects.early_ends {
            // A restart of the broker also ends a connection once.
            1 => end,
            _ => Disconnection { reason: reason_text::ended_early(&end.reason), ..end },
        }
    }

    /// Finds the messages that may have ended the connection, and gives up the one that has ended several.
    fn find_suspect<E: From<ClientEvent>>(&mut self, answer: Option<&NegativeAnswer>, out: &mut Outbox<E>) {
        let in_flight = self.outgoing.unanswered();
        let only = self.outgoing.first_unanswered().filter(|_| in_flight == 1);
        let number = only.and_then(|(_, message)| number(message));
        if self.suspects.ended(in_flight, number)
            && let Some((id, _)) = self.outgoing.first_unanswered()
            && let Some(message) = self.outgoing.take(id)
        {
            self.suspects = Suspects::default();
            out.report(ClientEvent::Refused(message, Refusal::EndsConnection(answer.cloned())));
        }
    }

    /// Pings the broker, to test the connection.
    pub(super) fn test_connection<E: From<ClientEvent>>(&mut self, now: Time, out: &mut Outbox<E>) {
        self.suspects.test = ConnectionTest::Running;
        self.ping(RESPONSE_TIMEOUT, now, out);
    }

    /// Ends the test of the connection: messages flow again.
    pub(super) fn connection_tested<E: From<ClientEvent>>(&mut self, now: Time, out: &mut Outbox<E>) {
        if self.suspects.test == ConnectionTest::Running {
            self.suspects.test = ConnectionTest::Over;
            self.pump(now, out);
        }
    }

    /// Notes that the broker has answered a message.
    pub(super) fn message_answered(&mut self) {
        self.suspects.answered();
        self.set_outgoing_limits();
    }

    /// Sets the limits of messages in flight and queued. A smaller window leaves more room in the queue. Returns the
    /// window.
    pub(super) fn set_outgoing_limits(&mut self) -> NonZeroU16 {
        let window = self.suspects.window(self.window);
        let spare = usize::from(self.window.get() - window.get());
        self.outgoing.set_limits(window, self.options.queued + spare);
        window
    }
}

/// Number that the device gave the message; it stays the same when the message is sent again.
fn number(message: &Message) -> Option<u64> {
    message.origin.as_ref().map(|origin| origin.sequence)
}

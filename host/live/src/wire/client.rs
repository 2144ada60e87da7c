//! The client's side of one connection.
//!
//! It reads from bytes that are somebody else's, and keeps of them only the part of a packet whose rest has yet
//! to come; so a connection on which nothing happens holds no buffer.
//!
//! * `encode`: what a client sends. `decode`: what a broker sends.

mod decode;
mod encode;
#[cfg(test)]
mod tests;

use mqtt5_protocol::packet::FixedHeader;
use wasmote_sim::broker::packet::Reply;
use wasmote_sim::broker::reason::CloseReason;
use wasmote_sim::context::Protocol;
use wasmote_sim::message::Qos;

use super::{Wire, frame};

/// A connection as its client sees it.
#[derive(Debug)]
pub(crate) struct ClientWire {
    /// With the longest packet that the broker takes (section 3.2.2.3.6).
    wire: Wire,
    /// Highest QoS that the broker takes (section 3.2.2.3.4).
    highest: Qos,
    /// Whether the broker keeps messages (section 3.2.2.3.5).
    retains: bool,
    /// Whether a clean start was asked for.
    is_fresh: bool,
    /// Whether the broker has accepted the connection.
    is_accepted: bool,
    /// The beginning of a packet.
    unread: Vec<u8>,
}

/// Who a client says it is.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Login<'a> {
    pub(crate) username: Option<&'a str>,
    pub(crate) password: Option<&'a str>,
}

/// What came from the broker.
#[derive(Debug, PartialEq)]
pub(crate) enum Heard {
    /// Something to go on with.
    Reply(Reply),
    /// It refused the connection or ends it, and why, for people. Nothing comes after it.
    Over(String),
}

/// A packet that the broker would not take, or that MQTT has no room for. Nothing was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unsendable {
    /// [MQTT-3.1.2-24] for the broker.
    #[error("the broker takes no message so large")]
    TooLarge,
    /// [MQTT-3.2.2-11]
    #[error("the broker takes no message at this QoS")]
    Qos,
    /// [MQTT-3.2.2-14]
    #[error("the broker keeps no messages, and takes none that are to be kept")]
    Retain,
    /// [MQTT-1.5.4], [MQTT-1.5.6]
    #[error("a text, or the payload of a will, is longer than the 65,535 bytes that MQTT has room for")]
    TooLong,
}

impl ClientWire {
    /// A connection on which nothing was said.
    pub(crate) fn new(protocol: Protocol) -> Self {
        Self {
            wire: Wire::new(protocol),
            highest: Qos::ExactlyOnce,
            retains: true,
            is_fresh: true,
            is_accepted: false,
            unread: Vec::new(),
        }
    }

    /// Whether the broker has accepted the connection.
    pub(crate) fn is_accepted(&self) -> bool {
        self.is_accepted
    }

    /// Read what has come. What is heard before a breach of the rules counts.
    pub(crate) fn read(&mut self, bytes: &[u8], heard: &mut Vec<Heard>) -> Result<(), CloseReason> {
        if self.unread.is_empty() {
            let taken = self.packets(bytes, heard)?;
            self.unread = bytes[taken..].to_vec();
            return Ok(());
        }
        let mut unread = std::mem::take(&mut self.unread);
        unread.extend_from_slice(bytes);
        let taken = self.packets(&unread, heard)?;
        if taken < unread.len() {
            unread.drain(..taken);
            self.unread = unread;
        }
        Ok(())
    }

    /// Take the packets at the front that are whole. Returns how many bytes they are.
    fn packets(&mut self, bytes: &[u8], heard: &mut Vec<Heard>) -> Result<usize, CloseReason> {
        let mut taken = 0;
        while let Some((header, start)) = frame(&bytes[taken..])? {
            let body = taken + start;
            taken = body + header.remaining_length as usize;
            heard.push(self.packet(&header, &bytes[body..taken])?);
        }
        Ok(taken)
    }

    /// A connection begins with CONNACK [MQTT-3.2.0-1], and has but one [MQTT-3.2.0-2].
    fn packet(&mut self, header: &FixedHeader, body: &[u8]) -> Result<Heard, CloseReason> {
        let heard = decode::packet(self.wire.protocol, header, body)?;
        match heard {
            decode::Packet::ConnAck(_) if self.is_accepted => Err(CloseReason::ProtocolError),
            decode::Packet::ConnAck(answer) => self.greeted(answer),
            decode::Packet::Reply(_) if !self.is_accepted => Err(CloseReason::ProtocolError),
            decode::Packet::Reply(reply) => Ok(Heard::Reply(reply)),
            decode::Packet::Over(reason) => Ok(Heard::Over(reason)),
        }
    }

    fn greeted(&mut self, answer: decode::Greeting) -> Result<Heard, CloseReason> {
        // [MQTT-3.2.2-4]
        if self.is_fresh && answer.accepted.session_present {
            return Err(CloseReason::ProtocolError);
        }
        self.is_accepted = true;
        self.wire.largest = answer.largest;
        self.highest = answer.highest;
        self.retains = answer.retains;
        Ok(Heard::Reply(Reply::ConnAck(answer.accepted)))
    }
}

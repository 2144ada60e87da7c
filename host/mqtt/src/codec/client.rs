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

use super::{Codec, frame};
use crate::broker::packet::Reply;
use crate::broker::reason::CloseReason;
use crate::message::Qos;
use crate::protocol::Protocol;

/// A connection as its client sees it.
#[derive(Debug)]
pub struct ClientCodec {
    /// With the longest packet that the broker takes (section 3.2.2.3.6).
    codec: Codec,
    /// Highest QoS that the broker takes (section 3.2.2.3.4).
    max_qos: Qos,
    /// Whether the broker keeps messages (section 3.2.2.3.5).
    retain_available: bool,
    /// Whether a clean start was asked for.
    clean_start: bool,
    /// Whether the broker has accepted the connection.
    is_accepted: bool,
    /// The beginning of a packet.
    partial: Vec<u8>,
}

/// User name and password of a CONNECT.
#[derive(Clone, Copy, Debug, Default)]
pub struct Credentials<'a> {
    /// User name.
    pub username: Option<&'a str>,
    /// Password.
    pub password: Option<&'a str>,
}

/// What came from the broker.
#[derive(Debug, PartialEq)]
pub enum Incoming {
    /// Something to go on with.
    Reply(Reply),
    /// It refused the connection or ends it, and why, for people. Nothing comes after it.
    Closed(String),
}

/// A packet that the broker would not take, or that MQTT has no room for. Nothing was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
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

impl ClientCodec {
    /// A connection on which nothing was said.
    pub fn new(protocol: Protocol) -> Self {
        Self {
            codec: Codec::new(protocol),
            max_qos: Qos::ExactlyOnce,
            retain_available: true,
            clean_start: true,
            is_accepted: false,
            partial: Vec::new(),
        }
    }

    /// Whether the broker has accepted the connection.
    pub fn is_accepted(&self) -> bool {
        self.is_accepted
    }

    /// Read what has come. What is heard before a breach of the rules counts.
    pub fn read(&mut self, bytes: &[u8], incoming: &mut Vec<Incoming>) -> Result<(), CloseReason> {
        if self.partial.is_empty() {
            let consumed = self.packets(bytes, incoming)?;
            self.partial = bytes[consumed..].to_vec();
            return Ok(());
        }
        let mut partial = std::mem::take(&mut self.partial);
        partial.extend_from_slice(bytes);
        let consumed = self.packets(&partial, incoming)?;
        if consumed < partial.len() {
            partial.drain(..consumed);
            self.partial = partial;
        }
        Ok(())
    }

    /// Take the packets at the front that are whole. Returns how many bytes they are.
    fn packets(&mut self, bytes: &[u8], incoming: &mut Vec<Incoming>) -> Result<usize, CloseReason> {
        let mut consumed = 0;
        while let Some((header, start)) = frame(&bytes[consumed..])? {
            let body = consumed + start;
            consumed = body + header.remaining_length as usize;
            incoming.push(self.packet(&header, &bytes[body..consumed])?);
        }
        Ok(consumed)
    }

    /// A connection begins with CONNACK [MQTT-3.2.0-1], and has but one [MQTT-3.2.0-2].
    fn packet(&mut self, header: &FixedHeader, body: &[u8]) -> Result<Incoming, CloseReason> {
        let incoming = decode::packet(self.codec.protocol, header, body)?;
        match incoming {
            decode::Packet::ConnAck(_) if self.is_accepted => Err(CloseReason::ProtocolError),
            decode::Packet::ConnAck(answer) => self.accept(answer),
            decode::Packet::Reply(_) if !self.is_accepted => Err(CloseReason::ProtocolError),
            decode::Packet::Reply(reply) => Ok(Incoming::Reply(reply)),
            decode::Packet::Closed(reason) => Ok(Incoming::Closed(reason)),
        }
    }

    fn accept(&mut self, answer: decode::AcceptedConnAck) -> Result<Incoming, CloseReason> {
        // [MQTT-3.2.2-4]
        if self.clean_start && answer.connack.session_present {
            return Err(CloseReason::ProtocolError);
        }
        self.is_accepted = true;
        self.codec.max_packet_size = answer.max_packet_size;
        self.max_qos = answer.max_qos;
        self.retain_available = answer.retain_available;
        Ok(Incoming::Reply(Reply::ConnAck(answer.connack)))
    }
}

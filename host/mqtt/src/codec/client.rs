//! Client side of the codec, for one connection.
//!
//! It reads from borrowed buffers and keeps only an incomplete packet, so an idle connection holds no buffer.
//!
//! * `encode`: packets to a broker. `decode`: packets from a broker.

mod decode;
mod encode;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use mqtt5_protocol::packet::FixedHeader;

use super::{Codec, frame};
use crate::answer::Disconnection;
use crate::broker::packet::Reply;
use crate::broker::reason::CloseReason;
use crate::message::Qos;
use crate::protocol::Protocol;

/// Codec of one connection of a client.
#[derive(Debug)]
pub struct ClientCodec {
    /// Packet codec, with the broker's maximum packet size (section 3.2.2.3.6).
    codec: Codec,
    /// Maximum QoS of the broker (section 3.2.2.3.4).
    max_qos: Qos,
    /// Whether the broker supports retained messages (section 3.2.2.3.5).
    retain_available: bool,
    /// Whether CONNECT requested a clean start.
    clean_start: bool,
    /// Whether the broker has accepted the connection.
    is_accepted: bool,
    /// Incomplete packet.
    partial: Vec<u8>,
}

/// User name and password of a CONNECT. The debug form shows neither.
#[derive(Clone, Copy, Default)]
pub struct Credentials<'a> {
    /// User name.
    pub username: Option<&'a str>,
    /// Password.
    pub password: Option<&'a str>,
}

impl fmt::Debug for Credentials<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (username, password) = (self.username.is_some(), self.password.is_some());
        f.debug_struct("Credentials").field("username", &username).field("password", &password).finish()
    }
}

/// Decoded input from the broker.
#[derive(Debug, PartialEq)]
pub enum Incoming {
    /// Packet for the client.
    Reply(Reply),
    /// Packet for the client, with its Reason String.
    Explained(Reply, Arc<str>),
    /// The broker refused or ended the connection. Nothing follows.
    Closed(Disconnection),
}

/// Packet that exceeds the broker's limits or those of MQTT. Nothing was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The packet exceeds the broker's maximum packet size [MQTT-3.1.2-24].
    #[error("the message exceeds the broker's maximum packet size")]
    TooLarge,
    /// The message exceeds the broker's maximum QoS [MQTT-3.2.2-11].
    #[error("the broker does not support this QoS")]
    Qos,
    /// The message is retained, and the broker does not support that [MQTT-3.2.2-14].
    #[error("the broker does not support retained messages")]
    Retain,
    /// A field exceeds 65,535 bytes [MQTT-1.5.4], [MQTT-1.5.6].
    #[error("a string, or the payload of a will, exceeds the 65,535 bytes that MQTT allows")]
    TooLong,
    /// A password without a user name on 3.1.1 [MQTT-3.1.2-22 of 3.1.1].
    #[error("MQTT 3.1.1 allows no password without a user name; give a user name, or use MQTT 5")]
    PasswordWithoutUser,
}

impl SendError {
    /// Short name of the error, for metrics and results.
    pub const fn name(self) -> &'static str {
        match self {
            Self::TooLarge => "packet_too_large",
            Self::Qos => "qos_not_supported",
            Self::Retain => "retain_not_supported",
            Self::TooLong => "field_too_long",
            Self::PasswordWithoutUser => "password_without_user",
        }
    }
}

impl ClientCodec {
    /// Codec of a new connection.
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

    /// Decodes received bytes. Packets before a protocol violation are kept.
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

    /// Decodes the complete packets at the front. Returns their size in bytes.
    fn packets(&mut self, bytes: &[u8], incoming: &mut Vec<Incoming>) -> Result<usize, CloseReason> {
        let mut consumed = 0;
        while let Some((header, start)) = frame(&bytes[consumed..])? {
            let body = consumed + start;
            consumed = body + header.remaining_length as usize;
            incoming.push(self.packet(&header, &bytes[body..consumed])?);
        }
        Ok(consumed)
    }

    /// A connection begins with CONNACK [MQTT-3.2.0-1], and has only one [MQTT-3.2.0-2].
    fn packet(&mut self, header: &FixedHeader, body: &[u8]) -> Result<Incoming, CloseReason> {
        let incoming = decode::packet(self.codec.protocol, header, body)?;
        match incoming {
            decode::Packet::ConnAck(_) if self.is_accepted => Err(CloseReason::ProtocolError),
            decode::Packet::ConnAck(answer) => self.accept(answer),
            decode::Packet::Reply(_) | decode::Packet::Explained(..) if !self.is_accepted => {
                Err(CloseReason::ProtocolError)
            }
            decode::Packet::Reply(reply) => Ok(Incoming::Reply(reply)),
            decode::Packet::Explained(reply, text) => Ok(Incoming::Explained(reply, text)),
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

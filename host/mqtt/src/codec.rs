//! Encoding and decoding of MQTT packets, on top of the crate `mqtt5-protocol`.
//!
//! Reasons for this crate: one set of packet types covers MQTT 3.1.1 and 5, packets from clients are
//! validated as strictly as packets from servers, duplicate properties are rejected, and no input makes it
//! panic (tests here feed it random bytes). The codecs of the `rumqttc` crates were reviewed first: they are
//! made for clients, let a property run past the end of its block, accept duplicate properties, and miscount
//! the bytes of a subscription identifier in PUBLISH.
//!
//! This module adds: the correct reason code for each kind of error, and checks of properties that do not
//! belong to their packet [MQTT-2.2.2], of packet identifiers of zero [MQTT-2.2.1-3], of bytes after the end
//! of a packet, and of the short acknowledgements of 3.1.1. It also supports a password without a user name,
//! which MQTT 5 allows and the crate does not.
//!
//! * For the broker, `decode`: packets from a client; `encode`: packets to a client. [`client`]: both
//!   directions for a client.
//! * `properties`: properties of messages, for all directions; [`properties_len`]: their length.

pub mod client;
mod decode;
mod encode;
mod properties;
#[cfg(test)]
mod tests;

use std::num::NonZeroU32;

use bytes::{Buf, BytesMut};
use mqtt5_protocol::packet::{FixedHeader, PacketType};

use crate::broker::packet::{Connect, Request};
use crate::broker::reason::{CloseReason, ConnectRefusal};
use crate::protocol::Protocol;

#[cfg(test)]
use encode::TooLarge;
pub use properties::properties_len;

/// Maximum size of a received packet, in bytes. No device may send more.
pub const MAX_PACKET_SIZE: u32 = 16 << 20;
/// Type byte and at most four bytes of length [MQTT-1.5.5].
const MAX_FIXED_HEADER: usize = 5;

/// Encoder of packets for one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Codec {
    /// Version of the connection.
    pub protocol: Protocol,
    /// Maximum packet size of the peer [MQTT-3.1.2-24].
    max_packet_size: Option<NonZeroU32>,
}

/// A CONNECT that the broker cannot accept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefusedConnect {
    /// Reason of the refusal.
    pub refusal: ConnectRefusal,
    /// Version for the CONNACK; `None` if the client did not speak MQTT.
    pub protocol: Option<Protocol>,
}

impl Codec {
    /// Codec of a protocol version, without a limit of the packet size.
    pub fn new(protocol: Protocol) -> Self {
        Self { protocol, max_packet_size: None }
    }

    /// Decodes CONNECT from the front of `bytes`, once it is complete.
    pub fn decode_connect(bytes: &mut BytesMut) -> Result<Option<(Self, Connect)>, RefusedConnect> {
        // A connection that does not begin with CONNECT gets no answer [MQTT-3.1.0-1].
        let no_answer = |refusal| RefusedConnect { refusal, protocol: None };
        if bytes.first().is_some_and(|first| *first != 0x10) {
            return Err(no_answer(ConnectRefusal::ProtocolError));
        }
        let (header, start) = match frame(bytes) {
            Ok(Some(framed)) => framed,
            Ok(None) => return Ok(None),
            Err(CloseReason::PacketTooLarge) => return Err(no_answer(ConnectRefusal::PacketTooLarge)),
            Err(_) => return Err(no_answer(ConnectRefusal::MalformedPacket)),
        };
        bytes.advance(start);
        decode::connect(&header, bytes.split_to(header.remaining_length as usize).freeze()).map(Some)
    }

    /// Length of the packet at the front of `bytes`, once its fixed header is there.
    pub fn packet_length(bytes: &[u8]) -> Option<usize> {
        let (length, field) = length(bytes.get(1..)?).ok()??;
        Some(1 + field + length as usize)
    }

    /// Decodes a packet from the front of `bytes`, once it is complete.
    pub fn decode(&self, bytes: &mut BytesMut) -> Result<Option<Request>, CloseReason> {
        let Some((header, start)) = frame(bytes)? else { return Ok(None) };
        bytes.advance(start);
        let body = bytes.split_to(header.remaining_length as usize).freeze();
        decode::packet(self.protocol, &header, body).map(Some)
    }
}

/// Fixed header at the front and its own length, if the whole packet is there.
fn frame(bytes: &[u8]) -> Result<Option<(FixedHeader, usize)>, CloseReason> {
    let Some(&first) = bytes.first() else { return Ok(None) };
    let packet_type = PacketType::from_u8(first >> 4).ok_or(CloseReason::MalformedPacket)?;
    let Some((length, header)) = length(&bytes[1..])? else { return Ok(None) };
    if length.saturating_add(MAX_FIXED_HEADER as u32) > MAX_PACKET_SIZE {
        return Err(CloseReason::PacketTooLarge);
    }
    if bytes.len() < 1 + header + length as usize {
        return Ok(None);
    }
    Ok(Some((FixedHeader::new(packet_type, first & 0x0F, length), 1 + header)))
}

/// Length of a packet's body, and the size of the length field [MQTT-1.5.5].
fn length(bytes: &[u8]) -> Result<Option<(u32, usize)>, CloseReason> {
    let mut length = 0;
    for (at, byte) in bytes.iter().take(MAX_FIXED_HEADER - 1).enumerate() {
        length |= u32::from(byte & 0x7F) << (7 * at);
        if byte & 0x80 == 0 {
            return Ok(Some((length, at + 1)));
        }
    }
    if bytes.len() >= MAX_FIXED_HEADER - 1 { Err(CloseReason::MalformedPacket) } else { Ok(None) }
}

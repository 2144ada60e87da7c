//! Packets as bytes, with the codec of the crate `mqtt5-protocol`.
//!
//! Why this codec: it has one set of packets for MQTT 3.1.1 and 5, decodes what clients send as strictly as what
//! servers send, refuses a property that comes twice, and does not panic on any bytes (tests here feed it
//! some). The codecs of the `rumqttc` crates were read first:
//! they are made for clients, let a property run past the end of its block, take one that comes twice, and
//! count the bytes of a subscription identifier in PUBLISH wrongly.
//!
//! What it leaves open is seen to here: the right reason code for each kind of error, properties that do not belong
//! to their packet [MQTT-2.2.2], packet identifiers of zero [MQTT-2.2.1-3], bytes after the end of a packet, and
//! the short acknowledgements of 3.1.1. What it does not allow and MQTT 5 does: a password without a user name.
//!
//! * For the broker, `decode`: from a client; `encode`: to a client. [`client`]: both for a client.
//! * `properties`: of messages, all ways.

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

/// Longest packet that is taken. More than any device may send.
pub const MAX_PACKET_SIZE: u32 = 16 << 20;
/// A length has at most four bytes [MQTT-1.5.5].
const MAX_FIXED_HEADER: usize = 5;

/// Encoder of packets for one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Codec {
    /// Version of the connection.
    pub protocol: Protocol,
    /// Longest packet that the other side takes [MQTT-3.1.2-24].
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

    /// Take the first packet from the front, once it is whole.
    pub fn decode_connect(bytes: &mut BytesMut) -> Result<Option<(Self, Connect)>, RefusedConnect> {
        // Whoever begins otherwise is told nothing [MQTT-3.1.0-1].
        let nothing = |refusal| RefusedConnect { refusal, protocol: None };
        if bytes.first().is_some_and(|first| *first != 0x10) {
            return Err(nothing(ConnectRefusal::ProtocolError));
        }
        let (header, start) = match frame(bytes) {
            Ok(Some(framed)) => framed,
            Ok(None) => return Ok(None),
            Err(CloseReason::PacketTooLarge) => return Err(nothing(ConnectRefusal::PacketTooLarge)),
            Err(_) => return Err(nothing(ConnectRefusal::MalformedPacket)),
        };
        bytes.advance(start);
        decode::connect(&header, bytes.split_to(header.remaining_length as usize).freeze()).map(Some)
    }

    /// Take a packet from the front, once it is whole.
    pub fn decode(&self, bytes: &mut BytesMut) -> Result<Option<Request>, CloseReason> {
        let Some((header, start)) = frame(bytes)? else { return Ok(None) };
        bytes.advance(start);
        let body = bytes.split_to(header.remaining_length as usize).freeze();
        decode::packet(self.protocol, &header, body).map(Some)
    }
}

/// The fixed header at the front and its own length, if all of its packet is there.
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

/// The length of a packet's body, and of the length itself [MQTT-1.5.5].
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

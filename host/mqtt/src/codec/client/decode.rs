//! Decoder of packets from brokers.

use std::num::{NonZeroU16, NonZeroU32};

use bytes::{Buf, Bytes};
use mqtt5_protocol::packet::connack::ConnAckPacket;
use mqtt5_protocol::packet::disconnect::DisconnectPacket;
use mqtt5_protocol::packet::suback::{SubAckPacket, SubAckReasonCode as Granted};
use mqtt5_protocol::packet::unsuback::UnsubAckReasonCode;
use mqtt5_protocol::packet::{FixedHeader, Packet as Raw, PacketType};
use mqtt5_protocol::{Properties, PropertyId as Id, PropertyValue as Value, ReasonCode};

use crate::broker::packet::{Ack, AckStep, ConnAck, Reply, SubAck};
use crate::broker::reason::{CloseReason, SubscribeRefusal};
use crate::codec::decode::{ack_from, close_reason, publish_from, to_packet_id};
use crate::codec::properties;
use crate::message::Qos;
use crate::protocol::Protocol;
use crate::reason_text;

/// A packet from a broker.
pub(super) enum Packet {
    /// The connection is accepted.
    ConnAck(AcceptedConnAck),
    /// Packet for the client.
    Reply(Reply),
    /// The connection is refused or ended, with a readable reason.
    Closed(String),
}

/// CONNACK that accepts the connection, with the broker's limits.
pub(super) struct AcceptedConnAck {
    pub(super) connack: ConnAck,
    pub(super) max_packet_size: Option<NonZeroU32>,
    pub(super) max_qos: Qos,
    pub(super) retain_available: bool,
}

pub(super) fn packet(protocol: Protocol, header: &FixedHeader, body: &[u8]) -> Result<Packet, CloseReason> {
    if let Some(ack) = short_ack(header, body)? {
        return Ok(Packet::Reply(Reply::Ack(ack)));
    }
    check_length(protocol, header)?;
    let version = if protocol == Protocol::V5 { 5 } else { 4 };
    let mut body = Bytes::copy_from_slice(body);
    let packet = Raw::decode_from_body_with_version(header.packet_type, header, &mut body, version);
    let packet = packet.map_err(|error| close_reason(&error))?;
    if body.has_remaining() {
        return Err(CloseReason::MalformedPacket);
    }
    let reply = match packet {
        Raw::ConnAck(answer) => return connack(answer),
        Raw::Disconnect(end) if protocol == Protocol::V5 => {
            return Ok(Packet::Closed(disconnect_reason(&end)));
        }
        Raw::Publish(publish) => {
            Reply::Publish(publish_from(publish, properties::PropertyContext::Delivery)?)
        }
        Raw::PubAck(ack) => Reply::Ack(ack_from(AckStep::PubAck, ack.packet_id, ack.reason_code)?),
        Raw::PubRec(ack) => Reply::Ack(ack_from(AckStep::PubRec, ack.packet_id, ack.reason_code)?),
        Raw::PubRel(ack) => Reply::Ack(ack_from(AckStep::PubRel, ack.packet_id, ack.reason_code)?),
        Raw::PubComp(ack) => Reply::Ack(ack_from(AckStep::PubComp, ack.packet_id, ack.reason_code)?),
        Raw::SubAck(answer) => Reply::SubAck(suback(&answer)?),
        Raw::UnsubAck(answer) => {
            let existed = answer.reason_codes.iter().map(|code| *code == UnsubAckReasonCode::Success);
            Reply::UnsubAck(to_packet_id(answer.packet_id)?, existed.collect())
        }
        Raw::PingResp => Reply::PingResp,
        // Packets that only clients send, an unrequested AUTH, and DISCONNECT on 3.1.1.
        _ => return Err(CloseReason::ProtocolError),
    };
    Ok(Packet::Reply(reply))
}

/// Fast path for the most frequent acknowledgement: a packet identifier and nothing else.
fn short_ack(header: &FixedHeader, body: &[u8]) -> Result<Option<Ack>, CloseReason> {
    let step = match header.packet_type {
        PacketType::PubAck => AckStep::PubAck,
        PacketType::PubRec => AckStep::PubRec,
        PacketType::PubRel => AckStep::PubRel,
        PacketType::PubComp => AckStep::PubComp,
        _ => return Ok(None),
    };
    match body {
        [high, low] if header.validate_flags() => {
            Ok(Some(Ack::new(step, to_packet_id(u16::from_be_bytes([*high, *low]))?)))
        }
        _ => Ok(None),
    }
}

/// Rejects contents of MQTT 5 on 3.1.1, which `mqtt5-protocol` accepts there.
fn check_length(protocol: Protocol, header: &FixedHeader) -> Result<(), CloseReason> {
    let length = match header.packet_type {
        PacketType::PingResp => 0,
        PacketType::ConnAck | PacketType::PubAck | PacketType::PubRec if protocol == Protocol::V4 => 2,
        PacketType::PubRel | PacketType::PubComp if protocol == Protocol::V4 => 2,
        _ => return Ok(()),
    };
    if header.remaining_length == length { Ok(()) } else { Err(CloseReason::MalformedPacket) }
}

fn connack(packet: ConnAckPacket) -> Result<Packet, CloseReason> {
    if packet.reason_code != ReasonCode::Success {
        return Ok(Packet::Closed(reason_text::connection_refused(packet.reason_code)));
    }
    let mut accepted = AcceptedConnAck {
        connack: ConnAck {
            session_present: packet.session_present,
            assigned_client_id: None,
            // The default is the number of packet identifiers (section 3.2.2.3.3).
            receive_maximum: NonZeroU16::MAX,
            server_keep_alive: None,
        },
        max_packet_size: None,
        max_qos: Qos::ExactlyOnce,
        retain_available: true,
    };
    for (id, value) in packet.properties.iter() {
        accepted.set_property(id, value)?;
    }
    Ok(Packet::ConnAck(accepted))
}

impl AcceptedConnAck {
    fn set_property(&mut self, id: Id, value: &Value) -> Result<(), CloseReason> {
        const PROTOCOL_ERROR: CloseReason = CloseReason::ProtocolError;
        match (id, value) {
            // Zero is a protocol error for both.
            (Id::ReceiveMaximum, Value::TwoByteInteger(most)) => {
                self.connack.receive_maximum = NonZeroU16::new(*most).ok_or(PROTOCOL_ERROR)?;
            }
            (Id::MaximumPacketSize, Value::FourByteInteger(most)) => {
                self.max_packet_size = Some(NonZeroU32::new(*most).ok_or(PROTOCOL_ERROR)?);
            }
            (Id::MaximumQoS, Value::Byte(0)) => self.max_qos = Qos::AtMostOnce,
            (Id::MaximumQoS, Value::Byte(1)) => self.max_qos = Qos::AtLeastOnce,
            (Id::RetainAvailable, Value::Byte(flag @ 0..=1)) => self.retain_available = *flag == 1,
            (Id::ServerKeepAlive, Value::TwoByteInteger(seconds)) => {
                self.connack.server_keep_alive = Some(*seconds);
            }
            (Id::AssignedClientIdentifier, Value::Utf8String(name)) => {
                self.connack.assigned_client_id = Some(name.as_str().into());
            }
            // Ignored: a shorter session expiry shows at the next CONNACK, aliases are never used, and
            // unsupported subscription features are reported in SUBACK.
            (
                Id::SessionExpiryInterval
                | Id::TopicAliasMaximum
                | Id::ReasonString
                | Id::UserProperty
                | Id::WildcardSubscriptionAvailable
                | Id::SubscriptionIdentifierAvailable
                | Id::SharedSubscriptionAvailable
                | Id::ResponseInformation
                | Id::ServerReference,
                _,
            ) => {}
            _ => return Err(PROTOCOL_ERROR),
        }
        Ok(())
    }
}

fn disconnect_reason(packet: &DisconnectPacket) -> String {
    reason_text::server_disconnected(packet.reason_code, reason_string(&packet.properties))
}

fn reason_string(properties: &Properties) -> Option<&str> {
    match properties.get(Id::ReasonString) {
        Some(Value::Utf8String(text)) => Some(text),
        _ => None,
    }
}

fn suback(packet: &SubAckPacket) -> Result<SubAck, CloseReason> {
    let granted = packet.reason_codes.iter().map(|code| {
        Err(match code {
            Granted::GrantedQoS0 => return Ok(Qos::AtMostOnce),
            Granted::GrantedQoS1 => return Ok(Qos::AtLeastOnce),
            Granted::GrantedQoS2 => return Ok(Qos::ExactlyOnce),
            Granted::UnspecifiedError => SubscribeRefusal::Unspecified,
            Granted::ImplementationSpecificError => SubscribeRefusal::ImplementationSpecific,
            Granted::NotAuthorized => SubscribeRefusal::NotAuthorized,
            Granted::TopicFilterInvalid => SubscribeRefusal::TopicFilterInvalid,
            Granted::PacketIdentifierInUse => SubscribeRefusal::PacketIdInUse,
            Granted::QuotaExceeded => SubscribeRefusal::QuotaExceeded,
            Granted::SharedSubscriptionsNotSupported => SubscribeRefusal::SharedNotSupported,
            Granted::SubscriptionIdentifiersNotSupported => SubscribeRefusal::IdentifiersNotSupported,
            Granted::WildcardSubscriptionsNotSupported => SubscribeRefusal::WildcardsNotSupported,
        })
    });
    Ok(SubAck { packet_id: to_packet_id(packet.packet_id)?, granted: granted.collect() })
}

//! Decoder of packets from brokers.

use std::num::{NonZeroU16, NonZeroU32};
use std::sync::Arc;

use bytes::{Buf, Bytes};
use mqtt5_protocol::packet::connack::ConnAckPacket;
use mqtt5_protocol::packet::disconnect::DisconnectPacket;
use mqtt5_protocol::packet::suback::{SubAckPacket, SubAckReasonCode as Granted};
use mqtt5_protocol::packet::unsuback::UnsubAckReasonCode;
use mqtt5_protocol::packet::{FixedHeader, Packet as Raw, PacketType};
use mqtt5_protocol::{Properties, PropertyId as Id, PropertyValue as Value, ReasonCode};

use crate::answer::{AnswerPacket, Disconnection, NegativeAnswer};
use crate::broker::packet::{Ack, AckStep, ConnAck, Reply, SubAck};
use crate::broker::reason::{AckReason, CloseReason, SubscribeRefusal, UnsubscribeRefusal};
use crate::codec::decode::{close_reason, publish_from, to_packet_id};
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
    /// Packet for the client, with its Reason String.
    Explained(Reply, Arc<str>),
    /// The connection is refused or ended.
    Closed(Disconnection),
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
    if header.packet_type == PacketType::Auth && protocol == Protocol::V5 {
        return Ok(Packet::Closed(unrequested_auth(body)));
    }
    if let Some(step) = ack_step(header.packet_type).filter(|_| header.validate_flags()) {
        let (ack, reason_string) = long_ack(step, body)?;
        return Ok(reply(Reply::Ack(ack), reason_string));
    }
    let wire_code = body.get(1).copied();
    let version = if protocol == Protocol::V5 { 5 } else { 4 };
    let mut body = Bytes::copy_from_slice(body);
    let packet = Raw::decode_from_body_with_version(header.packet_type, header, &mut body, version);
    let packet = packet.map_err(|error| close_reason(&error))?;
    if body.has_remaining() {
        return Err(CloseReason::MalformedPacket);
    }
    let packet = match packet {
        Raw::ConnAck(answer) => return connack(answer, wire_code),
        Raw::Disconnect(end) if protocol == Protocol::V5 => {
            return Ok(Packet::Closed(disconnection(&end)));
        }
        Raw::Publish(publish) => {
            Reply::Publish(publish_from(publish, properties::PropertyContext::Delivery)?)
        }
        Raw::SubAck(answer) => {
            return Ok(reply(Reply::SubAck(suback(&answer)?), reason_string(&answer.properties)));
        }
        Raw::UnsubAck(answer) => {
            let outcomes = answer.reason_codes.iter().map(|code| match code {
                UnsubAckReasonCode::Success => Ok(true),
                UnsubAckReasonCode::NoSubscriptionExisted => Ok(false),
                refusal => Err(UnsubscribeRefusal(*refusal as u8)),
            });
            let outcomes = Reply::UnsubAck(to_packet_id(answer.packet_id)?, outcomes.collect());
            return Ok(reply(outcomes, reason_string(&answer.properties)));
        }
        Raw::PingResp => Reply::PingResp,
        // Packets that only clients send, and DISCONNECT and AUTH on 3.1.1.
        _ => return Err(CloseReason::ProtocolError),
    };
    Ok(Packet::Reply(packet))
}

fn reply(reply: Reply, reason_string: Option<Arc<str>>) -> Packet {
    match reason_string {
        Some(text) => Packet::Explained(reply, text),
        None => Packet::Reply(reply),
    }
}

fn ack_step(packet_type: PacketType) -> Option<AckStep> {
    match packet_type {
        PacketType::PubAck => Some(AckStep::PubAck),
        PacketType::PubRec => Some(AckStep::PubRec),
        PacketType::PubRel => Some(AckStep::PubRel),
        PacketType::PubComp => Some(AckStep::PubComp),
        _ => None,
    }
}

/// Acknowledgement with a reason code. Every error code is accepted, also those that the standard does not list for the
/// packet, because a broker that uses one has refused the message all the same.
fn long_ack(step: AckStep, body: &[u8]) -> Result<(Ack, Option<Arc<str>>), CloseReason> {
    let (Some([high, low, code]), Some(mut rest)) = (body.first_chunk(), body.get(3..)) else {
        return Err(CloseReason::MalformedPacket);
    };
    let reason = match (step, *code) {
        (_, 0x00 | 0x80..) | (AckStep::PubAck | AckStep::PubRec, 0x10) => AckReason::from_code(*code),
        _ => return Err(CloseReason::MalformedPacket),
    };
    let mut text = None;
    if rest.has_remaining() {
        let properties = Properties::decode(&mut rest).map_err(|error| close_reason(&error))?;
        let is_known = |(id, _): (Id, &Value)| matches!(id, Id::ReasonString | Id::UserProperty);
        if !properties.iter().all(is_known) {
            return Err(CloseReason::ProtocolError);
        }
        text = reason_string(&properties);
    }
    if rest.has_remaining() {
        return Err(CloseReason::MalformedPacket);
    }
    let packet_id = to_packet_id(u16::from_be_bytes([*high, *low]))?;
    Ok((Ack { step, packet_id, reason }, text))
}

/// AUTH begins or continues an authentication that no client of this crate requests [MQTT-4.12.0-6].
fn unrequested_auth(body: &[u8]) -> Disconnection {
    let answer = NegativeAnswer::new(AnswerPacket::Auth, body.first().copied().unwrap_or(0));
    let reason = format!("the broker sent AUTH, which was not requested: {}", answer.code.name());
    Disconnection::by_broker(reason, answer)
}

/// Fast path for the most frequent acknowledgement: a packet identifier and nothing else.
fn short_ack(header: &FixedHeader, body: &[u8]) -> Result<Option<Ack>, CloseReason> {
    let Some(step) = ack_step(header.packet_type) else { return Ok(None) };
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

/// `wire_code` is the code as it was sent, because the decoder converts those of 3.1.1.
fn connack(packet: ConnAckPacket, wire_code: Option<u8>) -> Result<Packet, CloseReason> {
    if packet.reason_code != ReasonCode::Success {
        let code = wire_code.unwrap_or(packet.reason_code.into());
        let answer = NegativeAnswer::new(AnswerPacket::ConnAck, code);
        let answer = answer.with_reason_string(reason_string(&packet.properties));
        let reason = reason_text::connection_refused(packet.reason_code) + &other_server(&packet.properties);
        return Ok(Packet::Closed(Disconnection::by_broker(reason, answer)));
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

fn disconnection(packet: &DisconnectPacket) -> Disconnection {
    let answer = NegativeAnswer::new(AnswerPacket::Disconnect, packet.reason_code.into());
    let answer = answer.with_reason_string(reason_string(&packet.properties));
    let mut reason = reason_text::server_disconnected(packet.reason_code, None);
    if packet.reason_code == ReasonCode::SessionTakenOver {
        reason.push_str(reason_text::DOUBLED_CLIENT_ID);
    }
    reason.push_str(&other_server(&packet.properties));
    Disconnection::by_broker(reason, answer)
}

/// The server that a broker names instead of itself (sections 3.2.2.3.16 and 3.14.2.2.5).
fn other_server(properties: &Properties) -> String {
    match properties.get(Id::ServerReference) {
        Some(Value::Utf8String(name)) => format!(" (it names `{name}`)"),
        _ => String::new(),
    }
}

fn reason_string(properties: &Properties) -> Option<Arc<str>> {
    match properties.get(Id::ReasonString) {
        Some(Value::Utf8String(text)) => Some(text.as_str().into()),
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

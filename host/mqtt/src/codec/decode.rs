//! Decoder of packets from clients.

use std::num::{NonZeroU16, NonZeroU32};

use bytes::{Buf, Bytes};
use mqtt5_protocol::packet::connect::ConnectPacket;
use mqtt5_protocol::packet::disconnect::DisconnectPacket;
use mqtt5_protocol::packet::publish::PublishPacket;
use mqtt5_protocol::packet::subscribe::{RetainHandling as Handling, SubscribePacket};
use mqtt5_protocol::packet::{FixedHeader, MqttPacket, Packet};
use mqtt5_protocol::{MqttError, PropertyId, PropertyValue, ReasonCode};

use super::{Codec, RefusedConnect, properties};
use crate::broker::packet::{
    Ack, AckStep, Connect, Disconnect, PacketId, Publish, Request, RetainHandling, Subscribe,
    SubscribeOptions, Unsubscribe,
};
use crate::broker::reason::{AckReason, CloseReason, ConnectRefusal};
use crate::message::{Message, Qos, Will};
use crate::protocol::Protocol;
use crate::topic::{Topic, TopicFilter};

/// Protocol version in the first bytes of a CONNECT.
fn protocol_level(body: &[u8]) -> Option<u8> {
    let (name, rest) = body.split_at_checked(6)?;
    // MQTT 3.1 has another protocol name.
    let version = if name == b"\x00\x04MQTT" { *rest.first()? } else { 3 };
    (name == b"\x00\x04MQTT" || name == b"\x00\x06MQIs").then_some(version)
}

pub(super) fn connect(header: &FixedHeader, mut body: Bytes) -> Result<(Codec, Connect), RefusedConnect> {
    let protocol = match protocol_level(&body) {
        Some(4) => Protocol::V4,
        Some(5) => Protocol::V5,
        Some(other) => {
            // Older clients understand the CONNACK of 3.1.1, later ones that of MQTT 5 [MQTT-3.1.2-2].
            let protocol = Some(if other < 4 { Protocol::V4 } else { Protocol::V5 });
            return Err(RefusedConnect { refusal: ConnectRefusal::UnsupportedProtocolVersion, protocol });
        }
        None => return Err(RefusedConnect { refusal: ConnectRefusal::MalformedPacket, protocol: None }),
    };
    let refused = |refusal| RefusedConnect { refusal, protocol: Some(protocol) };
    let packet = ConnectPacket::decode_body(&mut body, header);
    let packet = packet.map_err(|error| refused(connect_refusal(&error)))?;
    if !header.validate_flags() || body.has_remaining() {
        return Err(refused(ConnectRefusal::MalformedPacket));
    }
    connect_from(packet, protocol).map_err(refused)
}

fn connect_from(packet: ConnectPacket, protocol: Protocol) -> Result<(Codec, Connect), ConnectRefusal> {
    let mut connect = Connect {
        protocol,
        clean_start: packet.clean_start,
        keep_alive: packet.keep_alive,
        will: will_from(&packet)?,
        ..Connect::new(packet.client_id)
    };
    let mut codec = Codec::new(protocol);
    for (id, value) in packet.properties.iter() {
        match (id, value) {
            (PropertyId::SessionExpiryInterval, PropertyValue::FourByteInteger(seconds)) => {
                connect.session_expiry = *seconds;
            }
            // Zero is a protocol error (section 3.1.2.11.3).
            (PropertyId::ReceiveMaximum, PropertyValue::TwoByteInteger(most)) => {
                connect.receive_maximum = Some(NonZeroU16::new(*most).ok_or(ConnectRefusal::ProtocolError)?);
            }
            (PropertyId::MaximumPacketSize, PropertyValue::FourByteInteger(most)) => {
                codec.max_packet_size = Some(NonZeroU32::new(*most).ok_or(ConnectRefusal::ProtocolError)?);
            }
            (PropertyId::AuthenticationMethod, _) => return Err(ConnectRefusal::BadAuthenticationMethod),
            (
                PropertyId::RequestProblemInformation | PropertyId::RequestResponseInformation,
                PropertyValue::Byte(0 | 1),
            )
            | (PropertyId::TopicAliasMaximum | PropertyId::UserProperty, _) => {}
            _ => return Err(ConnectRefusal::ProtocolError),
        }
    }
    Ok((codec, connect))
}

fn will_from(packet: &ConnectPacket) -> Result<Option<Will>, ConnectRefusal> {
    let Some(will) = &packet.will else { return Ok(None) };
    let topic = Topic::new(will.topic.as_str()).map_err(|_| ConnectRefusal::TopicNameInvalid)?;
    let qos = Qos::try_from(u8::from(will.qos)).map_err(|_| ConnectRefusal::MalformedPacket)?;
    let message = Message::new(topic, will.payload.clone()).with_qos(qos).with_retain(will.retain);
    let delay = will.properties.will_delay_interval.unwrap_or(0);
    let decoded = properties::decode(&packet.will_properties, properties::PropertyContext::Will);
    let message = decoded.map_err(|_| ConnectRefusal::ProtocolError)?.apply_to(message);
    Ok(Some(Will { message, delay }))
}

fn connect_refusal(error: &MqttError) -> ConnectRefusal {
    match close_reason(error) {
        CloseReason::ProtocolError => ConnectRefusal::ProtocolError,
        _ => ConnectRefusal::MalformedPacket,
    }
}

/// Reason code for a decoding error [MQTT-4.13.1-1].
pub(super) fn close_reason(error: &MqttError) -> CloseReason {
    match error {
        MqttError::DuplicatePropertyId(_) | MqttError::ProtocolError(_) => CloseReason::ProtocolError,
        _ => CloseReason::MalformedPacket,
    }
}

pub(super) fn packet(
    protocol: Protocol,
    header: &FixedHeader,
    mut body: Bytes,
) -> Result<Request, CloseReason> {
    check_length(protocol, header)?;
    let packet = Packet::decode_from_body_with_version(
        header.packet_type,
        header,
        &mut body,
        if protocol == Protocol::V5 { 5 } else { 4 },
    );
    let packet = packet.map_err(|error| close_reason(&error))?;
    if body.has_remaining() {
        return Err(CloseReason::MalformedPacket);
    }
    match packet {
        Packet::Publish(publish) => {
            publish_from(publish, properties::PropertyContext::Publish).map(Request::Publish)
        }
        Packet::PubAck(ack) => ack_from(AckStep::PubAck, ack.packet_id, ack.reason_code).map(Request::Ack),
        Packet::PubRec(ack) => ack_from(AckStep::PubRec, ack.packet_id, ack.reason_code).map(Request::Ack),
        Packet::PubRel(ack) => ack_from(AckStep::PubRel, ack.packet_id, ack.reason_code).map(Request::Ack),
        Packet::PubComp(ack) => ack_from(AckStep::PubComp, ack.packet_id, ack.reason_code).map(Request::Ack),
        Packet::Subscribe(subscribe) => subscribe_from(subscribe),
        Packet::Unsubscribe(unsubscribe) => {
            let filters = unsubscribe.filters.into_iter().map(filter).collect::<Result<_, _>>()?;
            let packet_id = to_packet_id(unsubscribe.packet_id)?;
            Ok(Request::Unsubscribe(Unsubscribe { packet_id, filters }))
        }
        Packet::PingReq => Ok(Request::PingReq),
        Packet::Disconnect(disconnect) => Ok(Request::Disconnect(disconnect_from(&disconnect)?)),
        // A second CONNECT [MQTT-3.1.0-2], an unrequested AUTH, and packets that only brokers send.
        _ => Err(CloseReason::ProtocolError),
    }
}

/// Rejects reason codes and properties on 3.1.1, which `mqtt5-protocol` accepts there.
fn check_length(protocol: Protocol, header: &FixedHeader) -> Result<(), CloseReason> {
    use mqtt5_protocol::packet::PacketType as Type;
    let length = match header.packet_type {
        Type::PubAck | Type::PubRec | Type::PubRel | Type::PubComp => 2,
        Type::PingReq | Type::Disconnect => 0,
        _ => return Ok(()),
    };
    let fits = protocol == Protocol::V5 || header.remaining_length == length;
    fits.then_some(()).ok_or(CloseReason::MalformedPacket)
}

/// Rejects a packet identifier of zero [MQTT-2.2.1-3].
pub(super) fn to_packet_id(number: u16) -> Result<PacketId, CloseReason> {
    PacketId::new(number).ok_or(CloseReason::ProtocolError)
}

/// Message of a PUBLISH, to or from a broker.
pub(super) fn publish_from(
    packet: PublishPacket,
    context: properties::PropertyContext,
) -> Result<Publish, CloseReason> {
    if packet.topic_alias().is_some() {
        // Topic aliases are rejected, since neither side enables them [MQTT-3.3.2-9], [MQTT-3.1.2-27].
        return Err(CloseReason::TopicAliasInvalid);
    }
    let packet_id = packet.packet_id.map(to_packet_id).transpose()?;
    let qos = Qos::try_from(u8::from(packet.qos)).map_err(|_| CloseReason::MalformedPacket)?;
    let topic = Topic::new(packet.topic_name).map_err(|_| CloseReason::TopicNameInvalid)?;
    let message = Message::new(topic, packet.payload).with_qos(qos).with_retain(packet.retain);
    let message = properties::decode(&packet.properties, context)?.apply_to(message);
    Ok(Publish { packet_id, duplicate: packet.dup, message, subscription_ids: Vec::new() })
}

fn ack_from(step: AckStep, packet_id: u16, reason: ReasonCode) -> Result<Ack, CloseReason> {
    Ok(Ack { step, packet_id: to_packet_id(packet_id)?, reason: AckReason::from_code(reason.into()) })
}

fn subscribe_from(packet: SubscribePacket) -> Result<Request, CloseReason> {
    let mut subscription_id = None;
    for (id, value) in packet.properties.iter() {
        match (id, value) {
            // Zero, or more than one, is a protocol error (section 3.8.2.1.2).
            (PropertyId::SubscriptionIdentifier, PropertyValue::VariableByteInteger(value @ 1..))
                if subscription_id.is_none() =>
            {
                subscription_id = Some(*value);
            }
            (PropertyId::UserProperty, _) => {}
            _ => return Err(CloseReason::ProtocolError),
        }
    }
    let mut filters = Vec::with_capacity(packet.filters.len());
    for subscription in packet.filters {
        let options = SubscribeOptions {
            qos: Qos::try_from(u8::from(subscription.options.qos))
                .map_err(|_| CloseReason::MalformedPacket)?,
            no_local: subscription.options.no_local,
            retain_as_published: subscription.options.retain_as_published,
            retain_handling: match subscription.options.retain_handling {
                Handling::SendAtSubscribe => RetainHandling::Always,
                Handling::SendAtSubscribeIfNew => RetainHandling::IfNew,
                Handling::DoNotSend => RetainHandling::Never,
            },
        };
        filters.push((filter(subscription.filter)?, options));
    }
    let packet_id = to_packet_id(packet.packet_id)?;
    Ok(Request::Subscribe(Subscribe { packet_id, identifier: subscription_id, filters }))
}

/// Topic filter of a subscription [MQTT-4.7.1-1], [MQTT-4.7.3-1].
fn filter(text: String) -> Result<TopicFilter, CloseReason> {
    TopicFilter::new(text).map_err(|_| CloseReason::ProtocolError)
}

fn disconnect_from(packet: &DisconnectPacket) -> Result<Disconnect, CloseReason> {
    let mut session_expiry = None;
    for (id, value) in packet.properties.iter() {
        match (id, value) {
            (PropertyId::SessionExpiryInterval, PropertyValue::FourByteInteger(seconds)) => {
                session_expiry = Some(*seconds);
            }
            (PropertyId::ReasonString | PropertyId::UserProperty, _) => {}
            _ => return Err(CloseReason::ProtocolError),
        }
    }
    Ok(Disconnect { with_will: packet.reason_code != ReasonCode::Success, session_expiry })
}

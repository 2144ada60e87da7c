//! Encoder of packets to clients.

use bytes::{BufMut, BytesMut};
use mqtt5_protocol::encoding::variable_int_len;
use mqtt5_protocol::packet::connack::ConnAckPacket;
use mqtt5_protocol::packet::disconnect::DisconnectPacket;
use mqtt5_protocol::packet::puback::PubAckPacket;
use mqtt5_protocol::packet::pubcomp::PubCompPacket;
use mqtt5_protocol::packet::pubrec::PubRecPacket;
use mqtt5_protocol::packet::pubrel::PubRelPacket;
use mqtt5_protocol::packet::suback::{SubAckPacket, SubAckReasonCode};
use mqtt5_protocol::packet::unsuback::{UnsubAckPacket, UnsubAckReasonCode};
use mqtt5_protocol::packet::{FixedHeader, MqttPacket, PacketType};
use mqtt5_protocol::{QoS, ReasonCode};

use super::properties::PropertyEncoder;
use super::{Codec, MAX_PACKET_SIZE};
use crate::broker::packet::{Ack, AckStep, ConnAck, Publish, Reply, SubAck};
use crate::broker::reason::{AckReason, ConnectRefusal, SubscribeRefusal, UnsubscribeRefusal};
use crate::message::Qos;
use crate::protocol::Protocol;

/// The packet exceeds the peer's maximum packet size; nothing was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLarge;

const PINGRESP: [u8; 2] = [0xD0, 0];

impl Codec {
    /// Appends a packet to `out`. A close is DISCONNECT on MQTT 5 and nothing on 3.1.1.
    pub fn encode(&self, reply: &Reply, out: &mut BytesMut) -> Result<(), TooLarge> {
        match reply {
            Reply::ConnAck(accepted) => self.put(&self.connack(accepted), out),
            Reply::Refused(refusal) => self.encode_refusal(*refusal, out),
            Reply::Publish(publish) => return self.publish(publish, out),
            Reply::Ack(ack) => self.ack(*ack, out),
            Reply::SubAck(granted) => self.put(&self.suback(granted), out),
            Reply::UnsubAck(packet_id, existed) => {
                let code = |outcome: &Result<bool, UnsubscribeRefusal>| match outcome {
                    Ok(true) => UnsubAckReasonCode::Success,
                    Ok(false) => UnsubAckReasonCode::NoSubscriptionExisted,
                    Err(UnsubscribeRefusal(code)) => {
                        UnsubAckReasonCode::from_u8(*code).unwrap_or(UnsubAckReasonCode::UnspecifiedError)
                    }
                };
                let reason_codes = existed.iter().map(code).collect();
                let protocol_version = self.version();
                let id = packet_id.get();
                self.put(&UnsubAckPacket { reason_codes, protocol_version, ..UnsubAckPacket::new(id) }, out);
            }
            Reply::PingResp => out.put_slice(&PINGRESP),
            // 3.1.1 has no DISCONNECT from a broker.
            Reply::Close(_) if self.protocol == Protocol::V4 => {}
            Reply::Close(reason) => self.put(&DisconnectPacket::new(code(reason.code())), out),
        }
        Ok(())
    }

    /// Appends a CONNACK that refuses the connection.
    pub fn encode_refusal(&self, refusal: ConnectRefusal, out: &mut BytesMut) {
        match (self.protocol, refusal.code_of_v4()) {
            (Protocol::V5, _) => {
                let connack = ConnAckPacket::new(false, code(refusal.code()));
                self.put(&ConnAckPacket { protocol_version: 5, ..connack }, out);
            }
            (Protocol::V4, Some(code)) => out.put_slice(&[0x20, 2, 0, code]),
            // 3.1.1 has no code for other reasons; the connection just ends.
            (Protocol::V4, None) => {}
        }
    }

    fn version(&self) -> u8 {
        if self.protocol == Protocol::V5 { 5 } else { 4 }
    }

    /// Appends a packet. An encoding error is a bug, since the broker created all contents; it is logged.
    fn put(&self, packet: &impl MqttPacket, out: &mut BytesMut) {
        let before = out.len();
        if let Err(error) = packet.encode(out) {
            out.truncate(before);
            tracing::error!("a packet for a client could not be written: {error}");
        }
    }

    fn connack(&self, accepted: &ConnAck) -> ConnAckPacket {
        let mut packet = ConnAckPacket::new(accepted.session_present, ReasonCode::Success);
        packet.protocol_version = self.version();
        let properties = &mut packet.properties;
        properties.set_receive_maximum(accepted.receive_maximum.get());
        properties.set_topic_alias_maximum(0);
        properties.set_maximum_packet_size(MAX_PACKET_SIZE);
        if let Some(name) = &accepted.assigned_client_id {
            properties.set_assigned_client_identifier(name.to_string());
        }
        if let Some(seconds) = accepted.server_keep_alive {
            properties.set_server_keep_alive(seconds);
        }
        packet
    }

    fn suback(&self, granted: &SubAck) -> SubAckPacket {
        let mut packet = SubAckPacket::new(granted.packet_id.get());
        packet.protocol_version = self.version();
        packet.reason_codes = granted.granted.iter().map(|answer| self.granted(answer)).collect();
        packet
    }

    fn granted(&self, answer: &Result<Qos, SubscribeRefusal>) -> SubAckReasonCode {
        let unspecified = SubAckReasonCode::UnspecifiedError;
        match answer {
            Ok(qos) => SubAckReasonCode::from_qos(QoS::from(u8::from(*qos))),
            Err(refusal) if self.protocol == Protocol::V5 => {
                SubAckReasonCode::from_u8(refusal.code()).unwrap_or(unspecified)
            }
            // The only error code of 3.1.1.
            Err(_) => unspecified,
        }
    }

    pub(super) fn ack(&self, ack: Ack, out: &mut BytesMut) {
        // 3.1.1 has no reason codes.
        let reason = if self.protocol == Protocol::V5 { ack.reason } else { AckReason::Success };
        if let AckReason::Other(code) = reason {
            // The library encodes only the codes that the standard lists for a packet.
            let first = match ack.step {
                AckStep::PubAck => 0x40,
                AckStep::PubRec => 0x50,
                AckStep::PubRel => 0x62,
                AckStep::PubComp => 0x70,
            };
            out.put_slice(&[first, 3]);
            out.put_u16(ack.packet_id.get());
            return out.put_u8(code);
        }
        let (id, reason) = (ack.packet_id.get(), code(reason.code()));
        match ack.step {
            AckStep::PubAck => self.put(&PubAckPacket::new_with_reason(id, reason), out),
            AckStep::PubRec => self.put(&PubRecPacket::new_with_reason(id, reason), out),
            AckStep::PubRel => self.put(&PubRelPacket::new_with_reason(id, reason), out),
            AckStep::PubComp => self.put(&PubCompPacket::new_with_reason(id, reason), out),
        }
    }

    /// PUBLISH is the most frequent packet and is encoded without copies of its parts.
    pub(super) fn publish(&self, publish: &Publish, out: &mut BytesMut) -> Result<(), TooLarge> {
        let message = &publish.message;
        let topic = message.topic.as_str().as_bytes();
        let v5 = self.protocol == Protocol::V5;
        let properties = v5.then(|| PropertyEncoder::new(publish).ok_or(TooLarge)).transpose()?;
        let properties_len = properties.as_ref().map_or(0, PropertyEncoder::len);
        let packet_id_len = if publish.packet_id.is_some() { 2 } else { 0 };
        let length = 2 + topic.len() + packet_id_len + properties_len + message.payload.len();
        let (Ok(length), Ok(topic_length)) = (u32::try_from(length), u16::try_from(topic.len())) else {
            return Err(TooLarge);
        };
        let size = 1 + variable_int_len(length) + length as usize;
        if size
            > self.max_packet_size.map_or(MAX_PACKET_SIZE, |max_packet_size| max_packet_size.get()) as usize
        {
            return Err(TooLarge);
        }
        let before = out.len();
        let flags = u8::from(publish.duplicate) << 3 | u8::from(message.qos) << 1 | u8::from(message.retain);
        let header = FixedHeader::new(PacketType::Publish, flags, length).encode(out);
        out.put_u16(topic_length);
        out.put_slice(topic);
        if let Some(id) = publish.packet_id {
            out.put_u16(id.get());
        }
        let properties_len = properties.map_or(Ok(()), |properties| properties.encode(out));
        out.put_slice(&message.payload);
        if header.and(properties_len).is_err() {
            // Lengths exceed their fields on the wire.
            out.truncate(before);
            return Err(TooLarge);
        }
        Ok(())
    }
}

fn code(byte: u8) -> ReasonCode {
    ReasonCode::from_u8(byte).unwrap_or(ReasonCode::UnspecifiedError)
}

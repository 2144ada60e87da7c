//! Encoding of packets [MQTT-2.1], as far as the scenarios need it.

use std::num::NonZeroU16;

use wasmote_mqtt::broker::packet::{
    Ack, AckStep, ConnAck, Connect, Disconnect, PacketId, Publish, Reply, Request, RetainHandling, SubAck,
    Subscribe, SubscribeOptions, Unsubscribe,
};
use wasmote_mqtt::broker::reason::{AckReason, CloseReason, ConnectRefusal, SubscribeRefusal};
use wasmote_mqtt::message::{Message, Properties, Qos};
use wasmote_mqtt::protocol::Protocol;
use wasmote_mqtt::topic::Topic;

/// Identifiers of properties [MQTT-2.2.2.2].
mod property {
    pub const MESSAGE_EXPIRY: u8 = 0x02;
    pub const SUBSCRIPTION_ID: u8 = 0x0B;
    pub const SESSION_EXPIRY: u8 = 0x11;
    pub const WILL_DELAY: u8 = 0x18;
    pub const RECEIVE_MAXIMUM: u8 = 0x21;
}

pub fn encode(request: &Request, protocol: Protocol) -> Vec<u8> {
    let v5 = protocol == Protocol::V5;
    let (first, body) = match request {
        Request::Connect(connect) => (0x10, encode_connect(connect)),
        Request::Publish(publish) => (publish_flags(publish), encode_publish(publish, v5)),
        Request::Ack(ack) => (ack_type(ack.step), ack.packet_id.get().to_be_bytes().to_vec()),
        Request::Subscribe(subscribe) => (0x82, encode_subscribe(subscribe, v5)),
        Request::Unsubscribe(unsubscribe) => (0xA2, encode_unsubscribe(unsubscribe, v5)),
        Request::PingReq => (0xC0, Vec::new()),
        Request::Disconnect(disconnect) => (0xE0, encode_disconnect(disconnect, v5)),
        Request::Lost => unreachable!("not a packet"),
    };
    let mut packet = vec![first];
    put_variable(&mut packet, body.len());
    packet.extend(body);
    packet
}

fn encode_connect(connect: &Connect) -> Vec<u8> {
    let v5 = connect.protocol == Protocol::V5;
    let mut body = Vec::new();
    put_bytes(&mut body, b"MQTT");
    body.push(if v5 { 5 } else { 4 });
    let will = connect.will.as_ref().map(|will| &will.message);
    let will_flags = will.map_or(0, |will| 0x04 | u8::from(will.qos) << 3 | u8::from(will.retain) << 5);
    body.push(u8::from(connect.clean_start) << 1 | will_flags);
    body.extend(connect.keep_alive.to_be_bytes());
    if v5 {
        let mut properties = vec![property::SESSION_EXPIRY];
        properties.extend(connect.session_expiry.to_be_bytes());
        if let Some(most) = connect.receive_maximum {
            properties.push(property::RECEIVE_MAXIMUM);
            properties.extend(most.get().to_be_bytes());
        }
        put_properties(&mut body, &properties);
    }
    put_bytes(&mut body, connect.client_id.as_bytes());
    if let Some(will) = &connect.will {
        if v5 {
            let mut properties = vec![property::WILL_DELAY];
            properties.extend(will.delay.to_be_bytes());
            put_properties(&mut body, &properties);
        }
        put_bytes(&mut body, will.message.topic.as_str().as_bytes());
        put_bytes(&mut body, &will.message.payload);
    }
    body
}

fn publish_flags(publish: &Publish) -> u8 {
    let message = &publish.message;
    0x30 | u8::from(publish.duplicate) << 3 | u8::from(message.qos) << 1 | u8::from(message.retain)
}

fn encode_publish(publish: &Publish, v5: bool) -> Vec<u8> {
    let mut body = Vec::new();
    put_bytes(&mut body, publish.message.topic.as_str().as_bytes());
    if let Some(id) = publish.packet_id {
        body.extend(id.get().to_be_bytes());
    }
    if v5 {
        let mut properties = Vec::new();
        let expiry = publish.message.properties.as_ref().and_then(|properties| properties.message_expiry);
        if let Some(seconds) = expiry {
            properties.push(property::MESSAGE_EXPIRY);
            properties.extend(seconds.to_be_bytes());
        }
        put_properties(&mut body, &properties);
    }
    body.extend_from_slice(&publish.message.payload);
    body
}

fn ack_type(step: AckStep) -> u8 {
    match step {
        AckStep::PubAck => 0x40,
        AckStep::PubRec => 0x50,
        AckStep::PubRel => 0x62,
        AckStep::PubComp => 0x70,
    }
}

fn encode_subscribe(subscribe: &Subscribe, v5: bool) -> Vec<u8> {
    let mut body = subscribe.packet_id.get().to_be_bytes().to_vec();
    if v5 {
        let mut properties = Vec::new();
        if let Some(identifier) = subscribe.identifier {
            properties.push(property::SUBSCRIPTION_ID);
            put_variable(&mut properties, identifier as usize);
        }
        put_properties(&mut body, &properties);
    }
    for (filter, options) in &subscribe.filters {
        put_bytes(&mut body, filter.as_str().as_bytes());
        body.push(subscribe_byte(options));
    }
    body
}

fn subscribe_byte(options: &SubscribeOptions) -> u8 {
    let handling = match options.retain_handling {
        RetainHandling::Always => 0,
        RetainHandling::IfNew => 1,
        RetainHandling::Never => 2,
    };
    u8::from(options.qos)
        | u8::from(options.no_local) << 2
        | u8::from(options.retain_as_published) << 3
        | handling << 4
}

fn encode_unsubscribe(unsubscribe: &Unsubscribe, v5: bool) -> Vec<u8> {
    let mut body = unsubscribe.packet_id.get().to_be_bytes().to_vec();
    if v5 {
        put_properties(&mut body, &[]);
    }
    for filter in &unsubscribe.filters {
        put_bytes(&mut body, filter.as_str().as_bytes());
    }
    body
}

fn encode_disconnect(disconnect: &Disconnect, v5: bool) -> Vec<u8> {
    if !v5 {
        return Vec::new();
    }
    let mut body = vec![if disconnect.with_will { 0x04 } else { 0x00 }];
    let mut properties = Vec::new();
    if let Some(expiry) = disconnect.session_expiry {
        properties.push(property::SESSION_EXPIRY);
        properties.extend(expiry.to_be_bytes());
    }
    put_properties(&mut body, &properties);
    body
}

fn put_bytes(body: &mut Vec<u8>, bytes: &[u8]) {
    body.extend((bytes.len() as u16).to_be_bytes());
    body.extend_from_slice(bytes);
}

fn put_properties(body: &mut Vec<u8>, properties: &[u8]) {
    put_variable(body, properties.len());
    body.extend_from_slice(properties);
}

/// A variable byte integer [MQTT-1.5.5].
fn put_variable(body: &mut Vec<u8>, mut value: usize) {
    loop {
        let more = value > 127;
        body.push((value & 127) as u8 | u8::from(more) << 7);
        value >>= 7;
        if !more {
            return;
        }
    }
}

/// Removes and returns one whole packet from the front, if there is one.
pub fn decode(unread: &mut Vec<u8>, protocol: Protocol) -> Option<Reply> {
    let mut head = Cursor(unread.get(1..)?);
    let length = head.variable()?;
    let start = unread.len() - head.0.len();
    if head.0.len() < length {
        return None;
    }
    let first = unread[0];
    let packet: Vec<u8> = unread.drain(..start + length).skip(start).collect();
    let mut body = Cursor(&packet);
    let reply = body.reply(first, protocol == Protocol::V5);
    Some(reply.unwrap_or_else(|| panic!("a malformed packet: {first:#x} {packet:?}")))
}

struct Cursor<'a>(&'a [u8]);

#[derive(Default)]
struct Found {
    message_expiry: Option<u32>,
    subscription_ids: Vec<u32>,
    receive_maximum: Option<u16>,
}

impl Cursor<'_> {
    fn reply(&mut self, first: u8, v5: bool) -> Option<Reply> {
        Some(match first >> 4 {
            2 => self.connack(v5)?,
            3 => Reply::Publish(self.publish(first, v5)?),
            4 => self.ack(AckStep::PubAck)?,
            5 => self.ack(AckStep::PubRec)?,
            6 => self.ack(AckStep::PubRel)?,
            7 => self.ack(AckStep::PubComp)?,
            9 => self.suback(v5)?,
            11 => self.unsuback(v5)?,
            13 => Reply::PingResp,
            14 => Reply::Close(self.close()?),
            _ => return None,
        })
    }

    fn connack(&mut self, v5: bool) -> Option<Reply> {
        let session_present = self.byte()? & 1 == 1;
        if self.byte()? != 0 {
            return Some(Reply::Refused(ConnectRefusal::ClientIdInvalid));
        }
        let found = if v5 { self.properties()? } else { Found::default() };
        let receive_maximum = found.receive_maximum.and_then(NonZeroU16::new).unwrap_or(NonZeroU16::MAX);
        Some(Reply::ConnAck(ConnAck {
            session_present,
            assigned_client_id: None,
            receive_maximum,
            server_keep_alive: None,
        }))
    }

    fn publish(&mut self, first: u8, v5: bool) -> Option<Publish> {
        let topic = Topic::new(String::from_utf8(self.bytes()?).ok()?).ok()?;
        let qos = Qos::try_from(first >> 1 & 3).ok()?;
        let packet_id = if qos == Qos::AtMostOnce { None } else { Some(self.id()?) };
        let found = if v5 { self.properties()? } else { Found::default() };
        let mut message = Message::new(topic, self.0.to_vec()).with_qos(qos).with_retain(first & 1 == 1);
        message.properties = found
            .message_expiry
            .map(|expiry| Box::new(Properties { message_expiry: Some(expiry), ..Properties::default() }));
        Some(Publish {
            packet_id,
            duplicate: first & 8 == 8,
            message,
            subscription_ids: found.subscription_ids,
        })
    }

    fn ack(&mut self, step: AckStep) -> Option<Reply> {
        let packet_id = self.id()?;
        let reason = match self.byte() {
            None | Some(0x00) => AckReason::Success,
            Some(0x10) => AckReason::NoMatchingSubscribers,
            Some(0x92) => AckReason::PacketIdNotFound,
            Some(_) => AckReason::Unspecified,
        };
        Some(Reply::Ack(Ack { step, packet_id, reason }))
    }

    fn suback(&mut self, v5: bool) -> Option<Reply> {
        let packet_id = self.id()?;
        if v5 {
            self.properties()?;
        }
        let codes = self.0.iter();
        let granted =
            codes.map(|&code| Qos::try_from(code).map_err(|_| SubscribeRefusal::TopicFilterInvalid));
        Some(Reply::SubAck(SubAck { packet_id, granted: granted.collect() }))
    }

    fn unsuback(&mut self, v5: bool) -> Option<Reply> {
        let packet_id = self.id()?;
        if v5 {
            self.properties()?;
        }
        Some(Reply::UnsubAck(packet_id, self.0.iter().map(|&code| Ok(code == 0)).collect()))
    }

    fn close(&mut self) -> Option<CloseReason> {
        let known = [
            CloseReason::ProtocolError,
            CloseReason::ShuttingDown,
            CloseReason::KeepAliveTimeout,
            CloseReason::SessionTakenOver,
            CloseReason::ReceiveMaximumExceeded,
        ];
        let code = self.byte()?;
        known.into_iter().find(|reason| reason.code() == code)
    }

    fn properties(&mut self) -> Option<Found> {
        let length = self.variable()?;
        let (mine, rest) = self.0.split_at_checked(length)?;
        let mut cursor = Cursor(mine);
        self.0 = rest;
        let mut found = Found::default();
        while let Some(id) = cursor.byte() {
            match id {
                property::MESSAGE_EXPIRY => found.message_expiry = Some(cursor.word()?),
                property::SUBSCRIPTION_ID => found.subscription_ids.push(cursor.variable()? as u32),
                property::RECEIVE_MAXIMUM => found.receive_maximum = Some(cursor.short()?),
                0x11 | 0x18 | 0x27 => drop(cursor.word()?),
                0x13 | 0x22 | 0x23 => drop(cursor.short()?),
                0x01 | 0x24 | 0x25 | 0x28 | 0x29 | 0x2A => drop(cursor.byte()?),
                0x03 | 0x08 | 0x09 | 0x12 | 0x15 | 0x16 | 0x1A | 0x1C | 0x1F => drop(cursor.bytes()?),
                _ => return None,
            }
        }
        Some(found)
    }

    fn byte(&mut self) -> Option<u8> {
        let (&byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(byte)
    }

    fn short(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes([self.byte()?, self.byte()?]))
    }

    fn word(&mut self) -> Option<u32> {
        Some(u32::from(self.short()?) << 16 | u32::from(self.short()?))
    }

    fn id(&mut self) -> Option<PacketId> {
        PacketId::new(self.short()?)
    }

    fn bytes(&mut self) -> Option<Vec<u8>> {
        let length = self.short()?;
        let (bytes, rest) = self.0.split_at_checked(usize::from(length))?;
        self.0 = rest;
        Some(bytes.to_vec())
    }

    fn variable(&mut self) -> Option<usize> {
        let mut value = 0;
        for shift in (0..28).step_by(7) {
            let byte = self.byte()?;
            value |= usize::from(byte & 127) << shift;
            if byte & 128 == 0 {
                return Some(value);
            }
        }
        None
    }
}

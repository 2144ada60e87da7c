//! Encoder of packets to brokers.

use bytes::{BufMut, BytesMut};
use mqtt5_protocol::Properties;
use mqtt5_protocol::encoding::encode_variable_int;

use super::{ClientCodec, Credentials, SendError};
use crate::broker::packet::{Connect, Disconnect, Request, RetainHandling, Subscribe, Unsubscribe};
use crate::codec::MAX_PACKET_SIZE;
use crate::codec::properties::PropertyEncoder;
use crate::message::Will;
use crate::protocol::Protocol;

const CONNECT: u8 = 0x10;
const SUBSCRIBE: u8 = 0x82;
const UNSUBSCRIBE: u8 = 0xA2;
const DISCONNECT: u8 = 0xE0;
const PINGREQ: [u8; 2] = [0xC0, 0];
/// Reason code of DISCONNECT with will message [MQTT-3.14.4-3].
const WITH_WILL: u8 = 0x04;

impl ClientCodec {
    /// Appends a packet to `out`.
    pub fn encode(
        &mut self,
        request: &Request,
        credentials: Credentials<'_>,
        out: &mut BytesMut,
    ) -> Result<(), SendError> {
        match request {
            Request::Publish(publish) if publish.message.qos > self.max_qos => Err(SendError::Qos),
            Request::Publish(publish) if publish.message.retain && !self.retain_available => {
                Err(SendError::Retain)
            }
            Request::Publish(publish) => {
                self.codec.publish(publish, out).map_err(|_too_large| SendError::TooLarge)
            }
            Request::Ack(ack) => {
                self.codec.ack(*ack, out);
                Ok(())
            }
            Request::PingReq => {
                out.put_slice(&PINGREQ);
                Ok(())
            }
            Request::Connect(connect) => {
                self.clean_start = connect.clean_start;
                put_packet(CONNECT, out, |body| self.connect(connect, credentials, body))
            }
            Request::Subscribe(subscribe) => {
                put_packet(SUBSCRIBE, out, |body| self.subscribe(subscribe, body))
            }
            Request::Unsubscribe(unsubscribe) => {
                put_packet(UNSUBSCRIBE, out, |body| self.unsubscribe(unsubscribe, body))
            }
            Request::Disconnect(disconnect) => {
                put_packet(DISCONNECT, out, |body| self.disconnect(disconnect, body))
            }
            // A lost connection sends no packet.
            Request::Lost => Ok(()),
        }
    }

    fn is_v5(&self) -> bool {
        self.codec.protocol == Protocol::V5
    }

    fn connect(
        &self,
        connect: &Connect,
        credentials: Credentials<'_>,
        body: &mut BytesMut,
    ) -> Result<(), SendError> {
        let password = credentials.password;
        if !self.is_v5() && password.is_some() && credentials.username.is_none() {
            return Err(SendError::PasswordWithoutUser);
        }
        let will = connect.will.as_ref();
        let will_flags = will.map_or(0, |Will { message, .. }| {
            0x04 | u8::from(message.qos) << 3 | u8::from(message.retain) << 5
        });
        let flags = u8::from(connect.clean_start) << 1
            | will_flags
            | u8::from(password.is_some()) << 6
            | u8::from(credentials.username.is_some()) << 7;
        put_string("MQTT", body)?;
        body.put_u8(if self.is_v5() { 5 } else { 4 });
        body.put_u8(flags);
        body.put_u16(connect.keep_alive);
        if self.is_v5() {
            put_properties(&connect_properties(connect), body)?;
        }
        put_string(&connect.client_id, body)?;
        if let Some(will) = will {
            if self.is_v5() {
                let properties = PropertyEncoder::of_will(will).ok_or(SendError::TooLong)?;
                properties.encode(body).map_err(|_| SendError::TooLong)?;
            }
            put_string(will.message.topic.as_str(), body)?;
            put_binary(&will.message.payload, body)?;
        }
        for field in [credentials.username, password].into_iter().flatten() {
            put_string(field, body)?;
        }
        Ok(())
    }

    fn subscribe(&self, subscribe: &Subscribe, body: &mut BytesMut) -> Result<(), SendError> {
        body.put_u16(subscribe.packet_id.get());
        if self.is_v5() {
            let mut properties = Properties::new();
            if let Some(number) = subscribe.identifier {
                properties.set_subscription_identifier(number);
            }
            put_properties(&properties, body)?;
        }
        for (filter, options) in &subscribe.filters {
            put_string(filter.as_str(), body)?;
            let handling = match options.retain_handling {
                RetainHandling::Always => 0,
                RetainHandling::IfNew => 1,
                RetainHandling::Never => 2,
            };
            let option_bits =
                u8::from(options.no_local) << 2 | u8::from(options.retain_as_published) << 3 | handling << 4;
            body.put_u8(u8::from(options.qos) | if self.is_v5() { option_bits } else { 0 });
        }
        Ok(())
    }

    fn unsubscribe(&self, unsubscribe: &Unsubscribe, body: &mut BytesMut) -> Result<(), SendError> {
        body.put_u16(unsubscribe.packet_id.get());
        if self.is_v5() {
            put_properties(&Properties::new(), body)?;
        }
        unsubscribe.filters.iter().try_for_each(|filter| put_string(filter.as_str(), body))
    }

    fn disconnect(&self, disconnect: &Disconnect, body: &mut BytesMut) -> Result<(), SendError> {
        if !self.is_v5() || *disconnect == Disconnect::default() {
            return Ok(());
        }
        body.put_u8(if disconnect.with_will { WITH_WILL } else { 0 });
        let mut properties = Properties::new();
        if let Some(seconds) = disconnect.session_expiry {
            properties.set_session_expiry_interval(seconds);
        }
        put_properties(&properties, body)
    }
}

/// Properties of CONNECT on MQTT 5. Topic aliases stay disabled, which is the default (section 3.1.2.11.5).
fn connect_properties(connect: &Connect) -> Properties {
    let mut properties = Properties::new();
    if connect.session_expiry > 0 {
        properties.set_session_expiry_interval(connect.session_expiry);
    }
    if let Some(most) = connect.receive_maximum {
        properties.set_receive_maximum(most.get());
    }
    properties.set_maximum_packet_size(MAX_PACKET_SIZE);
    properties
}

/// Appends a packet whose body is encoded before its length.
fn put_packet(
    first: u8,
    out: &mut BytesMut,
    write: impl FnOnce(&mut BytesMut) -> Result<(), SendError>,
) -> Result<(), SendError> {
    let mut body = BytesMut::new();
    write(&mut body)?;
    let length = u32::try_from(body.len()).map_err(|_| SendError::TooLarge)?;
    let before = out.len();
    out.put_u8(first);
    if encode_variable_int(out, length).is_err() {
        out.truncate(before);
        return Err(SendError::TooLarge);
    }
    out.put_slice(&body);
    Ok(())
}

fn put_properties(properties: &Properties, out: &mut BytesMut) -> Result<(), SendError> {
    properties.encode(out).map_err(|_| SendError::TooLong)
}

fn put_string(text: &str, out: &mut BytesMut) -> Result<(), SendError> {
    put_binary(text.as_bytes(), out)
}

fn put_binary(bytes: &[u8], out: &mut BytesMut) -> Result<(), SendError> {
    out.put_u16(u16::try_from(bytes.len()).map_err(|_| SendError::TooLong)?);
    out.put_slice(bytes);
    Ok(())
}

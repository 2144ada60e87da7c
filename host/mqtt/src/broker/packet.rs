//! Requests and replies: one value for each control packet of MQTT 5.
//!
//! A transport over a byte stream encodes and decodes these values; devices in the same process pass them
//! directly. Topic aliases and packet sizes are handled by the transport.

use std::num::NonZeroU16;
use std::sync::Arc;

use super::reason::{AckReason, CloseReason, ConnectRefusal, SubscribeRefusal, UnsubscribeRefusal};
use crate::message::{Message, Qos, Will};
use crate::protocol::Protocol;
use crate::topic::TopicFilter;

/// Packet identifier; never zero [MQTT-2.2.1-3].
pub type PacketId = NonZeroU16;

/// Session expiry interval of a session that never expires [MQTT-3.1.2.11.2].
pub const NEVER: u32 = u32::MAX;

/// Packet from a client to the broker.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// CONNECT [MQTT-3.1].
    Connect(Box<Connect>),
    /// PUBLISH [MQTT-3.3].
    Publish(Publish),
    /// PUBACK, PUBREC, PUBREL or PUBCOMP [MQTT-4.3].
    Ack(Ack),
    /// SUBSCRIBE [MQTT-3.8].
    Subscribe(Subscribe),
    /// UNSUBSCRIBE [MQTT-3.10].
    Unsubscribe(Unsubscribe),
    /// PINGREQ [MQTT-3.12].
    PingReq,
    /// DISCONNECT [MQTT-3.14].
    Disconnect(Disconnect),
    /// Not a packet: the network connection was lost without DISCONNECT.
    Lost,
}

/// Packet from the broker to a client.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// CONNACK with success [MQTT-3.2].
    ConnAck(ConnAck),
    /// CONNACK with an error; the connection must be closed after it [MQTT-3.2.2-7].
    Refused(ConnectRefusal),
    /// PUBLISH for a subscription.
    Publish(Publish),
    /// PUBACK, PUBREC, PUBREL or PUBCOMP.
    Ack(Ack),
    /// SUBACK [MQTT-3.9].
    SubAck(SubAck),
    /// UNSUBACK [MQTT-3.11]: for each filter, whether the subscription existed, or the refusal.
    UnsubAck(PacketId, Vec<Result<bool, UnsubscribeRefusal>>),
    /// PINGRESP.
    PingResp,
    /// Closes the connection; on MQTT 5, a DISCONNECT with this reason is sent first [MQTT-4.13.1-1].
    Close(CloseReason),
}

/// CONNECT: the connection parameters of a client.
#[derive(Clone, Debug, PartialEq)]
pub struct Connect {
    /// Client identifier; if empty, the broker assigns one [MQTT-3.1.3-6].
    pub client_id: Arc<str>,
    /// Protocol version of the client.
    pub protocol: Protocol,
    /// Whether an earlier session is discarded; on 3.1.1, the flag "clean session".
    pub clean_start: bool,
    /// Seconds that the session outlives the connection; [`NEVER`] for no expiry. Unused on 3.1.1.
    pub session_expiry: u32,
    /// Keepalive in seconds; zero means no limit.
    pub keep_alive: u16,
    /// Receive maximum of the client, if it has one. Unused on 3.1.1.
    pub receive_maximum: Option<NonZeroU16>,
    /// Will message, published when the connection ends without DISCONNECT.
    pub will: Option<Will>,
}

impl Connect {
    /// A client of MQTT 5 with defaults: a clean start, a session that ends with the connection, no keepalive
    /// and no will.
    pub fn new(client_id: impl Into<Arc<str>>) -> Self {
        Self {
            client_id: client_id.into(),
            protocol: Protocol::V5,
            clean_start: true,
            session_expiry: 0,
            keep_alive: 0,
            receive_maximum: None,
            will: None,
        }
    }

    /// Converts the parameters of a 3.1.1 client to MQTT 5: "clean session" is a clean start whose session
    /// ends with the connection; without it, the session never expires.
    pub(super) fn into_mqtt_5(mut self) -> Self {
        if self.protocol == Protocol::V4 {
            self.session_expiry = if self.clean_start { 0 } else { NEVER };
            self.receive_maximum = None;
            if let Some(will) = &mut self.will {
                will.delay = 0;
            }
        }
        self
    }
}

/// CONNACK with success.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnAck {
    /// Whether the broker still had the session [MQTT-3.2.2-2].
    pub session_present: bool,
    /// Client identifier assigned by the broker [MQTT-3.2.2-16].
    pub assigned_client_id: Option<Arc<str>>,
    /// Receive maximum of the broker.
    pub receive_maximum: NonZeroU16,
    /// Server Keep Alive in seconds, which replaces the client's keepalive [MQTT-3.1.2-21].
    pub server_keep_alive: Option<u16>,
}

/// PUBLISH, in either direction.
#[derive(Clone, Debug, PartialEq)]
pub struct Publish {
    /// Packet identifier, only at QoS 1 and 2 [MQTT-2.2.1-2].
    pub packet_id: Option<PacketId>,
    /// DUP flag: whether the packet may have been sent before [MQTT-3.3.1-1].
    pub duplicate: bool,
    /// The message, with its QoS and retain flag.
    pub message: Message,
    /// Subscription identifiers of a delivery; empty from clients [MQTT-3.3.4-6].
    pub subscription_ids: Vec<u32>,
}

impl Publish {
    /// The first transmission of a message. A message at QoS 1 or 2 needs a packet identifier.
    pub fn new(message: Message, packet_id: Option<PacketId>) -> Self {
        Self { packet_id, duplicate: false, message, subscription_ids: Vec::new() }
    }
}

/// PUBACK, PUBREC, PUBREL or PUBCOMP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ack {
    /// Packet type.
    pub step: AckStep,
    /// Packet identifier of the message.
    pub packet_id: PacketId,
    /// Reason code.
    pub reason: AckReason,
}

impl Ack {
    /// An acknowledgement with success.
    pub fn new(step: AckStep, packet_id: PacketId) -> Self {
        Self { step, packet_id, reason: AckReason::Success }
    }
}

/// Packet types after PUBLISH [MQTT-4.3].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AckStep {
    /// PUBACK: the receiver has the message; last packet at QoS 1.
    PubAck,
    /// PUBREC: the receiver has the message, at QoS 2.
    PubRec,
    /// PUBREL: the sender will not repeat the message.
    PubRel,
    /// PUBCOMP: the identifier is free; last packet at QoS 2.
    PubComp,
}

/// SUBSCRIBE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscribe {
    /// Packet identifier, which the answer repeats.
    pub packet_id: PacketId,
    /// Subscription identifier, included in every delivery for these subscriptions. Never zero, MQTT 5 only.
    pub identifier: Option<u32>,
    /// Topic filters, each with its options.
    pub filters: Vec<(TopicFilter, SubscribeOptions)>,
}

/// Subscription options [MQTT-3.8.3.1].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SubscribeOptions {
    /// Maximum QoS of deliveries.
    pub qos: Qos,
    /// No Local: the client's own messages are not delivered to it.
    pub no_local: bool,
    /// Retain As Published: deliveries keep the retain flag of the publication.
    pub retain_as_published: bool,
    /// Handling of retained messages at the time of subscribing.
    pub retain_handling: RetainHandling,
}

impl SubscribeOptions {
    /// Default options at this QoS, which are the only options of 3.1.1.
    pub fn at(qos: Qos) -> Self {
        Self { qos, ..Self::default() }
    }
}

/// Retain Handling: when retained messages are sent to a subscriber.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RetainHandling {
    /// 0: at every SUBSCRIBE [MQTT-3.3.1-9].
    #[default]
    Always,
    /// 1: only if the subscription did not exist before [MQTT-3.3.1-10].
    IfNew,
    /// 2: never [MQTT-3.3.1-11].
    Never,
}

/// SUBACK, in the order of the filters [MQTT-3.9.3-1].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubAck {
    /// Packet identifier of the SUBSCRIBE packet.
    pub packet_id: PacketId,
    /// Granted QoS, or the refusal.
    pub granted: Vec<Result<Qos, SubscribeRefusal>>,
}

/// UNSUBSCRIBE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsubscribe {
    /// Packet identifier, which the answer repeats.
    pub packet_id: PacketId,
    /// Topic filters, compared character by character [MQTT-3.10.4-1].
    pub filters: Vec<TopicFilter>,
}

/// DISCONNECT.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Disconnect {
    /// Whether the will is published, as with every reason code but 0 [MQTT-3.14.4-3].
    pub with_will: bool,
    /// Session expiry interval in seconds that replaces the one in CONNECT.
    pub session_expiry: Option<u32>,
}

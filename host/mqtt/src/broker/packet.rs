//! What passes between a connection and the broker: one value for each control packet of MQTT 5.
//!
//! A door that speaks MQTT over a byte stream turns these into packets and back; a device in the process
//! hands them over as they are. Topic aliases and packet sizes are the door's affair.

use std::num::NonZeroU16;
use std::sync::Arc;

use super::reason::{AckReason, CloseReason, ConnectRefusal, SubscribeRefusal};
use crate::message::{Message, Qos, Will};
use crate::protocol::Protocol;
use crate::topic::TopicFilter;

/// Names a packet that awaits an acknowledgement; never zero [MQTT-2.2.1-3].
pub type PacketId = NonZeroU16;

/// A session that never expires, as a session expiry interval in seconds [MQTT-3.1.2.11.2].
pub const NEVER: u32 = u32::MAX;

/// What a connection brings to the broker.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// Begin [MQTT-3.1].
    Connect(Box<Connect>),
    /// Publish a message [MQTT-3.3].
    Publish(Publish),
    /// Go on with the exchange of a message at QoS 1 or 2 [MQTT-4.3].
    Ack(Ack),
    /// Ask for messages [MQTT-3.8].
    Subscribe(Subscribe),
    /// Take subscriptions back [MQTT-3.10].
    Unsubscribe(Unsubscribe),
    /// Say that the connection lives [MQTT-3.12].
    PingReq,
    /// End in order [MQTT-3.14].
    Disconnect(Disconnect),
    /// Not a packet: the network connection is gone without a farewell.
    Lost,
}

/// What the broker sends to a connection.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// The connection is accepted [MQTT-3.2].
    ConnAck(ConnAck),
    /// The connection is refused; it is to be closed after this [MQTT-3.2.2-7].
    Refused(ConnectRefusal),
    /// A message for a subscription.
    Publish(Publish),
    /// Go on with the exchange of a message at QoS 1 or 2.
    Ack(Ack),
    /// The answer to a subscribe request [MQTT-3.9].
    SubAck(SubAck),
    /// The answer to an unsubscribe request; whether there was such a subscription [MQTT-3.11].
    UnsubAck(PacketId, Vec<bool>),
    /// The answer to a ping.
    PingResp,
    /// Close the connection; on MQTT 5, send a DISCONNECT with this reason first [MQTT-4.13.1-1].
    Close(CloseReason),
}

/// How a client wants to be connected.
#[derive(Clone, Debug, PartialEq)]
pub struct Connect {
    /// The name of the session; if empty, the broker thinks of one [MQTT-3.1.3-6].
    pub client_id: Arc<str>,
    /// What the client speaks.
    pub protocol: Protocol,
    /// Whether an earlier session is to be forgotten; on 3.1.1, the flag "clean session".
    pub clean_start: bool,
    /// Seconds that the session outlives the connection, [`NEVER`] for ever. Unused on 3.1.1.
    pub session_expiry: u32,
    /// Seconds; zero means that the client need not be heard of.
    pub keep_alive: u16,
    /// Messages at QoS 1 and 2 that the client takes at one time, if it says so. Unused on 3.1.1.
    pub receive_maximum: Option<NonZeroU16>,
    /// Published when the connection ends without a farewell.
    pub will: Option<Will>,
}

impl Connect {
    /// A client of MQTT 5 that asks for nothing in particular: a clean start, a session that ends with
    /// the connection, no keepalive and no will.
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

    /// What a client of 3.1.1 said, in the words of MQTT 5: "clean session" is a clean start whose
    /// session ends with the connection; without it, the session never ends.
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

/// A connection is accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnAck {
    /// Whether the broker still had the session [MQTT-3.2.2-2].
    pub session_present: bool,
    /// The name that the broker thought of, if the client brought none [MQTT-3.2.2-16].
    pub assigned_client_id: Option<Arc<str>>,
    /// Messages at QoS 1 and 2 that the broker takes at one time.
    pub receive_maximum: NonZeroU16,
    /// Seconds of keepalive that the client has to use instead of its own [MQTT-3.1.2-21].
    pub server_keep_alive: Option<u16>,
}

/// A message on its way, in either direction.
#[derive(Clone, Debug, PartialEq)]
pub struct Publish {
    /// Only at QoS 1 and 2 [MQTT-2.2.1-2].
    pub packet_id: Option<PacketId>,
    /// Whether it may have been sent before [MQTT-3.3.1-1].
    pub duplicate: bool,
    /// The message, with its QoS and its retain flag.
    pub message: Message,
    /// The identifiers of the subscriptions it is delivered for; none on the way in [MQTT-3.3.4-6].
    pub subscription_ids: Vec<u32>,
}

impl Publish {
    /// A message sent for the first time. One at QoS 1 or 2 needs a packet identifier.
    pub fn new(message: Message, packet_id: Option<PacketId>) -> Self {
        Self { packet_id, duplicate: false, message, subscription_ids: Vec::new() }
    }
}

/// A step in the exchange of a message at QoS 1 or 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ack {
    /// Which step.
    pub step: AckStep,
    /// Which message.
    pub packet_id: PacketId,
    /// How it went.
    pub reason: AckReason,
}

impl Ack {
    /// A step that went well.
    pub fn new(step: AckStep, packet_id: PacketId) -> Self {
        Self { step, packet_id, reason: AckReason::Success }
    }
}

/// The steps after PUBLISH [MQTT-4.3].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AckStep {
    /// PUBACK: the receiver has the message; the end at QoS 1.
    PubAck,
    /// PUBREC: the receiver has the message, at QoS 2.
    PubRec,
    /// PUBREL: the sender will not send it again.
    PubRel,
    /// PUBCOMP: the receiver may forget the identifier; the end at QoS 2.
    PubComp,
}

/// Subscriptions asked for in one packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscribe {
    /// Comes back with the answer.
    pub packet_id: PacketId,
    /// Comes with every message delivered for these subscriptions. Never zero, MQTT 5 only.
    pub identifier: Option<u32>,
    /// Each with its options.
    pub filters: Vec<(TopicFilter, SubscribeOptions)>,
}

/// How a subscription is to be served [MQTT-3.8.3.1].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SubscribeOptions {
    /// The highest QoS of deliveries.
    pub qos: Qos,
    /// Whether the client's own messages are left out.
    pub no_local: bool,
    /// Whether a live message keeps its retain flag.
    pub retain_as_published: bool,
    /// What happens to the messages that the broker keeps.
    pub retain_handling: RetainHandling,
}

impl SubscribeOptions {
    /// The defaults, which are also all that 3.1.1 knows, at this QoS.
    pub fn at(qos: Qos) -> Self {
        Self { qos, ..Self::default() }
    }
}

/// When kept messages are sent to a subscriber.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RetainHandling {
    /// 0: whenever it subscribes [MQTT-3.3.1-9].
    #[default]
    Always,
    /// 1: only if there was no such subscription before [MQTT-3.3.1-10].
    IfNew,
    /// 2: never [MQTT-3.3.1-11].
    Never,
}

/// The answer to a subscribe request, in the order of its filters [MQTT-3.9.3-1].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubAck {
    /// Of the request.
    pub packet_id: PacketId,
    /// The QoS that is granted, or why there is none.
    pub granted: Vec<Result<Qos, SubscribeRefusal>>,
}

/// Subscriptions taken back in one packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsubscribe {
    /// Comes back with the answer.
    pub packet_id: PacketId,
    /// Compared letter by letter [MQTT-3.10.4-1].
    pub filters: Vec<TopicFilter>,
}

/// A farewell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Disconnect {
    /// Whether the will is wanted nevertheless, as with every reason but 0 [MQTT-3.14.4-3].
    pub with_will: bool,
    /// Seconds that the session is to be kept, if other than was said at the start.
    pub session_expiry: Option<u32>,
}

//! The MQTT library behind two small seams, one for each side of a connection. It speaks for devices on `mqtts://`;
//! on other ways they have [a client of their own](wasmote_mqtt::client).
//!
//! It stays for TLS because there it does not matter what it takes: a connection's keys and records are larger, and
//! the handshake costs more than all that a device says in minutes. It does both well.
//!
//! * [`Session`]: what the task that owns the connection turns. One implementation a protocol version.
//! * [`Outlet`]: what the shard hands messages to. Nothing in it waits.
//!
//! # What the library does that one has to know
//!
//! * `poll` is not known to survive being cancelled, so it never is, except when the connection is cut and
//!   its state thrown away or rebuilt.
//! * After a DISCONNECT an event loop is spent: every further poll says so. A new one is made.
//! * A DISCONNECT overtakes QoS 1 and 2 messages that wait for a free packet identifier, and what was not
//!   yet sent is then dropped. So each message is tracked, and the farewell waits for them all.
//! * A session that is dropped, or that the broker has no more, takes with it what was not acknowledged.
//!   The same tracking tells which messages these were; see [`UnderWay`].
//! * It keeps messages and subscriptions in two queues, and what is published after a subscription may go
//!   out before it. Messages are held back until the SUBSCRIBE packet is written; see [`Outlet`].
//! * A new event loop has no session state and refuses a session that the broker still has from before.
//!   Its first connection on MQTT 5 is therefore a clean start; on 3.1.1 the library does not look.
//! * A message larger than the broker allows is an error of the connection, and is sent again after the
//!   next one. Such a message is refused before.

mod outlet;
mod under_way;
pub(crate) mod v4;
pub(crate) mod v5;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use crate::connection::Network;
use crate::socket::SocketControl;
pub(crate) use outlet::Outlet;
use rumqttc::QoS;
pub(crate) use under_way::{UnderWay, returned};
use wasmote_mqtt::device_id::DeviceId;
use wasmote_mqtt::message::{Message, Qos, Will};
use wasmote_mqtt::topic::TopicFilter;

/// Messages that may wait in the library for their connection, and subscriptions beside them.
const WAITING: usize = 100;
/// Packets that go out in one write, if there are as many.
const BATCH: usize = 64;
/// Messages at QoS 1 and 2 under way without acknowledgement; each has a slot that is always there.
const INFLIGHT: u16 = 20;
/// Largest packet that is taken. More than any device may send; the broker is told.
const MAX_PACKET_SIZE: u32 = 16 << 20;
/// Longest that one attempt to connect may take, from the first packet to the broker's word.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// What came of turning a session once.
#[derive(Debug)]
pub(crate) enum Incident {
    /// The broker took the connection.
    Connected {
        /// Whether it still had the session.
        session_present: bool,
    },
    /// A message arrived.
    Delivered(Message),
    /// A SUBSCRIBE packet is on its way.
    Asked,
    /// The DISCONNECT packet is on its way.
    Left,
    /// Nothing that concerns the device.
    Other,
}

/// The connection could not be made, or is gone.
#[derive(Debug)]
pub(crate) struct Loss {
    /// Why, for people.
    pub(crate) reason: String,
    /// Whether the session's state can go on in the next connection.
    pub(crate) usable: bool,
}

/// A device's side of an MQTT session, over any number of connections.
pub(crate) trait Session: Send + 'static {
    /// Nothing is connected yet.
    fn new(recipe: Recipe) -> Self;

    /// Say how the next connection is to be made.
    fn prepare(&mut self, will: Option<&Will>);

    /// Connect if there is no connection; otherwise read, write and keep alive until something happens.
    fn poll(&mut self) -> impl Future<Output = Result<Incident, Loss>> + Send;

    /// Drop the connection without a word.
    fn cut(&mut self);

    /// A way in for messages.
    fn outlet(&self) -> Outlet;
}

/// What a session is made of.
#[derive(Clone)]
pub(crate) struct Recipe {
    pub(crate) device: DeviceId,
    /// The device's in its shard.
    pub(crate) number: u32,
    pub(crate) network: Arc<Network>,
    pub(crate) line: SocketControl,
    pub(crate) subscriptions: usize,
}

impl Recipe {
    /// The library keeps messages and subscriptions in queues of one length.
    fn capacity(&self) -> usize {
        WAITING.max(self.subscriptions)
    }

    fn keepalive_seconds(&self) -> u16 {
        let seconds = self.network.options.keepalive.as_secs();
        u16::try_from(seconds).unwrap_or(u16::MAX).max(5)
    }
}

fn to_library(qos: Qos) -> QoS {
    match qos {
        Qos::AtMostOnce => QoS::AtMostOnce,
        Qos::AtLeastOnce => QoS::AtLeastOnce,
        Qos::ExactlyOnce => QoS::ExactlyOnce,
    }
}

fn from_library(qos: QoS) -> Qos {
    match qos {
        QoS::AtMostOnce => Qos::AtMostOnce,
        QoS::AtLeastOnce => Qos::AtLeastOnce,
        QoS::ExactlyOnce => Qos::ExactlyOnce,
    }
}

/// Why the library takes no message or subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unsent {
    /// Its queue is full, or it cannot send such a thing.
    Refused,
    /// The session has ended.
    Gone,
}

/// Tell the user that a device will not hear what it wants to hear.
pub(crate) fn log_refused_subscription(device: &DeviceId, filter: &TopicFilter, why: &str) {
    tracing::warn!(%device, %filter, "the broker refused the subscription: {why}");
}

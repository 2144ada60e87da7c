//! Actions: effects of a device that its driver carries out.

use std::time::Duration;

use wasmote_mqtt::client::DisconnectMode;
use wasmote_mqtt::message::{Message, Qos, Will};
use wasmote_mqtt::topic::TopicFilter;

use crate::faults::FaultId;
use crate::faults::byte_stream::{LinkBreak, LinkConditions};
use crate::http::{HttpRequest, HttpResponse};
use crate::notice::DeviceNotice;

/// An effect that the driver carries out, in order.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Attempts once to connect, with this will. The driver answers with `Connected` or `Disconnected`.
    Connect(Option<Will>),
    /// Ends the connection. The broker does not answer.
    Disconnect(DisconnectMode),
    /// Pauses the connection's event loop until `Resume`: no reads, no writes, no keepalives. The socket
    /// stays open.
    Silence,
    /// Resumes the event loop. If the connection was up, the driver answers with `Resumed` or `Disconnected`.
    Resume,
    /// Sets the byte-stream conditions of the device's link, for present and later connections.
    SetLinkConditions(LinkConditions),
    /// Breaks the present connection, if any, on behalf of this fault. For a reset, the driver answers with
    /// `Disconnected`; for each message at QoS 0 that is known to be lost, it answers with `Dropped`.
    BreakLink(LinkBreak, FaultId),
    /// Passes a message to the connection.
    Publish(Message),
    /// Subscribes at the broker.
    Subscribe(TopicFilter, Qos),
    /// Unsubscribes at the broker.
    Unsubscribe(TopicFilter),
    /// Sends an HTTP request; the driver answers with `HttpReply` and the same number.
    HttpSend(u64, HttpRequest, Duration),
    /// Answers the HTTP request with this ticket.
    HttpRespond(u64, HttpResponse),
    /// Publishes a notice to observers.
    Notice(DeviceNotice),
}

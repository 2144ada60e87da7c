//! Actions: effects of a device that its driver carries out.

use std::time::Duration;
use wasmote_mqtt::client::DisconnectMode;

use crate::faults::FaultId;
use crate::faults::byte_stream::{LinkBreak, LinkConditions};
use crate::http::{HttpRequest, HttpResponse};
use crate::notice::DeviceNotice;
use wasmote_mqtt::message::{Message, Qos, Will};
use wasmote_mqtt::topic::TopicFilter;

/// One thing for the driver to carry out, in order.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Try once to connect, with this will. Answer with `Connected` or `Disconnected`.
    Connect(Option<Will>),
    /// End the connection. No answer is expected.
    Disconnect(DisconnectMode),
    /// Do not turn the connection's loop until told to resume: read nothing, write nothing, let no
    /// keepalive out, and leave the socket as it is.
    Silence,
    /// Turn the loop again. Answer with `Resumed` or `Disconnected` if the connection was up.
    Resume,
    /// From now on the device's line does this with bytes, those of later connections too.
    SetLinkConditions(LinkConditions),
    /// Strike the present connection, if there is one, in the name of this fault. A connection that is reset
    /// answers with `Disconnected`; of messages at QoS 0 that are lost with it, those that are known are told
    /// of with `Dropped`.
    BreakLink(LinkBreak, FaultId),
    /// Hand a message to the connection.
    Publish(Message),
    /// Ask the broker for messages.
    Subscribe(TopicFilter, Qos),
    /// Take a subscription back.
    Unsubscribe(TopicFilter),
    /// Send an HTTP request; answer with `HttpReply` and the same number.
    HttpSend(u64, HttpRequest, Duration),
    /// The answer to the request that came with this ticket.
    HttpRespond(u64, HttpResponse),
    /// For whoever watches.
    Notice(DeviceNotice),
}

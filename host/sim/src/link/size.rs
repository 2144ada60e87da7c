//! Lengths of MQTT packets in bytes, without the overhead of TCP and TLS.

use wasmote_mqtt::broker::packet::{Ack, ConnAck, Connect, Publish, Reply, Request};
use wasmote_mqtt::broker::reason::AckReason;
use wasmote_mqtt::codec::properties_len;
use wasmote_mqtt::message::{Message, MessageOrigin, Will};
use wasmote_mqtt::origin;
use wasmote_mqtt::protocol::Protocol;

/// Length of a client's packet. A lost connection is not a packet and has no length.
pub fn of_request(request: &Request, protocol: Protocol) -> u64 {
    let v5 = protocol == Protocol::V5;
    match request {
        Request::Connect(connect) => packet(connect_bytes(connect, v5)),
        Request::Publish(publish) => packet(publish_bytes(publish, v5)),
        Request::Ack(ack) => packet(ack_bytes(ack, v5)),
        Request::Subscribe(subscribe) => {
            let identifier = subscribe.identifier.map_or(0, |id| 1 + variable(id.into()));
            let filters = subscribe.filters.iter().map(|(filter, _)| text(filter.as_str()) + 1);
            packet(2 + properties_of(identifier, v5) + filters.sum::<u64>())
        }
        Request::Unsubscribe(unsubscribe) => {
            let filters = unsubscribe.filters.iter().map(|filter| text(filter.as_str()));
            packet(2 + properties_of(0, v5) + filters.sum::<u64>())
        }
        Request::PingReq => packet(0),
        Request::Disconnect(disconnect) => packet(match (v5, disconnect.session_expiry) {
            (true, Some(_)) => 1 + properties_of(5, v5),
            (true, None) => u64::from(disconnect.with_will),
            (false, _) => 0,
        }),
        Request::Lost => 0,
    }
}

/// Length of a broker's packet. On 3.1.1 it closes without a packet.
pub fn of_reply(reply: &Reply, protocol: Protocol) -> u64 {
    let v5 = protocol == Protocol::V5;
    match reply {
        Reply::ConnAck(accepted) => packet(2 + properties_of(conn_ack_properties(accepted), v5)),
        Reply::Refused(_) => packet(2 + properties_of(0, v5)),
        Reply::Publish(publish) => packet(publish_bytes(publish, v5)),
        Reply::Ack(ack) => packet(ack_bytes(ack, v5)),
        Reply::SubAck(answer) => packet(2 + properties_of(0, v5) + answer.granted.len() as u64),
        Reply::UnsubAck(_, found) if v5 => packet(2 + properties_of(0, v5) + found.len() as u64),
        Reply::UnsubAck(..) => packet(2),
        Reply::PingResp => packet(0),
        Reply::Close(_) if v5 => packet(1),
        Reply::Close(_) => 0,
    }
}

/// A packet with its fixed header [MQTT-2.1].
fn packet(rest: u64) -> u64 {
    1 + variable(rest) + rest
}

/// A variable byte integer (section 1.5.5).
fn variable(number: u64) -> u64 {
    match number {
        0..0x80 => 1,
        0x80..0x4000 => 2,
        0x4000..0x20_0000 => 3,
        _ => 4,
    }
}

/// A string or binary data with its length prefix.
fn text(text: &str) -> u64 {
    2 + text.len() as u64
}

/// Properties with their length prefix; 3.1.1 has none.
fn properties_of(bytes: u64, v5: bool) -> u64 {
    if v5 { variable(bytes) + bytes } else { 0 }
}

fn connect_bytes(connect: &Connect, v5: bool) -> u64 {
    const NAME_LEVEL_FLAGS_KEEPALIVE: u64 = 10;
    let expiry = if connect.session_expiry > 0 { 5 } else { 0 };
    let receive_maximum = connect.receive_maximum.map_or(0, |_| 3);
    let will = connect.will.as_ref().map_or(0, |will| will_bytes(will, v5));
    NAME_LEVEL_FLAGS_KEEPALIVE + properties_of(expiry + receive_maximum, v5) + text(&connect.client_id) + will
}

fn will_bytes(will: &Will, v5: bool) -> u64 {
    let Message { topic, payload, properties, .. } = &will.message;
    let delay = if will.delay > 0 { 5 } else { 0 };
    let own = properties.as_deref().map_or(0, properties_len) as u64;
    properties_of(delay + own, v5) + text(topic.as_str()) + 2 + payload.len() as u64
}

fn publish_bytes(publish: &Publish, v5: bool) -> u64 {
    let Message { topic, payload, properties, origin, .. } = &publish.message;
    let subscriptions = publish.subscription_ids.iter().map(|id| 1 + variable((*id).into()));
    let own = properties.as_deref().map_or(0, properties_len) as u64;
    let origin = origin.as_deref().map_or(0, origin_property);
    text(topic.as_str())
        + publish.packet_id.map_or(0, |_| 2)
        + properties_of(subscriptions.sum::<u64>() + own + origin, v5)
        + payload.len() as u64
}

fn origin_property(origin: &MessageOrigin) -> u64 {
    1 + text(origin::PROPERTY) + 2 + origin::encoded_len(origin) as u64
}

/// Success needs no reason code (section 3.4.2.1).
fn ack_bytes(ack: &Ack, v5: bool) -> u64 {
    2 + u64::from(v5 && ack.reason != AckReason::Success)
}

fn conn_ack_properties(accepted: &ConnAck) -> u64 {
    let ConnAck { session_present: _, assigned_client_id, receive_maximum: _, server_keep_alive } = accepted;
    3 + assigned_client_id.as_ref().map_or(0, |name| 1 + text(name)) + server_keep_alive.map_or(0, |_| 3)
}

#[cfg(test)]
mod tests {
    use wasmote_mqtt::broker::packet::{AckStep, Disconnect, PacketId, Subscribe, SubscribeOptions};
    use wasmote_mqtt::device_id::DeviceId;
    use wasmote_mqtt::message::Qos;
    use wasmote_mqtt::time::WallTime;
    use wasmote_mqtt::topic::{Topic, TopicFilter};

    use super::*;

    fn publish(payload: usize) -> Publish {
        Publish::new(Message::new(Topic::new("a/b").unwrap(), vec![0; payload]), None)
    }

    /// Counted by hand from sections 3.1 to 3.14 of both standards: 3.1.1, then 5.
    #[test]
    fn packet_lengths_follow_the_standard() {
        let id = PacketId::MIN;
        let at_qos_1 = Publish { packet_id: Some(id), ..publish(10) };
        let filters = vec![(TopicFilter::new("a/#").unwrap(), SubscribeOptions::at(Qos::AtLeastOnce))];
        let subscribe = Subscribe { packet_id: id, identifier: None, filters };
        let not_found = Ack { reason: AckReason::PacketIdNotFound, ..Ack::new(AckStep::PubComp, id) };
        for (request, v4, v5) in [
            (Request::Connect(Box::new(Connect::new("abc"))), 17, 18),
            (Request::Publish(publish(10)), 17, 18),
            (Request::Publish(publish(200)), 208, 209),
            (Request::Publish(at_qos_1), 19, 20),
            (Request::Subscribe(subscribe), 10, 11),
            (Request::Ack(Ack::new(AckStep::PubAck, id)), 4, 4),
            (Request::Ack(not_found), 4, 5),
            (Request::PingReq, 2, 2),
            (Request::Disconnect(Disconnect::default()), 2, 2),
            (Request::Disconnect(Disconnect { with_will: true, session_expiry: Some(9) }), 2, 9),
            (Request::Lost, 0, 0),
        ] {
            let sizes = [Protocol::V4, Protocol::V5].map(|protocol| of_request(&request, protocol));
            assert_eq!(sizes, [v4, v5], "{request:?}");
        }
    }

    #[test]
    fn an_origin_is_sized_as_a_user_property() {
        let mut publish = publish(0);
        let from = DeviceId::new("heartbeat-0").unwrap();
        let origin = MessageOrigin {
            from,
            sequence: 12,
            sent: WallTime::from_nanos(1_767_225_600_000_000_000),
            late: std::time::Duration::from_millis(3),
            is_claimed: false,
        };
        publish.message.origin = Some(std::sync::Arc::new(origin));
        let value = "heartbeat-0/12/1767225600000000000+3000000".len() as u64;
        let bare = 1 + 1 + 5 + 1;
        let request = Request::Publish(publish);
        assert_eq!(of_request(&request, Protocol::V5), bare + 5 + origin::PROPERTY.len() as u64 + value);
        assert_eq!(of_request(&request, Protocol::V4), 7, "3.1.1 has no user properties");
    }
}

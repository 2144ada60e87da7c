//! The MQTT client of a device.

use std::sync::Arc;
use std::time::Duration;

use wasmote_mqtt::answer::{AnswerPacket, Disconnection, NegativeAnswer};
use wasmote_mqtt::broker::packet::{Ack, AckStep, ConnAck, PacketId, Reply, Request, SubAck};
use wasmote_mqtt::broker::reason::{
    AckReason, CloseReason, ConnectRefusal, SubscribeRefusal, UnsubscribeRefusal,
};
use wasmote_mqtt::client::DisconnectMode;
use wasmote_mqtt::client::ids::{ConnectionId, DeviceIndex};
use wasmote_mqtt::client::options::ClientOptions;
use wasmote_mqtt::client::{Client, Refusal, RefusedRequest, TooManyPendingSubscriptions};
use wasmote_mqtt::codec::client::SendError;
use wasmote_mqtt::device_id::DeviceId;
use wasmote_mqtt::message::{Message, MessageOrigin, Qos};
use wasmote_mqtt::protocol::Protocol;
use wasmote_mqtt::time::{Time, WallTime};
use wasmote_mqtt::topic::{Topic, TopicFilter};
use wasmote_sim::device::Input;
use wasmote_sim::device::Outbox;

const LINK: ConnectionId = ConnectionId { device: DeviceIndex(0), attempt: 1 };

fn at(seconds: u64) -> Time {
    Time::ZERO + Duration::from_secs(seconds)
}

fn client(session_expiry: u32) -> (Client, Outbox) {
    let options = Arc::new(ClientOptions { session_expiry, ..ClientOptions::default() });
    let before = ConnectionId { attempt: 0, ..LINK };
    (Client::new(before, "device".into(), Protocol::V5, options), Outbox::default())
}

fn accepted(server_keep_alive: Option<u16>) -> Reply {
    Reply::ConnAck(ConnAck {
        session_present: false,
        assigned_client_id: None,
        receive_maximum: 20.try_into().unwrap(),
        server_keep_alive,
    })
}

fn connected(session_expiry: u32) -> (Client, Outbox) {
    let (mut client, mut out) = client(session_expiry);
    client.connect(None, Time::ZERO, &mut out);
    client.receive(LINK, accepted(None), Time::ZERO, &mut out);
    out.packets.clear();
    out.inputs.clear();
    (client, out)
}

fn message(payload: &'static str, qos: Qos) -> Message {
    Message::new(Topic::new("t").unwrap(), payload).with_qos(qos)
}

/// Events for the device, as short texts.
fn events(out: &mut Outbox) -> Vec<String> {
    let text = |message: &Message| String::from_utf8_lossy(&message.payload).into_owned();
    let inputs = out.inputs.drain(..).map(|input| match input {
        Input::Returned(message) => format!("returned {}", text(&message)),
        Input::Refused(message, Refusal::Answer(answer)) => format!("refused {}: {answer}", text(&message)),
        Input::Refused(message, Refusal::EndsConnection(None)) => format!("given up {}", text(&message)),
        Input::Refused(message, Refusal::EndsConnection(Some(answer))) => {
            format!("given up {}: {answer}", text(&message))
        }
        Input::Refused(message, _) => format!("refused {}", text(&message)),
        Input::RequestRefused(RefusedRequest::Subscribe(filter), answer) => {
            format!("Subscribe({filter}): {answer}")
        }
        Input::RequestRefused(RefusedRequest::Unsubscribe(filter), answer) => {
            format!("Unsubscribe({filter}): {answer}")
        }
        Input::RequestRefused(request, answer) => format!("{request:?}: {answer}"),
        Input::Disconnected(end) => end.to_string(),
        Input::Connected { .. } => "connected".into(),
        other => panic!("{other:?}"),
    });
    inputs.collect()
}

/// As in real time, no message that was passed to a connection is lost with it.
#[test]
fn unacknowledged_messages_are_returned_when_the_session_ends() {
    let (mut client, mut out) = connected(0);
    for (payload, qos) in [("a", Qos::AtLeastOnce), ("b", Qos::ExactlyOnce), ("c", Qos::AtMostOnce)] {
        client.publish(message(payload, qos), at(1), &mut out);
    }
    client.disconnect(DisconnectMode::Abort, at(1), &mut out);
    assert_eq!(events(&mut out), ["returned a", "returned b"]);
}

#[test]
fn a_persistent_session_keeps_its_messages_until_the_broker_has_lost_it() {
    let (mut client, mut out) = connected(60);
    client.publish(message("a", Qos::AtLeastOnce), at(1), &mut out);
    client.disconnect(DisconnectMode::Abort, at(1), &mut out);
    assert_eq!(events(&mut out), [""; 0]);
    client.connect(None, at(2), &mut out);
    let link = ConnectionId { attempt: 2, ..LINK };
    client.receive(link, accepted(None), at(2), &mut out);
    assert_eq!(
        events(&mut out),
        ["returned a", "connected"],
        "the device sends it again on the new connection"
    );
}

#[test]
fn an_unanswered_connect_times_out() {
    let (mut client, mut out) = client(0);
    client.connect(None, Time::ZERO, &mut out);
    assert_eq!(client.next_deadline(), Some(at(10)));
    client.wake(at(10), &mut out);
    assert_eq!(events(&mut out), ["no answer from the broker within 10 s"]);
    assert_eq!(out.packets.last(), Some(&(LINK, Request::Lost)));
}

#[test]
fn an_unanswered_ping_ends_the_connection() {
    let (mut client, mut out) = connected(0);
    client.wake(at(10), &mut out);
    assert_eq!(out.packets, [(LINK, Request::PingReq)]);
    client.receive(LINK, Reply::PingResp, at(11), &mut out);
    client.wake(at(20), &mut out);
    assert_eq!(client.next_deadline(), Some(at(30)));
    client.wake(at(30), &mut out);
    assert_eq!(events(&mut out), ["the broker did not answer the keepalive"]);
    assert_eq!(client.next_deadline(), None);
}

/// A client that only sends, at QoS 0, could not detect a half-open connection otherwise.
#[test]
fn a_client_that_receives_nothing_pings_even_while_it_sends() {
    let (mut client, mut out) = connected(0);
    for second in 1..10 {
        client.publish(message("a", Qos::AtMostOnce), at(second), &mut out);
    }
    assert_eq!(client.next_deadline(), Some(at(10)));
    client.wake(at(10), &mut out);
    assert_eq!(out.packets.last(), Some(&(LINK, Request::PingReq)));
    client.publish(message("a", Qos::AtMostOnce), at(19), &mut out);
    client.wake(at(20), &mut out);
    assert_eq!(events(&mut out), ["the broker did not answer the keepalive"]);
}

/// [MQTT-2.2.1-4]
#[test]
fn packet_identifiers_are_unique_while_in_use() {
    let (mut client, mut out) = connected(0);
    let filter = |text: &str| TopicFilter::new(text).unwrap();
    client.publish(message("a", Qos::AtLeastOnce), at(1), &mut out);
    client.subscribe(filter("a"), Qos::AtLeastOnce, at(1), &mut out).unwrap();
    client.unsubscribe(filter("b"), at(1), &mut out).unwrap();
    client.subscribe(filter("c"), Qos::AtLeastOnce, at(1), &mut out).unwrap();
    client.publish(message("b", Qos::ExactlyOnce), at(1), &mut out);
    let ids: Vec<_> = out.packets.drain(..).map(|(_, request)| id_of(&request)).collect();
    let used: std::collections::BTreeSet<_> = ids.iter().collect();
    assert_eq!(used.len(), 5, "{ids:?}");
    let granted = vec![Ok(Qos::AtLeastOnce)];
    client.receive(LINK, Reply::SubAck(SubAck { packet_id: ids[1], granted }), at(1), &mut out);
    assert_eq!(events(&mut out), [""; 0]);
    let refused = |packet_id| {
        let granted = vec![Err(SubscribeRefusal::QuotaExceeded)];
        Reply::SubAck(SubAck { packet_id, granted })
    };
    client.receive(LINK, refused(ids[3]), at(1), &mut out);
    client.receive(LINK, refused(ids[3]), at(1), &mut out);
    let unsubscribed = Reply::UnsubAck(ids[2], vec![Err(UnsubscribeRefusal(0x83))]);
    client.receive_explained(LINK, unsubscribed, "busy".into(), at(1), &mut out);
    // Unanswered subscriptions end with the connection.
    client.subscribe(filter("d"), Qos::AtLeastOnce, at(1), &mut out).unwrap();
    client.connection_lost("gone", at(2), &mut out);
    assert_eq!(
        events(&mut out),
        [
            "Subscribe(c): SUBACK 0x97 quota exceeded",
            "Unknown: SUBACK 0x97 quota exceeded",
            "Unsubscribe(b): UNSUBACK 0x83 implementation specific error: busy",
            "returned a",
            "returned b",
            "gone",
        ]
    );
}

fn ack(step: AckStep, packet_id: PacketId, code: u8) -> Reply {
    Reply::Ack(Ack { step, packet_id, reason: AckReason::from_code(code) })
}

/// A refused message has not left for good, and is not sent again. After PUBREC the broker has the message, whatever
/// PUBCOMP says.
#[test]
fn a_negative_acknowledgement_refuses_the_message() {
    let (mut client, mut out) = connected(60);
    for (payload, qos) in [("a", Qos::AtLeastOnce), ("b", Qos::ExactlyOnce), ("c", Qos::ExactlyOnce)] {
        client.publish(message(payload, qos), at(1), &mut out);
    }
    let ids: Vec<_> = out.packets.drain(..).map(|(_, request)| id_of(&request)).collect();
    let refused = ack(AckStep::PubAck, ids[0], 0x97);
    client.receive_explained(LINK, refused.clone(), "over quota".into(), at(1), &mut out);
    client.receive(LINK, refused, at(1), &mut out);
    client.receive(LINK, ack(AckStep::PubRec, ids[1], 0x87), at(1), &mut out);
    assert_eq!(
        events(&mut out),
        [
            "refused a: PUBACK 0x97 quota exceeded: over quota",
            "Unknown: PUBACK 0x97 quota exceeded",
            "refused b: PUBREC 0x87 not authorized",
        ]
    );
    assert_eq!((out.sent, out.packets.len()), (0, 0));
    client.receive(LINK, ack(AckStep::PubRec, ids[2], 0x00), at(1), &mut out);
    assert_eq!(out.sent, 0, "the exchange is not over");
    client.receive(LINK, ack(AckStep::PubComp, ids[2], 0x92), at(1), &mut out);
    assert_eq!(events(&mut out), ["Exchange: PUBCOMP 0x92 packet identifier not found"]);
    assert_eq!(out.sent, 1);
    client.connection_lost("gone", at(2), &mut out);
    client.connect(None, at(3), &mut out);
    let again = ConnectionId { attempt: 2, ..LINK };
    client.receive(again, accepted(None), at(3), &mut out);
    assert!(!out.packets.iter().any(|(_, request)| matches!(request, Request::Publish(_))), "{out:?}");
}

/// The answers of a broker that refuses or ends a connection, as far as the version has them.
#[test]
fn a_refused_or_ended_connection_has_the_code_of_the_answer() {
    for (protocol, refused, ended) in
        [(Protocol::V5, "(CONNACK 0x85)", "(DISCONNECT 0x8E)"), (Protocol::V4, "(CONNACK 0x02)", "")]
    {
        let before = ConnectionId { attempt: 0, ..LINK };
        let mut client = Client::new(before, "device".into(), protocol, Arc::default());
        let mut out = Outbox::default();
        client.connect(None, Time::ZERO, &mut out);
        client.receive(LINK, Reply::Refused(ConnectRefusal::ClientIdInvalid), Time::ZERO, &mut out);
        let [text] = &events(&mut out)[..] else { panic!("one event") };
        assert!(text.ends_with(refused), "{text}");
        client.connect(None, Time::ZERO, &mut out);
        let again = ConnectionId { attempt: 2, ..LINK };
        client.receive(again, accepted(None), Time::ZERO, &mut out);
        client.receive(again, Reply::Close(CloseReason::SessionTakenOver), Time::ZERO, &mut out);
        let texts = events(&mut out);
        let suffix = if ended.is_empty() { String::new() } else { format!(" {ended}") };
        assert_eq!(texts[0], "connected");
        let [reason, remedy] = [
            "another connection took the session over; another client uses the same client id, such as a second fleet",
            &format!(
                " with the same names; give the devices other names with --group or --device-id{suffix}"
            ),
        ];
        assert_eq!(texts[1..], [format!("{reason}{remedy}")]);
    }
}

fn id_of(request: &Request) -> PacketId {
    match request {
        Request::Publish(publish) => publish.packet_id.unwrap(),
        Request::Subscribe(subscribe) => subscribe.packet_id,
        Request::Unsubscribe(unsubscribe) => unsubscribe.packet_id,
        other => panic!("{other:?} has none"),
    }
}

/// Unanswered subscriptions do not exhaust the packet identifiers.
#[test]
fn pending_subscriptions_are_bounded() {
    let (mut client, mut out) = connected(0);
    let filter = || TopicFilter::new("t").unwrap();
    let made =
        (0..70_000).take_while(|_| client.subscribe(filter(), Qos::AtMostOnce, at(1), &mut out).is_ok());
    assert_eq!(made.count(), 32_768);
    assert_eq!(client.unsubscribe(filter(), at(1), &mut out), Err(TooManyPendingSubscriptions));
    out.packets.clear();
    client.publish(message("a", Qos::AtLeastOnce), at(1), &mut out);
    assert_eq!(out.packets.len(), 1, "messages still have their identifiers");
}

#[test]
fn an_unsendable_message_is_refused_and_frees_its_place() {
    let (mut client, mut out) = connected(60);
    for payload in ["a", "b"] {
        client.publish(message(payload, Qos::AtLeastOnce), at(1), &mut out);
    }
    let Some((_, Request::Publish(first))) = out.packets.drain(..).next() else { panic!("nothing was sent") };
    client.return_unsendable(first, SendError::TooLarge, at(1), &mut out);
    assert_eq!(events(&mut out), ["refused a"]);
    client.disconnect(DisconnectMode::Clean, at(1), &mut out);
    assert_eq!(client.next_deadline(), Some(at(6)), "the other acknowledgement is outstanding");
}

/// An attempt may be delayed, so the timeout for the answer starts with it.
#[test]
fn the_connect_timeout_starts_with_the_attempt() {
    let (mut client, mut out) = client(0);
    client.connect(None, Time::ZERO, &mut out);
    client.connect_started(at(30));
    assert_eq!(client.next_deadline(), Some(at(40)));
}

/// [MQTT-3.1.2-21]
#[test]
fn a_client_uses_the_keepalive_of_the_broker() {
    let (mut client, mut out) = client(0);
    client.connect(None, Time::ZERO, &mut out);
    client.receive(LINK, accepted(Some(3)), Time::ZERO, &mut out);
    assert_eq!(client.next_deadline(), Some(at(3)));
}

#[test]
fn a_disconnect_waits_for_acknowledgements_with_a_timeout() {
    let (mut client, mut out) = connected(60);
    client.publish(message("a", Qos::AtLeastOnce), at(1), &mut out);
    client.disconnect(DisconnectMode::Clean, at(1), &mut out);
    assert_eq!(client.next_deadline(), Some(at(6)));
    client.wake(at(6), &mut out);
    assert_eq!(events(&mut out), ["returned a"]);
    assert_eq!(out.packets.last(), Some(&(LINK, Request::Lost)));
}

/// A broker may still have a session of an earlier run that the device does not know.
#[test]
fn only_the_first_connection_is_a_clean_start() {
    let (mut client, mut out) = client(60);
    let mut starts = Vec::new();
    for attempt in 1..=3 {
        client.connect(None, at(attempt.into()), &mut out);
        if let Some((_, Request::Connect(connect))) = out.packets.last() {
            starts.push(connect.clean_start);
        }
        client.receive(ConnectionId { attempt, ..LINK }, accepted(None), at(attempt.into()), &mut out);
        let mode = if attempt == 2 { DisconnectMode::Clean } else { DisconnectMode::Abort };
        client.disconnect(mode, at(attempt.into()), &mut out);
    }
    assert_eq!(starts, [true, false, true], "a clean disconnect ends the session");
}

/// Message of the device with this number.
fn numbered(sequence: u64, payload: &'static str) -> Message {
    let from = DeviceId::new("device").unwrap();
    let origin =
        MessageOrigin { from, sequence, sent: WallTime::default(), late: Duration::ZERO, is_claimed: false };
    Message { origin: Some(Arc::new(origin)), ..message(payload, Qos::AtLeastOnce) }
}

fn link(attempt: u32) -> ConnectionId {
    ConnectionId { attempt, ..LINK }
}

/// Payloads of the messages that were sent.
fn published(out: &mut Outbox) -> Vec<String> {
    let packets = std::mem::take(&mut out.packets);
    packets
        .into_iter()
        .filter_map(|(_, request)| match request {
            Request::Publish(publish) => Some(String::from_utf8_lossy(&publish.message.payload).into_owned()),
            _ => None,
        })
        .collect()
}

/// CONNACK with the session of the last connection.
fn resumed() -> Reply {
    match accepted(None) {
        Reply::ConnAck(connack) => Reply::ConnAck(ConnAck { session_present: true, ..connack }),
        other => other,
    }
}

/// Opens a connection and, as far as the client tests it, answers the ping.
fn open(client: &mut Client, attempt: u32, now: Time, out: &mut Outbox) {
    client.connect(None, now, out);
    client.receive(link(attempt), resumed(), now, out);
    client.wake(now, out);
    if out.packets.iter().any(|(_, request)| matches!(request, Request::PingReq)) {
        assert_eq!(published(out), [""; 0], "the test comes first");
        client.receive(link(attempt), Reply::PingResp, now, out);
    }
}

fn unexplained() -> Disconnection {
    Disconnection::unexplained("b:1883 closed the connection")
}

#[test]
fn a_message_that_ends_three_tested_connections_is_given_up() {
    let answer = NegativeAnswer::new(AnswerPacket::Disconnect, 0x95);
    let blamed = Disconnection::by_broker("the broker ended the connection", answer);
    for (end, text) in
        [(unexplained(), "given up a"), (blamed, "given up a: DISCONNECT 0x95 packet too large")]
    {
        let (mut client, mut out) = client(3_600);
        open(&mut client, 1, Time::ZERO, &mut out);
        for (number, payload) in [(1, "a"), (2, "b"), (3, "c")] {
            client.publish(numbered(number, payload), Time::ZERO, &mut out);
        }
        assert_eq!(published(&mut out), ["a", "b", "c"]);
        client.connection_lost(end.clone(), at(1), &mut out);
        for attempt in 2..=4 {
            assert!(!events(&mut out).iter().any(|event| event.starts_with("given up")));
            open(&mut client, attempt, at(attempt.into()), &mut out);
            assert_eq!(published(&mut out), ["a"], "one at a time");
            client.connection_lost(end.clone(), at(attempt.into()), &mut out);
        }
        assert_eq!(events(&mut out)[1], text);
        open(&mut client, 5, at(5), &mut out);
        assert_eq!(published(&mut out), ["b", "c"], "the others flow");
    }
}

/// Ends with another cause, and ends of connections that have not been tested.
#[test]
fn a_message_is_not_blamed_for_ends_with_another_cause() {
    let by_broker =
        |code| Disconnection::by_broker("ended", NegativeAnswer::new(AnswerPacket::Disconnect, code));
    let other_cause = [by_broker(0x8B), by_broker(0x8E), by_broker(0x89), "no answer".into()];
    let cases = other_cause.map(|end| (end, true)).into_iter().chain([(unexplained(), false)]);
    for (end, answers_ping) in cases {
        let (mut client, mut out) = client(3_600);
        open(&mut client, 1, Time::ZERO, &mut out);
        client.publish(numbered(1, "a"), Time::ZERO, &mut out);
        assert_eq!(published(&mut out), ["a"]);
        client.connection_lost(unexplained(), at(1), &mut out);
        for attempt in 2..20 {
            let now = at(u64::from(attempt) * 60);
            if answers_ping {
                open(&mut client, attempt, now, &mut out);
                assert_eq!(published(&mut out), ["a"]);
            } else {
                client.connect(None, now, &mut out);
                client.receive(link(attempt), resumed(), now, &mut out);
            }
            client.connection_lost(end.clone(), now, &mut out);
        }
        let events = events(&mut out);
        assert!(!events.iter().any(|event| event.starts_with("given up")), "{events:?}");
    }
}

/// A connection that has stood for a while does not end early.
#[test]
fn an_end_after_half_a_minute_blames_nothing() {
    let (mut client, mut out) = client(3_600);
    for attempt in 1..10_u32 {
        let now = at(u64::from(attempt) * 60);
        open(&mut client, attempt, now, &mut out);
        if attempt == 1 {
            client.publish(numbered(1, "a"), now, &mut out);
        }
        client.connection_lost(unexplained(), at(u64::from(attempt) * 60 + 30), &mut out);
    }
    let events = events(&mut out);
    assert!(
        events.iter().all(|event| event == "connected" || event == "b:1883 closed the connection"),
        "{events:?}"
    );
}

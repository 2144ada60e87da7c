//! Tests of the broker model only.

use std::num::NonZeroU16;
use std::time::Duration;

use wasmote_mqtt::broker::counters::DropReason;
use wasmote_mqtt::broker::limits::BrokerLimits;
use wasmote_mqtt::broker::packet::{AckStep, Connect, PacketId, Publish, Reply, Request};
use wasmote_mqtt::broker::reason::{AckReason, CloseReason, ConnectRefusal, SubscribeRefusal};
use wasmote_mqtt::broker::{Broker, Replies};
use wasmote_mqtt::message::Will;
use wasmote_mqtt::protocol::Protocol;
use wasmote_mqtt::time::Time;

use super::clients::{AckPolicy, ScenarioClients, at, lasting, message};
use super::in_process::InProcess;

fn handle(broker: &mut Broker<u32>, from: u32, request: Request, now: Time) -> Replies<u32> {
    let mut replies = Vec::new();
    broker.handle(from, request, now, &mut replies);
    replies
}

fn connect(broker: &mut Broker<u32>, from: u32, connect: Connect, now: Time) -> Replies<u32> {
    handle(broker, from, Request::Connect(Box::new(connect)), now)
}

/// [MQTT-3.1.2-22]: exactly one and a half times the keepalive after the last packet.
#[test]
fn keepalive_timeouts_are_exact_to_the_nanosecond() {
    let mut broker = Broker::new(BrokerLimits::default());
    connect(&mut broker, 1, Connect { keep_alive: 5, ..Connect::new("device") }, Time::ZERO);
    let last_heard = Time::from_nanos(3_000_000_007);
    handle(&mut broker, 1, Request::PingReq, last_heard);
    let due = last_heard + Duration::from_millis(7_500);
    let mut woken = Vec::new();
    let mut replies = Vec::new();
    while replies.is_empty() {
        let at = broker.next_deadline().expect("a keepalive timeout");
        broker.wake(at, &mut replies);
        woken.push(at);
    }
    assert_eq!(woken.last(), Some(&due));
    assert_eq!(replies, [(1, Reply::Close(CloseReason::KeepAliveTimeout))]);
    assert_eq!(broker.next_deadline(), None);
}

/// The will delay starts at the keepalive timeout, not at the last packet [MQTT-3.1.3-9].
#[test]
fn will_delays_and_session_ends_are_exact_to_the_nanosecond() {
    let mut broker = Broker::new(BrokerLimits::default());
    let will = Will { message: message("state", "offline", 0), delay: 4 };
    let start = Time::from_nanos(17);
    let how = Connect { keep_alive: 2, session_expiry: 9, will: Some(will), ..Connect::new("device") };
    connect(&mut broker, 1, how, start);
    let noticed = start + Duration::from_secs(3);
    let mut replies = Vec::new();
    for due in [noticed, noticed + Duration::from_secs(4), noticed + Duration::from_secs(9)] {
        assert_eq!(broker.next_deadline(), Some(due));
        broker.wake(due, &mut replies);
    }
    assert_eq!(broker.next_deadline(), None);
    assert_eq!((broker.counters().wills, broker.stats().sessions), (1, 0));
}

/// [MQTT-3.1.0-1], [MQTT-3.1.0-2]
#[test]
fn the_first_packet_is_connect_and_no_other_is() {
    let mut broker = Broker::new(BrokerLimits::default());
    let refused = [(1, Reply::Close(CloseReason::ProtocolError))];
    assert_eq!(handle(&mut broker, 1, Request::PingReq, Time::ZERO), refused);
    connect(&mut broker, 1, Connect::new("device"), Time::ZERO);
    assert_eq!(connect(&mut broker, 1, Connect::new("device"), Time::ZERO), refused);
    assert!(!broker.is_connected(1));
}

/// [MQTT-3.1.3-6], and [MQTT-3.1.3-8] of 3.1.1.
#[test]
fn a_client_without_an_identifier_is_assigned_one_or_refused() {
    let mut broker = Broker::new(BrokerLimits::default());
    let mut names = Vec::new();
    for connection in 0..2 {
        match &connect(&mut broker, connection, Connect::new(""), Time::ZERO)[..] {
            [(_, Reply::ConnAck(accepted))] => {
                names.push(accepted.assigned_client_id.clone().expect("a name"))
            }
            other => panic!("{other:?}"),
        }
    }
    assert_ne!(names[0], names[1]);
    let nameless = Connect { protocol: Protocol::V4, clean_start: false, ..Connect::new("") };
    let refused = [(9, Reply::Refused(ConnectRefusal::ClientIdInvalid))];
    assert_eq!(connect(&mut broker, 9, nameless, Time::ZERO), refused);
}

/// [MQTT-3.1.2-21]: the timeout follows the keepalive of CONNACK.
#[test]
fn a_keepalive_above_the_limit_is_lowered_by_the_broker() {
    let limits = BrokerLimits { keep_alive: NonZeroU16::new(60), ..BrokerLimits::default() };
    for (wanted, announced) in [(0, Some(60)), (59, None), (60, None), (61, Some(60))] {
        let mut broker = Broker::new(limits.clone());
        let how = Connect { keep_alive: wanted, ..Connect::new("device") };
        let Reply::ConnAck(accepted) = &connect(&mut broker, 1, how, Time::ZERO)[0].1 else { panic!() };
        assert_eq!(accepted.server_keep_alive, announced);
        let patience = Duration::from_millis(1_500) * u32::from(announced.unwrap_or(wanted));
        assert_eq!(broker.next_deadline(), Some(Time::ZERO + patience));
    }
}

/// Publications of clients under `$SYS` are neither delivered nor retained.
#[test]
fn clients_cannot_publish_under_sys() {
    let mut broker = Broker::new(BrokerLimits::default());
    connect(&mut broker, 1, Connect::new("device"), Time::ZERO);
    for (qos, step) in [(1, AckStep::PubAck), (2, AckStep::PubRec)] {
        let publication = message("$SYS/broker/uptime", "for ever", qos).with_retain(true);
        let publish = Request::Publish(Publish::new(publication, PacketId::new(7)));
        match &handle(&mut broker, 1, publish, Time::ZERO)[..] {
            [(1, Reply::Ack(ack))] => assert_eq!((ack.step, ack.reason), (step, AckReason::NotAuthorized)),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(broker.stats().retained, 0);
}

/// Copies that the transport could not send are counted as dropped, so that the counts balance.
#[test]
fn copies_that_could_not_be_sent_count_as_dropped() {
    let mut in_process = InProcess::new(BrokerLimits::default());
    let mut clients = ScenarioClients::new(&mut in_process);
    clients.join("device");
    clients.subscribe("device", "t", 0);
    for n in 0..3 {
        clients.publish("device", "t", &n.to_string(), 0);
    }
    in_process.broker.record_unsent(DropReason::SlowConsumer, 2);
    let counters = in_process.broker.counters();
    assert_eq!((counters.delivered, counters.dropped(DropReason::SlowConsumer)), (1, 2));
    assert!(counters.closes(0));
}

/// [MQTT-2.2.1-3]
#[test]
fn a_message_that_needs_an_identifier_has_one() {
    let mut broker = Broker::new(BrokerLimits::default());
    connect(&mut broker, 1, Connect::new("device"), Time::ZERO);
    let publish = Request::Publish(Publish::new(message("t", "x", 1), None));
    let refused = [(1, Reply::Close(CloseReason::ProtocolError))];
    assert_eq!(handle(&mut broker, 1, publish, Time::ZERO), refused);
}

#[test]
fn a_publication_without_subscribers_has_a_reason_code() {
    let mut broker = Broker::new(BrokerLimits::default());
    connect(&mut broker, 1, Connect::new("device"), Time::ZERO);
    let publish = Request::Publish(Publish::new(message("t", "x", 1), PacketId::new(5)));
    match &handle(&mut broker, 1, publish, Time::ZERO)[..] {
        [(1, Reply::Ack(ack))] => {
            assert_eq!((ack.step, ack.reason), (AckStep::PubAck, AckReason::NoMatchingSubscribers));
        }
        other => panic!("{other:?}"),
    }
}

/// A filter has at most 200 levels.
#[test]
fn a_filter_of_too_many_levels_is_refused() {
    let mut in_process = InProcess::new(BrokerLimits::default());
    let mut clients = ScenarioClients::new(&mut in_process);
    clients.join("subscriber");
    let answer = clients.try_subscribe("subscriber", &vec!["a"; 201].join("/"), at(0), None);
    assert_eq!(answer.granted, [Err(SubscribeRefusal::TopicFilterInvalid)]);
}

/// [MQTT-3.1.4-3], [MQTT-3.3.4-9]
#[test]
fn a_closed_connection_gets_the_reason() {
    let mut broker = Broker::new(BrokerLimits::default());
    connect(&mut broker, 1, Connect::new("device"), Time::ZERO);
    let replies = connect(&mut broker, 2, Connect::new("device"), Time::ZERO);
    assert_eq!(replies[0], (1, Reply::Close(CloseReason::SessionTakenOver)));
    let mut last = Vec::new();
    for id in 1..=21 {
        let publish = Publish::new(message("t", "x", 2), PacketId::new(id));
        last = handle(&mut broker, 2, Request::Publish(publish), Time::ZERO);
    }
    assert_eq!(last, [(2, Reply::Close(CloseReason::ReceiveMaximumExceeded))]);
}

#[test]
fn every_copy_that_is_dropped_has_a_reason() {
    let mut in_process = InProcess::new(BrokerLimits::default());
    let mut clients = ScenarioClients::new(&mut in_process);
    clients.join("publisher");
    clients.connect(lasting("device"));
    clients.subscribe("device", "t", 1);
    clients.set_ack_policy("device", AckPolicy::Never);
    clients.publish("publisher", "t", "under way", 1);
    clients.lose_connection("device");
    clients.publish("publisher", "t", "nobody there", 0);
    for _ in 0..1_003 {
        clients.publish("publisher", "t", "queued", 1);
    }
    clients.wait(601);
    let counters = in_process.broker.counters();
    assert_eq!(counters.dropped(DropReason::Absent), 1);
    assert_eq!(counters.dropped(DropReason::QueueFull), 3);
    assert_eq!(counters.dropped(DropReason::SessionEnded), 1_001);
    assert!(counters.closes(0));
}

#[test]
fn a_shutdown_closes_every_connection() {
    let mut broker = Broker::new(BrokerLimits::default());
    for connection in 0..3 {
        connect(&mut broker, connection, Connect::new(format!("device-{connection}")), Time::ZERO);
    }
    let mut replies = Vec::new();
    broker.shut_down(&mut replies);
    assert_eq!(replies, [0, 1, 2].map(|id| (id, Reply::Close(CloseReason::ShuttingDown))));
}

//! Bounds of the broker's stores in bytes.

use wasmote_mqtt::broker::counters::DropReason;
use wasmote_mqtt::broker::limits::BrokerLimits;
use wasmote_mqtt::broker::packet::{
    Ack, AckStep, Connect, Disconnect, NEVER, PacketId, Publish, Reply, Request, Subscribe, SubscribeOptions,
};
use wasmote_mqtt::broker::reason::{AckReason, ConnectRefusal, SubscribeRefusal};
use wasmote_mqtt::broker::{Broker, Replies};
use wasmote_mqtt::message::{Message, Qos, Will};
use wasmote_mqtt::protocol::Protocol;
use wasmote_mqtt::time::Time;
use wasmote_mqtt::topic::{Topic, TopicFilter};

const KIB: usize = 1 << 10;

fn handle(broker: &mut Broker<u32>, from: u32, request: Request) -> Replies<u32> {
    let mut replies = Vec::new();
    broker.handle(from, request, Time::ZERO, &mut replies);
    replies
}

fn connect(broker: &mut Broker<u32>, from: u32, connect: Connect) -> Reply {
    // A takeover also closes the earlier connection.
    let replies = handle(broker, from, Request::Connect(Box::new(connect)));
    replies.into_iter().find_map(|(to, reply)| (to == from).then_some(reply)).unwrap()
}

fn message(topic: &str, bytes: usize, qos: Qos) -> Message {
    Message::new(Topic::new(topic).unwrap(), vec![b'x'; bytes]).with_qos(qos)
}

fn publish(broker: &mut Broker<u32>, from: u32, message: Message, id: u16) -> Option<Ack> {
    let packet_id = PacketId::new(id).filter(|_| message.qos != Qos::AtMostOnce);
    let replies = handle(broker, from, Request::Publish(Publish::new(message, packet_id)));
    replies.into_iter().find_map(|(to, reply)| match reply {
        Reply::Ack(ack) if to == from => Some(ack),
        _ => None,
    })
}

fn subscribe(broker: &mut Broker<u32>, from: u32, filter: &str) -> Result<Qos, SubscribeRefusal> {
    let filters = vec![(TopicFilter::new(filter).unwrap(), SubscribeOptions::at(Qos::AtLeastOnce))];
    let subscribe = Subscribe { packet_id: PacketId::MIN, identifier: None, filters };
    let replies = handle(broker, from, Request::Subscribe(subscribe));
    let answers = replies.into_iter().find_map(|(_, reply)| match reply {
        Reply::SubAck(answer) => Some(answer.granted),
        _ => None,
    });
    answers.unwrap().remove(0)
}

#[test]
fn a_full_store_of_retained_messages_refuses_on_mqtt_5_and_drops_on_3() {
    let limits = BrokerLimits { client_retained_bytes: 10 * KIB as u64, ..BrokerLimits::default() };
    let mut broker = Broker::new(limits);
    for (client, protocol) in [(1, Protocol::V5), (2, Protocol::V4)] {
        connect(&mut broker, client, Connect { protocol, ..Connect::new(format!("device-{client}")) });
        let store = |broker: &mut Broker<u32>, n: u16, qos| {
            let retained = message(&format!("c{client}/{n}"), KIB, qos).with_retain(true);
            publish(broker, client, retained, n)
        };
        for n in 1..=7 {
            let ack = store(&mut broker, n, Qos::AtLeastOnce).unwrap();
            assert!(!ack.reason.is_error(), "{n}: {ack:?}");
        }
        let before = broker.counters().refused;
        let reason = if protocol == Protocol::V5 { AckReason::QuotaExceeded } else { AckReason::Success };
        assert_eq!(store(&mut broker, 8, Qos::AtLeastOnce).unwrap().reason, reason);
        let received = store(&mut broker, 9, Qos::ExactlyOnce).unwrap();
        assert_eq!((received.step, received.reason), (AckStep::PubRec, reason));
        assert_eq!(store(&mut broker, 10, Qos::AtMostOnce), None);
        assert_eq!(broker.counters().refused - before, 3, "every refusal is counted");
        assert!(broker.retained(&Topic::new(format!("c{client}/8")).unwrap()).is_none());
    }
    // An error in PUBREC ended the exchange, so the identifier is free.
    let release = Request::Ack(Ack::new(AckStep::PubRel, PacketId::new(9).unwrap()));
    match &handle(&mut broker, 1, release)[..] {
        [(1, Reply::Ack(ack))] => assert_eq!(ack.reason, AckReason::PacketIdNotFound),
        other => panic!("{other:?}"),
    }
    let stats = broker.stats();
    assert_eq!((stats.retained, stats.bytes.retained.refused), (14, 6));
    assert!(stats.bytes.retained.used <= 2 * 10 * KIB as u64);
}

#[test]
fn the_queue_of_a_client_is_bounded_in_bytes_and_a_message_counts_once_for_all() {
    let limits = BrokerLimits {
        queued_bytes: 64 * KIB as u64,
        stored_bytes: 200 * KIB as u64,
        ..BrokerLimits::default()
    };
    let mut broker = Broker::new(limits);
    connect(&mut broker, 0, Connect::new("publisher"));
    for client in 1..=50 {
        let lasting = Connect { session_expiry: NEVER, ..Connect::new(format!("subscriber-{client}")) };
        connect(&mut broker, client, lasting);
        subscribe(&mut broker, client, "t/+").unwrap();
        handle(&mut broker, client, Request::Lost);
    }
    for n in 1..=100 {
        publish(&mut broker, 0, message("t/x", 10 * KIB, Qos::AtLeastOnce), n);
    }
    let stats = broker.stats();
    assert_eq!(stats.waiting, 50 * 6, "six messages of 10 KiB for each");
    assert!(stats.bytes.stored.used <= 70 * KIB as u64, "the subscribers share them: {:?}", stats.bytes);
    let counters = broker.counters();
    assert_eq!(counters.dropped(DropReason::QueueFull), 50 * 94);
    assert!(counters.closes(stats.waiting));
    broker.clear_state();
    assert_eq!(broker.stats().bytes.stored.used, 0, "all bytes return");
}

#[test]
fn the_messages_of_all_clients_are_bounded_in_bytes() {
    let limits = BrokerLimits { stored_bytes: 100 * KIB as u64, ..BrokerLimits::default() };
    let mut broker = Broker::new(limits);
    connect(&mut broker, 0, Connect::new("publisher"));
    for client in 1..=20 {
        connect(
            &mut broker,
            client,
            Connect { session_expiry: NEVER, ..Connect::new(format!("subscriber-{client}")) },
        );
        subscribe(&mut broker, client, &format!("t/{client}")).unwrap();
        handle(&mut broker, client, Request::Lost);
        publish(&mut broker, 0, message(&format!("t/{client}"), 10 * KIB, Qos::AtLeastOnce), 1);
    }
    let stats = broker.stats();
    assert_eq!(stats.waiting, 9);
    assert_eq!(broker.counters().dropped(DropReason::BrokerFull), 11);
    assert!(broker.counters().closes(stats.waiting));
    // A message larger than the queue of a client passes an empty queue.
    let mut broker = Broker::new(BrokerLimits { queued_bytes: 1_000, ..BrokerLimits::default() });
    connect(&mut broker, 0, Connect::new("both"));
    subscribe(&mut broker, 0, "t").unwrap();
    publish(&mut broker, 0, message("t", 10 * KIB, Qos::AtLeastOnce), 1);
    assert_eq!(broker.stats().waiting, 1);
}

#[test]
fn the_subscriptions_of_a_client_are_bounded_in_bytes() {
    let limits = BrokerLimits { client_subscription_bytes: 100 * KIB as u64, ..BrokerLimits::default() };
    let mut broker = Broker::new(limits);
    connect(&mut broker, 1, Connect::new("hostile"));
    connect(&mut broker, 2, Connect::new("honest"));
    // Each level may need a node, so a filter with many levels takes more than its text.
    let deep = |n: u32| format!("{n}/{}", vec!["a"; 190].join("/"));
    assert_eq!(subscribe(&mut broker, 1, &deep(1)), Ok(Qos::AtLeastOnce));
    assert_eq!(subscribe(&mut broker, 1, &deep(1)), Ok(Qos::AtLeastOnce), "it exists");
    assert_eq!(subscribe(&mut broker, 1, &deep(2)), Err(SubscribeRefusal::QuotaExceeded));
    assert_eq!(subscribe(&mut broker, 2, &deep(2)), Ok(Qos::AtLeastOnce), "others have their own");
    let stats = broker.stats();
    assert_eq!((stats.subscriptions, stats.bytes.subscriptions.refused), (2, 1));
    handle(&mut broker, 1, Request::Lost);
    handle(&mut broker, 2, Request::Lost);
    assert_eq!(broker.stats().bytes.subscriptions.used, 0);
}

#[test]
fn sessions_and_wills_are_bounded_in_bytes() {
    let mut broker = Broker::new(BrokerLimits { session_bytes: 20 * KIB as u64, ..BrokerLimits::default() });
    let lasting = |n: u32| Connect { session_expiry: NEVER, ..Connect::new(format!("client-{n}")) };
    let accepted = (0..100)
        .filter(|n| {
            let answer = connect(&mut broker, *n, lasting(*n));
            assert!(
                matches!(answer, Reply::ConnAck(_) | Reply::Refused(ConnectRefusal::QuotaExceeded)),
                "{answer:?}"
            );
            matches!(answer, Reply::ConnAck(_))
        })
        .count();
    assert_eq!(accepted, 19);
    // A client with a session can always come back, but not with a large will.
    assert!(matches!(connect(&mut broker, 200, lasting(3)), Reply::ConnAck(_)));
    let will = Some(Will { message: message("w", 8 * KIB, Qos::AtMostOnce), delay: 0 });
    let answer = connect(&mut broker, 201, Connect { will, ..lasting(4) });
    assert_eq!(answer, Reply::Refused(ConnectRefusal::QuotaExceeded));
    assert_eq!(broker.stats().bytes.sessions.refused, 81 + 1);
}

/// The bytes of a will return when it is published, and when it cannot be published any more.
#[test]
fn the_bytes_of_a_will_return_with_the_will_and_not_with_the_session() {
    let mut broker = Broker::new(BrokerLimits::default());
    let used = |broker: &Broker<u32>| broker.stats().bytes.sessions.used;
    let lasting = |will: Option<Will>| Connect {
        session_expiry: NEVER,
        clean_start: false,
        will,
        ..Connect::new("device")
    };
    let will = |delay| Some(Will { message: message("w", 8 * KIB, Qos::AtMostOnce), delay });
    connect(&mut broker, 1, lasting(None));
    let without = used(&broker);
    // Cancelled by DISCONNECT, published at once, published after its delay, and cancelled by the next connection.
    connect(&mut broker, 2, lasting(will(0)));
    assert!(used(&broker) > without + 8 * KIB as u64);
    handle(&mut broker, 2, Request::Disconnect(Disconnect::default()));
    assert_eq!(used(&broker), without, "DISCONNECT cancels the will");
    connect(&mut broker, 3, lasting(will(0)));
    handle(&mut broker, 3, Request::Lost);
    assert_eq!((used(&broker), broker.counters().wills), (without, 1));
    connect(&mut broker, 4, lasting(will(5)));
    handle(&mut broker, 4, Request::Lost);
    assert!(used(&broker) > without, "the will waits for its delay");
    broker.wake(Time::ZERO + std::time::Duration::from_secs(5), &mut Vec::new());
    assert_eq!((used(&broker), broker.counters().wills), (without, 2));
    connect(&mut broker, 5, lasting(will(5)));
    handle(&mut broker, 5, Request::Lost);
    connect(&mut broker, 6, lasting(None));
    assert_eq!((used(&broker), broker.counters().wills), (without, 2));
}

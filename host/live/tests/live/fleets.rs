//! Fleets of many devices, and the calls of the fleet's handle.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use wasmote_live::broker::EmbeddedBroker;
use wasmote_live::config::{ConnectionOptions, FleetConfig};
use wasmote_live::events::{EventFilter, EventReceiver};
use wasmote_live::fleet::{Fleet, FleetError};
use wasmote_mqtt::message::Qos;
use wasmote_mqtt::protocol::Protocol;
use wasmote_mqtt::topic::TopicFilter;
use wasmote_sim::context::Context;
use wasmote_sim::device::Blueprint;
use wasmote_sim::event::Event;
use wasmote_sim::http::{HttpFailure, HttpRequest, HttpResponse};
use wasmote_sim::notice::DeviceNotice;

use crate::support::device::{PROTOCOLS, check_ledgers, device, message, start};
use crate::support::mosquitto_clients::Subscriber;
use crate::support::server::{Kind, Server, options};
use crate::support::{eventually, on_all_brokers};

on_all_brokers!(three_hundred_devices_receive_each_others_messages, a_fleet_answers_while_it_starts);

/// Device that subscribes to all devices and publishes one message on command.
fn broadcaster(number: usize) -> Blueprint {
    device(&format!("d-{number}"), PROTOCOLS[number % 2], |_| {
        |event: Event, context: &mut Context| {
            if let Event::Started(_) = event {
                context.subscribe(TopicFilter::new("t/word/+").unwrap(), Qos::AtLeastOnce).unwrap();
                context.subscribe(TopicFilter::new("~t/begin").unwrap(), Qos::AtLeastOnce).unwrap();
            }
            if let Event::Message(received) = event {
                if received.topic.as_str() == "~t/begin" {
                    let topic = format!("t/word/{}", context.identity().id);
                    context.publish(message(&topic, "word").with_qos(Qos::AtLeastOnce)).unwrap();
                } else {
                    context.count("received", 1.0).unwrap();
                }
            }
            Ok(())
        }
    })
}

async fn three_hundred_devices_receive_each_others_messages(kind: Kind) {
    every_device_receives_from_every_other(kind, 300).await;
}

/// Every device publishes one message, and every device receives all of them.
pub async fn every_device_receives_from_every_other(kind: Kind, devices: usize) {
    let server = Server::start(kind).await;
    let mut subscriber = Subscriber::start(server.port(), "t/word/+").await;
    // Two cores under this load may not serve every connection within the shortest keepalive.
    let long_keepalive = ConnectionOptions { keepalive: Duration::from_secs(60), ..options() };
    let fleet = start(&server, long_keepalive, (0..devices).map(broadcaster).collect());
    eventually("all connections", || async { fleet.is_ready().then_some(()) }).await;
    // Retained, so that it also reaches devices whose subscription is still in flight.
    crate::support::mosquitto_clients::publish(server.port(), "~t/begin", "now", &["-r", "-q", "1"]).await;
    for _ in 0..devices {
        subscriber.wait_for("a message", |line| line.ends_with("|word")).await;
    }
    // Each device receives the command and all messages, including its own.
    let expected = (devices * devices + devices) as u64;
    eventually("every message to reach every device", || async {
        (fleet.totals().await.unwrap().ledger.received >= expected).then_some(())
    })
    .await;
    check_ledgers(&fleet).await;
    let totals = fleet.shutdown(Duration::from_secs(20)).await;
    assert_eq!(totals.ledger.refused.total() + totals.ledger.lost_offline, 0);
    assert_eq!(
        (totals.devices.total, totals.connects, totals.ledger.received),
        (devices as u64, devices as u64, expected)
    );
}

async fn a_fleet_answers_while_it_starts(kind: Kind) {
    let server = Server::start(kind).await;
    let devices: Vec<_> = (0..40).map(broadcaster).collect();
    let fleet_config = FleetConfig {
        devices,
        broker: server.url(),
        embedded_broker: server.handle(),
        connection: server.trusted(options()),
        start_rate: Some(20.0),
    };
    let began = Instant::now();
    let fleet = Fleet::start(fleet_config);
    let running = fleet.totals().await.unwrap().devices.running;
    let most = 1.0 + 20.0 * began.elapsed().as_secs_f64();
    assert!(running as f64 <= most, "{running} devices were started, more than {most}");
    let statuses = fleet.statuses(35..100).await.unwrap();
    let names: Vec<_> = statuses.iter().map(|status| status.identity.id.as_str()).collect();
    assert_eq!(names, ["d-35", "d-36", "d-37", "d-38", "d-39"]);
    // A device that waits for its start time can be started on command.
    fleet.power("d-39", wasmote_live::fleet::PowerCommand::Start).await.unwrap();
    assert!(fleet.status("d-39").await.unwrap().uptime.is_some());
    eventually("all connections", || async { fleet.is_ready().then_some(()) }).await;
    assert_eq!(fleet.totals().await.unwrap().devices.running, 40);
    fleet.shutdown(Duration::from_secs(10)).await;
}

fn get(url: &str) -> HttpRequest {
    HttpRequest { method: "GET".into(), url: url.into(), headers: Vec::new(), body: bytes::Bytes::new() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_answers_over_http() {
    let responder = device("responder", Protocol::V5, |_| {
        |event: Event, context: &mut Context| {
            if let Event::HttpRequest(ticket, request) = event {
                context.http_respond(ticket, HttpResponse::text(200, request.url));
            }
            Ok(())
        }
    });
    let broker = EmbeddedBroker::start(0).await.unwrap();
    let url = crate::support::server::at_port(broker.address().port());
    let fleet = start(url, options(), vec![responder]);
    eventually("the connection", || async { fleet.is_ready().then_some(()) }).await;
    let answer = fleet.http_request("responder", get("/path?query")).await.unwrap();
    assert_eq!((answer.status, &answer.body[..]), (200, &b"/path?query"[..]));
    fleet.power("responder", wasmote_live::fleet::PowerCommand::Stop).await.unwrap();
    assert_eq!(fleet.http_request("responder", get("/")).await.unwrap().status, 503);
    assert_eq!(
        fleet.http_request("missing", get("/")).await,
        Err(FleetError::UnknownDevice("missing".into()))
    );
    fleet.shutdown(Duration::from_secs(5)).await;
    assert_eq!(fleet.http_request("responder", get("/")).await, Err(FleetError::Closed));
}

/// Starts a server that answers every connection with these bytes.
async fn http_server(answer: &'static str) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    format!("http://{address}/")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn outbound_requests_come_back_as_events() {
    let (sender, mut seen) = tokio::sync::mpsc::unbounded_channel();
    let moved =
        "HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
    let large = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\nConnection: close\r\n\r\ntoo large";
    let urls = [http_server(moved).await, http_server(large).await, http_server("").await];
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent_url = format!("http://{}/", silent.local_addr().unwrap());
    let mut requester = device("requester", Protocol::V5, move |_| {
        let (sender, urls, silent_url) = (sender.clone(), urls.clone(), silent_url.clone());
        move |event: Event, context: &mut Context| {
            match event {
                Event::Started(_) => {
                    for url in &urls {
                        context.http_send(get(url), Duration::from_secs(10)).unwrap();
                    }
                    context.http_send(get(&silent_url), Duration::from_millis(100)).unwrap();
                }
                Event::HttpReply(id, reply) => sender.send((id, reply)).unwrap(),
                _ => {}
            }
            Ok(())
        }
    });
    requester.limits = Arc::new(wasmote_sim::limits::Limits { host_call_bytes: 8, ..Default::default() });
    let broker = EmbeddedBroker::start(0).await.unwrap();
    let fleet = start(crate::support::server::at_port(broker.address().port()), options(), vec![requester]);
    let mut replies = Vec::new();
    for _ in 0..4 {
        replies.push(crate::support::wait_for(&mut seen, "a reply", |_| true).await);
    }
    replies.sort_by_key(|(id, _)| *id);
    let answer = replies[0].1.as_ref().unwrap();
    assert_eq!((answer.status, &answer.body[..]), (302, &b"ok"[..]));
    assert!(answer.headers.contains(&("location".into(), "/elsewhere".into())), "{answer:?}");
    assert_eq!(replies[1].1, Err(HttpFailure::TooLarge(8)));
    assert!(matches!(replies[2].1, Err(HttpFailure::Unreachable(_))), "{:?}", replies[2]);
    assert_eq!(replies[3].1, Err(HttpFailure::TimedOut));
    fleet.shutdown(Duration::from_secs(5)).await;
    broker.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_receiver_gets_the_devices_events() {
    let broker = EmbeddedBroker::start(0).await.unwrap();
    let fleet =
        start(crate::support::server::at_port(broker.address().port()), options(), vec![broadcaster(1)]);
    let mut events = fleet.events(EventFilter::All);
    eventually("the connection", || async { fleet.is_ready().then_some(()) }).await;
    fleet.publish("d-1", message("t/word/d-1", "word")).await.unwrap();
    let received = async {
        loop {
            let device_event = events.recv().await.unwrap();
            if let DeviceNotice::Received(topic, ..) = &device_event.notice {
                return (device_event.device.id.to_string(), topic.to_string());
            }
        }
    };
    let received = tokio::time::timeout(crate::support::TIMEOUT, received).await.unwrap();
    assert_eq!(received, ("d-1".into(), "t/word/d-1".into()));
    fleet.shutdown(Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_notable_filter_leaves_out_messages() {
    let broker = EmbeddedBroker::start(0).await.unwrap();
    let fleet =
        start(crate::support::server::at_port(broker.address().port()), options(), vec![broadcaster(1)]);
    let (mut notable, mut everything) = (fleet.events(EventFilter::Notable), fleet.events(EventFilter::All));
    eventually("the connection", || async { fleet.is_ready().then_some(()) }).await;
    fleet.publish("d-1", message("t/word/d-1", "word")).await.unwrap();
    fleet.shutdown(Duration::from_secs(5)).await;
    let kinds = |receiver: &mut EventReceiver| {
        let mut notices = Vec::new();
        while let Ok(device_event) = receiver.try_recv() {
            notices.push(device_event.notice.clone());
        }
        let messages =
            |notice: &&DeviceNotice| matches!(notice, DeviceNotice::Sent(..) | DeviceNotice::Received(..));
        let stopped = notices.iter().any(|notice| matches!(notice, DeviceNotice::Stopped(_)));
        (notices.iter().filter(messages).count() > 0, stopped)
    };
    assert_eq!(kinds(&mut everything), (true, true));
    assert_eq!(kinds(&mut notable), (false, true));
    broker.shutdown().await;
}

/// On Linux every address in 127.0.0.0/8 is local.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn devices_connect_from_the_addresses_that_are_named_in_turn() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let sources: Vec<IpAddr> = vec!["127.0.0.2".parse().unwrap(), "127.0.0.3".parse().unwrap()];
    let connection = ConnectionOptions { sources: sources.clone(), ..options() };
    let devices = (1..=8).map(broadcaster).collect();
    let broker = crate::support::server::at_port(listener.local_addr().unwrap().port());
    let fleet = start(broker, connection, devices);
    let mut peer_addresses = Vec::new();
    let mut streams = Vec::new();
    for _ in 0..8 {
        let accepted = tokio::time::timeout(crate::support::TIMEOUT, listener.accept()).await;
        let (stream, peer) = accepted.unwrap().unwrap();
        peer_addresses.push(peer.ip());
        streams.push(stream);
    }
    for source in sources {
        assert_eq!(peer_addresses.iter().filter(|peer| **peer == source).count(), 4, "{peer_addresses:?}");
    }
    fleet.shutdown(Duration::from_secs(1)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_occupied_port_leads_to_the_next() {
    let first = EmbeddedBroker::start(0).await.unwrap();
    let second = EmbeddedBroker::start(first.address().port()).await.unwrap();
    assert!(second.address().port() > first.address().port());
    assert!(second.address().ip().is_loopback());
}

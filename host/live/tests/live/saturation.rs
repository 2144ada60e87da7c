//! Load beyond what a shard or a connection takes: several messages share a write, and a full socket holds up only its own
//! device.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use wasmote_live::fleet::Fleet;
use wasmote_live::status::Totals;
use wasmote_mqtt::message::Qos;
use wasmote_mqtt::protocol::Protocol;
use wasmote_mqtt::time::Time;
use wasmote_sim::context::Context;
use wasmote_sim::device::Blueprint;
use wasmote_sim::event::{ConnectionChange, Event};
use wasmote_sim::limits::Limits;

use crate::support::device::{check_ledgers, device, message, start};
use crate::support::eventually;
use crate::support::scripted_broker::packet;
use crate::support::server::{at_port, options};

/// Broker that reads and acknowledges as a test permits, and records the payloads of each client in order.
struct Peer {
    port: u16,
    payloads: Arc<Mutex<BTreeMap<String, Vec<u64>>>>,
    permits: watch::Sender<Permits>,
}

/// What a peer does.
#[derive(Clone, Copy, Default)]
struct Permits {
    /// Whether it reads from the clients whose names begin with `slow`.
    reads_slow: bool,
    /// Whether it acknowledges messages.
    acknowledges: bool,
}

impl Peer {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (payloads, (permits, permitted)) = (Arc::default(), watch::channel(Permits::default()));
        let recorded = Arc::clone(&payloads);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&recorded), permitted.clone()));
            }
        });
        Self { port, payloads, permits }
    }

    /// Numbers of the messages that a client has sent.
    fn numbers(&self, client: &str) -> Vec<u64> {
        self.payloads.lock().unwrap().get(client).cloned().unwrap_or_default()
    }

    fn received(&self) -> u64 {
        self.payloads.lock().unwrap().values().map(|numbers| numbers.len() as u64).sum()
    }
}

/// Serves a client on MQTT 3.1.1. Returns at the end of the connection.
async fn serve(
    stream: TcpStream,
    payloads: Arc<Mutex<BTreeMap<String, Vec<u64>>>>,
    mut permitted: watch::Receiver<Permits>,
) -> Option<()> {
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    let (_, connect) = packet(&mut reader).await?;
    let client = String::from_utf8(connect[12..].to_vec()).ok()?;
    writer.write_all(&[0x20, 2, 0, 0]).await.ok()?;
    let (answers, mut acks) = mpsc::unbounded_channel::<[u8; 4]>();
    let mut may_acknowledge = permitted.clone();
    tokio::spawn(async move {
        may_acknowledge.wait_for(|permits| permits.acknowledges).await.ok()?;
        while let Some(ack) = acks.recv().await {
            writer.write_all(&ack).await.ok()?;
        }
        Some(())
    });
    if client.starts_with("slow") {
        permitted.wait_for(|permits| permits.reads_slow).await.ok()?;
    }
    while let Some((first, body)) = packet(&mut reader).await {
        if first >> 4 != 3 {
            continue;
        }
        let topic = usize::from(u16::from_be_bytes([body[0], body[1]]));
        let has_id = first >> 1 & 3 > 0;
        let payload = &body[2 + topic + if has_id { 2 } else { 0 }..];
        let digits = payload.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let number = std::str::from_utf8(&payload[..digits]).ok()?.parse().ok()?;
        payloads.lock().unwrap().entry(client.clone()).or_default().push(number);
        if has_id {
            answers.send([0x40, 2, body[2 + topic], body[3 + topic]]).ok()?;
        }
    }
    Some(())
}

/// Device that publishes a numbered message of this size every millisecond while it is connected.
fn publisher(name: &str, size: usize, qos: Qos) -> Blueprint {
    let mut blueprint = device(name, Protocol::V4, move |_| {
        let (mut number, mut next) = (0, Time::ZERO);
        move |event: Event, context: &mut Context| {
            match event {
                Event::Connection(ConnectionChange::Up { .. }) => next = context.now(),
                Event::Timer(_) => {
                    number += 1;
                    let payload = format!("{:.<size$}", format!("{number} "));
                    context.publish(message("t/load", &payload).with_qos(qos)).unwrap();
                    next = next + Duration::from_millis(1);
                }
                _ => return Ok(()),
            }
            context.set_timer(1, next).unwrap();
            Ok(())
        }
    });
    blueprint.limits = Arc::new(Limits { publishes_per_second: 0, ..Limits::default() });
    blueprint
}

/// Counts of one device.
async fn totals_of(fleet: &Fleet, index: usize) -> Totals {
    fleet.statuses(index..index + 1).await.unwrap().remove(0).totals
}

fn assert_in_order(numbers: &[u64], client: &str) {
    assert!(numbers.is_sorted_by(|one, next| one < next), "{client}: {numbers:?}");
}

/// All timers of all devices are due at once, so each shard is late by thousands of calls.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_of_a_device_that_is_late_share_a_write() {
    const DEVICES: usize = 200;
    const TIMERS: u32 = 60;
    let peer = Peer::start().await;
    let due = Time::ZERO + Duration::from_secs(2);
    let bursting = |number: usize| {
        device(&format!("d-{number}"), Protocol::V4, move |_| {
            move |event: Event, context: &mut Context| {
                match event {
                    Event::Connection(_) => {
                        (1..=TIMERS).for_each(|token| context.set_timer(token, due).unwrap());
                    }
                    Event::Timer(token) => {
                        context.publish(message("t/burst", &format!("{token} "))).unwrap();
                    }
                    _ => {}
                }
                Ok(())
            }
        })
    };
    let fleet = start(at_port(peer.port), options(), (0..DEVICES).map(bursting).collect());
    let all = DEVICES as u64 * u64::from(TIMERS);
    let writes = eventually("all messages", || async {
        let totals = fleet.totals().await.unwrap();
        (totals.ledger.sent == all).then_some(totals.socket_writes.writes)
    })
    .await;
    // Each device also writes CONNECT.
    assert!((writes - DEVICES as u64) * 4 < all, "{writes} writes for {all} messages");
    eventually("their arrival", || async { (peer.received() == all).then_some(()) }).await;
    let expected: Vec<u64> = (1..=u64::from(TIMERS)).collect();
    (0..DEVICES).for_each(|number| assert_eq!(peer.numbers(&format!("d-{number}")), expected, "d-{number}"));
    check_ledgers(&fleet).await;
    fleet.shutdown(Duration::from_secs(10)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_does_not_read_holds_up_only_its_own_device() {
    const OTHERS: usize = 15;
    let peer = Peer::start().await;
    let others: Vec<String> = (0..OTHERS).map(|number| format!("other-{number}")).collect();
    let mut devices = vec![publisher("slow", 16 << 10, Qos::AtMostOnce)];
    devices.extend(others.iter().map(|name| publisher(name, 100, Qos::AtMostOnce)));
    let fleet = start(at_port(peer.port), options(), devices);
    eventually("a full socket", || async {
        (totals_of(&fleet, 0).await.ledger.refused.queue_full > 0).then_some(())
    })
    .await;
    let (before, waits) = (peer.received(), fleet.totals().await.unwrap().socket_writes.waits);
    let refused = eventually("further messages of all devices", || async {
        let refused = totals_of(&fleet, 0).await.ledger.refused.queue_full;
        let all_go_on =
            others.iter().all(|name| peer.numbers(name).len() as u64 > before / OTHERS as u64 + 300);
        (all_go_on && refused > 300).then_some(refused)
    })
    .await;
    // A full socket is not tried again for each message, whose queue would be encoded each time.
    let tried = fleet.totals().await.unwrap().socket_writes.waits - waits;
    assert!(tried < refused / 10, "{tried} attempts for {refused} refused messages");
    // The queue, and a message that is partly written.
    let waiting = totals_of(&fleet, 0).await.in_flight;
    assert!(waiting <= 101, "{waiting} messages wait for the socket");
    let in_buffers = totals_of(&fleet, 0).await.ledger.sent * (16 << 10);
    assert!(in_buffers < 2 << 20, "{in_buffers} bytes are in the buffers of the system");
    check_ledgers(&fleet).await;

    // The socket works again, with the messages that were not refused, in order.
    peer.permits.send_modify(|permits| permits.reads_slow = true);
    let last = refused + 1_000;
    eventually("newer messages of the slow connection", || async {
        peer.numbers("slow").last().is_some_and(|number| *number > last).then_some(())
    })
    .await;
    let ledger = fleet.shutdown(Duration::from_secs(20)).await.ledger;
    eventually("all that was sent", || async { (peer.received() == ledger.sent).then_some(()) }).await;
    others
        .iter()
        .map(String::as_str)
        .chain(["slow"])
        .for_each(|name| assert_in_order(&peer.numbers(name), name));
    assert_eq!(ledger.generated, ledger.sent + ledger.refused.queue_full + ledger.lost_offline);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_window_without_acknowledgements_holds_all_further_messages_back() {
    let peer = Peer::start().await;
    let fleet = start(at_port(peer.port), options(), vec![publisher("d", 100, Qos::AtLeastOnce)]);
    let refused = || async {
        let ledger = fleet.totals().await.unwrap().ledger;
        (ledger.refused.queue_full > 200).then_some(ledger)
    };
    let ledger = eventually("refused messages", refused).await;
    let window: Vec<u64> = (1..=20).collect();
    assert_eq!((ledger.sent, peer.numbers("d")), (0, window));
    peer.permits.send_modify(|permits| permits.acknowledges = true);
    eventually("later messages", || async { (peer.numbers("d").len() > 500).then_some(()) }).await;
    check_ledgers(&fleet).await;
    let ledger = fleet.shutdown(Duration::from_secs(20)).await.ledger;
    assert_eq!(ledger.sent, peer.received());
    assert_in_order(&peer.numbers("d"), "d");
}

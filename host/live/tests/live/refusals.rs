//! Refused connections, messages and subscriptions, and behaviours that refuse to start.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::broadcast::error::TryRecvError;
use tokio::sync::mpsc;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Metadata, Subscriber};
use wasmote_live::config::{ConnectionOptions, FleetConfig};
use wasmote_live::events::EventFilter;
use wasmote_live::fleet::{Fleet, FleetError};
use wasmote_mqtt::message::Qos;
use wasmote_mqtt::protocol::Protocol;
use wasmote_mqtt::topic::TopicFilter;
use wasmote_sim::context::{Context, LogLevel};
use wasmote_sim::device::{Blueprint, ConnectionState};
use wasmote_sim::event::Event;
use wasmote_sim::ledger::{Ledger, RefusedMessages};
use wasmote_sim::limits::Limits;
use wasmote_sim::notice::{DeviceNotice, DropCause};

use crate::support::device::{PROTOCOLS, check_ledgers, device, listener, message, start};
use crate::support::mosquitto::{Mosquitto, free_port};
use crate::support::scripted_broker::{Answers, ScriptedBroker};
use crate::support::server::{at_port, options};
use crate::support::{eventually, wait_for};

/// Waits until a device is down and returns the reason.
pub async fn why_down(fleet: &Fleet, id: &str) -> String {
    eventually("a refusal", || async {
        match fleet.status(id).await.unwrap().link {
            ConnectionState::Down(why) if why != "not started" => Some(why),
            _ => None,
        }
    })
    .await
}

/// Configuration lines and files for a Mosquitto with one user.
pub fn passwords() -> (&'static str, [(&'static str, Vec<u8>); 2]) {
    let passwords = tempfile::tempdir().unwrap();
    let file = passwords.path().join("passwords");
    let made = std::process::Command::new("mosquitto_passwd")
        .args(["-b", "-c"])
        .arg(&file)
        .args(["someone", "right"])
        .status()
        .expect("mosquitto_passwd comes with Mosquitto");
    assert!(made.success());
    let passwords = std::fs::read(&file).unwrap();
    let access = b"user someone\ntopic readwrite #\n".to_vec();
    let lines = "allow_anonymous false\npassword_file @/passwords\nacl_file @/access";
    (lines, [("passwords", passwords), ("access", access)])
}

fn password_broker() -> Mosquitto {
    let (lines, files) = passwords();
    let files: Vec<_> = files.iter().map(|(name, content)| (*name, content.as_slice())).collect();
    Mosquitto::with(free_port(), lines, &files)
}

pub fn with_credentials(username: Option<&str>, password: Option<&str>) -> ConnectionOptions {
    ConnectionOptions { username: username.map(Into::into), password: password.map(Into::into), ..options() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_password_has_a_readable_reason() {
    let server = password_broker();
    for protocol in PROTOCOLS {
        for (username, password) in [(None, None), (Some("someone"), Some("wrong"))] {
            let device = listener("device", protocol, &[]);
            let fleet =
                start(at_port(server.port), with_credentials(username, password), vec![device.blueprint]);
            let code = if protocol == Protocol::V5 { "0x87" } else { "0x05" };
            let expected = format!(
                "127.0.0.1:{} refused the connection: not authorized; check --broker-user and --broker-password, and the \
                 broker's rules for this client (CONNACK {code})",
                server.port
            );
            assert_eq!(why_down(&fleet, "device").await, expected);
            assert!(!fleet.is_ready());
            fleet.shutdown(Duration::from_secs(5)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_right_password_connects() {
    let server = password_broker();
    for protocol in PROTOCOLS {
        let mut device = listener("device", protocol, &["t/#"]);
        let options = with_credentials(Some("someone"), Some("right"));
        let fleet = start(at_port(server.port), options, vec![device.blueprint.clone()]);
        device.ready().await;
        fleet.shutdown(Duration::from_secs(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_absent_broker_has_a_readable_reason_and_is_retried() {
    let port = free_port();
    let device = listener("device", Protocol::V5, &[]);
    let fleet = start(at_port(port), options(), vec![device.blueprint]);
    let why = why_down(&fleet, "device").await;
    assert!(why.starts_with(&format!("no connection with 127.0.0.1:{port}")), "{why}");
    let server = Mosquitto::with(port, "allow_anonymous true", &[]);
    eventually("the connection", || async { fleet.is_ready().then_some(()) }).await;
    drop(server);
    fleet.shutdown(Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fleet_is_ready_when_a_behaviour_refuses_to_start() {
    use wasmote_sim::behaviour::{Trap, TrapKind};
    let refuses = device("device", Protocol::V5, |_| {
        |_: Event, _: &mut Context| Err(Trap::new(TrapKind::Refused, "no `interval`"))
    });
    let fleet = start(at_port(free_port()), options(), vec![refuses]);
    eventually("the fleet to be ready", || async { fleet.is_ready().then_some(()) }).await;
    assert_eq!(fleet.totals().await.unwrap().devices.failed, 1);
    assert_eq!(fleet.status("missing").await.unwrap_err(), FleetError::UnknownDevice("missing".into()));
    fleet.shutdown(Duration::from_secs(5)).await;
}

/// [MQTT-3.2.2-11], [MQTT-3.2.2-14], and the maximum packet size: the connection stays up, and later messages
/// arrive.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_publish_beyond_the_brokers_limits_is_refused_locally() {
    let lines = "allow_anonymous true\nmax_qos 1\nretain_available false\nmax_packet_size 1000";
    let server = Mosquitto::with(free_port(), lines, &[]);
    let (sender, mut received) = mpsc::unbounded_channel();
    let plain = device("device", Protocol::V5, move |_| {
        let sender = sender.clone();
        move |event: Event, context: &mut Context| {
            match event {
                Event::Connection(_) if context.connected() => {
                    context.subscribe(TopicFilter::new("t/x").unwrap(), Qos::ExactlyOnce).unwrap();
                }
                Event::Message(message) => drop(sender.send(message.payload)),
                _ => {}
            }
            Ok(())
        }
    });
    let fleet = start(at_port(server.port), options(), vec![plain]);
    eventually("the connection", || async { fleet.is_ready().then_some(()) }).await;
    let large = "x".repeat(1_000);
    for refused in [
        message("t/x", "at 2").with_qos(Qos::ExactlyOnce),
        message("t/x", "kept").with_retain(true),
        message("t/x", &large),
        message("t/x", &large).with_qos(Qos::AtLeastOnce),
    ] {
        fleet.publish("device", refused).await.unwrap();
    }
    fleet.publish("device", message("t/x", "small").with_qos(Qos::AtLeastOnce)).await.unwrap();
    let first = wait_for(&mut received, "the first accepted message", |_| true).await;
    assert_eq!(first, "small");
    let totals = eventually("the acknowledgement", || async {
        let totals = fleet.totals().await.unwrap();
        (totals.ledger.sent == 1).then_some(totals)
    })
    .await;
    let expected = RefusedMessages {
        packet_too_large: 2,
        qos_not_supported: 1,
        retain_not_supported: 1,
        ..RefusedMessages::default()
    };
    assert_eq!((totals.ledger.refused, totals.ledger.sent, totals.connects), (expected, 1, 1));
    check_ledgers(&fleet).await;
    fleet.shutdown(Duration::from_secs(5)).await;
}

fn config(port: u16, devices: Vec<Blueprint>) -> FleetConfig {
    FleetConfig {
        devices,
        broker: at_port(port),
        embedded_broker: None,
        connection: options(),
        start_rate: None,
    }
}

/// Device that subscribes to and unsubscribes from `t/x`, and publishes once at each of QoS 1 and 2.
fn talker(protocol: Protocol) -> Blueprint {
    device("device", protocol, |_| {
        |event: Event, context: &mut Context| {
            let filter = || TopicFilter::new("t/x").unwrap();
            match event {
                Event::Started(_) => context.subscribe(filter(), Qos::AtLeastOnce).unwrap(),
                Event::Connection(_) if context.connected() => {
                    context.publish(message("t/x", "one").with_qos(Qos::AtLeastOnce)).unwrap();
                    context.publish(message("t/x", "two").with_qos(Qos::ExactlyOnce)).unwrap();
                    context.unsubscribe(filter());
                }
                _ => {}
            }
            Ok(())
        }
    })
}

/// Waits until the ledger has these negative answers, and returns it.
async fn ledger_with(fleet: &Fleet, answers: &[&str]) -> Ledger {
    let ledger = eventually(&format!("{answers:?}"), || async {
        let ledger = fleet.totals().await.unwrap().ledger;
        let texts: Vec<String> = ledger.negative_answers.keys().map(ToString::to_string).collect();
        answers.iter().all(|answer| texts.iter().any(|text| text == answer)).then_some(ledger)
    })
    .await;
    check_ledgers(fleet).await;
    ledger
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refused_messages_are_not_sent() {
    let answers = Answers {
        puback: Some(0x97),
        pubrec: Some(0x87),
        suback: Some(0x8f),
        unsuback: Some(0x83),
        reason_string: Some("no\x1b[31m way"),
        ..Answers::default()
    };
    let server = ScriptedBroker::start(Protocol::V5, answers).await;
    // Refusals are among the notable events, so the log has them even if it has no line for each message.
    let (fleet, mut events) =
        Fleet::start_with_events(config(server.port, vec![talker(Protocol::V5)]), EventFilter::Notable);
    let mut refused = Vec::new();
    while refused.len() < 4 {
        match &events.recv().await.unwrap().notice {
            DeviceNotice::Dropped(topic, DropCause::Answer(answer), _) => {
                refused.push(format!("{topic}: {answer}"))
            }
            DeviceNotice::RequestRefused(request, answer) => refused.push(format!("{request:?}: {answer}")),
            _ => {}
        }
    }
    refused.sort();
    let text = "no\x1b[31m way";
    let filter = format!("{:?}", TopicFilter::new("t/x").unwrap());
    assert_eq!(
        refused,
        [
            format!("Subscribe({filter}): SUBACK 0x8F topic filter invalid: {text}"),
            format!("Unsubscribe({filter}): UNSUBACK 0x83 implementation specific error: {text}"),
            format!("t/x: PUBACK 0x97 quota exceeded: {text}"),
            format!("t/x: PUBREC 0x87 not authorized: {text}"),
        ]
    );
    let ledger = fleet.totals().await.unwrap().ledger;
    assert_eq!((ledger.generated, ledger.sent, ledger.refused.broker, ledger.returned), (2, 0, 2, 0));
    assert_eq!(ledger.negative_answers.len(), 4, "{ledger:?}");
    check_ledgers(&fleet).await;
    fleet.shutdown(Duration::from_secs(5)).await;
}

/// After PUBREC the broker has the message, so an error in PUBCOMP is counted and the message is sent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_in_pubcomp_is_counted_and_the_message_is_sent() {
    let server =
        ScriptedBroker::start(Protocol::V5, Answers { pubcomp: Some(0x92), ..Answers::default() }).await;
    let fleet = start(at_port(server.port), options(), vec![talker(Protocol::V5)]);
    let ledger = ledger_with(&fleet, &["PUBCOMP 0x92 packet identifier not found"]).await;
    assert_eq!((ledger.generated, ledger.sent, ledger.refused.total()), (2, 2, 0));
    fleet.shutdown(Duration::from_secs(5)).await;
}

/// 3.1.1 has one code for refused subscriptions. Mosquitto's access list grants all subscriptions and withholds the
/// messages instead.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_subscription_is_counted() {
    for (protocol, code, expected) in [
        (Protocol::V4, 0x80, "SUBACK 0x80 unspecified error"),
        (Protocol::V5, 0x87, "SUBACK 0x87 not authorized"),
        (Protocol::V5, 0xa2, "SUBACK 0xA2 wildcard subscriptions not supported"),
    ] {
        let server =
            ScriptedBroker::start(protocol, Answers { suback: Some(code), ..Answers::default() }).await;
        let fleet = start(at_port(server.port), options(), vec![talker(protocol)]);
        let ledger = ledger_with(&fleet, &[expected]).await;
        assert_eq!(ledger.negative_answers.len(), 1, "{ledger:?}");
        fleet.shutdown(Duration::from_secs(5)).await;
    }
}

/// The messages come back and are sent once the broker takes them, so each counts once as sent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_the_broker_ends_has_the_code_of_its_last_packet() {
    for (code, name) in [
        (0x8e, "session taken over"),
        (0x95, "packet too large"),
        (0x97, "quota exceeded"),
        (0x8b, "server shutting down"),
    ] {
        let answers = Answers { last_packet: Some(vec![0xe0, 2, code, 0]), ..Answers::default() };
        let server = ScriptedBroker::start(Protocol::V5, answers).await;
        let fleet = start(at_port(server.port), options(), vec![talker(Protocol::V5)]);
        let ledger = ledger_with(&fleet, &[&format!("DISCONNECT 0x{code:02X} {name}")]).await;
        assert_eq!(ledger.sent, 0);
        let why = why_down(&fleet, "device").await;
        assert!(why.contains(&format!(" ended the connection: {name}")), "{why}");
        assert!(why.ends_with(&format!(" (DISCONNECT 0x{code:02X})")), "{why}");
        server.change(Answers::default());
        let ledger = eventually("all messages", || async {
            let totals = fleet.totals().await.unwrap();
            (totals.waiting.0 == 0 && totals.ledger.sent > 0).then_some(totals.ledger)
        })
        .await;
        assert!(ledger.sent == ledger.generated && ledger.returned >= 2, "{ledger:?}");
        check_ledgers(&fleet).await;
        fleet.shutdown(Duration::from_secs(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_connection_and_an_unrequested_auth_are_counted() {
    for (protocol, code, expected) in [
        (Protocol::V4, 0x03, "CONNACK 0x03 server unavailable"),
        (Protocol::V5, 0x8a, "CONNACK 0x8A banned"),
        (Protocol::V5, 0x9f, "CONNACK 0x9F connection rate exceeded"),
    ] {
        let server =
            ScriptedBroker::start(protocol, Answers { connack: Some(code), ..Answers::default() }).await;
        let fleet = start(at_port(server.port), options(), vec![talker(protocol)]);
        let ledger = ledger_with(&fleet, &[expected]).await;
        assert_eq!((ledger.generated, ledger.sent), (0, 0));
        fleet.shutdown(Duration::from_secs(5)).await;
    }
    let answers = Answers { last_packet: Some(vec![0xf0, 2, 0x18, 0]), ..Answers::default() };
    let server = ScriptedBroker::start(Protocol::V5, answers).await;
    let fleet = start(at_port(server.port), options(), vec![talker(Protocol::V5)]);
    ledger_with(&fleet, &["AUTH 0x18 continue authentication"]).await;
    fleet.shutdown(Duration::from_secs(5)).await;
}

/// Tracing subscriber that forwards log lines to a channel.
struct Log(mpsc::UnboundedSender<String>);

struct FieldText(String);

impl Visit for FieldText {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.0 += &format!("{field}={value:?} ");
    }
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("wasmote_live")
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let mut line = FieldText(format!("{} ", event.metadata().level()));
        event.record(&mut line);
        let _ = self.0.send(line.0);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// Runs a device that subscribes and unsubscribes without end, until the missing lines are reported. The log has no more
/// lines about it than the log rate allows.
async fn assert_lines_keep_to_the_log_rate(calls_per_timer: u32, behaviour_lines: u32) {
    const LINES_PER_SECOND: u32 = 5;
    let (sender, mut log) = mpsc::unbounded_channel();
    let _guard = tracing::subscriber::set_default(Log(sender));
    let server =
        ScriptedBroker::start(Protocol::V5, Answers { suback: Some(0x87), ..Answers::default() }).await;
    let loops = device("device", Protocol::V5, move |_| {
        move |event: Event, context: &mut Context| {
            if matches!(event, Event::Message(_) | Event::Stopping(_)) {
                return Ok(());
            }
            let filter = TopicFilter::new("t/secret").unwrap();
            for _ in 0..calls_per_timer {
                context.subscribe(filter.clone(), Qos::AtMostOnce).unwrap();
                context.unsubscribe(filter.clone());
            }
            for _ in 0..behaviour_lines {
                context.log(LogLevel::Info, "a line of the behaviour".into());
            }
            context.set_timer(1, context.now() + Duration::from_millis(2)).unwrap();
            Ok(())
        }
    });
    let limits = Limits { log_lines_per_second: LINES_PER_SECOND, ..Limits::default() };
    let loops = Blueprint { limits: Arc::new(limits), ..loops };
    let began = Instant::now();
    let config = config(server.port, vec![loops]);
    let (fleet, mut events) = Fleet::start_with_events(config, EventFilter::Notable);
    let mut lines = 0;
    let report = loop {
        let line = tokio::time::timeout(Duration::from_secs(60), log.recv()).await.unwrap().unwrap();
        if line.contains("are missing from the log") {
            break line;
        }
        lines += u64::from(line.contains("device=device"));
    };
    loop {
        match events.try_recv() {
            Ok(event) => lines += u64::from(event.in_log),
            Err(TryRecvError::Lagged(_)) => {}
            Err(_) => break,
        }
    }
    let allowed = u64::from(LINES_PER_SECOND) * (began.elapsed().as_secs() + 2);
    assert!(lines <= allowed, "{lines} lines of {allowed}");
    assert!(report.starts_with("WARN") && report.contains("device=device"), "{report}");
    let suppressed = fleet.totals().await.unwrap().refusals.log_rate;
    assert!(suppressed > 100, "{suppressed} suppressed lines are counted");
}

#[tokio::test]
async fn warnings_about_a_subscription_loop_keep_to_the_log_rate() {
    assert_lines_keep_to_the_log_rate(1, 0).await;
}

#[tokio::test]
async fn warnings_about_packets_that_are_not_sent_keep_to_the_log_rate() {
    assert_lines_keep_to_the_log_rate(1_000, 0).await;
}

#[tokio::test]
async fn warnings_share_the_log_rate_with_the_lines_of_the_behaviour() {
    assert_lines_keep_to_the_log_rate(1, 10).await;
}

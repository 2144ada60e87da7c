//! Refused connections, messages and subscriptions, and behaviours that refuse to start.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Metadata, Subscriber};
use wasmote_live::config::ConnectionOptions;
use wasmote_live::fleet::{Fleet, FleetError};
use wasmote_mqtt::message::Qos;
use wasmote_mqtt::protocol::Protocol;
use wasmote_mqtt::topic::TopicFilter;
use wasmote_sim::context::{Context, LogLevel};
use wasmote_sim::device::{Blueprint, ConnectionState};
use wasmote_sim::event::Event;
use wasmote_sim::limits::Limits;

use crate::support::device::{PROTOCOLS, check_ledgers, device, listener, message, start};
use crate::support::mosquitto::{Mosquitto, free_port};
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
            assert_eq!(why_down(&fleet, "device").await, "the broker refused the connection: not authorized");
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
    let totals = fleet.totals().await.unwrap();
    let through = totals.ledger.sent - totals.ledger.returned;
    assert_eq!((totals.ledger.refused_full, through, totals.connects), (4, 1, 1));
    check_ledgers(&fleet).await;
    fleet.shutdown(Duration::from_secs(5)).await;
}

/// Starts a broker that accepts connections and refuses every subscription. Mosquitto's access list grants
/// all subscriptions and withholds the messages instead.
async fn refuses_subscriptions(protocol: Protocol) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (connack, refusal): (&[u8], &[u8]) = match protocol {
        Protocol::V4 => (&[0x20, 2, 0, 0], &[0x80]),
        // Empty properties, then "not authorized".
        Protocol::V5 => (&[0x20, 3, 0, 0, 0], &[0, 0x87]),
    };
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut packet = [0; 256];
        assert!(stream.read(&mut packet).await.unwrap() > 0);
        stream.write_all(connack).await.unwrap();
        while stream.read(&mut packet).await.is_ok_and(|length| length > 0) {
            if packet[0] == 0x82 {
                let mut suback = vec![0x90, 2 + u8::try_from(refusal.len()).unwrap(), packet[2], packet[3]];
                suback.extend_from_slice(refusal);
                stream.write_all(&suback).await.unwrap();
            }
        }
    });
    port
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

/// Runs on one thread, since the tracing default is per thread.
#[tokio::test]
async fn a_refused_subscription_is_logged() {
    let (sender, mut log) = mpsc::unbounded_channel();
    let _guard = tracing::subscriber::set_default(Log(sender));
    for (protocol, why) in
        [(Protocol::V4, "not allowed, or the filter is not supported"), (Protocol::V5, "not authorized")]
    {
        let port = refuses_subscriptions(protocol).await;
        let device = listener("device", protocol, &["t/secret"]);
        let fleet = start(at_port(port), options(), vec![device.blueprint]);
        let line = wait_for(&mut log, "the warning", |line| line.contains("filter=t/secret")).await;
        assert!(line.starts_with("WARN") && line.contains("device=device") && line.contains(why), "{line}");
        drop(fleet);
    }
}

/// Runs a device that subscribes and unsubscribes without end, until the missing lines are reported. The log has no more
/// lines about it than the log rate allows.
async fn assert_lines_keep_to_the_log_rate(calls_per_timer: u32, behaviour_lines: u32) {
    const LINES_PER_SECOND: u32 = 5;
    let (sender, mut log) = mpsc::unbounded_channel();
    let _guard = tracing::subscriber::set_default(Log(sender));
    let port = refuses_subscriptions(Protocol::V5).await;
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
    let fleet = start(at_port(port), options(), vec![loops]);
    let mut lines = 0;
    let report = loop {
        let line = tokio::time::timeout(Duration::from_secs(60), log.recv()).await.unwrap().unwrap();
        if line.contains("are missing from the log") {
            break line;
        }
        lines += u64::from(line.contains("device=device"));
    };
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

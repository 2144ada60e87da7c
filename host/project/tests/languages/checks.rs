//! The checks of the conformance list.

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use wasmote_engine::cache::Cache;
use wasmote_engine::{CompileMode, Component, DeviceSettings, Engine};
use wasmote_mqtt::message::{Message, Properties, Qos};
use wasmote_mqtt::topic::Topic;
use wasmote_sim::action::Action;
use wasmote_sim::context::LogLevel;
use wasmote_sim::device::{Input, Upgrade};
use wasmote_sim::event::StopReason;
use wasmote_sim::http::HttpRequest;
use wasmote_sim::limits::Limits;
use wasmote_sim::metrics::Metric;
use wasmote_sim::notice::DeviceNotice;

use crate::guests;
use crate::harness::{Harness, compiled};
use crate::projects;

/// A check of the list.
pub struct Check {
    pub name: &'static str,
    pub run: fn(&Subject),
}

/// All checks.
pub const CHECKS: &[Check] = &[
    Check { name: "a start reads defaults of the configuration, and publishes", run: starts },
    Check { name: "integers of 64 bits in the configuration are exact", run: reads_large_integers },
    Check {
        name: "an invalid configuration is refused with its field and value",
        run: refuses_configurations,
    },
    Check {
        name: "QoS, the retain flag and all properties of MQTT 5 arrive as they are sent",
        run: publishes_properties,
    },
    Check { name: "a subscription has its QoS", run: subscribes },
    Check { name: "binary payloads of any length are received and sent", run: echoes_payloads },
    Check { name: "properties of received messages are read", run: echoes_properties },
    Check { name: "integers of 64 bits in JSON are exact", run: keeps_numbers },
    Check { name: "an invalid topic is an error with the name of `wit/`", run: reports_errors },
    Check { name: "log lines have five levels", run: logs },
    Check { name: "random numbers follow from the seed", run: draws },
    Check { name: "both clocks are those of the simulation", run: reads_clocks },
    Check {
        name: "timers fire once, at their time, in their order, unless they are cancelled",
        run: sets_timers,
    },
    Check { name: "counters, gauges and histograms are recorded", run: measures },
    Check { name: "the store survives a crash", run: stores },
    Check { name: "HTTP requests are answered with status and body", run: answers },
    Check { name: "a new version takes the state over", run: is_swapped },
    Check { name: "a snapshot of another behaviour is refused with a reason", run: refuses_snapshots },
    Check { name: "a fault of the code ends the instance with the guest's own text", run: traps },
    Check { name: "a stop tells its reason, and may publish", run: stops },
    Check { name: "a thousand messages leave the memory as it is", run: keeps_its_memory },
];

/// The probe in one language.
pub struct Subject {
    component: Component,
    limits: Limits,
}

impl Subject {
    /// `None` if its toolchain is absent.
    pub fn of(language: &str) -> Option<Self> {
        let bytes = projects::probe(language)?;
        let cache = Cache { dir: Some(projects::cache()), max_bytes: Some(1 << 30), ..Cache::default() };
        let engine = Engine::with_cache(cache).expect("this machine runs WebAssembly");
        let component =
            engine.load(language, &bytes).unwrap_or_else(|problem| panic!("{language}: {problem}"));
        // As in the templates.
        let memory_bytes = match language {
            "python" => 32 << 20,
            "go" => 16 << 20,
            _ => Limits::default().memory_bytes,
        };
        Some(Self {
            component,
            limits: Limits {
                memory_bytes,
                log_lines_per_second: 0,
                publishes_per_second: 0,
                ..Limits::default()
            },
        })
    }

    fn device(&self, config: Value) -> Harness {
        Harness::single(&self.component, config, self.limits.clone()).start()
    }

    /// A device that runs.
    fn running(&self) -> Harness {
        let device = self.device(json!({}));
        assert_eq!(device.traps(), [""; 0]);
        device
    }
}

fn message(leaf: &str, payload: impl Into<Bytes>) -> Message {
    Message::new(Topic::new(format!("wasmote/guest-0/{leaf}")).unwrap(), payload)
}

fn send(device: &mut Harness, leaf: &str, payload: impl Into<Bytes>) {
    device.handle(Input::Delivered(message(&format!("in/{leaf}"), payload)));
}

/// The messages that a device has published on this topic of its own.
fn published(device: &Harness, leaf: &str) -> Vec<Message> {
    let topic = format!("wasmote/guest-0/{leaf}");
    device.published().into_iter().filter(|message| message.topic.as_str() == topic).cloned().collect()
}

fn texts(device: &Harness, leaf: &str) -> Vec<String> {
    let texts = published(device, leaf);
    texts.iter().map(|message| String::from_utf8_lossy(&message.payload).into_owned()).collect()
}

/// Sends a message and returns the payload of the only answer.
fn answer(device: &mut Harness, request: &str, payload: impl Into<Bytes>, leaf: &str) -> Vec<u8> {
    let before = published(device, leaf).len();
    send(device, request, payload);
    assert_eq!(device.traps(), [""; 0]);
    let answers = published(device, leaf);
    assert_eq!(answers.len(), before + 1, "{answers:?}");
    answers[before].payload.to_vec()
}

fn starts(subject: &Subject) {
    assert_eq!(texts(&subject.running(), "hello"), ["18446744073709551615 3"]);
}

fn reads_large_integers(subject: &Subject) {
    for serial in [0, 9_007_199_254_740_993, (1 << 63) - 1, 1 << 63, u64::MAX] {
        let device = subject.device(json!({ "serial": serial, "level": 10 }));
        assert_eq!(texts(&device, "hello"), [format!("{serial} 10")], "{:?}", device.traps());
    }
}

fn refuses_configurations(subject: &Subject) {
    for (config, words) in [
        (json!({ "level": "high" }), ["level", "high"]),
        (json!({ "level": 11 }), ["level", "11"]),
        (json!({ "serial": "x" }), ["serial", "x"]),
    ] {
        let device = subject.device(config);
        let traps = device.traps();
        let refused = traps
            .first()
            .is_some_and(|trap| trap.starts_with("refused") && words.iter().all(|word| trap.contains(word)));
        assert!(refused, "{traps:?}");
        assert!(device.published().is_empty());
    }
}

fn publishes_properties(subject: &Subject) {
    let hello = published(&subject.running(), "hello");
    let Message { qos, retain, properties, .. } = &hello[0];
    assert_eq!((*qos, *retain), (Qos::AtLeastOnce, true));
    let wanted = Properties {
        content_type: Some("text/plain".into()),
        response_topic: Some(Topic::new("reply/here").unwrap()),
        correlation_data: Some(Bytes::from_static(&[0, 255, 128])),
        message_expiry: Some(60),
        user: vec![("a".into(), "ä".into())],
        ..Properties::default()
    };
    assert_eq!(properties.as_deref(), Some(&wanted));
}

fn subscribes(subject: &Subject) {
    let device = subject.running();
    let subscribed = device.actions.iter().any(|action| {
        matches!(action, Action::Subscribe(filter, Qos::ExactlyOnce) if filter.as_str() == "wasmote/guest-0/in/#")
    });
    assert!(subscribed, "{:?}", device.actions);
}

fn echoes_payloads(subject: &Subject) {
    let mut device = subject.running();
    let all: Vec<u8> = (0..=255).collect();
    for payload in [all.clone(), Vec::new(), vec![0], all.repeat(40)] {
        assert_eq!(answer(&mut device, "echo", payload.clone(), "echo"), payload);
    }
    for qos in [Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce] {
        device.handle(Input::Delivered(Message { qos, ..message("in/echo", "x") }));
        assert_eq!(published(&device, "echo").last().map(|message| message.qos), Some(qos));
    }
}

fn echoes_properties(subject: &Subject) {
    let mut device = subject.running();
    let given = Properties {
        content_type: Some("application/x; a=\"ü\"".into()),
        response_topic: Some(Topic::new("some/where").unwrap()),
        correlation_data: Some(Bytes::from_static(b"\0\x01\xfe")),
        message_expiry: Some(7),
        user: vec![("b".into(), "2".into()), ("a".into(), "1".into()), ("b".into(), String::new())],
        ..Properties::default()
    };
    let properties = Some(Box::new(given));
    device.handle(Input::Delivered(Message { properties: properties.clone(), ..message("in/echo", "x") }));
    assert_eq!(device.traps(), [""; 0]);
    assert_eq!(published(&device, "echo")[0].properties, properties);
}

fn keeps_numbers(subject: &Subject) {
    let mut device = subject.running();
    for number in [
        "0",
        "-1",
        "9007199254740993",
        "-9223372036854775808",
        "18446744073709551615",
        "1.5",
        "\"12345678901234567890\"",
    ] {
        let sent = format!("{{\"n\": {number}}}");
        let got: Value = serde_json::from_slice(&answer(&mut device, "json", sent.clone(), "json")).unwrap();
        assert_eq!(got, serde_json::from_str::<Value>(&sent).unwrap());
    }
}

fn reports_errors(subject: &Subject) {
    assert_eq!(answer(&mut subject.running(), "invalid", "", "invalid"), b"invalid-topic");
}

fn logs(subject: &Subject) {
    let mut device = subject.running();
    send(&mut device, "log", "");
    let lines = device.notices(|notice| match notice {
        DeviceNotice::Log(level, text) if text.starts_with("at ") => Some((*level, text.clone())),
        _ => None,
    });
    let wanted = [
        (LogLevel::Trace, "at trace"),
        (LogLevel::Debug, "at debug"),
        (LogLevel::Info, "at info"),
        (LogLevel::Warn, "at warn"),
        (LogLevel::Error, "at error"),
    ];
    assert_eq!(lines, wanted.map(|(level, text)| (level, text.to_owned())));
}

fn draws(subject: &Subject) {
    let draw = || {
        let mut device = subject.running();
        [0, 1].map(|_| answer(&mut device, "random", "", "random"))
    };
    let [first, second] = draw();
    assert_eq!(first.len(), 16);
    assert_ne!(first, second);
    assert_eq!(draw(), [first, second]);
}

fn reads_clocks(subject: &Subject) {
    let mut device = subject.running();
    device.run(Duration::from_millis(1_500));
    assert_eq!(answer(&mut device, "clock", "", "clock"), b"1.5 1800000001");
}

fn sets_timers(subject: &Subject) {
    let mut device = subject.running();
    send(&mut device, "timer", "");
    device.run(Duration::from_millis(240));
    assert_eq!(texts(&device, "timer"), [""; 0]);
    device.run(Duration::from_millis(20));
    assert_eq!(texts(&device, "timer"), ["4294967295"]);
    device.run(Duration::from_secs(60));
    assert_eq!(texts(&device, "timer"), ["4294967295", "7"]);
}

fn measures(subject: &Subject) {
    let mut device = subject.running();
    send(&mut device, "metrics", "");
    let metrics = device.device.metrics().expect("it runs");
    let found: Vec<_> = metrics.iter().collect();
    let of = |name: &str| found.iter().find(|(found, _)| *found == name).map(|(_, metric)| *metric);
    assert!(matches!(of("probes_total"), Some(Metric::Counter { sum: 2.0 })), "{found:?}");
    assert!(matches!(of("probe_level"), Some(Metric::Gauge { sum: 0.5 })), "{found:?}");
    assert!(matches!(of("probe_seconds"), Some(Metric::Histogram(_))), "{found:?}");
}

fn stores(subject: &Subject) {
    let mut device = subject.running();
    assert_eq!(answer(&mut device, "store", &b"a\0\xff"[..], "stored"), b"nothing");
    device.handle(Input::Crash);
    device.run(Duration::from_secs(10));
    assert_eq!(answer(&mut device, "store", "b", "stored"), b"a\0\xff");
}

fn answers(subject: &Subject) {
    let mut device = subject.running();
    let body = Bytes::from_static(b"\0\x01\xff");
    let mut ask = |ticket, method: &str, url: &str| {
        let request = HttpRequest {
            method: method.into(),
            url: url.into(),
            headers: vec![("accept".into(), "*/*".into())],
            body: body.clone(),
        };
        device.handle(Input::HttpRequest(ticket, request));
        let response = device.actions.iter().find_map(|action| match action {
            Action::HttpRespond(of, response) if *of == ticket => Some(response.clone()),
            _ => None,
        });
        response.unwrap_or_else(|| panic!("{:?}", device.traps()))
    };
    let echoed = ask(1, "POST", "/echo?a=1");
    assert_eq!((echoed.status, &echoed.body), (201, &body));
    let missing = ask(2, "GET", "/else");
    assert_eq!(missing.status, 404);
    assert!(serde_json::from_slice::<Value>(&missing.body).is_ok());
}

fn upgrade(subject: &Subject) -> Upgrade {
    let limits = subject.limits.clone().into();
    let settings = DeviceSettings { config: json!({}), limits, allow_hosts: Vec::new().into() };
    Upgrade { factory: subject.component.behaviour_factory(settings), trial: Duration::ZERO }
}

fn is_swapped(subject: &Subject) {
    let mut device = subject.running();
    (0..3).for_each(|_| send(&mut device, "echo", "x"));
    device.handle(Input::Swap(upgrade(subject)));
    assert_eq!(device.device.swap_counts().refused, 0, "{:?}", device.actions.last());
    assert_eq!(texts(&device, "bye"), ["swap"]);
    let restored = published(&device, "restored");
    assert_eq!(restored.len(), 1);
    // C saves the number as it is in memory, and shows it as text.
    assert_eq!(texts(&device, "restored"), ["3"]);
}

fn refuses_snapshots(subject: &Subject) {
    let other = compiled(CompileMode::Full, &guests::well_behaved().component());
    let mut device = Harness::single(&other, json!({}), subject.limits.clone()).start();
    device.handle(Input::Swap(upgrade(subject)));
    let refusals = device.notices(|notice| match notice {
        DeviceNotice::SwapRefused(_, refusal) => Some(format!("{refusal:?}")),
        _ => None,
    });
    assert_eq!(refusals.len(), 1);
    assert!(refusals[0].contains("Restore") && refusals[0].contains("the snapshot"), "{refusals:?}");
}

fn traps(subject: &Subject) {
    let mut device = subject.running();
    send(&mut device, "trap", "");
    let traps = device.traps();
    assert!(traps.len() == 1 && traps[0].contains("the probe has a fault"), "{traps:?}");
    // The device starts again.
    device.run(Duration::from_secs(10));
    assert_eq!(texts(&device, "hello").len(), 2);
}

fn stops(subject: &Subject) {
    let mut device = subject.running();
    device.handle(Input::Stop(StopReason::Requested));
    assert_eq!(texts(&device, "bye"), ["requested"]);
}

fn keeps_its_memory(subject: &Subject) {
    let mut device = subject.running();
    for _ in 0..1_000 {
        send(&mut device, "echo", vec![7; 10_000]);
        assert_eq!(device.traps(), [""; 0]);
        device.actions.clear();
    }
    assert_eq!(answer(&mut device, "echo", "x", "echo"), b"x");
}

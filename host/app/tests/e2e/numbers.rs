//! The printed numbers: the line of totals, `/metrics` in JSON and in text, and the JSON totals say what happened to every
//! message, and the equations of the README hold for them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::Value;

use crate::fleet::Fleet;
use crate::lines::DEFAULT_TIMEOUT;
use crate::mosquitto::{Mosquitto, free_port};
use crate::program::wasmote;

fn publisher() -> String {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../behaviours/built/publisher.wasm");
    file.to_str().expect("a path").to_owned()
}

/// Starts publishers without faults. `options` are further arguments, separated by spaces.
fn publish(broker: &str, options: &str) -> Fleet {
    let publisher = publisher();
    let args = [publisher.as_str(), "--broker", broker, "--faults", "none"];
    let args: Vec<&str> = args.into_iter().chain(options.split_whitespace()).collect();
    Fleet::run(&args)
}

/// Count of the line of totals, by name. Inbound shares in parentheses have names that end with ` inbound`.
fn counts(line: &str) -> BTreeMap<String, u64> {
    let (_, line) = line.split_once(": ").expect("a line of totals");
    let line = line
        .split("; negative answers")
        .next()
        .expect("a part")
        .split(", mean latency")
        .next()
        .expect("a part");
    let mut entries = vec![String::new()];
    let mut depth = 0;
    for c in line.chars() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => entries.push(String::new()),
            _ => {}
        }
        entries.last_mut().expect("an entry").push(c);
    }
    let mut counts = BTreeMap::new();
    for entry in entries {
        let entry = entry.trim_start_matches([',', ' ']);
        let (head, details) = entry.split_once(" (").unwrap_or((entry, ""));
        let (name, count) = head.rsplit_once(' ').unwrap_or_else(|| panic!("{entry:?} in {line}"));
        counts.insert(name.to_owned(), count.parse().unwrap_or_else(|_| panic!("{entry:?} in {line}")));
        for detail in details.trim_end_matches(')').split(['(', ',', ';']).map(str::trim) {
            if let Some(inbound) = detail.strip_suffix(" inbound") {
                counts.insert(format!("{name} inbound"), inbound.parse().expect("a number"));
            } else if let Some((cause, count)) = detail.rsplit_once(' ')
                && let Ok(count) = count.parse()
            {
                counts.insert(format!("{name}: {cause}"), count);
            }
        }
    }
    counts
}

/// Checks the equation of outbound messages on the line of totals.
fn check_line(line: &str) -> BTreeMap<String, u64> {
    let counts = counts(line);
    let count = |name: &str| counts.get(name).copied().unwrap_or(0);
    let out = |name: &str| count(name) - count(&format!("{name} inbound"));
    assert_eq!(
        count("generated") + out("duplicated"),
        count("sent") + out("dropped") + out("waiting") + count("lost offline") + count("refused"),
        "{line}"
    );
    let causes: u64 =
        counts.iter().filter(|(name, _)| name.starts_with("refused: ")).map(|(_, count)| count).sum();
    assert_eq!(causes, count("refused"), "every refusal has a cause: {line}");
    counts
}

/// Checks both equations in the JSON of `/metrics`, and in its text form.
fn check_metrics(fleet: &Fleet) -> Value {
    let metrics = fleet.get("/metrics");
    let count = |value: &Value| value.as_u64().unwrap_or_else(|| panic!("{metrics:#}"));
    let faults = |field: &str| -> u64 {
        metrics["faults"].as_object().expect("faults").values().map(|fault| count(&fault[field])).sum()
    };
    let causes = [
        "queue_full",
        "broker",
        "packet_too_large",
        "qos_not_supported",
        "retain_not_supported",
        "field_too_long",
        "ends_connection",
    ];
    let refused: u64 = causes.iter().map(|cause| count(&metrics["refused"][*cause])).sum();
    assert_eq!(
        count(&metrics["generated"]) + faults("duplicated_out"),
        count(&metrics["sent"])
            + faults("dropped_out")
            + count(&metrics["waiting"]["out"])
            + count(&metrics["lost_offline"])
            + refused,
        "{metrics:#}"
    );
    assert_eq!(
        count(&metrics["arrived"]) + faults("duplicated_in"),
        count(&metrics["received"])
            + faults("dropped_in")
            + count(&metrics["waiting"]["in"])
            + count(&metrics["discarded"]),
        "{metrics:#}"
    );
    assert_eq!(metrics["ledger_closes"], true);
    let (_, text) = fleet.curl(&["-H", "Accept: application/openmetrics-text"], "/metrics");
    let sum = |name: &str, excluded: &str| -> u64 {
        let lines = text.lines().filter(|line| {
            line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']))
                && !line.contains(excluded)
        });
        lines
            .map(|line| line.rsplit(' ').next().expect("a value").parse::<u64>().expect("a whole number"))
            .sum()
    };
    let total = |name: &str| sum(&format!("wasmote_messages_{name}_total"), "direction=\"in\"");
    let denied = "reason=\"publish_";
    assert_eq!(
        total("generated") + total("duplicated"),
        total("sent")
            + total("dropped")
            + sum("wasmote_messages_waiting", "direction=\"in\"")
            + total("lost_offline")
            + sum("wasmote_messages_refused_total", denied),
        "{text}"
    );
    metrics
}

fn number(metrics: &Value, path: &str) -> u64 {
    metrics.pointer(path).and_then(Value::as_u64).unwrap_or(0)
}

/// Waits until a number of `/metrics` is at least this.
fn wait_for(fleet: &Fleet, path: &str, least: u64) {
    fleet.wait_until(&format!("{path} is {least}"), DEFAULT_TIMEOUT, |fleet| {
        number(&fleet.get("/metrics"), path) >= least
    });
}

#[test]
fn a_publish_that_the_broker_forbids_is_refused_and_not_sent() {
    for (qos, answer) in [("1", "PUBACK 0x87 not authorized"), ("2", "PUBREC 0x87 not authorized")] {
        let broker = Mosquitto::with("allow_anonymous true", "topic read #\n");
        let fleet = publish(
            &broker.url(),
            &format!("--devices 2 --device-config qos={qos} --device-config interval=50ms --duration 4s"),
        );
        let (_, events) = fleet.curl(&["-N", "--max-time", "2"], "/events?kind=refused");
        let event = events.lines().find_map(|line| line.strip_prefix("data: ")).expect("an event");
        let event: Value = serde_json::from_str(event).expect("JSON");
        assert_eq!((&event["packet"], &event["code"]), (&answer[..6].into(), &0x87.into()), "{event}");
        assert_eq!(event["code_name"], "not authorized", "{event}");
        let metrics = check_metrics(&fleet);
        assert!(number(&metrics, "/refused/broker") > 2, "{metrics:#}");
        assert_eq!(number(&metrics, "/sent"), 0);
        assert!(number(&metrics["negative_answers"], &format!("/{answer}")) > 2, "{metrics:#}");
        let (_, text) = fleet.curl(&["-H", "Accept: application/openmetrics-text"], "/metrics");
        let labels = format!("packet=\"{}\",code=\"0x87\",reason=\"not authorized\"", &answer[..6]);
        assert!(text.contains(&format!("wasmote_negative_answers_total{{{labels}}}")), "{text}");
        let stderr = fleet.stderr.clone();
        let (status, printed) = fleet.end();
        let counts = check_line(&printed[0]);
        assert_eq!((counts["sent"], counts["refused"]), (0, counts["generated"]), "{}", printed[0]);
        assert_eq!(counts["refused: by the broker"], counts["refused"]);
        let expected = format!("; negative answers of the broker: {answer} {}", counts["refused"]);
        assert!(printed[0].ends_with(&expected), "{}", printed[0]);
        assert_eq!(status.code(), Some(1), "nothing was accepted");
        let log = stderr.all();
        let warnings = log.iter().filter(|line| line.contains("WARN") && line.contains(answer)).count();
        assert_eq!(warnings, 2, "one line for each device in ten seconds: {log:#?}");
        assert!(log.iter().any(|line| line.contains("more refusals of the broker")), "{log:#?}");
        assert!(log.iter().any(|line| line.contains("the broker accepted no message")), "{log:#?}");
    }
}

/// The broker ends a connection of 3.1.1 for a large packet; MQTT 5 has announced the limit.
#[test]
fn messages_beyond_the_brokers_size_limit_are_never_sent() {
    for version in ["5", "3.1.1"] {
        let broker = Mosquitto::with("allow_anonymous true\nmax_packet_size 1000", "");
        let options =
            "--devices 1 --device-config size=2000 --device-config qos=1 --device-config interval=500ms";
        let fleet = publish(&broker.url(), &format!("{options} --mqtt {version} --duration 8s --drain 1s"));
        match version {
            "5" => wait_for(&fleet, "/refused/packet_too_large", 4),
            _ => wait_for(&fleet, "/refused/ends_connection", 1),
        }
        check_metrics(&fleet);
        let stderr = fleet.stderr.clone();
        let (status, printed) = fleet.end();
        let counts = check_line(&printed[0]);
        assert_eq!(counts["sent"], 0, "{}", printed[0]);
        assert!(counts["generated"] <= 17, "{}", printed[0]);
        match version {
            "5" => {
                assert_eq!(counts["refused: packet too large"], counts["generated"], "{}", printed[0]);
                let refused = "the message exceeds the broker's maximum packet size";
                assert!(stderr.all().iter().any(|line| line.contains("WARN") && line.contains(refused)));
            }
            _ => {
                assert!(counts["returned"] >= 4, "{}", printed[0]);
                assert!(counts["refused: ends connection"] >= 1, "{}", printed[0]);
                let given_up = "refused, given up: at this message of 2000 bytes the broker ended 3 connections in a row";
                assert!(stderr.all().iter().any(|line| line.contains("WARN") && line.contains(given_up)));
            }
        }
        assert_eq!(status.code(), Some(1), "nothing was accepted: {}", printed[0]);
    }
}

#[test]
fn without_a_broker_messages_are_lost_offline_and_not_dropped() {
    let broker = format!("mqtt://127.0.0.1:{}", free_port());
    let fleet =
        publish(&broker, "--devices 1 --device-config interval=250ms --log-messages on --duration 4s");
    wait_for(&fleet, "/lost_offline", 3);
    check_metrics(&fleet);
    let stderr = fleet.stderr.clone();
    let (status, printed) = fleet.end();
    let counts = check_line(&printed[0]);
    assert_eq!((counts["dropped"], counts["sent"]), (0, 0), "{}", printed[0]);
    assert_eq!(counts["lost offline"], counts["generated"], "{}", printed[0]);
    let lost = stderr.count(|line| line.contains("lost offline: there is no connection"));
    assert_eq!(lost as u64, counts["lost offline"], "the log uses the word of the totals");
    assert_eq!(stderr.count(|line| line.contains("dropped")), 0);
    assert_eq!(status.code(), Some(1));
}

#[test]
fn a_full_queue_refuses_and_its_messages_are_lost_at_the_stop() {
    let broker = format!("mqtt://127.0.0.1:{}", free_port());
    let options = "--devices 1 --device-config interval=5ms --device-config qos=1";
    let fleet = publish(&broker, options);
    wait_for(&fleet, "/refused/queue_full", 20);
    let metrics = check_metrics(&fleet);
    assert_eq!(number(&metrics, "/waiting/out"), 100, "{metrics:#}");
    fleet.signal("INT");
    let (_, printed) = fleet.end();
    let counts = check_line(&printed[0]);
    assert!(counts["refused: queue full"] >= 20, "{}", printed[0]);
    assert_eq!((counts["lost offline"], counts["sent"]), (100, 0), "{}", printed[0]);
}

#[test]
fn a_broker_that_is_killed_takes_no_more_messages() {
    for qos in ["0", "1", "2"] {
        let broker = Mosquitto::start();
        let options = "--devices 3 --device-config interval=20ms --drain 1s --device-config qos=";
        let fleet = publish(&broker.url(), &format!("{options}{qos}")).ready();
        wait_for(&fleet, "/sent", 50);
        drop(broker);
        wait_for(&fleet, if qos == "0" { "/lost_offline" } else { "/waiting/out" }, 30);
        let sent = number(&check_metrics(&fleet), "/sent");
        fleet.signal("INT");
        let (status, printed) = fleet.end();
        let counts = check_line(&printed[0]);
        assert_eq!(counts["sent"], sent, "nothing is sent without a broker: {}", printed[0]);
        assert!(counts["lost offline"] >= 30, "{}", printed[0]);
        assert!(status.success(), "some messages were accepted: {}", printed[0]);
    }
}

#[test]
fn messages_in_flight_at_the_end_are_waiting_or_lost() {
    let broker = Mosquitto::start();
    let options = "--devices 1 --device-config interval=20ms --device-config qos=1 --drain 1s";
    let fleet = publish(&broker.url(), options).ready();
    wait_for(&fleet, "/sent", 10);
    broker.freeze();
    wait_for(&fleet, "/waiting/in_flight", 10);
    let sent = number(&check_metrics(&fleet), "/sent");
    fleet.signal("INT");
    let (status, printed) = fleet.end();
    let counts = check_line(&printed[0]);
    assert_eq!(counts["sent"], sent, "{}", printed[0]);
    let unsent = counts.get("waiting").unwrap_or(&0) + counts.get("lost offline").unwrap_or(&0);
    assert!(unsent >= 10, "{}", printed[0]);
    assert!(status.success());
}

/// All faults that take and copy messages, in both directions, on the embedded broker.
#[test]
fn the_equations_hold_with_faults_and_in_json() {
    let folder = tempfile::tempdir().expect("a folder");
    let faults = folder.path().join("faults.toml");
    let entry =
        |kind: &str| format!("[[fault]]\nkind = \"{kind}\"\nprobability = 0.2\ndirection = \"both\"\n");
    std::fs::write(&faults, entry("duplicate") + &entry("loss") + &entry("delay") + "max = \"200ms\"\n")
        .expect("a file");
    let faults = faults.to_str().expect("a path");
    let args = ["heartbeat", "--device-config", "interval=100ms", "--faults", faults];
    let fleet = Fleet::run(&args).ready();
    wait_for(&fleet, "/duplicated", 20);
    check_metrics(&fleet);
    let line = fleet.stop().remove(0);
    let counts = check_line(&line);
    assert!(counts["dropped inbound"] > 0 && counts["duplicated inbound"] > 0, "{line}");
    // With lines of JSON there is no banner that names the port.
    let json =
        ["run", "--http", "127.0.0.1:0", "--broker", "embedded:0", "--log", "json", "--duration", "3s"];
    let output = wasmote(&json).args(args).output().expect("the program starts");
    let totals: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let count = |name: &str| totals[name].as_u64().unwrap_or_else(|| panic!("{name}: {totals:#}"));
    assert_eq!(
        count("generated") + count("duplicated_out"),
        count("sent")
            + count("dropped_out")
            + count("waiting_out")
            + count("lost_offline")
            + count("refused"),
        "{totals:#}"
    );
    assert_eq!(
        count("arrived") + count("duplicated_in"),
        count("received") + count("dropped_in") + count("waiting_in") + count("discarded"),
        "{totals:#}"
    );
}

/// Two fleets with the same names take over each other's connections, one without a socket and one over TCP.
#[test]
fn a_takeover_is_counted_by_its_code() {
    let options = "--devices 1 --device-config interval=100ms --device-config qos=1";
    let first = publish("embedded:0", options).ready();
    let line = first.stderr.wait_for("  broker  mqtt://127.0.0.1:");
    let broker = line.split_whitespace().nth(1).expect("a URL");
    let second = publish(broker, options).ready();
    let taken = "/negative_answers/DISCONNECT 0x8E session taken over";
    wait_for(&first, taken, 1);
    wait_for(&second, taken, 1);
    // The fleet with the broker ends last.
    for fleet in [second, first] {
        check_metrics(&fleet);
        let line = fleet.stop().remove(0);
        assert!(line.contains("DISCONNECT 0x8E session taken over"), "{line}");
        check_line(&line);
    }
}

//! Start and end of runs: ports, signals, totals, invalid command lines.

use std::io::Read;
use std::net::TcpListener;
use std::process::{Child, Command, Output};
use std::time::{Duration, Instant};

use crate::fleet::Fleet;
use crate::lines::DEFAULT_TIMEOUT;
use crate::mosquitto::{Mosquitto, free_port, subscribe};
use crate::program::wasmote;

#[test]
fn both_signals_drain_disconnect_and_print_totals() {
    for signal in ["INT", "TERM"] {
        let broker = Mosquitto::start();
        let subscriber = broker.subscribe("wasmote/+/state");
        let fleet = Fleet::run(&["--broker", &broker.url(), "--faults", "none"]).ready();
        subscriber.lines.wait(9, DEFAULT_TIMEOUT, |line| line.ends_with(" online"));
        fleet.signal(signal);
        let (status, printed) = fleet.end();
        assert!(status.success(), "SIG{signal}: {status}");
        assert_eq!(printed.len(), 1, "{printed:?}");
        assert!(printed[0].contains("sent") && printed[0].contains("seed"), "{}", printed[0]);
        // The last messages are sent before DISCONNECT, so no will is published.
        subscriber.lines.wait(9, DEFAULT_TIMEOUT, |line| line.ends_with(" offline"));
        // The connection that clears retained messages at the end is the host's own.
        let disconnects = broker.log.wait(9, DEFAULT_TIMEOUT, |line| {
            line.contains("Received DISCONNECT from heartbeat") && !line.contains("-clean-up")
        });
        assert_eq!(disconnects.len(), 9);
    }
}

/// Retained states of devices: cleared at the end unless the user wants to keep them.
#[test]
fn a_run_leaves_retained_messages_only_if_it_is_asked_to() {
    for (clean_up, left) in [("own", 0), ("off", 3)] {
        let broker = Mosquitto::start();
        let options = ["--devices", "3", "--faults", "none", "--clean-up", clean_up];
        let fleet = Fleet::run(&[&["--broker", &broker.url()][..], &options].concat()).ready();
        let subscriber = broker.subscribe("wasmote/+/state");
        subscriber.lines.wait(3, DEFAULT_TIMEOUT, |line| line.ends_with(" online"));
        fleet.signal("INT");
        assert!(fleet.end().0.success());
        let late = broker.subscribe("+/+/state");
        broker.publish("wasmote/end/state", "here");
        late.lines.wait_for("wasmote/end/state here");
        assert_eq!(late.lines.all().len() - 1, left, "--clean-up {clean_up}");
    }
}

#[test]
fn a_taken_port_is_logged_and_the_next_one_used() {
    let port = free_port();
    let _taken = TcpListener::bind(("127.0.0.1", port)).expect("the port was free");
    let mqtt = free_port();
    let _mqtt = TcpListener::bind(("127.0.0.1", mqtt)).expect("the port was free");
    let broker = format!("embedded:{mqtt}");
    let fleet = Fleet::run(&["--devices", "1", "--faults", "none", "--broker", &broker]).ready();
    let stderr = fleet.stderr.wait_for("  broker  mqtt://127.0.0.1:");
    let used: u16 = stderr
        .split("127.0.0.1:")
        .nth(1)
        .and_then(|rest| rest.split(' ').next()?.parse().ok())
        .expect("a port");
    assert!(used > mqtt, "{stderr}");
    assert!(
        fleet.stderr.all().iter().any(|line| line.contains(&mqtt.to_string())),
        "the log names the taken port: {:?}",
        fleet.stderr.all()
    );
    // External clients can use the embedded broker.
    let subscriber = subscribe(used, "wasmote/+/state", || {});
    subscriber.lines.wait_for("wasmote/heartbeat-0/state online");
    // A taken HTTP port is an error.
    let output = wasmote(&["run", "--http", &format!("127.0.0.1:{port}")]).output().expect("it ran");
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains(&port.to_string()));
}

#[test]
fn a_run_ends_after_its_duration() {
    let fleet = Fleet::run(&["--devices", "2", "--duration", "6s", "--seed", "5"]);
    let (status, printed) = fleet.end();
    assert!(status.success());
    assert!(printed[0].contains("2 devices") && printed[0].contains("seed 5"), "{}", printed[0]);
}

fn mistake(args: &[&str]) -> (Option<i32>, String) {
    let Output { status, stderr, .. } = wasmote(args).output().expect("it ran");
    (status.code(), String::from_utf8(stderr).expect("text"))
}

#[test]
fn invalid_arguments_are_named_in_the_error() {
    for (args, words) in [
        (&["run", "--broker", "mqtt://host:99999"][..], "99999"),
        (&["run", "--broker", "http://host"], "mqtt"),
        (&["run", "--keepalive", "1s"], "5"),
        (&["run", "--devices", "-3"], "-3"),
        (&["run", "--faults", "relistic"], "realistic"),
        (&["run", "heartbeet"], "heartbeat"),
        (&["run", "--device-config", "peers"], "KEY=VALUE"),
        (&["run", "--mqtt", "4"], "3.1.1"),
        (&["run", "--http", "nonsense"], "nonsense"),
        (&["run", "--duration", "-1s"], "no length of time"),
        (&["run", "--seed", "-1"], "expected a whole number"),
    ] {
        let (code, stderr) = mistake(args);
        assert_eq!(code, Some(2), "{args:?}: {stderr}");
        assert!(stderr.contains(words), "{args:?} names `{words}`: {stderr}");
    }
}

#[test]
fn the_behaviours_error_for_an_invalid_configuration_is_logged() {
    let fleet = Fleet::run(&["--devices", "1", "--device-config", "interval=soon"]);
    let lines =
        fleet.stderr.wait(1, DEFAULT_TIMEOUT, |line| line.contains("interval") && line.contains("soon"));
    assert!(lines[0].contains("heartbeat-0"), "{lines:?}");
    fleet.wait_until("its state is failed", DEFAULT_TIMEOUT, |fleet| {
        fleet.get("/devices/heartbeat-0")["state"] == "failed"
    });
}

#[test]
fn an_absent_broker_is_retried_until_it_is_up() {
    let port = free_port();
    let fleet =
        Fleet::run(&["--devices", "1", "--broker", &format!("mqtt://127.0.0.1:{port}"), "--faults", "none"]);
    fleet.stderr.wait(2, DEFAULT_TIMEOUT, |line| line.contains("heartbeat-0") && line.contains("refused"));
    assert_eq!(fleet.status_of("/healthz"), 200, "the process is healthy");
    assert_eq!(fleet.status_of("/readyz"), 503, "the fleet is not ready");
}

#[test]
fn built_in_behaviours_are_listed_and_inspected_as_data() {
    let output = wasmote(&["behaviours", "list", "--json"]).output().expect("it ran");
    let listed: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON on stdout");
    let text = listed.to_string();
    for name in ["heartbeat", "sensor", "routing", "aggregator", "replay"] {
        assert!(text.contains(name), "{text}");
    }
    let output = wasmote(&["behaviours", "inspect", "heartbeat", "--json"]).output().expect("it ran");
    let seen: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON on stdout");
    assert!(seen["size_bytes"].as_u64() < Some(100_000), "{seen}");
    assert!(!seen["imports"].to_string().contains("wasi"), "{seen}");
}

/// Waits for the end. Returns the exit code, or `None` after a timeout.
fn code_of(child: &mut Child) -> Option<i32> {
    let end = Instant::now() + DEFAULT_TIMEOUT;
    while Instant::now() < end {
        if let Some(status) = child.try_wait().expect("a child of this process") {
            return status.code();
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let _ = child.kill();
    let _ = child.wait();
    None
}

fn send(child: &Child, signal: &str) {
    let sent = Command::new("kill").args(["-s", signal, &child.id().to_string()]).status();
    assert!(sent.expect("kill is there").success());
}

#[test]
fn an_unread_stderr_does_not_block_the_run() {
    let chatty = ["run", "--http", "127.0.0.1:0", "--devices", "20", "--device-config", "interval=20ms"];
    for (more, signals, wanted) in
        [(&["--duration", "6s"][..], 0, 0), (&["--drain", "1s"], 1, 0), (&["--drain", "1m"], 2, 130)]
    {
        let mut child = wasmote(&[&chatty[..], more].concat()).spawn().expect("the program starts");
        // After 3 s the pipe is full. Its other end stays open in the child.
        std::thread::sleep(Duration::from_secs(3));
        (0..signals).for_each(|_| {
            send(&child, "TERM");
            std::thread::sleep(Duration::from_millis(50));
        });
        let code = code_of(&mut child);
        assert!(code == Some(wanted) || (signals == 2 && code == Some(0)), "{more:?}: {code:?}");
    }
}

/// Waits until the process handles SIGTERM, which it sets up first.
fn await_handler(child: &Child) {
    const SIGTERM: u64 = 1 << 14;
    let end = Instant::now() + DEFAULT_TIMEOUT;
    let caught = || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap_or_default();
        u64::from_str_radix(mask.trim(), 16).unwrap_or(0)
    };
    while caught() & SIGTERM == 0 {
        assert!(Instant::now() < end, "the process does not handle signals");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_signal_during_the_start_ends_the_run_cleanly() {
    for wait in [0, 90, 340] {
        let mut child = wasmote(&["run", "--http", "127.0.0.1:0", "--faults", "none"])
            .spawn()
            .expect("the program starts");
        await_handler(&child);
        std::thread::sleep(Duration::from_millis(wait));
        send(&child, "TERM");
        assert_eq!(code_of(&mut child), Some(0), "after {wait} ms");
        let mut printed = String::new();
        child.stdout.take().expect("a pipe").read_to_string(&mut printed).expect("text");
        assert!(printed.contains("9 devices ran"), "after {wait} ms: {printed}");
    }
}

#[test]
fn a_run_without_any_connected_device_fails() {
    let broker = format!("mqtt://127.0.0.1:{}", free_port());
    let args = ["run", "--http", "127.0.0.1:0", "--devices", "2", "--broker", &broker, "--duration", "2s"];
    let Output { status, stdout, stderr } = wasmote(&args).output().expect("it ran");
    let stderr = String::from_utf8_lossy(&stderr);
    assert_eq!(status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("no device was ever connected: ") && stderr.contains("refused"), "{stderr}");
    assert!(String::from_utf8_lossy(&stdout).contains("2 devices ran"));
}

#[test]
fn an_invalid_environment_variable_is_named_and_an_empty_one_is_ignored() {
    let stderr = |value: &str| {
        let output = wasmote(&["run", "--faults", "nonsense"]).env("WASMOTE_DEVICES", value).output();
        String::from_utf8(output.expect("it ran").stderr).expect("text")
    };
    let wrong = stderr("many");
    assert!(wrong.contains("the environment variable WASMOTE_DEVICES"), "{wrong}");
    let empty = stderr("");
    assert!(!empty.contains("DEVICES") && empty.contains("nonsense"), "{empty}");
}

#[test]
fn equal_errors_of_a_group_are_logged_once_with_a_count() {
    let fleet = Fleet::run(&["--devices", "50", "--device-config", "interval=soon"]);
    // In each second of the start, one line names a device and one has the number of the others.
    fleet.wait_until("all 50 devices are logged", DEFAULT_TIMEOUT, |fleet| {
        let lines = fleet.stderr.all().into_iter().filter(|line| line.contains("soon"));
        let of = |line: String| {
            let before = line.split_once(" more device")?.0.to_owned();
            before.rsplit(' ').next()?.parse::<usize>().ok()
        };
        lines.map(|line| of(line).unwrap_or(1)).sum::<usize>() == 50
    });
    assert!(fleet.stderr.count(|line| line.contains("soon")) < 20);
}

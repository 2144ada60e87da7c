//! Arguments and results beyond the limits: the import returns its error, the host cuts the text, or it replaces the
//! result. Nothing traps.

use bytes::Bytes;
use serde_json::json;
use wasmote_engine::CompileMode;
use wasmote_sim::action::Action;
use wasmote_sim::device::{Input, PowerState};
use wasmote_sim::http::HttpRequest;
use wasmote_sim::limits::Limits;
use wasmote_sim::notice::DeviceNotice;

use super::{GROW, number, reports, started};
use crate::guests::Guest;
use crate::harness::{Harness, compiled};

const PUBLISH_WITH: &str =
    r#"(import "wasmote:device/mqtt@0.1.0" "publish-with" (func $publish-with (param i32 i32)))"#;
const SET_WILL: &str = r#"(import "wasmote:device/mqtt@0.1.0" "set-will"
    (func $set-will (param i32 i32 i32 i32 i32 i32 i32 i32 i32)))"#;
const STORE: &str = r#"(import "wasmote:device/state@0.1.0" "set" (func $store (param i32 i32 i32 i32 i32)))
    (import "wasmote:device/state@0.1.0" "get" (func $load (param i32 i32 i32)))
    (import "wasmote:device/state@0.1.0" "delete" (func $delete (param i32 i32)))"#;
const SEND: &str = r#"(import "wasmote:device/http@0.1.0" "send"
    (func $send (param i32 i32 i32 i32 i32 i32 i32 i32 i64 i32)))"#;
const COUNT: &str =
    r#"(import "wasmote:device/metrics@0.1.0" "counter-add" (func $count (param i32 i32 f64 i32)))"#;
const SUBSCRIBE: &str = r#"(import "wasmote:device/mqtt@0.1.0" "subscribe" (func $subscribe (param i32 i32 i32 i32)))
    (import "wasmote:device/mqtt@0.1.0" "unsubscribe" (func $unsubscribe (param i32 i32)))"#;
const CONFIG: &str = r#"(import "wasmote:device/config@0.1.0" "text" (func $text (param i32 i32 i32)))"#;

/// Reports the first 16 bytes of a result.
const REPORT: &str = "(call $report (i32.const 2048) (i32.const 16))";

#[test]
fn a_payload_beyond_every_limit_is_too_large_and_counted() {
    for bytes in [131_073, 262_145, 900_000] {
        let start = format!(
            "(call $publish (i32.const 64) (i32.const 11) (i32.const 0) (i32.const {bytes}) (i32.const 0)
               (i32.const 0) (i32.const 2048)) {REPORT}"
        );
        let guest = Guest { start: &format!("{GROW} {start}"), ..Guest::default() };
        let harness = started(&guest);
        assert_eq!(harness.traps(), [""; 0], "{bytes}");
        let report = &harness.published()[0].payload;
        assert_eq!((report[0], report[4], number(report, 8)), (1, 1, 131_072), "payload-too-large: {bytes}");
        assert_eq!(harness.device.refusals().publish_invalid, 1, "{bytes}");
    }
}

#[test]
fn an_invalid_topic_has_a_reason_and_is_counted() {
    // A wildcard, a NUL, nothing, and 70,000 bytes.
    for (topic, length, reason) in
        [("#", 1, "wildcard"), ("\\00", 1, "NUL"), ("x", 0, "empty"), ("x", 70_000, "70000 bytes")]
    {
        let fill = match length {
            70_000 => "(memory.fill (i32.const 100000) (i32.const 120) (i32.const 70000))",
            _ => "",
        };
        let start = format!(
            "{GROW} (memory.init $topic (i32.const 100000) (i32.const 0) (i32.const 1)) {fill}
             (call $publish (i32.const 100000) (i32.const {length}) (i32.const 96) (i32.const 10) (i32.const 0)
               (i32.const 0) (i32.const 2048))
             {REPORT} (call $report (i32.load (i32.const 2056)) (i32.load (i32.const 2060)))"
        );
        let functions = format!("(data $topic \"{topic}\")");
        let harness = started(&Guest { functions: &functions, start: &start, ..Guest::default() });
        let published = harness.published();
        assert_eq!((published[0].payload[0], published[0].payload[4]), (1, 0), "invalid-topic: {reason}");
        let text = String::from_utf8_lossy(&published[1].payload).into_owned();
        assert!(text.contains(reason), "{text}");
        assert_eq!(harness.device.refusals().publish_invalid, 1, "{reason}");
    }
}

#[test]
fn a_property_longer_than_mqtt_allows_and_too_many_properties_are_too_large() {
    // The parameters begin at 4096: topic, payload, QoS, retain, and the properties at 4116.
    let parameters = "(i32.store (i32.const 4096) (i32.const 64)) (i32.store (i32.const 4100) (i32.const 11))
        (memory.fill (i32.const 100000) (i32.const 120) (i32.const 70000))";
    let content_type =
        "(i32.store8 (i32.const 4116) (i32.const 1)) (i32.store (i32.const 4120) (i32.const 100000))
        (i32.store (i32.const 4124) (i32.const 65536))";
    // Five user properties with a name of 10 and a value of 60,000 bytes.
    let user: String = (0..5)
        .map(|index| {
            let at = 6000 + 16 * index;
            format!(
                "(i32.store (i32.const {at}) (i32.const 96)) (i32.store (i32.const {}) (i32.const 10))
                 (i32.store (i32.const {}) (i32.const 100000)) (i32.store (i32.const {}) (i32.const 60000))",
                at + 4,
                at + 8,
                at + 12
            )
        })
        .collect();
    let user = format!(
        "{user} (i32.store (i32.const 4160) (i32.const 6000)) (i32.store (i32.const 4164) (i32.const 5))"
    );
    for (properties, limit) in [(content_type, 65_535), (&*user, 262_144)] {
        let start = format!(
            "{parameters} {properties} (call $publish-with (i32.const 4096) (i32.const 2048)) {REPORT}"
        );
        let reported = reports(PUBLISH_WITH, &start);
        assert_eq!((reported[0][0], reported[0][4], number(&reported[0], 8)), (1, 1, limit));
    }
}

#[test]
fn a_will_is_limited_to_binary_data_of_mqtt() {
    let set = |bytes: u32| {
        let start = format!(
            "(call $set-will (i32.const 1) (i32.const 64) (i32.const 11) (i32.const 0) (i32.const {bytes})
               (i32.const 1) (i32.const 1) (i32.const 7) (i32.const 2048)) {REPORT}"
        );
        reports(SET_WILL, &start).remove(0)
    };
    let refused = set(65_536);
    assert_eq!((refused[0], refused[4], number(&refused, 8)), (1, 1, 65_535));
    assert_eq!(set(65_535)[0], 0);
}

#[test]
fn the_will_of_start_is_that_of_the_first_connection() {
    let set = "(call $set-will (i32.const 1) (i32.const 64) (i32.const 11) (i32.const 96) (i32.const 10)
               (i32.const 1) (i32.const 1) (i32.const 7) (i32.const 2048))";
    let clear = "(call $set-will (i32.const 0) (i32.const 64) (i32.const 11) (i32.const 96) (i32.const 10)
               (i32.const 1) (i32.const 1) (i32.const 7) (i32.const 2048))";
    for (start, wanted) in [(set.to_owned(), true), (format!("{set} {clear}"), false)] {
        let harness = started(&Guest { imports: SET_WILL, start: &start, ..Guest::default() });
        let will = harness.actions.iter().find_map(|action| match action {
            Action::Connect(will) => Some(will.clone()),
            _ => None,
        });
        let will = will.expect("it connects");
        assert_eq!(will.is_some(), wanted);
        if let Some(will) = will {
            assert_eq!(
                (will.message.topic.as_str(), &will.message.payload[..]),
                ("wasmote/t/x", &b"final line"[..])
            );
            assert_eq!((u8::from(will.message.qos), will.message.retain, will.delay), (1, true, 7));
        }
    }
}

#[test]
fn a_value_beyond_the_quota_is_full_and_the_old_one_stays() {
    for bytes in [65_536, 262_145, 900_000] {
        let start = format!(
            "(call $store (i32.const 64) (i32.const 1) (i32.const 96) (i32.const 10) (i32.const 2048))
             (call $store (i32.const 64) (i32.const 1) (i32.const 0) (i32.const {bytes}) (i32.const 2048)) {REPORT}
             (call $load (i32.const 64) (i32.const 1) (i32.const 2048))
             (call $report (i32.load (i32.const 2052)) (i32.load (i32.const 2056)))"
        );
        let reported = reports(STORE, &start);
        assert_eq!(
            (reported[0][0], reported[0][4], number(&reported[0], 8)),
            (1, 0, 65_536),
            "full: {bytes}"
        );
        assert_eq!(reported[1], b"final line");
    }
}

#[test]
fn a_key_of_any_length_is_unknown_or_ignored() {
    let start = "(memory.fill (i32.const 100000) (i32.const 120) (i32.const 800000))
        (call $delete (i32.const 100000) (i32.const 800000))
        (call $load (i32.const 100000) (i32.const 800000) (i32.const 2048))";
    assert_eq!(reports(STORE, &format!("{start} {REPORT}"))[0][0], 0, "none");
    let start = "(memory.fill (i32.const 100000) (i32.const 120) (i32.const 800000))
        (call $text (i32.const 100000) (i32.const 800000) (i32.const 2048))";
    let reported = reports(CONFIG, &format!("{start} {REPORT}"));
    assert_eq!((reported[0][0], reported[0][4]), (0, 0), "ok(none)");
}

#[test]
fn a_log_line_of_any_length_is_cut_at_the_limit() {
    for bytes in [5_000, 262_145, 900_000] {
        let start = format!(
            "{GROW} (memory.fill (i32.const 100000) (i32.const 120) (i32.const 900000))
             (call $log (i32.const 2) (i32.const 100000) (i32.const {bytes}))"
        );
        let harness = started(&Guest { start: &start, ..Guest::default() });
        assert_eq!(harness.traps(), [""; 0], "{bytes}");
        assert_eq!(harness.logs(), ["x".repeat(4_096)], "{bytes}");
    }
}

#[test]
fn a_metric_with_a_name_of_any_length_is_refused_with_the_reason() {
    for (bytes, amount, wanted) in
        [(65, "1", 0), (300_000, "1", 0), (1, "-1", 2), (1, "nan", 2), (1, "inf", 2), (64, "1", u8::MAX)]
    {
        let start = format!(
            "(memory.fill (i32.const 100000) (i32.const 120) (i32.const 800000))
             (call $count (i32.const 100000) (i32.const {bytes}) (f64.const {amount}) (i32.const 2048)) {REPORT}"
        );
        let report = reports(COUNT, &start).remove(0);
        match wanted {
            u8::MAX => assert_eq!(report[0], 0, "a name of 64 letters"),
            case => assert_eq!((report[0], report[4]), (1, case), "{bytes} letters, {amount}"),
        }
    }
}

#[test]
fn the_65th_metric_is_one_too_many() {
    let start = format!(
        "(memory.fill (i32.const 5000) (i32.const 120) (i32.const 100))
         (global.set $left (i32.const 65))
         (loop $more
           (call $count (i32.const 5000) (global.get $left) (f64.const 1) (i32.const 2048))
           (global.set $left (i32.sub (global.get $left) (i32.const 1)))
           (br_if $more (i32.gt_s (global.get $left) (i32.const 1))))
         (i32.store8 (i32.const 5000) (i32.const 97))
         (call $count (i32.const 5000) (i32.const 1) (f64.const 1) (i32.const 2048))
         (call $count (i32.const 5000) (i32.const 2) (f64.const 1) (i32.const 2048)) {REPORT}"
    );
    let globals = "(global $left (mut i32) (i32.const 0))";
    let harness = started(&Guest { imports: COUNT, globals, start: &start, ..Guest::default() });
    let report = harness.published()[0].payload.clone();
    assert_eq!((report[0], report[4], number(&report, 8)), (1, 1, 64), "too-many(64)");
}

#[test]
fn a_filter_beyond_the_rules_is_invalid_and_an_unknown_one_is_ignored() {
    for (length, wanted) in [(0, (1, 0)), (70_000, (1, 0)), (600_000, (1, 0))] {
        let start = format!(
            "(memory.fill (i32.const 100000) (i32.const 120) (i32.const 800000))
             (call $unsubscribe (i32.const 100000) (i32.const 5))
             (call $unsubscribe (i32.const 100000) (i32.const 600000))
             (call $subscribe (i32.const 100000) (i32.const {length}) (i32.const 0) (i32.const 2048)) {REPORT}"
        );
        let report = reports(SUBSCRIBE, &start).remove(0);
        assert_eq!((report[0], report[4]), wanted, "{length}");
    }
}

#[test]
fn the_257th_subscription_is_one_too_many_and_a_second_one_replaces_the_qos() {
    let start = format!(
        "(memory.fill (i32.const 5000) (i32.const 120) (i32.const 300)) (global.set $left (i32.const 257))
         (loop $more
           (call $subscribe (i32.const 5000) (global.get $left) (i32.const 0) (i32.const 2048))
           (global.set $left (i32.sub (global.get $left) (i32.const 1))) (br_if $more (global.get $left))) {REPORT}
         (call $subscribe (i32.const 5000) (i32.const 200) (i32.const 2) (i32.const 2048)) {REPORT}"
    );
    let globals = "(global $left (mut i32) (i32.const 0))";
    let harness = started(&Guest { imports: SUBSCRIBE, globals, start: &start, ..Guest::default() });
    let reported: Vec<Bytes> = harness.published().iter().map(|message| message.payload.clone()).collect();
    assert_eq!((reported[0][0], reported[0][4], number(&reported[0], 8)), (1, 1, 256), "too-many(256)");
    assert_eq!(reported[1][0], 0);
    let exactly_once = harness.device.subscriptions().filter(|(_, qos)| u8::from(*qos) == 2);
    assert_eq!(exactly_once.map(|(filter, _)| filter.as_str().len()).collect::<Vec<_>>(), [200]);
}

#[test]
fn a_request_is_refused_with_its_reason_and_causes_no_reply() {
    // The texts at 200: `GET`, a URL and a method that does not exist.
    let functions = r#"(data (i32.const 200) "GET") (data (i32.const 210) "http://example.org/")
        (data (i32.const 240) "SMILE") (data (i32.const 250) "ftp://example.org/")"#;
    let send = |method: (u32, u32), url: (u32, u32), body: u32| {
        let start = format!(
            "{GROW} (memory.copy (i32.const 100000) (i32.const 210) (i32.const 19))
             (memory.fill (i32.const 100019) (i32.const 120) (i32.const 300000))
             (call $send (i32.const {}) (i32.const {}) (i32.const {}) (i32.const {}) (i32.const 0) (i32.const 0)
               (i32.const 0) (i32.const {body}) (i64.const 1000000000) (i32.const 2048))
             (call $report (i32.const 2048) (i32.const 24))",
            method.0, method.1, url.0, url.1
        );
        let guest = Guest { imports: SEND, functions, start: &start, ..Guest::default() };
        let component = compiled(CompileMode::Full, &guest.component());
        let limits = Limits::default();
        let hosts = vec!["example.org".to_owned()].into();
        let harness = Harness::for_hosts(&component, json!({}), limits, hosts).start();
        assert_eq!(harness.traps(), [""; 0]);
        let sent = harness.actions.iter().filter(|action| matches!(action, Action::HttpSend(..))).count();
        (harness.published()[0].payload.to_vec(), sent)
    };
    let (get, url) = ((200, 3), (210, 19));
    let (sent, requests) = send(get, url, 262_144);
    assert_eq!((sent[0], number(&sent, 8), requests), (0, 1, 1), "it has the number 1");
    for (method, url, body, case) in [
        (get, url, 262_145, 2),
        (get, url, 900_000, 2),
        ((240, 5), url, 0, 1),
        (get, (250, 18), 0, 1),
        (get, (210, 3), 0, 1),
        (get, (100_000, 300_019), 0, 1),
    ] {
        let (report, requests) = send(method, url, body);
        assert_eq!((report[0], report[8], requests), (1, case, 0), "{method:?} {url:?} {body}");
        if case == 2 {
            assert_eq!(number(&report, 12), 262_144, "body-too-large");
        }
    }
}

#[test]
fn without_an_allow_list_a_request_is_denied() {
    let functions = r#"(data (i32.const 200) "GET") (data (i32.const 210) "http://example.org/")"#;
    let start =
        "(call $send (i32.const 200) (i32.const 3) (i32.const 210) (i32.const 19) (i32.const 0) (i32.const 0)
        (i32.const 0) (i32.const 0) (i64.const 1000000000) (i32.const 2048))
        (call $report (i32.const 2048) (i32.const 24))
        (call $report (i32.load (i32.const 2060)) (i32.load (i32.const 2064)))";
    let harness = started(&Guest { imports: SEND, functions, start, ..Guest::default() });
    let published = harness.published();
    assert_eq!((published[0].payload[0], published[0].payload[8]), (1, 0), "denied");
    assert_eq!(&published[1].payload[..], b"example.org", "it names the host");
}

#[test]
fn a_fifth_request_in_flight_is_one_too_many() {
    let functions = r#"(data (i32.const 200) "GET") (data (i32.const 210) "http://example.org/")"#;
    let send =
        "(call $send (i32.const 200) (i32.const 3) (i32.const 210) (i32.const 19) (i32.const 0) (i32.const 0)
        (i32.const 0) (i32.const 0) (i64.const 1000000000) (i32.const 2048))";
    let start = format!("{} (call $report (i32.const 2048) (i32.const 24))", send.repeat(5));
    let guest = Guest { imports: SEND, functions, start: &start, ..Guest::default() };
    let hosts = vec!["example.org".to_owned()].into();
    let component = compiled(CompileMode::Full, &guest.component());
    let harness = Harness::for_hosts(&component, json!({}), Limits::default(), hosts).start();
    let report = harness.published()[0].payload.clone();
    assert_eq!((report[0], report[8], number(&report, 12)), (1, 3, 4), "too-many(4)");
    let numbers = harness.actions.iter().filter_map(|action| match action {
        Action::HttpSend(number, ..) => Some(*number),
        _ => None,
    });
    assert_eq!(numbers.collect::<Vec<_>>(), [1, 2, 3, 4]);
}

/// Status and body of the answer to a request.
fn answer(http: &str) -> (u16, String) {
    let mut harness = started(&Guest { start: GROW, http, ..Guest::default() });
    let request =
        HttpRequest { method: "GET".into(), url: "/".into(), headers: Vec::new(), body: Bytes::new() };
    harness.handle(Input::HttpRequest(7, request));
    assert_eq!(harness.traps(), [""; 0]);
    let answer = harness.actions.iter().find_map(|action| match action {
        Action::HttpRespond(7, response) => Some(response.clone()),
        _ => None,
    });
    let answer = answer.expect("every request has an answer");
    (answer.status, String::from_utf8_lossy(&answer.body).into_owned())
}

#[test]
fn a_response_that_is_too_large_or_has_no_status_becomes_a_500() {
    let with_body = |bytes: u32| {
        answer(&format!(
            "(i32.store16 (i32.const 1024) (i32.const 200)) (i32.store (i32.const 1036) (i32.const 5000))
             (i32.store (i32.const 1040) (i32.const {bytes}))"
        ))
    };
    assert_eq!(with_body(262_144).0, 200);
    for bytes in [262_145, 900_000] {
        let wanted = format!("the behaviour answered with {bytes} bytes, and its limit is 262144\n");
        assert_eq!(with_body(bytes), (500, wanted));
    }
    // One header whose value has 300,000 bytes.
    let (status, text) = answer(
        "(i32.store (i32.const 1028) (i32.const 4000)) (i32.store (i32.const 1032) (i32.const 1))
         (i32.store (i32.const 4000) (i32.const 96)) (i32.store (i32.const 4004) (i32.const 5))
         (i32.store (i32.const 4008) (i32.const 5000)) (i32.store (i32.const 4012) (i32.const 300000))",
    );
    assert_eq!(
        (status, &*text),
        (500, "the behaviour answered with 300005 bytes, and its limit is 262144\n")
    );
    for status in [0, 99, 600, 65_535] {
        let found = answer(&format!("(i32.store16 (i32.const 1024) (i32.const {status}))"));
        assert_eq!(found, (500, format!("the behaviour answered with the status {status}\n")));
    }
    assert_eq!(answer("(i32.store16 (i32.const 1024) (i32.const 599))").0, 599);
}

#[test]
fn the_reason_of_start_is_unchanged_and_cut_only_at_the_limit() {
    for (bytes, kept) in [(5_000, 5_000), (900_000, 262_144)] {
        let start = format!(
            "{GROW} (memory.fill (i32.const 100000) (i32.const 120) (i32.const 900000))
             (i32.store8 (i32.const 1024) (i32.const 1)) (i32.store (i32.const 1028) (i32.const 100000))
             (i32.store (i32.const 1032) (i32.const {bytes}))"
        );
        let harness = started(&Guest { start: &start, ..Guest::default() });
        assert_eq!(*harness.device.power(), PowerState::Failed("x".repeat(kept)), "{bytes}");
        assert_eq!(harness.device.traps(), 0);
    }
}

#[test]
fn a_snapshot_beyond_the_limit_is_an_error_and_the_old_version_runs_on() {
    for (bytes, refused) in [(262_144, false), (262_145, true), (900_000, true)] {
        let snapshot = format!(
            "(i32.store (i32.const 1028) (i32.const 0)) (i32.store (i32.const 1032) (i32.const {bytes}))"
        );
        let restore =
            "(i32.store (i32.const 5000) (local.get 1)) (call $report (i32.const 5000) (i32.const 4))";
        let guest = Guest { start: GROW, snapshot: &snapshot, restore, ..Guest::default() };
        let component = compiled(CompileMode::Full, &guest.component());
        let mut harness = Harness::single(&component, json!({}), Limits::default()).start();
        harness.swap(&component);
        let refusals = harness.notices(|notice| match notice {
            DeviceNotice::SwapRefused(_, refusal) => Some(refusal.to_string()),
            _ => None,
        });
        assert_eq!(*harness.device.power(), PowerState::On, "{refusals:?}");
        assert_eq!(harness.device.traps(), 0);
        if refused {
            let wanted =
                format!("the snapshot has {bytes} bytes, and the limit is 262144 (--limit host_call_bytes)");
            assert!(refusals[0].contains(&wanted), "{refusals:?}");
        } else {
            assert_eq!(number(&harness.published()[0].payload, 0), 262_144, "{refusals:?}");
        }
    }
}

#[test]
fn only_arguments_beyond_the_memory_of_the_guest_trap_and_the_reason_says_so() {
    // Each of 4,000 headers has the same name and value of 30,000 bytes: 240 MB in a memory of 1 MiB.
    let functions = r#"(data (i32.const 200) "GET") (data (i32.const 210) "http://example.org/")"#;
    let start = format!(
        "{GROW} (memory.fill (i32.const 200000) (i32.const 120) (i32.const 30000)) (global.set $left (i32.const 64000))
         (loop $more
           (global.set $left (i32.sub (global.get $left) (i32.const 8)))
           (i32.store (i32.add (i32.const 300000) (global.get $left)) (i32.const 200000))
           (i32.store (i32.add (i32.const 300004) (global.get $left)) (i32.const 30000))
           (br_if $more (global.get $left)))
         (call $send (i32.const 200) (i32.const 3) (i32.const 210) (i32.const 19) (i32.const 300000) (i32.const 4000)
           (i32.const 0) (i32.const 0) (i64.const 1) (i32.const 2048))"
    );
    let globals = "(global $left (mut i32) (i32.const 0))";
    let harness = started(&Guest { imports: SEND, globals, functions, start: &start, ..Guest::default() });
    let traps = harness.traps();
    assert_eq!(traps, ["trapped: the arguments of one host call have more bytes than its memory may have"]);
}

#[test]
fn lines_beyond_the_log_rate_are_dropped_and_counted() {
    let start = "(call $log-line)".repeat(70);
    let harness = started(&Guest { start: &start, ..Guest::default() });
    assert_eq!((harness.logs().len(), harness.device.refusals().log_rate), (50, 20));
}

#[test]
fn an_invalid_response_topic_is_refused() {
    let start = "(i32.store8 (i32.const 5000) (i32.const 35))
        (i32.store (i32.const 4096) (i32.const 64)) (i32.store (i32.const 4100) (i32.const 11))
        (i32.store8 (i32.const 4128) (i32.const 1)) (i32.store (i32.const 4132) (i32.const 5000))
        (i32.store (i32.const 4136) (i32.const 1)) (call $publish-with (i32.const 4096) (i32.const 2048))";
    let report = reports(PUBLISH_WITH, &format!("{start} {REPORT}")).remove(0);
    assert_eq!((report[0], report[4]), (1, 0), "invalid-topic");
}

#[test]
fn a_guest_neither_sets_nor_sees_reserved_properties() {
    // Two user properties: `wasmote-x` and `final line`, each with its own name as the value.
    let functions = r#"(data (i32.const 200) "wasmote-x")"#;
    let start = "(i32.store (i32.const 4096) (i32.const 64)) (i32.store (i32.const 4100) (i32.const 11))
        (i32.store (i32.const 6000) (i32.const 200)) (i32.store (i32.const 6004) (i32.const 9))
        (i32.store (i32.const 6008) (i32.const 200)) (i32.store (i32.const 6012) (i32.const 9))
        (i32.store (i32.const 6016) (i32.const 96)) (i32.store (i32.const 6020) (i32.const 10))
        (i32.store (i32.const 6024) (i32.const 96)) (i32.store (i32.const 6028) (i32.const 10))
        (i32.store (i32.const 4160) (i32.const 6000)) (i32.store (i32.const 4164) (i32.const 2))
        (i32.store8 (i32.const 4112) (i32.const 1)) (call $publish-with (i32.const 4096) (i32.const 2048))";
    // Reports how many user properties a message has.
    let message = "(call $report (i32.add (local.get 0) (i32.const 72)) (i32.const 4))";
    let mut harness =
        started(&Guest { imports: PUBLISH_WITH, functions, start, message, ..Guest::default() });
    let mut sent = harness.published()[0].clone();
    let properties = sent.properties.as_mut().expect("properties");
    assert_eq!(properties.user, [("final line".to_owned(), "final line".to_owned())]);
    properties.user.push(("wasmote-y".into(), "hidden".into()));
    harness.handle(Input::Delivered(sent));
    assert_eq!(number(&harness.published()[1].payload, 0), 1);
}

#[test]
fn names_of_headers_are_lower_case_and_methods_upper_case() {
    let functions = r#"(data (i32.const 200) "get") (data (i32.const 210) "http://example.org/") (data (i32.const 240) "X-A")"#;
    let header = "(i32.store (i32.const 4000) (i32.const 240)) (i32.store (i32.const 4004) (i32.const 3))
        (i32.store (i32.const 4008) (i32.const 240)) (i32.store (i32.const 4012) (i32.const 3))";
    let start = format!(
        "{header} (call $send (i32.const 200) (i32.const 3) (i32.const 210) (i32.const 19) (i32.const 4000) (i32.const 1)
           (i32.const 0) (i32.const 0) (i64.const 1) (i32.const 2048))"
    );
    let http = "(i32.store (i32.const 1028) (i32.const 4000)) (i32.store (i32.const 1032) (i32.const 1))";
    let guest = Guest { imports: SEND, functions, start: &start, http, ..Guest::default() };
    let component = compiled(CompileMode::Full, &guest.component());
    let hosts = vec!["example.org".to_owned()].into();
    let mut harness = Harness::for_hosts(&component, json!({}), Limits::default(), hosts).start();
    let request =
        HttpRequest { method: "GET".into(), url: "/".into(), headers: Vec::new(), body: Bytes::new() };
    harness.handle(Input::HttpRequest(7, request));
    let headers = harness.actions.iter().filter_map(|action| match action {
        Action::HttpSend(_, request, _) => Some((request.method.clone(), request.headers.clone())),
        Action::HttpRespond(_, response) => Some(("GET".into(), response.headers.clone())),
        _ => None,
    });
    let wanted = ("GET".to_owned(), vec![("x-a".to_owned(), "X-A".to_owned())]);
    assert_eq!(headers.collect::<Vec<_>>(), [wanted.clone(), wanted]);
}

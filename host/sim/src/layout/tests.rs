//! Layouts of single messages, and the errors of layouts.

use serde_json::json;
use wasmote_mqtt::device_id::DeviceId;

use super::*;

const KNOWN: KnownTopics =
    &[("telemetry", &["type", "seq", "values"]), ("state", &[]), ("cmd", &["id", "cmd"])];

fn identity(index: u32) -> Identity {
    Identity {
        id: DeviceId::new(&format!("pump-{index}")).unwrap(),
        client_id: Some("sn/0003".into()),
        group: "pumps".into(),
        index,
        count: 9,
        topic_root: "site/a".into(),
        peers: None,
    }
}

fn layout(value: serde_json::Value) -> Layout {
    Layout::read(&value, Some(KNOWN)).unwrap()
}

fn message(topic: &str, payload: impl Into<bytes::Bytes>) -> Message {
    Message::new(Topic::new(topic).unwrap(), payload)
}

fn out(layout: &Layout, topic: &str, payload: &str) -> Result<(String, Vec<u8>), LayoutRefusal> {
    let wall = WallTime::from_nanos(1_767_225_600_250_000_000);
    let sent = layout.outbound(message(topic, payload.to_owned()), &identity(3), wall, 1_000)?;
    Ok((sent.topic.to_string(), sent.payload.to_vec()))
}

fn text(layout: &Layout, topic: &str, payload: &str) -> (String, String) {
    let (topic, payload) = out(layout, topic, payload).unwrap();
    (topic, String::from_utf8(payload).unwrap())
}

#[test]
fn every_message_of_a_device_gets_its_topic() {
    let layout = layout(json!({
        "topic": "plant/{group}/{device}/{name}",
        "topics": {"telemetry": "/{index:06}/up", "cmd": "{root}/down/{device}", "state": "things/{client_id}/state"},
    }));
    for (own, wire) in [
        ("site/a/pump-3/telemetry", "/000003/up"),
        ("site/a/pump-3/state", "things/sn/0003/state"),
        ("site/a/pump-3/events", "plant/pumps/pump-3/events"),
        ("site/a/pump-3/a/b", "plant/pumps/pump-3/a/b"),
        ("site/a/pump-4/cmd", "site/a/down/pump-4"),
        ("site/a/all/message", "plant/pumps/all/message"),
        ("site/a/link/pump-3/pump-4", "site/a/link/pump-3/pump-4"),
        ("site/b/pump-3/telemetry", "site/b/pump-3/telemetry"),
        ("elsewhere", "elsewhere"),
    ] {
        assert_eq!(text(&layout, own, "x"), (wire.into(), "x".into()));
    }
}

#[test]
fn a_received_message_gets_back_the_topic_that_the_behaviour_asked_for() {
    let layout = layout(
        json!({"topics": {"telemetry": "plant/{group}/p-{device}/up", "cmd": "cmd", "state": "{device}"}}),
    );
    let own = identity(3);
    let filter = |text: &str| layout.filter(&TopicFilter::new(text).unwrap(), &own).unwrap();
    let (all, one) = (filter("site/a/+/telemetry"), filter("site/a/pump-5/telemetry"));
    let (commands, states) = (filter("site/a/pump-3/cmd"), filter("site/a/+/state"));
    let wire = [&all, &one, &commands, &states].map(|(filter, _)| filter.as_str().to_owned());
    assert_eq!(wire, ["plant/+/+/up", "plant/+/p-pump-5/up", "cmd", "+"]);
    let routes = [all.1, one.1, commands.1, states.1];
    for (wire, topic) in [
        ("plant/pumps/p-pump-7/up", "site/a/pump-7/telemetry"),
        ("plant/others/p-x/up", "site/a/x/telemetry"),
        // The wildcard matches more than the template does.
        ("plant/others/q-x/up", "plant/others/q-x/up"),
        ("cmd", "site/a/pump-3/cmd"),
        ("pump-1", "site/a/pump-1/state"),
        ("unrelated/topic", "unrelated/topic"),
    ] {
        assert_eq!(layout.inbound(message(wire, "x"), &own, routes.iter()).topic.as_str(), topic, "{wire}");
    }
    assert_eq!(layout.filter(&TopicFilter::new("site/a/#").unwrap(), &own), None);
}

#[test]
fn integers_of_64_bits_and_decimals_keep_their_digits() {
    let payload = r#"{"a":18446744073709551615,"b":-9223372036854775808,"c":1.50,"d":0.1}"#;
    let cbor = layout(json!({"payload": {"encoding": "cbor"}}));
    let (_, encoded) = out(&cbor, "x", payload).unwrap();
    let back = cbor.inbound(message("x", encoded), &identity(3), [].iter());
    assert_eq!(back.payload, r#"{"a":18446744073709551615,"b":-9223372036854775808,"c":1.5,"d":0.1}"#);
    let chosen = json!({"payloads": {"telemetry": {"fields": [
        "a", "c",
        {"from": "a", "as": "less", "offset": -1, "type": "integer"},
        {"from": "b", "as": "text", "type": "text"},
        {"from": "c", "as": "rounded", "type": "integer"},
        {"from": "d", "as": "fixed", "decimals": 3},
    ]}}});
    // Nothing is known of the fields of other behaviours, so any may be chosen.
    let chosen = Layout::read(&chosen, None).unwrap();
    assert_eq!(
        text(&chosen, "site/a/pump-3/telemetry", payload).1,
        r#"{"a":18446744073709551615,"c":1.50,"less":18446744073709551614,"text":"-9223372036854775808","rounded":2,"fixed":0.100}"#
    );
}

#[test]
fn a_payload_without_a_layout_stays_as_it_is() {
    let layout = layout(json!({"payload": {"encoding": "cbor"}, "payloads": {"cmd": {"encoding": "json"}}}));
    for payload in ["online", "", "12", "[1]", "{not json"] {
        if payload != "{not json" {
            assert_eq!(text(&layout, "site/a/pump-3/state", payload).1, payload);
        }
    }
    let bytes =
        layout.outbound(message("x", vec![0xff, 0xfe]), &identity(3), WallTime::default(), 10).unwrap();
    assert_eq!(bytes.payload, [0xff, 0xfe][..]);
    for payload in [&b"online"[..], b"1", b"", b"\xff\xff"] {
        let same = layout.inbound(message("x", payload.to_vec()), &identity(3), [].iter());
        assert_eq!(same.payload, payload);
    }
}

#[test]
fn a_payload_that_grows_beyond_the_limit_is_refused() {
    let layout = layout(json!({"payloads": {"telemetry": {"template": "{seq}".repeat(300)}}}));
    assert_eq!(out(&layout, "site/a/pump-3/telemetry", r#"{"seq": 123}"#).unwrap().1.len(), 900);
    assert_eq!(out(&layout, "site/a/pump-3/telemetry", r#"{"seq": 1234}"#), Err(LayoutRefusal::TooLarge));
}

#[test]
fn the_device_and_its_clock_are_in_every_message() {
    let layout = layout(json!({"payloads": {"state": {"fields": [
        "device", "group", "index", {"from": "payload", "as": "state"}, {"from": "ts", "as": "at", "time": "epoch_ms"},
    ]}}}));
    assert_eq!(
        text(&layout, "site/a/pump-3/state", "online").1,
        r#"{"device":"pump-3","group":"pumps","index":3,"state":"online","at":1767225600250}"#
    );
}

#[test]
fn an_invalid_layout_is_refused_with_its_field_and_the_nearest_name() {
    for (value, words) in [
        (
            json!({"topics": {"telemtry": "a"}}),
            "layout.topics.telemtry: the behaviour has no topic `telemtry`; did you mean `telemetry`?",
        ),
        (
            json!({"topics": {"flow": "a"}}),
            "layout.topics.flow: the behaviour has no topic `flow`; known are `telemetry`, `state`, `cmd`",
        ),
        (json!({"topics": {"state": 7}}), "layout.topics.state: expected a text, found 7"),
        (
            json!({"topics": {"state": "{devcie}/x"}}),
            "layout.topics.state: `{devcie}/x`: there is no placeholder `{devcie}`; did you mean `{device}`?",
        ),
        (json!({"topics": {"state": "{to}"}}), "only the topic `link` has `{to}`"),
        (
            json!({"topic": "plant/{device}"}),
            "layout.topic: `plant/{device}`: it stands for several topics, so it needs `{name}`",
        ),
        (json!({"topics": []}), "layout.topics: expected an object, found []"),
        (json!({"topik": "x"}), "layout.topik: there is no such field; did you mean `topic`?"),
        (json!("x"), "layout: expected an object"),
        (
            json!({"payload": {"encoding": "cobr"}}),
            "layout.payload.encoding: there is no `cobr`; did you mean `cbor`?",
        ),
        (
            json!({"payload": {"encoding": "protobuf"}}),
            "known are `json`, `cbor`, `messagepack`, `csv`, `text`",
        ),
        (
            json!({"payload": {"fields": ["ts"]}}),
            "layout.payload.fields: the messages of different topics have different fields",
        ),
        (json!({"payload": {"encoding": "text"}}), "`text` needs a `template`"),
        (
            json!({"payloads": {"telemetry": {"encoding": "text"}}}),
            "layout.payloads.telemetry: the encoding `text` needs a `template`",
        ),
        (
            json!({"payloads": {"telemetry": {"template": "{valeus.t}"}}}),
            "layout.payloads.telemetry.template: `valeus.t`: the message has no field `valeus`; did you mean `values`?",
        ),
        (json!({"payloads": {"telemetry": {"template": "{ts"}}}), "is not closed"),
        (
            json!({"payloads": {"telemetry": {"template": "nothing"}}}),
            "expected at least one field in braces",
        ),
        (
            json!({"payloads": {"telemetry": {"encoding": "cbor", "template": "{ts}"}}}),
            "only the encoding `text` has a template",
        ),
        (
            json!({"payloads": {"telemetry": {"fields": []}}}),
            "layout.payloads.telemetry.fields: expected a list of 1 to 256 fields, found []",
        ),
        (
            json!({"payloads": {"telemetry": {"fields": ["sq"]}}}),
            "fields[0]: `sq`: the message has no field `sq`; did you mean `seq`?",
        ),
        (
            json!({"payloads": {"telemetry": {"fields": ["ts", "values.ts"]}}}),
            "fields[1]: another field is called `ts`",
        ),
        (
            json!({"payloads": {"telemetry": {"fields": [{"from": "ts", "tme": "epoch_s"}]}}}),
            "fields[0].tme: there is no such field; did you mean `time`?",
        ),
        (
            json!({"payloads": {"telemetry": {"fields": [{"from": "ts", "time": "epoch"}]}}}),
            "fields[0].time: there is no `epoch`; did you mean `epoch_s`?",
        ),
        (json!({"payloads": {"telemetry": {"fields": [{"as": "x"}]}}}), "expected either `from`"),
        (json!({"payloads": {"telemetry": {"fields": [{"value": 1}]}}}), "name the field by `as`"),
        (
            json!({"payloads": {"telemetry": {"fields": [{"from": "seq", "decimals": 16}]}}}),
            "decimals: expected a whole number from 0 to 15, found 16",
        ),
        (
            json!({"payloads": {"telemetry": {"fields": [{"from": "seq", "scale": "2"}]}}}),
            "scale: expected a number, found \"2\"",
        ),
        (
            json!({"payloads": {"telemetry": {"fields": [{"from": "seq", "type": "int"}]}}}),
            "type: there is no `int`",
        ),
        (json!({"payloads": {"telemetry": {"header": true}}}), "header: only the encoding `csv` has it"),
        (
            json!({"payloads": {"telemetry": {"encoding": "csv", "separator": "x"}}}),
            "separator: there is no `x`",
        ),
        (
            json!({"payloads": {"telemetry": {"times": ["tz"]}}}),
            "times[0]: `tz`: the message has no field `tz`; did you mean `ts`?",
        ),
        (json!({"payloads": {"telemetry": {"fields": ["a..b"]}}}), "names with single dots"),
    ] {
        let problem = Layout::read(&value, Some(KNOWN)).unwrap_err().to_string();
        assert!(problem.contains(words), "{value}: {problem}");
    }
    let link = Layout::read(&json!({"topics": {"link": "mesh/{device}"}}), None).unwrap_err().to_string();
    assert!(
        link.contains("layout.topics.link: `mesh/{device}`: the topic of a link needs `{device}` and `{to}`"),
        "{link}"
    );
}

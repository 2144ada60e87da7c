use crate::Replay;
use std::time::Duration;
use wasmote_sdk::bench::{Fleet, refusal};
use wasmote_sdk::json::Value;

const SECOND: Duration = Duration::from_secs(1);

/// A recording with times, topics, payloads and devices.
const ROWS: &str = "time,topic,body,who,n\n0,a/b,x,replay-0,9007199254740993\n1.5,a/c,\"{\"\"k\"\": 1}\",replay-1,1.50\n4,a/b,,replay-0,\n";

fn replay(data: &str, count: usize, config: &str) -> Fleet<Replay> {
    let data = Value::from(data);
    Fleet::of("replay", count).config(&format!(r#"{{"data": {data}{config}}}"#)).start()
}

/// Times in milliseconds, topics and payloads of all messages below `a` or of the device.
fn messages(fleet: &Fleet<Replay>, filter: &str) -> Vec<(u128, String, String)> {
    let all = fleet.published(filter).into_iter();
    all.map(|one| (one.at.as_millis(), one.message.topic.clone(), one.text().to_owned())).collect()
}

fn expected(rows: &[(u128, &str, &str)]) -> Vec<(u128, String, String)> {
    rows.iter().map(|(at, topic, payload)| (*at, (*topic).into(), (*payload).into())).collect()
}

#[test]
fn rows_are_published_at_their_times_with_topic_and_payload() {
    let mut fleet = replay(ROWS, 1, r#", "topic_column": "topic", "payload_column": "body""#);
    fleet.run_for(60 * SECOND);
    let rows = [(0, "a/b", "x"), (1_500, "a/c", r#"{"k": 1}"#), (4_000, "a/b", "")];
    assert_eq!(messages(&fleet, "a/#"), expected(&rows));
    assert!(fleet.logged(0, "the replay ends after 3 messages"));
    let mut fleet = replay(
        ROWS,
        1,
        r#", "speed": 2, "loop": true, "topic": "a/{who}/{n}", "payload": "{time};{device}""#,
    );
    fleet.run_for(5 * SECOND + SECOND / 2);
    let rows = [
        (0, "a/replay-0/9007199254740993", "0;replay-0"),
        (750, "a/replay-1/1.50", "1.5;replay-0"),
        (2_000, "a/replay-0/", "4;replay-0"),
        // The mean time between two rows is 2 s, or 1 s at this speed.
        (3_000, "a/replay-0/9007199254740993", "0;replay-0"),
        (3_750, "a/replay-1/1.50", "1.5;replay-0"),
        (5_000, "a/replay-0/", "4;replay-0"),
    ];
    assert_eq!(messages(&fleet, "a/#"), expected(&rows));
}

#[test]
fn a_row_is_an_object_of_its_columns_with_all_digits() {
    let mut fleet = replay(ROWS, 1, r#", "topic_column": "topic", "device_column": "who""#);
    fleet.run_for(10 * SECOND);
    let rows = [
        (0, "a/b", r#"{"time":0,"body":"x","n":9007199254740993}"#),
        (4_000, "a/b", r#"{"time":4,"body":null,"n":null}"#),
    ];
    assert_eq!(messages(&fleet, "a/#"), expected(&rows));
    let mut fleet = replay(ROWS, 1, r#", "columns": ["n", "who"]"#);
    fleet.run_for(3 * SECOND);
    assert_eq!(fleet.last("wasmote/replay-0/data").text(), r#"{"n":1.50,"who":"replay-1"}"#);
}

#[test]
fn each_device_takes_its_own_rows() {
    let mut fleet = replay(ROWS, 2, r#", "device_column": "who", "columns": ["n"]"#);
    fleet.run_for(10 * SECOND);
    assert_eq!(messages(&fleet, "wasmote/replay-0/data").len(), 2);
    assert_eq!(
        messages(&fleet, "wasmote/replay-1/data"),
        expected(&[(1_500, "wasmote/replay-1/data", r#"{"n":1.50}"#)])
    );
}

#[test]
fn a_recording_without_times_has_an_interval() {
    let lines = "{\"v\": 1}\n{\"v\": {\"x\": [2]}}\n";
    let config = r#", "format": "ndjson", "interval": "2s", "loop": true, "pause": "5s""#;
    let mut fleet = replay(lines, 1, config);
    fleet.run_for(10 * SECOND);
    let topic = "wasmote/replay-0/data";
    let rows = [
        (0, topic, r#"{"v":1}"#),
        (2_000, topic, r#"{"v":{"x":[2]}}"#),
        (7_000, topic, r#"{"v":1}"#),
        (9_000, topic, r#"{"v":{"x":[2]}}"#),
    ];
    assert_eq!(messages(&fleet, topic), expected(&rows));
}

#[test]
fn a_long_recording_is_published_completely_and_in_order() {
    let rows: String = (0..2_000).map(|row| format!("{},{row}\n", row / 1_000)).collect();
    let mut fleet = replay(&format!("time,n\n{rows}"), 1, r#", "payload": "{n}""#);
    fleet.run_for(10 * SECOND);
    // A device may publish 1,000 messages a second, and 2,000 at once are refused in part; none is published twice.
    let numbers: Vec<u32> =
        messages(&fleet, "wasmote/replay-0/data").iter().map(|(_, _, text)| text.parse().unwrap()).collect();
    assert!(numbers.is_sorted() && numbers.len() >= 1_000, "{}", numbers.len());
    assert_eq!(fleet.counter("rows_published_total"), 2_000.0);
}

#[test]
fn a_device_that_was_off_has_missed_rows_and_repeats_none() {
    let rows: String = (0..100).map(|row| format!("{row},{row}\n")).collect();
    for (data, config) in [
        (format!("time,n\n{rows}"), r#", "payload": "{n}""#),
        (
            format!("n\n{}", (0..100).map(|row| format!("{row}\n")).collect::<String>()),
            r#", "header": true, "payload": "{n}""#,
        ),
    ] {
        let mut fleet = replay(&data, 1, config);
        fleet.run_for(20 * SECOND + SECOND / 2);
        fleet.crash(0);
        fleet.run_for(100 * SECOND);
        let numbers: Vec<u32> = messages(&fleet, "wasmote/replay-0/data")
            .iter()
            .map(|(_, _, text)| text.parse().unwrap())
            .collect();
        let mut once = numbers.clone();
        once.dedup();
        assert_eq!(numbers, once, "no row is published twice");
        assert!(numbers.contains(&20) && numbers.contains(&99), "{numbers:?}");
    }
    let mut fleet = replay(&format!("time,n\n{rows}"), 1, r#", "payload": "{n}""#);
    fleet.run_for(20 * SECOND + SECOND / 2);
    fleet.swap(0);
    fleet.run_for(100 * SECOND);
    assert_eq!(messages(&fleet, "wasmote/replay-0/data").len(), 100);
}

#[test]
fn bytes_come_from_base64_and_hex() {
    let data = "time,raw\n0,AP8=\n1,!\n2,AAE=\n";
    let mut fleet = replay(data, 1, r#", "payload_column": "raw", "payload_encoding": "base64""#);
    fleet.run_for(5 * SECOND);
    let payloads: Vec<_> =
        fleet.published("wasmote/replay-0/data").into_iter().map(|one| one.message.payload).collect();
    assert_eq!(payloads, [vec![0, 255], vec![0, 1]]);
    assert!(fleet.logged(0, "a row is not published: `!` is not in the payload_encoding"));
    assert_eq!(fleet.counter("rows_invalid_total"), 1.0);
}

#[test]
fn an_invalid_configuration_is_refused_with_its_field() {
    let data = Value::from(ROWS);
    for (config, words) in [
        (r#""topic": "a/{wo}""#, "topic: `a/{wo}`: there is no placeholder `{wo}`; did you mean `who`?"),
        (r#""payload": "{""#, "payload: `{`: a brace without its counterpart"),
        (r#""topic": "a/#""#, "topic: expected a topic without wildcards"),
        (r#""topic": "a", "topic_column": "topic""#, "topic: expected either topic or topic_column"),
        (r#""payload": "a", "payload_column": "body""#, "payload: expected one of"),
        (r#""topic_column": "tpic""#, "topic_column: there is no column `tpic`; did you mean `topic`?"),
        (r#""columns": ["zzz"]"#, "columns: there is no column `zzz`; known are `time`, `topic`"),
        (r#""columns": "n""#, "columns: expected a list"),
        (r#""payload_encoding": "hex""#, "payload_encoding: expected a payload_column"),
        (r#""interval": "1s""#, "interval: the recording has times of its own"),
        (r#""speed": 0"#, "speed: expected at least"),
        (r#""separator": "x""#, "separator: expected one of"),
        (r#""lop": true"#, "lop"),
    ] {
        let problem = refusal::<Replay>(&format!(r#"{{"data": {data}, {config}}}"#));
        assert!(problem.contains(words), "{config}: {problem}");
    }
    assert!(refusal::<Replay>("{}").contains("data: it is missing"));
}

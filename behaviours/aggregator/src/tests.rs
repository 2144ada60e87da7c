use crate::Aggregator;
use std::time::Duration;
use wasmote_sdk::bench::{Fleet, refusal};
use wasmote_sdk::json::Value;
use wasmote_sdk::{Request, decimal};

/// Start of the bench clock, in seconds since 1970.
const EPOCH: f64 = 1_767_225_600.0;

const SECOND: Duration = Duration::from_secs(1);

fn aggregator(config: &str) -> Fleet<Aggregator> {
    Fleet::of("aggregator", 1).config(config).start()
}

/// Sends telemetry of a device with one channel `x`, with a timestamp in seconds after the start.
fn telemetry(fleet: &mut Fleet<Aggregator>, device: &str, at: f64, value: f64) {
    let (ts, value) = (decimal(EPOCH + at, 6), decimal(value, 6));
    let payload = format!(r#"{{"device":"{device}","type":"telemetry","ts":{ts},"values":{{"x":{value}}}}}"#);
    fleet.send(&format!("wasmote/{device}/telemetry"), payload);
}

fn aggregates(fleet: &Fleet<Aggregator>) -> Vec<Value> {
    fleet.published("wasmote/aggregator-0/aggregate").iter().map(|report| report.json()).collect()
}

fn first_series(aggregate: &Value) -> &Value {
    &aggregate.get("series").unwrap().list().unwrap()[0]
}

fn number(value: &Value, name: &str) -> f64 {
    value.get(name).and_then(Value::number).expect(name)
}

fn counter(fleet: &mut Fleet<Aggregator>, name: &str) -> f64 {
    number(&fleet.get(0, "/"), name)
}

#[test]
fn a_window_is_published_when_its_lateness_has_passed() {
    let mut fleet = aggregator(r#"{"window": "10s", "lateness": "2s"}"#);
    for value in 1..=10 {
        telemetry(
            &mut fleet,
            if value % 2 == 0 { "a" } else { "b" },
            f64::from(value) - 0.5,
            f64::from(value),
        );
    }
    fleet.run_for(Duration::from_millis(11_900));
    assert_eq!(aggregates(&fleet).len(), 0, "late values may still come");
    fleet.run_for(Duration::from_millis(200));
    let all = aggregates(&fleet);
    let series = first_series(&all[0]);
    assert_eq!((number(&all[0], "start"), number(&all[0], "end")), (EPOCH, EPOCH + 10.0));
    assert_eq!(series.get("channel").unwrap().text(), Some("x"));
    assert_eq!((number(series, "count"), number(series, "mean")), (10.0, 5.5));
    assert_eq!((number(series, "min"), number(series, "max")), (1.0, 10.0));
    let percentiles = series.get("percentiles").unwrap();
    assert_eq!(number(percentiles, "50"), 5.0, "the smallest that half of them do not exceed");
    assert_eq!((number(percentiles, "95"), number(percentiles, "99")), (10.0, 10.0));
}

#[test]
fn sliding_windows_overlap() {
    let mut fleet = aggregator(r#"{"window": "10s", "slide": "5s", "lateness": 0}"#);
    fleet.run_for(20 * SECOND);
    telemetry(&mut fleet, "a", 17.0, 1.0);
    fleet.run_for(20 * SECOND);
    let starts: Vec<f64> = aggregates(&fleet).iter().map(|window| number(window, "start") - EPOCH).collect();
    // The window from 10 s had ended when the value arrived.
    assert_eq!(starts, [15.0]);
    assert_eq!(counter(&mut fleet, "late"), 1.0);
    telemetry(&mut fleet, "a", 41.0, 1.0);
    fleet.run_for(20 * SECOND);
    let starts: Vec<f64> = aggregates(&fleet).iter().map(|window| number(window, "start") - EPOCH).collect();
    assert_eq!(starts, [15.0, 35.0, 40.0]);
}

#[test]
fn late_and_early_values_are_counted_and_ignored() {
    let mut fleet = aggregator(r#"{"window": "10s", "lateness": "1s"}"#);
    fleet.run_for(30 * SECOND);
    telemetry(&mut fleet, "a", 5.0, 1.0);
    telemetry(&mut fleet, "a", 1_000.0, 1.0);
    fleet.run_for(60 * SECOND);
    assert_eq!((counter(&mut fleet, "late"), counter(&mut fleet, "early")), (1.0, 1.0));
    assert_eq!(aggregates(&fleet).len(), 0);
}

#[test]
fn per_device_keeps_one_series_for_each_device() {
    let mut fleet = aggregator(r#"{"window": "10s", "per_device": true, "percentiles": []}"#);
    telemetry(&mut fleet, "a", 1.0, 1.0);
    telemetry(&mut fleet, "b", 1.0, 5.0);
    fleet.run_for(20 * SECOND);
    let all = aggregates(&fleet);
    let sources: Vec<_> = all[0]
        .get("series")
        .unwrap()
        .list()
        .unwrap()
        .iter()
        .map(|series| (series.get("source").unwrap().text().unwrap().to_owned(), number(series, "mean")))
        .collect();
    assert_eq!(sources, [("a".into(), 1.0), ("b".into(), 5.0)]);
}

#[test]
fn beyond_capacity_percentiles_come_from_a_uniform_sample() {
    let mut fleet = aggregator(r#"{"window": "100s", "max_values": 1000, "percentiles": [50]}"#);
    for value in 0..20_000 {
        telemetry(&mut fleet, "a", 50.0, f64::from(value));
    }
    fleet.run_for(110 * SECOND);
    let all = aggregates(&fleet);
    let series = first_series(&all[0]);
    assert_eq!((number(series, "count"), number(series, "mean")), (20_000.0, 9_999.5));
    assert_eq!(number(&all[0], "not_kept"), 19_000.0);
    // The median of a thousand has a standard error of 20,000 / 2 / √1000 = 316.
    let median = number(series.get("percentiles").unwrap(), "50");
    assert!((median - 10_000.0).abs() < 1_580.0, "{median}");
}

#[test]
fn series_are_bounded_and_the_rest_is_counted() {
    let mut fleet = aggregator(r#"{"window": "10s", "max_series": 3}"#);
    for name in ["a", "b", "c", "d", "e"] {
        fleet.send("wasmote/s/telemetry", format!(r#"{{"values":{{"{name}":1}}}}"#));
    }
    fleet.send("wasmote/s/telemetry", format!(r#"{{"values":{{"{}":1}}}}"#, "n".repeat(100)));
    fleet.run_for(SECOND);
    assert_eq!((counter(&mut fleet, "series"), counter(&mut fleet, "left_out")), (3.0, 3.0));
}

#[test]
fn non_numbers_are_ignored_and_malformed_messages_are_counted() {
    let mut fleet = aggregator(r#"{"window": "10s"}"#);
    fleet.send("wasmote/s/telemetry", r#"{"values":{"a":null,"b":"x","c":3}}"#);
    fleet.send("wasmote/s/telemetry", r#"{"value":3}"#);
    fleet.send("wasmote/s/telemetry", "garbage");
    fleet.run_for(SECOND);
    assert_eq!((counter(&mut fleet, "values"), counter(&mut fleet, "malformed")), (1.0, 2.0));
}

#[test]
fn timestamps_in_text_are_understood_or_counted_as_malformed() {
    let mut fleet = aggregator(r#"{"window": "10s"}"#);
    // The bench starts at 2026-01-01.
    for stamp in
        ["\"2026-01-01T00:00:00Z\"", "\"1767225600\"", "1767225600", "\"2026-01-01T01:00:00+01:00\"", "null"]
    {
        fleet.send("wasmote/s/telemetry", format!(r#"{{"ts":{stamp},"values":{{"a":1}}}}"#));
    }
    fleet.run_for(SECOND);
    assert_eq!((counter(&mut fleet, "values"), counter(&mut fleet, "malformed")), (5.0, 0.0));
    for stamp in ["\"yesterday\"", "true", "[1767225600]", "\"2026-01-01T25:00:00Z\"", "\"\""] {
        fleet.send("wasmote/s/telemetry", format!(r#"{{"ts":{stamp},"values":{{"a":1}}}}"#));
    }
    // Long ago, in the future, or in milliseconds: neither is the time of arrival.
    fleet.send("wasmote/s/telemetry", r#"{"ts":"1999-01-01","values":{"a":1}}"#);
    fleet.send("wasmote/s/telemetry", r#"{"ts":"1767225600000","values":{"a":1}}"#);
    fleet.run_for(SECOND);
    assert_eq!(
        (counter(&mut fleet, "malformed"), counter(&mut fleet, "late"), counter(&mut fleet, "early")),
        (5.0, 1.0, 1.0)
    );
}

#[test]
fn topics_can_be_chosen() {
    let fleet = aggregator(r#"{"topics": ["plant/+/x", "other/#"]}"#);
    assert_eq!(fleet.subscriptions(0), ["other/#", "plant/+/x"]);
}

#[test]
fn a_swap_keeps_open_windows() {
    let mut fleet = aggregator(r#"{"window": "10s"}"#);
    telemetry(&mut fleet, "a", 1.0, 1.0);
    fleet.run_for(2 * SECOND);
    fleet.swap(0);
    telemetry(&mut fleet, "a", 2.0, 3.0);
    fleet.run_for(20 * SECOND);
    let all = aggregates(&fleet);
    assert_eq!(all.len(), 1);
    assert_eq!((number(first_series(&all[0]), "count"), number(first_series(&all[0]), "mean")), (2.0, 2.0));
}

#[test]
fn it_answers_http_requests() {
    let mut fleet = aggregator(r#"{"window": "10s"}"#);
    telemetry(&mut fleet, "a", 1.0, 1.0);
    fleet.run_for(SECOND);
    let windows = fleet.get(0, "/windows");
    assert_eq!(number(first_series(&windows.get("open").unwrap().list().unwrap()[0]), "count"), 1.0);
    assert_eq!(windows.get("last"), Some(&Value::Null));
    assert_eq!(fleet.request(0, Request::get("/window")).status, 404);
}

#[test]
fn hostile_input_does_not_panic() {
    let mut fleet =
        aggregator(r#"{"window": "1s", "slide": "10ms", "lateness": 0}"#.replace("10ms", "100ms").as_str());
    for ts in ["0", "-1e300", "1e300", "-9e15", "9e15", "null", "\"x\"", "1767225600.5"] {
        for value in ["1e300", "-1e300", "0", "null", "[]", "1e-300"] {
            for _ in 0..3 {
                fleet.send(
                    "wasmote/s/telemetry",
                    format!(r#"{{"ts":{ts},"device":[],"values":{{"x":{value},"":1}}}}"#),
                );
            }
        }
    }
    fleet.send("wasmote/s/telemetry", vec![b'{'; 10_000]);
    fleet.run_for(10 * SECOND);
    fleet.get(0, "/windows");
}

#[test]
fn an_invalid_configuration_is_rejected_by_field() {
    for (config, problem) in [
        (
            r#"{"window": 0}"#,
            "configuration: window: expected at least 0.1 s and at most 604800 s, found 0 s",
        ),
        (
            r#"{"window": 10, "slide": 20}"#,
            "configuration: slide: expected at least 0.1 s and at most 10 s, found 20 s",
        ),
        (
            r#"{"window": 100, "slide": 0.5}"#,
            "configuration: slide: expected at least a hundredth of the window",
        ),
        (
            r#"{"percentiles": [101]}"#,
            "configuration: percentiles: expected a list of at most 16 numbers from 0 to 100",
        ),
        (r#"{"topics": "x"}"#, "configuration: topics: expected a list of 1 to 64 topic filters"),
        (
            r##"{"topics": ["a#"]}"##,
            "configuration: topics: invalid topic filter: `#` has to be the last level, alone, as in `plant/#`",
        ),
    ] {
        assert_eq!(refusal::<Aggregator>(config), problem);
    }
}

#[test]
fn telemetry_with_a_layout_is_aggregated() {
    let layout = r#"{"topics": {"telemetry": "plant/{group}/{device}/up", "aggregate": "plant/sums"},
        "payloads": {"telemetry": {"encoding": "csv", "fields": [
            {"from": "ts", "time": "iso8601"}, {"from": "values.x", "as": "x", "scale": 1.8, "offset": 32}]}}}"#;
    let config = format!(r#"{{"window": "10s", "lateness": "2s", "per_device": true, "layout": {layout}}}"#);
    let mut fleet = aggregator(&config);
    for (device, at, fahrenheit) in [("a", 1, 50), ("a", 2, 68), ("b", 3, 212), ("a", 11, 32)] {
        fleet.send(&format!("plant/any/{device}/up"), format!("2026-01-01T00:00:{at:02}.000Z,{fahrenheit}"));
    }
    fleet.run_for(30 * SECOND);
    assert_eq!(counter(&mut fleet, "malformed"), 0.0);
    let aggregate = fleet.published("plant/sums")[0].json();
    let series = aggregate.get("series").unwrap().list().unwrap();
    let found: Vec<_> = series
        .iter()
        .map(|row| (row.get("source").unwrap().text().unwrap(), number(row, "count"), number(row, "mean")))
        .collect();
    assert_eq!(found, [("a", 2.0, 15.0), ("b", 1.0, 100.0)]);
}

use crate::Sensor;
use std::time::Duration;
use wasmote_sdk::bench::{Fleet, refusal};
use wasmote_sdk::json::Value;
use wasmote_sdk::message::MessageProperties;
use wasmote_sdk::{Outgoing, Request};

const SECOND: Duration = Duration::from_secs(1);

fn sensor(config: &str) -> Fleet<Sensor> {
    Fleet::of("sensor", 1).config(config).start()
}

/// A sensor with one channel `x` that samples and reports once a second.
fn channel(parameters: &str) -> Fleet<Sensor> {
    sensor(&format!(r#"{{"report_interval": "1s", "channels": [{{"name": "x", {parameters}}}]}}"#))
}

/// Reported values of channel `x`; none for a gap.
fn values(fleet: &Fleet<Sensor>) -> Vec<Option<f64>> {
    let reports = fleet.published("wasmote/sensor-0/telemetry");
    reports.iter().map(|report| report.json().get("values").unwrap().get("x").unwrap().number()).collect()
}

fn mean_and_deviation(numbers: &[f64]) -> (f64, f64) {
    let mean = numbers.iter().sum::<f64>() / numbers.len() as f64;
    let variance = numbers.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / numbers.len() as f64;
    (mean, variance.sqrt())
}

#[test]
fn without_configuration_it_reports_a_temperature() {
    let mut fleet = sensor("{}");
    fleet.run_for(25 * SECOND);
    let report = fleet.last("wasmote/sensor-0/telemetry").json();
    let names: Vec<&str> = report.members().unwrap().iter().map(|(name, _)| name.as_ref()).collect();
    assert_eq!(names, ["device", "type", "ts", "seq", "values"]);
    let temperature = report.get("values").unwrap().get("temperature").unwrap().number().unwrap();
    assert!((17.0..25.0).contains(&temperature), "{temperature}");
}

#[test]
fn sampling_and_reporting_have_their_own_intervals() {
    let mut fleet = sensor(r#"{"sample_interval": "100ms", "report_interval": "5s"}"#);
    fleet.run_for(100 * SECOND);
    assert!((999.0..=1_000.0).contains(&fleet.counter("samples_total")));
    assert_eq!(fleet.published("wasmote/sensor-0/telemetry").len(), 19);
}

#[test]
fn a_ramp_climbs_and_falls_back() {
    let mut fleet = channel(r#""kind": "ramp", "from": 0, "to": 100, "period": "10s""#);
    fleet.run_for(25 * SECOND);
    let values: Vec<f64> = values(&fleet).into_iter().flatten().collect();
    assert_eq!(values.windows(2).filter(|pair| pair[1] < pair[0]).count(), 2);
    assert!(
        values
            .windows(2)
            .filter(|pair| pair[1] > pair[0])
            .all(|pair| (pair[1] - pair[0] - 10.0).abs() < 0.01)
    );
}

#[test]
fn a_sine_swings_around_its_mean() {
    let mut fleet = channel(r#""kind": "sine", "mean": 5, "amplitude": 2, "period": 20"#);
    fleet.run_for(201 * SECOND);
    let values: Vec<f64> = values(&fleet).into_iter().flatten().collect();
    let (mean, deviation) = mean_and_deviation(&values);
    assert!((mean - 5.0).abs() < 0.05 && (deviation - 2.0f64.sqrt()).abs() < 0.05, "{mean} {deviation}");
}

#[test]
fn a_day_is_warmest_at_its_peak() {
    let mut fleet = sensor(
        r#"{"sample_interval": "1m", "report_interval": "1h",
            "channels": [{"name": "x", "kind": "daily", "mean": 10, "amplitude": 8, "peak_hour": 14}]}"#,
    );
    // The bench clock starts at midnight UTC; report n comes after n hours.
    fleet.run_for(86_400 * SECOND);
    let values: Vec<f64> = values(&fleet).into_iter().flatten().collect();
    let warmest = (0..values.len()).max_by(|a, b| values[*a].total_cmp(&values[*b])).unwrap();
    assert_eq!(warmest + 1, 14, "{values:?}");
    assert!((values[warmest] - 18.0).abs() < 0.01);
}

#[test]
fn a_random_walk_keeps_within_its_bounds() {
    let mut fleet = channel(r#""kind": "random_walk", "start": 5, "step": 1, "min": 0, "max": 10"#);
    fleet.run_for(2_000 * SECOND);
    let values: Vec<f64> = values(&fleet).into_iter().flatten().collect();
    assert!(values.iter().all(|value| (0.0..=10.0).contains(value)));
    let (_, deviation) = mean_and_deviation(&values);
    assert!(deviation > 1.5, "it does walk: {deviation}");
}

#[test]
fn a_replay_follows_its_rows() {
    for csv in [r#""seconds,value\n0,10\n10,20\n20,10""#, "[[0,10],[10,20],[20,10]]"] {
        let mut fleet = channel(&format!(r#""kind": "csv", "csv": {csv}"#));
        fleet.run_for(61 * SECOND);
        let values: Vec<f64> = values(&fleet).into_iter().flatten().collect();
        assert!(values.iter().all(|value| (10.0..=20.0).contains(value)));
        let turns =
            values.windows(3).filter(|three| (three[1] - three[0]) * (three[2] - three[1]) < 0.0).count();
        assert!((5..=6).contains(&turns), "three rounds of up and down: {turns}");
    }
}

/// Reported values of a channel that replays this CSV, one each second from the start.
fn replayed(csv: &str, parameters: &str) -> Vec<Option<f64>> {
    let csv = Value::from(csv);
    let mut fleet =
        channel(&format!(r#""kind": "csv", "csv": {csv}, "between": "step", "loop": false{parameters}"#));
    fleet.run_for(8 * SECOND);
    let mut found: Vec<Option<f64>> = Vec::new();
    for value in values(&fleet) {
        if found.last() != Some(&value) {
            found.push(value);
        }
    }
    found
}

#[test]
fn tables_of_many_programs_are_replayed() {
    let rows = [Some(1.5), None, Some(3.0)];
    for (csv, parameters) in [
        ("0,1.5\n3,\n5,3", ""),
        ("\u{feff}seconds,value\r\n0,1.5\r\n3,NaN\r\n5,3\r\n", ""),
        ("\"time\",\"value\"\n\"0\",\"1.5\"\n\"3\",\"\"\n\"5\",\"3\"", ""),
        ("0;1,5\n3;\n5;3,0", r#", "separator": ";", "decimal": ",""#),
        ("0\t+1.5\n3\tNA\n5\t3", r#", "separator": "tab""#),
        (
            "timestamp,site,flow\n2026-03-01T10:00:00Z,\"a, b\",1.5\n2026-03-01T10:00:03Z,x,null\n2026-03-01T10:00:05Z,x,3",
            r#", "column": "flow""#,
        ),
        ("1767225600,x,1.5\n1767225603,x,\n1767225605,x,3", r#", "times": "absolute", "column": 3"#),
        ("Zeit,Wert\n0,1.5\n3,\n5,3", r#", "header": true"#),
        ("value,when\n1.5,0\n,3\n3,5", r#", "header": true, "column": "value", "time_column": "when""#),
    ] {
        assert_eq!(replayed(csv, parameters), rows, "{csv}");
    }
    let mut fleet =
        channel(r#""kind": "csv", "csv": [[0, 1.5], [3, null], [5, 3]], "between": "step", "loop": false"#);
    fleet.run_for(8 * SECOND);
    assert!(
        values(&fleet).contains(&None) && values(&fleet).contains(&Some(1.5)),
        "a list may have gaps, too"
    );
    assert_eq!(replayed("0,1\n1,1\n5,3", r#", "max_gap": "2s""#), [Some(1.0), None, Some(3.0)]);
}

#[test]
fn a_table_is_never_guessed_at() {
    let problem = |csv: &str, parameters: &str| {
        let csv = Value::from(csv);
        let config = format!(r#"{{"channels": [{{"name": "a", "kind": "csv", "csv": {csv}{parameters}}}]}}"#);
        let found = refusal::<Sensor>(&config);
        found.strip_prefix("configuration: channels.0.").unwrap_or(&found).to_owned()
    };
    for (csv, parameters, expected) in [
        ("0,1O\n10,20", "", "csv: line 1, column 2: expected a number, found `1O`"),
        ("O,10\n10,20", "", "csv: line 1, column 1: expected seconds or a date, found `O`; a header names"),
        ("t0,10\n10,20", "", "csv: line 1, column 1: expected seconds or a date, found `t0`; a header names"),
        (
            "time,10\n10,20",
            "",
            "csv: line 1, column 1: expected seconds or a date, found `time`; a header names",
        ),
        ("seconds,value\n0,1\n\n5,2x", "", "csv: line 4, column 2: expected a number, found `2x`"),
        (
            "0;1,5",
            "",
            "csv: line 1, column 1: expected seconds or a date, found `0;1`; a file with semicolons needs",
        ),
        ("0;1", "", "csv: line 1, column 1: expected seconds and a value; a file with semicolons needs"),
        (
            "0;1,5",
            r#", "separator": ";""#,
            "csv: line 1, column 2: expected a number, found `1,5`; numbers with a comma",
        ),
        ("0;1.234,5", r#", "separator": ";", "decimal": ",""#, "csv: line 1, column 2: expected a number"),
        ("0,1", r#", "decimal": ",""#, "decimal: expected \".\", because the separator is"),
        ("0,1\n5,2\n4,3", "", "csv: line 3, column 1: expected seconds that never go back"),
        ("-1,1", "", "csv: line 1, column 1: expected seconds that never go back"),
        (
            "1767225600,1",
            "",
            "csv: line 1, column 1: expected seconds since the start, and found a time as large",
        ),
        (
            "1767225600000,1",
            r#", "times": "absolute""#,
            "csv: line 1, column 1: expected seconds, and found a number as",
        ),
        ("0,1,2", "", "csv: line 1, column 1: there are 3 columns; name the one with the values by `column`"),
        ("0,1,2\n1,2", r#", "column": 3"#, "csv: line 2, column 2: expected 3 columns, found 2"),
        ("0,1\n1,2,3", "", "csv: line 2, column 2: expected 2 columns, found 3"),
        ("0,1", r#", "column": "flow""#, "csv: line 1, column 1: there is no header for the column `flow`"),
        (
            "time,x\n0,1",
            r#", "column": "flow""#,
            "csv: line 1, column 1: there is no column `flow`; there are time, x",
        ),
        ("0,1", r#", "column": 5"#, "csv: line 1, column 1: there is no column 5, but 2"),
        ("0,\"1", "", "csv: line 1, column 2: expected a closing quote"),
        ("\"0\"x,1", "", "csv: line 1, column 1: expected a separator after the closing quote"),
        ("time,value", "", "csv: expected at least one row"),
        ("", "", "csv: expected at least one row"),
        ("0,1", r#", "columm": 2"#, "columm: unknown field"),
    ] {
        let found = problem(csv, parameters);
        assert!(found.starts_with(expected), "{csv:?} {parameters}: {found}");
    }
    let many: String = (0..20_001).map(|row| format!("{row},1\n")).collect();
    // A table may have any length.
    assert_eq!(replayed(&many, ""), [Some(1.0)]);
}

#[test]
fn twenty_thousand_rows_are_replayed() {
    let rows: String = (0..20_000).map(|row| format!("{row},{row}\n")).collect();
    let mut fleet = channel(&format!(r#""kind": "csv", "csv": {}"#, Value::from(rows.as_str())));
    fleet.run_for(10 * SECOND);
    assert!(values(&fleet).last().unwrap().unwrap() > 5.0);
}

#[test]
fn an_acknowledgement_has_the_digits_of_the_id() {
    let mut fleet = sensor("{}");
    for id in ["9007199254740993", "-9007199254740995", "18446744073709551615", "1.50", "[1e3]"] {
        for mark in ["", "\u{feff}"] {
            fleet.send(
                "wasmote/sensor-0/cmd",
                format!(r#"{mark}{{"id":{id},"cmd":"set_interval","sample_s":1}}"#),
            );
            fleet.run_for(SECOND);
            let ack = fleet.last("wasmote/sensor-0/ack").json();
            assert_eq!(
                (ack.get("id").unwrap().to_string().as_str(), ack.get("ok")),
                (id, Some(&Value::from(true)))
            );
        }
    }
}

#[test]
fn noise_has_the_deviation_it_is_given() {
    let mut fleet = channel(r#""kind": "constant", "value": 3, "noise": 0.5"#);
    fleet.run_for(10_000 * SECOND);
    let values: Vec<f64> = values(&fleet).into_iter().flatten().collect();
    let (mean, deviation) = mean_and_deviation(&values);
    // Five standard errors of the mean and of the standard deviation, for ten thousand draws.
    assert!((mean - 3.0).abs() < 0.025 && (deviation - 0.5).abs() < 0.018, "{mean} {deviation}");
}

#[test]
fn drift_grows_by_the_hour() {
    let mut fleet = channel(r#""value": 1, "drift": 2"#);
    fleet.run_for(3_600 * SECOND);
    let last = values(&fleet).pop().flatten().unwrap();
    assert!((last - 3.0).abs() < 0.01, "{last}");
}

#[test]
fn outliers_gaps_and_stuck_readings_are_as_frequent_as_configured() {
    let mut fleet =
        channel(r#""value": 0, "outliers": {"probability": 0.1, "size": 50}, "gaps": {"probability": 0.2}"#);
    fleet.run_for(5_000 * SECOND);
    let values = values(&fleet);
    let gaps = values.iter().filter(|value| value.is_none()).count();
    let outliers = values.iter().flatten().filter(|value| value.abs() == 50.0).count();
    // Expected 1,000 and 400 of 5,000; five standard deviations are 141 and 96.
    assert!((859..=1_141).contains(&gaps), "{gaps}");
    assert!((304..=496).contains(&outliers), "{outliers}");
}

#[test]
fn a_stuck_reading_holds_for_its_time() {
    let mut fleet = channel(r#""noise": 1, "stuck": {"probability": 1, "for": "10s"}"#);
    fleet.run_for(30 * SECOND);
    let values: Vec<f64> = values(&fleet).into_iter().flatten().collect();
    assert!(values[..9].iter().all(|value| *value == values[0]), "{values:?}");
}

#[test]
fn on_change_small_changes_are_suppressed() {
    let mut fleet = sensor(
        r#"{"report": "on_change", "channels": [{"name": "x", "kind": "ramp", "from": 0, "to": 100, "period": "100s", "deadband": 9.5}]}"#,
    );
    fleet.run_for(99 * SECOND);
    let reports = fleet.published("wasmote/sensor-0/telemetry");
    assert!((9..=11).contains(&reports.len()), "{}", reports.len());
}

#[test]
fn on_change_an_interval_bounds_the_silence() {
    let mut fleet = sensor(
        r#"{"report": "on_change", "report_interval": "20s", "channels": [{"name": "x", "value": 4}]}"#,
    );
    fleet.run_for(99 * SECOND);
    assert_eq!(
        fleet.published("wasmote/sensor-0/telemetry").len(),
        5,
        "the first, and one each twenty seconds"
    );
}

#[test]
fn an_alarm_is_raised_once_and_ends_below_its_hysteresis() {
    let mut fleet = sensor(
        r#"{"channels": [{"name": "x", "kind": "csv", "between": "step", "loop": false,
            "csv": [[0,5],[10,11],[12,9.5],[14,10.5],[16,8.5],[20,-1]],
            "alarm": {"high": 10, "low": 0, "hysteresis": 1}}]}"#,
    );
    fleet.run_for(30 * SECOND);
    let states: Vec<_> = fleet
        .published("wasmote/sensor-0/alarm")
        .iter()
        .map(|alarm| (alarm.json().get("state").unwrap().text().unwrap().to_owned(), alarm.number("value")))
        .collect();
    assert_eq!(states, [("high".into(), 11.0), ("normal".into(), 8.5), ("low".into(), -1.0)]);
}

#[test]
fn commands_change_intervals_and_are_acknowledged() {
    let mut fleet = sensor("{}");
    fleet.send("wasmote/sensor-0/cmd", r#"{"id":"a1","cmd":"set_interval","sample_s":0.5,"report_s":2}"#);
    fleet.run_for(21 * SECOND);
    let ack = fleet.last("wasmote/sensor-0/ack").json();
    assert_eq!((ack.get("id").unwrap().text(), ack.get("ok").unwrap().boolean()), (Some("a1"), Some(true)));
    assert_eq!(fleet.published("wasmote/sensor-0/telemetry").len(), 10);
}

#[test]
fn an_answer_goes_to_the_response_topic() {
    let mut fleet = sensor("{}");
    let mut command = Outgoing::new("wasmote/sensor-0/cmd", r#"{"cmd":"reset"}"#);
    command.properties = Some(MessageProperties {
        response_topic: Some("lab/answers".into()),
        correlation_data: Some(b"42".to_vec()),
        ..MessageProperties::default()
    });
    fleet.send_message(command);
    fleet.run_for(SECOND);
    let answer = fleet.last("lab/answers");
    assert_eq!(answer.json().get("ok").unwrap().boolean(), Some(true));
    assert_eq!(answer.message.properties.unwrap().correlation_data.as_deref(), Some(&b"42"[..]));
}

#[test]
fn an_invalid_command_is_rejected_with_a_reason() {
    let mut fleet = sensor("{}");
    for (command, error) in [
        ("{", "the command is no JSON: expected a name in quotes at byte 1"),
        ("{}", "cmd: expected the name of a command"),
        (r#"{"cmd":"dance"}"#, "cmd: expected set_interval, calibrate or reset"),
        (r#"{"cmd":"set_interval"}"#, "expected sample_s or report_s, in seconds"),
        (r#"{"cmd":"set_interval","sample_s":-1}"#, "sample_s: expected 0.01 to 604800 seconds, found -1"),
        (
            r#"{"cmd":"set_interval","report_s":1e300}"#,
            "report_s: expected 0.01 to 604800 seconds, found 1e300",
        ),
        (r#"{"cmd":"calibrate"}"#, "channel: expected the name of a channel"),
        (r#"{"cmd":"calibrate","channel":"y"}"#, "channel: there is none named \"y\""),
        (r#"{"cmd":"calibrate","channel":"temperature"}"#, "expected either offset or value, a number"),
    ] {
        fleet.send("wasmote/sensor-0/cmd", command);
        fleet.run_for(Duration::from_millis(2));
        let ack = fleet.last("wasmote/sensor-0/ack").json();
        assert_eq!(
            (ack.get("ok").unwrap().boolean(), ack.get("error").unwrap().text()),
            (Some(false), Some(error))
        );
    }
}

#[test]
fn calibration_corrects_the_reading_and_outlives_a_crash() {
    let mut fleet = channel(r#""value": 20"#);
    fleet.run_for(5 * SECOND);
    fleet.send("wasmote/sensor-0/cmd", r#"{"cmd":"calibrate","channel":"x","value":21.5}"#);
    fleet.run_for(3 * SECOND);
    assert_eq!(values(&fleet).pop().flatten(), Some(21.5));
    fleet.crash(0);
    fleet.restart(0);
    fleet.run_for(3 * SECOND);
    assert_eq!(values(&fleet).pop().flatten(), Some(21.5));
    fleet.send("wasmote/sensor-0/cmd", r#"{"cmd":"reset"}"#);
    fleet.run_for(3 * SECOND);
    assert_eq!(values(&fleet).pop().flatten(), Some(20.0));
}

#[test]
fn a_swap_keeps_the_state() {
    let mut fleet = channel(r#""kind": "random_walk", "start": 100, "step": 0.001, "drift": 1"#);
    fleet.run_for(1_000 * SECOND);
    fleet.send("wasmote/sensor-0/cmd", r#"{"cmd":"calibrate","channel":"x","offset":50}"#);
    fleet.run_for(3 * SECOND);
    let before = values(&fleet).pop().flatten().unwrap();
    fleet.swap(0);
    fleet.run_for(2 * SECOND);
    let after = values(&fleet).pop().flatten().unwrap();
    assert!((before - after).abs() < 0.02 && after > 150.0, "{before} {after}");
    let numbers: Vec<f64> =
        fleet.published("wasmote/+/telemetry").iter().map(|report| report.number("seq")).collect();
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1.0));
}

#[test]
fn it_answers_http_requests() {
    let mut fleet = channel(r#""value": 7, "unit": "mm""#);
    fleet.run_for(3 * SECOND);
    assert_eq!(fleet.get(0, "/").get("values").unwrap().get("x").unwrap().number(), Some(7.0));
    let channels = fleet.get(0, "/channels");
    let first = &channels.get("channels").unwrap().list().unwrap()[0];
    assert_eq!(first.get("unit").and_then(Value::text), Some("mm"));
    assert_eq!(first.get("alarm").and_then(Value::text), Some("normal"));
    assert_eq!(fleet.request(0, Request::get("/nothing")).status, 404);
}

#[test]
fn hostile_input_does_not_panic() {
    let mut fleet = sensor("{}");
    let commands = ["set_interval", "calibrate", "reset", "", "x"];
    let values = ["null", "1e300", "-1e300", "\"\"", "[]", "{}", "true", "0", "9007199254740993"];
    for command in commands {
        for value in values {
            let fields = ["id", "sample_s", "report_s", "channel", "offset", "value"];
            for field in fields {
                fleet.send("wasmote/sensor-0/cmd", format!(r#"{{"cmd":"{command}","{field}":{value}}}"#));
            }
            fleet.send(
                "wasmote/sensor-0/cmd",
                format!(r#"{{"cmd":"calibrate","channel":"temperature","offset":{value}}}"#),
            );
        }
    }
    fleet.send("wasmote/sensor-0/cmd", vec![0xff; 1_000]);
    fleet.run_for(60 * SECOND);
    fleet.get(0, "/channels");
}

#[test]
fn an_invalid_configuration_is_rejected_by_field() {
    for (config, problem) in [
        (
            r#"{"sample_interval": "fast"}"#,
            "configuration: sample_interval: expected a duration like \"5s\" or a number of seconds, found \"fast\"",
        ),
        (
            r#"{"report": "often"}"#,
            "configuration: report: expected one of interval, on_change, found \"often\"",
        ),
        (r#"{"channels": []}"#, "configuration: channels: expected a list of 1 to 64 channels"),
        (r#"{"channels": [5]}"#, "configuration: channels.0: expected an object"),
        (r#"{"channels": [{}]}"#, "configuration: channels.0.name: expected a name"),
        (
            r#"{"channels": [{"name": "a"}, {"name": "a"}]}"#,
            "configuration: channels.1.name: expected a name that no other channel has",
        ),
        (
            r#"{"channels": [{"name": "a", "kind": "cubic"}]}"#,
            "configuration: channels.0.kind: expected one of constant, ramp, sine, daily, random_walk, csv, found \"cubic\"",
        ),
        (
            r#"{"channels": [{"name": "a", "noise": -1}]}"#,
            "configuration: channels.0.noise: expected at least 0 and at most 1000000000000, found -1",
        ),
        (
            r#"{"channels": [{"name": "a", "gaps": {"probability": 2}}]}"#,
            "configuration: channels.0.gaps.probability: expected at least 0 and at most 1, found 2",
        ),
        (r#"{"channels": [{"name": "a", "gaps": 1}]}"#, "configuration: channels.0.gaps: expected an object"),
        (
            r#"{"channels": [{"name": "a", "alarm": {"high": 1, "low": 2}}]}"#,
            "configuration: channels.0.alarm: expected low and high to lie two hystereses apart",
        ),
        (
            r#"{"channels": [{"name": "a", "kind": "csv"}]}"#,
            r#"configuration: channels.0.csv: it is missing; expected a table, or a file as {"$data": "plant.csv"}"#,
        ),
        (
            r#"{"channels": [{"name": "a", "kind": "csv", "csv": "0,1\n1,x"}]}"#,
            "configuration: channels.0.csv: line 2, column 2: expected a number, found `x`",
        ),
        (
            r#"{"channels": [{"name": "a", "kind": "csv", "csv": [[5,1],[4,1]]}]}"#,
            "configuration: channels.0.csv: row 2: expected seconds that never go back",
        ),
        (
            r#"{"channels": [{"name": "a", "kind": "ramp", "period": 0}]}"#,
            "configuration: channels.0.period: expected at least 0.001 s, found 0 s",
        ),
    ] {
        assert_eq!(refusal::<Sensor>(config), problem);
    }
    let misspelt = refusal::<Sensor>(r#"{"channels": [{"name": "a", "amplitude": 1}]}"#);
    assert!(
        misspelt.starts_with("configuration: channels.0.amplitude: unknown field; known are name, unit"),
        "{misspelt}"
    );
}

/// The payload of the first report with this layout of telemetry.
fn laid_out(payload: &str) -> Vec<u8> {
    let config = format!(
        r#"{{"report_interval": "1s", "channels": [{{"name": "t", "value": 21.5}}, {{"name": "n", "value": 7}}],
            "layout": {{"topics": {{"telemetry": "plant/{{group}}/{{device}}/up"}}, "payloads": {{"telemetry": {payload}}}}}}}"#
    );
    let mut fleet = Fleet::<Sensor>::of("sensor", 1).config(&config).start();
    fleet.run_for(Duration::from_secs(3));
    fleet.published("plant/sensor/sensor-0/up")[0].message.payload.clone()
}

#[test]
fn telemetry_has_the_chosen_fields_units_and_times() {
    let text = |payload: &str| String::from_utf8(laid_out(payload)).unwrap();
    let fahrenheit = r#"{"from": "values.t", "as": "data.t", "scale": 1.8, "offset": 32, "decimals": 2}"#;
    assert_eq!(
        text(&format!(
            r#"{{"fields": [{fahrenheit}, {{"value": "°F", "as": "data.unit"}}, "seq", "device"]}}"#
        )),
        r#"{"data":{"t":70.70,"unit":"°F"},"seq":1,"device":"sensor-0"}"#
    );
    assert_eq!(
        text(r#"{"template": "{device};{values.t};{values.n};{values.none}|{{}}"}"#),
        "sensor-0;21.5;7;|{}"
    );
    assert_eq!(
        text(
            r#"{"encoding": "csv", "separator": ";", "header": true, "fields": ["seq", "values.t", {"from": "values.n", "type": "float"}]}"#
        ),
        "seq;t;n\n1;21.5;7.0"
    );
    let time = text(r#"{"template": "{ts}", "time": "iso8601"}"#);
    assert!(time.starts_with("2026-01-01T00:00:0") && time.ends_with('Z'), "{time}");
    let digits = ["epoch_s", "epoch_ms", "epoch_us", "epoch_ns"].map(|format| {
        let time = text(&format!(r#"{{"template": "{{ts}}", "time": "{format}"}}"#));
        assert!(time.bytes().all(|byte| byte.is_ascii_digit()), "{time}");
        time.len()
    });
    assert_eq!(digits, [10, 13, 16, 19]);
    let cbor = laid_out(
        r#"{"encoding": "cbor", "fields": ["seq", {"from": "values.n", "as": "n", "type": "text"}]}"#,
    );
    assert_eq!(cbor, [0xa2, 0x63, b's', b'e', b'q', 1, 0x61, b'n', 0x61, b'7']);
    let pack = laid_out(r#"{"encoding": "messagepack", "fields": ["values.t"]}"#);
    assert_eq!(pack, [&[0x81, 0xa1, b't', 0xcb][..], &21.5_f64.to_be_bytes()].concat());
}

//! Tables in memory: formats, errors, and rows by position and time.

use serde_json::{Value, json};

use super::*;
use crate::config::DeviceConfig;

const SECOND: u64 = 1_000_000_000;

fn open(config: Value, purpose: Purpose) -> Result<Arc<Table>, String> {
    DeviceConfig::new(config).table("data", purpose)
}

fn values(config: Value) -> Result<Vec<(u64, String)>, String> {
    let table = open(config, Purpose::Values)?;
    let mut rows = Vec::new();
    let mut next = Some(0);
    while let Some(position) = next {
        let batch = table.read(position, 3)?;
        rows.extend(batch.rows.into_iter().map(|row| (row.at, row.cells[0].clone())));
        next = batch.next;
    }
    assert_eq!(rows.len() as u64, table.rows());
    Ok(rows)
}

#[test]
fn values_have_exact_digits_and_times() {
    let expected: Vec<(u64, String)> =
        [(0, "1"), (SECOND / 2, "18446744073709551615"), (2 * SECOND, "null"), (2 * SECOND, "-0.10")]
            .map(|(at, text)| (at, text.to_owned()))
            .into();
    for config in [
        json!({"data": "0,1\n0.5,18446744073709551615\n2,\n2,-0.10"}),
        json!({"data": "\u{feff}time;flow;x\r\n0;1;a\r\n\r\n0,5;18446744073709551615;b\r\n2;nan;c\r\n02;-0,10;\r\n\r\n",
               "separator": ";", "decimal": ",", "column": "flow"}),
        json!({"data": "value,ts\n1,1000\n18446744073709551615,1500\n,3000\n-0.10,3000", "time_unit": "ms", "times": "absolute",
               "time_column": "ts", "column": "value"}),
        json!({"data": "{\"ts\": \"2026-01-01T00:00:00Z\", \"a\": {\"b\": 1}}\n{\"ts\": \"2026-01-01T00:00:00.5Z\", \"a\": {\"b\": \
                18446744073709551615}}\n{\"ts\": \"2026-01-01T00:00:02Z\"}\n{\"ts\": \"2026-01-01T01:00:02+01:00\", \"a\": {\"b\": -0.10}}",
               "format": "ndjson", "column": "a.b"}),
        json!({"data": "+0,1\n0.5,18446744073709551615\n2,NA\n2.,-00.10"}),
    ] {
        assert_eq!(values(config.clone()).as_ref(), Ok(&expected), "{config}");
    }
    assert_eq!(
        values(json!({"data": [[0, 7], ["1.5", null], [2, 0.25]]})).unwrap(),
        [(0, "7".into()), (3 * SECOND / 2, "null".into()), (2 * SECOND, "0.25".into())]
    );
}

#[test]
fn records_keep_what_cells_are() {
    let text = "time,id,open,note,serial\n0,9007199254740993,true,\"a \"\"b\"\", c\",\"007\"\n1,,x,,7\n";
    let table = open(json!({"data": text}), Purpose::Records).unwrap();
    assert_eq!(table.columns(), ["time", "id", "open", "note", "serial"]);
    assert!(table.has_times());
    let rows = table.read(0, 10).unwrap().rows;
    assert_eq!(rows[0].cells, ["0", "9007199254740993", "true", r#""a \"b\", c""#, r#""007""#]);
    assert_eq!(rows[1].cells, ["1", "null", r#""x""#, "null", "7"]);
    let lines = "{\"topic\": \"a\", \"n\": 1.50}\n{\"topic\": \"b\", \"more\": [1, {}]}";
    let table = open(json!({"data": lines, "format": "ndjson"}), Purpose::Records).unwrap();
    assert_eq!((table.columns(), table.has_times()), (&["topic", "n", "more"].map(String::from)[..], false));
    let rows = table.read(0, 10).unwrap().rows;
    assert_eq!(rows[0].cells, [r#""a""#, "1.50", "null"]);
    assert_eq!(rows[1].cells, [r#""b""#, "null", "[1,{}]"]);
    let plain = open(json!({"data": "5,x\n6,y"}), Purpose::Records).unwrap();
    assert_eq!((plain.columns(), plain.has_times()), (&["1", "2"].map(String::from)[..], false));
}

#[test]
fn rows_are_found_by_their_times_in_a_large_table() {
    let text: String = (0..50_000).map(|row| format!("{}.5,{row}\n", row / 2 * 3)).collect();
    let table = open(json!({"data": text}), Purpose::Values).unwrap();
    assert_eq!((table.rows(), table.length()), (50_000, 74_997 * SECOND + SECOND / 2));
    assert!((50..200).contains(&table.index.len()), "{}", table.index.len());
    for (at, row) in [
        (0, 0),
        (SECOND / 2, 1),
        (SECOND, 1),
        (3 * SECOND, 1),
        (4 * SECOND, 3),
        (60_000 * SECOND, 39_999),
        (u64::MAX, 49_999),
    ] {
        let (position, bytes) = table.seek(at).unwrap();
        assert_eq!(table.read(position, 1).unwrap().rows[0].cells, [row.to_string()], "{at}");
        assert!(bytes < 20_000, "{bytes}");
    }
    let (position, _) = table.seek(30_000 * SECOND).unwrap();
    assert!(table.read(position + 1, 1).unwrap_err().contains("is not the position of a row"));
    assert_eq!(table.read(u64::MAX, 1).unwrap_err(), format!("{} is not the position of a row", u64::MAX));
    let batch = table.read(0, u32::MAX).unwrap();
    assert_eq!(batch.rows.len(), 1_000);
}

#[test]
fn whatever_cannot_be_read_is_an_error_with_its_place() {
    for (config, words) in [
        (
            json!({"data": "0,1\n1,1O"}),
            "configuration: data: line 2, column 2: expected a number, found `1O`",
        ),
        (json!({"data": "0,1\nx,1"}), "line 2, column 1: expected seconds or a date, found `x`"),
        (json!({"data": "when,flow\n0,1"}), "a header names its time column"),
        (json!({"data": "0,1\n1"}), "line 2, column 1: expected 2 columns, found 1"),
        (json!({"data": "0;1\n1;2"}), "a file with semicolons needs \"separator\": \";\""),
        (json!({"data": "5,1\n4,1"}), "line 2, column 1: expected seconds that never go back"),
        (json!({"data": "1767225600,1"}), "with \"times\": \"absolute\""),
        (json!({"data": "1767225600000,1", "times": "absolute"}), "\"time_unit\": \"ms\""),
        (json!({"data": "0,1,2"}), "there are 3 columns; name the one with the values by `column`"),
        (json!({"data": "time,a,b\n0,1,2", "column": "c"}), "there is no column `c`; there are time, a, b"),
        (json!({"data": "0,1", "column": 3}), "there is no column 3, but 2"),
        (json!({"data": "0,\"1"}), "line 1, column 2: expected a closing quote"),
        (json!({"data": ""}), "expected at least one row"),
        (json!({"data": "time,flow\n"}), "expected at least one row"),
        (json!({"data": 7}), "expected lines of seconds,value"),
        (json!({"data": [[0, 1], [1]]}), "row 2: expected seconds and a value"),
        (json!({"data": [[1, 1], [0, 1]]}), "row 2: expected seconds that never go back"),
        (
            json!({"data": "0,1", "separator": "x"}),
            "configuration: separator: expected one of ,, ;, tab, found \"x\"",
        ),
        (json!({"data": "0,1", "decimal": ","}), "configuration: decimal: expected \".\""),
        (json!({"data": "0,1", "column": 0}), "configuration: column: expected the name of a column"),
        (
            json!({"data": "{\"a\": 1}", "format": "ndjson", "column": "a"}),
            "expected a time; name its field by `time_column`",
        ),
        (
            json!({"data": "{\"t\": 0, \"a\": 1}\n[1]", "format": "ndjson", "column": "a"}),
            "line 2: expected a JSON object",
        ),
        (
            json!({"data": "{\"t\": 0, \"a\": \"x\"}", "format": "ndjson", "column": "a"}),
            "line 1, field `a`: expected a number, found \"x\"",
        ),
        (
            json!({"data": "{\"t\": 0}\n{\"t\": null}", "format": "ndjson", "column": "a"}),
            "line 2, field `t`: expected seconds or a date",
        ),
        (
            json!({"data": {"$data": "x.csv"}}),
            "configuration: data: the file `x.csv`: this host has no files",
        ),
        (
            json!({"data": {"$data": "x.csv", "column": "a"}}),
            "a file has only `$data` and `sha256`, found `column`",
        ),
        (json!({"data": {"$data": 7}}), "`$data`: expected a text, found 7"),
        (json!({}), "configuration: data: it is missing"),
    ] {
        let problem = open(config.clone(), Purpose::Values).map(|table| table.rows()).unwrap_err();
        assert!(problem.contains(words), "{config}: {problem}");
    }
    let long = format!("0,1\n1,{}", "9".repeat(300 << 10));
    assert!(
        open(json!({"data": long}), Purpose::Values)
            .unwrap_err()
            .contains("a line has more than 256 KiB, from byte 4 on")
    );
}

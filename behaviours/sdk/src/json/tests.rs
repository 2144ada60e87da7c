use super::{Limits, Value, parse, parse_with_limits};

fn read(text: &str) -> Value {
    parse(text.as_bytes()).unwrap()
}

fn parse_error(text: &str) -> String {
    parse(text.as_bytes()).unwrap_err().to_string()
}

#[test]
fn values_round_trip() {
    let value = object! {
        "text": "a \"b\"\\\n\u{1}\u{1f}\u{e9}\u{1f600}",
        "numbers": vec![0.0, -1.5, 1e21, 1e-9, 1_790_000_000.123457],
        "truth": true,
        "nothing": None::<f64>,
        "inner": object! { "empty": Value::List(vec![]) },
    };
    assert_eq!(read(&value.to_string()), value);
}

#[test]
fn numbers_that_are_sent_back_keep_their_digits() {
    for text in [
        "9007199254740993",
        "-9223372036854775808",
        "18446744073709551615",
        "123456789012345678901234567890",
        "1.50",
        "1e3",
        "-0",
        "1790000000.1234567",
        "0.1234567890123456",
        r#"{"id":[9007199254740993,{"n":1.0}]}"#,
    ] {
        assert_eq!(read(text).to_string(), text);
    }
    assert_eq!(read("9007199254740993").number(), Some(9_007_199_254_740_992.0));
    assert_eq!(read("1e3").unsigned(), Some(1_000));
    assert_eq!(read("9007199254740992").unsigned(), Some(9_007_199_254_740_992));
    for number in [9_007_199_254_740_993, u64::MAX] {
        assert_eq!(read(&number.to_string()).unsigned(), Some(number));
        assert_eq!(Value::from(number).unsigned(), Some(number));
    }
    for text in ["18446744073709551616", "9007199254740993.0", "9.007199254740993e15", "-9007199254740993"] {
        assert_eq!(read(text).unsigned(), None, "{text} would be rounded");
    }
    assert_eq!(Value::from(u64::MAX).to_string(), "18446744073709551615");
    assert_ne!(read("9007199254740993"), read("9007199254740992"));
    assert_eq!(read("1.50"), Value::from(1.5));
}

#[test]
fn a_byte_order_mark_is_skipped() {
    assert_eq!(read("\u{feff}{\"a\":1}").get("a"), Some(&Value::from(1u32)));
    assert_eq!(parse_error("\u{feff}[01]"), "expected no leading zero at byte 6");
}

#[test]
fn numbers_are_written_short() {
    assert_eq!(Value::from(12u32).to_string(), "12");
    assert_eq!(Value::from(0.25).to_string(), "0.25");
    assert_eq!(Value::from(1e300).to_string(), "1e300");
    assert_eq!(Value::from(f64::NAN).to_string(), "null");
}

#[test]
fn a_surrogate_pair_is_one_character() {
    assert_eq!(read(r#""\ud83d\ude00\u00e9""#), Value::from("\u{1f600}\u{e9}"));
    assert_eq!(parse_error(r#""\ud83d""#), "expected a pair of surrogates at byte 7");
}

#[test]
fn the_last_of_equal_names_counts() {
    assert_eq!(read(r#"{"a":1,"a":2}"#).get("a"), Some(&Value::from(2u32)));
}

#[test]
fn whole_numbers_have_no_fraction_and_no_sign() {
    assert_eq!(read("7").unsigned(), Some(7));
    assert_eq!(read("7.5").unsigned(), None);
    assert_eq!(read("-7").unsigned(), None);
    assert_eq!(read("1e300").unsigned(), None);
}

#[test]
fn an_error_has_a_reason_and_an_offset() {
    assert_eq!(parse_error(""), "expected a value at byte 0");
    assert_eq!(parse_error("{\"a\" 1}"), "expected : at byte 5");
    assert_eq!(parse_error("[1 2]"), "expected , or ] at byte 3");
    assert_eq!(parse_error("[01]"), "expected no leading zero at byte 3");
    assert_eq!(parse_error("1e999"), "number too large at byte 5");
    assert_eq!(parse_error("1 2"), "expected the end at byte 2");
    assert_eq!(parse_error("\"a"), "expected a closing quote at byte 2");
}

#[test]
fn hostile_texts_meet_the_limits() {
    assert_eq!(parse_error(&"[".repeat(100_000)), "nested too deeply at byte 16");
    let wide = format!("[{}0]", "0,".repeat(100_000));
    assert!(parse_error(&wide).starts_with("too many values"));
    let roomy = Limits { depth: 2, values: 200_000 };
    assert!(parse_with_limits(wide.as_bytes(), roomy).is_ok());
    assert_eq!(parse(&[b'"', 0xff, b'"']).unwrap_err().to_string(), "expected UTF-8 at byte 1");
}

#[test]
fn no_cut_of_a_text_makes_the_reader_panic() {
    let text = r#"{"a":[1.5e-3,true,null,"xé"],"b":{"c":-0}}"#.as_bytes();
    for end in 0..text.len() {
        assert!(parse(&text[..end]).is_err(), "{end} bytes should not be enough");
    }
}

//! Templates: JSON in which some values are drawn.
//!
//! `{ "min": A, "max": B }` stands for a number or a time between both, and `{ "any": [...] }` for one of a list. If the
//! ends of a range differ by a factor of ten or more, ratios are drawn uniformly instead of differences, so that small
//! values are as likely as large ones.

use std::time::Duration;

use serde_json::{Map, Value};
use wasmote_sim::rng::Stream;

/// Which values a draw takes.
pub enum Choice<'a> {
    /// Random ones.
    Random(&'a mut Stream),
    /// The least of each range, and the first of each list.
    Least,
    /// The greatest of each range, and the last of each list.
    Greatest,
}

/// A part of a template that draws a value.
enum Range<'a> {
    Integer(i64, i64),
    Number(f64, f64),
    Time(Duration, Duration),
    Any(&'a [Value]),
}

/// Draws all values of a template. The error has the path of the wrong value.
pub fn draw(template: &Value, choice: &mut Choice<'_>) -> Result<Value, (String, String)> {
    if let Some(range) = range(template).map_err(|problem| (String::new(), problem))? {
        return match range {
            Range::Any(values) => {
                let at = match choice {
                    Choice::Random(stream) => stream.below(values.len() as u64) as usize,
                    Choice::Least => 0,
                    Choice::Greatest => values.len() - 1,
                };
                draw(&values[at], choice).map_err(|(path, problem)| (format!(".any[{at}]{path}"), problem))
            }
            range => Ok(range.value(choice)),
        };
    }
    match template {
        Value::Object(fields) => {
            let mut drawn = Map::new();
            for (name, value) in fields {
                let value =
                    draw(value, choice).map_err(|(path, problem)| (format!(".{name}{path}"), problem))?;
                drawn.insert(name.clone(), value);
            }
            Ok(drawn.into())
        }
        Value::Array(list) => {
            let item = |(at, value): (usize, &Value)| {
                draw(value, choice).map_err(|(path, problem)| (format!("[{at}]{path}"), problem))
            };
            list.iter().enumerate().map(item).collect::<Result<Vec<_>, _>>().map(Value::from)
        }
        constant => Ok(constant.clone()),
    }
}

/// The range or list that an object stands for.
fn range(template: &Value) -> Result<Option<Range<'_>>, String> {
    let Some(fields) = template.as_object() else { return Ok(None) };
    if let (1, Some(values)) = (fields.len(), fields.get("any")) {
        return match values.as_array().map(Vec::as_slice) {
            Some([]) | None => Err("`any` needs a list of values, such as { any = [1, 5] }".to_owned()),
            Some(values) => Ok(Some(Range::Any(values))),
        };
    }
    let (Some(min), Some(max), 2) = (fields.get("min"), fields.get("max"), fields.len()) else {
        return Ok(None);
    };
    let order = || format!("the range is empty: {min} is more than {max}");
    if let (Some(min), Some(max)) = (min.as_i64(), max.as_i64()) {
        return if min <= max { Ok(Some(Range::Integer(min, max))) } else { Err(order()) };
    }
    if let (Some(min), Some(max)) = (min.as_f64(), max.as_f64()) {
        return if min <= max { Ok(Some(Range::Number(min, max))) } else { Err(order()) };
    }
    match (time(min), time(max)) {
        (Some(min), Some(max)) if min <= max => Ok(Some(Range::Time(min, max))),
        (Some(_), Some(_)) => Err(order()),
        _ => Err(format!(
            "{min} to {max} is no range; write two numbers, or two times such as {{ min = \"1s\", max = \"10s\" }}"
        )),
    }
}

/// A time as a text, such as `"1m 30s"`.
pub fn time(value: &Value) -> Option<Duration> {
    humantime::parse_duration(value.as_str()?).ok()
}

/// A time as a text.
pub fn time_text(time: Duration) -> String {
    humantime::format_duration(time).to_string()
}

impl Range<'_> {
    fn value(&self, choice: &mut Choice<'_>) -> Value {
        match *self {
            Self::Integer(min, max) => match choice {
                Choice::Least => min.into(),
                Choice::Greatest => max.into(),
                Choice::Random(stream) => {
                    let width = max.abs_diff(min);
                    let offset = stream.below(width.saturating_add(1));
                    min.wrapping_add_unsigned(offset).into()
                }
            },
            Self::Number(min, max) => match choice {
                Choice::Least => min.into(),
                Choice::Greatest => max.into(),
                Choice::Random(stream) => rounded(between(min, max, stream)).clamp(min, max).into(),
            },
            Self::Time(min, max) => match choice {
                Choice::Least => time_text(min).into(),
                Choice::Greatest => time_text(max).into(),
                Choice::Random(stream) => {
                    let nanos = between(min.as_nanos() as f64, max.as_nanos() as f64, stream);
                    let drawn = Duration::from_nanos(rounded(nanos) as u64);
                    time_text(drawn.clamp(min, max)).into()
                }
            },
            // Lists are drawn by the caller, because their values are templates.
            Self::Any(_) => Value::Null,
        }
    }
}

fn between(min: f64, max: f64, stream: &mut Stream) -> f64 {
    let share = stream.uniform();
    match min > 0.0 && max / min >= 10.0 {
        true => min * libm::exp(share * libm::log(max / min)),
        false => min + share * (max - min),
    }
}

/// The number with two significant digits, which is easier to read.
pub fn rounded(number: f64) -> f64 {
    if number == 0.0 || !number.is_finite() {
        return number;
    }
    let digits = libm::floor(libm::log10(number.abs())) as i32 - 1;
    // A power of ten with a positive exponent is exact; dividing by it keeps decimal fractions short.
    match digits >= 0 {
        true => {
            let unit = libm::pow(10.0, f64::from(digits));
            libm::round(number / unit) * unit
        }
        false => {
            let unit = libm::pow(10.0, f64::from(-digits));
            libm::round(number * unit) / unit
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use wasmote_mqtt::device_id::DeviceId;
    use wasmote_sim::rng::Seed;

    use super::*;

    #[test]
    fn ranges_and_lists_are_drawn_in_any_place() {
        let template = json!({
            "kind": "delay", "min": "1ms", "max": {"min": "10ms", "max": "5s"},
            "list": [{"any": [1, {"min": 5, "max": 6}]}], "share": {"min": 0.1, "max": 0.2},
        });
        let mut stream = Seed::new(1).stream(&DeviceId::new("hunt").unwrap(), "test");
        for _ in 0..200 {
            let drawn = draw(&template, &mut Choice::Random(&mut stream)).unwrap();
            assert_eq!((&drawn["kind"], &drawn["min"]), (&json!("delay"), &json!("1ms")));
            let max = time(&drawn["max"]).unwrap();
            assert!((Duration::from_millis(10)..=Duration::from_secs(5)).contains(&max));
            assert!([1, 5, 6].contains(&drawn["list"][0].as_i64().unwrap()), "{drawn}");
            assert!((0.1..=0.2).contains(&drawn["share"].as_f64().unwrap()), "{drawn}");
        }
        let least = draw(&template, &mut Choice::Least).unwrap();
        let greatest = draw(&template, &mut Choice::Greatest).unwrap();
        assert_eq!((&least["max"], &least["list"][0]), (&json!("10ms"), &json!(1)));
        assert_eq!((&greatest["max"], &greatest["list"][0]), (&json!("5s"), &json!(6)));
    }

    #[test]
    fn a_wrong_range_is_named_with_its_path() {
        let problem = |template: Value| draw(&template, &mut Choice::Least).unwrap_err();
        assert_eq!(problem(json!({"a": [{"min": 2, "max": 1}]})).0, ".a[0]");
        assert!(problem(json!({"for": {"min": "1s", "max": 3}})).1.contains("is no range"));
        assert!(problem(json!({"any": []})).1.contains("`any` needs a list"));
    }

    #[test]
    fn two_digits_are_kept() {
        assert_eq!([0.123_45, 12_345.0, 9.96, 0.0].map(rounded), [0.12, 12_000.0, 10.0, 0.0]);
    }
}

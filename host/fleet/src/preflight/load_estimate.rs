//! Estimate of the message rate of built-in behaviours. Heartbeats to all devices grow with the square of the fleet, and
//! `routing` sends messages for every hop.

mod routing;

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use wasmote_sim::faults::span::Span;

use crate::config::{Group, Settings};

/// Deliveries per second that broker and fleet sustain on a laptop.
const MAX_MESSAGES_PER_SECOND: f64 = 5_000.0;
/// Default interval of the behaviour `heartbeat`.
const DEFAULT_INTERVAL: Duration = Duration::from_secs(5);

/// One warning for each group whose devices send too many messages.
pub(super) fn warnings(settings: &Settings) -> Vec<String> {
    settings.groups.iter().filter_map(|group| warning(group).or_else(|| routing::warning(group))).collect()
}

/// A duration in a behaviour's configuration; `None` if it is invalid, which the behaviour itself reports.
fn span(group: &Group, key: &str, default: Duration) -> Option<Duration> {
    let Some(given) = group.config.get(key) else { return Some(default) };
    Span::deserialize(given).ok().map(|span| span.0)
}

fn warning(group: &Group) -> Option<String> {
    if group.behaviour.builtin() != Some("heartbeat") {
        return None;
    }
    let devices = f64::from(group.count);
    let neighbours = match group.config.get("peers") {
        // `peers` is the number of neighbours on each side.
        Some(Value::Number(number)) => (2.0 * number.as_f64()?).min(devices - 1.0),
        _ => devices - 1.0,
    };
    let interval = span(group, "interval", DEFAULT_INTERVAL)?;
    let seconds = interval.as_secs_f64();
    let rate = devices * neighbours / seconds;
    if rate <= MAX_MESSAGES_PER_SECOND || !rate.is_finite() {
        return None;
    }
    let longer_interval = (rate * seconds / MAX_MESSAGES_PER_SECOND).ceil();
    let with_two = devices * 4.0 / seconds;
    let advice = match with_two < rate && with_two <= MAX_MESSAGES_PER_SECOND {
        true => format!("listen to fewer with --device-config peers=2 ({} a second), or ", count(with_two)),
        false => String::new(),
    };
    Some(format!(
        "{} devices of group `{}` listen to {} others each: {} deliveries a second (one beat every {}). \
         A laptop sustains about {}; {advice}beat less often with --device-config interval={longer_interval}s",
        group.count,
        group.name,
        count(neighbours),
        count(rate),
        humantime::format_duration(interval),
        count(MAX_MESSAGES_PER_SECOND),
    ))
}

/// Formats a number with commas between thousands.
fn count(number: f64) -> String {
    let digits = format!("{:.0}", number);
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::options::Options;
    use crate::config::resolve::resolve;
    use crate::config::values::DeviceCount;

    fn warned(devices: u32, config: &[&str]) -> Vec<String> {
        let device_config = config.iter().map(|text| text.parse().unwrap()).collect();
        let args = Options { devices: Some(DeviceCount(devices)), device_config, ..Options::default() };
        warnings(&resolve(&args).unwrap())
    }

    #[test]
    fn an_overloaded_fleet_is_warned_with_its_rate_and_advice() {
        let [warning] = &warned(1_000, &[])[..] else { panic!("one warning") };
        assert!(
            warning.contains("1000 devices") && warning.contains("199,800 deliveries a second"),
            "{warning}"
        );
        assert!(warning.contains("peers=2 (800 a second)") && warning.contains("interval=200s"), "{warning}");
    }

    #[test]
    fn a_sustainable_fleet_has_no_warning() {
        assert!(warned(9, &[]).is_empty());
        assert!(warned(158, &[]).is_empty());
        assert!(warned(1_000, &["peers=2"]).is_empty());
        assert!(warned(1_000, &["peers=0"]).is_empty());
        assert!(warned(1_000, &["interval=200s"]).is_empty());
    }
}

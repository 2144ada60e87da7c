//! Warning if this host, and not the broker, is the bottleneck of the fleet.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use wasmote_live::fleet::Fleet;
use wasmote_live::lag::LagStats;
use wasmote_live::status::Totals;

/// Interval of checks.
const CHECK_INTERVAL: Duration = Duration::from_secs(10);
/// Share of late wakes above which latencies are unreliable.
const MAX_LATE_SHARE: f64 = 0.01;

/// Checks the lag of the fleet until it ends.
pub(super) async fn watch(fleet: Fleet) {
    let mut ticks = interval(CHECK_INTERVAL);
    // After a pause of the whole process, one check is enough.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut before = LagStats::default();
    let mut delays_before = BTreeMap::new();
    loop {
        ticks.tick().await;
        let Ok(Totals { lag: now, delayed_devices, .. }) = fleet.totals().await else { return };
        let delays: BTreeMap<String, u64> =
            delayed_devices.iter().map(|it| (it.device.id.to_string(), it.pauses)).collect();
        let is_new = |(device, pauses): &(&String, &u64)| delays_before.get(*device) != Some(*pauses);
        let culprits: Vec<&str> = delays.iter().filter(is_new).map(|(device, _)| device.as_str()).collect();
        if let Some(warning) = warning(&before, &now, &culprits) {
            tracing::warn!("{warning}");
        }
        before = now;
        delays_before = delays;
    }
}

/// The warning for the interval between two checks, if the share of late wakes is too high. `culprits` are the devices that
/// used more than their share meanwhile.
fn warning(before: &LagStats, now: &LagStats, culprits: &[&str]) -> Option<String> {
    let wakes = now.wakes().saturating_sub(before.wakes());
    let late = now.overruns.saturating_sub(before.overruns);
    let share = late as f64 / wakes.max(1) as f64;
    if share <= MAX_LATE_SHARE {
        return None;
    }
    let advice = match culprits {
        [] => {
            "run fewer devices, reduce their publish rate, or distribute them over machines (--shard)".into()
        }
        culprits => format!("expensive behaviours delay the others: `{}`", culprits.join("`, `")),
    };
    Some(format!(
        "this host is the bottleneck, not the broker: of the last {wakes} times that a device was due, {late} \
             ({:.0} %) were more than {} ms late. Latencies are unreliable; {advice}",
        share * 100.0,
        LagStats::TOLERANCE.as_millis(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lag(wakes: u64, overruns: u64) -> LagStats {
        let mut all = LagStats { overruns, ..LagStats::default() };
        (0..wakes).for_each(|_| all.lateness.observe(0.001));
        all
    }

    #[test]
    fn only_the_time_since_the_last_check_counts() {
        let before = lag(1_000, 500);
        assert!(warning(&before, &lag(2_000, 505), &[]).is_none());
        let warning_text = warning(&before, &lag(2_000, 600), &[]).unwrap();
        assert!(
            warning_text.contains("last 1000 times") && warning_text.contains("100 (10 %)"),
            "{warning_text}"
        );
        assert!(warning_text.contains("run fewer devices"), "{warning_text}");
        let named = warning(&before, &lag(2_000, 600), &["bad-0", "bad-1"]).unwrap();
        assert!(named.ends_with("expensive behaviours delay the others: `bad-0`, `bad-1`"), "{named}");
        assert!(warning(&before, &before, &[]).is_none());
    }
}

//! Tells the user when this host, and not the broker, is what slows the fleet down.

use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use wasmote_live::fleet::Fleet;
use wasmote_live::punctuality::Punctuality;

/// How often it is looked at.
const EVERY: Duration = Duration::from_secs(10);
/// Share of late wakes from which on results are worth little.
const TOO_MANY: f64 = 0.01;

/// Look on until the fleet is gone.
pub(super) async fn watch(fleet: Fleet) {
    let mut ticks = interval(EVERY);
    // After a time in which nothing ran, one look is enough.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut before = Punctuality::default();
    loop {
        ticks.tick().await;
        let Ok(now) = fleet.punctuality().await else { return };
        if let Some(warning) = warning(&before, &now) {
            tracing::warn!("{warning}");
        }
        before = now;
    }
}

/// What is to be said of the time between two looks.
fn warning(before: &Punctuality, now: &Punctuality) -> Option<String> {
    let wakes = now.wakes().saturating_sub(before.wakes());
    let late = now.overruns.saturating_sub(before.overruns);
    let share = late as f64 / wakes.max(1) as f64;
    (share > TOO_MANY).then(|| {
        format!(
            "this host is the bottleneck, not the broker: of the last {wakes} times that a device was due, {late} \
             ({:.0} %) were more than {} ms late. Latencies are worth little now; run fewer devices, let them send less \
             often, or spread them over machines (--shard)",
            share * 100.0,
            Punctuality::TOLERANCE.as_millis(),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn punctuality(wakes: u64, overruns: u64) -> Punctuality {
        let mut all = Punctuality { overruns, ..Punctuality::default() };
        (0..wakes).for_each(|_| all.lateness.observe(0.001));
        all
    }

    #[test]
    fn only_what_happened_since_the_last_look_counts() {
        let before = punctuality(1_000, 500);
        assert!(warning(&before, &punctuality(2_000, 505)).is_none());
        let said = warning(&before, &punctuality(2_000, 600)).unwrap();
        assert!(said.contains("last 1000 times") && said.contains("100 (10 %)"), "{said}");
        assert!(warning(&before, &before).is_none());
    }
}

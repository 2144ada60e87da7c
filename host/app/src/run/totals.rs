//! Totals of a run, the last line on stdout.

use std::time::Duration;

use serde_json::json;
use wasmote_fleet::config::Settings;
use wasmote_fleet::config::values::LogFormat;
use wasmote_fleet::startup::RunError;
use wasmote_fleet::term::{json_to_stdout, to_stdout};
use wasmote_live::status::Totals;

/// `failure` is the reason why the run failed, for readers of JSON.
pub(super) fn print(settings: &Settings, totals: &Totals, ran: Duration, failure: Option<&RunError>) {
    match settings.log {
        LogFormat::Text => to_stdout(line(settings, totals, ran)),
        LogFormat::Json => json_to_stdout(record(settings, totals, ran, failure)),
    }
}

fn line(settings: &Settings, totals: &Totals, ran: Duration) -> String {
    let ledger = &totals.ledger;
    let latency = match totals.latency.mean() {
        Some(seconds) => format!("{seconds:.3} s"),
        None => "unknown".into(),
    };
    format!(
        "{} {} ran {:.1} s with seed {}: sent {}, received {}, dropped {}{}, mean latency {latency}",
        totals.devices.total,
        if totals.devices.total == 1 { "device" } else { "devices" },
        ran.as_secs_f64(),
        settings.seed,
        ledger.sent,
        ledger.received,
        ledger.fault_total().dropped(),
        by_fault(totals),
    )
}

fn by_fault(totals: &Totals) -> String {
    let each = totals.ledger.faults().filter(|(_, counts)| counts.dropped() > 0);
    let each: Vec<_> = each.map(|(id, counts)| format!("{id} {}", counts.dropped())).collect();
    if each.is_empty() { String::new() } else { format!(" ({})", each.join(", ")) }
}

fn record(
    settings: &Settings,
    totals: &Totals,
    ran: Duration,
    failure: Option<&RunError>,
) -> serde_json::Value {
    let ledger = &totals.ledger;
    let dropped: serde_json::Map<_, _> =
        ledger.faults().map(|(id, counts)| (id.to_string(), counts.dropped().into())).collect();
    json!({
        "devices": totals.devices.total,
        "duration_s": ran.as_secs_f64(),
        "seed": settings.seed,
        "sent": ledger.sent,
        "received": ledger.received,
        "dropped": ledger.fault_total().dropped(),
        "dropped_by_fault": dropped,
        "mean_latency_s": totals.latency.mean(),
        "ledger_closes": ledger.closes(totals.waiting.0, totals.waiting.1),
        "traps": totals.traps,
        "failure": failure.map(ToString::to_string),
    })
}

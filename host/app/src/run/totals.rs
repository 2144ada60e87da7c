//! Totals of a run, the last line on stdout.
//!
//! The line has every term of the ledger's equations that is not zero, so that a reader can check them:
//! `generated + duplicated = sent + dropped + waiting + lost offline + refused` for outbound messages, without the
//! inbound shares in parentheses.

use std::time::Duration;

use serde_json::json;
use wasmote_fleet::config::Settings;
use wasmote_fleet::config::values::LogFormat;
use wasmote_fleet::refusals::{answers, by_cause, list};
use wasmote_fleet::startup::RunError;
use wasmote_fleet::term::{json_to_stdout, to_stdout};
use wasmote_live::status::Totals;
use wasmote_sim::latency::ImplausibleCounts;
use wasmote_sim::ledger::Ledger;

/// `failure` is the reason why the run failed, for readers of JSON.
pub(super) fn print(settings: &Settings, totals: &Totals, ran: Duration, failure: Option<&RunError>) {
    match settings.log {
        LogFormat::Text => to_stdout(line(settings, totals, ran)),
        LogFormat::Json => json_to_stdout(record(settings, totals, ran, failure)),
    }
}

fn line(settings: &Settings, totals: &Totals, ran: Duration) -> String {
    let latency = match totals.latency.mean() {
        Some(seconds) => format!("{seconds:.3} s"),
        None => "unknown".into(),
    };
    let latency = latency + &intended(totals) + &implausible(totals);
    format!(
        "{} {} ran {:.1} s with seed {}: {}, mean latency {latency}{}",
        totals.devices.total,
        if totals.devices.total == 1 { "device" } else { "devices" },
        ran.as_secs_f64(),
        settings.seed,
        counts(totals),
        answers(&totals.ledger),
    )
}

/// The counts of the ledger. Generated, sent, received and dropped messages are always named, others if there are any.
fn counts(totals: &Totals) -> String {
    let Totals { ledger, waiting, in_flight, .. } = totals;
    let faults = ledger.fault_total();
    let inbound = |count: u64| (count > 0).then(|| format!("{count} inbound"));
    let mut entries = vec![
        format!("generated {}", ledger.generated),
        format!("sent {}", ledger.sent),
        format!("received {}", ledger.received),
        entry("dropped", faults.dropped(), &[by_fault(ledger), inbound(faults.dropped_in)]),
    ];
    let duplicated = faults.duplicated_out + faults.duplicated_in;
    let in_flight = (*in_flight > 0).then(|| format!("{in_flight} in flight"));
    for (name, count, details) in [
        ("duplicated", duplicated, vec![inbound(faults.duplicated_in)]),
        ("lost offline", ledger.lost_offline, Vec::new()),
        ("refused", ledger.refused.total(), vec![by_cause(ledger)]),
        ("returned", ledger.returned, Vec::new()),
        ("waiting", waiting.0 + waiting.1, vec![in_flight, inbound(waiting.1)]),
        ("discarded", ledger.discarded, Vec::new()),
    ] {
        if count > 0 {
            entries.push(entry(name, count, &details));
        }
    }
    entries.join(", ")
}

fn entry(name: &str, count: u64, details: &[Option<String>]) -> String {
    let details: Vec<&str> = details.iter().flatten().map(String::as_str).collect();
    match &details[..] {
        [] => format!("{name} {count}"),
        details => format!("{name} {count} ({})", details.join("; ")),
    }
}

fn by_fault(ledger: &Ledger) -> Option<String> {
    let each = ledger.faults().filter(|(_, counts)| counts.dropped() > 0);
    list(each.map(|(id, counts)| format!("{id} {}", counts.dropped())))
}

/// The mean latency from the intended times, if the host was late by a millisecond or more.
fn intended(totals: &Totals) -> String {
    let means = totals.intended_latency.mean().zip(totals.latency.mean());
    match means.filter(|(intended, actual)| intended - actual >= 0.001) {
        Some((intended, _)) => format!(" ({intended:.3} s from the intended times)"),
        None => String::new(),
    }
}

/// Messages that are in no latency.
fn implausible(totals: &Totals) -> String {
    let ImplausibleCounts { negative, too_large } = totals.implausible;
    let counts = [("from the future", negative), ("more than a year off or unreadable", too_large)];
    let named = counts.into_iter().filter(|(_, count)| *count > 0);
    let named: Vec<String> = named.map(|(what, count)| format!("{count} {what}")).collect();
    match totals.implausible.total() {
        0 => String::new(),
        all => format!(" without {all} of implausible age ({})", named.join(", ")),
    }
}

fn record(
    settings: &Settings,
    totals: &Totals,
    ran: Duration,
    failure: Option<&RunError>,
) -> serde_json::Value {
    let ledger = &totals.ledger;
    let faults = ledger.fault_total();
    let dropped: serde_json::Map<_, _> =
        ledger.faults().map(|(id, counts)| (id.to_string(), counts.dropped().into())).collect();
    let refused: serde_json::Map<_, _> =
        ledger.refused.causes().into_iter().map(|(cause, count)| (cause.to_owned(), count.into())).collect();
    let answers = ledger.named_negative_answers();
    json!({
        "devices": totals.devices.total,
        "duration_s": ran.as_secs_f64(),
        "seed": settings.seed,
        "generated": ledger.generated,
        "sent": ledger.sent,
        "received": ledger.received,
        "dropped": faults.dropped(),
        "dropped_out": faults.dropped_out,
        "dropped_in": faults.dropped_in,
        "dropped_by_fault": dropped,
        "duplicated_out": faults.duplicated_out,
        "duplicated_in": faults.duplicated_in,
        "lost_offline": ledger.lost_offline,
        "refused": ledger.refused.total(),
        "refused_by_cause": refused,
        "returned": ledger.returned,
        "waiting_out": totals.waiting.0,
        "waiting_in": totals.waiting.1,
        "in_flight": totals.in_flight,
        "arrived": ledger.arrived,
        "discarded": ledger.discarded,
        "negative_answers": answers,
        "mean_latency_s": totals.latency.mean(),
        "mean_intended_latency_s": totals.intended_latency.mean(),
        "implausible_latencies": totals.implausible,
        "ledger_closes": ledger.closes(totals.waiting.0, totals.waiting.1),
        "traps": totals.traps,
        "failure": failure.map(ToString::to_string),
    })
}

//! Metrics in the text formats of Prometheus and OpenMetrics.
//!
//! All names have one prefix and base units. A device's name or a topic is never a label, because a fleet of
//! thousands would create too many time series. Metrics of a behaviour are summed over its devices.

mod writer;

use std::collections::BTreeSet;

use wasmote_live::broker::ClientRefusals;
use wasmote_live::status::{DelayedDevice, Totals};
use wasmote_mqtt::broker::counters::DropReason;
use wasmote_mqtt::budget::BudgetReport;
use wasmote_sim::metrics::Metric;

use super::accept::MetricsFormat;
use super::{GroupLimits, HttpCounts, Snapshot};
use crate::versions::record::UpdateCounts;
use writer::{MetricType, Writer};

/// Writes a snapshot in one of the text formats.
pub fn write(snapshot: &Snapshot, format: MetricsFormat) -> String {
    let mut out = Writer::new(format);
    run(snapshot, &mut out);
    messages(snapshot, &mut out);
    faults(snapshot, &mut out);
    refusals(snapshot, &mut out);
    devices(snapshot, &mut out);
    versions(snapshot, &mut out);
    broker(snapshot, &mut out);
    http(snapshot, &mut out);
    stores(snapshot, &mut out);
    behaviours(snapshot, &mut out);
    out.finish()
}

fn run(snapshot: &Snapshot, out: &mut Writer) {
    out.family("wasmote_build_info", MetricType::Gauge, "The version that runs.");
    out.integer(&[("version", env!("CARGO_PKG_VERSION"))], 1);
    out.family("wasmote_uptime_seconds", MetricType::Gauge, "Time since the fleet started.");
    out.float(&[], snapshot.uptime.as_secs_f64());
}

fn messages(snapshot: &Snapshot, out: &mut Writer) {
    let ledger = &snapshot.totals.ledger;
    let counters = [
        ("generated", "Messages that behaviours published, or users on their behalf.", ledger.generated),
        (
            "sent",
            "Messages that left for good: acknowledged by the broker, or written at QoS 0.",
            ledger.sent,
        ),
        ("returned", "Messages that came back from a connection that was full or broke.", ledger.returned),
        ("arrived", "Messages delivered by the broker.", ledger.arrived),
        ("received", "Messages given to behaviours.", ledger.received),
        ("lost_offline", "Messages lost because there was no connection.", ledger.lost_offline),
        ("discarded", "Messages that arrived while no behaviour ran, or were too large.", ledger.discarded),
    ];
    for (name, help, count) in counters {
        out.family(&format!("wasmote_messages_{name}"), MetricType::Counter, help);
        out.integer(&[], count);
    }
    out.family(
        "wasmote_messages_waiting",
        MetricType::Gauge,
        "Messages that wait for a delay to end, for a connection or for an acknowledgement.",
    );
    out.integer(&[("direction", "out")], snapshot.totals.waiting.0);
    out.integer(&[("direction", "in")], snapshot.totals.waiting.1);
    let help =
        "Messages handed to the connection and not acknowledged, or not written at QoS 0; they wait too.";
    out.family("wasmote_messages_in_flight", MetricType::Gauge, help);
    out.integer(&[], snapshot.totals.in_flight);
    let help = "Latency of received messages, from behaviour to behaviour.";
    out.family("wasmote_message_latency_seconds", MetricType::Histogram, help);
    out.histogram(&[], &snapshot.totals.latency);
    let help = "Latency of received messages from the intended times of their publication.";
    out.family("wasmote_message_intended_latency_seconds", MetricType::Histogram, help);
    out.histogram(&[], &snapshot.totals.intended_latency);
    let help = "Received messages whose latency cannot be right; they are in no histogram.";
    out.family("wasmote_message_latencies_implausible", MetricType::Counter, help);
    out.integer(&[("reason", "negative")], snapshot.totals.implausible.negative);
    out.integer(&[("reason", "too_large")], snapshot.totals.implausible.too_large);
    out.family("wasmote_ledger_closes", MetricType::Gauge, "1 when every message is accounted for.");
    out.integer(&[], snapshot.ledger_closes().into());
}

fn faults(snapshot: &Snapshot, out: &mut Writer) {
    let all: Vec<_> = snapshot.totals.ledger.faults().collect();
    out.family("wasmote_messages_dropped", MetricType::Counter, "Messages dropped by a fault.");
    for (id, counts) in &all {
        out.integer(&[("fault", id), ("direction", "out")], counts.dropped_out);
        out.integer(&[("fault", id), ("direction", "in")], counts.dropped_in);
    }
    out.family("wasmote_messages_duplicated", MetricType::Counter, "Copies that a fault made.");
    for (id, counts) in &all {
        out.integer(&[("fault", id), ("direction", "out")], counts.duplicated_out);
        out.integer(&[("fault", id), ("direction", "in")], counts.duplicated_in);
    }
    out.family("wasmote_messages_delayed", MetricType::Counter, "Messages delayed by a fault.");
    all.iter().for_each(|(id, counts)| out.integer(&[("fault", id)], counts.delayed));
    out.family("wasmote_messages_corrupted", MetricType::Counter, "Messages whose payload a fault changed.");
    all.iter().for_each(|(id, counts)| out.integer(&[("fault", id)], counts.corrupted));
    out.family("wasmote_outages", MetricType::Counter, "Outages that began, such as silences and crashes.");
    all.iter().for_each(|(id, counts)| out.integer(&[("fault", id)], counts.outages));
    let help = "Traps of fault-model components; the message passes.";
    out.family("wasmote_fault_traps", MetricType::Counter, help);
    all.iter().for_each(|(id, counts)| out.integer(&[("fault", id)], counts.traps));
}

fn refusals(snapshot: &Snapshot, out: &mut Writer) {
    let refusals = &snapshot.totals.refusals;
    out.family(
        "wasmote_messages_refused",
        MetricType::Counter,
        "Messages that were refused by a limit or by the broker; those of `publish_*` were never generated.",
    );
    for (cause, count) in snapshot.totals.ledger.refused.causes() {
        out.integer(&[("reason", cause)], count);
    }
    out.integer(&[("reason", "publish_rate")], refusals.publish_rate);
    out.integer(&[("reason", "publish_invalid")], refusals.publish_invalid);
    let help = "Negative answers of the broker, by packet and reason code.";
    out.family("wasmote_negative_answers", MetricType::Counter, help);
    for (answer, count) in &snapshot.totals.ledger.negative_answers {
        let labels = [("packet", answer.packet.as_str()), ("code", &answer.hex()), ("reason", answer.name())];
        out.integer(&labels, *count);
    }
    out.family("wasmote_log_lines_refused", MetricType::Counter, "Log lines beyond the rate.");
    out.integer(&[], refusals.log_rate + snapshot.totals.suppressed_lines);
    out.family(
        "wasmote_requests_refused",
        MetricType::Counter,
        "Requests of behaviours that were refused because of a limit of the device.",
    );
    for (limit, count) in [
        ("subscriptions", refusals.subscriptions),
        ("state", refusals.state),
        ("timers", refusals.timers),
        ("metrics", refusals.metrics),
        ("http", refusals.http),
    ] {
        out.integer(&[("limit", limit)], count);
    }
    out.family("wasmote_traps", MetricType::Counter, "Traps of behaviours.");
    out.integer(&[], snapshot.totals.traps);
}

fn devices(snapshot: &Snapshot, out: &mut Writer) {
    if !snapshot.is_fleet {
        return;
    }
    let Totals { devices, connects, lag, socket_writes, stale_shards, delayed, delayed_devices, .. } =
        &snapshot.totals;
    let gauges = [
        ("wasmote_devices", "Devices in all.", devices.total),
        ("wasmote_devices_running", "Devices whose behaviour runs.", devices.running),
        ("wasmote_devices_connected", "Devices that are connected.", devices.connected),
        ("wasmote_devices_silent", "Devices in a silence.", devices.silent),
        ("wasmote_devices_failed", "Devices whose behaviour refused to start.", devices.failed),
    ];
    for (name, help, count) in gauges {
        out.family(name, MetricType::Gauge, help);
        out.integer(&[], count);
    }
    out.family("wasmote_connects", MetricType::Counter, "Connections made, first ones and reconnects.");
    out.integer(&[], *connects);
    let help = "Writes to the sockets of the devices, each of one or more packets.";
    out.family("wasmote_socket_writes", MetricType::Counter, help);
    out.integer(&[], socket_writes.writes);
    let help = "Number of times that a socket was full, so that packets waited until it was ready again.";
    out.family("wasmote_socket_waits", MetricType::Counter, help);
    out.integer(&[], socket_writes.waits);
    let help = "Lateness of this host's timers.";
    out.family("wasmote_schedule_lateness_seconds", MetricType::Histogram, help);
    out.histogram(&[], &lag.lateness);
    out.family(
        "wasmote_schedule_overruns",
        MetricType::Counter,
        "Wakes more than 0.1 s late: this host is too busy.",
    );
    out.integer(&[], lag.overruns);
    let help = "Devices that used more than their share of a thread while others waited.";
    out.family("wasmote_devices_delayed", MetricType::Gauge, help);
    out.integer(&[], *delayed);
    let help = "Thread time of the ten heaviest of these devices since their first delay.";
    out.family("wasmote_delayed_device_seconds", MetricType::Counter, help);
    for DelayedDevice { device, used, .. } in delayed_devices {
        out.float(&[("device", device.id.as_str())], used.as_secs_f64());
    }
    let help = "Groups of devices whose counts are older than this answer, because their thread was busy.";
    out.family("wasmote_stale_shards", MetricType::Gauge, help);
    out.integer(&[], *stale_shards);
}

/// Devices by version, which is labelled with the beginning of the component's hash.
fn versions(snapshot: &Snapshot, out: &mut Writer) {
    out.family("wasmote_behaviour_info", MetricType::Gauge, "Devices that run a version of a behaviour.");
    for (version, devices) in &snapshot.totals.versions {
        out.integer(&[("behaviour", &version.name), ("version", version.short())], *devices);
    }
    let help = "Devices that were selected for another version, by outcome.";
    out.family("wasmote_behaviour_swaps", MetricType::Counter, help);
    out.integer(&[("outcome", "done")], snapshot.totals.swaps.done);
    out.integer(&[("outcome", "refused")], snapshot.totals.swaps.refused);
    out.integer(&[("outcome", "undone")], snapshot.totals.swaps.rolled_back);
    let help = "Resource limits of each device of a group; 0 for no limit of a rate.";
    out.family("wasmote_behaviour_limit", MetricType::Gauge, help);
    for GroupLimits { group, behaviour, limits } in &snapshot.limits {
        // The limits are plain numbers.
        let Ok(serde_json::Value::Object(limits)) = serde_json::to_value(&**limits) else { continue };
        for (limit, value) in limits.iter().filter_map(|(limit, value)| Some((limit, value.as_u64()?))) {
            out.integer(&[("group", group), ("behaviour", behaviour), ("limit", limit)], value);
        }
    }
    let help = "Updates of behaviours, by outcome.";
    out.family("wasmote_behaviour_updates", MetricType::Counter, help);
    for (behaviour, UpdateCounts { done, refused }) in &snapshot.updates {
        out.integer(&[("behaviour", behaviour), ("outcome", "done")], *done);
        out.integer(&[("behaviour", behaviour), ("outcome", "refused")], *refused);
    }
}

fn broker(snapshot: &Snapshot, out: &mut Writer) {
    let Some(report) = &snapshot.totals.broker else { return };
    let (messages, stats) = (&report.counters, &report.stats);
    let gauges = [
        ("connections", "Connections to the embedded broker.", stats.connected as u64),
        ("sessions", "Sessions that the embedded broker holds.", stats.sessions as u64),
        ("messages_waiting", "Copies that wait in the embedded broker.", stats.waiting),
        ("clients", "Connections from other programs to the embedded broker.", report.clients.open as u64),
    ];
    for (name, help, count) in gauges {
        out.family(&format!("wasmote_broker_{name}"), MetricType::Gauge, help);
        out.integer(&[], count);
    }
    let counters = [
        ("received", "Messages that the embedded broker took.", messages.received),
        ("delivered", "Copies that the embedded broker delivered.", messages.delivered),
        ("refused", "Messages that did not fit into the store of retained messages.", messages.refused),
    ];
    for (name, help, count) in counters {
        out.family(&format!("wasmote_broker_messages_{name}"), MetricType::Counter, help);
        out.integer(&[], count);
    }
    let ClientRefusals { too_many, no_connect, too_slow } = report.clients.refused;
    let help = "Connections from other programs that a limit of the embedded broker refused or closed.";
    out.family("wasmote_broker_clients_refused", MetricType::Counter, help);
    for (reason, count) in [("too_many", too_many), ("no_connect", no_connect), ("too_slow", too_slow)] {
        out.integer(&[("reason", reason)], count);
    }
    let help = "Copies that the embedded broker dropped.";
    out.family("wasmote_broker_messages_dropped", MetricType::Counter, help);
    DropReason::ALL
        .iter()
        .for_each(|reason| out.integer(&[("reason", reason.as_str())], messages.dropped(*reason)));
}

fn http(snapshot: &Snapshot, out: &mut Writer) {
    let Some(HttpCounts { connections, requests, refused }) = &snapshot.http else { return };
    out.family("wasmote_http_connections", MetricType::Gauge, "Open connections to the HTTP API.");
    out.integer(&[], *connections);
    out.family("wasmote_http_requests", MetricType::Counter, "Requests to the HTTP API.");
    out.integer(&[], *requests);
    let help = "Connections and requests that the HTTP API refused.";
    out.family("wasmote_http_refused", MetricType::Counter, help);
    refused.iter().for_each(|(reason, count)| out.integer(&[("reason", reason)], *count));
}

/// Stores with a limit in bytes.
fn stores(snapshot: &Snapshot, out: &mut Writer) {
    let stores = snapshot.stores();
    type Value = fn(&BudgetReport) -> u64;
    let families: [(&str, MetricType, &str, Value); 3] = [
        ("used_bytes", MetricType::Gauge, "Bytes that a store holds.", |store| store.used),
        ("limit_bytes", MetricType::Gauge, "Bytes that a store may hold.", |store| store.limit),
        ("refused", MetricType::Counter, "Items that a full store refused.", |store| store.refused),
    ];
    for (name, kind, help, value) in families {
        out.family(&format!("wasmote_store_{name}"), kind, help);
        for (store, report) in &stores {
            out.integer(&[("store", store)], value(report));
        }
    }
}

/// Metrics of behaviours. Two behaviours that use one name share a family, unless the types differ.
fn behaviours(snapshot: &Snapshot, out: &mut Writer) {
    let metrics = &snapshot.totals.metrics;
    let names: BTreeSet<&str> = metrics.values().flat_map(|sums| sums.keys().map(String::as_str)).collect();
    for name in names {
        for kind in [MetricType::Counter, MetricType::Gauge, MetricType::Histogram] {
            let of_name = metrics.iter().filter_map(|(behaviour, sums)| Some((behaviour, sums.get(name)?)));
            let same_type: Vec<_> = of_name.filter(|(_, sum)| metric_type(sum.metric()) == kind).collect();
            if same_type.is_empty() || !out.behaviour_family(name, kind) {
                continue;
            }
            for (behaviour, sum) in same_type {
                let labels = [("behaviour", behaviour.as_str())];
                match sum.metric() {
                    Metric::Counter { sum } | Metric::Gauge { sum } => out.float(&labels, *sum),
                    Metric::Histogram(histogram) => out.histogram(&labels, histogram),
                }
            }
        }
    }
}

fn metric_type(metric: &Metric) -> MetricType {
    match metric {
        Metric::Counter { .. } => MetricType::Counter,
        Metric::Gauge { .. } => MetricType::Gauge,
        Metric::Histogram(_) => MetricType::Histogram,
    }
}

#[cfg(test)]
mod tests;

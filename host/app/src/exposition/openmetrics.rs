//! Metrics as text, for Prometheus and whoever reads what it reads.
//!
//! One prefix, base units, and never a device's name or a topic as a label: a fleet of thousands would
//! drown whoever stores them. What a behaviour measures is summed over its devices.

mod writer;

use wasmote_sim::broker::tally::DropReason;
use wasmote_sim::measures::Measure;

use super::Snapshot;
use super::accept::Form;
use writer::{Kind, Writer};

/// The figures of this moment in one of the text forms.
pub fn write(snapshot: &Snapshot, form: Form) -> String {
    let mut out = Writer::new(form);
    run(snapshot, &mut out);
    messages(snapshot, &mut out);
    faults(snapshot, &mut out);
    refusals(snapshot, &mut out);
    devices(snapshot, &mut out);
    versions(snapshot, &mut out);
    broker(snapshot, &mut out);
    behaviours(snapshot, &mut out);
    out.finish()
}

fn run(snapshot: &Snapshot, out: &mut Writer) {
    out.family("wasmote_build_info", Kind::Gauge, "The version that runs.");
    out.value(&[("version", env!("CARGO_PKG_VERSION"))], 1);
    out.family("wasmote_uptime_seconds", Kind::Gauge, "How long the fleet has been up.");
    out.real(&[], snapshot.uptime.as_secs_f64());
}

fn messages(snapshot: &Snapshot, out: &mut Writer) {
    let ledger = &snapshot.ledger;
    let counters = [
        ("generated", "Messages that behaviours published, or users on their behalf.", ledger.generated),
        ("sent", "Messages handed to the MQTT connection.", ledger.sent),
        ("returned", "Messages that came back from a connection that was full or broke.", ledger.returned),
        ("arrived", "Messages delivered by the broker.", ledger.arrived),
        ("received", "Messages given to behaviours.", ledger.received),
        ("lost_offline", "Messages at QoS 0 that met a connection that was down.", ledger.lost_offline),
        ("discarded", "Messages that arrived while no behaviour ran, or were too large.", ledger.discarded),
    ];
    for (name, help, count) in counters {
        out.family(&format!("wasmote_messages_{name}"), Kind::Counter, help);
        out.value(&[], count);
    }
    out.family(
        "wasmote_messages_waiting",
        Kind::Gauge,
        "Messages that wait out a delay or for a connection.",
    );
    out.value(&[("direction", "out")], snapshot.waiting.0);
    out.value(&[("direction", "in")], snapshot.waiting.1);
    let help = "How long received messages were under way, from behaviour to behaviour.";
    out.family("wasmote_message_latency_seconds", Kind::Histogram, help);
    out.histogram(&[], &snapshot.latency);
    out.family("wasmote_ledger_closes", Kind::Gauge, "1 when every message is accounted for.");
    out.value(&[], snapshot.ledger_closes().into());
}

fn faults(snapshot: &Snapshot, out: &mut Writer) {
    let all: Vec<_> = snapshot.ledger.faults().collect();
    out.family("wasmote_messages_dropped", Kind::Counter, "Messages that a fault took.");
    for (id, counts) in &all {
        out.value(&[("fault", id), ("direction", "out")], counts.dropped_out);
        out.value(&[("fault", id), ("direction", "in")], counts.dropped_in);
    }
    out.family("wasmote_messages_duplicated", Kind::Counter, "Copies that a fault made.");
    for (id, counts) in &all {
        out.value(&[("fault", id), ("direction", "out")], counts.duplicated_out);
        out.value(&[("fault", id), ("direction", "in")], counts.duplicated_in);
    }
    out.family("wasmote_messages_delayed", Kind::Counter, "Messages that a fault held up.");
    all.iter().for_each(|(id, counts)| out.value(&[("fault", id)], counts.delayed));
    out.family("wasmote_messages_corrupted", Kind::Counter, "Messages whose payload a fault changed.");
    all.iter().for_each(|(id, counts)| out.value(&[("fault", id)], counts.corrupted));
    out.family("wasmote_outages", Kind::Counter, "Silences, crashes and the like that began.");
    all.iter().for_each(|(id, counts)| out.value(&[("fault", id)], counts.outages));
    let help = "Messages at which a fault's component ended by itself; they passed.";
    out.family("wasmote_fault_traps", Kind::Counter, help);
    all.iter().for_each(|(id, counts)| out.value(&[("fault", id)], counts.traps));
}

fn refusals(snapshot: &Snapshot, out: &mut Writer) {
    let refusals = &snapshot.refusals;
    out.family("wasmote_messages_refused", Kind::Counter, "Messages that a limit kept from going out.");
    out.value(&[("reason", "queue_full")], snapshot.ledger.refused_full);
    out.value(&[("reason", "publish_rate")], refusals.publish_rate);
    out.value(&[("reason", "publish_invalid")], refusals.publish_invalid);
    out.family("wasmote_log_lines_refused", Kind::Counter, "Log lines beyond the rate.");
    out.value(&[], refusals.log_rate);
    out.family("wasmote_traps", Kind::Counter, "Behaviours that ended by themselves.");
    out.value(&[], snapshot.traps);
}

fn devices(snapshot: &Snapshot, out: &mut Writer) {
    let Some(fleet) = &snapshot.fleet else { return };
    let gauges = [
        ("wasmote_devices", "Devices in all.", fleet.devices),
        ("wasmote_devices_running", "Devices whose behaviour runs.", fleet.running),
        ("wasmote_devices_connected", "Devices that are connected.", fleet.connected),
        ("wasmote_devices_silent", "Devices that a silence holds.", fleet.silent),
        ("wasmote_devices_failed", "Devices whose behaviour refused to start.", fleet.failed),
    ];
    for (name, help, count) in gauges {
        out.family(name, Kind::Gauge, help);
        out.value(&[], count);
    }
    out.family("wasmote_connects", Kind::Counter, "Connections made, first ones and reconnects.");
    out.value(&[], fleet.connects);
    let help = "How much later than scheduled devices were woken by this host.";
    out.family("wasmote_schedule_lateness_seconds", Kind::Histogram, help);
    out.histogram(&[], &fleet.punctuality.lateness);
    out.family(
        "wasmote_schedule_overruns",
        Kind::Counter,
        "Wakes more than 0.1 s late: this host is too busy.",
    );
    out.value(&[], fleet.punctuality.overruns);
}

/// What runs where, by the beginning of the component's hash: a device's name is no label.
fn versions(snapshot: &Snapshot, out: &mut Writer) {
    out.family("wasmote_behaviour_info", Kind::Gauge, "Devices that run a version of a behaviour.");
    for (version, devices) in &snapshot.versions {
        out.value(&[("behaviour", &version.name), ("version", version.short())], *devices);
    }
    let help = "Devices that were to get another version, by what became of it.";
    out.family("wasmote_behaviour_swaps", Kind::Counter, help);
    out.value(&[("outcome", "done")], snapshot.swaps.done);
    out.value(&[("outcome", "refused")], snapshot.swaps.refused);
    out.value(&[("outcome", "undone")], snapshot.swaps.undone);
    let help = "Updates of behaviours that went through, and that came to nothing.";
    out.family("wasmote_behaviour_updates", Kind::Counter, help);
    for (behaviour, (done, refused)) in &snapshot.updates {
        out.value(&[("behaviour", behaviour), ("outcome", "done")], *done);
        out.value(&[("behaviour", behaviour), ("outcome", "refused")], *refused);
    }
}

fn broker(snapshot: &Snapshot, out: &mut Writer) {
    let Some(report) = &snapshot.broker else { return };
    let (tally, census) = (&report.tally, &report.census);
    let gauges = [
        ("connections", "Connections to the embedded broker.", census.connected as u64),
        ("sessions", "Sessions that the embedded broker holds.", census.sessions as u64),
        ("messages_waiting", "Copies that wait in the embedded broker.", census.waiting),
    ];
    for (name, help, count) in gauges {
        out.family(&format!("wasmote_broker_{name}"), Kind::Gauge, help);
        out.value(&[], count);
    }
    let counters = [
        ("received", "Messages that the embedded broker took.", tally.received),
        ("delivered", "Copies that the embedded broker delivered.", tally.delivered),
    ];
    for (name, help, count) in counters {
        out.family(&format!("wasmote_broker_messages_{name}"), Kind::Counter, help);
        out.value(&[], count);
    }
    let help = "Copies that the embedded broker dropped.";
    out.family("wasmote_broker_messages_dropped", Kind::Counter, help);
    DropReason::ALL
        .iter()
        .for_each(|reason| out.value(&[("reason", reason.as_str())], tally.dropped(*reason)));
}

/// Two behaviours may use one name; then they share a family, unless they mean different kinds by it.
fn behaviours(snapshot: &Snapshot, out: &mut Writer) {
    let mut names: Vec<&str> = snapshot.measures.keys().map(|(_, name)| name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    for name in names {
        for kind in [Kind::Counter, Kind::Gauge, Kind::Histogram] {
            let alike: Vec<_> = snapshot
                .measures
                .iter()
                .filter(|((_, other), (measure, _))| other == name && kind_of(measure) == kind)
                .collect();
            if alike.is_empty() || !out.own_family(name, kind) {
                continue;
            }
            for ((behaviour, _), (measure, _)) in alike {
                let labels = [("behaviour", behaviour.as_str())];
                match measure {
                    Measure::Counter(value) | Measure::Gauge(value) => out.real(&labels, *value),
                    Measure::Histogram(histogram) => out.histogram(&labels, histogram),
                }
            }
        }
    }
}

fn kind_of(measure: &Measure) -> Kind {
    match measure {
        Measure::Counter(_) => Kind::Counter,
        Measure::Gauge(_) => Kind::Gauge,
        Measure::Histogram(_) => Kind::Histogram,
    }
}

#[cfg(test)]
mod tests;

//! Fleet state as a text table.

use wasmote_fleet::printable::Printable;

use super::aggregate::FleetTotals;
use super::fetch::QueryResult;
use super::pod_metrics::PodMetrics;

const HEADERS: [&str; 10] =
    ["POD", "BEHAVIOUR", "DEVICES", "UP", "SENT", "RECEIVED", "DROPPED", "MEAN", "P95", "LEDGER"];
/// Alignment of the columns: text left, numbers right.
const LEFT_ALIGNED: [bool; 10] = [true, true, false, false, false, false, false, false, false, true];

/// Renders one line for each process and one for the total, then the counts by state and by fault.
pub fn table(results: &[QueryResult], total: &FleetTotals) -> String {
    let mut rows: Vec<Vec<String>> = vec![HEADERS.map(str::to_owned).to_vec()];
    rows.extend(results.iter().map(row));
    rows.push(total_row(total));
    for cell in rows.iter_mut().flatten() {
        *cell = Printable(&cell).to_string();
    }
    let mut text = aligned(&rows);
    let mut notes = Vec::new();
    let listed = |counts: &std::collections::BTreeMap<String, u64>| {
        counts.iter().map(|(name, count)| format!("{name} {count}")).collect::<Vec<_>>().join(", ")
    };
    notes.push(("states", listed(&total.states)));
    let dropped = total.messages.ledger.faults().map(|(id, counts)| format!("{id} {}", counts.dropped()));
    notes.push(("dropped by fault", dropped.collect::<Vec<_>>().join(", ")));
    notes.push(("devices by active fault", listed(&total.active_faults)));
    if let Some(intended) = &total.intended_latency_seconds {
        let (mean, p95) = (seconds(intended.mean), seconds(intended.p95));
        notes.push(("latency from the intended times", format!("mean {mean}, p95 {p95}")));
    }
    let implausible = total.messages.latency_implausible;
    if implausible.total() > 0 {
        notes.push((
            "without a latency",
            format!(
                "{} messages from the future, {} with a time more than a year off or unreadable",
                implausible.negative, implausible.too_large
            ),
        ));
    }
    if total.versions.len() > 1 {
        notes.push(("several versions", total.versions.iter().cloned().collect::<Vec<_>>().join(", ")));
    }
    notes.extend(total.left_out.iter().map(|metric| ("not in the sums", metric.clone())));
    for (label, note) in notes.into_iter().filter(|(_, note)| !note.is_empty()) {
        text.push_str(&format!("{label}: {}\n", Printable(note)));
    }
    text
}

fn row(result: &QueryResult) -> Vec<String> {
    match &result.answer {
        Ok(answer) => pod_row(&result.name, answer),
        Err(problem) => vec![result.name.clone(), format!("unreachable: {problem}")],
    }
}

fn pod_row(name: &str, answer: &PodMetrics) -> Vec<String> {
    let messages = &answer.messages;
    let latency = messages.latency_summary();
    vec![
        name.to_owned(),
        answer.behaviours.join(","),
        answer.devices.to_string(),
        answer.in_state("connected").to_string(),
        messages.ledger.sent.to_string(),
        messages.ledger.received.to_string(),
        messages.total_dropped().to_string(),
        seconds(latency.mean),
        seconds(latency.p95),
        ledger(messages.ledger_closes).into(),
    ]
}

fn total_row(total: &FleetTotals) -> Vec<String> {
    let messages = &total.messages;
    vec![
        format!("{} of {}", total.answered, total.asked),
        String::new(),
        total.devices.to_string(),
        total.states.get("connected").copied().unwrap_or(0).to_string(),
        messages.ledger.sent.to_string(),
        messages.ledger.received.to_string(),
        messages.total_dropped().to_string(),
        seconds(total.latency_seconds.mean),
        seconds(total.latency_seconds.p95),
        ledger(messages.ledger_closes).into(),
    ]
}

fn ledger(closes: bool) -> &'static str {
    if closes { "closes" } else { "DOES NOT CLOSE" }
}

fn seconds(seconds: Option<f64>) -> String {
    seconds.map_or_else(|| "-".into(), |seconds| format!("{seconds:.3} s"))
}

/// Aligns the columns. A row with fewer cells is a remark and only counts for the width of the first column.
fn aligned(rows: &[Vec<String>]) -> String {
    let mut widths = [0; HEADERS.len()];
    for row in rows {
        let counted = if row.len() == HEADERS.len() { row.len() } else { 1 };
        for (width, cell) in widths.iter_mut().zip(row).take(counted) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(widths).zip(LEFT_ALIGNED).map(|((cell, width), is_left)| {
            if is_left { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
        });
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

//! Messages dropped by faults.

use std::collections::BTreeMap;

use wasmote_results::{FaultCounts, OutageRow};

use super::{Figure, PlotInput};
use crate::cohort::Cohort;
use crate::number::{PLAIN, fixed, significant};
use crate::plot::axis::Axis;
use crate::plot::bars::{Bars, Row};
use crate::plot::style::SERIES;
use crate::statistics::Estimate;

/// The plot; `None` if no fault dropped a message. One cohort has a bar for each fault; several cohorts have one bar each.
pub fn figure(input: PlotInput<'_>) -> Option<Figure> {
    let cohorts = input.cohorts;
    let faults = ranked(cohorts);
    if faults.is_empty() {
        return None;
    }
    let (bars, caption) = match cohorts {
        [cohort] => (by_fault(cohort, &faults), "Mean number of messages that each fault dropped in a run."),
        several => (
            by_cohort(input, several, &faults),
            "Messages that faults dropped in both directions, for every 100 that behaviours published; means over \
             seeds.",
        ),
    };
    Some(Figure { drawing: bars.draw(), caption: caption.to_owned() })
}

/// The faults that dropped messages, in descending order of messages, then by name.
fn ranked(cohorts: &[Cohort<'_>]) -> Vec<String> {
    let mut totals: BTreeMap<&str, u64> = BTreeMap::new();
    let faults = cohorts.iter().flat_map(|cohort| &cohort.runs).flat_map(|run| &run.summary.faults);
    for (id, counts) in faults {
        *totals.entry(id).or_default() += counts.dropped();
    }
    let mut order: Vec<(&str, u64)> = totals.into_iter().collect();
    order.retain(|(_, lost)| *lost > 0);
    order.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    order.into_iter().map(|(id, _)| id.to_owned()).collect()
}

fn by_fault(cohort: &Cohort<'_>, faults: &[String]) -> Bars {
    let (mut rows, mut widest) = (Vec::new(), 0.0f64);
    for id in faults {
        let [out, inward] = [true, false].map(|out| {
            let values: Vec<f64> = cohort
                .runs
                .iter()
                .map(|run| {
                    let counts = run.summary.faults.get(id).copied().unwrap_or_default();
                    (if out { counts.dropped_out } else { counts.dropped_in }) as f64
                })
                .collect();
            Estimate::of(&values).map_or(0.0, |estimate| estimate.mean)
        });
        widest = widest.max(out + inward);
        let decimals = usize::from((out + inward).fract() != 0.0 && out + inward < 100.0);
        rows.push(Row {
            name: named(cohort, id),
            values: vec![out, inward],
            total: fixed(out + inward, decimals),
        });
    }
    let descriptions: Vec<_> = rows.iter().map(|row| format!("{} {}", row.name, row.total)).collect();
    let mut pieces = vec!["on the way out".to_owned(), "on the way in".to_owned()];
    if rows.iter().all(|row| row.values.get(1) == Some(&0.0)) {
        pieces.truncate(1);
    }
    Bars {
        name: "losses-by-fault",
        title: "Messages lost, by fault".to_owned(),
        description: format!("Messages that each fault dropped in a run: {}.", descriptions.join(", ")),
        x: Axis::counts("messages", widest),
        rows_label: String::new(),
        rows,
        pieces,
    }
}

/// Name for readers: the id, after the kind for a fault of the timeline, whose id only counts (`timeline-0`).
fn named(cohort: &Cohort<'_>, id: &str) -> String {
    let outages = cohort.runs.iter().flat_map(|run| &run.outages);
    match outages.filter(|outage| outage.fault == id).map(OutageRow::name).find(|name| *name != id) {
        Some(kind) => format!("{kind} ({id})"),
        None => id.to_owned(),
    }
}

fn by_cohort(input: PlotInput<'_>, cohorts: &[Cohort<'_>], faults: &[String]) -> Bars {
    let (own, rest) = faults.split_at(if faults.len() > SERIES { SERIES - 1 } else { faults.len() });
    let mut pieces: Vec<String> = own.to_vec();
    if !rest.is_empty() {
        pieces.push(format!("{} others", rest.len()));
    }
    let rows: Vec<Row> = cohorts
        .iter()
        .map(|cohort| {
            let lost = |ids: &[String]| {
                let dropped = |id: &String, run: &&crate::results::Run| {
                    run.summary.faults.get(id).map_or(0, FaultCounts::dropped)
                };
                let lost: u64 =
                    cohort.runs.iter().map(|run| ids.iter().map(|id| dropped(id, run)).sum::<u64>()).sum();
                let generated: u64 = cohort.runs.iter().map(|run| run.summary.traffic.generated).sum();
                100.0 * lost as f64 / generated.max(1) as f64
            };
            let mut values: Vec<f64> = own.iter().map(|id| lost(std::slice::from_ref(id))).collect();
            if !rest.is_empty() {
                values.push(lost(rest));
            }
            let total = significant(values.iter().sum(), 3);
            Row { name: cohort.label.clone(), values, total }
        })
        .collect();
    let widest = rows.iter().map(|row| row.values.iter().sum::<f64>()).fold(0.0, f64::max);
    let descriptions: Vec<_> = rows.iter().map(|row| format!("{} {}", row.name, row.total)).collect();
    Bars {
        name: "losses-by-fault",
        title: "Messages lost, by fault".to_owned(),
        description: format!("Messages lost for every 100 published: {}.", descriptions.join(", ")),
        x: Axis::numbers("messages lost per 100 published", 0.0, widest.max(0.1), PLAIN),
        rows_label: input.labels.to_owned(),
        rows,
        pieces,
    }
}

//! Ledger section: the fate of all messages.

use serde_json::Value;
use wasmote_results::Ledger;

use super::table::Table;
use crate::cohort::Cohort;
use crate::number::{fixed, trimmed};

/// Separator of the parts of an entry's path.
const STEP: &str = " › ";
/// Order of the entries: the way of a message. Other entries follow by name.
const ORDER: [&str; 17] = [
    "generated",
    "sent",
    "returned",
    "lost_offline",
    "refused",
    "refused_by_cause",
    "negative_answers",
    "waiting_out",
    "arrived",
    "received",
    "wills",
    "unmatched",
    "copies",
    "delivered",
    "discarded",
    "waiting_in",
    "waiting",
];
/// Greatest number of points that have a column each.
const COLUMNS: usize = 8;

/// A table of all counts by point, summed over seeds.
pub fn section(cohorts: &[Cohort<'_>]) -> String {
    let columns: Vec<(String, Vec<&Ledger>)> = match cohorts.len() {
        1 => vec![("messages".to_owned(), ledgers(&cohorts[0]))],
        2..=COLUMNS => cohorts.iter().map(|cohort| (cohort.label.clone(), ledgers(cohort))).collect(),
        _ => vec![("all points".to_owned(), cohorts.iter().flat_map(ledgers).collect())],
    };
    let mut entries: Vec<&String> = Vec::new();
    let sums: Vec<Vec<(String, f64)>> = columns.iter().map(|(_, ledgers)| summed(ledgers)).collect();
    for (entry, sum) in sums.iter().flatten() {
        // Most counts of a fault are zero for its kind.
        let is_idle = *sum == 0.0 && entry.matches(STEP).count() > 1;
        if !is_idle && !entries.contains(&entry) {
            entries.push(entry);
        }
    }
    entries.sort_by_key(|entry| rank(entry));
    let mut table = Table::new("Counts of messages, summed over devices and seeds.");
    table.column("account");
    table.column("entry");
    columns.iter().for_each(|(name, _)| table.column_of_numbers(name));
    for entry in entries {
        let cell = |sums: &Vec<(String, f64)>| {
            let sum = sums.iter().find(|(name, _)| name == entry);
            sum.map_or("–".to_owned(), |(_, sum)| match sum.fract() == 0.0 {
                true => fixed(*sum, 0),
                false => trimmed(*sum, 6),
            })
        };
        let cells: Vec<String> = sums.iter().map(cell).collect();
        let (account, entry) = entry.split_once(STEP).unwrap_or(("", entry));
        let account = if account == "total" { "devices" } else { account };
        table.row([vec![account.to_owned(), entry.replace('_', " ")], cells].concat());
    }
    let (runs, open) = cohorts
        .iter()
        .flat_map(|cohort| cohort.runs.iter().chain(&cohort.left_out))
        .filter(|run| !run.is_partial)
        .fold((0, 0), |(runs, open), run| (runs + 1, open + usize::from(!run.summary.ledger_closes)));
    let verdict = match (open, runs) {
        (0, 0) => "A run that was killed has no ledger.".to_owned(),
        (0, 1) => "It closes: every message is accounted for.".to_owned(),
        (0, _) => format!("It closes in all {runs} runs: every message is accounted for."),
        _ => format!("It does not close in {open} of {runs} runs; their figures are not reliable."),
    };
    format!("<section id=\"ledger\">\n<h2>Ledger</h2>\n<p>{verdict}</p>\n{}</section>\n", table.html())
}

/// Sort key: the devices, then the broker; short paths before longer ones.
fn rank(entry: &str) -> (bool, usize, usize) {
    let mut steps = entry.split(STEP);
    let account = steps.next().unwrap_or_default();
    let (name, deeper) = (steps.next().unwrap_or_default(), steps.count());
    (account != "total", deeper, ORDER.iter().position(|known| *known == name).unwrap_or(ORDER.len()))
}

/// The ledgers of a cohort. Killed runs have none.
fn ledgers<'a>(cohort: &Cohort<'a>) -> Vec<&'a Ledger> {
    cohort.runs.iter().filter_map(|run| run.ledger.as_ref()).collect()
}

/// Sum of every number in the ledgers, by path. Lists are left out, because they contain the ledgers of single devices.
fn summed(ledgers: &[&Ledger]) -> Vec<(String, f64)> {
    let mut sums: Vec<(String, f64)> = Vec::new();
    for ledger in ledgers {
        let ledger = serde_json::to_value(ledger).unwrap_or_default();
        walk("", &ledger, &mut |path, number| match sums.iter_mut().find(|(known, _)| known == path) {
            Some((_, sum)) => *sum += number,
            None => sums.push((path.to_owned(), number)),
        });
    }
    sums
}

fn walk(path: &str, value: &Value, each: &mut impl FnMut(&str, f64)) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let inner = if path.is_empty() { name.clone() } else { format!("{path}{STEP}{name}") };
                walk(&inner, value, each);
            }
        }
        Value::Number(number) => each(path, number.as_f64().unwrap_or(0.0)),
        _ => {}
    }
}

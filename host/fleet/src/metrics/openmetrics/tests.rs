//! Tests that parse the text by the rules of its format.

use std::collections::{BTreeMap, BTreeSet};

use wasmote_sim::histogram::Histogram;
use wasmote_sim::metrics::MetricSum;

use super::*;

fn snapshot() -> Snapshot {
    let mut snapshot = Snapshot { is_fleet: true, ..Default::default() };
    snapshot.totals.devices.total = 9;
    snapshot.totals.latency.observe(0.123);
    snapshot.totals.ledger.sent = 42;
    let mut hops = Histogram::default();
    hops.observe(3.0);
    let metrics = [
        ("heartbeat", "beats_total", Metric::Counter { sum: 7.0 }),
        ("heartbeat", "peers_alive", Metric::Gauge { sum: 1e21 }),
        ("routing", "hops", Metric::Histogram(Box::new(hops.clone()))),
        // Names that would collide: with a histogram's samples, and with another kind.
        ("odd", "hops_count", Metric::Gauge { sum: 1.0 }),
        ("odd", "peers_alive", Metric::Counter { sum: 2.0 }),
        ("od\"d\\\n", "beats_total", Metric::Counter { sum: 1.0 }),
    ];
    for (behaviour, name, metric) in metrics {
        let sums = snapshot.totals.metrics.entry(behaviour.into()).or_default();
        sums.insert(name.into(), MetricSum::new(metric, 1));
    }
    snapshot
}

/// A parsed family.
#[derive(Default)]
struct Family {
    kind: String,
    help: bool,
    samples: Vec<(String, String, f64)>,
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// The text of the labels, and the rest after it.
fn labels(text: &str) -> (String, &str) {
    let Some(mut rest) = text.strip_prefix('{') else { return (String::new(), text) };
    let start = text.len();
    loop {
        let (name, after) = rest.split_once("=\"").expect("a label has a value in quotes");
        assert!(is_name(name), "{name}");
        let mut escaped = false;
        let end = after
            .find(|c| {
                let ends = c == '"' && !escaped;
                escaped = c == '\\' && !escaped;
                ends
            })
            .expect("a value ends");
        rest = &after[end + 1..];
        match rest.strip_prefix(',') {
            Some(more) => rest = more,
            None => break,
        }
    }
    let rest = rest.strip_prefix('}').expect("labels end with a brace");
    (text[..start - rest.len()].to_owned(), rest)
}

fn read(text: &str, open_metrics: bool) -> BTreeMap<String, Family> {
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let mut current = String::new();
    let body = if open_metrics { text.strip_suffix("# EOF\n").expect("it ends with EOF") } else { text };
    for line in body.lines() {
        if let Some(comment) = line.strip_prefix("# ") {
            let [keyword, name, value] = comment.splitn(3, ' ').collect::<Vec<_>>()[..] else {
                panic!("{line}")
            };
            assert!(is_name(name) && name.starts_with("wasmote_"), "{line}");
            if keyword == "TYPE" {
                assert!(!families.contains_key(name), "{name} is declared twice");
                current = name.to_owned();
            }
            assert_eq!(name, current, "families do not mix");
            let family = families.entry(name.into()).or_default();
            match keyword {
                "TYPE" => family.kind = value.into(),
                "HELP" => family.help = !value.is_empty(),
                "UNIT" => assert!(open_metrics && name.ends_with(&format!("_{value}")), "{line}"),
                _ => panic!("{line}"),
            }
            continue;
        }
        let end = line.find(['{', ' ']).expect("a sample has a value");
        let (labels, rest) = labels(&line[end..]);
        let value: f64 = rest.strip_prefix(' ').expect("a space").parse().expect("a number");
        let family = families.get_mut(&current).expect("a family comes before its samples");
        family.samples.push((line[..end].to_owned(), labels, value));
    }
    families
}

fn check(families: &BTreeMap<String, Family>, open_metrics: bool) {
    let mut seen = BTreeSet::new();
    for (name, family) in families {
        assert!(family.help, "{name} has a help text");
        let suffixes: &[&str] = match (family.kind.as_str(), open_metrics) {
            ("counter", true) => &["_total"],
            ("histogram", _) => &["_bucket", "_sum", "_count"],
            _ => &[""],
        };
        assert!(family.kind != "counter" || open_metrics || name.ends_with("_total"), "{name}");
        for (sample, labels, value) in &family.samples {
            let suffix = sample.strip_prefix(name.as_str()).expect("a sample is named after its family");
            assert!(suffixes.contains(&suffix), "{sample} in {name}");
            assert!(seen.insert((sample.clone(), labels.clone())), "{sample}{labels} is written twice");
            assert!(family.kind == "gauge" || *value >= 0.0, "{sample}");
            assert!(!labels.contains("device=") && !labels.contains("topic="), "{labels}");
        }
        let buckets: Vec<_> =
            family.samples.iter().filter(|(sample, ..)| sample.ends_with("_bucket")).collect();
        if family.kind == "histogram" {
            assert!(buckets.is_sorted_by_key(|(_, _, count)| *count), "{name} never falls");
            assert!(buckets.last().is_some_and(|(_, labels, _)| labels.contains("le=\"+Inf\"")), "{name}");
        }
    }
}

#[test]
fn both_formats_are_valid() {
    for format in [MetricsFormat::OpenMetrics, MetricsFormat::Text] {
        let text = write(&snapshot(), format);
        let open_metrics = format == MetricsFormat::OpenMetrics;
        let families = read(&text, open_metrics);
        check(&families, open_metrics);
        assert!(text.contains("\nwasmote_messages_sent_total 42\n"), "{text}");
    }
}

#[test]
fn metric_names_of_behaviours_are_unique() {
    let text = write(&snapshot(), MetricsFormat::OpenMetrics);
    for line in [
        "wasmote_behaviour_beats_total{behaviour=\"heartbeat\"} 7",
        "wasmote_behaviour_beats_total{behaviour=\"od\\\"d\\\\\\n\"} 1",
        "wasmote_behaviour_peers_alive_total{behaviour=\"odd\"} 2",
        "wasmote_behaviour_peers_alive_gauge{behaviour=\"heartbeat\"} 1000000000000000000000",
        "wasmote_behaviour_hops_count{behaviour=\"routing\"} 1",
        "wasmote_behaviour_hops_count_gauge{behaviour=\"odd\"} 1",
    ] {
        assert!(text.contains(&format!("\n{line}\n")), "{line} in {text}");
    }
}

//! Whether a plan comes out the same in virtual and in real time, as far as its seeds can tell.

use wasmote_results::TimeMode;

use super::ComparedExperiment;
use super::rows::Row;
use crate::metric::Metric;

/// A side in virtual time and one in real time, of one plan and its seeds.
#[derive(Clone, Debug, PartialEq)]
pub struct Agreement {
    /// The letter of the side in virtual time.
    pub computed: String,
    /// The letter of the one in real time.
    pub real: String,
    /// Differences that have an interval.
    pub judged: usize,
    /// Of these, those whose interval leaves zero out.
    pub disagreeing: Vec<Metric>,
    /// Changes that users made to the side in real time.
    pub edits: usize,
}

/// Of the first side with each of the others that has the same plan and seeds, and the other time.
pub fn all(experiments: &[ComparedExperiment], rows: &[Row]) -> Vec<Agreement> {
    let Some((first, others)) = experiments.split_first() else { return Vec::new() };
    let one_plan = |other: &ComparedExperiment| {
        let (mine, theirs) = (&first.results.manifest, &other.results.manifest);
        // What was ended early is said, and agrees with nothing.
        let has_whole = |experiment: &ComparedExperiment| {
            experiment.results.runs.iter().any(|run| run.summary.is_whole())
        };
        let are_whole = has_whole(first) && has_whole(other);
        mine.plan.sha256 == theirs.plan.sha256 && mine.time != theirs.time && are_whole
    };
    let agreement = |(index, other): (usize, &ComparedExperiment)| {
        let differences = rows.iter().filter_map(|row| {
            let difference = row.differences.get(index)?.as_ref()?;
            Some((row.metric, difference.is_significant()?))
        });
        let differences: Vec<(Metric, bool)> = differences.collect();
        let mut disagreeing: Vec<Metric> = Vec::new();
        for (metric, _) in differences.iter().filter(|(_, disagreeing)| *disagreeing) {
            if !disagreeing.contains(metric) {
                disagreeing.push(*metric);
            }
        }
        let (computed, real) = match other.results.manifest.time {
            TimeMode::Real => (first, other),
            TimeMode::Virtual => (other, first),
        };
        Agreement {
            computed: computed.letter.clone(),
            real: real.letter.clone(),
            judged: differences.len(),
            disagreeing,
            edits: real.results.runs.iter().map(|run| run.summary.edits.len()).sum(),
        }
    };
    others.iter().enumerate().filter(|(_, other)| one_plan(other)).map(agreement).collect()
}

impl Agreement {
    /// In words.
    pub fn text(&self) -> String {
        let Self { computed, real, judged, disagreeing, edits } = self;
        let mut text =
            format!("{computed} in virtual time and {real} in real time are of one plan and its seeds: ");
        text += &match (judged, &disagreeing[..]) {
            (0, _) => {
                "one seed has no interval; run both with --seeds 3 or more to see whether they agree".into()
            }
            (_, []) => format!("they agree, as the intervals of all {judged} differences hold zero"),
            (_, disagreeing) => {
                let names: Vec<&str> = disagreeing.iter().map(|metric| metric.name()).collect();
                format!("they agree but for {}, whose interval leaves zero out", names.join(", "))
            }
        };
        text.push('.');
        if *edits > 0 {
            text += &format!(
                " But {real} was changed {edits} times over HTTP: what happened again in virtual time is the plan in \
                 its timeline-as-run.toml."
            );
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_what_agrees_what_does_not_and_what_cannot_be_told() {
        let all = Agreement {
            computed: "A".into(),
            real: "B".into(),
            judged: 9,
            disagreeing: Vec::new(),
            edits: 0,
        };
        assert!(all.text().ends_with("they agree, as the intervals of all 9 differences hold zero."));
        let disagreeing = Agreement { disagreeing: vec![Metric::LatencyP50], edits: 2, ..all.clone() };
        assert!(
            disagreeing.text().contains("they agree but for latency p50, whose"),
            "{}",
            disagreeing.text()
        );
        assert!(disagreeing.text().contains("changed 2 times"), "{}", disagreeing.text());
        assert!(Agreement { judged: 0, ..all }.text().contains("--seeds 3"));
    }
}

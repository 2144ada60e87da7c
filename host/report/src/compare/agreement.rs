//! Agreement of virtual and real time: the statistical comparison of runs of one plan in both.

use wasmote_results::TimeMode;

use super::ComparedExperiment;
use super::rows::Row;
use crate::metric::Metric;

/// Agreement of two experiments with one plan and the same seeds, one in virtual and one in real time.
#[derive(Clone, Debug, PartialEq)]
pub struct Agreement {
    /// Letter of the experiment in virtual time.
    pub computed: String,
    /// Letter of the experiment in real time.
    pub real: String,
    /// Number of differences with an interval.
    pub judged: usize,
    /// Metrics with a significant difference.
    pub disagreeing: Vec<Metric>,
    /// Number of changes that users made to the experiment in real time.
    pub edits: usize,
}

/// The agreement of the first experiment with every other experiment that has the same plan, the same seeds
/// and the other time base.
pub fn all(experiments: &[ComparedExperiment], rows: &[Row]) -> Vec<Agreement> {
    let Some((first, others)) = experiments.split_first() else { return Vec::new() };
    let is_comparable = |other: &ComparedExperiment| {
        let (mine, theirs) = (&first.results.manifest, &other.results.manifest);
        // An experiment without a whole run is not comparable.
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
    others.iter().enumerate().filter(|(_, other)| is_comparable(other)).map(agreement).collect()
}

impl Agreement {
    /// The agreement as a sentence.
    pub fn text(&self) -> String {
        let Self { computed, real, judged, disagreeing, edits } = self;
        let mut text =
            format!("{computed} in virtual time and {real} in real time have the same plan and seeds: ");
        text += &match (judged, &disagreeing[..]) {
            (0, _) => {
                "a single seed has no interval; run both with --seeds 3 or more to see whether they agree"
                    .into()
            }
            (_, []) => format!("they agree, because the intervals of all {judged} differences contain zero"),
            (_, disagreeing) => {
                let names: Vec<&str> = disagreeing.iter().map(|metric| metric.name()).collect();
                format!("they agree except for {}, whose interval does not contain zero", names.join(", "))
            }
        };
        text.push('.');
        if *edits > 0 {
            text += &format!(
                " But {real} was changed {edits} times over HTTP; its timeline-as-run.toml is a plan that repeats the \
                 changes in virtual time."
            );
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_names_agreement_disagreement_and_missing_intervals() {
        let all = Agreement {
            computed: "A".into(),
            real: "B".into(),
            judged: 9,
            disagreeing: Vec::new(),
            edits: 0,
        };
        assert!(all.text().ends_with("they agree, because the intervals of all 9 differences contain zero."));
        let disagreeing = Agreement { disagreeing: vec![Metric::LatencyP50], edits: 2, ..all.clone() };
        assert!(
            disagreeing.text().contains("they agree except for latency p50, whose"),
            "{}",
            disagreeing.text()
        );
        assert!(disagreeing.text().contains("changed 2 times"), "{}", disagreeing.text());
        assert!(Agreement { judged: 0, ..all }.text().contains("--seeds 3"));
    }
}

//! Figures over time, averaged over seeds.

use crate::cohort::Cohort;
use crate::plot::chart::{Mark, Shape};
use crate::results::{Run, Sample};
use crate::statistics::Estimate;

/// Samples of one run in one interval, of the whole fleet.
pub type Bin<'a> = [&'a Sample];

/// Greatest number of points of a line; a screen does not resolve more.
pub const POINTS: usize = 160;

/// A line: times with estimates; `None` is a gap.
pub type Line = Vec<(f64, Option<Estimate>)>;

/// Minimum and maximum.
pub type Ends = (f64, f64);

/// Duration of the longest run in seconds.
pub fn duration(cohorts: &[&Cohort<'_>]) -> f64 {
    let runs = cohorts.iter().flat_map(|cohort| &cohort.runs);
    let last =
        |run: &&Run| run.fleet().map(|sample| sample.row.time_s).fold(run.summary.duration_s, f64::max);
    runs.map(last).fold(0.0, f64::max)
}

/// A figure over time with at most `points` points. Runs sample at equal times, so the longest run defines the times.
pub fn line(cohort: &Cohort<'_>, points: usize, figure: impl Fn(&Bin<'_>) -> Option<f64>) -> Line {
    let runs: Vec<Vec<&Sample>> = cohort.runs.iter().map(|run| run.fleet().collect()).collect();
    let longest = runs.iter().max_by_key(|samples| samples.len()).map_or(&[][..], Vec::as_slice);
    let per_bin = longest.len().div_ceil(points).max(1);
    let bins = longest.chunks(per_bin).enumerate();
    bins.map(|(index, bin)| {
        let (from, to) = (index * per_bin, index * per_bin + bin.len());
        let values: Vec<f64> =
            runs.iter().filter_map(|run| run.get(from..to.min(run.len())).and_then(&figure)).collect();
        (bin.last().map_or(0.0, |sample| sample.row.time_s), Estimate::of(&values))
    })
    .collect()
}

/// Sum of a count.
pub fn sum(bin: &Bin<'_>, count: impl Fn(&Sample) -> f64) -> f64 {
    bin.iter().map(|sample| count(sample)).sum()
}

/// Mean of a state.
pub fn mean(bin: &Bin<'_>, state: impl Fn(&Sample) -> f64) -> Option<f64> {
    (!bin.is_empty()).then(|| sum(bin, state) / bin.len() as f64)
}

/// Mean over the samples that have the value, weighted with receptions.
pub fn weighted(bin: &Bin<'_>, figure: impl Fn(&Sample) -> Option<f64>) -> Option<f64> {
    let present = bin.iter().filter_map(|sample| Some((figure(sample)?, sample.delivered().max(1.0))));
    let (total, weight) =
        present.fold((0.0, 0.0), |(total, sum), (value, weight)| (total + value * weight, sum + weight));
    (weight > 0.0).then(|| total / weight)
}

/// Range of an axis for lines with their bands. A band extends the range by at most a quarter of the outermost value,
/// because few seeds can give very wide bands.
pub fn extent<'a>(lines: impl IntoIterator<Item = &'a Line>) -> Option<Ends> {
    let (mut means, mut bands): (Option<Ends>, Option<Ends>) = (None, None);
    let wider = |(lo, hi): Ends, bounds: Option<Ends>| match bounds {
        None => Some((lo, hi)),
        Some((least, greatest)) => Some((lo.min(least), hi.max(greatest))),
    };
    for estimate in lines.into_iter().flatten().filter_map(|(_, estimate)| estimate.as_ref()) {
        means = wider((estimate.mean, estimate.mean), means);
        bands = wider(estimate.interval(), bands);
    }
    let ((lo, hi), (low, high)) = (means?, bands?);
    Some((low.max(lo - lo.abs() / 4.0), high.min(hi + hi.abs() / 4.0)))
}

/// Marks of a line and its bands; `steps` draws a value as constant until it changes.
pub fn marks(series: usize, name: &str, line: &Line, steps: bool) -> Vec<Mark> {
    let (mut pieces, mut bands) = (vec![Vec::new()], vec![Vec::new()]);
    let mut before: Option<f64> = None;
    for (time, estimate) in line {
        let Some(estimate) = estimate else {
            pieces.push(Vec::new());
            bands.push(Vec::new());
            before = None;
            continue;
        };
        let (lo, hi) = estimate.interval();
        if let (Some(piece), Some(band)) = (pieces.last_mut(), bands.last_mut()) {
            if let (true, Some(before)) = (steps, before) {
                piece.push((*time, before));
            }
            piece.push((*time, estimate.mean));
            if estimate.half_width.is_some() {
                band.push((*time, lo, hi));
            }
        }
        before = Some(estimate.mean);
    }
    pieces.retain(|piece| !piece.is_empty());
    let mark = |shape| Mark { series, name: name.to_owned(), shape };
    let bands = bands.into_iter().filter(|band| band.len() > 1).map(|band| mark(Shape::Band(band)));
    bands.chain([mark(Shape::Line(pieces))]).collect()
}

/// Description of a line: first and last value, minimum and maximum.
pub fn describe_line(line: &Line, written: impl Fn(f64) -> String) -> String {
    let means: Vec<f64> = line.iter().filter_map(|(_, estimate)| Some(estimate.as_ref()?.mean)).collect();
    let (Some(first), Some(last)) = (means.first(), means.last()) else {
        return "no data".to_owned();
    };
    let (lo, hi) = means.iter().fold((*first, *first), |(lo, hi), mean| (mean.min(lo), mean.max(hi)));
    format!("from {} to {}, between {} and {}", written(*first), written(*last), written(lo), written(hi))
}

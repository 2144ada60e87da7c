//! Metrics plotted against swept fields.

use serde_json::Value;
use wasmote_results::PointValues;

use super::{Figure, PlotInput};
use crate::cohort::{
    CUT_SHORT_NOTE, Cohort, as_number, field_names, format_value as written, is_duration, short_path,
};
use crate::metric::Metric;
use crate::number::{PLAIN, time_unit};
use crate::plot::axis::Axis;
use crate::plot::chart::{Chart, Mark, Point, Shape};
use crate::plot::style::SERIES;
use crate::statistics::Estimate;

const PLOTS: [(Metric, &str); 3] = [
    (Metric::DeliveryRatio, "sweep-delivery"),
    (Metric::LatencyP50, "sweep-latency-p50"),
    (Metric::LatencyP95, "sweep-latency-p95"),
];

/// A plot for each metric, if there is a sweep. The field with the most values is the x axis; each combination of the
/// other fields is a line.
pub fn figures(input: PlotInput<'_>) -> Vec<Figure> {
    let Some(sweep_axis) = find_sweep_axis(input.cohorts) else { return Vec::new() };
    let lines = lines(input.cohorts, &sweep_axis);
    PLOTS.into_iter().filter_map(|(metric, name)| figure(&sweep_axis, &lines, metric, name)).collect()
}

/// The field on the x axis and its values.
struct SweepAxis {
    field: String,
    values: Vec<Value>,
    /// Position of each value on the axis.
    positions: Vec<f64>,
}

/// A line: the names and values of the other fields, and the points.
struct SweepLine<'a> {
    fields: String,
    name: String,
    points: Vec<(f64, &'a Cohort<'a>)>,
}

/// Position on the axis, cohort and estimate.
type Estimated<'a> = (f64, &'a Cohort<'a>, Estimate);

fn find_sweep_axis(cohorts: &[Cohort<'_>]) -> Option<SweepAxis> {
    let fields = cohorts.first()?.point.keys();
    let sweep_axis = fields.map(|field| {
        let mut values: Vec<Value> = Vec::new();
        for value in cohorts.iter().filter_map(|cohort| cohort.point.get(field)) {
            if !values.contains(value) {
                values.push(value.clone());
            }
        }
        let numbers: Option<Vec<f64>> = values.iter().map(as_number).collect();
        let positions = numbers.unwrap_or_else(|| (0..values.len()).map(|i| i as f64).collect());
        SweepAxis { field: field.clone(), values, positions }
    });
    // Numbers are preferred to names; among equals, the first field.
    let best = sweep_axis.fold(None, |best: Option<SweepAxis>, next| match best {
        Some(best) if rank(&best) >= rank(&next) => Some(best),
        _ => Some(next),
    })?;
    (best.values.len() > 1).then_some(best)
}

fn rank(sweep_axis: &SweepAxis) -> (bool, usize) {
    (sweep_axis.has_numbers() && sweep_axis.values.len() > 1, sweep_axis.values.len())
}

impl SweepAxis {
    fn has_numbers(&self) -> bool {
        self.values.iter().all(|value| as_number(value).is_some())
    }

    fn axis(&self) -> Axis {
        let least = self.positions.iter().copied().fold(f64::INFINITY, f64::min);
        let greatest = self.positions.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let is_duration = self.values.iter().any(is_duration);
        // A wide range of positive values is swept by factors, so the axis is logarithmic.
        let is_log = self.values.len() > 2 && least > 0.0 && greatest / least >= 50.0;
        let lo = if least > 0.0 && least < greatest * 0.4 { 0.0 } else { least };
        match (self.has_numbers(), is_log) {
            (false, _) => Axis::names(&self.field, &self.values.iter().map(written).collect::<Vec<_>>()),
            (true, true) if is_duration => Axis::latency_log(&self.field, least, greatest),
            (true, true) => Axis::numbers_log(&self.field, least, greatest),
            (true, false) if is_duration => Axis::numbers(&self.field, lo, greatest, time_unit(greatest)),
            (true, false) => Axis::numbers(&self.field, lo, greatest, PLAIN),
        }
    }
}

fn lines<'a>(cohorts: &'a [Cohort<'a>], sweep_axis: &SweepAxis) -> Vec<SweepLine<'a>> {
    let mut lines: Vec<(PointValues, SweepLine<'a>)> = Vec::new();
    for cohort in cohorts {
        let mut others = cohort.point.clone();
        let value = others.remove(&sweep_axis.field);
        let Some(position) = value
            .and_then(|value| sweep_axis.values.iter().position(|known| *known == value))
            .map(|i| sweep_axis.positions[i])
        else {
            continue;
        };
        match lines.iter_mut().find(|(known, _)| *known == others) {
            Some((_, line)) => line.points.push((position, cohort)),
            None => {
                let fields = field_names(&others);
                let name = others.values().map(written).collect::<Vec<_>>().join(", ");
                lines.push((others, SweepLine { fields, name, points: vec![(position, cohort)] }));
            }
        }
    }
    for (_, line) in &mut lines {
        line.points.sort_by(|a, b| a.0.total_cmp(&b.0));
    }
    lines.into_iter().map(|(_, line)| line).collect()
}

fn figure(
    sweep_axis: &SweepAxis,
    lines: &[SweepLine<'_>],
    metric: Metric,
    name: &'static str,
) -> Option<Figure> {
    let estimates: Vec<(&SweepLine<'_>, Vec<Estimated<'_>>)> = lines
        .iter()
        .take(SERIES)
        .map(|line| {
            let points = line.points.iter();
            (line, points.filter_map(|(x, cohort)| Some((*x, *cohort, cohort.estimate(metric)?))).collect())
        })
        .collect();
    let all = || estimates.iter().flat_map(|(_, points)| points).map(|(_, _, estimate)| estimate);
    let hi = all().map(|estimate| estimate.interval().1).reduce(f64::max)?;
    let lo = all().map(|estimate| estimate.interval().0).reduce(f64::min)?;
    let unit = metric.unit(hi);
    let y = match metric {
        Metric::DeliveryRatio => Axis::percent("delivered", lo.max(0.0), hi.min(1.0)),
        _ => Axis::latency("latency", hi),
    };
    let describe = |cohort: &Cohort<'_>, estimate: &Estimate| {
        format!("{}: {} {}", cohort.label, unit.estimate(estimate.mean, estimate.half_width), unit.name)
    };
    let marks = estimates.iter().enumerate().map(|(series, (line, points))| {
        let point = |(x, cohort, estimate): &Estimated<'_>| Point {
            x: *x,
            y: estimate.mean,
            ends: estimate.interval(),
            title: describe(cohort, estimate),
        };
        let points = points.iter().map(point).collect();
        let shape = if sweep_axis.has_numbers() { Shape::Points(points) } else { Shape::Scatter(points) };
        Mark { series, name: line.name.clone(), shape }
    });
    let descriptions: Vec<_> = estimates
        .iter()
        .flat_map(|(_, points)| points)
        .map(|(_, cohort, estimate)| describe(cohort, estimate))
        .collect();
    let is_marked =
        estimates.iter().flat_map(|(_, points)| points).any(|(_, cohort, _)| cohort.is_cut_short());
    let metric_name = metric.name();
    let against = if sweep_axis.has_numbers() { "against" } else { "by" };
    let title = format!(
        "{}{} {against} {}",
        metric_name[..1].to_uppercase(),
        &metric_name[1..],
        short_path(&sweep_axis.field)
    );
    let chart = Chart {
        name,
        description: format!("{title}. {}.", descriptions.join("; ")),
        title,
        x: sweep_axis.axis().with_padding(),
        y,
        marks: marks.collect(),
        legend: lines.first().map(|line| line.fields.clone()).unwrap_or_default(),
        lanes: Vec::new(),
        annotations: Vec::new(),
    };
    Some(Figure { drawing: chart.draw(), caption: caption(lines.len(), is_marked) })
}

fn caption(lines: usize, is_marked: bool) -> String {
    let mut caption =
        "Means over seeds with 95 % confidence intervals (Student's t); a point without a bar has one \
                       seed, or an interval smaller than the point."
            .to_owned();
    if lines > SERIES {
        caption += &format!(" {SERIES} of {lines} lines are shown; the table lists all.");
    }
    if is_marked {
        caption += &format!(" {CUT_SHORT_NOTE}");
    }
    caption
}

//! Writer of the two text formats: OpenMetrics 1.0 and the older Prometheus format.

use std::collections::BTreeSet;
use std::fmt::{Display, Write};

use wasmote_sim::histogram::Histogram;

use crate::metrics::accept::MetricsFormat;

/// Types of metric families.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MetricType {
    Counter,
    Gauge,
    Histogram,
}

impl MetricType {
    fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }

    /// Suffixes of its samples' names.
    fn suffixes(self) -> &'static [&'static str] {
        match self {
            Self::Counter => &["_total"],
            Self::Gauge => &[""],
            Self::Histogram => &["_bucket", "_sum", "_count"],
        }
    }
}

type Labels<'a> = [(&'a str, &'a str)];

pub(super) struct Writer {
    out: String,
    open_metrics: bool,
    /// The current family.
    family: String,
    kind: MetricType,
    /// Names of families and samples, each of which must be unique.
    reserved: BTreeSet<String>,
}

impl Writer {
    pub(super) fn new(format: MetricsFormat) -> Self {
        Self {
            out: String::new(),
            open_metrics: format == MetricsFormat::OpenMetrics,
            family: String::new(),
            kind: MetricType::Gauge,
            reserved: BTreeSet::new(),
        }
    }

    /// Starts a metric family. The name of a counter is given without `_total`.
    pub(super) fn family(&mut self, name: &str, kind: MetricType, help: &str) {
        self.reserve(name, kind);
        let shown = match kind {
            MetricType::Counter if !self.open_metrics => format!("{name}_total"),
            _ => name.to_owned(),
        };
        // OpenMetrics requires escaped quotes in help texts; the older format does not allow them.
        let help = help.replace('\\', "\\\\").replace('\n', "\\n");
        let help = if self.open_metrics { help.replace('"', "\\\"") } else { help };
        let _ = writeln!(self.out, "# TYPE {shown} {}", kind.name());
        if self.open_metrics && name.ends_with("_seconds") {
            let _ = writeln!(self.out, "# UNIT {shown} seconds");
        }
        let _ = writeln!(self.out, "# HELP {shown} {help}");
        self.family = name.to_owned();
        self.kind = kind;
    }

    /// Starts a metric family for a metric of behaviours. If the name is taken, the type is appended to it;
    /// returns false if that name is taken, too.
    pub(super) fn behaviour_family(&mut self, name: &str, kind: MetricType) -> bool {
        let name = match kind {
            MetricType::Counter => name.strip_suffix("_total").unwrap_or(name),
            _ => name,
        };
        let plain = format!("wasmote_behaviour_{name}");
        let with_kind = format!("{plain}_{}", kind.name());
        let Some(free) = [plain, with_kind].into_iter().find(|name| self.is_free(name, kind)) else {
            return false;
        };
        self.family(
            &free,
            kind,
            "Metric that behaviours record about themselves, summed over their devices.",
        );
        true
    }

    fn names(name: &str, kind: MetricType) -> impl Iterator<Item = String> {
        let samples = kind.suffixes().iter().map(move |suffix| format!("{name}{suffix}"));
        samples.chain([name.to_owned()])
    }

    fn is_free(&self, name: &str, kind: MetricType) -> bool {
        !Self::names(name, kind).any(|name| self.reserved.contains(&name))
    }

    fn reserve(&mut self, name: &str, kind: MetricType) {
        self.reserved.extend(Self::names(name, kind));
    }

    /// Writes a sample with an integer.
    pub(super) fn integer(&mut self, labels: &Labels<'_>, value: u64) {
        self.number(labels, value);
    }

    /// Writes a sample with a floating-point number.
    pub(super) fn float(&mut self, labels: &Labels<'_>, value: f64) {
        self.number(labels, value);
    }

    fn number(&mut self, labels: &Labels<'_>, value: impl Display) {
        let suffix = self.kind.suffixes()[0];
        self.sample(suffix, labels, value);
    }

    /// Writes the samples of a histogram.
    pub(super) fn histogram(&mut self, labels: &Labels<'_>, histogram: &Histogram) {
        for (bound, count) in histogram.cumulative() {
            let bound = if bound.is_infinite() { "+Inf".into() } else { format!("{bound:?}") };
            let labels = [labels, &[("le", &bound)]].concat();
            self.sample("_bucket", &labels, count);
        }
        self.sample("_sum", labels, histogram.sum());
        self.sample("_count", labels, histogram.count());
    }

    fn sample(&mut self, suffix: &str, labels: &Labels<'_>, value: impl Display) {
        let _ = write!(self.out, "{}{suffix}", self.family);
        for (position, (name, value)) in labels.iter().enumerate() {
            let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let open = if position == 0 { '{' } else { ',' };
            let _ = write!(self.out, "{open}{name}=\"{value}\"");
        }
        let close = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(self.out, "{close} {value}");
    }

    pub(super) fn finish(mut self) -> String {
        if self.open_metrics {
            self.out.push_str("# EOF\n");
        }
        self.out
    }
}

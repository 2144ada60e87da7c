//! Delay of messages.

pub mod distribution;
mod gaussian;

use std::time::Duration;

use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::checks::{CheckContext, DisplaySpan, FieldError, positive, share};
use super::kind::{KindModel, KindSpec};
use super::span::Span;
use super::{Directions, Kind, RuleInput, RuleState, Verdict};
use crate::digest::{Digest, Encode};
use crate::rng::Stream;
use distribution::Distribution;

/// Delay of messages, drawn from a distribution.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(
    extend("examples" = [{"kind": "delay", "max": "500ms"}]),
    transform = DelayKind::restrict_fields,
)]
#[serde(deny_unknown_fields)]
pub struct DelaySpec {
    /// Affected directions: `out` is from devices to the broker, `in` from the broker to devices.
    #[schemars(extend("default" = "out"))]
    pub direction: Option<Directions>,
    /// Probability that a message is delayed.
    #[schemars(range(min = 0, max = 1), extend("default" = 1))]
    pub probability: Option<f64>,
    /// Distribution of the delays. It determines which of the fields below are allowed.
    #[schemars(extend("default" = "uniform"))]
    pub distribution: Option<DelayKind>,
    /// Shortest delay; zero by default where delays are uniform.
    pub min: Option<Span>,
    /// Longest delay.
    pub max: Option<Span>,
    /// Mean delay.
    pub mean: Option<Span>,
    /// Standard deviation of the delay.
    pub std: Option<Span>,
    /// Exponent of the tail of a Pareto distribution.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub shape: Option<f64>,
    /// Correlation of successive delays, from 0 to 1.
    #[schemars(range(min = 0, max = 1), extend("default" = 0))]
    pub correlation: Option<f64>,
}

/// The distributions of delays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DelayKind {
    /// Uniform from `min` to `max`.
    #[default]
    Uniform,
    /// Always `mean`.
    Constant,
    /// Normal with `mean` and `std`, truncated at zero.
    Normal,
    /// Lognormal, with `mean` and `std` of the delay itself.
    LogNormal,
    /// Pareto with the scale `min` and the exponent `shape`.
    Pareto,
}

impl DelayKind {
    /// All distributions.
    pub const ALL: [Self; 5] = [Self::Uniform, Self::Constant, Self::Normal, Self::LogNormal, Self::Pareto];

    /// The name in a document.
    pub fn name(self) -> &'static str {
        match self {
            Self::Uniform => "uniform",
            Self::Constant => "constant",
            Self::Normal => "normal",
            Self::LogNormal => "lognormal",
            Self::Pareto => "pareto",
        }
    }

    /// The fields of a delay with this distribution.
    pub fn fields(self) -> &'static [&'static str] {
        match self {
            Self::Uniform => &["direction", "probability", "distribution", "min", "max", "correlation"],
            Self::Constant => &["direction", "probability", "distribution", "mean"],
            Self::Normal | Self::LogNormal => {
                &["direction", "probability", "distribution", "mean", "std", "correlation"]
            }
            Self::Pareto => &["direction", "probability", "distribution", "min", "shape", "correlation"],
        }
    }

    fn required_fields(self) -> &'static [&'static str] {
        match self {
            Self::Uniform => &["max"],
            Self::Constant => &["mean"],
            Self::Normal | Self::LogNormal => &["mean", "std"],
            Self::Pareto => &["min", "shape"],
        }
    }

    /// Adds to the schema of a delay which fields each distribution takes and requires.
    fn restrict_fields(schema: &mut Schema) {
        let taken_by = |kind: Self| {
            let mut condition = json!({"properties": {"distribution": {"const": kind.name()}}});
            if kind != Self::default() {
                condition["required"] = json!(["distribution"]);
            }
            let others = DelaySpec::FIELDS.iter().filter(|field| !kind.fields().contains(field));
            let others: Map<String, Value> =
                others.map(|field| ((*field).to_owned(), json!(false))).collect();
            json!({"if": condition, "then": {"properties": others, "required": kind.required_fields()}})
        };
        schema.insert("allOf".to_owned(), Self::ALL.map(taken_by).to_vec().into());
    }
}

impl DelaySpec {
    /// The fields that depend on the distribution.
    const FIELDS: [&'static str; 6] = ["min", "max", "mean", "std", "shape", "correlation"];

    fn is_given(&self, field: &str) -> bool {
        match field {
            "min" => self.min.is_some(),
            "max" => self.max.is_some(),
            "mean" => self.mean.is_some(),
            "std" => self.std.is_some(),
            "shape" => self.shape.is_some(),
            _ => self.correlation.is_some(),
        }
    }

    fn distribution(&self, context: &CheckContext<'_>) -> Result<Distribution, FieldError> {
        Ok(match self.distribution.unwrap_or_default() {
            DelayKind::Uniform => {
                let max = context.require("max", self.max)?.0;
                let min = self.min.unwrap_or_default().0;
                if min > max {
                    let problem =
                        format!("{} exceeds `max`, which is {}", DisplaySpan(min), DisplaySpan(max));
                    return Err(FieldError::new("min", problem));
                }
                Distribution::Uniform { min, max }
            }
            DelayKind::Constant => Distribution::Constant(context.require("mean", self.mean)?.0),
            DelayKind::Normal => Distribution::Normal {
                mean: context.require("mean", self.mean)?.0,
                std: context.required_span("std", self.std)?,
            },
            DelayKind::LogNormal => {
                let mean = context.required_span("mean", self.mean)?;
                Distribution::log_normal(mean, context.required_span("std", self.std)?)
            }
            DelayKind::Pareto => Distribution::Pareto {
                min: context.required_span("min", self.min)?,
                shape: positive("shape", context.require("shape", self.shape)?)?,
            },
        })
    }
}

impl KindSpec for DelaySpec {
    type Model = Delay;

    fn check(&self, context: &CheckContext<'_>) -> Result<Delay, FieldError> {
        let (subject, taken) = self.takes(context.kind);
        let mut given = DelaySpec::FIELDS.into_iter().filter(|field| self.is_given(field));
        if let Some(field) = given.find(|field| !taken.contains(field)) {
            return Err(FieldError::not_taken(field, &subject, taken));
        }
        Ok(Delay {
            direction: self.direction.unwrap_or_default(),
            probability: share("probability", self.probability)?.unwrap_or(1.0),
            distribution: self.distribution(context)?,
            correlation: share("correlation", self.correlation)?.unwrap_or(0.0),
        })
    }

    fn takes(&self, _kind: Kind) -> (String, &'static [&'static str]) {
        let distribution = self.distribution.unwrap_or_default();
        (format!("a delay of distribution `{}`", distribution.name()), distribution.fields())
    }
}

impl KindModel for Delay {
    fn direction(&self) -> Option<Directions> {
        Some(self.direction)
    }

    fn judge(&self, input: &mut RuleInput<'_>) -> Verdict {
        if !input.rng.chance(self.probability) {
            return Verdict::Pass;
        }
        Verdict::Delay(match &self.distribution {
            Distribution::Constant(span) => *span,
            // A whole number of nanoseconds, uniform. This needs no Gaussian number.
            Distribution::Uniform { min, max } if self.correlation == 0.0 => {
                let width = wasmote_mqtt::time::nanos(max.saturating_sub(*min)).saturating_add(1);
                *min + Duration::from_nanos(input.rng.below(width))
            }
            distribution => distribution.at(self.next_gaussian(input)),
        })
    }
}

impl Encode for Delay {
    fn encode(&self, into: &mut Digest) {
        let Self { direction, probability, distribution, correlation } = self;
        into.write_variant(0, &[direction, probability, distribution, correlation]);
    }
}

/// A delay drawn from a distribution.
///
/// Successive delays of one direction can be correlated: each is the quantile of its distribution at the rank
/// of a Gaussian number, and these numbers follow an autoregressive process of first order (a Gaussian
/// copula, as in Cario and Nelson, "Autoregressive to anything", Operations Research Letters 19, 1996). The
/// distribution of a delay is the same for every correlation; only the order of large and small values
/// changes.
#[derive(Clone, Debug, PartialEq)]
pub struct Delay {
    /// Affected directions.
    pub direction: Directions,
    /// Probability that a message is delayed.
    pub probability: f64,
    /// Distribution of the delay.
    pub distribution: Distribution,
    /// Correlation of successive Gaussian numbers, from 0 to 1.
    pub correlation: f64,
}

impl Delay {
    fn next_gaussian(&self, input: &mut RuleInput<'_>) -> f64 {
        let fresh = standard_gaussian(input.rng);
        let gaussian = match input.state {
            RuleState::Gaussian(last) => {
                let rest = (1.0 - self.correlation * self.correlation).sqrt();
                self.correlation * *last + rest * fresh
            }
            _ => fresh,
        };
        *input.state = RuleState::Gaussian(gaussian);
        gaussian
    }
}

/// A standard Gaussian number, from a single draw.
fn standard_gaussian(draw: &mut Stream) -> f64 {
    // Midpoint of one of 2^52 cells, never 0 or 1, where the quantile is infinite.
    const CELL: f64 = 1.0 / (1_u64 << 52) as f64;
    gaussian::quantile(((draw.next_u64() >> 12) as f64 + 0.5) * CELL)
}

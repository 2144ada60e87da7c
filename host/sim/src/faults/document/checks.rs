//! What a field may say.

use std::fmt::{self, Display};
use std::time::Duration;

use super::FaultEntry;
use crate::faults::span::Span;

/// The field at fault, and what is wrong with it.
pub(super) type Problem = (&'static str, String);

/// The shortest time between trials, and the shortest outage.
const MIN_PERIOD: Duration = Duration::from_millis(10);

impl FaultEntry {
    pub(super) fn require<T>(&self, field: &'static str, value: Option<T>) -> Result<T, Problem> {
        value.ok_or_else(|| (field, format!("a fault of kind `{}` needs it", self.kind.name())))
    }

    pub(super) fn required_span(
        &self,
        field: &'static str,
        value: Option<Span>,
    ) -> Result<Duration, Problem> {
        match self.require(field, value)?.0 {
            span if span.is_zero() => Err((field, "it is zero; write a time such as \"30s\"".to_owned())),
            span => Ok(span),
        }
    }

    /// A time of the device plane. Each of these is a deadline for every device, so that much shorter ones
    /// would leave no time for anything else.
    pub(super) fn required_period(
        &self,
        field: &'static str,
        value: Option<Span>,
    ) -> Result<Duration, Problem> {
        match self.required_span(field, value)? {
            span if span < MIN_PERIOD => {
                Err((field, format!("{} is less than {}", DisplaySpan(span), DisplaySpan(MIN_PERIOD))))
            }
            span => Ok(span),
        }
    }

    pub(super) fn probability(&self) -> Result<Option<f64>, Problem> {
        share("probability", self.probability)
    }

    pub(super) fn required_probability(&self) -> Result<f64, Problem> {
        let probability = self.probability()?;
        self.require("probability", probability)
    }
}

/// From 0 to 1.
pub(super) fn share(field: &'static str, value: Option<f64>) -> Result<Option<f64>, Problem> {
    match value {
        Some(p) if !(0.0..=1.0).contains(&p) => {
            let hint = match (1.0..=100.0).contains(&p) {
                true => format!("; {p} % is {}", p / 100.0),
                false => String::new(),
            };
            Err((field, format!("{p} is not between 0 and 1{hint}")))
        }
        other => Ok(other),
    }
}

/// From the least to the most.
pub(super) fn within<T>(field: &'static str, value: T, least: T, most: T) -> Result<T, Problem>
where
    T: PartialOrd + Display,
{
    match (&least..=&most).contains(&&value) {
        true => Ok(value),
        false => Err((field, format!("{value} is not between {least} and {most}"))),
    }
}

/// More than zero, and finite.
pub(super) fn positive(field: &'static str, value: f64) -> Result<f64, Problem> {
    match value.is_finite() && value > 0.0 {
        true => Ok(value),
        false => Err((field, format!("{value} is not more than zero"))),
    }
}

/// Zero by default; finite and not negative.
pub(super) fn amount(field: &'static str, value: Option<f64>) -> Result<f64, Problem> {
    match value.unwrap_or(0.0) {
        amount if amount.is_finite() && amount >= 0.0 => Ok(amount),
        other => Err((field, format!("{other} is less than zero"))),
    }
}

/// A duration as a document would write it.
pub(super) struct DisplaySpan(pub(super) Duration);

impl Display for DisplaySpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_duration(self.0).fmt(f)
    }
}

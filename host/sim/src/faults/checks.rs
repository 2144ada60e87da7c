//! Checks of the fields of a fault.

use std::fmt::{self, Display};
use std::time::Duration;

use super::Kind;
use super::fault_model::Library;
use super::outage::Recurrence;
use super::span::Span;
use super::target::Target;

/// Invalid field of a fault, and the problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FieldError {
    pub(super) field: &'static str,
    pub(super) problem: String,
}

impl FieldError {
    pub(super) fn new(field: &'static str, problem: impl Into<String>) -> Self {
        Self { field, problem: problem.into() }
    }

    /// Error for a field that `subject`, a fault of some kind, does not have.
    pub(super) fn not_taken(field: &'static str, subject: &str, taken: &[&str]) -> Self {
        Self::new(field, format!("{subject} does not take it; it takes `{}`", taken.join("`, `")))
    }
}

/// The shortest time between trials, and the shortest outage.
const MIN_PERIOD: Duration = Duration::from_millis(10);

/// Context of a check: the kind and the target of the fault, and the library of fault models.
#[derive(Clone, Copy)]
pub(super) struct CheckContext<'a> {
    pub(super) kind: Kind,
    pub(super) target: &'a Target,
    pub(super) library: &'a dyn Library,
}

/// Fields that determine when a fault is active.
#[derive(Clone, Copy)]
pub(super) struct RecurrenceFields {
    pub(super) every: Option<Span>,
    pub(super) probability: Option<f64>,
    pub(super) lasting: Option<Span>,
    pub(super) together: Option<bool>,
}

impl CheckContext<'_> {
    pub(super) fn require<T>(&self, field: &'static str, value: Option<T>) -> Result<T, FieldError> {
        let missing = || format!("a fault of kind `{}` needs it", self.kind.name());
        value.ok_or_else(|| FieldError::new(field, missing()))
    }

    pub(super) fn required_span(
        &self,
        field: &'static str,
        value: Option<Span>,
    ) -> Result<Duration, FieldError> {
        match self.require(field, value)?.0 {
            span if span.is_zero() => Err(FieldError::new(field, "it is zero; write a time such as \"30s\"")),
            span => Ok(span),
        }
    }

    /// Checks a duration of the device plane. Each such duration is a deadline of every device, so much
    /// shorter ones would overload the simulation.
    pub(super) fn required_period(
        &self,
        field: &'static str,
        value: Option<Span>,
    ) -> Result<Duration, FieldError> {
        match self.required_span(field, value)? {
            span if span < MIN_PERIOD => {
                let problem = format!("{} is less than {}", DisplaySpan(span), DisplaySpan(MIN_PERIOD));
                Err(FieldError::new(field, problem))
            }
            span => Ok(span),
        }
    }

    pub(super) fn required_probability(&self, value: Option<f64>) -> Result<f64, FieldError> {
        let probability = share("probability", value)?;
        self.require("probability", probability)
    }

    /// Checks the recurrence of a fault that has a duration.
    pub(super) fn recurrence(&self, fields: RecurrenceFields) -> Result<Recurrence, FieldError> {
        Ok(Recurrence {
            every: self.required_period("every", fields.every)?,
            probability: self.required_probability(fields.probability)?,
            lasting: self.required_period("for", fields.lasting)?,
            together: fields.together.unwrap_or(false),
        })
    }

    /// Checks the recurrence of an instantaneous fault.
    pub(super) fn instant_recurrence(
        &self,
        every: Option<Span>,
        probability: Option<f64>,
        together: Option<bool>,
    ) -> Result<Recurrence, FieldError> {
        Ok(Recurrence {
            every: self.required_period("every", every)?,
            probability: self.required_probability(probability)?,
            lasting: Duration::ZERO,
            together: together.unwrap_or(false),
        })
    }

    /// Checks the recurrence of a fault that is always active unless one of these fields is given.
    pub(super) fn optional_recurrence(
        &self,
        fields: RecurrenceFields,
    ) -> Result<Option<Recurrence>, FieldError> {
        let RecurrenceFields { every, probability, lasting, together } = fields;
        if every.is_some() || lasting.is_some() || probability.is_some() {
            return self.recurrence(fields).map(Some);
        }
        match together {
            None => Ok(None),
            Some(_) => {
                let problem = "it holds all the time; give `every`, `probability` and `for`";
                Err(FieldError::new("together", problem))
            }
        }
    }

    /// Checks the recurrence of a broker fault, which is the same for all devices.
    pub(super) fn broker_recurrence(&self, fields: RecurrenceFields) -> Result<Recurrence, FieldError> {
        let aims = [("group", self.target.group.is_some()), ("device", self.target.device.is_some())];
        if let Some((field, _)) = aims.into_iter().find(|(_, given)| *given) {
            return Err(FieldError::new(field, "the broker serves all devices; leave it out"));
        }
        Ok(Recurrence { together: true, ..self.recurrence(fields)? })
    }
}

/// Checks that a value is from 0 to 1.
pub(super) fn share(field: &'static str, value: Option<f64>) -> Result<Option<f64>, FieldError> {
    match value {
        Some(p) if !(0.0..=1.0).contains(&p) => {
            let hint = match (1.0..=100.0).contains(&p) {
                true => format!("; {p} % is {}", p / 100.0),
                false => String::new(),
            };
            Err(FieldError::new(field, format!("{p} is not between 0 and 1{hint}")))
        }
        other => Ok(other),
    }
}

/// Checks that a value is within a range.
pub(super) fn within<T>(field: &'static str, value: T, least: T, most: T) -> Result<T, FieldError>
where
    T: PartialOrd + Display,
{
    match (&least..=&most).contains(&&value) {
        true => Ok(value),
        false => Err(FieldError::new(field, format!("{value} is not between {least} and {most}"))),
    }
}

/// Checks that a value is more than zero and finite.
pub(super) fn positive(field: &'static str, value: f64) -> Result<f64, FieldError> {
    match value.is_finite() && value > 0.0 {
        true => Ok(value),
        false => Err(FieldError::new(field, format!("{value} is not more than zero"))),
    }
}

/// Checks that a value is finite and not negative; zero by default.
pub(super) fn amount(field: &'static str, value: Option<f64>) -> Result<f64, FieldError> {
    match value.unwrap_or(0.0) {
        amount if amount.is_finite() && amount >= 0.0 => Ok(amount),
        other => Err(FieldError::new(field, format!("{other} is less than zero"))),
    }
}

/// A duration in the notation of documents.
pub(super) struct DisplaySpan(pub(super) Duration);

impl Display for DisplaySpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_duration(self.0).fmt(f)
    }
}

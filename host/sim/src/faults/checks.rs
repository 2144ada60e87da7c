//! Checks of the fields of a fault.

use std::fmt::{self, Display};
use std::time::Duration;

use super::Kind;
use super::fault_model::Library;
use super::outage::Recurrence;
use super::span::Span;
use super::target::Target;

/// A field that is wrong, and the problem with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FieldError {
    pub(super) field: &'static str,
    pub(super) problem: String,
}

impl FieldError {
    pub(super) fn new(field: &'static str, problem: impl Into<String>) -> Self {
        Self { field, problem: problem.into() }
    }

    /// A field that `subject`, a fault of some kind, does not take.
    pub(super) fn not_taken(field: &'static str, subject: &str, taken: &[&str]) -> Self {
        Self::new(field, format!("{subject} does not take it; it takes `{}`", taken.join("`, `")))
    }
}

/// The shortest time between trials, and the shortest outage.
const MIN_PERIOD: Duration = Duration::from_millis(10);

/// The parts of a fault beside the fields of its own kind.
#[derive(Clone, Copy)]
pub(super) struct CheckContext<'a> {
    pub(super) kind: Kind,
    pub(super) target: &'a Target,
    pub(super) library: &'a dyn Library,
}

/// The fields by which a fault comes and goes.
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

    /// A time of the device plane. Each of these is a deadline of every device, so much shorter ones
    /// would leave no time for anything else.
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

    /// The trials of a fault that lasts for a while.
    pub(super) fn recurrence(&self, fields: RecurrenceFields) -> Result<Recurrence, FieldError> {
        Ok(Recurrence {
            every: self.required_period("every", fields.every)?,
            probability: self.required_probability(fields.probability)?,
            lasting: self.required_period("for", fields.lasting)?,
            together: fields.together.unwrap_or(false),
        })
    }

    /// The trials of a fault that is over at once.
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

    /// The trials of a fault that holds all the time unless one of these fields is given.
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

    /// The trials of a fault of the broker, which are the same for all devices.
    pub(super) fn broker_recurrence(&self, fields: RecurrenceFields) -> Result<Recurrence, FieldError> {
        let aims = [("group", self.target.group.is_some()), ("device", self.target.device.is_some())];
        if let Some((field, _)) = aims.into_iter().find(|(_, given)| *given) {
            return Err(FieldError::new(field, "the broker serves all devices; leave it out"));
        }
        Ok(Recurrence { together: true, ..self.recurrence(fields)? })
    }
}

/// From 0 to 1.
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

/// From the least to the most.
pub(super) fn within<T>(field: &'static str, value: T, least: T, most: T) -> Result<T, FieldError>
where
    T: PartialOrd + Display,
{
    match (&least..=&most).contains(&&value) {
        true => Ok(value),
        false => Err(FieldError::new(field, format!("{value} is not between {least} and {most}"))),
    }
}

/// More than zero, and finite.
pub(super) fn positive(field: &'static str, value: f64) -> Result<f64, FieldError> {
    match value.is_finite() && value > 0.0 {
        true => Ok(value),
        false => Err(FieldError::new(field, format!("{value} is not more than zero"))),
    }
}

/// Zero by default; finite and not negative.
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

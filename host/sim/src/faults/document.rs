//! Faults as people write them, in TOML or JSON.
//!
//! ```toml
//! [[fault]]
//! kind = "loss"
//! probability = 0.1
//! ```
//!
//! A document is read in two steps. Its shape is flat, so that whoever parses it can name the very field
//! that is of a wrong type. Then each entry is checked against its kind: a field that is missing, out of
//! range, or means nothing to that kind is an error that names it.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::span::Span;
use super::target::{Pattern, Target};
use super::{Directions, Fault, Model, corrupt, delay, duplicate, loss, outage, partition};
use crate::device_id::is_name;

/// A list of faults. Messages meet them in this order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultDocument {
    /// The faults.
    #[serde(default, rename = "fault", alias = "faults")]
    pub faults: Vec<FaultEntry>,
}

/// One fault. Which fields it takes depends on its kind.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultEntry {
    /// The name in the ledger; the kind by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// What it does.
    pub kind: Kind,
    /// Only for this group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Only for devices whose names fit; `*` stands for any run of characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// `out` (default), `in` or `both`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub direction: Option<Directions>,
    /// Chance for each message, or for each trial; from 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probability: Option<f64>,
    /// Shortest delay.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<Span>,
    /// Longest delay.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<Span>,
    /// Copies beside the original; 1 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub copies: Option<u32>,
    /// Bits that flip; 1 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bits: Option<u32>,
    /// Time between two trials.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub every: Option<Span>,
    /// How long an outage lasts.
    #[serde(rename = "for", skip_serializing_if = "Option::is_none")]
    pub lasting: Option<Span>,
    /// The other side of a partition, as names with `*`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peers: Option<Vec<String>>,
}

/// The kinds of faults.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Messages take their time.
    Delay,
    /// Messages vanish.
    #[default]
    Loss,
    /// Messages arrive more than once.
    Duplicate,
    /// Payloads change on the way.
    Corrupt,
    /// Devices cannot reach each other, or the broker.
    Partition,
    /// The MQTT loop stands still.
    Silence,
    /// The device loses its memory and restarts.
    Crash,
    /// The connection breaks.
    Disconnect,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Delay => "delay",
            Self::Loss => "loss",
            Self::Duplicate => "duplicate",
            Self::Corrupt => "corrupt",
            Self::Partition => "partition",
            Self::Silence => "silence",
            Self::Crash => "crash",
            Self::Disconnect => "disconnect",
        }
    }

    /// The fields that mean something to this kind, beside those of every kind.
    fn fields(self) -> &'static [&'static str] {
        match self {
            Self::Delay => &["direction", "probability", "min", "max"],
            Self::Loss => &["direction", "probability"],
            Self::Duplicate => &["direction", "probability", "copies"],
            Self::Corrupt => &["direction", "probability", "bits"],
            Self::Partition => &["direction", "peers", "every", "probability", "for"],
            Self::Silence | Self::Crash | Self::Disconnect => &["every", "probability", "for"],
        }
    }
}

/// An entry that makes no sense, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidFault {
    /// Position in the document, from 0.
    pub index: usize,
    /// The field at fault.
    pub field: &'static str,
    /// What is wrong with it and what to write instead.
    pub problem: String,
}

impl std::error::Error for InvalidFault {}

impl fmt::Display for InvalidFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "fault[{}].{}: {}", self.index, self.field, self.problem)
    }
}

impl FaultDocument {
    /// The names of the documents that need no file.
    pub const PRESETS: [&'static str; 2] = ["realistic", "none"];

    /// A document that needs no file, by its name.
    pub fn preset(name: &str) -> Option<Self> {
        match name {
            "realistic" => Some(Self::realistic()),
            "none" => Some(Self::default()),
            _ => None,
        }
    }

    /// The world of the simulator that this one grew out of: every message 10 to 500 ms late, one in ten
    /// lost, and every 30 s a chance of 5 % that a device falls silent for 30 s.
    pub fn realistic() -> Self {
        let seconds = |n| Some(Span(Duration::from_secs(n)));
        let millis = |n| Some(Span(Duration::from_millis(n)));
        let of = |kind| FaultEntry { kind, ..FaultEntry::default() };
        Self {
            faults: vec![
                FaultEntry { min: millis(10), max: millis(500), ..of(Kind::Delay) },
                FaultEntry { probability: Some(0.1), ..of(Kind::Loss) },
                FaultEntry {
                    every: seconds(30),
                    probability: Some(0.05),
                    lasting: seconds(30),
                    ..of(Kind::Silence)
                },
            ],
        }
    }

    /// Check every entry.
    pub fn faults(&self) -> Result<Vec<Arc<Fault>>, InvalidFault> {
        let mut taken = BTreeSet::new();
        let mut faults = Vec::with_capacity(self.faults.len());
        for (index, entry) in self.faults.iter().enumerate() {
            let located = |(field, problem)| InvalidFault { index, field, problem };
            let fault = entry.fault().map_err(located)?;
            if !taken.insert(fault.id.clone()) {
                let problem =
                    format!("`{}` is taken by an earlier fault; give this one its own `id`", fault.id);
                return Err(located(("id", problem)));
            }
            faults.push(Arc::new(fault));
        }
        Ok(faults)
    }
}

type Problem = (&'static str, String);

impl FaultEntry {
    fn fault(&self) -> Result<Fault, Problem> {
        self.reject_foreign_fields()?;
        let id = self.id.as_deref().unwrap_or(self.kind.name());
        if !is_name(id) {
            return Err(("id", format!("`{id}` is no name; use letters, digits, `-`, `_` and `.`")));
        }
        let target = Target { group: self.group.clone(), device: self.device.as_ref().map(Pattern::new) };
        Ok(Fault { id: id.into(), target, model: self.model()? })
    }

    fn model(&self) -> Result<Model, Problem> {
        let direction = self.direction.unwrap_or_default();
        Ok(match self.kind {
            Kind::Delay => Model::Delay(self.delay()?),
            Kind::Loss => Model::Loss(loss::Loss { direction, probability: self.required_probability()? }),
            Kind::Duplicate => Model::Duplicate(duplicate::Duplicate {
                direction,
                probability: self.required_probability()?,
                copies: within("copies", self.copies.unwrap_or(1), 1, 100)?,
            }),
            Kind::Corrupt => Model::Corrupt(corrupt::Corrupt {
                direction,
                probability: self.required_probability()?,
                bits: within("bits", self.bits.unwrap_or(1), 1, 1_000_000)?,
            }),
            Kind::Partition => Model::Partition(self.partition()?),
            Kind::Silence => Model::Silence(self.trials()?),
            Kind::Crash => Model::Crash(self.trials()?),
            Kind::Disconnect => Model::Disconnect(self.trials()?),
        })
    }

    fn delay(&self) -> Result<delay::Delay, Problem> {
        let max = self.require("max", self.max)?.0;
        let min = self.min.unwrap_or_default().0;
        if min > max {
            let problem = format!("{} exceeds `max`, which is {}", Shown(min), Shown(max));
            return Err(("min", problem));
        }
        let probability = self.probability()?.unwrap_or(1.0);
        Ok(delay::Delay { direction: self.direction.unwrap_or_default(), probability, min, max })
    }

    fn partition(&self) -> Result<partition::Partition, Problem> {
        let timed = self.every.is_some() || self.lasting.is_some() || self.probability.is_some();
        Ok(partition::Partition {
            direction: self.direction.unwrap_or(Directions::Both),
            peers: self.peers.iter().flatten().map(Pattern::new).collect(),
            trials: if timed { Some(self.trials()?) } else { None },
        })
    }

    fn trials(&self) -> Result<outage::Trials, Problem> {
        let more_than_zero = |field, span: Span| match span.0.is_zero() {
            true => Err((field, "it is zero; write a time such as \"30s\"".to_owned())),
            false => Ok(span.0),
        };
        Ok(outage::Trials {
            every: more_than_zero("every", self.require("every", self.every)?)?,
            probability: self.required_probability()?,
            lasting: more_than_zero("for", self.require("for", self.lasting)?)?,
        })
    }

    fn probability(&self) -> Result<Option<f64>, Problem> {
        match self.probability {
            Some(p) if !(0.0..=1.0).contains(&p) => {
                let hint = if (1.0..=100.0).contains(&p) {
                    format!("; {p} % is {}", p / 100.0)
                } else {
                    String::new()
                };
                Err(("probability", format!("{p} is not between 0 and 1{hint}")))
            }
            other => Ok(other),
        }
    }

    fn required_probability(&self) -> Result<f64, Problem> {
        let probability = self.probability()?;
        self.require("probability", probability)
    }

    fn require<T>(&self, field: &'static str, value: Option<T>) -> Result<T, Problem> {
        value.ok_or_else(|| (field, format!("a fault of kind `{}` needs it", self.kind.name())))
    }

    fn reject_foreign_fields(&self) -> Result<(), Problem> {
        let given = [
            ("direction", self.direction.is_some()),
            ("probability", self.probability.is_some()),
            ("min", self.min.is_some()),
            ("max", self.max.is_some()),
            ("copies", self.copies.is_some()),
            ("bits", self.bits.is_some()),
            ("every", self.every.is_some()),
            ("for", self.lasting.is_some()),
            ("peers", self.peers.is_some()),
        ];
        let known = self.kind.fields();
        match given.into_iter().find(|(field, given)| *given && !known.contains(field)) {
            None => Ok(()),
            Some((field, _)) => {
                let kind = self.kind.name();
                Err((
                    field,
                    format!("a fault of kind `{kind}` does not take it; it takes `{}`", known.join("`, `")),
                ))
            }
        }
    }
}

fn within(field: &'static str, value: u32, least: u32, most: u32) -> Result<u32, Problem> {
    match (least..=most).contains(&value) {
        true => Ok(value),
        false => Err((field, format!("{value} is not between {least} and {most}"))),
    }
}

/// A duration as a document would write it.
struct Shown(Duration);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_duration(self.0).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(entry: FaultEntry) -> String {
        FaultDocument { faults: vec![entry] }.faults().unwrap_err().to_string()
    }

    #[test]
    fn what_is_wrong_is_named_with_what_to_write() {
        let entry = |kind| FaultEntry { kind, ..FaultEntry::default() };
        assert_eq!(
            problem(FaultEntry { probability: Some(10.0), ..entry(Kind::Loss) }),
            "fault[0].probability: 10 is not between 0 and 1; 10 % is 0.1"
        );
        assert_eq!(problem(entry(Kind::Delay)), "fault[0].max: a fault of kind `delay` needs it");
        assert_eq!(
            problem(FaultEntry { copies: Some(2), probability: Some(0.1), ..entry(Kind::Loss) }),
            "fault[0].copies: a fault of kind `loss` does not take it; it takes `direction`, `probability`"
        );
        let span = |ms| Some(Span(Duration::from_millis(ms)));
        assert_eq!(
            problem(FaultEntry { min: span(9), max: span(5), ..entry(Kind::Delay) }),
            "fault[0].min: 9ms exceeds `max`, which is 5ms"
        );
    }

    #[test]
    fn the_same_id_twice_is_an_error() {
        let loss = FaultEntry { probability: Some(0.1), ..FaultEntry::default() };
        let document = FaultDocument { faults: vec![loss.clone(), loss] };
        assert!(document.faults().unwrap_err().to_string().starts_with("fault[1].id: `loss` is taken"));
    }

    #[test]
    fn presets_are_valid_documents() {
        for name in FaultDocument::PRESETS {
            assert!(FaultDocument::preset(name).unwrap().faults().is_ok(), "{name}");
        }
    }
}

//! The message plane, from what is written.

use super::checks::{DisplaySpan, Problem, positive, share, within};
use super::{DelayKind, FaultEntry};
use crate::behaviour::TrapKind;
use crate::faults::Directions;
use crate::faults::bandwidth::Bandwidth;
use crate::faults::component::{Component, Library};
use crate::faults::corrupt::Corrupt;
use crate::faults::delay::Delay;
use crate::faults::delay::distribution::Distribution;
use crate::faults::duplicate::Duplicate;
use crate::faults::loss::{GilbertElliott, Loss};
use crate::faults::partition::Partition;
use crate::faults::reorder::Reorder;
use crate::faults::target::Pattern;

/// Bytes that can wait for a line, unless told: what a small router has.
const DEFAULT_QUEUE_BYTES: u64 = 65_536;

impl FaultEntry {
    pub(super) fn delay(&self) -> Result<Delay, Problem> {
        Ok(Delay {
            direction: self.direction.unwrap_or_default(),
            probability: self.probability()?.unwrap_or(1.0),
            distribution: self.distribution()?,
            correlation: share("correlation", self.correlation)?.unwrap_or(0.0),
        })
    }

    fn distribution(&self) -> Result<Distribution, Problem> {
        Ok(match self.distribution.unwrap_or_default() {
            DelayKind::Uniform => {
                let max = self.require("max", self.max)?.0;
                let min = self.min.unwrap_or_default().0;
                if min > max {
                    let problem =
                        format!("{} exceeds `max`, which is {}", DisplaySpan(min), DisplaySpan(max));
                    return Err(("min", problem));
                }
                Distribution::Uniform { min, max }
            }
            DelayKind::Constant => Distribution::Constant(self.require("mean", self.mean)?.0),
            DelayKind::Normal => Distribution::Normal {
                mean: self.require("mean", self.mean)?.0,
                std: self.required_span("std", self.std)?,
            },
            DelayKind::LogNormal => {
                let mean = self.required_span("mean", self.mean)?;
                Distribution::log_normal(mean, self.required_span("std", self.std)?)
            }
            DelayKind::Pareto => Distribution::Pareto {
                min: self.required_span("min", self.min)?,
                shape: positive("shape", self.require("shape", self.shape)?)?,
            },
        })
    }

    pub(super) fn loss(&self) -> Result<Loss, Problem> {
        let probability = self.required_probability()?;
        let bursts = match self.run_length {
            None => None,
            Some(length) => {
                Some(GilbertElliott::new(probability, length).ok_or_else(|| impossible_bursts(probability))?)
            }
        };
        Ok(Loss { direction: self.direction.unwrap_or_default(), probability, bursts })
    }

    pub(super) fn duplicate(&self) -> Result<Duplicate, Problem> {
        Ok(Duplicate {
            direction: self.direction.unwrap_or_default(),
            probability: self.required_probability()?,
            copies: within("copies", self.copies.unwrap_or(1), 1, 100)?,
            apart: self.apart.unwrap_or_default().0,
        })
    }

    pub(super) fn corrupt(&self) -> Result<Corrupt, Problem> {
        Ok(Corrupt {
            direction: self.direction.unwrap_or_default(),
            probability: self.required_probability()?,
            bits: within("bits", self.bits.unwrap_or(1), 1, 1_000_000)?,
        })
    }

    pub(super) fn reorder(&self) -> Result<Reorder, Problem> {
        Ok(Reorder {
            direction: self.direction.unwrap_or_default(),
            probability: self.required_probability()?,
            gap: within("gap", self.gap.unwrap_or(1), 1, 1_000)?,
            at_most: self.required_span("max", self.max)?,
        })
    }

    pub(super) fn bandwidth(&self) -> Result<Bandwidth, Problem> {
        let rate = self.require("bytes_per_second", self.bytes_per_second)?;
        Ok(Bandwidth {
            direction: self.direction.unwrap_or_default(),
            bytes_per_second: within("bytes_per_second", rate, 1, u64::MAX)?,
            queue_bytes: self.queue_bytes.unwrap_or(DEFAULT_QUEUE_BYTES),
        })
    }

    pub(super) fn partition(&self) -> Result<Partition, Problem> {
        let timed = self.every.is_some() || self.lasting.is_some() || self.probability.is_some();
        Ok(Partition {
            direction: self.direction.unwrap_or(Directions::Both),
            peers: self.peers.iter().flatten().map(Pattern::new).collect(),
            recurrence: if timed { Some(self.recurrence()?) } else { None },
        })
    }

    pub(super) fn component(&self, library: &dyn Library) -> Result<Component, Problem> {
        let file = self.require("file", self.file.as_deref())?;
        let model = library.find(file).map_err(|problem| ("file", problem))?;
        let config = self.config.clone().unwrap_or_default();
        Component::new(self.direction.unwrap_or_default(), config, model).map_err(|trap| match trap.kind {
            TrapKind::Refused => ("config", trap.message),
            _ => ("file", format!("`{file}` cannot be used as a model: {trap}")),
        })
    }
}

fn impossible_bursts(probability: f64) -> Problem {
    let problem = match probability < 1.0 {
        true => {
            let shortest = 1.0 / (1.0 - probability);
            format!("with a probability of {probability} runs are {shortest:.3} long or longer")
        }
        false => "where all is lost there is one run that does not end; leave it out".to_owned(),
    };
    ("run_length", problem)
}

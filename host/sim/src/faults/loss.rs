//! Loss of messages.
//!
//! The fault drops application messages above MQTT. It does not model packet loss: under TCP, which MQTT
//! uses, a lost packet is only late.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::checks::{CheckContext, FieldError};
use super::kind::{KindModel, KindSpec};
use super::{Directions, RuleInput, RuleState, Verdict};
use crate::digest::{Digest, Encode};

/// Loss of messages: each message is lost with the same probability, independently or in bursts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("examples" = [{"kind": "loss", "probability": 0.1}]))]
#[serde(deny_unknown_fields)]
pub struct LossSpec {
    /// Affected directions: `out` is from devices to the broker, `in` from the broker to devices.
    #[schemars(extend("default" = "out"))]
    pub direction: Option<Directions>,
    /// Probability that a message is lost.
    #[schemars(required, range(min = 0, max = 1))]
    pub probability: Option<f64>,
    /// Mean length of a burst of losses, in messages. Without it losses are independent.
    #[schemars(range(min = 1))]
    pub run_length: Option<f64>,
}

impl KindSpec for LossSpec {
    type Model = Loss;

    fn check(&self, context: &CheckContext<'_>) -> Result<Loss, FieldError> {
        let probability = context.required_probability(self.probability)?;
        let bursts = match self.run_length {
            None => None,
            Some(length) => {
                Some(GilbertElliott::new(probability, length).ok_or_else(|| impossible_bursts(probability))?)
            }
        };
        Ok(Loss { direction: self.direction.unwrap_or_default(), probability, bursts })
    }
}

impl KindModel for Loss {
    fn direction(&self) -> Option<Directions> {
        Some(self.direction)
    }

    fn judge(&self, input: &mut RuleInput<'_>) -> Verdict {
        let chance = match (&self.bursts, &*input.state) {
            (Some(bursts), RuleState::Lost(true)) => 1.0 - bursts.recover,
            (Some(bursts), RuleState::Lost(false)) => bursts.worsen,
            // The first message finds the channel in its stationary distribution.
            _ => self.probability,
        };
        let lost = input.rng.chance(chance);
        if self.bursts.is_some() {
            *input.state = RuleState::Lost(lost);
        }
        if lost { Verdict::Drop } else { Verdict::Pass }
    }
}

impl Encode for Loss {
    fn encode(&self, into: &mut Digest) {
        let Self { direction, probability, bursts } = self;
        into.write_variant(0, &[direction, probability, bursts]);
    }
}

/// Loss with a constant probability, independent or in bursts.
#[derive(Clone, Debug, PartialEq)]
pub struct Loss {
    /// Affected directions.
    pub direction: Directions,
    /// Probability that a message is lost.
    pub probability: f64,
    /// Bursts of losses, separate for each direction.
    pub bursts: Option<GilbertElliott>,
}

/// Bursty loss: a channel with a good state without losses, and a bad state in which all messages are lost
/// (Gilbert, "Capacity of a burst-noise channel", Bell System Technical Journal 39, 1960; Elliott, same
/// journal 42, 1963). Each message may change the state.
#[derive(Clone, Debug, PartialEq)]
pub struct GilbertElliott {
    /// Probability of a change from good to bad.
    pub worsen: f64,
    /// Probability of a change from bad to good.
    pub recover: f64,
}

impl GilbertElliott {
    /// The channel with this share of losses and this mean length of bursts: the mean length is
    /// `1 / recover`, and the share is `worsen / (worsen + recover)`. `None` for bursts shorter than
    /// `1 / (1 - share)`, the mean length of independent losses.
    pub fn new(share: f64, mean_length: f64) -> Option<Self> {
        let recover = 1.0 / mean_length;
        let worsen = recover * share / (1.0 - share);
        // Tolerates rounding for channels with independent losses.
        let possible = share < 1.0 && mean_length >= 1.0 && worsen <= 1.0 - recover + 1.0e-9;
        possible.then_some(Self { worsen: worsen.min(1.0), recover })
    }
}

impl Encode for GilbertElliott {
    fn encode(&self, into: &mut Digest) {
        let Self { worsen, recover } = self;
        into.write_variant(0, &[worsen, recover]);
    }
}

fn impossible_bursts(probability: f64) -> FieldError {
    let problem = match probability < 1.0 {
        true => {
            let shortest = 1.0 / (1.0 - probability);
            format!("with a probability of {probability} runs are {shortest:.3} long or longer")
        }
        false => "where all is lost there is one run that does not end; leave it out".to_owned(),
    };
    FieldError::new("run_length", problem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_has_the_given_share_and_burst_length() {
        let bursts = GilbertElliott::new(0.1, 5.0).unwrap();
        assert!((1.0 / bursts.recover - 5.0).abs() < 1e-12);
        assert!((bursts.worsen / (bursts.worsen + bursts.recover) - 0.1).abs() < 1e-12);
    }

    #[test]
    fn bursts_cannot_be_shorter_than_independent_losses() {
        assert!(GilbertElliott::new(0.5, 1.9).is_none(), "independent losses of one half come in runs of 2");
        assert!(GilbertElliott::new(0.5, 2.0).is_some());
        assert!(GilbertElliott::new(0.1, 1.0 / 0.9).is_some());
        assert!(GilbertElliott::new(0.1, 0.5).is_none());
        assert!(GilbertElliott::new(1.0, 9.0).is_none());
    }
}

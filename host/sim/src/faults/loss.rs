//! Messages vanish.
//!
//! An application message is dropped before MQTT sees it. That is not the loss of a packet: beneath
//! MQTT lies TCP, where a lost packet is only late.

use super::{Directions, RuleInput, RuleState, Verdict};

/// Each message is lost with the same chance, either independent of all others or in runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Loss {
    /// Which ways it works.
    pub direction: Directions,
    /// Chance that a message is lost.
    pub probability: f64,
    /// Losses come in runs, for each way on its own.
    pub bursts: Option<GilbertElliott>,
}

/// Losses in runs: a channel with a good state, in which nothing is lost, and a bad one, in which all is
/// (Gilbert, "Capacity of a burst-noise channel", Bell System Technical Journal 39, 1960; Elliott, same
/// journal 42, 1963). It changes its state, or not, with every message.
#[derive(Clone, Debug, PartialEq)]
pub struct GilbertElliott {
    /// Chance to go from good to bad.
    pub worsen: f64,
    /// Chance to go from bad to good.
    pub recover: f64,
}

impl GilbertElliott {
    /// The channel that loses this share of all messages, this many in a row on average: the mean of a
    /// run is `1 / recover`, and the share of the bad state is `worsen / (worsen + recover)`. There is
    /// none for runs shorter than `1 / (1 - share)`, as that is how long they are without a memory.
    pub fn new(share: f64, mean_length: f64) -> Option<Self> {
        let recover = 1.0 / mean_length;
        let worsen = recover * share / (1.0 - share);
        // Rounding must not forbid the very runs of a channel without a memory.
        let possible = share < 1.0 && mean_length >= 1.0 && worsen <= 1.0 - recover + 1.0e-9;
        possible.then_some(Self { worsen: worsen.min(1.0), recover })
    }
}

impl Loss {
    pub(super) fn judge(&self, input: &mut RuleInput<'_>) -> Verdict {
        let chance = match (&self.bursts, &*input.state) {
            (Some(bursts), RuleState::Lost(true)) => 1.0 - bursts.recover,
            (Some(bursts), RuleState::Lost(false)) => bursts.worsen,
            // The first message meets the channel in either state, as often as it is in it.
            _ => self.probability,
        };
        let lost = input.rng.chance(chance);
        if self.bursts.is_some() {
            *input.state = RuleState::Lost(lost);
        }
        if lost { Verdict::Drop } else { Verdict::Pass }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_has_the_share_and_the_runs_asked_for() {
        let bursts = GilbertElliott::new(0.1, 5.0).unwrap();
        assert!((1.0 / bursts.recover - 5.0).abs() < 1e-12);
        assert!((bursts.worsen / (bursts.worsen + bursts.recover) - 0.1).abs() < 1e-12);
    }

    #[test]
    fn runs_cannot_be_shorter_than_by_chance() {
        assert!(GilbertElliott::new(0.5, 1.9).is_none(), "independent losses of one half come in runs of 2");
        assert!(GilbertElliott::new(0.5, 2.0).is_some());
        assert!(GilbertElliott::new(0.1, 1.0 / 0.9).is_some());
        assert!(GilbertElliott::new(0.1, 0.5).is_none());
        assert!(GilbertElliott::new(1.0, 9.0).is_none());
    }
}

//! Messages vanish.
//!
//! An application message is dropped before MQTT sees it. That is not the loss of a packet: beneath
//! MQTT lies TCP, where a lost packet is only late.

use super::{Directions, Passage, Verdict};

/// Each message is lost with the same chance, independent of all others.
#[derive(Clone, Debug, PartialEq)]
pub struct Loss {
    /// Which ways it works.
    pub direction: Directions,
    /// Chance that a message is lost.
    pub probability: f64,
}

impl Loss {
    pub(super) fn judge(&self, passage: &mut Passage<'_>) -> Verdict {
        if passage.draw.chance(self.probability) { Verdict::Drop } else { Verdict::Pass }
    }
}

//! Radio with a link margin: delay and loss of a message.

use std::time::Duration;
use wasmote_sdk::fault::Link;

/// A radio that splits messages into frames and retransmits lost frames.
pub struct Radio {
    /// Attenuation in decibels at which half of all frames are lost.
    pub margin_db: f64,
    frame_bytes: u32,
    retries: u32,
    retry_delay: Duration,
}

/// Result of a transmission.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Transmission {
    /// All frames arrived, with this delay.
    Delivered(Duration),
    /// A frame was lost in all its retries.
    Lost,
}

/// Each decibel beyond the margin multiplies the odds of a frame loss by e.
const STEEPNESS_PER_DB: f64 = 1.0;

/// Maximum number of simulated frames of a message. The largest message with the smallest frames has fewer.
const MAX_FRAMES: u32 = 65_536;

impl Radio {
    pub fn configure(link: &Link) -> Result<Self, String> {
        let config = link.config();
        let second = Duration::from_secs(1);
        Ok(Radio {
            margin_db: config.number("margin_db", 10.0, 0.0..=1_000.0)?,
            frame_bytes: config.integer("frame_bytes", 128, 16..=65_536)? as u32,
            retries: config.integer("retries", 3, 0..=100)? as u32,
            retry_delay: config.duration("retry_delay", second / 20, Duration::ZERO..=60 * second)?,
        })
    }

    /// Probability that one transmission of a frame is lost.
    fn frame_loss(&self, attenuation_db: f64) -> f64 {
        1.0 / (1.0 + (STEEPNESS_PER_DB * (self.margin_db - attenuation_db)).exp())
    }

    /// Transmits a message of this size.
    pub fn send(&self, bytes: usize, attenuation_db: f64, link: &mut Link) -> Transmission {
        let loss = self.frame_loss(attenuation_db);
        let frames = u32::try_from(bytes).unwrap_or(u32::MAX).div_ceil(self.frame_bytes).clamp(1, MAX_FRAMES);
        let mut late = Duration::ZERO;
        for _ in 0..frames {
            let mut tries_left = self.retries;
            while link.chance(loss) {
                if tries_left == 0 {
                    return Transmission::Lost;
                }
                tries_left -= 1;
                late += self.retry_delay;
            }
        }
        Transmission::Delivered(late)
    }
}

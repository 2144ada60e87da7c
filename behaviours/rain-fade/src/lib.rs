//! Fault model of a radio link with rain attenuation.
//!
//! Rain weakens a signal by some decibels. The attenuation changes slowly: over minutes, not from message to
//! message. While the margin of the link covers it, it has no effect. Beyond the margin frames are lost and
//! the radio retransmits them: messages are delayed, long messages before short ones, and finally lost.
//! Independent faults for each message cannot model this: here the attenuation also changes while no message
//! is sent, and both directions share it.
//!
//! * `attenuation`: attenuation over time. `radio`: delay and loss of a message at an attenuation.

mod attenuation;
mod radio;

use attenuation::RainAttenuation;
use radio::{Radio, Transmission};
use wasmote_sdk::decimal;
use wasmote_sdk::fault::{FaultModel, Link, Passage, Verdict};

wasmote_sdk::export_fault_model!(RainFade);

const FIELDS: [&str; 7] =
    ["median_db", "spread", "memory", "margin_db", "frame_bytes", "retries", "retry_delay"];

struct RainFade {
    attenuation: RainAttenuation,
    radio: Radio,
    /// True while the attenuation exceeds the margin.
    faded: bool,
}

impl FaultModel for RainFade {
    fn configure(link: &mut Link) -> Result<Self, String> {
        link.config().deny_unknown_fields(&FIELDS)?;
        Ok(RainFade {
            attenuation: RainAttenuation::configure(link)?,
            radio: Radio::configure(link)?,
            faded: false,
        })
    }

    fn reconfigure(&mut self, link: &mut Link) -> Result<(), String> {
        let new = RainFade::configure(link)?;
        self.attenuation.set_parameters(new.attenuation);
        self.radio = new.radio;
        Ok(())
    }

    fn judge(&mut self, link: &mut Link, passage: &Passage) -> Verdict {
        let attenuation_db = self.attenuation.attenuation_db(passage.since_start(), link);
        self.log_transition(attenuation_db, link);
        match self.radio.send(passage.size(), attenuation_db, link) {
            Transmission::Lost => Verdict::Drop,
            Transmission::Delivered(late) => Verdict::delayed(late),
        }
    }
}

impl RainFade {
    /// Logs when the attenuation starts or ceases to exceed the margin.
    fn log_transition(&mut self, attenuation_db: f64, link: &Link) {
        let faded = attenuation_db > self.radio.margin_db;
        if std::mem::replace(&mut self.faded, faded) == faded {
            return;
        }
        let (rain, margin) = (decimal(attenuation_db, 1), decimal(self.radio.margin_db, 1));
        match faded {
            true => {
                link.info(format_args!("the link fades: rain takes {rain} dB, and the margin is {margin} dB"))
            }
            false => link.info(format_args!("the link is back: rain takes {rain} dB")),
        }
    }
}

#[cfg(test)]
mod tests;

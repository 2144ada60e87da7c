//! A radio link that rain comes and goes over.
//!
//! Rain weakens a signal by some decibels, and these change slowly: over minutes, not from message to message. As
//! long as the link's margin covers them nothing is to be seen. Beyond it frames are lost, the radio sends them
//! again, messages become late, long ones before short ones, and at last they are gone. A fault that decides by
//! message cannot say this: here the weather goes on while nothing is sent, and both ways share it.
//!
//! * `attenuation`: the attenuation over time. `radio`: what becomes of a message at an attenuation.

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
    /// Whether the rain takes more than the margin.
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
    /// Say when the rain begins to matter, and when it no longer does.
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

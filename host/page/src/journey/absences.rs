//! When devices could not receive messages.

use std::collections::BTreeMap;

/// The states of devices over time, as far as they explain why a device did not receive a message.
#[derive(Clone, Debug, Default)]
pub struct Absences(BTreeMap<String, Vec<(f64, char, Option<String>)>>);

/// Time by which a recorder may see a change of a state too late, in seconds.
const SEEN_LATE_S: f64 = 0.5;

impl Absences {
    /// Adds a state of a device, after its earlier ones. The letter is that of a [`State`](crate::recording::State).
    pub fn add(&mut self, device: &str, at_s: f64, letter: char, reason: Option<String>) {
        let states = match self.0.get_mut(device) {
            Some(states) => states,
            None => self.0.entry(device.to_owned()).or_default(),
        };
        states.push((at_s, letter, reason));
    }

    /// The state of a device at this time or at most shortly later, as a clause; `None` if it could receive messages.
    pub fn at(&self, device: &str, at_s: f64) -> Option<String> {
        let states = self.0.get(device)?;
        let next = states.partition_point(|state| state.0 <= at_s);
        let present = next.checked_sub(1).and_then(|at| states.get(at)).filter(|state| state.1 != 'c');
        let soon = || states.get(next).filter(|state| state.1 != 'c' && state.0 <= at_s + SEEN_LATE_S);
        let (seen_s, letter, reason) = present.or_else(soon)?;
        let state = match letter {
            'o' => "offline",
            's' => "silent",
            'x' => "crashed",
            'f' => "failed",
            _ => "stopped",
        };
        let reason = reason.as_deref().filter(|reason| *reason != state);
        let reason = reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
        Some(format!("was {state}{reason}, as seen at {seen_s:.1} s"))
    }
}

//! The digest of a run: one number for all of its steps.
//!
//! Every step is written with its time after the steps before it, so two runs with the same digest went
//! through the same steps at the same times in the same order. The words of a step are defined field by
//! field. They do not depend on names or debug output, and a new step does not compile without an encoding.
//!
//! * `trace_event`: the words of a step, with `inputs`, `notices` and `packets` for its contents. The words of a fault
//!   are defined in the file of its kind, those of basic values in [`crate::digest`].

mod inputs;
mod notices;
mod packets;
mod trace_event;

use super::observer::{Observer, TraceEvent};
use crate::device::Now;
pub use crate::digest::Digest;

impl Observer for Digest {
    fn observe(&mut self, at: Now, event: &TraceEvent<'_>) {
        if event.is_journey() {
            return;
        }
        self.count_step();
        self.write_word(at.run.as_nanos());
        self.trace_event(event);
    }
}

#[cfg(test)]
mod tests;

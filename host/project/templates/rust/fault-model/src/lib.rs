//! A fault model: it drops messages on topics with a certain ending, with a probability.
//!
//! The module `rule` has no link, so `cargo test` tests it natively. `wasmote test` runs the whole model in the scenarios of
//! `tests/`.

mod rule;

use rule::Rule;
use wasmote_sdk::fault::{FaultModel, Link, Passage, Verdict};

wasmote_sdk::export_fault_model!(DropByTopic);

struct DropByTopic {
    rule: Rule,
}

impl FaultModel for DropByTopic {
    fn configure(link: &mut Link) -> Result<Self, String> {
        let config = link.config();
        config.deny_unknown_fields(&["ending", "probability"])?;
        let ending = config.text("ending")?.ok_or("configuration: ending: it is missing")?;
        let probability = config.number("probability", 1.0, 0.0..=1.0)?;
        Ok(DropByTopic { rule: Rule { ending, probability } })
    }

    fn judge(&mut self, link: &mut Link, passage: &Passage) -> Verdict {
        match self.rule.matches(&passage.topic) && link.chance(self.rule.probability) {
            true => Verdict::Drop,
            false => Verdict::Pass,
        }
    }
}

//! Campaign: a target runs on its corpus, and then on mutated inputs.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use crate::Target;
use crate::corpus;
use crate::mutate::Mutator;

/// Environment variable with the seconds of a long run, which replace [`Target::rounds`].
pub const SECONDS: &str = "WASMOTE_FUZZ_SECONDS";
/// Environment variable with the seed of the mutations; 1 by default.
pub const SEED: &str = "WASMOTE_FUZZ_SEED";
/// Most attempts to shorten an input that fails.
const MAX_ATTEMPTS: usize = 2_000;

/// Numbers of mutated inputs.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// All inputs.
    pub inputs: u64,
    /// Inputs that the target accepted as valid.
    pub accepted: u64,
}

/// Runs a target on its corpus and on mutated inputs.
///
/// # Panics
/// If an input fails. The shortened input is written to a file, which the message names.
pub fn run(target: &Target) -> Counts {
    let number =
        |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a whole number"));
    let inputs = corpus::load(target.name);
    for (name, bytes) in &inputs {
        let file = format!("corpus/{}/{name}", target.name);
        let accepted =
            outcome(target, bytes).unwrap_or_else(|| panic!("{file} fails; the panic above says why"));
        assert!(accepted || !name.starts_with(corpus::VALID), "{file} is refused");
    }
    let mut mutator =
        Mutator::new(number(SEED).unwrap_or(1), inputs.into_iter().map(|(_, bytes)| bytes).collect());
    let end = number(SECONDS).map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let mut counts = Counts::default();
    while end.map_or(counts.inputs < u64::from(target.rounds), |end| Instant::now() < end) {
        let bytes = mutator.next_input();
        counts.inputs += 1;
        match outcome(target, &bytes) {
            Some(accepted) => counts.accepted += u64::from(accepted),
            None => report(target, &bytes),
        }
    }
    counts
}

/// Whether a target accepts an input; `None` if its property does not hold.
fn outcome(target: &Target, bytes: &[u8]) -> Option<bool> {
    catch_unwind(AssertUnwindSafe(|| target.run(bytes))).ok()
}

/// Shortens an input that fails, writes it to a file, and panics.
fn report(target: &Target, bytes: &[u8]) -> ! {
    // Panics of the attempts would bury the first one.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let short = shorten(target, bytes);
    std::panic::set_hook(hook);
    let folder = std::env::temp_dir();
    let file = folder.join(format!("fuzz-{}-{}", target.name, short.len()));
    std::fs::write(&file, &short).expect("the folder is writable");
    panic!(
        "{}: an input of {} bytes fails; the panic above says why: {}\n{}",
        target.name,
        short.len(),
        file.display(),
        short.escape_ascii()
    );
}

/// Removes parts of an input as long as it still fails.
fn shorten(target: &Target, bytes: &[u8]) -> Vec<u8> {
    let mut short = bytes.to_vec();
    let mut part = short.len().div_ceil(2);
    let mut attempts = 0;
    while part > 0 {
        let mut at = 0;
        while at < short.len() && attempts < MAX_ATTEMPTS {
            attempts += 1;
            let mut shorter = short.clone();
            shorter.drain(at..(at + part).min(short.len()));
            if outcome(target, &shorter).is_some() { at += part } else { short = shorter }
        }
        part /= 2;
    }
    short
}

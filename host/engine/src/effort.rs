//! How much work is put into compiling a component.
//!
//! A pod that may use a tenth of a processor gets 10 ms of it in every 100, so each millisecond of compiling keeps its
//! devices waiting for ten. What was measured (behaviour `heartbeat`, 71 kB, one thread, milliseconds of processor
//! time, least and mean of 25, each on a machine that was busy with other things):
//!
//! | | least | mean |
//! |---|---|---|
//! | Cranelift at its best ([`Effort::Full`]) | 180 | 192 |
//! | the same for small code | 178 | 190 |
//! | without optimising ([`Effort::Quick`]) | 132 | 141 |
//! | and with registers given out in one pass | 120 | 129 |
//! | at its best, without counting fuel | 135 | 144 |
//!
//! So not optimising is what helps. Registers in one pass would save little more, and wasmtime says of that way that
//! it is not ready for what has to be secure. Counting fuel is what makes runs repeatable. Winch, wasmtime's
//! compiler of one pass, was not tried.
//!
//! In a control group of 0.1 processors the first heartbeat of that behaviour came to a broker after 1.36 s (1.14 to
//! 1.58) instead of 1.74 s (1.58 to 1.88), with the load of other builds beside it; `bench/run pod` takes it again.
//!
//! What a guest computes, and the fuel that it takes, is the same with either effort: fuel is counted by WebAssembly
//! instructions, and NaNs are made canonical, before anything is optimised.

use wasmtime::{Config, OptLevel};

/// How much work is put into compiling.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Effort {
    /// Code as fast as it gets, on all processors at once.
    #[default]
    Full,
    /// A quick start, on one thread, for slower code.
    Quick,
}

impl Effort {
    pub(crate) fn set(self, config: &mut Config) {
        match self {
            Self::Full => config.cranelift_opt_level(OptLevel::Speed),
            Self::Quick => config.cranelift_opt_level(OptLevel::None).parallel_compilation(false),
        };
    }
}

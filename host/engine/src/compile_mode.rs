//! Choice between fast code and a fast start.
//!
//! A pod with a limit of 0.1 CPU gets 10 ms of processor time in every 100 ms, so each millisecond of
//! compilation delays its devices by ten. Measured with the behaviour `heartbeat` (71 kB) on one thread of an
//! idle x86-64 machine, in milliseconds of processor time, least and mean of 15 runs:
//!
//! | | least | mean |
//! |---|---|---|
//! | Cranelift, optimising ([`CompileMode::Full`]) | 144 | 154 |
//! | Cranelift, without optimisation | 112 | 131 |
//! | Winch, in one pass ([`CompileMode::Quick`] on x86-64) | 24 | 29 |
//!
//! Cranelift's single-pass register allocator saved another 12 ms, but wasmtime does not recommend it where
//! security matters. Omitting address maps, unwind tables or backtraces made no difference.
//!
//! A guest behaves alike in both modes, except where Winch differs from Cranelift:
//!
//! * Winch keeps the sign and the payload of a NaN as the processor produces them, and a guest can read them.
//!   Cranelift canonicalizes NaNs.
//! * Both count fuel by WebAssembly instructions, but Winch counts a bulk fill or copy of memory as one,
//!   where Cranelift counts bytes. Therefore a call in Winch code is also limited to 10 seconds of host time.
//! * Winch has larger stack frames, so fewer nested calls fit the stack.
//! * Winch supports fewer proposals (no tail calls, not all of SIMD). Cranelift compiles the components that
//!   Winch rejects, with a warning.
//!
//! Experiments promise the same bytes on every machine, so they always compile with [`CompileMode::Full`].

/// Trade-off between compile time and code quality.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CompileMode {
    /// Optimised code, compiled on all processors.
    #[default]
    Full,
    /// Slower code, compiled in less time on one thread.
    Quick,
}

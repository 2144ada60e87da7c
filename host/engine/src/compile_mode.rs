//! How much work is put into compiling a component.
//!
//! A pod that may use a tenth of a processor gets 10 ms of it in every 100, so each millisecond of compiling keeps its
//! devices waiting for ten. What was measured (behaviour `heartbeat`, 71 kB, one thread, milliseconds of processor
//! time, least and mean of 15, on an x86-64 machine that did little else):
//!
//! | | least | mean |
//! |---|---|---|
//! | Cranelift at its best ([`CompileMode::Full`]) | 144 | 154 |
//! | Cranelift without optimising | 112 | 131 |
//! | Winch, in one pass ([`CompileMode::Quick`] on x86-64) | 24 | 29 |
//!
//! Registers in one pass saved Cranelift another 12 ms, and wasmtime says of that way that it is not ready for what has
//! to be secure. Code of the same size, leaving out address maps, unwinding tables or backtraces: no difference.
//!
//! What a guest does is the same with either effort, but for what Winch does otherwise than Cranelift:
//!
//! * It leaves the sign and the payload of a NaN as the processor makes them, which a guest can read, where Cranelift is
//!   told to make them all alike.
//! * Both count fuel by WebAssembly instructions, but Winch takes filling and copying memory for one, where Cranelift
//!   counts bytes. So that a guest is held back all the same, one call may take no more than 10 seconds of host time.
//! * Its frames are larger, so that the stack holds fewer calls.
//! * It knows fewer of the proposals (no tail calls, and not all of SIMD). A component that it cannot compile is compiled by
//!   Cranelift, with a word of that.
//!
//! So experiments, which promise the same bytes on every machine, always compile with [`CompileMode::Full`].

/// How much work is put into compiling.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CompileMode {
    /// Code as fast as it gets, on all processors at once.
    #[default]
    Full,
    /// A quick start, on one thread, for slower code.
    Quick,
}

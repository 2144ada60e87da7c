//! How much work is put into compiling a component.
//!
//! A pod that may use a tenth of a processor gets 10 ms of it in every 100, so each millisecond of compiling keeps its
//! devices waiting for ten. What was measured (behaviour `heartbeat`, 71 kB, one thread, milliseconds of processor
//! time, least and mean of 15, on an x86-64 machine that did little else):
//!
//! | | least | mean |
//! |---|---|---|
//! | Cranelift at its best ([`Effort::Full`]) | 144 | 154 |
//! | Cranelift without optimising | 112 | 131 |
//! | Winch, in one pass ([`Effort::Quick`] on x86-64) | 24 | 29 |
//!
//! Registers in one pass saved Cranelift another 12 ms, and wasmtime says of that way that it is not ready for what has
//! to be secure. Code of the same size, leaving out address maps, unwinding tables or backtraces: no difference.
//!
//! What a guest does is the same with either effort, and so is the fuel that it takes: fuel is counted by WebAssembly
//! instructions. Two things differ. Winch leaves the sign and the payload of a NaN as the processor makes them, which a
//! guest can read, where Cranelift is told to make them all alike; so experiments in virtual time, which promise the same
//! bytes on every machine, always compile with [`Effort::Full`]. And Winch knows fewer of the proposals (no tail
//! calls, garbage collection or exceptions, and not all of SIMD): a component that it cannot compile is compiled by
//! Cranelift.

/// How much work is put into compiling.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Effort {
    /// Code as fast as it gets, on all processors at once.
    #[default]
    Full,
    /// A quick start, on one thread, for slower code.
    Quick,
}

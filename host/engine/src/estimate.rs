//! Memory for compiling a component and for its machine code, estimated from the file.
//!
//! If a compilation uses up the memory of a container, the system kills it, and no error tells why. With an estimate it is
//! refused before it starts, and manifests have limits that suffice. The factors were fitted to the child process that
//! compiles, on x86-64 with two processors; docs/updates.md has the measured values. Each value is the larger one of resident
//! and of allocated anonymous memory.

use crate::compile_mode::CompileMode;

const MIB: u64 = 1 << 20;

/// Memory of the child process before it compiles anything.
const BASE_BYTES: u64 = 3 * MIB;
/// Least memory for the child process. With less, it may hang at a failed allocation instead of ending.
const LEAST_BYTES: u64 = 4 * MIB;
/// Percentage of the estimate that every component needs. Code of plain arithmetic takes 41 %; the accesses to memory in real
/// code take more.
const LEAST_PERCENT: u64 = 40;

/// Factors of one compiler.
struct Factors {
    /// Bytes of memory for each function.
    function: u64,
    /// Bytes for each byte of code.
    code: u64,
    /// Bytes for each byte of the longest function on each thread.
    longest_function: u64,
    /// Bytes for each data segment.
    segment: u64,
    /// Tenths of a byte of machine code for each byte of code.
    machine_code_tenths: u64,
}

const QUICK: Factors =
    Factors { function: 6_000, code: 45, longest_function: 0, segment: 50_000, machine_code_tenths: 105 };
const FULL: Factors =
    Factors { function: 7_000, code: 45, longest_function: 500, segment: 28_000, machine_code_tenths: 63 };

/// Sizes of a component that determine the memory for compiling it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sizes {
    /// Functions with code.
    pub(crate) functions: u64,
    /// Bytes of all functions.
    pub(crate) code_bytes: u64,
    /// Bytes of the longest function.
    pub(crate) longest_function_bytes: u64,
    /// Data segments that are left after those with short gaps are merged.
    pub(crate) segments: u64,
    /// Bytes of all data segments.
    pub(crate) data_bytes: u64,
}

/// Estimates for one component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Estimate {
    sizes: Sizes,
}

impl Estimate {
    pub(crate) fn new(sizes: Sizes) -> Self {
        Self { sizes }
    }

    /// Memory in bytes of a process that compiles the component on one thread.
    pub fn compile_bytes(&self, mode: CompileMode) -> u64 {
        self.compile_bytes_on(mode, 1)
    }

    /// Memory in bytes of a process that compiles the component on this number of threads. The quick compiler uses one.
    pub(crate) fn compile_bytes_on(&self, mode: CompileMode, threads: u64) -> u64 {
        let (factors, sizes) = (factors(mode), &self.sizes);
        let parts = [
            sizes.functions.saturating_mul(factors.function),
            sizes.code_bytes.saturating_mul(factors.code),
            sizes.longest_function_bytes.saturating_mul(factors.longest_function).saturating_mul(threads),
            sizes.segments.saturating_mul(factors.segment),
            // Copies: as received, with merged segments, as compiled, and as sent.
            sizes.data_bytes.saturating_mul(4),
        ];
        parts.into_iter().fold(BASE_BYTES, u64::saturating_add)
    }

    /// Bytes with which compiling certainly fails.
    pub(crate) fn too_few_bytes(&self, mode: CompileMode) -> u64 {
        (self.compile_bytes(mode) / 100 * LEAST_PERCENT).max(LEAST_BYTES)
    }

    /// Bytes of the machine code, as they are stored.
    pub fn code_bytes(&self, mode: CompileMode) -> u64 {
        self.sizes.code_bytes.saturating_mul(factors(mode).machine_code_tenths) / 10 + self.sizes.data_bytes
    }

    /// Bytes of an instance's memory that its data initializes.
    pub fn data_bytes(&self) -> u64 {
        self.sizes.data_bytes
    }
}

fn factors(mode: CompileMode) -> &'static Factors {
    match mode {
        CompileMode::Full => &FULL,
        CompileMode::Quick => &QUICK,
    }
}

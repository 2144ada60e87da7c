//! Entry point of the program `wasmote`. The code is in the library, so that tests can use it.

use std::process::ExitCode;

fn main() -> ExitCode {
    wasmote::cli::main()
}

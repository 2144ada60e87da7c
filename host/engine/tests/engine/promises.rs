//! Promises of `wit/`: the table `promises/table.txt` names the tests of each sentence, and this module has those tests that
//! no other place has.
//!
//! * `arguments`: arguments and results beyond the limits. `calls`: order, causes and clocks of calls. `values`: values
//!   that the imports return. `table`: the check of the table.

mod arguments;
mod calls;
mod table;
mod values;

use serde_json::json;
use wasmote_sim::limits::Limits;

use crate::guests::Guest;
use crate::harness::Harness;

/// Grows the memory to a mebibyte, so that large arguments lie in it.
const GROW: &str = "(drop (memory.grow (i32.const 15)))";

/// Starts a guest with one import and these instructions of `start`, and returns what it reported.
fn reports(imports: &str, start: &str) -> Vec<Vec<u8>> {
    let start = format!("{GROW} {start}");
    let harness = started(&Guest { imports, start: &start, ..Guest::default() });
    assert_eq!(harness.traps(), [""; 0], "{start}");
    harness.published().iter().map(|message| message.payload.to_vec()).collect()
}

fn started(guest: &Guest<'_>) -> Harness {
    Harness::with(&guest.component(), json!({"name": "x", "list": [7, 2.5]}), Limits::default()).start()
}

/// The integer at this place of a report.
fn number(report: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(report[at..at + 4].try_into().expect("four bytes"))
}

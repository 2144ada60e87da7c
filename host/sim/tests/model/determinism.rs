//! The same seed gives the same actions, and another seed gives others.

use std::time::Duration;

use wasmote_sim::faults::document::FaultDocument;

use crate::bench::{Bench, ticker};

fn history(seed: u64) -> String {
    let mut bench = Bench::named("west-0", "west", ticker, FaultDocument::realistic(), seed);
    bench.run(Duration::from_secs(3600));
    format!("{:?}", bench.actions)
}

#[test]
fn an_hour_of_realistic_faults_is_the_same_twice() {
    assert!(history(7) == history(7));
    assert!(history(7) != history(8));
}

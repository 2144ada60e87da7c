//! Earlier outcomes of benchmarks, and the comparison with the last one.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::measure::{ALL, Measured};

/// File of the outcomes in the folder of a project: one JSON object per line.
pub const FILE: &str = "bench.ndjson";

/// A benchmark of a component.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BenchRecord {
    /// Seconds since 1970 at its end.
    pub at: u64,
    /// SHA-256 of the component.
    pub component_sha256: String,
    /// SHA-256 of what it depends on besides the component: the fleet, the configuration and the length.
    pub fleet_sha256: String,
    /// Version of this program.
    pub wasmote: String,
    /// Size of the component in bytes.
    pub size_bytes: u64,
    /// Milliseconds that compiling the component took.
    pub compile_ms: f64,
    /// What the fleet's calls cost.
    pub measured: Measured,
}

/// Comparison of one figure with that of the last benchmark.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Change {
    /// The figure.
    pub figure: &'static str,
    /// Its value in the last benchmark.
    pub before: f64,
    /// Its value now.
    pub now: f64,
    /// The change in percent.
    pub percent: f64,
    /// Whether the change is beyond noise: any change of an exact figure, and of a time one that is larger than what the runs
    /// of both benchmarks vary by.
    pub is_beyond_noise: bool,
}

/// The last benchmark in a file. Lines that cannot be read, such as those of another version, are skipped.
pub fn last(file: &Path) -> io::Result<Option<BenchRecord>> {
    match fs::read_to_string(file) {
        Ok(text) => Ok(text.lines().rev().find_map(|line| serde_json::from_str(line).ok())),
        Err(problem) if problem.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(problem) => Err(problem),
    }
}

/// Adds a benchmark to a file.
pub fn append(file: &Path, record: &BenchRecord) -> io::Result<()> {
    let mut line = serde_json::to_string(record)?;
    line.push('\n');
    fs::File::options().create(true).append(true).open(file)?.write_all(line.as_bytes())
}

/// How much the times of the runs vary, in percent of the median.
pub fn noise_percent(measured: &Measured) -> f64 {
    let Some(all) = measured.calls.get(ALL) else { return 0.0 };
    if all.ns > 0.0 { 100.0 * (all.ns_max - all.ns_min) / all.ns } else { 0.0 }
}

/// Compares two benchmarks of the same fleet.
pub fn compare(before: &BenchRecord, now: &BenchRecord) -> Vec<Change> {
    let noise = noise_percent(&before.measured).max(noise_percent(&now.measured));
    let all = |record: &BenchRecord| record.measured.calls.get(ALL).cloned().unwrap_or_default();
    let change = |figure, before: f64, now: f64, noise: f64| {
        let percent = if before > 0.0 { 100.0 * (now - before) / before } else { 0.0 };
        // The last digits of a number that was written and read again may differ.
        let is_equal = percent.abs() < 1e-6;
        Change { figure, before, now, percent, is_beyond_noise: !is_equal && percent.abs() > noise }
    };
    let (old, new) = (all(before), all(now));
    vec![
        change("ns per event", old.ns, new.ns, noise),
        change("fuel per event", old.fuel, new.fuel, 0.0),
        change(
            "bytes of memory per device",
            before.measured.memory_bytes as f64,
            now.measured.memory_bytes as f64,
            0.0,
        ),
        change("bytes of the component", before.size_bytes as f64, now.size_bytes as f64, 0.0),
    ]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::measure::CallCosts;
    use super::*;

    fn record(ns: [f64; 3], fuel: f64) -> BenchRecord {
        let [ns_min, ns, ns_max] = ns;
        let all = CallCosts { calls: 10, ns, ns_min, ns_max, fuel, fuel_max: 1 };
        let calls = BTreeMap::from([(ALL.to_owned(), all)]);
        BenchRecord {
            at: 0,
            component_sha256: String::new(),
            fleet_sha256: String::new(),
            wasmote: String::new(),
            size_bytes: 1_000,
            compile_ms: 1.0,
            measured: Measured {
                devices: 1,
                simulated_s: 1.0,
                runs: 3,
                calls,
                memory_bytes: 65_536,
                traps: 0,
            },
        }
    }

    #[test]
    fn a_change_of_time_counts_only_beyond_noise_and_one_of_fuel_always() {
        let before = record([900.0, 1_000.0, 1_100.0], 500.0);
        let now = record([950.0, 1_150.0, 1_160.0], 501.0);
        let changes = compare(&before, &now);
        assert_eq!((changes[0].figure, changes[0].is_beyond_noise), ("ns per event", false));
        assert!((changes[0].percent - 15.0).abs() < 1e-9);
        assert_eq!((changes[1].figure, changes[1].is_beyond_noise), ("fuel per event", true));
        assert!(!changes[2].is_beyond_noise && !changes[3].is_beyond_noise);
        let slow = record([1_300.0, 1_400.0, 1_410.0], 500.0);
        assert!(compare(&before, &slow)[0].is_beyond_noise);
    }

    #[test]
    fn the_last_readable_line_counts() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(FILE);
        assert_eq!(last(&file).unwrap(), None);
        append(&file, &record([1.0, 1.0, 1.0], 1.0)).unwrap();
        append(&file, &record([2.0, 2.0, 2.0], 2.0)).unwrap();
        fs::File::options()
            .append(true)
            .open(&file)
            .unwrap()
            .write_all(b"{\"of\": \"another version\"}\n")
            .unwrap();
        assert_eq!(last(&file).unwrap().unwrap().measured.calls[ALL].fuel, 2.0);
    }
}

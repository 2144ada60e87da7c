//! `wasmote doctor`: checks this machine for what a fleet needs.

use clap::Args as ClapArgs;
use serde_json::json;
use wasmote_fleet::config::options::Options;
use wasmote_fleet::config::options::subset::{Components, Live, Subset};
use wasmote_fleet::config::resolve::resolve;
use wasmote_fleet::config::values::DeviceCount;
use wasmote_fleet::printable::Printable;
use wasmote_fleet::term::{ERROR, GOOD, WARNING, json_to_stdout, to_stdout};
use wasmote_kubernetes::kubectl::Cluster;
use wasmote_registry::cache;

use super::Failure;
use crate::doctor::{Finding, Verdict, fleet, machine, programs};
use crate::exit::Exit;

/// Help text before the flags.
pub const EXAMPLES: &str = "\
Examples:
  wasmote doctor                                          this machine
  wasmote doctor ./my.wasm -n 5000 --broker mqtt://host   a fleet
  wasmote doctor --language rust,python                   toolchains
  wasmote doctor ./my.wasm --kubernetes --context lab     a cluster
  wasmote doctor --json | jq '.findings[] | select(.verdict != \"ok\")'";

/// Help text after the flags.
pub const NOTES: &str = "\
Each problem is shown with its fix. What was asked for by a flag or an argument must work; anything else gives a warning at most. \
A connection to the broker is opened and closed, and nothing is published. A cluster is contacted only with --kubernetes or --context.

Exit codes: 0 everything that was asked for can work; 1 something cannot; 2 usage.";

/// Arguments of `wasmote doctor`.
#[derive(ClapArgs, Clone, Debug)]
pub struct Args {
    /// Behaviours that are to run, named as for `wasmote run`
    #[arg(value_name = "BEHAVIOUR")]
    behaviours: Vec<String>,
    /// Number of devices [default: 9]
    #[arg(short = 'n', long, value_name = "N", allow_hyphen_values = true)]
    devices: Option<DeviceCount>,
    /// Languages in which behaviours are to be written; their toolchains must be there
    #[arg(long, value_name = "LANGUAGE", value_delimiter = ',')]
    language: Vec<String>,
    /// The fleet is to run on the cluster of kubectl
    #[arg(long, help_heading = "Kubernetes")]
    kubernetes: bool,
    #[command(flatten)]
    cluster: Cluster,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    live: Subset<Live>,
    #[command(flatten)]
    components: Subset<Components>,
}

/// Runs all checks, and shows their findings.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    let findings = findings(args)?;
    let works = findings.iter().all(|finding| finding.verdict != Verdict::Failed);
    match args.json {
        true => json_to_stdout(format_args!("{:#}", json!({"works": works, "findings": findings}))),
        false => print(&findings),
    }
    Ok(if works { Exit::Done } else { Exit::Failed })
}

fn findings(args: &Args) -> Result<Vec<Finding>, Failure> {
    let from = Options::clone(&args.components);
    let options = Options {
        devices: args.devices,
        behaviour_key: from.behaviour_key,
        downloads: from.downloads,
        download_time: from.download_time,
        plain_http: from.plain_http,
        ..Options::clone(&args.live)
    };
    let settings = resolve(&options).map_err(Failure::usage)?;
    let on_cluster = args.kubernetes || args.cluster.context.is_some() || args.cluster.namespace.is_some();
    let (behaviours, needs) = fleet::behaviours(&args.behaviours, settings.models.fetcher(), on_cluster);
    let devices = settings.devices() as u64;
    let downloads = options.downloads.clone().or_else(cache::default_dir);

    let mut findings = machine::limits_of_a_run(&settings);
    findings.extend(machine::ports(&settings));
    findings.extend(machine::mappings(devices, needs.memory_bytes));
    findings.extend(machine::memory(devices, needs.memory_bytes));
    findings.push(machine::processors());
    findings.extend(machine::disks(downloads));
    findings.extend(machine::clock());
    findings.push(programs::engine());
    findings.extend(behaviours);
    findings.extend(fleet::broker(&settings));
    findings.extend(programs::toolchains(&args.language));
    findings.extend(programs::kubernetes(&args.cluster, on_cluster));
    Ok(findings)
}

fn print(findings: &[Finding]) {
    let width = findings.iter().map(|finding| finding.check.len()).max().unwrap_or(0);
    for Finding { check, verdict, found, fix } in findings {
        let style = match verdict {
            Verdict::Ok => GOOD,
            Verdict::Warning => WARNING,
            Verdict::Failed => ERROR,
        };
        to_stdout(format_args!("{style}{:7}{style:#}  {check:width$}  {}", verdict.name(), Printable(found)));
        if let Some(fix) = fix {
            to_stdout(format_args!("{:7}  {:width$}  fix: {}", "", "", Printable(fix)));
        }
    }
    let count = |wanted: Verdict| findings.iter().filter(|finding| finding.verdict == wanted).count();
    match (count(Verdict::Failed), count(Verdict::Warning)) {
        (0, 0) => to_stdout("everything is there"),
        (0, warnings) => to_stdout(format_args!("what was asked for can work; {warnings} warnings")),
        (failed, _) => to_stdout(format_args!("{failed} of {} checks failed", findings.len())),
    }
}

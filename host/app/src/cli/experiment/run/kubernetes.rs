//! `wasmote experiment run PLAN --on kubernetes`

use std::str::FromStr;
use std::time::Duration;

use anyhow::anyhow;
use clap::Args as ClapArgs;
use serde_json::json;
use wasmote_engine::Engine;
use wasmote_experiment::plan::{Experiment, point_labels};
use wasmote_experiment::point::Overrides;
use wasmote_experiment::progress::Totals;
use wasmote_experiment::results::ResultsWriter;
use wasmote_experiment::source::PlanSource;
use wasmote_fleet::config::compile_cache;
use wasmote_fleet::config::resolve::fetch::fetcher_of_flags;
use wasmote_fleet::config::values::{DeviceCount, DurationValue};
use wasmote_fleet::printable::Printable;
use wasmote_fleet::signals::Signals;
use wasmote_fleet::term::{ERROR, GOOD, WARNING, json_to_stdout, to_stderr, to_stdout};
use wasmote_kubernetes::experiment::{ClusterError, Options};
use wasmote_kubernetes::kubectl::{Cluster, Kubectl};
use wasmote_kubernetes::manifests::name::{Image, Quantity};
use wasmote_results::{Summary, TimeMode, write_atomically};

use super::{Args, failure, junit, shell_quoted};
use crate::cli::Failure;
use crate::exit::Exit;

/// Place of execution of runs outside of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum RunTarget {
    /// The cluster of kubectl's context; in real time.
    Kubernetes,
}

/// Options of runs on a cluster.
#[derive(ClapArgs, Clone, Debug)]
pub struct ClusterArgs {
    /// Run on a cluster instead of locally
    #[arg(long, value_name = "PLACE", help_heading = "Kubernetes")]
    pub on: Option<RunTarget>,
    #[command(flatten)]
    cluster: Cluster,
    #[arg(long, value_name = "IMAGE", help_heading = "Kubernetes",
        help = format!("Image of this program [default: {}]", Image::DEFAULT))]
    image: Option<Image>,
    /// Devices in each pod [default: 1]
    #[arg(long, value_name = "N", help_heading = "Kubernetes")]
    devices_per_pod: Option<DeviceCount>,
    /// Memory limit of a pod [default: what its devices and the code of the behaviour need, at least 64Mi]
    #[arg(long, value_name = "AMOUNT", help_heading = "Kubernetes")]
    memory: Option<Quantity>,
    /// Memory limit of an init container that compiles the behaviour [default: there is one only if the memory of a pod does
    /// not suffice to compile]
    #[arg(long, value_name = "AMOUNT", help_heading = "Kubernetes")]
    compile_memory: Option<Quantity>,
    /// CPU limit of a pod [default: 100m]
    #[arg(long, value_name = "AMOUNT", help_heading = "Kubernetes")]
    cpu: Option<Quantity>,
    /// Longest time until pods are ready [default: 5m]
    #[arg(long, value_name = "TIME", help_heading = "Kubernetes")]
    ready_timeout: Option<DurationValue>,
}

impl ClusterArgs {
    /// A flag that needs `--on kubernetes`, if it was given without.
    pub fn unexpected_flag(&self) -> Option<&'static str> {
        let given = [
            ("--context", self.cluster.context.is_some()),
            ("--namespace", self.cluster.namespace.is_some()),
            ("--image", self.image.is_some()),
            ("--devices-per-pod", self.devices_per_pod.is_some()),
            ("--memory", self.memory.is_some()),
            ("--compile-memory", self.compile_memory.is_some()),
            ("--cpu", self.cpu.is_some()),
            ("--ready-timeout", self.ready_timeout.is_some()),
        ];
        given.into_iter().find(|(_, given)| *given).map(|(flag, _)| flag).filter(|_| self.on.is_none())
    }

    fn options(&self) -> Result<Options, Failure> {
        const READY_TIMEOUT: Duration = Duration::from_secs(300);
        fn or_default<T: FromStr<Err = String> + Clone>(given: &Option<T>, text: &str) -> Result<T, Failure> {
            given.clone().map_or_else(|| text.parse().map_err(|it: String| Failure::usage(anyhow!(it))), Ok)
        }
        Ok(Options {
            kubectl: Kubectl::new(self.cluster.clone()),
            namespace: self.cluster.namespace.clone(),
            context: self.cluster.context.clone(),
            image: or_default(&self.image, Image::DEFAULT)?,
            devices_per_pod: self.devices_per_pod.unwrap_or(DeviceCount(1)),
            memory: self.memory.clone(),
            compile_memory: self.compile_memory.clone(),
            cpu: or_default(&self.cpu, "100m")?,
            ready_timeout: self.ready_timeout.map_or(READY_TIMEOUT, |DurationValue(length)| length),
        })
    }

    /// The arguments that reproduce the run.
    fn arguments(&self) -> Vec<String> {
        let given = [
            ("--context", self.cluster.context.clone()),
            ("--namespace", self.cluster.namespace.as_ref().map(ToString::to_string)),
            ("--image", self.image.as_ref().map(|image| image.as_str().to_owned())),
            ("--devices-per-pod", self.devices_per_pod.map(|DeviceCount(count)| count.to_string())),
            ("--memory", self.memory.as_ref().map(|amount| amount.as_str().to_owned())),
            ("--compile-memory", self.compile_memory.as_ref().map(|amount| amount.as_str().to_owned())),
            ("--cpu", self.cpu.as_ref().map(|amount| amount.as_str().to_owned())),
        ];
        let arguments =
            given.into_iter().filter_map(|(flag, value)| Some(format!("{flag} {}", shell_quoted(&value?))));
        ["--on kubernetes".to_owned()].into_iter().chain(arguments).collect()
    }
}

/// Runs the plan on a cluster.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    if args.workers.is_some() {
        let problem =
            anyhow!("--workers is for local runs; a cluster executes one run after the other; leave it out");
        return Err(Failure::usage(problem));
    }
    let totals = Totals { signals: Some(Signals::listen().map_err(Failure::failed)?), ..Totals::default() };
    let options = args.cluster.options()?;
    let overrides = Overrides::parse(&args.set, args.seeds).map_err(failure)?;
    let fetcher = fetcher_of_flags(&args.components).map_err(Failure::usage)?;
    let source = PlanSource::find(&args.plan, &fetcher).map_err(failure)?;
    let engine = Engine::with_cache(compile_cache::of_environment()).map_err(Failure::failed)?;
    let experiment = Experiment::new(source, &overrides, &engine).map_err(failure)?;
    wasmote_kubernetes::experiment::support::check(&experiment, &options).map_err(cluster_failure)?;
    let command = [vec![args.command()], args.cluster.arguments()].concat().join(" ");
    let mut results =
        ResultsWriter::create(&args.out, &experiment, TimeMode::Real, command).map_err(failure)?;
    results.manifest.broker = Some("Mosquitto on the cluster".to_owned());
    results.write_manifest().map_err(failure)?;
    let outcome = wasmote_kubernetes::experiment::execute(&experiment, &mut results, &options, &totals);
    let folder = results.folder.display();
    let summaries = outcome.map_err(|problem| {
        to_stderr(format_args!("partial results are in {folder}"));
        cluster_failure(problem)
    })?;
    if let Some(file) = &args.junit {
        let text = junit::document(&experiment, &results, &summaries).map_err(Failure::failed)?;
        write_atomically(file, text.as_bytes()).map_err(Failure::failed)?;
    }
    let page = match summaries.is_empty() {
        true => None,
        false => Some(wasmote_report::html(&results.folder).map_err(Failure::failed)?.page),
    };
    match args.json {
        true => json_to_stdout(format_args!(
            "{:#}",
            json!({
                "plan": results.manifest.plan.name.as_str(),
                "folder": folder.to_string(),
                "complete": results.manifest.complete,
                "report": page.map(|page| page.display().to_string()),
                "missing": missing(&results),
                "runs": summaries,
            })
        )),
        false => {
            summaries.iter().for_each(print_summary);
            to_stdout(format_args!("results  {folder}"));
            page.iter().for_each(|page| to_stdout(format_args!("report   {}", page.display())));
        }
    }
    Ok(verdict(&results, &summaries, totals.is_interrupted()))
}

fn cluster_failure(problem: ClusterError) -> Failure {
    match problem.is_usage() {
        true => Failure::usage(problem),
        false => Failure::failed(problem),
    }
}

fn missing(results: &ResultsWriter) -> &[String] {
    results.manifest.cluster.as_ref().map_or(&[], |card| &card.missing)
}

fn print_summary(summary: &Summary) {
    let seconds = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.3} s"));
    let (traffic, latency) = (&summary.traffic, &summary.traffic.latency_seconds);
    let mut name = point_labels(&summary.point);
    name.push(format!("seed={}", summary.seed));
    to_stdout(format_args!(
        "  {}: {} devices, {:.0} s, sent {}, received {}, dropped {}, latency mean {} p50 {} p95 {}{}",
        name.join(" "),
        summary.devices,
        summary.duration_s,
        traffic.sent,
        traffic.received.unwrap_or(0),
        summary.dropped(),
        seconds(latency.mean),
        seconds(latency.p50),
        seconds(latency.p95),
        match (summary.ledger_closes, summary.aborted) {
            (false, _) => ", THE LEDGER DOES NOT CLOSE",
            (true, true) => ", ended by a threshold",
            (true, false) => "",
        },
    ));
    for failure in &summary.failures {
        to_stdout(format_args!("  {ERROR}failed:{ERROR:#} {}", Printable(failure)));
    }
    for verdict in &summary.thresholds {
        let found = verdict.value.map_or("nothing measured".to_owned(), |value| format!("{value:.4}"));
        match verdict.ok {
            true => to_stdout(format_args!("  {GOOD}✓{GOOD:#} {}  ({found})", verdict.text)),
            false => to_stdout(format_args!("  {ERROR}✗{ERROR:#} {}  ({found})", verdict.text)),
        }
    }
}

/// The exit code; a partial collection is a failure.
fn verdict(results: &ResultsWriter, summaries: &[Summary], interrupted: bool) -> Exit {
    let missing = missing(results);
    if !missing.is_empty() {
        to_stderr(format_args!("{WARNING}warning:{WARNING:#} the collection is partial; missing:"));
        missing.iter().for_each(|part| to_stderr(format_args!("  {}", Printable(part))));
    }
    let exit = super::report_verdict(!interrupted, summaries);
    match missing.is_empty() || interrupted {
        true => exit,
        false => Exit::Failed,
    }
}

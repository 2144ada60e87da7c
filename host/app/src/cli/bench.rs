//! `wasmote bench`: what the events of a behaviour cost.

use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::anyhow;
use clap::Args as ClapArgs;
use serde::Serialize;
use wasmote_engine::cache::Cache;
use wasmote_engine::compile_process::CompileProcess;
use wasmote_engine::sha256::sha256;
use wasmote_engine::{CompileMode, Engine};
use wasmote_fleet::blueprints::Components;
use wasmote_fleet::config::Settings;
use wasmote_fleet::config::compile_cache;
use wasmote_fleet::config::options::Options;
use wasmote_fleet::config::resolve::resolve;
use wasmote_fleet::config::values::DurationValue;
use wasmote_fleet::signals::Signals;
use wasmote_fleet::term::{FAINT, STRONG, WARNING, json_to_stdout, to_stderr, to_stdout};
use wasmote_project::bench::history::{self, BenchRecord, Change};
use wasmote_project::bench::measure::{ALL, Measured, measure};
use wasmote_project::builder::BuildError;
use wasmote_project::manifest::{Kind, Project};
use wasmote_registry::fetcher::Fetcher;
use wasmote_sim::rng::Seed;

use super::Failure;
use super::build::{ProjectArgs, build, shown};
use super::dev::own_fleet;
use crate::exit::Exit;

/// Shown after the flags.
pub const NOTES: &str = "\
Runs the fleet of the project (`fleet` in wasmote.toml, or devices of the behaviour with its `config`) several times in virtual \
time with seed 1, and measures each call of the project's behaviour. Fuel, memory and size are exact, times vary. The outcome \
is added to `bench.ndjson` in the project, and compared with the last one of the same fleet.";

/// Arguments of `wasmote bench`.
#[derive(ClapArgs, Debug)]
pub struct Args {
    #[command(flatten)]
    project: ProjectArgs,
    /// Simulated time of a run
    #[arg(long, value_name = "TIME", default_value = "10m")]
    length: DurationValue,
    /// Number of runs
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=1000))]
    runs: u64,
    /// Do not build the project first
    #[arg(long)]
    no_build: bool,
    /// Do not add the outcome to `bench.ndjson`
    #[arg(long)]
    no_save: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// The outcome, as `--json` prints it.
#[derive(Serialize)]
struct Report<'a> {
    #[serde(flatten)]
    record: &'a BenchRecord,
    noise_percent: f64,
    /// Compared with the last benchmark; `null` without one of the same fleet.
    changes: Option<Vec<Change>>,
}

/// Measures the behaviour.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    let signals = Signals::listen().map_err(Failure::failed)?;
    let project = args.project.find()?;
    if project.manifest.kind == Kind::FaultModel {
        return Err(Failure::usage(anyhow!(
            "a fault model has no events; `wasmote bench` measures behaviours"
        )));
    }
    if args.length.0.is_zero() {
        return Err(Failure::usage(anyhow!("--length: it is zero; write a time such as 10m")));
    }
    if !args.no_build {
        match build(&project, &signals) {
            Err(BuildError::Cancelled) => return Ok(Exit::Interrupted),
            built => drop(built.map_err(Failure::failed)?),
        }
    }
    let component = project.component();
    let bytes = std::fs::read(&component)
        .map_err(|problem| Failure::usage(anyhow!("cannot read `{}`: {problem}", shown(&component))))?;
    let settings = settings(&project)?;
    let engine = Engine::with_compile_process(CompileMode::Full, Cache::default(), CompileProcess::default());
    let engine = engine.map_err(Failure::failed)?;
    let sources = settings.groups.iter().map(|group| &group.behaviour);
    let began = Instant::now();
    let own = engine.load(&project.manifest.name, &bytes).map_err(Failure::failed)?;
    let compile = began.elapsed();
    let cached = Engine::with_cache(compile_cache::of_environment()).map_err(Failure::failed)?;
    let components = Components::load(sources, &cached, &Fetcher::default()).map_err(Failure::failed)?;
    let hash = sha256(&bytes);
    let version = components.iter().map(|(_, component)| component.version()).find(|it| *it.sha256 == *hash);
    drop(own);
    let Some(version) = version else {
        return Err(Failure::usage(anyhow!(
            "no group of the fleet has the behaviour `{}`, so nothing would be measured",
            shown(&component)
        )));
    };
    let progress = |_| !signals.received();
    let measured = measure(&settings, &components, &version, args.length.0, args.runs, &progress);
    let Some(measured) = measured.map_err(Failure::failed)? else { return Ok(Exit::Interrupted) };
    if !measured.calls.contains_key(ALL) {
        return Err(Failure::failed(anyhow!("the devices had no events in {} s", measured.simulated_s)));
    }
    let record = BenchRecord {
        at: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs(),
        component_sha256: hash,
        fleet_sha256: fleet_hash(&project, args.length.0)?,
        wasmote: program_version(),
        size_bytes: bytes.len() as u64,
        compile_ms: compile.as_secs_f64() * 1e3,
        measured,
    };
    let file = project.folder.join(history::FILE);
    let failed = |problem| Failure::failed(anyhow!("cannot use `{}`: {problem}", shown(&file)));
    let last = history::last(&file).map_err(failed)?;
    if !args.no_save {
        history::append(&file, &record).map_err(failed)?;
    }
    print(args, &record, last.as_ref())?;
    Ok(Exit::Done)
}

/// Version and kind of build of this program: times of other builds cannot be compared.
fn program_version() -> String {
    let debug = if cfg!(debug_assertions) { " (debug build)" } else { "" };
    format!("{}{debug}", env!("CARGO_PKG_VERSION"))
}

/// The fleet of the project with a fixed seed, without the settings of a run in real time.
fn settings(project: &Project) -> Result<Settings, Failure> {
    let options = match project.fleet() {
        Some(fleet) => Options { config_file: Some(fleet), ..Options::default() },
        None => own_fleet(project, Options::default())?,
    };
    let options = Options { seed: Some(Seed::new(1)), ..options };
    resolve(&options).map_err(Failure::usage)
}

/// Hash of what the outcome depends on besides the component and this program.
fn fleet_hash(project: &Project, length: Duration) -> Result<String, Failure> {
    let text = |path: PathBuf| {
        let read = std::fs::read_to_string(&path);
        read.map_err(|problem| Failure::usage(anyhow!("cannot read `{}`: {problem}", path.display())))
    };
    let fleet = project.fleet().map(text).transpose()?.unwrap_or_default();
    let manifest = serde_json::json!([project.manifest.config, project.manifest.limits]);
    Ok(sha256(format!("{fleet}\n{manifest}\n{length:?}").as_bytes()))
}

fn print(args: &Args, record: &BenchRecord, last: Option<&BenchRecord>) -> Result<(), Failure> {
    let comparable = last.filter(|last| {
        (&last.fleet_sha256, &last.wasmote) == (&record.fleet_sha256, &record.wasmote)
            && last.measured.calls.contains_key(ALL)
    });
    let changes = comparable.map(|last| history::compare(last, record));
    let noise = history::noise_percent(&record.measured);
    if args.json {
        let report = Report { record, noise_percent: noise, changes };
        json_to_stdout(serde_json::to_string_pretty(&report).map_err(Failure::failed)?);
        return Ok(());
    }
    let Measured { devices, simulated_s, runs, memory_bytes, traps, calls } = &record.measured;
    to_stdout(format_args!("{STRONG}{devices} devices, {simulated_s} s simulated, {runs} runs{STRONG:#}"));
    to_stdout(format_args!("{:14} {:>10} {:>12} {:>12} {:>12}", "event", "calls", "us", "fuel", "most fuel"));
    for (kind, costs) in calls {
        to_stdout(format_args!(
            "{kind:14} {:>10} {:>12.2} {:>12.0} {:>12}",
            costs.calls,
            costs.ns / 1e3,
            costs.fuel,
            costs.fuel_max
        ));
    }
    to_stdout(format_args!("memory of a device  {memory_bytes} bytes (linear memory, at most)"));
    to_stdout(format_args!(
        "component           {} bytes, compiled in {:.0} ms",
        record.size_bytes, record.compile_ms
    ));
    to_stdout(format_args!(
        "noise               the times of the runs vary by {noise:.0} %; fuel, memory and size are exact"
    ));
    if *traps > 0 {
        to_stderr(format_args!(
            "{WARNING}warning:{WARNING:#} {traps} calls trapped or refused to start in each run"
        ));
    }
    if cfg!(debug_assertions) {
        to_stderr(format_args!(
            "{WARNING}warning:{WARNING:#} this is a debug build of wasmote; its times say little"
        ));
    }
    match (changes, last) {
        (Some(changes), _) => changes.iter().for_each(print_change),
        (None, Some(_)) => to_stdout(format_args!(
            "{FAINT}the last benchmark had another fleet, length or version of wasmote, so it is not compared{FAINT:#}"
        )),
        (None, None) => {
            to_stdout(format_args!("{FAINT}there is no earlier benchmark to compare with{FAINT:#}"))
        }
    }
    Ok(())
}

fn print_change(change: &Change) {
    let Change { figure, before, now, percent, is_beyond_noise } = change;
    let verdict = match (percent.abs() < 1e-6, is_beyond_noise) {
        (true, _) => "unchanged",
        (false, true) => "changed",
        (false, false) => "within noise",
    };
    to_stdout(format_args!("{figure:26}  {before:.0} → {now:.0}  {percent:+.1} %  {verdict}"));
}

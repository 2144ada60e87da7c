//! `wasmote experiment hunt PLAN`

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::anyhow;
use clap::Args as ClapArgs;
use quick_junit::{NonSuccessKind, Report as JUnit, TestCase, TestCaseStatus, TestSuite};
use serde_json::json;
use wasmote_engine::Engine;
use wasmote_engine::sha256::sha256;
use wasmote_experiment::ExperimentError;
use wasmote_experiment::progress::Totals;
use wasmote_experiment::results::cores;
use wasmote_experiment::source::PlanSource;
use wasmote_fleet::config::compile_cache;
use wasmote_fleet::config::options::subset::{Components, Subset};
use wasmote_fleet::config::resolve::fetch::fetcher_of_flags;
use wasmote_fleet::printable::Printable;
use wasmote_fleet::signals::Signals;
use wasmote_fleet::term::{ERROR, FAINT, GOOD, STRONG, WARNING, json_to_stdout, to_stdout};
use wasmote_hunt::executor::Executor;
use wasmote_hunt::finding::{self, Report};
use wasmote_hunt::minimise::minimise;
use wasmote_hunt::search::{Limits, Outcome, search};
use wasmote_hunt::space::{Space, Strategy};
use wasmote_hunt::state::{self, HuntState};
use wasmote_results::write_atomically;
use wasmote_sim::rng::Seed;

use super::failure;
use crate::cli::Failure;
use crate::exit::Exit;

/// Examples before the help.
pub const EXAMPLES: &str = "\
Examples:
  wasmote experiment hunt my-plan.toml
  wasmote experiment hunt my-plan.toml --budget 10m --findings 5
  wasmote experiment hunt experiments/hunt/lock.toml --runs 500 --seed 7 --json --junit hunt.xml
  wasmote experiment hunt my-plan.toml --resume";

/// Notes after the help.
pub const NOTES: &str = "\
A hunt runs the plan many times, each time with other faults, actions and values from the pools of its `[hunt]` table, or
from default pools. It looks for broken invariants, traps, missed thresholds and messages that are unaccounted for. Each
new kind of failure is shrunk: the folder finding-N of the hunt has minimal.toml, the smallest plan that fails in the same
way, and report.html with the steps that lead there.

The content of each run depends on --seed and its position alone, so --jobs changes nothing but the time. How many runs a
--budget allows depends on the machine. Ctrl-C ends a hunt, and --resume goes on with the last one of the same plan and seed.

Exit codes: 0 no failure was found; 1 the hunt failed; 2 the plan is invalid; 99 a failure was found; 130 interrupted
without one.";

/// Arguments of `wasmote experiment hunt`.
#[derive(ClapArgs, Clone, Debug)]
pub struct Args {
    /// A plan: a file, or a name
    plan: String,
    /// Number of runs [default: 1000, or without limit with --budget]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    runs: Option<u64>,
    /// Time after which no further run starts, such as 10m
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    budget: Option<Duration>,
    /// Number of parallel runs [default: one for each core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4096))]
    jobs: Option<u32>,
    /// Seed of the hunt
    #[arg(long, value_name = "N", default_value = "1")]
    seed: Seed,
    /// Number of different failures after which the hunt ends
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u32).range(1..=1000))]
    findings: u32,
    /// How runs are drawn
    #[arg(long, value_name = "HOW", default_value = "swarm")]
    strategy: StrategyArg,
    /// Largest number of further runs for shrinking each failure; 0 leaves them as they are
    #[arg(long, value_name = "N", default_value = "1000", value_parser = clap::value_parser!(u64).range(0..=1_000_000))]
    shrink: u64,
    /// Go on with the last hunt of this plan and seed
    #[arg(long)]
    resume: bool,
    /// Folder for results
    #[arg(short, long, value_name = "DIR", default_value = "results")]
    out: PathBuf,
    #[command(flatten)]
    components: Subset<Components>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// File for the verdict as JUnit, for CI
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
}

/// Time between two writes of the state, so that a killed hunt can go on.
const SAVE_INTERVAL: Duration = Duration::from_secs(2);

/// Values of `--strategy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum StrategyArg {
    /// Each feature on or off
    Swarm,
    /// Every feature in every run
    All,
}

impl From<StrategyArg> for Strategy {
    fn from(strategy: StrategyArg) -> Self {
        match strategy {
            StrategyArg::Swarm => Self::Swarm,
            StrategyArg::All => Self::All,
        }
    }
}

/// Runs the hunt. The JUnit file counts as a failure until the hunt has ended.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    let Some(file) = &args.junit else { return hunt(args) };
    write_junit(file, &args.plan, Some("the hunt has not ended"))?;
    let outcome = hunt(args);
    if let Err(failure) = &outcome {
        write_junit(file, &args.plan, Some(&failure.to_string()))?;
    }
    outcome
}

fn hunt(args: &Args) -> Result<Exit, Failure> {
    let totals = Totals { signals: Some(Signals::listen().map_err(Failure::failed)?), ..Totals::default() };
    let fetcher = fetcher_of_flags(&args.components).map_err(Failure::usage)?;
    let source = PlanSource::find(&args.plan, &fetcher).map_err(failure)?;
    wasmote_fleet::preflight::check_threads().map_err(Failure::failed)?;
    let engine = Engine::with_cache(compile_cache::of_environment()).map_err(Failure::failed)?;
    let mut executor = Executor::new(source, engine, totals).map_err(failure)?;
    let space =
        Space::new(executor.source(), args.seed, &|plan| executor.point(plan).map(drop)).map_err(failure)?;
    executor.load(&space.everything()).map_err(failure)?;
    let fresh = HuntState {
        plan: executor.source().plan_file().map_err(failure)?.name.to_string(),
        sha256: sha256(
            format!("{}\n{:?}\n{:?}", executor.source().value, executor.fingerprint(), args.strategy)
                .as_bytes(),
        ),
        seed: args.seed.value(),
        ..HuntState::default()
    };
    let writing = |folder: &Path| ExperimentError::writing(&folder.display());
    let (folder, known) =
        state::open(&args.out, &fresh, args.resume).map_err(writing(&args.out)).map_err(failure)?;
    let before = known.map(|known| known.outcome).unwrap_or_default();
    let limits = Limits {
        runs: args.runs.unwrap_or(if args.budget.is_some() { u64::MAX } else { 1_000 }),
        budget: args.budget,
        findings: args.findings as usize,
        jobs: args.jobs.map_or_else(cores, |jobs| jobs as usize),
        strategy: args.strategy.into(),
    };
    let save = |outcome: &Outcome, complete: bool| {
        let state = HuntState { complete, outcome: outcome.clone(), ..fresh.clone() };
        state.write(&folder).map_err(writing(&folder)).map_err(failure)
    };
    let progress = ProgressLine::new(limits.runs);
    save(&before, false)?;
    let saved = Mutex::new(Instant::now());
    let seen = |outcome: &Outcome| {
        progress.show(outcome);
        let mut saved = saved.lock().unwrap_or_else(PoisonError::into_inner);
        if saved.elapsed() > SAVE_INTERVAL {
            // The state is written again at the end, with an error if that is not possible.
            let _ = save(outcome, false);
            *saved = Instant::now();
        }
    };
    let outcome = search(&executor, &space, &limits, before, &seen);
    progress.clear();
    let outcome = outcome.map_err(failure)?;
    save(&outcome, false)?;
    let mut reports = Vec::new();
    for (at, found) in outcome.found.iter().enumerate() {
        progress.note(&format!(
            "shrinking finding {} of {}: {}",
            at + 1,
            outcome.found.len(),
            found.failure.signature
        ));
        let minimal = minimise(&executor, found, args.shrink, limits.jobs);
        let report = finding::write(&executor, found, &minimal, &folder, at + 1).map_err(failure);
        progress.clear();
        reports.push(report?);
    }
    save(&outcome, !outcome.interrupted)?;
    if args.json {
        json_to_stdout(format_args!("{:#}", json(args, &folder, &outcome, &reports)));
    } else {
        print(args, &space, &folder, &outcome, &reports);
    }
    if let Some(file) = &args.junit {
        junit(file, &args.plan, &outcome, &reports)?;
    }
    Ok(exit(&outcome))
}

fn exit(outcome: &Outcome) -> Exit {
    match (outcome.found.is_empty(), outcome.interrupted) {
        (false, _) => Exit::ThresholdMissed,
        (true, true) => Exit::Interrupted,
        (true, false) => Exit::Done,
    }
}

fn json(args: &Args, folder: &Path, outcome: &Outcome, reports: &[Report]) -> serde_json::Value {
    let verdict = match exit(outcome) {
        Exit::ThresholdMissed => "found",
        other => other.name(),
    };
    json!({
        "plan": args.plan,
        "seed": args.seed.value(),
        "folder": folder.display().to_string(),
        "verdict": verdict,
        "runs": outcome.runs,
        "invalid": outcome.invalid.as_ref().map_or(0, |(count, _)| *count),
        "covered": outcome.covered.len(),
        "growth": outcome.growth,
        "interrupted": outcome.interrupted,
        "findings": reports,
    })
}

fn print(args: &Args, space: &Space, folder: &Path, outcome: &Outcome, reports: &[Report]) {
    let runs = if outcome.runs == 1 { "1 run".to_owned() } else { format!("{} runs", outcome.runs) };
    to_stdout(format_args!(
        "{STRONG}{}{STRONG:#}: {runs} with seed {}, drawn from {} features",
        args.plan,
        args.seed,
        space.features()
    ));
    let growth: Vec<String> =
        outcome.growth.iter().map(|growth| format!("{} after {}", growth.covered, growth.runs)).collect();
    to_stdout(format_args!("  {FAINT}coverage {}{FAINT:#}", growth.join(", ")));
    if let Some((count, reason)) = &outcome.invalid {
        to_stdout(format_args!(
            "  {WARNING}warning:{WARNING:#} the drawn values of {count} runs contradict each other; the first: {}",
            Printable(reason)
        ));
    }
    if outcome.interrupted {
        to_stdout(format_args!("  {ERROR}interrupted{ERROR:#}; --resume goes on"));
    }
    if reports.is_empty() {
        to_stdout(format_args!("  {GOOD}✓{GOOD:#} no run failed"));
    }
    for report in reports {
        let failure = &report.failure;
        to_stdout(format_args!("  {ERROR}✗{ERROR:#} {}", Printable(&failure.signature)));
        to_stdout(format_args!("    at {:.3} s: {}", failure.at_s, Printable(&failure.message)));
        to_stdout(format_args!(
            "    {FAINT}run {} first; shrunk from {} faults and {} actions to {} and {}, {} devices, {}, in {} runs{FAINT:#}",
            report.run,
            report.drawn.faults,
            report.drawn.actions,
            report.minimal.faults,
            report.minimal.actions,
            report.devices,
            report.duration,
            report.tried,
        ));
        to_stdout(format_args!("    {}", folder.join(&report.folder).join(finding::MINIMAL).display()));
    }
    to_stdout(format_args!("results  {}", folder.display()));
}

fn junit(file: &Path, plan: &str, outcome: &Outcome, reports: &[Report]) -> Result<(), Failure> {
    let problems: Vec<String> = reports
        .iter()
        .map(|report| {
            format!(
                "{} at {:.3} s: {}",
                report.failure.signature, report.failure.at_s, report.failure.message
            )
        })
        .collect();
    match (&problems[..], outcome.interrupted) {
        ([], true) => write_junit(file, plan, Some("the hunt was interrupted")),
        ([], false) => write_junit(file, plan, None),
        (problems, _) => write_junit(file, plan, Some(&problems.join("; "))),
    }
}

/// Writes a JUnit file with one case, which fails if there is a problem.
fn write_junit(file: &Path, plan: &str, problem: Option<&str>) -> Result<(), Failure> {
    let mut status = TestCaseStatus::success();
    if let Some(problem) = problem {
        status = TestCaseStatus::non_success(NonSuccessKind::Failure);
        status.set_message(problem);
    }
    let mut suite = TestSuite::new(plan);
    suite.add_test_case(TestCase::new("no run fails", status));
    let mut report = JUnit::new(plan);
    report.add_test_suite(suite);
    let text = report.to_string().map_err(Failure::failed)?;
    write_atomically(file, text.as_bytes())
        .map_err(|problem| Failure::failed(anyhow!("--junit: cannot write `{}`: {problem}", file.display())))
}

/// Progress on stderr, if it is a terminal.
struct ProgressLine {
    began: Instant,
    runs: u64,
    is_terminal: bool,
}

impl ProgressLine {
    fn new(runs: u64) -> Self {
        let is_terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
        Self { began: Instant::now(), runs, is_terminal }
    }

    fn show(&self, outcome: &Outcome) {
        let took = self.began.elapsed().as_secs_f64();
        let of = if self.runs == u64::MAX { String::new() } else { format!(" of {}", self.runs) };
        let rate = outcome.runs as f64 / took.max(1e-3);
        self.note(&format!(
            "{}{of} runs, {rate:.0} a second, {} findings, coverage {}",
            outcome.runs,
            outcome.found.len(),
            outcome.covered.len()
        ));
    }

    fn note(&self, text: &str) {
        if self.is_terminal {
            use std::io::Write;
            let mut err = std::io::stderr().lock();
            let _ = write!(err, "\r\x1b[2K{}", Printable(text)).and_then(|()| err.flush());
        }
    }

    fn clear(&self) {
        self.note("");
    }
}

//! `wasmote experiment run PLAN`

mod junit;
mod kubernetes;
mod text_report;

use std::path::PathBuf;

use anyhow::anyhow;
use clap::Args as ClapArgs;
use clap::builder::{EnumValueParser, TypedValueParser};
use serde_json::json;
use wasmote_engine::Engine;
use wasmote_experiment::execute::{ExecutionMode, execute};
use wasmote_experiment::live_run::LiveEnv;
use wasmote_experiment::plan::Experiment;
use wasmote_experiment::point::Overrides;
use wasmote_experiment::progress::Totals;
use wasmote_experiment::results::{ResultsWriter, cores};
use wasmote_experiment::source::PlanSource;
use wasmote_fleet::config::compile_cache;
use wasmote_fleet::config::options::Options;
use wasmote_fleet::config::options::subset::{Components, Live, Subset};
use wasmote_fleet::config::resolve::fetch::fetcher_of_flags;
use wasmote_fleet::config::values::{BrokerChoice, LogFormat, format_broker_url};
use wasmote_fleet::logging;
use wasmote_fleet::printable::Printable;
use wasmote_fleet::signals::Signals;
use wasmote_fleet::source::Source;
use wasmote_fleet::term::{ERROR, json_to_stdout, to_stderr};
use wasmote_report::{self, ReportFiles};
use wasmote_results::{RunEntry, Summary, TimeMode, write_atomically};

use super::failure;
use super::progress;
use crate::cli::Failure;
use crate::exit::Exit;

/// Values of `--time`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum TimeArg {
    /// Virtual time: computed as fast as possible, with the same outcome every time
    Virtual,
    /// Real time: with a broker, sockets and the clock
    Real,
}

impl From<TimeArg> for TimeMode {
    fn from(time: TimeArg) -> Self {
        match time {
            TimeArg::Virtual => Self::Virtual,
            TimeArg::Real => Self::Real,
        }
    }
}

/// Arguments of `wasmote experiment run`.
#[derive(ClapArgs, Clone, Debug)]
pub struct Args {
    /// A plan: a file, or a name
    plan: String,
    /// Number of runs with different seeds, from the plan's first seed on [default: as the plan says]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=100_000))]
    seeds: Option<u64>,
    /// Set a field of the plan, such as faults.loss.probability=0.2 or group.heartbeat.count=50
    #[arg(long, value_name = "PATH=VALUE")]
    set: Vec<String>,
    /// Time base: `virtual`, computed and reproducible, or `real`, with a broker, sockets and the clock
    #[arg(long, value_name = "TIME", default_value = "virtual",
        value_parser = EnumValueParser::<TimeArg>::new().map(TimeMode::from))]
    time: TimeMode,
    #[command(flatten)]
    live: Subset<Live>,
    #[command(flatten)]
    components: Subset<Components>,
    /// Folder for results
    #[arg(short, long, value_name = "DIR", default_value = "results")]
    out: PathBuf,
    /// Number of parallel runs in virtual time [default: one for each core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4096))]
    workers: Option<u32>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// File for the verdicts as JUnit, for CI
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    #[command(flatten)]
    cluster: kubernetes::ClusterArgs,
}

impl Args {
    /// The command that reproduces the results. It leaves out the output folder and the number of workers, which do not
    /// affect them.
    fn command(&self) -> String {
        let mut arguments = vec!["wasmote experiment run".to_owned(), shell_quoted(&self.plan)];
        arguments.extend(self.seeds.map(|seeds| format!("--seeds {seeds}")));
        arguments.extend(self.set.iter().map(|set| format!("--set {}", shell_quoted(set))));
        arguments.extend(self.live_arguments());
        arguments.join(" ")
    }
}

impl Args {
    /// Command-line arguments for real time, without the password, which is secret.
    fn live_arguments(&self) -> Vec<String> {
        if self.time == TimeMode::Virtual {
            return Vec::new();
        }
        let live = &self.live;
        let broker = live.broker.as_ref().map(|broker| match broker {
            BrokerChoice::Embedded(BrokerChoice::PORT) => "embedded".to_owned(),
            BrokerChoice::Embedded(port) => format!("embedded:{port}"),
            BrokerChoice::Remote(url) => format_broker_url(url),
        });
        let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
        let arguments = [
            ("--broker", broker),
            ("--broker-user", live.broker_user.clone()),
            ("--broker-password-file", path(&live.broker_password_file)),
            ("--ca", path(&live.ca)),
            ("--cert", path(&live.cert)),
            ("--key", path(&live.key)),
            ("--clean-up", live.clean_up.map(|what| what.name().to_owned())),
        ];
        let given = arguments
            .into_iter()
            .filter_map(|(flag, value)| Some(format!("{flag} {}", shell_quoted(&value?))));
        ["--time real".to_owned()].into_iter().chain(given).collect()
    }

    /// Rejects flags of the other time base.
    fn check(&self) -> Result<(), Failure> {
        let flag = match self.time {
            TimeMode::Virtual => self.live.flag(),
            TimeMode::Real => self.workers.map(|_| "--workers"),
        };
        match (flag, self.time) {
            (None, _) => Ok(()),
            (Some(flag), TimeMode::Virtual) => {
                Err(Failure::usage(anyhow!("{flag} is for real time; add `--time real`, or leave it out")))
            }
            (Some(flag), TimeMode::Real) => Err(Failure::usage(anyhow!(
                "{flag} is for virtual time: runs in real time come one after the other; leave it out"
            ))),
        }
    }
}

/// A shell word, quoted where necessary.
fn shell_quoted(value: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@%+".contains(c);
    if !value.is_empty() && value.chars().all(plain) {
        return value.to_owned();
    }
    format!("'{}'", value.replace('\'', r"'\''"))
}

/// Runs the plan. The JUnit file exists from the beginning and counts as a failure until the experiment has ended, so that
/// neither an error nor a killed process leaves the file of an earlier experiment behind.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    let Some(file) = &args.junit else { return run_plan(args) };
    let write = |problem: &str| {
        let text = junit::failed(&args.plan, problem).map_err(Failure::failed)?;
        write_atomically(file, text.as_bytes()).map_err(|problem| {
            Failure::failed(anyhow!("--junit: cannot write `{}`: {problem}", file.display()))
        })
    };
    write("the experiment has not ended")?;
    let outcome = run_plan(args);
    if let Err(failure) = &outcome {
        write(&failure.to_string())?;
    }
    outcome
}

fn run_plan(args: &Args) -> Result<Exit, Failure> {
    if let Some(flag) = args.cluster.unexpected_flag() {
        let problem = anyhow!("{flag} is for runs on a cluster; add `--on kubernetes`, or leave it out");
        return Err(Failure::usage(problem));
    }
    args.check()?;
    if args.cluster.on.is_some() {
        return kubernetes::run(args);
    }
    // First, so that a signal at any time ends the program cleanly.
    let totals = Totals { signals: Some(Signals::listen().map_err(Failure::failed)?), ..Totals::default() };
    let mut overrides = Overrides::parse(&args.set, args.seeds).map_err(failure)?;
    if args.time == TimeMode::Real {
        overrides.live = Options::clone(&args.live);
        logging::start(LogFormat::Text);
    }
    let fetcher = fetcher_of_flags(&args.components).map_err(Failure::usage)?;
    let source = PlanSource::find(&args.plan, &fetcher).map_err(failure)?;
    wasmote_fleet::preflight::check_threads().map_err(Failure::failed)?;
    let engine = Engine::with_cache(compile_cache::of_environment()).map_err(Failure::failed)?;
    let experiment = Experiment::validated(source, &overrides, &engine).map_err(failure)?;
    // In real time the log has it.
    if args.time == TimeMode::Virtual {
        fetched_lines(&experiment).into_iter().for_each(to_stderr);
    }
    let mode = match args.time {
        TimeMode::Virtual => {
            ExecutionMode::Virtual(args.workers.map_or_else(cores, |workers| workers as usize))
        }
        TimeMode::Real => ExecutionMode::Real(LiveEnv::open(&experiment, engine).map_err(failure)?),
    };
    let results = ResultsWriter::create(&args.out, &experiment, args.time, args.command());
    let mut results = results.map_err(failure)?;
    let summaries = progress::with_progress(&experiment, &totals, |totals| {
        execute(&experiment, &mut results, &mode, totals)
    });
    let summaries = summaries.map_err(Failure::failed)?;
    let report = wasmote_report::html(&results.folder).map_err(Failure::failed)?;
    if let Some(file) = &args.junit {
        let text = junit::document(&experiment, &results, &summaries).map_err(Failure::failed)?;
        write_atomically(file, text.as_bytes()).map_err(Failure::failed)?;
    }
    if args.json {
        json_to_stdout(json(&results, &summaries, &report));
    } else {
        text_report::print(&experiment, &results, &summaries, &report);
    }
    Ok(report_verdict(results.manifest.complete, &summaries))
}

/// What the references of a plan are today.
fn fetched_lines(experiment: &Experiment) -> Vec<String> {
    let fetcher = experiment.source.models.fetcher();
    let remote = experiment.inspections().into_iter();
    let remote = remote.filter(|(source, _)| matches!(source.unpinned(), Source::Remote(_)));
    remote.map(|(source, _)| format!("{} is {}", source.display_name(), source.described(fetcher))).collect()
}

fn json(results: &ResultsWriter, summaries: &[Summary], report: &ReportFiles) -> String {
    let runs = results.manifest.runs.iter().zip(summaries);
    let run = |(entry, summary): (&RunEntry, &Summary)| {
        let mut run = json!(summary);
        run["path"] = entry.path.as_str().into();
        run["real_seconds"] = json!(entry.real_seconds);
        run
    };
    let plan = results.manifest.plan.name.as_str();
    let folder = results.folder.display().to_string();
    let whole = json!({
        "plan": plan,
        "folder": folder,
        "complete": results.manifest.complete,
        "verdict": verdict(results.manifest.complete, summaries).name(),
        "report": report.page.display().to_string(),
        "runs": runs.map(run).collect::<Vec<_>>(),
    });
    format!("{whole:#}")
}

/// The exit of an experiment. A failure comes before an interrupt, and an interrupt before a missed threshold.
fn verdict(complete: bool, summaries: &[Summary]) -> Exit {
    let failed = |summary: &Summary| !summary.ledger_closes || !summary.failures.is_empty();
    match summaries.iter().all(Summary::holds) {
        _ if summaries.iter().any(failed) => Exit::Failed,
        _ if !complete => Exit::Interrupted,
        true => Exit::Done,
        false => Exit::ThresholdMissed,
    }
}

/// The exit of an experiment, whose reasons are the last words on stderr.
fn report_verdict(complete: bool, summaries: &[Summary]) -> Exit {
    let mut reasons: Vec<(String, usize)> = Vec::new();
    let open = |summary: &&Summary| !summary.ledger_closes;
    let open = summaries.iter().filter(open).map(|_| "the ledger of a run does not close".to_owned());
    for reason in open.chain(summaries.iter().flat_map(|summary| summary.failures.clone())) {
        match reasons.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, count)) => *count += 1,
            None => reasons.push((reason, 1)),
        }
    }
    for (reason, count) in reasons {
        let runs = match (count, summaries.len()) {
            (_, 1) => String::new(),
            (count, all) => format!(" (in {count} of {all} runs)"),
        };
        to_stderr(format_args!("{ERROR}error:{ERROR:#} {}{runs}", Printable(reason)));
    }
    verdict(complete, summaries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_quoted_for_the_shell() {
        assert_eq!(shell_quoted("faults.loss.probability=0.2"), "faults.loss.probability=0.2");
        assert_eq!(shell_quoted("a b"), "'a b'");
        assert_eq!(shell_quoted("it's"), r"'it'\''s'");
    }
}

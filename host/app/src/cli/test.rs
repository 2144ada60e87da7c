//! `wasmote test`: the scenarios of a project, or of a component.

mod junit;

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use clap::Args as ClapArgs;
use serde::Serialize;
use serde_json::Map;
use wasmote_engine::Engine;
use wasmote_experiment::ExperimentError;
use wasmote_fleet::config::compile_cache;
use wasmote_fleet::printable::Printable;
use wasmote_fleet::signals::Signals;
use wasmote_fleet::source::Source;
use wasmote_fleet::term::{ERROR, FAINT, GOOD, STRONG, json_to_stdout, to_stdout};
use wasmote_project::builder::BuildError;
use wasmote_project::manifest::{Kind, Project};
use wasmote_project::scenario::document::{ScenarioFile, Subject};
use wasmote_project::scenario::evaluate::Check;
use wasmote_project::scenario::run::{Outcome, Scenarios};

use super::Failure;
use super::build::{ProjectArgs, build, shown};
use crate::exit::Exit;

/// Shown before the flags.
pub const EXAMPLES: &str = "\
Examples:
  wasmote test                                          build the project, and run all scenarios in its tests/
  wasmote test tests/commands.toml                      only this one
  wasmote test --update                                 write the golden traces of this run
  wasmote test --behaviour ./my.wasm scenarios/*.toml   a component without a project
  wasmote test --behaviour sensor s.toml --junit r.xml  a built-in behaviour; results for CI";

/// Shown after the flags.
pub const NOTES: &str = "\
A scenario is a TOML file with a configuration, a timeline of messages, requests and faults, and what is expected; \
docs/own-behaviours.md describes it, and `wasmote schema scenario` its fields. It runs through the real engine and the broker \
model in virtual time, so equal scenarios have equal outcomes.

Exit codes: 0 all passed; 1 a scenario or the build failed; 2 usage, or an invalid scenario; 130 interrupted.";

/// Arguments of `wasmote test`.
#[derive(ClapArgs, Debug)]
pub struct Args {
    #[command(flatten)]
    project: ProjectArgs,
    /// Scenario files, or folders with some [default: the folder `tests` of the project]
    scenarios: Vec<PathBuf>,
    /// Test this component in place of a project: a file, a folder with one, or a built-in behaviour
    #[arg(long, value_name = "BEHAVIOUR", conflicts_with = "project")]
    behaviour: Option<String>,
    /// Do not build the project first
    #[arg(long, conflicts_with = "behaviour")]
    no_build: bool,
    /// Write the golden traces that scenarios name, in place of comparing them
    #[arg(long)]
    update: bool,
    /// Write the outcomes as JUnit XML, for CI
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// All outcomes, as `--json` prints them.
#[derive(Serialize)]
struct Report<'a> {
    passed: usize,
    failed: usize,
    scenarios: &'a [Outcome],
}

/// What is tested: the component and the scenarios.
struct Target {
    subject: Option<Subject>,
    files: Vec<PathBuf>,
}

/// Runs the scenarios.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    let signals = Signals::listen().map_err(Failure::failed)?;
    let Some(Target { subject, files }) = target(args, &signals)? else { return Ok(Exit::Interrupted) };
    let read = |path: &PathBuf| ScenarioFile::read(path, &shown(path), subject.as_ref()).map_err(failure);
    let files: Vec<ScenarioFile> = files.iter().map(read).collect::<Result<_, _>>()?;
    let engine = Engine::with_cache(compile_cache::of_environment()).map_err(Failure::failed)?;
    let scenarios = Scenarios::new(files, subject.map(|subject| subject.name), &engine).map_err(failure)?;
    let mut outcomes = Vec::new();
    for index in 0..scenarios.count() {
        if signals.received() {
            return Ok(Exit::Interrupted);
        }
        let Some(outcome) = scenarios.run(index, args.update) else { break };
        let outcome = outcome.map_err(failure)?;
        if !args.json {
            print(&outcome);
        }
        outcomes.push(outcome);
    }
    if let Some(file) = &args.junit {
        let document = junit::document(&outcomes).map_err(Failure::failed)?;
        std::fs::write(file, document).map_err(|problem| {
            Failure::failed(anyhow!("--junit: cannot write `{}`: {problem}", file.display()))
        })?;
    }
    let failed = outcomes.iter().filter(|outcome| !outcome.passed).count();
    let passed = outcomes.len() - failed;
    if args.json {
        let report = Report { passed, failed, scenarios: &outcomes };
        json_to_stdout(serde_json::to_string_pretty(&report).map_err(Failure::failed)?);
    } else {
        let style = if failed == 0 { GOOD } else { ERROR };
        let all = outcomes.len();
        let s = if all == 1 { "" } else { "s" };
        to_stdout(format_args!("{style}{all} scenario{s}: {passed} passed, {failed} failed{style:#}"));
    }
    Ok(if failed == 0 { Exit::Done } else { Exit::Failed })
}

fn failure(problem: ExperimentError) -> Failure {
    if problem.is_usage() { Failure::usage(problem) } else { Failure::failed(problem) }
}

/// The component and the scenarios; `None` if a signal ended the build.
fn target(args: &Args, signals: &Signals) -> Result<Option<Target>, Failure> {
    let invalid = |setting: &str, problem: String| Err(Failure::usage(anyhow!("{setting}: {problem}")));
    if let Some(name) = &args.behaviour {
        let here = std::env::current_dir().map_err(Failure::failed)?;
        let source =
            Source::find(name, &here).map_err(|problem| Failure::usage(anyhow!("--behaviour: {problem}")))?;
        if args.scenarios.is_empty() {
            return invalid("SCENARIOS", "name at least one scenario for --behaviour".to_owned());
        }
        let (config, limits) = (Map::new(), Map::new());
        let subject = Subject { name: source.name(), source, config, limits };
        return Ok(Some(Target { subject: Some(subject), files: find(&args.scenarios)? }));
    }
    let project = args.project.find()?;
    let tests = project.folder.join(&project.manifest.tests);
    let named = if args.scenarios.is_empty() { vec![tests] } else { args.scenarios.clone() };
    // The scenarios are found before a build that may take long.
    let files = find(&named)?;
    if args.no_build {
        if !project.component().is_file() {
            return invalid(
                "--no-build",
                format!("`{}` does not exist; build it first", shown(&project.component())),
            );
        }
    } else {
        match build(&project, signals) {
            Err(BuildError::Cancelled) => return Ok(None),
            built => drop(built.map_err(Failure::failed)?),
        }
    }
    Ok(Some(Target { subject: subject(&project), files }))
}

/// The behaviour of a project. A fault model has no devices of its own.
pub fn subject(project: &Project) -> Option<Subject> {
    (project.manifest.kind == Kind::Behaviour).then(|| Subject {
        name: project.manifest.name.clone(),
        source: Source::File(project.component()),
        config: project.manifest.config.clone(),
        limits: project.manifest.limits.clone(),
    })
}

/// The scenario files that paths name: files as they are, and the `.toml` and `.json` files of folders by name.
fn find(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let unreadable =
            |problem| Failure::usage(anyhow!("cannot read the folder `{}`: {problem}", shown(path)));
        let mut found = Vec::new();
        for entry in std::fs::read_dir(path).map_err(unreadable)? {
            let file = entry.map_err(unreadable)?.path();
            let is_scenario = file.extension().is_some_and(|end| end == "toml" || end == "json");
            if is_scenario && file.is_file() {
                found.push(file);
            }
        }
        if found.is_empty() {
            return Err(Failure::usage(anyhow!(
                "there is no scenario in the folder `{}`, so nothing would be tested; write one such as `{}`",
                shown(path),
                Path::new(&shown(path)).join("first.toml").display()
            )));
        }
        found.sort();
        files.extend(found);
    }
    Ok(files)
}

fn print(outcome: &Outcome) {
    let (style, word) = if outcome.passed { (GOOD, "pass") } else { (ERROR, "FAIL") };
    let count = outcome.checks.len();
    let s = if count == 1 { "" } else { "s" };
    let Outcome { file, simulated_s, real_s, .. } = outcome;
    let written = if outcome.trace_written { ", trace written" } else { "" };
    to_stdout(format_args!(
        "{style}{word}{style:#}  {STRONG}{file}{STRONG:#}  {FAINT}{count} expectation{s}, {simulated_s} s in {:.0} ms{written}{FAINT:#}",
        real_s * 1e3
    ));
    for check in outcome.checks.iter().filter(|check| !check.passed) {
        let Check { field, expected, found, instead, .. } = check;
        to_stdout(format_args!("  {field}: expected {}", Printable(expected)));
        to_stdout(format_args!(
            "    found {}{}",
            Printable(found),
            if instead.is_empty() { "" } else { "; instead:" }
        ));
        for line in instead {
            to_stdout(format_args!("    {}", Printable(line)));
        }
    }
}

//! `wasmote dev`: a small fleet of a project that follows its sources.

use std::io::IsTerminal;
use std::thread;
use std::time::Duration;

use anyhow::anyhow;
use clap::Args as ClapArgs;
use serde_json::{Map, Value};
use wasmote_fleet::config::options::Options;
use wasmote_fleet::config::options::subset::{Selection, Subset};
use wasmote_fleet::config::resolve::resolve;
use wasmote_fleet::config::values::{DeviceCount, DurationValue, Switch};
use wasmote_fleet::key_value::Assignments;
use wasmote_fleet::logging;
use wasmote_fleet::printable::Printable;
use wasmote_fleet::signals::Signals;
use wasmote_fleet::term::{ERROR, GOOD, to_stderr};
use wasmote_project::builder::{BuildError, Built};
use wasmote_project::manifest::{FILE, Kind, Project};
use wasmote_project::watch::{Stamps, changed, stamps};

use super::Failure;
use super::build::{ProjectArgs, build, shown};
use crate::exit::Exit;
use crate::run;

/// Shown after the flags.
pub const NOTES: &str = "\
Builds the project and runs its fleet (`fleet` in wasmote.toml, or three devices of its behaviour), with the page at the address \
of the HTTP API. Each change of the sources is built; the devices swap to the new component while they run, with their state \
(`snapshot` and `restore`) and their connections. If a build or a new component fails, the old one goes on. Ctrl-C ends it.";

/// Interval at which the sources are looked at.
const POLL_INTERVAL: Duration = Duration::from_millis(250);
/// Number of devices without a fleet file.
const DEVICES: u32 = 3;
/// How long one device tries a new component before the others follow.
const CANARY: Duration = Duration::from_secs(1);

/// The options of `wasmote run` that `wasmote dev` takes.
#[derive(Clone, Debug)]
pub enum DevOptions {}

impl Selection for DevOptions {
    const IDS: &[&str] = &[
        "devices",
        "device_config",
        "broker",
        "http",
        "faults",
        "seed",
        "duration",
        "canary",
        "cache",
        "log",
        "log_messages",
    ];
}

/// Arguments of `wasmote dev`.
#[derive(ClapArgs, Debug)]
pub struct Args {
    #[command(flatten)]
    project: ProjectArgs,
    /// Do not open the page in a browser; without a terminal it is never opened
    #[arg(long)]
    no_open: bool,
    #[command(flatten)]
    options: Subset<DevOptions>,
}

/// Runs the fleet until a signal arrives.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    let signals = Signals::listen().map_err(Failure::failed)?;
    let project = args.project.find()?;
    let mut builds = Builds { project, signals: signals.clone(), seen: Stamps::new() };
    if !builds.first()? {
        // No fleet runs yet, so nothing was cut short.
        return Ok(Exit::Done);
    }
    let options = options(args, &builds.project)?;
    let settings = resolve(&options).map_err(Failure::usage)?;
    logging::start(settings.log);
    thread::spawn(move || builds.follow());
    run::run(&settings, signals).map_err(Failure::failed)
}

fn options(args: &Args, project: &Project) -> Result<Options, Failure> {
    let flags: Options = (*args.options).clone();
    let canary = flags.canary.unwrap_or(DurationValue(CANARY));
    let open = !args.no_open && std::io::stderr().is_terminal();
    // Lines about single messages would hide the messages of builds; the page shows them.
    let log_messages = flags.log_messages.or(Some(Switch::Off));
    let flags = Options { watch: Some(true), canary: Some(canary), open: Some(open), log_messages, ..flags };
    match project.fleet() {
        Some(fleet) => Ok(Options { config_file: Some(fleet), ..flags }),
        None => own_fleet(project, flags),
    }
}

/// A fleet of the project's behaviour alone.
pub fn own_fleet(project: &Project, flags: Options) -> Result<Options, Failure> {
    if project.manifest.kind == Kind::FaultModel {
        return Err(Failure::usage(anyhow!(
            "{FILE}: fleet: it is missing: a fault model needs a fleet whose faults name it"
        )));
    }
    let assignments = |values: &Map<String, Value>| -> Result<Vec<Assignments>, Failure> {
        match values.is_empty() {
            true => Ok(Vec::new()),
            false => Ok(vec![Value::Object(values.clone()).to_string().parse().map_err(Failure::usage)?]),
        }
    };
    Ok(Options {
        behaviour: Some(project.component().display().to_string()),
        devices: flags.devices.or(Some(DeviceCount(DEVICES))),
        // Those of the command line come later and take precedence.
        device_config: [assignments(&project.manifest.config)?, flags.device_config.clone()].concat(),
        limit: [assignments(&project.manifest.limits)?, flags.limit.clone()].concat(),
        ..flags
    })
}

/// Builds of a project when its sources change.
struct Builds {
    project: Project,
    signals: Signals,
    /// The sources of the last build.
    seen: Stamps,
}

impl Builds {
    /// Builds until a build succeeds; after a failure it waits for a change. False if a signal ended it.
    fn first(&mut self) -> Result<bool, Failure> {
        loop {
            self.seen = stamps(&self.project).map_err(Failure::failed)?;
            match build(&self.project, &self.signals) {
                Ok(built) => {
                    report(&built, "");
                    return Ok(true);
                }
                Err(BuildError::Cancelled) => return Ok(false),
                Err(problem) if problem.is_of_sources() => {
                    print_failure(&problem, "waiting for a change of the sources");
                    self.seen = stamps(&self.project).map_err(Failure::failed)?;
                    if self.wait_for_change().is_none() {
                        return Ok(false);
                    }
                }
                Err(problem) => return Err(Failure::failed(problem)),
            }
        }
    }

    /// Builds after each change, until a signal arrives. The fleet's watcher takes the component.
    fn follow(mut self) {
        while let Some(path) = self.wait_for_change() {
            to_stderr(format_args!("{} has changed; building", Printable(&path)));
            if self.project.fleet().is_some_and(|fleet| fleet.ends_with(&path)) {
                to_stderr("the fleet keeps its configuration until `wasmote dev` starts again");
            }
            // The build command itself may have changed.
            match Project::read(&self.project.folder) {
                Ok(project) => self.project = project,
                Err(problem) => {
                    print_failure(&problem, "the old component goes on");
                    continue;
                }
            }
            match build(&self.project, &self.signals) {
                Ok(built) => report(&built, self.outcome(&built)),
                Err(BuildError::Cancelled) => return,
                Err(problem) => print_failure(&problem, "the old component goes on"),
            }
        }
    }

    fn outcome(&self, built: &Built) -> &'static str {
        match (built.changed, self.project.manifest.kind) {
            (false, _) => "; it is the same as before",
            (true, Kind::Behaviour) => "; the devices swap to it",
            (true, Kind::FaultModel) => {
                "; the fleet keeps the old fault model until `wasmote dev` starts again"
            }
        }
    }

    /// Waits until the sources differ from those of the last build and stay the same for one poll. Returns a changed path;
    /// `None` if a signal arrived.
    fn wait_for_change(&mut self) -> Option<String> {
        let mut last = self.seen.clone();
        let mut last_problem = None;
        loop {
            thread::sleep(POLL_INTERVAL);
            if self.signals.received() {
                return None;
            }
            let now = match stamps(&self.project) {
                Ok(now) => now,
                Err(problem) => {
                    let problem = problem.to_string();
                    if last_problem.as_ref() != Some(&problem) {
                        print_failure(&problem, "the sources cannot be watched");
                        last_problem = Some(problem);
                    }
                    continue;
                }
            };
            let is_stable = now == last;
            let path = changed(&self.seen, &now, &self.project.folder);
            last = now;
            if let (true, Some(path)) = (is_stable, path) {
                self.seen = last;
                return Some(path);
            }
        }
    }
}

fn report(built: &Built, outcome: &str) {
    let (path, bytes, seconds) = (shown(&built.path), built.bytes.len(), built.duration.as_secs_f64());
    to_stderr(format_args!("{GOOD}built{GOOD:#} {path}, {bytes} bytes, in {seconds:.1} s{outcome}"));
}

fn print_failure(problem: &dyn std::fmt::Display, then: &str) {
    to_stderr(format_args!("{ERROR}error:{ERROR:#} {}; {then}", Printable(problem)));
}

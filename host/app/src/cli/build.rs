//! `wasmote build`: the component of a project.

use std::path::{Path, PathBuf};

use clap::Args as ClapArgs;
use serde::Serialize;
use wasmote_engine::Engine;
use wasmote_fleet::component_info::ComponentInfo;
use wasmote_fleet::signals::Signals;
use wasmote_fleet::source::Source;
use wasmote_fleet::term::{json_to_stdout, to_stdout};
use wasmote_project::builder::{self, BuildError, Built};
use wasmote_project::manifest::{Project, ProjectError};
use wasmote_registry::fetcher::Fetcher;

use super::Failure;
use crate::exit::Exit;

/// Shown after the flags.
pub const NOTES: &str = "\
Runs the build command of `wasmote.toml`, turns its artefact into a component if it is a core module, and checks that a device \
can use it.";

/// The project that a subcommand works on.
#[derive(ClapArgs, Clone, Debug)]
pub struct ProjectArgs {
    /// Folder of the project [default: the nearest one with a `wasmote.toml`, from here upwards]
    #[arg(long, value_name = "DIR")]
    pub project: Option<PathBuf>,
}

/// Arguments of `wasmote build`.
#[derive(ClapArgs, Debug)]
pub struct Args {
    #[command(flatten)]
    project: ProjectArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// The component, as `--json` prints it.
#[derive(Serialize)]
struct Report<'a> {
    #[serde(flatten)]
    component: ComponentInfo,
    path: &'a Path,
    seconds: f64,
}

impl ProjectArgs {
    /// Finds the project.
    pub fn find(&self) -> Result<Project, Failure> {
        let found = match &self.project {
            // Errors of a folder that the user names do not send them elsewhere.
            Some(folder) => Project::read(folder),
            None => Project::find(Path::new(".")),
        };
        found.map_err(|problem| match problem {
            ProjectError::Unreadable { .. } | ProjectError::NoManifest(_) | ProjectError::Document(_) => {
                Failure::usage(problem)
            }
        })
    }
}

/// Builds a project. A signal ends its command.
pub fn build(project: &Project, signals: &Signals) -> Result<Built, BuildError> {
    builder::build(project, &|| signals.received())
}

/// Builds the project, and shows the component.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    let signals = Signals::listen().map_err(Failure::failed)?;
    let project = args.project.find()?;
    let built = match build(&project, &signals) {
        Err(BuildError::Cancelled) => return Ok(Exit::Interrupted),
        built => built.map_err(Failure::failed)?,
    };
    let source = Source::File(built.path.clone());
    let engine = Engine::new().map_err(Failure::failed)?;
    let component = ComponentInfo::new(
        &source,
        super::behaviours::inspect_source(&source, &engine, &Fetcher::default())?,
    );
    if args.json {
        let seconds = built.duration.as_secs_f64();
        let report = Report { component, path: &built.path, seconds };
        json_to_stdout(serde_json::to_string_pretty(&report).map_err(Failure::failed)?);
    } else {
        let ComponentInfo { role, size_bytes, memory_bytes, .. } = &component;
        to_stdout(format_args!(
            "{}  {role}, {size_bytes} bytes, {memory_bytes} bytes of memory, built in {:.1} s",
            shown(&built.path),
            built.duration.as_secs_f64()
        ));
    }
    Ok(Exit::Done)
}

/// A path relative to the working directory, if it is below it.
pub fn shown(path: &Path) -> String {
    let here = std::env::current_dir().ok();
    let relative = here.as_ref().and_then(|here| path.strip_prefix(here).ok());
    relative.unwrap_or(path).display().to_string()
}

//! Build of a project: its setup commands, its build command, and the component made from the artefact.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use std::{fs, io, thread};

use wasmote_fleet::regular_file;

use crate::component::{self, ComponentError};
use crate::create::{list_missing, missing};
use crate::language::Language;
use crate::manifest::{FILE, Project};
use crate::toolchain::search_path;

/// Interval at which a running command is looked at.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// A component that was built.
#[derive(Clone, Debug)]
pub struct Built {
    /// Its file.
    pub path: PathBuf,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Whether the file has other bytes than before.
    pub changed: bool,
    /// Duration of the build.
    pub duration: Duration,
}

/// Reason why a project was not built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The program of a command is not there.
    #[error("{command}: the program `{program}` cannot be started: {problem}{advice}")]
    NoProgram {
        /// The command's field in the manifest.
        command: String,
        /// The program.
        program: String,
        /// The error of the system.
        problem: io::Error,
        /// The tools that are missing, or nothing.
        advice: String,
    },
    /// A command failed.
    #[error("the command `{command}` failed ({status}); its messages are above{advice}")]
    Failed {
        /// The command.
        command: String,
        /// How it ended.
        status: ExitStatus,
        /// The tools that are missing, or nothing.
        advice: String,
    },
    /// The build was cancelled.
    #[error("the build was cancelled")]
    Cancelled,
    /// The artefact does not exist.
    #[error(
        "the build command succeeded, and did not write `{}`: correct `artefact` or `build` in {FILE}", .0.display()
    )]
    NoArtefact(PathBuf),
    /// The artefact is no component, and cannot become one.
    #[error("`{}`: {problem}", path.display())]
    Component {
        /// The artefact.
        path: PathBuf,
        /// The reason.
        problem: ComponentError,
    },
    /// A file cannot be read or written.
    #[error("cannot use `{}`: {problem}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        problem: io::Error,
    },
}

impl BuildError {
    /// Whether a change of the project's sources may mend it.
    pub fn is_of_sources(&self) -> bool {
        matches!(self, Self::Failed { .. } | Self::Component { .. } | Self::NoArtefact(_))
    }
}

/// Builds the project. Messages of its commands go to stderr. `cancelled` is asked while they run.
pub fn build(project: &Project, cancelled: &dyn Fn() -> bool) -> Result<Built, BuildError> {
    let began = Instant::now();
    for (index, setup) in project.manifest.setup.iter().enumerate() {
        if !project.folder.join(&setup.unless).exists() {
            run(project, &format!("setup[{index}].run"), &setup.run, cancelled)?;
        }
    }
    let artefact = project.folder.join(&project.manifest.artefact);
    // Some compilers do not create the folder of their output.
    if let Some(folder) = artefact.parent() {
        fs::create_dir_all(folder).map_err(|problem| BuildError::Io { path: folder.to_owned(), problem })?;
    }
    run(project, "build", &project.manifest.build, cancelled)?;
    if !artefact.exists() {
        return Err(BuildError::NoArtefact(project.manifest.artefact.clone()));
    }
    let bytes = read(&artefact)?;
    let bytes = component::component(bytes)
        .map_err(|problem| BuildError::Component { path: project.manifest.artefact.clone(), problem })?;
    let path = project.component();
    let changed =
        write_if_changed(&path, &bytes).map_err(|problem| BuildError::Io { path: path.clone(), problem })?;
    Ok(Built { path, bytes, changed, duration: began.elapsed() })
}

fn read(path: &Path) -> Result<Vec<u8>, BuildError> {
    let mut bytes = Vec::new();
    let read = regular_file::open(path).and_then(|mut file| io::Read::read_to_end(&mut file, &mut bytes));
    read.map(|_| bytes).map_err(|problem| BuildError::Io { path: path.to_owned(), problem })
}

/// Replaces the file at once, unless it has these bytes, so that a running fleet never reads a half-written component.
fn write_if_changed(path: &Path, bytes: &[u8]) -> io::Result<bool> {
    if fs::read(path).is_ok_and(|old| old == bytes) {
        return Ok(false);
    }
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut partial = path.as_os_str().to_owned();
    partial.push(".partial");
    fs::write(&partial, bytes)?;
    fs::rename(&partial, path)?;
    Ok(true)
}

fn run(
    project: &Project,
    field: &str,
    command: &[String],
    cancelled: &dyn Fn() -> bool,
) -> Result<(), BuildError> {
    let Some((program, arguments)) = command.split_first() else { return Ok(()) };
    let mut process = Command::new(program);
    process
        .args(arguments)
        .current_dir(&project.folder)
        .stdin(Stdio::null())
        // Stdout is for the data of this program.
        .stdout(Stdio::from(io::stderr()));
    if let Some(path) = search_path(&project.folder) {
        process.env("PATH", path);
    }
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut process, 0);
    let mut child = process.spawn().map_err(|problem| BuildError::NoProgram {
        command: format!("{FILE}: {field}"),
        program: program.clone(),
        problem,
        advice: advice(project),
    })?;
    let status = wait(&mut child, cancelled)
        .map_err(|problem| BuildError::Io { path: PathBuf::from(program), problem })?;
    match status {
        None => Err(BuildError::Cancelled),
        Some(status) if status.success() => Ok(()),
        Some(status) => {
            Err(BuildError::Failed { command: command.join(" "), status, advice: advice(project) })
        }
    }
}

/// Waits for a process; `None` if it was cancelled and has been ended, together with the processes that it started.
fn wait(child: &mut Child, cancelled: &dyn Fn() -> bool) -> io::Result<Option<ExitStatus>> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if cancelled() {
            end(child)?;
            return child.wait().map(|_| None);
        }
        thread::sleep(POLL_INTERVAL);
    }
}

#[cfg(unix)]
fn end(child: &mut Child) -> io::Result<()> {
    use rustix::process::{Pid, Signal, kill_process_group};
    match Pid::from_raw(child.id().cast_signed()) {
        Some(group) => Ok(kill_process_group(group, Signal::KILL)?),
        None => child.kill(),
    }
}

#[cfg(not(unix))]
fn end(child: &mut Child) -> io::Result<()> {
    child.kill()
}

/// The tools of the project's language that are missing, for the end of an error.
fn advice(project: &Project) -> String {
    let language = project.manifest.language.as_ref().and_then(|name| Language::find(name).ok());
    let missing = language.map(|language| missing(&language, Some(&project.folder))).unwrap_or_default();
    match missing.is_empty() {
        true => String::new(),
        false => format!("; tools are missing: {}", list_missing(&missing)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::Manifest;

    fn project(folder: &Path, build: &str) -> Project {
        let text = format!("name = \"a\"\nbuild = [\"sh\", \"-c\", {build:?}]\nartefact = \"out.wasm\"\n");
        Project { folder: folder.to_owned(), manifest: Manifest::parse(&text, FILE).unwrap() }
    }

    const EMPTY_COMPONENT: &str = "printf '\\0asm\\015\\0\\001\\0' > out.wasm";

    #[test]
    fn the_artefact_becomes_the_component_and_an_equal_one_is_not_written_again() {
        let folder = tempfile::tempdir().unwrap();
        let project = project(folder.path(), EMPTY_COMPONENT);
        let built = build(&project, &|| false).unwrap();
        assert_eq!((built.path, built.changed), (folder.path().join("build/a.wasm"), true));
        assert!(!build(&project, &|| false).unwrap().changed);
    }

    #[test]
    fn failures_say_what_to_mend() {
        let folder = tempfile::tempdir().unwrap();
        let problem = |build: &str| {
            let problem = super::build(&project(folder.path(), build), &|| false).unwrap_err();
            problem.to_string()
        };
        assert!(problem("exit 3").contains("failed (exit status: 3)"));
        assert!(problem("true").contains("did not write `out.wasm`: correct `artefact`"));
        assert!(problem("echo x > out.wasm").contains("no WebAssembly"));
        let mut absent = project(folder.path(), "");
        absent.manifest.build = vec!["no-such-program-here".into()];
        let text = super::build(&absent, &|| false).unwrap_err().to_string();
        assert!(
            text.starts_with("wasmote.toml: build: the program `no-such-program-here` cannot be"),
            "{text}"
        );
    }

    #[test]
    fn setup_runs_once() {
        let folder = tempfile::tempdir().unwrap();
        let mut project = project(folder.path(), EMPTY_COMPONENT);
        let run = ["sh", "-c", "echo x >> done"].map(str::to_owned).to_vec();
        project.manifest.setup = vec![crate::manifest::Setup { run, unless: "done".into() }];
        build(&project, &|| false).unwrap();
        build(&project, &|| false).unwrap();
        assert_eq!(fs::read_to_string(folder.path().join("done")).unwrap(), "x\n");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_cancelled_build_ends_with_its_children() {
        let folder = tempfile::tempdir().unwrap();
        let project = project(folder.path(), "sleep 1000 & echo $! > started; wait");
        let started = folder.path().join("started");
        let child = || fs::read_to_string(&started).ok().filter(|text| text.ends_with('\n'));
        let outcome = build(&project, &|| child().is_some());
        assert!(matches!(outcome, Err(BuildError::Cancelled)), "{outcome:?}");
        let status = format!("/proc/{}/stat", child().unwrap().trim());
        // The process that inherits an ended child may not have collected it yet: a zombie.
        let ended = || fs::read_to_string(&status).map_or(true, |text| text.contains(") Z "));
        let end = Instant::now() + Duration::from_secs(10);
        while !ended() {
            assert!(Instant::now() < end, "the child of the build command still runs");
            thread::sleep(POLL_INTERVAL);
        }
    }
}

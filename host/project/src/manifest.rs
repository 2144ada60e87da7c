//! `wasmote.toml`: the description of a project.
//!
//! ```toml
//! name = "thermostat"
//! language = "rust"
//! build = ["cargo", "build", "--release", "--target", "wasm32-unknown-unknown"]
//! artefact = "target/wasm32-unknown-unknown/release/thermostat.wasm"
//! fleet = "fleet.toml"
//! ```

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use wasmote_fleet::document::{self, DocumentError, Format};
use wasmote_fleet::regular_file;
use wasmote_sim::limits::Limits;

/// Name of the file.
pub const FILE: &str = "wasmote.toml";
/// Folder of the component, unless the manifest names another file.
const COMPONENT_FOLDER: &str = "build";
/// Longest name of a project; also that of a group of devices.
const MAX_NAME: usize = 40;

/// A project of one behaviour or one fault model. Its paths are relative to its folder.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Name of the behaviour or of the fault model: lower-case letters, digits and `-`.
    pub name: String,
    /// What the project makes; a behaviour by default.
    #[serde(default)]
    pub kind: Kind,
    /// Language of the template, whose tools are named if the build command is not found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// Command that builds the artefact, as a list of program and arguments. It runs in the folder of the project.
    #[schemars(length(min = 1))]
    pub build: Vec<String>,
    /// File that the build command writes: a component, or a core module that describes its world.
    pub artefact: PathBuf,
    /// The component; `build/NAME.wasm` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<PathBuf>,
    /// Commands that run once before the first build, such as `npm ci`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub setup: Vec<Setup>,
    /// Folder of the scenarios; `tests` by default.
    #[serde(default = "tests")]
    pub tests: PathBuf,
    /// Configuration of the fleet of `wasmote dev`; three devices of the project by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fleet: Option<PathBuf>,
    /// Files and folders whose changes `wasmote dev` waits for; by default all of the project but results of builds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub watch: Vec<PathBuf>,
    /// Configuration of the behaviour in scenarios and benchmarks, and in `wasmote dev` without a fleet.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub config: Map<String, Value>,
    /// Resource limits of a device of the project there.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    #[schemars(with = "Limits")]
    pub limits: Map<String, Value>,
}

fn tests() -> PathBuf {
    PathBuf::from("tests")
}

/// What a project makes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The application code of devices.
    #[default]
    Behaviour,
    /// A fault model, which decides about messages.
    FaultModel,
}

impl Kind {
    /// The folder of the kind in a template.
    pub fn folder(self) -> &'static str {
        match self {
            Self::Behaviour => "behaviour",
            Self::FaultModel => "fault-model",
        }
    }
}

/// A command that runs before a build if a file or folder is missing.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Setup {
    /// The command, as a list of program and arguments.
    #[schemars(length(min = 1))]
    pub run: Vec<String>,
    /// The command does not run if this file or folder exists.
    pub unless: PathBuf,
}

impl Manifest {
    /// Parses and checks a manifest. `shown` is the name of its file for errors.
    pub fn parse(text: &str, shown: &str) -> Result<Self, DocumentError> {
        let parsed = document::parse::<Self>(text, Format::Toml);
        parsed.and_then(Self::checked).map_err(|problem| problem.in_file(shown))
    }

    fn checked(self) -> Result<Self, DocumentError> {
        check_name(&self.name).map_err(|problem| DocumentError::at("name", problem))?;
        let commands = self.setup.iter().enumerate();
        let commands = commands.map(|(index, setup)| (format!("setup[{index}].run"), &setup.run));
        for (field, command) in commands.chain([("build".to_owned(), &self.build)]) {
            if command.first().is_none_or(String::is_empty) {
                let problem = "it names no program; write a list such as [\"cargo\", \"build\"]";
                return Err(DocumentError::at(field, problem));
            }
        }
        Ok(self)
    }
}

/// Checks the name of a project, which is also that of a package in its language.
pub fn check_name(name: &str) -> Result<(), String> {
    let is_legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let problem = match name {
        "" => "it is empty",
        _ if name.len() > MAX_NAME => "it is longer than 40 characters",
        _ if !name.chars().all(is_legal) => "it has other characters than lower-case letters, digits and `-`",
        _ if !name.starts_with(|c: char| c.is_ascii_lowercase()) => "it does not begin with a letter",
        _ if name.ends_with('-') || name.contains("--") => "a `-` must stand between letters or digits",
        _ => return Ok(()),
    };
    Err(format!("`{name}`: {problem}; write a name such as `room-sensor`"))
}

/// A project on disk.
#[derive(Clone, Debug)]
pub struct Project {
    /// Its folder.
    pub folder: PathBuf,
    /// Its manifest.
    pub manifest: Manifest,
}

/// Reason why a project cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ProjectError {
    /// No manifest was found.
    #[error(
        "there is no `{FILE}` in `{}` or in a folder above it: go to a project, name one with --project DIR, or make one with \
         `wasmote new NAME`", .0.display()
    )]
    NoManifest(PathBuf),
    /// The manifest cannot be read.
    #[error("cannot read `{}`: {problem}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        problem: std::io::Error,
    },
    /// The manifest is invalid.
    #[error(transparent)]
    Document(#[from] DocumentError),
}

impl Project {
    /// Finds the project of a folder: the manifest is there, or in a folder above.
    pub fn find(start: &Path) -> Result<Self, ProjectError> {
        let unreadable = |problem| ProjectError::Unreadable { path: start.to_owned(), problem };
        let start = start.canonicalize().map_err(unreadable)?;
        let folder = start.ancestors().find(|folder| folder.join(FILE).exists());
        Self::read(folder.ok_or_else(|| ProjectError::NoManifest(start.clone()))?)
    }

    /// Reads the project in a folder.
    pub fn read(folder: &Path) -> Result<Self, ProjectError> {
        let path = folder.join(FILE);
        let text = regular_file::read_text(&path)
            .map_err(|problem| ProjectError::Unreadable { path: path.clone(), problem })?;
        Ok(Self { folder: folder.to_owned(), manifest: Manifest::parse(&text, &path.display().to_string())? })
    }

    /// The component's file.
    pub fn component(&self) -> PathBuf {
        let default = || Path::new(COMPONENT_FOLDER).join(format!("{}.wasm", self.manifest.name));
        self.folder.join(self.manifest.component.clone().unwrap_or_else(default))
    }

    /// The fleet file of `wasmote dev`.
    pub fn fleet(&self) -> Option<PathBuf> {
        Some(self.folder.join(self.manifest.fleet.as_ref()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALLEST: &str = "name = \"a\"\nbuild = [\"make\"]\nartefact = \"a.wasm\"\n";

    fn problem(text: &str) -> String {
        Manifest::parse(text, FILE).unwrap_err().to_string()
    }

    #[test]
    fn defaults_are_those_of_the_documentation() {
        let manifest = Manifest::parse(SMALLEST, FILE).unwrap();
        assert_eq!((manifest.kind, manifest.tests.as_path()), (Kind::Behaviour, Path::new("tests")));
        let project = Project { folder: "/p".into(), manifest };
        assert_eq!(project.component(), Path::new("/p/build/a.wasm"));
    }

    #[test]
    fn errors_name_the_field_and_a_remedy() {
        assert_eq!(
            problem(&format!("{SMALLEST}artifact = 1\n")),
            "wasmote.toml:4:1: artifact: there is no such field; did you mean `artefact`?"
        );
        assert!(
            problem("name = \"a\"\nbuild = []\nartefact = \"a\"\n").contains("build: it names no program")
        );
        assert!(problem("build = [\"make\"]\nartefact = \"a\"\n").ends_with("name: it is missing"));
        assert!(
            problem(&format!("{SMALLEST}kind = \"faultmodel\"\n")).contains("did you mean `fault-model`?")
        );
    }

    #[test]
    fn names_are_those_of_packages() {
        for name in ["a", "room-sensor", "x2"] {
            assert_eq!(check_name(name), Ok(()));
        }
        for name in ["", "Room", "2x", "-a", "a-", "a--b", "a_b", "a/b", "ä", &"a".repeat(41)] {
            assert!(check_name(name).unwrap_err().contains("write a name such as"), "{name}");
        }
    }

    #[test]
    fn a_project_is_found_from_a_folder_inside_it() {
        let folder = tempfile::tempdir().unwrap();
        let inside = folder.path().join("src/deep");
        std::fs::create_dir_all(&inside).unwrap();
        assert!(matches!(Project::find(&inside), Err(ProjectError::NoManifest(_))));
        std::fs::write(folder.path().join(FILE), SMALLEST).unwrap();
        assert_eq!(Project::find(&inside).unwrap().folder, folder.path().canonicalize().unwrap());
    }
}

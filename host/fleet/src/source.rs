//! Source of a behaviour: a built-in name, a file, or a folder.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use wasmote_mqtt::device_id::is_name;

use crate::builtins;
use crate::component_file::{self, ComponentFileError};
use crate::regular_file;
use crate::suggest::did_you_mean;

/// A resolved source.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// A component in this binary, by name.
    Builtin(String),
    /// A file.
    File(PathBuf),
    /// A folder, such as a mounted ConfigMap, and the component file that was chosen in it.
    Folder {
        /// The folder.
        folder: PathBuf,
        /// The file, as chosen by [`choose_component`].
        file: PathBuf,
    },
}

/// Error of finding or reading a behaviour.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The text is neither a built-in name nor a path.
    #[error("there is no behaviour `{name}`: it is no file or folder, and no built-in one ({builtin}){hint}")]
    Unknown {
        /// The text.
        name: String,
        /// The built-in names.
        builtin: String,
        /// The nearest name, as a question.
        hint: String,
    },
    /// The folder contains no component.
    #[error("the folder `{}` contains no `.wasm` file; put one there, or name a file", .0.display())]
    Empty(PathBuf),
    /// The folder contains several components.
    #[error("the folder `{}` contains several `.wasm` files ({names}) and none is named `behaviour.wasm`; name one of them",
        folder.display())]
    Ambiguous {
        /// The folder.
        folder: PathBuf,
        /// Names of the components.
        names: String,
    },
    /// The file system returned an error.
    #[error("cannot read `{}`: {problem}", path.display())]
    Unreadable {
        /// The file or folder.
        path: PathBuf,
        /// The error.
        problem: io::Error,
    },
    /// The file is too large, or invalid gzip.
    #[error("cannot use `{}`: {problem}", path.display())]
    ComponentFile {
        /// The file.
        path: PathBuf,
        /// The reason.
        problem: ComponentFileError,
    },
}

/// Name of the preferred component in a folder with several, without extension.
const DEFAULT_NAME: &str = "behaviour";

/// File extensions of components, plain and compressed, in order of preference. The content decides whether a file is
/// decompressed.
const EXTENSIONS: [&str; 2] = [".wasm", ".wasm.gz"];

impl Source {
    /// The text that names it in a plan or on the command line.
    pub fn text(&self) -> String {
        match self {
            Self::Builtin(name) => name.clone(),
            Self::File(path) | Self::Folder { folder: path, .. } => path.display().to_string(),
        }
    }

    /// Resolves a built-in name or a path, which is relative to `folder`.
    pub fn find(name: &str, folder: &Path) -> Result<Self, SourceError> {
        if builtins::find(name).is_some() {
            return Ok(Self::Builtin(name.into()));
        }
        let path = folder.join(name);
        if path.is_dir() {
            return choose_component(&path).map(|file| Self::Folder { folder: path, file });
        }
        if path.exists() {
            return match regular_file::check(&path) {
                Ok(()) => Ok(Self::File(path)),
                Err(problem) => Err(SourceError::Unreadable { path, problem }),
            };
        }
        let names: Vec<_> = builtins::all().map(|builtin| builtin.name).collect();
        let hint = did_you_mean(name, names.iter().copied());
        Err(SourceError::Unknown { name: name.into(), builtin: names.join(", "), hint })
    }

    /// Name of the behaviour: the built-in name, or the file's name without its extension.
    pub fn name(&self) -> String {
        match self {
            Self::Builtin(name) => name.clone(),
            Self::File(path) | Self::Folder { file: path, .. } => {
                let stem = component_name(path);
                let legal = |c: char| if is_name(c.encode_utf8(&mut [0; 4])) { c } else { '-' };
                let name: String = stem.chars().map(legal).take(64).collect();
                if name.is_empty() { "behaviour".into() } else { name }
            }
        }
    }

    /// The built-in name or the path, for messages.
    pub fn display_name(&self) -> String {
        match self {
            Self::Builtin(name) => name.clone(),
            Self::File(path) | Self::Folder { file: path, .. } => path.display().to_string(),
        }
    }

    /// The component's file; `None` for a built-in behaviour.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::Builtin(_) => None,
            Self::File(path) | Self::Folder { file: path, .. } => Some(path),
        }
    }

    /// Reads the component's bytes, decompressed.
    pub fn read(&self) -> Result<Vec<u8>, SourceError> {
        match self {
            Self::Builtin(name) => Ok(builtins::find(name).map(|it| it.bytes.to_vec()).unwrap_or_default()),
            Self::File(path) | Self::Folder { file: path, .. } => {
                component_file::read(path).map_err(|problem| match problem {
                    ComponentFileError::Unreadable(problem) => {
                        SourceError::Unreadable { path: path.clone(), problem }
                    }
                    problem => SourceError::ComponentFile { path: path.clone(), problem },
                })
            }
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Builtin(_) => f.write_str("built-in"),
            Self::File(path) | Self::Folder { file: path, .. } => path.display().fmt(f),
        }
    }
}

/// Chooses the component of a folder, with the same result at start and while the folder is watched:
///
/// 1. `behaviour.wasm`, else `behaviour.wasm.gz`.
/// 2. The only component. `NAME.wasm` and `NAME.wasm.gz` count as one component, and `NAME.wasm` is chosen: a ConfigMap has
///    both if an earlier version of this program wrote the compressed one and `kubectl create configmap` the other.
pub fn choose_component(folder: &Path) -> Result<PathBuf, SourceError> {
    let mut files = list_components(folder)?;
    files.sort_by_key(|file| {
        let name = component_name(file);
        // Of a plain and a compressed file with one name, the plain one comes first, because its name is shorter.
        (name != DEFAULT_NAME, name, file.as_os_str().len())
    });
    let Some(first) = files.first() else { return Err(SourceError::Empty(folder.into())) };
    let name = component_name(first);
    if name != DEFAULT_NAME && files.iter().any(|file| component_name(file) != name) {
        let names = files.iter().filter_map(|file| file.file_name()?.to_str()).collect::<Vec<_>>();
        return Err(SourceError::Ambiguous { folder: folder.into(), names: names.join(", ") });
    }
    Ok(first.clone())
}

/// Name of a component file without its extension.
fn component_name(path: &Path) -> String {
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    let stem = EXTENSIONS.iter().find_map(|extension| file.strip_suffix(extension));
    stem.map_or_else(|| path.file_stem().unwrap_or_default().to_string_lossy().into_owned(), str::to_owned)
}

/// The component files of a folder, sorted by name, without hidden ones.
pub fn list_components(folder: &Path) -> Result<Vec<PathBuf>, SourceError> {
    let unreadable = |problem| SourceError::Unreadable { path: folder.into(), problem };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let is_component =
            !name.starts_with('.') && EXTENSIONS.iter().any(|extension| name.ends_with(extension));
        if is_component && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            std::fs::write(folder.path().join(file), b"\0asm").unwrap();
        }
        folder
    }

    #[test]
    fn a_folder_resolves_to_its_only_component_or_the_default_file() {
        let one = folder(&["thermostat.wasm", "README.md", ".hidden.wasm"]);
        assert_eq!(Source::find(".", one.path()).unwrap().name(), "thermostat");
        let several = folder(&["a.wasm", "behaviour.wasm", "z.wasm"]);
        assert_eq!(Source::find(".", several.path()).unwrap().name(), "behaviour");
        let ambiguous = folder(&["a.wasm", "z.wasm"]);
        let problem = Source::find(".", ambiguous.path()).unwrap_err().to_string();
        assert!(problem.contains("(a.wasm, z.wasm)"), "{problem}");
        assert!(matches!(Source::find(".", folder(&[]).path()), Err(SourceError::Empty(_))));
    }

    #[test]
    fn a_plain_and_a_compressed_file_with_one_name_are_one_component() {
        let both = folder(&["sensor.wasm.gz", "sensor.wasm"]);
        assert_eq!(choose_component(both.path()).unwrap(), both.path().join("sensor.wasm"));
        let default = folder(&["behaviour.wasm.gz", "sensor.wasm", "sensor.wasm.gz"]);
        assert_eq!(choose_component(default.path()).unwrap(), default.path().join("behaviour.wasm.gz"));
        let others = folder(&["a.wasm.gz", "a.wasm", "b.wasm.gz"]);
        let problem = choose_component(others.path()).unwrap_err().to_string();
        assert!(problem.contains("(a.wasm, a.wasm.gz, b.wasm.gz)"), "{problem}");
    }

    #[test]
    fn a_file_name_is_sanitized_for_a_group_name() {
        let odd = folder(&["my device.wasm"]);
        let source = Source::find("my device.wasm", odd.path()).unwrap();
        assert_eq!(source.name(), "my-device");
        assert_eq!(Source::find(".", folder(&["lamp.wasm.gz"]).path()).unwrap().name(), "lamp");
        assert_eq!(source.read().unwrap(), b"\0asm");
    }

    #[test]
    fn an_unknown_name_lists_the_builtin_ones_and_guesses() {
        let problem = Source::find("hartbeat", Path::new(".")).unwrap_err().to_string();
        assert!(problem.contains("heartbeat, sensor, routing, aggregator, replay"), "{problem}");
        assert!(problem.ends_with("did you mean `heartbeat`?"), "{problem}");
    }
}

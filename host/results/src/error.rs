//! Errors of reading a results folder.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::FORMAT;

/// Reason why a file of a results folder cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The folder has no manifest.
    #[error("{}: there is no manifest.json; name a folder that `wasmote experiment run` wrote", dir.display())]
    NoManifest {
        /// The folder.
        dir: PathBuf,
    },
    /// Another version of the program wrote the folder.
    #[error("{}: format is {found}, and this version of wasmote reads {FORMAT}", file.display())]
    Format {
        /// The manifest.
        file: PathBuf,
        /// The format that the manifest names.
        found: u32,
    },
    /// The file is missing or cannot be opened.
    #[error("{}: {source}", file.display())]
    Io {
        /// The file.
        file: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The file has invalid content.
    #[error("{}{malformed}", file.display())]
    Malformed {
        /// The file.
        file: PathBuf,
        /// The place in the file, and the problem.
        malformed: Malformed,
    },
}

/// A problem in the content of a file, and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// Line and column, from 1, where they are known.
    pub location: Option<(usize, usize)>,
    /// Column of a table, or path of a JSON field; empty if the problem concerns the whole.
    pub field: String,
    /// The problem.
    pub problem: String,
}

/// Text to append to the name of the file: `:3:1: upper_bound_s: ...`.
impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((line, column)) = self.location {
            write!(f, ":{line}:{column}")?;
        }
        f.write_str(": ")?;
        if !self.field.is_empty() {
            write!(f, "{}: ", self.field)?;
        }
        f.write_str(&self.problem)
    }
}

impl Malformed {
    pub(crate) fn new(location: Option<(usize, usize)>, field: &str, problem: impl Into<String>) -> Self {
        Self { location, field: field.to_owned(), problem: problem.into() }
    }

    pub(crate) fn in_file(self, file: &Path) -> ReadError {
        ReadError::Malformed { file: file.to_path_buf(), malformed: self }
    }
}

/// The name of the field in serde's message about a missing field.
pub(crate) fn missing_field(message: &str) -> Option<&str> {
    message.strip_prefix("missing field `")?.strip_suffix('`')
}

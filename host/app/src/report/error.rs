//! Why there is no report.

use std::path::PathBuf;

use crate::document::DocumentError;

/// What is wrong with a results folder, or with the place for the report.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The folder is none of ours.
    #[error(
        "{}: there is no manifest.json; name a folder that `wasmote experiment run` wrote",
        dir.display()
    )]
    NoResults {
        /// The folder.
        dir: PathBuf,
    },
    /// A newer or older program wrote it.
    #[error("{}: format is {found}, and this version of wasmote reads 1", file.display())]
    Format {
        /// The manifest.
        file: PathBuf,
        /// What it says.
        found: u64,
    },
    /// A file is missing or out of reach.
    #[error("{}: {source}", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A file does not hold what it should.
    #[error(transparent)]
    Malformed(#[from] DocumentError),
    /// The report has no place to go.
    #[error("{}: cannot be written: {source}", file.display())]
    Write {
        /// The file.
        file: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A comparison of fewer than two.
    #[error("a comparison takes two results folders or more")]
    TooFew,
    /// A comparison with a folder in which no run ended.
    #[error("{}: no run of it has ended, so there is nothing to compare", dir.display())]
    Empty {
        /// The folder.
        dir: PathBuf,
    },
}

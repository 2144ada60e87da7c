//! Errors of reports and comparisons.

use std::path::PathBuf;

use wasmote_results::ReadError;

/// Reason why a report cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The results folder cannot be read.
    #[error(transparent)]
    Results(#[from] ReadError),
    /// A file of the report cannot be written.
    #[error("{}: cannot be written: {source}", file.display())]
    Write {
        /// The file.
        file: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// An event that cannot be explained.
    #[error("{}: {problem}", dir.display())]
    Unexplained {
        /// The folder.
        dir: PathBuf,
        /// The problem, and the remedy.
        problem: String,
    },
    /// A comparison of fewer than two folders.
    #[error("a comparison needs two or more results folders")]
    TooFew,
    /// A comparison with a folder in which no run ended.
    #[error("{}: none of its runs has ended, so there is nothing to compare", dir.display())]
    Empty {
        /// The folder.
        dir: PathBuf,
    },
}

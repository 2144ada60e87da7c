//! Reports: a results folder as a page to read, plots to publish, and folders side by side.
//!
//! * [`results`] reads a folder back; [`cohort`] puts together the runs that differ in their seed alone.
//! * [`metric`] says by which figures runs are judged, [`statistics`] how sure they are, [`number`] how they are
//!   written.
//! * [`figures`] chooses what is plotted; [`plot`] draws it.
//! * [`mod@html`] is the page, [`svg`] the plots as files, [`mod@compare`] two folders or more with their differences.
//! * [`stale`] says whether a page and its plots are those that this version makes.
//!
//! The same folder makes the same bytes: nothing here reads a clock, a locale or the network.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod cohort;
pub mod compare;
pub mod error;
pub mod escape;
pub mod figures;
pub mod html;
pub mod metric;
pub mod number;
pub mod plot;
pub mod results;
pub mod stale;
pub mod statistics;
pub mod svg;
pub mod write;

use std::path::{Path, PathBuf};

pub use compare::Comparison;
pub use error::Error;
use results::Results;

/// What a report was written to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportFiles {
    /// The page.
    pub page: PathBuf,
    /// The plots.
    pub plots: Vec<PathBuf>,
    /// Whether all runs of the plan had ended.
    pub complete: bool,
}

/// Write `report.html` and `plots/*.svg` into a results folder. What is there of an earlier report is replaced.
///
/// # Errors
/// A file of the results is missing or malformed, which is named with its line, or the folder cannot be
/// written to.
pub fn html(dir: &Path) -> Result<ReportFiles, Error> {
    let results = Results::read(dir)?;
    let (page, figures) = html::page(&results);
    let plots = svg::write(&dir.join("plots"), &figures)?;
    let file = dir.join("report.html");
    write::file(&file, &page)?;
    Ok(ReportFiles { page: file, plots, complete: results.is_complete() })
}

/// Put results folders side by side; the first is what the others are compared with.
///
/// # Errors
/// There are fewer than two, one has no run that ended, or a file is missing or malformed.
pub fn compare(dirs: &[PathBuf]) -> Result<Comparison, Error> {
    let all: Result<Vec<Results>, Error> = dirs.iter().map(|dir| Results::read(dir)).collect();
    Comparison::new(all?)
}

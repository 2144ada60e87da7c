//! Reports of results folders: an HTML page with plots, plots as SVG files, and comparisons of several folders.
//!
//! * [`results`] reads a folder; [`cohort`] groups the runs that differ only in their seed.
//! * [`metric`] defines the metrics of a run, [`statistics`] their means and intervals, [`number`] their text format.
//! * [`figures`] defines the plots of a report; [`plot`] draws them.
//! * [`mod@html`] writes the page, [`svg`] the plot files, [`mod@compare`] the comparison of two or more folders.
//! * [`journeys`]: what became of single messages of a run.
//! * [`recording`]: runs for the page, which `replay.html` and `wasmote experiment view` show.
//! * [`explain`]: the causes of an event, from the events of a run.
//! * [`sequence`]: sequence diagrams of the events that lead to a failure.
//! * [`stale`] detects pages and plots that another version wrote.
//!
//! The same folder gives the same bytes: the crate reads no clock, locale or network.

pub mod cohort;
pub mod compare;
pub mod error;
pub mod escape;
pub mod explain;
pub mod figures;
pub mod html;
pub mod journeys;
pub mod metric;
pub mod number;
pub mod plot;
pub mod recording;
pub mod results;
pub mod sequence;
pub mod stale;
pub mod statistics;
pub mod svg;
pub mod write;

use std::path::{Path, PathBuf};

pub use compare::Comparison;
pub use error::Error;
use results::Results;
use wasmote_page::recording::Recording;

/// Files of a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportFiles {
    /// The page.
    pub page: PathBuf,
    /// The plots.
    pub plots: Vec<PathBuf>,
    /// True if all runs of the plan have ended.
    pub complete: bool,
}

/// Name of the page that shows runs over time.
pub const REPLAY: &str = "replay.html";

/// Most events of messages and logs in a `replay.html`.
const MAX_REPLAY_EVENTS: usize = 20_000;

/// The page that shows the runs over time, as many as fit into one file; `None` if no run has ended, or if the first is too
/// large.
///
/// # Errors
/// A file of the run is missing or malformed.
pub fn replay_page(results: &Results) -> Result<Option<String>, Error> {
    let mut recordings = Vec::new();
    let (mut bytes, mut journey_bytes) = (0, journeys::MAX_REPLAY_BYTES);
    for run in &results.runs {
        let recording = replayed(results, run, &mut journey_bytes)?;
        bytes += serde_json::to_string(&recording).map_or(usize::MAX, |json| json.len());
        if bytes > wasmote_page::replay::MAX_BYTES - PAGE_MARGIN {
            break;
        }
        recordings.push(recording);
    }
    let (shown, all) = (recordings.len(), results.runs.len());
    if shown < all
        && let Some(first) = recordings.first_mut()
    {
        let others =
            format!("This file has {shown} of {all} runs; `wasmote experiment view` shows all of them.");
        first.truncated = [&*first.truncated, &others].join(" ").trim().to_owned();
    }
    Ok(if recordings.is_empty() { None } else { wasmote_page::replay::replay_html(&recordings) })
}

/// Bytes of recordings that are left for commas and for a sentence about what is missing.
const PAGE_MARGIN: usize = 4 << 10;

/// The recording of a run with its journeys, as far as these bytes go.
fn replayed(results: &Results, run: &results::Run, journey_bytes: &mut usize) -> Result<Recording, Error> {
    let mut recording = recording::recording(results, &run.entry, MAX_REPLAY_EVENTS)?;
    let (kept, left) = journeys::Journeys::read(results, &run.entry, None)?.first(*journey_bytes);
    *journey_bytes -= serde_json::to_string(&kept).map_or(0, |json| json.len()).min(*journey_bytes);
    recording.journeys = kept;
    if left > 0 {
        let text = format!("The journeys of {left} later messages are not part of it.");
        recording.truncated = [&*recording.truncated, &text].join(" ").trim().to_owned();
    }
    Ok(recording)
}

/// Writes `report.html`, `replay.html` and `plots/*.svg` into a results folder. Replaces an earlier report.
///
/// # Errors
/// A file of the results is missing or malformed, or the folder cannot be written to. The error names the file, with
/// the line if there is one.
pub fn html(dir: &Path) -> Result<ReportFiles, Error> {
    let results = Results::read(dir)?;
    let (page, figures) = html::page(&results);
    let plots = svg::write(&dir.join("plots"), &figures)?;
    let file = dir.join("report.html");
    write::file(&file, &page)?;
    let replay = dir.join(REPLAY);
    match replay_page(&results)? {
        Some(page) => write::file(&replay, &page)?,
        // The page of an earlier report would show other results.
        None => write::remove(&replay)?,
    }
    Ok(ReportFiles { page: file, plots, complete: results.is_complete() })
}

/// Compares results folders. The first is the baseline of all differences.
///
/// # Errors
/// There are fewer than two folders, one of them has no run that ended, or a file is missing or malformed.
pub fn compare(dirs: &[PathBuf]) -> Result<Comparison, Error> {
    let all: Result<Vec<Results>, Error> = dirs.iter().map(|dir| Results::read(dir)).collect();
    Comparison::new(all?)
}

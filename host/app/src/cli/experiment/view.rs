//! `wasmote experiment view DIR...`

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::anyhow;
use tokio::net::TcpListener;
use wasmote_api::viewer::{self, Runs};
use wasmote_fleet::config::values::HttpAddress;
use wasmote_fleet::signals::Signals;
use wasmote_fleet::startup::{browsable_address, listen};
use wasmote_fleet::term::{to_stderr, to_stdout};
use wasmote_page::journey::Journey;
use wasmote_report::journeys::Journeys;
use wasmote_report::recording::recording;
use wasmote_report::results::Results;

use crate::browser;
use crate::cli::Failure;
use crate::exit::Exit;

/// Most events of messages and logs in one recording: a browser keeps them all.
const MAX_EVENTS: usize = 300_000;

/// Arguments of `wasmote experiment view`.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Results folders
    #[arg(required = true, value_name = "DIR")]
    folders: Vec<PathBuf>,
    /// Address of the page; port 0 chooses a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:5001")]
    http: HttpAddress,
    /// Open the page in a browser
    #[arg(long)]
    open: bool,
}

/// Serves the page until a signal arrives.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    let mut signals = Signals::listen().map_err(Failure::failed)?;
    let results: Result<Vec<_>, _> = args.folders.iter().map(|folder| Results::read(folder)).collect();
    let shown = Shown::new(results.map_err(Failure::failed)?);
    if shown.runs.is_empty() {
        return Err(Failure::failed(anyhow!(
            "none of these folders has a run that has ended, so there is nothing to show"
        )));
    }
    let (listener, address) = listen(args.http).map_err(Failure::failed)?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Failure::failed)?;
    let url = format!("http://{}", browsable_address(address));
    to_stdout(format_args!("{url}"));
    to_stderr(format_args!("{} runs; Ctrl-C ends the page", shown.runs.len()));
    if args.open {
        browser::open(&url);
    }
    let served = runtime.block_on(async {
        let listener = TcpListener::from_std(listener)?;
        tokio::select! {
            () = viewer::serve(listener, Arc::new(shown)) => {}
            () = signals.first() => {}
        }
        std::io::Result::Ok(())
    });
    runtime.shutdown_background();
    served.map_err(Failure::failed)?;
    Ok(Exit::Done)
}

/// The runs of several results folders.
struct Shown {
    results: Vec<Results>,
    /// For each run, its folder and its number there.
    runs: Vec<(usize, usize)>,
}

impl Shown {
    fn new(results: Vec<Results>) -> Self {
        let numbers = |(at, results): (usize, &Results)| {
            (0..results.runs.len()).map(move |run| (at, run)).collect::<Vec<_>>()
        };
        let runs = results.iter().enumerate().flat_map(numbers).collect();
        Self { results, runs }
    }
}

impl Runs for Shown {
    fn titles(&self) -> Vec<String> {
        let title = |(at, run): &(usize, usize)| {
            let results = &self.results[*at];
            let entry = &results.runs[*run].entry;
            let folder = results.dir.file_name().unwrap_or(results.dir.as_os_str()).to_string_lossy();
            let seed = format!("seed {}", entry.seed);
            [vec![folder.into_owned()], entry.point_texts(), vec![seed]].concat().join(", ")
        };
        self.runs.iter().map(title).collect()
    }

    fn recording(&self, run: usize) -> Result<String, String> {
        let (at, run) = self.runs[run];
        let results = &self.results[at];
        let recording = recording(results, &results.runs[run].entry, MAX_EVENTS)
            .map_err(|problem| problem.to_string())?;
        serde_json::to_string(&recording).map_err(|problem| problem.to_string())
    }

    fn journey(&self, run: usize, id: &str) -> Result<Option<Journey>, String> {
        let (at, run) = self.runs[run];
        let results = &self.results[at];
        let journeys = Journeys::read(results, &results.runs[run].entry, Some(id));
        Ok(journeys.map_err(|problem| problem.to_string())?.journey(id))
    }
}

//! `wasmote experiment explain DIR`

use std::path::PathBuf;

use serde_json::json;
use wasmote_fleet::printable::Printable;
use wasmote_fleet::term::{FAINT, STRONG, json_to_stdout, to_stdout};
use wasmote_report::explain::{Cause, Subject, explain};

use crate::cli::Failure;
use crate::exit::Exit;

/// Notes after the help.
pub const NOTES: &str = "\
Prints an event and below it its causes, backwards through messages, connections and faults; what has no cause below it was
caused by a timer of a behaviour, or by the plan. DIR is the folder of one run in virtual time, such as a results folder with
one run, or finding-1/run of a hunt. Only recorded events can be explained: log_messages = \"on\" in the plan keeps every message.";

/// Arguments of `wasmote experiment explain`.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Folder of a run
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Explain the first violation of this invariant [default: the first violation]
    #[arg(long, value_name = "NAME", conflicts_with_all = ["event", "message"])]
    violation: Option<String>,
    /// Explain the event of this step, as events.ndjson numbers them
    #[arg(long, value_name = "N", conflicts_with = "message")]
    event: Option<u64>,
    /// Explain the last message of this topic
    #[arg(long, value_name = "TOPIC")]
    message: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Prints the explanation.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    let subject = match (args.event, &args.message) {
        (Some(step), _) => Subject::Event(step),
        (None, Some(topic)) => Subject::Message(topic.clone()),
        (None, None) => Subject::Violation(args.violation.clone()),
    };
    let causes = explain(&args.folder, &subject).map_err(Failure::usage)?;
    if args.json {
        json_to_stdout(format_args!("{:#}", json!(causes)));
    } else {
        causes.iter().for_each(print);
    }
    Ok(Exit::Done)
}

fn print(cause: &Cause) {
    let indent = "  ".repeat(cause.depth);
    let relation = if cause.relation.is_empty() { String::new() } else { format!("{}: ", cause.relation) };
    let device = cause.device.as_deref().unwrap_or("broker");
    to_stdout(format_args!(
        "{FAINT}{:>9.3} s{FAINT:#} {indent}{FAINT}{relation}{FAINT:#}{STRONG}{device}{STRONG:#} {} {FAINT}(step {}){FAINT:#}",
        cause.t_s,
        Printable(&cause.text),
        cause.step
    ));
}

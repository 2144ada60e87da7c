//! `wasmote experiment`: plans in virtual time, or in real time.

pub mod compare;
pub mod list;
mod progress;
pub mod report;
pub mod run;
pub mod verify;

use clap::Subcommand;
use wasmote_experiment::ExperimentError;

use super::Failure;
use crate::exit::Exit;
use crate::schema::File;

const RUN_EXAMPLES: &str = "\
Examples:
  wasmote experiment run ten-nodes
  wasmote experiment run my-plan.toml --seeds 10 --out results
  wasmote experiment run fifty-nodes --set faults.loss.probability=0.3 --set duration=5m
  wasmote experiment run ten-nodes --json --junit junit.xml
  wasmote experiment run my-plan.toml --time real --broker mqtt://localhost:1883
  wasmote experiment run on-kubernetes --on kubernetes --image me/wasmote:0.1";

const RUN_NOTES: &str = "\
PLAN is a file, a plan in ./experiments, or one that ships: see `wasmote experiment list`.

The summary goes to stdout, everything else to a folder of its own below --out: report.html first of all, which any
browser shows without a network. Ctrl-C ends the runs where they are and still writes the report, marked as
incomplete; once more leaves at once.

With --time real the same plan runs on a real broker, the embedded one unless --broker names another, and takes as
long as it says. The HTTP API listens meanwhile, and what is changed through it is kept with the results: each run's
timeline-as-run.toml is a plan by which all of it happens again.

Exit codes: 0 done; 1 failed, or the ledger of a run does not close; 2 the plan makes no sense; 99 a threshold
is missed; 130 interrupted.";

const VERIFY_NOTES: &str = "\
Runs everything in DIR again from its own plan and components, and compares digests and files. What was run in real
time never comes out the same to the byte; for that it says what can be compared instead. Exit codes: 0 all is the
same, 1 something differs, 2 it was run in real time.";

/// What to do with experiments.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Run a plan and write a results folder
    #[command(before_help = RUN_EXAMPLES, after_help = RUN_NOTES, help_template = super::TEMPLATE)]
    Run(Box<run::Args>),
    /// Run the plan of a results folder again, and compare
    #[command(after_help = VERIFY_NOTES)]
    Verify(verify::Args),
    /// Write report.html and plots into results folders again
    Report(report::Args),
    /// Put results folders side by side, with their differences and how sure these are
    Compare(compare::Args),
    /// Show the plans in ./experiments and those that ship
    List(list::Args),
    /// Print the JSON Schema of plans, as `wasmote schema plan` does
    Schema,
}

/// Do it.
pub fn run(verb: Verb) -> Result<Exit, Failure> {
    match verb {
        Verb::Run(args) => run::run(&args),
        Verb::Verify(args) => verify::run(&args),
        Verb::Report(args) => report::run(&args),
        Verb::Compare(args) => compare::run(&args),
        Verb::List(args) => list::run(&args),
        Verb::Schema => super::schema::run_for(File::Plan),
    }
}

fn failure(problem: ExperimentError) -> Failure {
    if problem.is_usage() { Failure::usage(problem) } else { Failure::failed(problem) }
}

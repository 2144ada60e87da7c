//! `wasmote experiment`: plans in virtual time, or in real time.

pub mod compare;
pub mod explain;
pub mod hunt;
pub mod inspect;
pub mod list;
mod progress;
pub mod report;
pub mod run;
pub mod verify;
pub mod view;

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
PLAN is a file, the name of a plan in ./experiments, or that of a built-in plan: see `wasmote experiment list`.

The summary goes to stdout; all other results go to a new folder below --out, including report.html, which needs no
network. Ctrl-C ends the runs and still writes the report, marked as incomplete; a second Ctrl-C exits at once.

With --time real the same plan runs on a real broker, the embedded one unless --broker names another, for the duration
of the plan. The HTTP API is available during the runs, and the results record changes made through it: each run's
timeline-as-run.toml is a plan that repeats them.

Exit codes: 0 done; 1 failed, or the ledger of a run does not close, or a run failed: all devices of a group never ran,
were never connected (in real time) or had failed at the end, a fault model was put aside, the broker accepted no
message and no fault is the reason, or nothing was measured;
2 the plan is invalid; 99 a threshold is missed or an invariant is broken; 130 interrupted. A failure comes before all others. `failures` in
summary.json, the JUnit file and the last lines on stderr have the reasons.";

const VERIFY_NOTES: &str = "\
Runs all runs of DIR again from its plan and components, and compares digests and files. Runs in real time cannot be
repeated to the byte; for those the error names an alternative. Exit codes: 0 everything is identical, 1 something
differs, 2 the runs were in real time.";

/// The subcommands of `wasmote experiment`.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Run a plan and write a results folder
    #[command(before_help = RUN_EXAMPLES, after_help = RUN_NOTES, help_template = super::TEMPLATE)]
    Run(Box<run::Args>),
    /// Search for a failure in many short runs, and shrink the plan that fails
    #[command(before_help = hunt::EXAMPLES, after_help = hunt::NOTES, help_template = super::TEMPLATE)]
    Hunt(Box<hunt::Args>),
    /// Run the plan of a results folder again, and compare
    #[command(after_help = VERIFY_NOTES)]
    Verify(verify::Args),
    /// Show the state of devices and of the broker at one instant of a run
    #[command(after_help = inspect::NOTES)]
    Inspect(Box<inspect::Args>),
    /// Show the causes of an event or of a violation, back to timers and faults
    #[command(after_help = explain::NOTES)]
    Explain(explain::Args),
    /// Write report.html and plots of results folders again
    Report(report::Args),
    /// Show runs over time in a browser, from a page that this program serves
    View(view::Args),
    /// Compare results folders, with confidence intervals of the differences
    Compare(compare::Args),
    /// List the plans in ./experiments and the built-in plans
    List(list::Args),
    /// Print the JSON Schema of plans, as `wasmote schema plan` does
    Schema,
}

/// Runs a subcommand of `wasmote experiment`.
pub fn run(verb: Verb) -> Result<Exit, Failure> {
    match verb {
        Verb::Run(args) => run::run(&args),
        Verb::Hunt(args) => hunt::run(&args),
        Verb::Verify(args) => verify::run(&args),
        Verb::Inspect(args) => inspect::run(&args),
        Verb::Explain(args) => explain::run(&args),
        Verb::Report(args) => report::run(&args),
        Verb::View(args) => view::run(&args),
        Verb::Compare(args) => compare::run(&args),
        Verb::List(args) => list::run(&args),
        Verb::Schema => super::schema::run_for(File::Plan),
    }
}

fn failure(problem: ExperimentError) -> Failure {
    if problem.is_usage() { Failure::usage(problem) } else { Failure::failed(problem) }
}

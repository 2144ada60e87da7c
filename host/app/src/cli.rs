//! Command line of the program, with a module for each subcommand.

pub mod behaviours;
pub mod bench;
pub mod build;
pub mod certificates;
pub mod completions;
pub mod config;
pub mod dev;
pub mod doctor;
mod environment;
pub mod experiment;
pub mod fleet;
pub mod manifests;
pub mod new;
pub mod run;
pub mod schema;
pub mod test;
pub mod token;

use std::fmt;
use std::process::ExitCode;

use clap::{Command, CommandFactory, FromArgMatches, Parser, Subcommand};
use wasmote_engine::compile_process;
use wasmote_fleet::config::options::Options;
use wasmote_fleet::printable::Printable;
use wasmote_fleet::term::{self, ERROR, to_stderr};

use crate::compiling;
use crate::exit::Exit;

/// `{options}` and `{subcommands}` come after the examples.
const TEMPLATE: &str = "\
{about}

{before-help}{usage-heading} {usage}

{all-args}{after-help}";

const EXAMPLES: &str = "\
Examples:
  wasmote run                                   nine heartbeats, a broker, realistic faults
  wasmote run sensor -n 100 --faults none       100 sensors without faults
  wasmote run ./my.wasm --broker mqtt://host    your behaviour on your broker
  wasmote behaviours list                       the built-in behaviours and fault models
  wasmote new thermostat                        a project of your own behaviour
  wasmote experiment run ten-nodes              20 simulated minutes in a second, reproducible
  wasmote manifests --replicas 50               the same fleet, for Kubernetes
  curl http://127.0.0.1:5000/status             the status of a running fleet";

const RUN_EXAMPLES: &str = "\
Examples:
  wasmote run
  wasmote run sensor --devices 100 --duration 5m --faults none
  wasmote run --broker mqtts://broker.example --ca ca.pem --broker-user me --broker-password-file pw
  wasmote run heartbeat -n 1000 --device-config peers=2 --device-config interval=10s
  wasmote run ./behaviour.wasm --faults faults.toml --seed 42 --log json
  wasmote run --config fleet.toml";

const RUN_NOTES: &str = "\
A flag takes precedence over its environment variable, then over the configuration file, then over the default. \
An empty environment variable counts as not set. \
The fields of the file are named like the flags, with `_` for `-`; \
`[[group]]` tables describe devices with different behaviours.

Events of devices go to stderr (RUST_LOG sets the level), the line of totals to stdout.

Exit codes: 0 done, also if Ctrl-C or SIGTERM ends a run without --duration; \
1 failed, also if no device ever ran or was connected, or if all had failed at the end, and after the whole --duration \
also if that is true of all devices of one group, or if a fault model was put aside; also if the broker accepted no message \
although some were handed to it and no fault is the reason; 2 usage; \
130 if a signal ends a run before its --duration, or a second signal ends it at once.";

/// Simulated IoT devices, each a sandboxed Wasm component, on a real MQTT broker with realistic faults.
#[derive(Debug, Parser)]
#[command(name = "wasmote", version, before_help = EXAMPLES, help_template = TEMPLATE)]
pub struct Cli {
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run a fleet of devices in real time
    #[command(before_help = RUN_EXAMPLES, after_help = RUN_NOTES, help_template = TEMPLATE)]
    Run(Box<Options>),
    /// List, inspect and precompile behaviours
    #[command(subcommand)]
    Behaviours(behaviours::Verb),
    /// Measure time, fuel and memory of a behaviour's events
    #[command(after_help = bench::NOTES)]
    Bench(bench::Args),
    /// Build the component of a project
    #[command(after_help = build::NOTES)]
    Build(build::Args),
    /// Make certificates for tests: an authority, brokers and devices
    #[command(subcommand, before_help = certificates::EXAMPLES, after_help = certificates::NOTES)]
    Certificates(certificates::Verb),
    /// Show the options of a run with their values and origins
    #[command(subcommand)]
    Config(config::Verb),
    /// Check this machine for what a fleet needs, with a fix for each problem
    #[command(before_help = doctor::EXAMPLES, after_help = doctor::NOTES, help_template = TEMPLATE)]
    Doctor(Box<doctor::Args>),
    /// Run a small fleet of a project, and swap in each change of its sources
    #[command(after_help = dev::NOTES)]
    Dev(Box<dev::Args>),
    /// Run plans reproducibly in virtual time, or in real time
    #[command(subcommand)]
    Experiment(experiment::Verb),
    /// Show the devices of many pods or processes as one fleet
    #[command(before_help = fleet::EXAMPLES, after_help = fleet::NOTES, help_template = TEMPLATE)]
    Fleet(Box<fleet::Args>),
    /// Write Kubernetes manifests for a fleet
    #[command(before_help = manifests::EXAMPLES, after_help = manifests::NOTES, help_template = TEMPLATE)]
    Manifests(Box<manifests::Args>),
    /// Write a project of your own behaviour or fault model, which builds, tests and runs as it is
    #[command(before_help = new::EXAMPLES, after_help = new::NOTES, help_template = TEMPLATE)]
    New(new::Args),
    /// Print the JSON Schema of a plan, a fault document, a fleet file, a project or a scenario
    #[command(before_help = schema::EXAMPLES, after_help = schema::NOTES, help_template = TEMPLATE)]
    Schema(schema::Args),
    /// Print the completions for a shell
    #[command(before_help = completions::EXAMPLES, help_template = TEMPLATE)]
    Completions(completions::Args),
    /// Write manual pages
    #[command(before_help = completions::MAN_EXAMPLES, help_template = TEMPLATE)]
    Man(completions::ManArgs),
    /// Run the scenarios of a project: scripted tests of a behaviour in any language
    #[command(before_help = test::EXAMPLES, after_help = test::NOTES, help_template = TEMPLATE)]
    Test(Box<test::Args>),
    /// Make a token for the HTTP API
    #[command(before_help = token::EXAMPLES, after_help = token::NOTES, help_template = TEMPLATE)]
    Token(token::Args),
}

/// The command line, for documentation and tests.
pub fn command() -> Command {
    Cli::command()
}

/// Runs the subcommand of the command line.
pub fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_some_and(|first| first == compile_process::ARGUMENT) {
        return compile_process::child::run(
            arguments.map(|argument| argument.to_string_lossy().into_owned()),
        );
    }
    compile_process::enable();
    compiling::show();
    let command = environment::ignore_empty_variables(Cli::command());
    let parsed = command.clone().try_get_matches();
    let parsed = parsed.and_then(|matches| Ok((Cli::from_arg_matches(&matches)?, matches)));
    let (cli, matches) =
        parsed.unwrap_or_else(|error| environment::with_variable_hint(error, command).exit());
    let outcome = match cli.verb {
        None => {
            let _ = Cli::command().print_help();
            Ok(Exit::Done)
        }
        Some(Verb::Run(args)) => run::run(&args),
        Some(Verb::Behaviours(verb)) => behaviours::run(verb),
        Some(Verb::Bench(args)) => bench::run(&args),
        Some(Verb::Build(args)) => build::run(&args),
        Some(Verb::Certificates(verb)) => certificates::run(verb),
        Some(Verb::Completions(args)) => completions::run(args, Cli::command()),
        Some(Verb::Config(verb)) => config::run(verb, &matches),
        Some(Verb::Doctor(args)) => doctor::run(&args),
        Some(Verb::Man(args)) => completions::man(&args, Cli::command()),
        Some(Verb::Dev(args)) => dev::run(&args),
        Some(Verb::Experiment(verb)) => experiment::run(verb),
        Some(Verb::Fleet(args)) => fleet::run(&args),
        Some(Verb::Manifests(args)) => manifests::run(&args),
        Some(Verb::New(args)) => new::run(&args),
        Some(Verb::Schema(args)) => schema::run(args),
        Some(Verb::Test(args)) => test::run(&args),
        Some(Verb::Token(args)) => token::run(&args),
    };
    let mut exit = outcome.unwrap_or_else(|failure| failure.report());
    if let Some(problem) = term::take_stdout_error() {
        to_stderr(format_args!("{ERROR}error:{ERROR:#} cannot write to stdout: {problem}"));
        // Another failure is the more important one.
        exit = if exit == Exit::Done { Exit::Failed } else { exit };
    }
    term::stderr::finish();
    exit.into()
}

/// Error of a subcommand, with the exit code.
#[derive(Debug)]
pub struct Failure {
    exit: Exit,
    problem: anyhow::Error,
}

impl Failure {
    /// Error for an invalid command line or file.
    pub fn usage(problem: impl Into<anyhow::Error>) -> Self {
        Self { exit: Exit::Usage, problem: problem.into() }
    }

    /// Error of a subcommand that failed.
    pub fn failed(problem: impl Into<anyhow::Error>) -> Self {
        Self { exit: Exit::Failed, problem: problem.into() }
    }

    fn report(self) -> Exit {
        to_stderr(format_args!("{ERROR}error:{ERROR:#} {}", Printable(self.problem)));
        self.exit
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.problem.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn help_begins_with_examples() {
        for (verb, example) in
            [(None, "wasmote run sensor -n 100"), (Some("run"), "wasmote run sensor --devices")]
        {
            let mut command = Cli::command();
            command.build();
            let command = match verb {
                None => &mut command,
                Some(verb) => command.find_subcommand_mut(verb).unwrap(),
            };
            let help = command.render_long_help().to_string();
            let (examples, usage) = (help.find(example), help.find("Usage:"));
            assert!(examples.is_some() && examples < usage, "{help}");
        }
    }

    #[test]
    fn every_setting_has_an_environment_name() {
        let command = Cli::command();
        let run = command.find_subcommand("run").unwrap();
        for argument in run.get_arguments().filter(|argument| argument.get_id() != "help") {
            let name = format!("WASMOTE_{}", argument.get_id().as_str().to_uppercase());
            assert_eq!(argument.get_env(), Some(name.as_ref()), "{}", argument.get_id());
        }
    }
}

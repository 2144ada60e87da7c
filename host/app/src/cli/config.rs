//! `wasmote config show`: the options of a run, with their values and origins.

use anyhow::anyhow;
use clap::{ArgMatches, Args as ClapArgs, Subcommand};
use wasmote_fleet::config::options::Options;
use wasmote_fleet::config::resolve::resolve;
use wasmote_fleet::document::Format;
use wasmote_fleet::printable::Printable;
use wasmote_fleet::regular_file;
use wasmote_fleet::term::{STRONG, json_to_stdout, to_stdout};

use super::Failure;
use crate::exit::Exit;
use crate::settings::file_values::{self, FileValue};
use crate::settings::{Setting, settings};

/// Help text before the flags.
pub const EXAMPLES: &str = "\
Examples:
  wasmote config show --origin
  wasmote config show --config fleet.toml --devices 5 --origin
  WASMOTE_FAULTS=none wasmote config show --json | jq '.[] | select(.origin.kind != \"default\")'";

/// Help text after the flags.
pub const NOTES: &str = "\
It takes the options of `wasmote run` and shows what such a run would have, from the command line, the environment and the file. \
Passwords, tokens and credentials in URLs are hidden.

Exit codes: 0 shown; 2 shown, and `wasmote run` would refuse it, with the reason.";

/// The subcommands of `wasmote config`.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Show every option with its value
    #[command(before_help = EXAMPLES, after_help = NOTES)]
    Show(Box<Args>),
}

/// Arguments of `wasmote config show`.
#[derive(ClapArgs, Clone, Debug)]
pub struct Args {
    /// Show where each value comes from: the flag, the variable, the file with the line, or the default
    #[arg(long)]
    origin: bool,
    /// Print JSON, always with the origins
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    options: Options,
}

/// Runs a subcommand of `wasmote config`. `matches` are those of the whole command line.
pub fn run(verb: Verb, matches: &ArgMatches) -> Result<Exit, Failure> {
    let Verb::Show(args) = verb;
    let matches = matches.subcommand().and_then(|(_, config)| config.subcommand()).map(|(_, show)| show);
    let matches = matches.ok_or_else(|| Failure::usage(anyhow!("use `wasmote config show`")))?;
    let values = args
        .options
        .config_file
        .as_deref()
        .map(|path| Ok::<_, Failure>((path, values_of(path)?)))
        .transpose()?;
    let all = settings(matches, values);
    match args.json {
        true => json_to_stdout(serde_json::to_string_pretty(&all).map_err(Failure::failed)?),
        false => table(&all, args.origin),
    }
    resolve(&args.options).map(|_| Exit::Done).map_err(Failure::usage)
}

fn values_of(path: &std::path::Path) -> Result<Vec<FileValue>, Failure> {
    let shown = path.display();
    let text = regular_file::read_text(path).map_err(|problem| {
        Failure::usage(anyhow!("cannot read `{shown}`, which --config names: {problem}"))
    })?;
    file_values::read(&text, Format::of(path))
        .map_err(|problem| Failure::usage(anyhow!("{shown}: {problem}")))
}

fn table(settings: &[Setting], origin: bool) {
    let width = settings.iter().map(|setting| setting.name.chars().count()).max().unwrap_or(0);
    for Setting { name, value, origin: from, overrides } in settings {
        // A list of several lines is one line here.
        let value = value.as_deref().unwrap_or("-").split_whitespace().collect::<Vec<_>>().join(" ");
        let overridden: Vec<String> = overrides.iter().map(ToString::to_string).collect();
        let from = match (origin, overridden.is_empty()) {
            (false, _) => String::new(),
            (true, true) => format!("  [{from}]"),
            (true, false) => format!("  [{from}, instead of {}]", overridden.join(", ")),
        };
        to_stdout(format_args!("{STRONG}{name:width$}{STRONG:#}  {}{from}", Printable(value)));
    }
}

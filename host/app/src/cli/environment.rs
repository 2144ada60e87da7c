//! Environment variables of flags: empty ones are ignored, and errors name invalid ones.

use std::env;

use clap::builder::{Resettable, StyledStr};
use clap::error::{ContextKind, ContextValue};
use clap::{Arg, Command, Error};

/// The command without the environment variables that are empty, as manifests and `.env` files often set them.
pub(super) fn ignore_empty_variables(command: Command) -> Command {
    let is_empty =
        |argument: &Arg| argument.get_env().and_then(env::var_os).is_some_and(|value| value.is_empty());
    let command = command.mut_args(|argument| match is_empty(&argument) {
        true => argument.env(Resettable::Reset),
        false => argument,
    });
    command.mut_subcommands(ignore_empty_variables)
}

/// Adds a hint to the error if the invalid value comes from an environment variable.
pub(super) fn with_variable_hint(mut error: Error, mut command: Command) -> Error {
    let (Some(ContextValue::String(argument)), Some(ContextValue::String(value))) =
        (error.get(ContextKind::InvalidArg), error.get(ContextKind::InvalidValue))
    else {
        return error;
    };
    // Arguments can only be formatted after the command is built.
    command.build();
    let found = arguments(&command)
        .into_iter()
        .find(|known| known.to_string() == *argument && !is_given_as_flag(known));
    let variable = found.and_then(Arg::get_env).and_then(|name| name.to_str());
    let Some(variable) = variable.filter(|name| env::var(name).is_ok_and(|set| set.contains(value))) else {
        return error;
    };
    let tip = StyledStr::from(format!("the value comes from the environment variable {variable}"));
    error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip]));
    error
}

/// The arguments of the subcommands that the command line names.
fn arguments(command: &Command) -> Vec<&Arg> {
    let mut verb = command;
    for word in env::args().skip(1) {
        match verb.find_subcommand(&word) {
            Some(found) => verb = found,
            None => break,
        }
    }
    verb.get_arguments().collect()
}

fn is_given_as_flag(argument: &Arg) -> bool {
    let long = argument.get_long().map(|long| format!("--{long}"));
    let short = argument.get_short().map(|short| format!("-{short}"));
    env::args().any(|given| {
        let flag = given.split('=').next().unwrap_or_default();
        long.as_deref() == Some(flag)
            || short.as_deref().is_some_and(|short| given.starts_with(short) && !given.starts_with("--"))
    })
}

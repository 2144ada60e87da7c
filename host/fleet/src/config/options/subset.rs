//! Options of subcommands that take only some of [`Options`].

use std::ffi::OsString;
use std::marker::PhantomData;
use std::ops::Deref;

use clap::builder::Resettable;
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Args, Command, Error, FromArgMatches};

use super::Options;

/// The options that a subcommand takes.
pub trait Selection {
    /// Their identifiers, in the order of --help.
    const IDS: &[&str];

    /// The option as the subcommand shows it.
    fn adapt(option: Arg) -> Arg {
        option
    }
}

/// The options of a fleet or an experiment in real time: the broker, the HTTP API, and the drain at the end.
#[derive(Clone, Debug)]
pub enum Live {}

impl Selection for Live {
    const IDS: &[&str] = &[
        "broker",
        "broker_limit",
        "broker_user",
        "broker_password",
        "broker_password_file",
        "source_address",
        "interface",
        "proxy",
        "proxy_password_file",
        "ca",
        "cert",
        "key",
        "tls_name",
        "tls_sni",
        "tls_alpn",
        "tls_resumption",
        "ws_header",
        "ws_headers_file",
        "clean_up",
        "drain",
        "http",
        "http_token",
        "http_token_file",
        "http_open",
        "http_private",
        "http_host",
        "http_fetch_from",
        "http_connections",
        "http_rate",
    ];
}

/// Where components come from.
#[derive(Clone, Debug)]
pub enum Components {}

impl Selection for Components {
    const IDS: &[&str] = &["behaviour_key", "downloads", "download_time", "plain_http"];
}

/// The names of devices.
#[derive(Clone, Debug)]
pub enum Names {}

impl Selection for Names {
    const IDS: &[&str] =
        &["devices", "group", "names", "name", "first_index", "first_mac", "client_id", "identity_file"];
}

/// The token of a client of the HTTP API.
#[derive(Clone, Debug)]
pub enum ClientToken {}

impl Selection for ClientToken {
    const IDS: &[&str] = &["http_token", "http_token_file"];

    fn adapt(option: Arg) -> Arg {
        match option.get_id().as_str() {
            "http_token" => {
                option.help("Token of the API, if reading is private; better in the environment or a file")
            }
            _ => option,
        }
    }
}

/// [`Options`] of which only those of a selection can be set.
#[derive(Clone, Debug)]
pub struct Subset<S> {
    options: Options,
    /// The first option on the command line, such as `--broker`. Variables do not count: they may be set for others.
    flag: Option<String>,
    selection: PhantomData<S>,
}

impl<S> Subset<S> {
    /// An option that is given on the command line, if there is one.
    pub fn flag(&self) -> Option<&str> {
        self.flag.as_deref()
    }
}

impl<S> Deref for Subset<S> {
    type Target = Options;

    fn deref(&self) -> &Options {
        &self.options
    }
}

/// A command with all options.
fn all() -> Command {
    Options::augment_args(Command::new("options").no_binary_name(true))
}

/// The options of a selection as flags of [`all`].
fn selected<S: Selection>(all: &Command) -> impl Iterator<Item = &Arg> {
    S::IDS.iter().filter_map(|id| all.get_arguments().find(|option| option.get_id() == id))
}

impl<S: Selection> Args for Subset<S> {
    fn augment_args(command: Command) -> Command {
        // Without an order, an option stands where the subcommand declares it.
        let in_order = |option: &Arg| S::adapt(option.clone().display_order(Resettable::Reset));
        command.args(selected::<S>(&all()).map(in_order))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl<S: Selection> FromArgMatches for Subset<S> {
    /// Clap's derived parser of [`Options`] needs matches of every option, and the subcommand declares only
    /// some. So the selected flags are parsed once more by a command with all options, with the values that
    /// the subcommand was given.
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let command = all();
        let mut flags = Vec::new();
        let mut first = None;
        for option in selected::<S>(&command) {
            let (id, flag) =
                (option.get_id().as_str(), format!("--{}", option.get_long().unwrap_or_default()));
            for value in matches.get_raw(id).into_iter().flatten() {
                let mut text = OsString::from(format!("{flag}="));
                text.push(value);
                flags.push(text);
            }
            if first.is_none() && matches.value_source(id) == Some(ValueSource::CommandLine) {
                first = Some(flag);
            }
        }
        let command = command.mut_args(|option| option.env(Resettable::Reset));
        let options = Options::from_arg_matches(&command.try_get_matches_from(flags)?)?;
        Ok(Self { options, flag: first, selection: PhantomData })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Verb {
        #[command(flatten)]
        live: Subset<Live>,
    }

    #[test]
    fn a_subset_has_the_options_of_its_selection_and_no_others() {
        let ids: Vec<_> = selected::<Live>(&all()).map(|option| option.get_id().to_string()).collect();
        assert_eq!(ids, Live::IDS);
        let given = ["", "-b", "mqtt://host", "--source-address=10.0.0.1,10.0.0.2-10.0.0.4", "--drain", "1s"];
        let live = Verb::try_parse_from(given).unwrap_or_else(|error| panic!("{error}")).live;
        assert_eq!(live.broker, Some("mqtt://host".parse().unwrap()));
        assert_eq!(live.source_addresses.len(), 2);
        assert_eq!(live.flag(), Some("--broker"));
        assert!(Verb::try_parse_from(["", "--seed", "1"]).is_err());
        assert!(Verb::try_parse_from([""]).is_ok_and(|verb| verb.live.flag().is_none()));
    }
}

//! Parser of options whose invalid values clap does not show, because they may contain a password or a token.

use std::ffi::OsStr;

use clap::builder::TypedValueParser;
use clap::error::ErrorKind;
use clap::{Arg, Command, Error};

use crate::config::values::BrokerChoice;

/// Parser of the URL of a broker, for the option with this name.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unquoted(pub(super) &'static str);

impl TypedValueParser for Unquoted {
    type Value = BrokerChoice;

    fn parse_ref(&self, command: &Command, _: Option<&Arg>, value: &OsStr) -> Result<BrokerChoice, Error> {
        let text = value.to_str().ok_or_else(|| "the value is not UTF-8".to_owned());
        text.and_then(str::parse).map_err(|problem| {
            let text = format!("invalid value for '{}': {problem}\n", self.0);
            Error::raw(ErrorKind::ValueValidation, text).with_cmd(command)
        })
    }
}

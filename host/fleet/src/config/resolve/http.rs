//! Resolution of the options of the HTTP API.

use std::path::Path;

use super::connection::read_secret;
use super::{CURRENT_DIR, Layers};
use crate::config::ConfigError;
use crate::config::options::Options;
use crate::config::values::{ConnectionLimit, Rate, SecretText};
use crate::http_access::{HostNames, HttpAccess, HttpToken};

pub(super) fn resolve(layers: &Layers<'_>) -> Result<HttpAccess, ConfigError> {
    let mut hosts = HostNames::of_this_machine();
    for name in layers.list(|it| &it.http_hosts) {
        hosts.add(name).map_err(|problem| ConfigError::invalid("--http-host", problem))?;
    }
    let on_command_line = token(&layers.given.flags, Path::new(CURRENT_DIR))?;
    Ok(HttpAccess {
        token: match on_command_line {
            Some(token) => Some(token),
            None => token(&layers.given.file, layers.folder)?,
        },
        open: layers.get(|it| &it.http_open).unwrap_or_default(),
        private: layers.get(|it| &it.http_private).unwrap_or_default(),
        hosts,
        fetch_from: layers.list(|it| &it.http_fetch_from).to_vec(),
        connections: layers
            .get(|it| &it.http_connections)
            .map_or(HttpAccess::CONNECTIONS, |ConnectionLimit(count)| count),
        rate: layers.get(|it| &it.http_rate).map_or(HttpAccess::RATE, |Rate(rate)| rate),
    })
}

/// The token of these options. A file is relative to `folder`. An empty token, as of a variable without a value, is none.
pub fn token(options: &Options, folder: &Path) -> Result<Option<HttpToken>, ConfigError> {
    let in_option = options.http_token.as_ref().map(SecretText::reveal).filter(|text| !text.is_empty());
    let (text, named_by) = match (in_option, &options.http_token_file) {
        (None, None) => return Ok(None),
        (Some(text), None) => (text.to_owned(), "--http-token"),
        (None, Some(path)) => (read_secret(&folder.join(path), "--http-token-file")?, "--http-token-file"),
        (Some(_), Some(_)) => {
            let problem = "there is a token and a file with one; give only one of them";
            return Err(ConfigError::invalid("--http-token", problem));
        }
    };
    HttpToken::new(&text).map(Some).map_err(|problem| ConfigError::invalid(named_by, problem))
}

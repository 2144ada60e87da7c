//! How the devices reach their broker.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use wasmote_live::config::{ConnectionOptions, TlsMaterial};
use wasmote_live::tls::TlsError;

use super::{CURRENT_DIR, FileLayer};
use crate::config::ConfigError;
use crate::config::args::RunArgs;
use crate::config::file::FileConfig;
use crate::config::source_addresses::SourceAddresses;
use crate::config::values::{BrokerChoice, DurationValue, Keepalive};

const DEFAULT_KEEPALIVE: Duration = Duration::from_secs(10);

pub(super) fn resolve(
    args: &RunArgs,
    file_layer: &FileLayer<'_>,
    broker: &BrokerChoice,
) -> Result<ConnectionOptions, ConfigError> {
    let file = &file_layer.config;
    let username = args.live.broker_user.clone().or(file.broker_user.clone());
    let password = password(args, file_layer)?;
    if password.is_some() && username.is_none() {
        return Err(ConfigError::invalid(
            "--broker-password",
            "it needs a user; name one with --broker-user",
        ));
    }
    let uses_tls = matches!(broker, BrokerChoice::Remote(url) if url.tls);
    let named = [&args.live.ca, &args.live.cert, &args.live.key, &file.ca, &file.cert, &file.key];
    if !uses_tls && named.iter().any(|path| path.is_some()) {
        let problem = "certificates are for brokers with TLS; use --broker mqtts://HOST[:PORT]";
        return Err(ConfigError::invalid("--ca, --cert, --key", problem));
    }
    Ok(ConnectionOptions {
        keepalive: args.keepalive.or(file.keepalive).map_or(DEFAULT_KEEPALIVE, |Keepalive(length)| length),
        session_expiry: args
            .session_expiry
            .or(file.session_expiry)
            .map_or(Duration::ZERO, |DurationValue(it)| it),
        username,
        password,
        sources: sources(args, file),
        tls: tls(args, file_layer)?.map(Arc::new),
    })
}

fn sources(args: &RunArgs, file: &FileConfig) -> Vec<IpAddr> {
    let given = [&args.live.source_address, &file.source_addresses];
    let given = given.into_iter().find(|addresses| !addresses.is_empty());
    given.into_iter().flatten().flat_map(SourceAddresses::all).collect()
}

fn password(args: &RunArgs, file_layer: &FileLayer<'_>) -> Result<Option<String>, ConfigError> {
    let file = &file_layer.config;
    let layers = [
        (&args.live.broker_password, &args.live.broker_password_file, Path::new(CURRENT_DIR)),
        (&file.broker_password, &file.broker_password_file, file_layer.folder),
    ];
    for (word, path, folder) in layers {
        match (word, path) {
            (None, None) => {}
            (Some(word), None) => return Ok(Some(word.clone())),
            (None, Some(path)) => {
                let bytes = read(path, folder, "--broker-password-file")?;
                let text = String::from_utf8(bytes).map_err(|_| {
                    ConfigError::invalid(
                        "--broker-password-file",
                        format!("`{}` is no UTF-8 text", path.display()),
                    )
                })?;
                return Ok(Some(text.trim_end_matches(['\r', '\n']).to_owned()));
            }
            (Some(_), Some(_)) => {
                let problem = "there is a password and a file with one; give only one of them";
                return Err(ConfigError::invalid("--broker-password", problem));
            }
        }
    }
    Ok(None)
}

fn tls(args: &RunArgs, file_layer: &FileLayer<'_>) -> Result<Option<TlsMaterial>, ConfigError> {
    let file = &file_layer.config;
    let pick = |flag: &Option<PathBuf>, field: &Option<PathBuf>, name| match (flag, field) {
        (Some(path), _) => read(path, Path::new(CURRENT_DIR), name).map(Some),
        (None, Some(path)) => read(path, file_layer.folder, name).map(Some),
        (None, None) => Ok(None),
    };
    let given = |flag: &Option<PathBuf>, field: &Option<PathBuf>| flag.is_some() || field.is_some();
    match (given(&args.live.cert, &file.cert), given(&args.live.key, &file.key)) {
        (true, false) => {
            return Err(ConfigError::invalid("--cert", "a certificate needs its key; name it with --key"));
        }
        (false, true) => {
            return Err(ConfigError::invalid("--key", "a key needs its certificate; name it with --cert"));
        }
        _ => {}
    }
    let ca = pick(&args.live.ca, &file.ca, "--ca")?;
    let client = pick(&args.live.cert, &file.cert, "--cert")?.zip(pick(&args.live.key, &file.key, "--key")?);
    let material = (ca.is_some() || client.is_some()).then_some(TlsMaterial { ca, client });
    if let Some(material) = &material {
        // The error says which of the files it is.
        let unusable = |problem: TlsError| ConfigError::invalid("--ca, --cert, --key", problem.to_string());
        material.check().map_err(unusable)?;
    }
    Ok(material)
}

fn read(path: &Path, folder: &Path, named_by: &'static str) -> Result<Vec<u8>, ConfigError> {
    let path = folder.join(path);
    std::fs::read(&path).map_err(|problem| ConfigError::Unreadable {
        path: path.display().to_string(),
        named_by,
        problem,
    })
}

//! Resolution of the connection options of devices.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use wasmote_live::broker_state::CleanUp;
use wasmote_live::config::{ConnectionOptions, HeaderField, ProxyUrl, TlsMaterial, TlsOptions};
use wasmote_live::credentials::Secret;
use wasmote_live::tls::{TlsError, TlsFile};
use wasmote_mqtt::protocol::Protocol;

use super::{CURRENT_DIR, Layers};
use crate::config::options::GivenOptions;
use crate::config::source_addresses::SourceAddresses;
use crate::config::values::{BrokerChoice, CleanUpOption, DurationValue, Keepalive, SecretText};
use crate::config::{ConfigError, DEFAULT_KEEPALIVE, DEFAULT_TOPIC_ROOT};
use crate::regular_file::without_bom;

pub(super) fn resolve(
    layers: &Layers<'_>,
    broker: &BrokerChoice,
    protocol: Protocol,
) -> Result<ConnectionOptions, ConfigError> {
    let username = layers.get(|it| &it.broker_user);
    let password = password(layers)?;
    // MQTT 5 allows a password alone [MQTT-3.1.2-22 of 3.1.1].
    if password.is_some() && username.is_none() && protocol == Protocol::V4 {
        return Err(ConfigError::invalid(
            "--broker-password",
            "MQTT 3.1.1 allows no password without a user; name one with --broker-user, or use --mqtt 5",
        ));
    }
    let uses_tls = matches!(broker, BrokerChoice::Remote(url) if url.tls);
    Ok(ConnectionOptions {
        keepalive: layers.get(|it| &it.keepalive).map_or(DEFAULT_KEEPALIVE, |Keepalive(length)| length),
        session_expiry: layers
            .get(|it| &it.session_expiry)
            .map_or(Duration::ZERO, |DurationValue(length)| length),
        clean_up: match layers.get(|it| &it.clean_up).unwrap_or_default() {
            CleanUpOption::Own => CleanUp::Below(
                layers.get(|it| &it.topic_root).map_or(DEFAULT_TOPIC_ROOT.into(), |root| root.0.into()),
            ),
            CleanUpOption::All => CleanUp::All,
            CleanUpOption::Off => CleanUp::Off,
        },
        username,
        password,
        devices: Arc::clone(&layers.credentials),
        sources: layers.list(|it| &it.source_addresses).iter().flat_map(SourceAddresses::all).collect(),
        broker_addresses: Vec::new(),
        interface: layers.get(|it| &it.interface),
        proxy: proxy(layers, broker)?,
        tls: tls(layers, uses_tls)?.map(Arc::new),
        tls_options: tls_options(layers, uses_tls)?,
        websocket_fields: websocket_fields(layers, broker)?,
    })
}

/// The proxy, with its password from a file if one is named. No error shows credentials.
fn proxy(layers: &Layers<'_>, broker: &BrokerChoice) -> Result<Option<ProxyUrl>, ConfigError> {
    let Some(url) = layers.get(|it| &it.proxy).filter(|url| !url.reveal().is_empty()) else {
        return match layers.path(|it| &it.proxy_password_file) {
            Some(_) => {
                Err(ConfigError::invalid("--proxy-password-file", "it needs a proxy; name it with --proxy"))
            }
            None => Ok(None),
        };
    };
    if matches!(broker, BrokerChoice::Embedded(_)) {
        let problem = "devices reach the embedded broker without sockets; name another broker with --broker";
        return Err(ConfigError::invalid("--proxy", problem));
    }
    let invalid = |problem: String| ConfigError::invalid("--proxy", problem);
    let url: ProxyUrl = url.reveal().parse().map_err(invalid)?;
    match layers.path(|it| &it.proxy_password_file) {
        None => Ok(Some(url)),
        Some(path) => {
            let password = read_secret(&path, "--proxy-password-file")?;
            url.with_password(&password).map(Some).map_err(invalid)
        }
    }
}

/// The header fields of the WebSocket handshake, from a layer or from the file that it names. No error shows a value.
fn websocket_fields(layers: &Layers<'_>, broker: &BrokerChoice) -> Result<Vec<HeaderField>, ConfigError> {
    let is_websocket = matches!(broker, BrokerChoice::Remote(url) if url.websocket.is_some());
    let GivenOptions { flags, file } = &layers.given;
    for (options, folder) in [(flags, Path::new(CURRENT_DIR)), (file, layers.folder)] {
        let (flag, text) = match (&options.ws_headers[..], &options.ws_headers_file) {
            ([], None) => continue,
            (fields, None) => {
                let fields: Vec<_> = fields.iter().map(SecretText::reveal).collect();
                ("--ws-header", fields.join("\n"))
            }
            ([], Some(path)) => ("--ws-headers-file", read_secret(&folder.join(path), "--ws-headers-file")?),
            (_, Some(_)) => {
                let problem = "there are headers and a file with some; give only one of them";
                return Err(ConfigError::invalid("--ws-header", problem));
            }
        };
        if !is_websocket {
            let problem =
                "headers are for WebSocket; use --broker ws://HOST[:PORT]/PATH or wss://HOST[:PORT]/PATH";
            return Err(ConfigError::invalid(flag, problem));
        }
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let fields: Result<Vec<HeaderField>, String> = lines.map(str::parse).collect();
        return fields.map_err(|problem| ConfigError::invalid(flag, problem));
    }
    Ok(Vec::new())
}

fn tls_options(layers: &Layers<'_>, is_used: bool) -> Result<TlsOptions, ConfigError> {
    let (sni, resumption) = (layers.get(|it| &it.tls_sni), layers.get(|it| &it.tls_resumption));
    let options = TlsOptions {
        server_name: layers.get(|it| &it.tls_name),
        sends_server_name: sni.unwrap_or(true),
        alpn: layers.list(|it| &it.tls_alpn).to_vec(),
        resumption: resumption.unwrap_or(true),
    };
    let given = [
        ("--tls-name", options.server_name.is_some()),
        ("--tls-sni", sni.is_some()),
        ("--tls-alpn", !options.alpn.is_empty()),
        ("--tls-resumption", resumption.is_some()),
    ];
    if let Some((flag, _)) = given.iter().find(|(_, is_given)| *is_given && !is_used) {
        return Err(ConfigError::invalid(*flag, NO_TLS));
    }
    options.check().map_err(|problem| {
        let flag = if matches!(problem, TlsError::Alpn(_)) { "--tls-alpn" } else { "--tls-name" };
        ConfigError::invalid(flag, problem.to_string())
    })?;
    Ok(options)
}

/// Problem of an option for a broker with TLS.
const NO_TLS: &str =
    "this option is for brokers with TLS; use --broker mqtts://HOST[:PORT] or wss://HOST[:PORT]/PATH";

/// The password of a layer, or the content of the file that the layer names.
fn password(layers: &Layers<'_>) -> Result<Option<Secret>, ConfigError> {
    let GivenOptions { flags, file } = &layers.given;
    for (options, folder) in [(flags, Path::new(CURRENT_DIR)), (file, layers.folder)] {
        match (&options.broker_password, &options.broker_password_file) {
            (None, None) => {}
            (Some(password), None) => return Ok(Some(password.reveal().into())),
            (None, Some(path)) => {
                return read_secret(&folder.join(path), "--broker-password-file")
                    .map(|text| Some(text.into()));
            }
            (Some(_), Some(_)) => {
                let problem = "there is a password and a file with one; give only one of them";
                return Err(ConfigError::invalid("--broker-password", problem));
            }
        }
    }
    Ok(None)
}

fn tls(layers: &Layers<'_>, is_used: bool) -> Result<Option<TlsMaterial>, ConfigError> {
    let (ca, cert, key) = (layers.path(|it| &it.ca), layers.path(|it| &it.cert), layers.path(|it| &it.key));
    if !is_used && [&ca, &cert, &key].iter().any(|path| path.is_some()) {
        let problem = "certificates are for brokers with TLS; use --broker mqtts://HOST[:PORT] or wss://HOST[:PORT]/PATH";
        return Err(ConfigError::invalid("--ca, --cert, --key", problem));
    }
    match (&cert, &key) {
        (Some(_), None) => {
            return Err(ConfigError::invalid("--cert", "a certificate needs its key; name it with --key"));
        }
        (None, Some(_)) => {
            return Err(ConfigError::invalid("--key", "a key needs its certificate; name it with --cert"));
        }
        _ => {}
    }
    let content =
        |path: &Option<PathBuf>, file: TlsFile| path.as_ref().map(|path| read(path, file.flag())).transpose();
    let client = content(&cert, TlsFile::Cert)?.zip(content(&key, TlsFile::Key)?);
    let trusted = content(&ca, TlsFile::Ca)?;
    let material = (trusted.is_some() || client.is_some()).then_some(TlsMaterial { ca: trusted, client });
    if let Some(material) = &material {
        let unusable = |problem: TlsError| {
            let path = |file: TlsFile| match file {
                TlsFile::Ca => &ca,
                TlsFile::Cert => &cert,
                TlsFile::Key => &key,
            };
            let setting = match problem.file() {
                Some(file) => {
                    let path = path(file).as_ref().map(|path| path.display().to_string());
                    format!("{} {}", file.flag(), path.unwrap_or_default())
                }
                None => "--ca, --cert, --key".to_owned(),
            };
            ConfigError::invalid(setting, problem.to_string())
        };
        material.check().map_err(unusable)?;
    }
    Ok(material)
}

/// Reads a secret from a file of text, without the end of its line.
pub(super) fn read_secret(path: &Path, named_by: &'static str) -> Result<String, ConfigError> {
    let text = String::from_utf8(read(path, named_by)?)
        .map_err(|_| ConfigError::invalid(named_by, format!("`{}` is not UTF-8 text", path.display())))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

/// Reads a file of text, without a byte order mark at its start.
fn read(path: &Path, named_by: &'static str) -> Result<Vec<u8>, ConfigError> {
    let bytes = std::fs::read(path).map_err(|problem| ConfigError::Unreadable {
        path: path.display().to_string(),
        named_by,
        problem,
    })?;
    Ok(without_bom(&bytes).to_vec())
}

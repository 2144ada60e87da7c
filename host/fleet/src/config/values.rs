//! Types of single options. Flags, environment variables and file fields are parsed by the same rules.

use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use wasmote_engine::CAPABILITIES;
use wasmote_live::config::BrokerUrl;
use wasmote_mqtt::device_id::is_name;
use wasmote_mqtt::protocol::Protocol;
use wasmote_mqtt::topic::Topic;
use wasmote_sim::faults::span::SPAN_PATTERN;

use super::fleet_shard::FleetShard;
use super::value_schema::value_schema;
use crate::suggest::did_you_mean;

/// Implements `Deserialize` by `FromStr`, for values that files write as text or as a number.
macro_rules! deserialize_from_text {
    ($($kind:ty),+ $(,)?) => {
        $(
            impl<'de> Deserialize<'de> for $kind {
                fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                    from_text(deserializer)
                }
            }
        )+
    };
}

deserialize_from_text!(
    BrokerChoice,
    CacheSize,
    Capability,
    CompileMemory,
    ConnectionLimit,
    DeviceCount,
    DurationValue,
    FleetShard,
    HttpAddress,
    JourneyMemory,
    Keepalive,
    MqttVersion,
    Rate,
    Sha256Pin,
    TopicRoot,
);

fn from_text<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: fmt::Display>,
{
    let text = match serde_json::Value::deserialize(deserializer)? {
        serde_json::Value::String(text) => text,
        number @ serde_json::Value::Number(_) => number.to_string(),
        other => return Err(serde::de::Error::custom(format!("expected a text, found `{other}`"))),
    };
    text.parse().map_err(serde::de::Error::custom)
}

/// A number of seconds in a text.
const SECONDS_PATTERN: &str = r"\+?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?";

value_schema!(DurationValue, {
    "description": "A length of time: a text such as \"1m 30s\", or a number of seconds.",
    "type": ["string", "number"],
    "pattern": format!("^({SPAN_PATTERN}|{SECONDS_PATTERN})$"),
    "minimum": 0,
    "examples": ["10s"],
});

value_schema!(Keepalive, {
    "description": "A length of time from 5 s to 65,535 s in whole seconds: a text such as \"30s\", or a number of \
        seconds.",
    "type": ["string", "number"],
    "pattern": format!("^({SPAN_PATTERN}|{SECONDS_PATTERN})$"),
    "minimum": 5,
    "maximum": 65_535,
    "examples": ["30s"],
});

value_schema!(BrokerChoice, {
    "description": "An MQTT broker: `embedded` or `embedded:PORT` for one in this process, or the URL of another.",
    "type": "string",
    "pattern": "^([Ee][Mm][Bb][Ee][Dd][Dd][Ee][Dd](:\\d+)?|(([Mm][Qq][Tt][Tt][Ss]?|[Tt][Cc][Pp]|[Ss][Ss][Ll]|[Tt][Ll][Ss])://)?[^/@]+/?|[Ww][Ss][Ss]?://[^/@?#]+([/?][!-\"$-~]*)?)$",
    "examples": ["embedded", "mqtt://localhost:1883", "mqtts://broker.example", "wss://broker.example/mqtt"],
});

value_schema!(HttpAddress, {
    "description": "An address with a port, or a port on 127.0.0.1.",
    "type": ["string", "integer"],
    "minimum": 0,
    "maximum": 65_535,
    "examples": ["127.0.0.1:5000", "0.0.0.0:5000"],
});

value_schema!(MqttVersion, {
    "description": "A version of MQTT.",
    "enum": ["5", "5.0", "3.1.1", "3", "311", 5, 3, 311],
});

value_schema!(TopicRoot, {
    "description": "Levels of a topic, without empty ones and wildcards.",
    "type": "string",
    "pattern": "^[^$/#+][^/#+]*(/[^/#+]+)*$",
    "maxLength": 256,
    "examples": ["wasmote", "plant/west"],
});

value_schema!(DeviceCount, {
    "description": "A number of devices.",
    "type": ["integer", "string"],
    "minimum": 1,
    "maximum": u32::MAX,
    "pattern": "^\\+?0*[1-9]\\d*$",
});

value_schema!(ConnectionLimit, {
    "description": "A number of connections.",
    "type": ["integer", "string"],
    "minimum": ConnectionLimit::MIN,
    "maximum": ConnectionLimit::MAX,
    "pattern": "^\\+?\\d+$",
});

value_schema!(Rate, {
    "description": "A number per second: a number, or a text such as \"2000/s\".",
    "type": ["number", "string"],
    "exclusiveMinimum": 0,
    "pattern": format!("^{SECONDS_PATTERN}\\s*(/s)?$"),
    "examples": [50, "2000/s"],
});

value_schema!(Capability, {
    "description": "A capability that a behaviour imports: the name of an interface of the host, or `wasi`.",
    "enum": CAPABILITIES,
});

value_schema!(Sha256Pin, {
    "description": "The SHA-256 of a component, in hexadecimal.",
    "type": "string",
    "pattern": "^(sha256:)?[0-9A-Fa-f]{64}$",
});

/// A capability that a behaviour imports, such as `http`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capability(pub String);

impl FromStr for Capability {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if CAPABILITIES.contains(&text) {
            return Ok(Self(text.to_owned()));
        }
        let hint = did_you_mean(text, CAPABILITIES.iter().copied());
        Err(format!("there is no capability `{text}`; known are {}{hint}", CAPABILITIES.join(", ")))
    }
}

/// The SHA-256 that a component must have, in lower-case hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sha256Pin(pub String);

impl FromStr for Sha256Pin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.strip_prefix("sha256:").unwrap_or(text);
        match digits.len() == 64 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            true => Ok(Self(digits.to_ascii_lowercase())),
            false => Err(format!(
                "`{text}` is no SHA-256, which has 64 hexadecimal digits; `wasmote behaviours inspect` prints that of \
                 a component"
            )),
        }
    }
}

impl Serialize for Sha256Pin {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

value_schema!(CompileMemory, {
    "description": "A number of bytes, or a text such as \"512MiB\"; 16 MiB or more.",
    "type": ["integer", "string"],
    "minimum": CompileMemory::MIN_BYTES,
    "pattern": "^\\d+\\s*([KMG]i?)?B?$",
    "examples": ["512MiB"],
});

/// Memory of the process that compiles: `512MiB`, `2GiB`, or a number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompileMemory(pub u64);

value_schema!(JourneyMemory, {
    "description": "A number of bytes, or a text such as \"16MiB\"; 0 for none.",
    "type": ["integer", "string"],
    "minimum": 0,
    "pattern": "^\\d+\\s*([KMG]i?)?B?$",
    "examples": ["16MiB"],
});

/// Memory for the journeys of messages: `16MiB`, or a number of bytes; 0 for none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JourneyMemory(pub u64);

impl Default for JourneyMemory {
    fn default() -> Self {
        Self(16 << 20)
    }
}

impl FromStr for JourneyMemory {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        bytes_of(text).map(Self)
    }
}

impl CompileMemory {
    /// What the compilers need for a small component.
    const MIN_BYTES: u64 = 16 << 20;
}

impl FromStr for CompileMemory {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match bytes_of(text)? {
            bytes if bytes >= Self::MIN_BYTES => Ok(Self(bytes)),
            bytes => Err(format!("{bytes} bytes are too few for a compiler; use 16MiB or more")),
        }
    }
}

/// The number of bytes of a text such as `512MiB`.
fn bytes_of(text: &str) -> Result<u64, String> {
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor = match text[number.len()..].trim_end_matches('B').trim_end_matches('i') {
        "" => Some(1),
        "K" => Some(1 << 10),
        "M" => Some(1 << 20),
        "G" => Some(1_u64 << 30),
        _ => None,
    };
    let bytes = number.trim_end().parse::<u64>().ok().zip(factor);
    bytes
        .and_then(|(number, factor)| number.checked_mul(factor))
        .ok_or_else(|| format!("`{text}` is no size; write it like 512MiB, 2GiB or 536870912"))
}

value_schema!(CacheSize, {
    "description": "A number of bytes, or a text such as \"512MiB\"; 1 MiB or more.",
    "type": ["integer", "string"],
    "minimum": CacheSize::MIN_BYTES,
    "pattern": "^\\d+\\s*([KMG]i?)?B?$",
    "examples": ["512MiB"],
});

/// Size of the cache of compiled code: `512MiB`, `2GiB`, or a number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheSize(pub u64);

impl CacheSize {
    /// Code of one small component.
    const MIN_BYTES: u64 = 1 << 20;
}

impl FromStr for CacheSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match bytes_of(text)? {
            bytes if bytes >= Self::MIN_BYTES => Ok(Self(bytes)),
            bytes => {
                Err(format!("{bytes} bytes are too few for the code of one component; use 1MiB or more"))
            }
        }
    }
}

/// A length of time: `500ms`, `1m 30s`, or a number of seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DurationValue(pub Duration);

impl FromStr for DurationValue {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let seconds = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        seconds
            .or_else(|| humantime::parse_duration(text).ok())
            .map(Self)
            .ok_or_else(|| format!("`{text}` is no length of time; write it like 500ms, 60s or 1h 30m"))
    }
}

/// The MQTT keepalive: a broker closes a connection that is silent for one and a half times as long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keepalive(pub Duration);

impl FromStr for Keepalive {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let DurationValue(length) = text.parse()?;
        match length.as_secs() {
            5..=65_535 if length.subsec_nanos() == 0 => Ok(Self(length)),
            _ => Err(format!("`{text}` is out of range; use whole seconds from 5s to 65535s")),
        }
    }
}

/// A file with a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedFile {
    /// The name.
    pub name: String,
    /// The file.
    pub file: PathBuf,
}

impl FromStr for NamedFile {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((name, file)) if is_name(name) && !file.is_empty() => {
                Ok(Self { name: name.into(), file: file.into() })
            }
            _ => Err(format!("`{text}` is no name with a file; write it like rain=models/rain.wasm")),
        }
    }
}

/// The broker that the devices use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BrokerChoice {
    /// Embedded broker in this process, on loopback at this port or the next free one.
    Embedded(u16),
    /// Broker outside of this process.
    Remote(BrokerUrl),
}

impl BrokerChoice {
    /// Default port of MQTT.
    pub const PORT: u16 = 1883;
}

impl FromStr for BrokerChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const FORMS: &str = "use `embedded`, mqtt://HOST[:PORT], mqtts://HOST[:PORT], ws://HOST[:PORT]/PATH or wss://HOST[:PORT]/PATH";
        let (word, port) = text.split_once(':').map_or((text, None), |(word, port)| (word, Some(port)));
        if word.eq_ignore_ascii_case("embedded") {
            let Some(port) = port else { return Ok(Self::Embedded(Self::PORT)) };
            return port
                .parse()
                .map(Self::Embedded)
                .map_err(|_| format!("`{port}` is no port; use 1 to 65535"));
        }
        let (scheme, rest) = text.split_once("://").unwrap_or(("mqtt", text));
        // Schemes have no case (RFC 3986, section 3.1).
        let (tls, is_websocket) = match scheme.to_ascii_lowercase().as_str() {
            "mqtt" | "tcp" => (false, false),
            "mqtts" | "ssl" | "tls" => (true, false),
            "ws" => (false, true),
            "wss" => (true, true),
            _ => return Err(format!("`{scheme}://` is not spoken here; {FORMS}")),
        };
        let (place, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        if place.contains('@') || (!is_websocket && path.contains('@')) {
            return Err(
                "credentials do not belong in the URL; use --broker-user and --broker-password-file".into()
            );
        }
        let websocket = match (is_websocket, path) {
            (true, path) if path.starts_with('/') => Some(path.parse()?),
            (true, path) => Some(format!("/{path}").parse()?),
            (false, "" | "/") => None,
            (false, _) => {
                return Err(format!(
                    "`{scheme}://{place}` has a path, which only WebSocket knows: use ws:// or wss://, or leave it out"
                ));
            }
        };
        let (host, port) = split_host(place).map_err(|problem| format!("{problem}; {FORMS}"))?;
        let port = port.unwrap_or(BrokerUrl::default_port(is_websocket, tls));
        Ok(Self::Remote(BrokerUrl { host: host.into(), port, tls, websocket }))
    }
}

/// A host name or address, IPv6 in brackets, with its port.
fn split_host(text: &str) -> Result<(&str, Option<u16>), String> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']').ok_or_else(|| format!("`{text}` lacks its `]`"))?;
            (host, after.strip_prefix(':').or((!after.is_empty()).then_some(after)))
        }
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    if host.is_empty() || host.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(format!("`{text}` names no host"));
    }
    match port.map(|port| port.parse::<u16>().ok().filter(|port| *port > 0).ok_or(port)).transpose() {
        Ok(port) => Ok((host, port)),
        Err(port) => Err(format!("`{port}` is no port from 1 to 65535")),
    }
}

/// The URL of a broker, without the query of a WebSocket, which may hold a token.
pub fn format_broker_url(url: &BrokerUrl) -> String {
    let (scheme, BrokerUrl { host, port, .. }) = (url.scheme(), url);
    let path = url.websocket.as_ref().map(ToString::to_string).unwrap_or_default();
    if host.contains(':') {
        format!("{scheme}://[{host}]:{port}{path}")
    } else {
        format!("{scheme}://{host}:{port}{path}")
    }
}

/// Address of the HTTP API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpAddress(pub SocketAddr);

impl Default for HttpAddress {
    fn default() -> Self {
        Self(SocketAddr::from((Ipv4Addr::LOCALHOST, 5000)))
    }
}

impl FromStr for HttpAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let invalid = || {
            format!(
                "`{text}` is no address with a port; use 127.0.0.1:5000, or 0.0.0.0:5000 for every interface"
            )
        };
        if let Ok(address) = text.parse() {
            return Ok(Self(address));
        }
        let (host, port) = text.rsplit_once(':').unwrap_or(("", text));
        let host: IpAddr = match host {
            "" | "localhost" => Ipv4Addr::LOCALHOST.into(),
            other => other.parse().map_err(|_| invalid())?,
        };
        let port: u16 = port.parse().map_err(|_| invalid())?;
        Ok(Self(SocketAddr::new(host, port)))
    }
}

/// The MQTT version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MqttVersion(pub Protocol);

impl FromStr for MqttVersion {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "5" | "5.0" => Ok(Self(Protocol::V5)),
            "3.1.1" | "3" | "311" => Ok(Self(Protocol::V4)),
            _ => Err(format!("`{text}` is no MQTT version that is spoken here; use 5 or 3.1.1")),
        }
    }
}

/// The first levels of every topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicRoot(pub String);

impl FromStr for TopicRoot {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Topic::new(text).map_err(|invalid| format!("`{text}` is no topic: {invalid}"))?;
        if text.split('/').any(str::is_empty) {
            return Err(format!("`{text}` has an empty level; write it like `wasmote` or `plant/west`"));
        }
        if text.starts_with('$') || text.len() > 256 {
            return Err(format!("`{text}` cannot be used: no `$` in front, and at most 256 bytes"));
        }
        Ok(Self(text.into()))
    }
}

/// A number of devices, from 1 on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceCount(pub u32);

impl FromStr for DeviceCount {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse() {
            Ok(count) if count > 0 => Ok(Self(count)),
            _ => Err(format!("`{text}` is no number of devices; use a whole number from 1 on")),
        }
    }
}

/// A secret, which no output shows.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretText(String);

impl SecretText {
    /// The secret itself.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl FromStr for SecretText {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

impl From<String> for SecretText {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // The error of a derived implementation would show the value.
        match serde_json::Value::deserialize(deserializer) {
            Ok(serde_json::Value::String(text)) => Ok(Self(text)),
            _ => Err(serde::de::Error::custom(
                "expected a text in quotes; what was found is not shown, because it is a secret",
            )),
        }
    }
}

impl JsonSchema for SecretText {
    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }

    fn json_schema(_generator: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "writeOnly": true})
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SecretText(hidden)")
    }
}

/// A number of connections to the HTTP API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionLimit(pub usize);

impl ConnectionLimit {
    const MIN: usize = 4;
    const MAX: usize = 100_000;
}

impl FromStr for ConnectionLimit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse() {
            Ok(count) if (Self::MIN..=Self::MAX).contains(&count) => Ok(Self(count)),
            _ => Err(format!(
                "`{text}` is no number of connections; use a whole number from {} to {}",
                Self::MIN,
                Self::MAX
            )),
        }
    }
}

/// Events per second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate(pub f64);

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.strip_suffix("/s").unwrap_or(text).trim_end().parse::<f64>() {
            Ok(rate) if rate.is_finite() && rate > 0.0 => Ok(Self(rate)),
            _ => Err(format!("`{text}` is no rate; use a number above zero, such as 50 or 2000/s")),
        }
    }
}

/// Format of log lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// Short text lines.
    #[default]
    Text,
    /// One JSON object per line, with stable fields.
    Json,
}

/// Effort of the compiler.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CompileOption {
    /// Full optimisation, for fast code.
    #[default]
    Full,
    /// Quick compilation, for a quick start.
    Quick,
}

impl From<CompileOption> for wasmote_engine::CompileMode {
    fn from(compile: CompileOption) -> Self {
        match compile {
            CompileOption::Full => Self::Full,
            CompileOption::Quick => Self::Quick,
        }
    }
}

/// State of an external broker that an orderly end of a run clears.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CleanUpOption {
    /// Sessions of the devices, and retained messages that they published below the topic root.
    #[default]
    Own,
    /// Sessions of the devices, and all retained messages that they published.
    All,
    /// Nothing: sessions and retained messages stay, and on MQTT 3.1.1 sessions of earlier runs are resumed.
    Off,
}

impl CleanUpOption {
    /// Name of the value, as on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::All => "all",
            Self::Off => "off",
        }
    }
}

/// Switch that is on, off, or chosen by the size of the fleet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Switch {
    /// On for up to 20 devices.
    #[default]
    Auto,
    /// Always.
    On,
    /// Never.
    Off,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remote(text: &str) -> String {
        match text.parse::<BrokerChoice>() {
            Ok(BrokerChoice::Remote(url)) => format_broker_url(&url),
            Ok(embedded) => format!("{embedded:?}"),
            Err(problem) => problem,
        }
    }

    #[test]
    fn a_broker_url_has_the_default_port() {
        assert_eq!(remote("mqtt://broker"), "mqtt://broker:1883");
        assert_eq!(remote("mqtts://broker/"), "mqtts://broker:8883");
        assert_eq!(remote("mqtt://[::1]:1884"), "mqtt://[::1]:1884");
        assert_eq!(remote("localhost:1884"), "mqtt://localhost:1884");
        assert_eq!(remote("embedded"), "Embedded(1883)");
    }

    #[test]
    fn schemes_have_no_case() {
        assert_eq!(remote("MQTTS://Broker.Example"), "mqtts://Broker.Example:8883");
        assert_eq!(remote("Mqtt://broker"), "mqtt://broker:1883");
        assert_eq!(remote("TCP://broker:1884"), "mqtt://broker:1884");
        assert_eq!(remote("Ssl://broker"), "mqtts://broker:8883");
        assert_eq!(remote("EMBEDDED:1884"), "Embedded(1884)");
        assert_eq!(remote("Embedded"), "Embedded(1883)");
        assert_eq!(remote("WSS://Broker.Example/MQTT"), "wss://Broker.Example:443/MQTT");
    }

    #[test]
    fn a_websocket_has_a_path_and_its_query_is_not_shown() {
        assert_eq!(remote("ws://broker"), "ws://broker:80/");
        assert_eq!(remote("wss://[::1]:9001/mqtt"), "wss://[::1]:9001/mqtt");
        assert_eq!(remote("ws://broker/a@b?token=s3cret"), "ws://broker:80/a@b?…");
        assert_eq!(remote("ws://broker:9001?token=s3cret"), "ws://broker:9001/?…");
        for (invalid, expected) in [
            ("ws://broker/a#s3cret", "has a fragment"),
            ("ws://broker/ä", "write them as %XX"),
            ("ws://me:s3cret@broker/mqtt", "--broker-user"),
            ("mqtt://broker/mqtt?s3cret", "which only WebSocket knows"),
            ("http://broker/mqtt", "`http://` is not spoken here"),
        ] {
            let problem = remote(invalid);
            assert!(problem.contains(expected) && !problem.contains("s3cret"), "{invalid}: {problem}");
        }
    }

    #[test]
    fn an_invalid_port_is_an_error_and_never_the_default() {
        for invalid in
            ["mqtt://broker:", "mqtt://broker:0", "mqtt://broker:70000", "mqtt://broker:abc", "mqtt://[::1]x"]
        {
            assert!(remote(invalid).contains("is no port"), "{invalid}: {}", remote(invalid));
        }
        assert!(remote("embedded:x").contains("is no port"));
        assert!(remote("mqtt://:1883").contains("names no host"));
        assert!(remote("quic://broker").starts_with("`quic://` is not spoken here; use `embedded`"));
        assert!(remote("mqtt://me:secret@broker").contains("--broker-user"));
    }

    #[test]
    fn an_address_may_be_abbreviated() {
        let shown = |text: &str| text.parse::<HttpAddress>().map(|address| address.0.to_string());
        assert_eq!(shown("5001").unwrap(), "127.0.0.1:5001");
        assert_eq!(shown("localhost:0").unwrap(), "127.0.0.1:0");
        assert_eq!(shown("[::]:5000").unwrap(), "[::]:5000");
        for invalid in ["127.0.0.1", "127.0.0.1:99999", "everywhere:5000", ""] {
            assert!(shown(invalid).unwrap_err().contains("is no address with a port"), "{invalid}");
        }
    }

    #[test]
    fn keepalive_has_a_minimum_and_is_whole_seconds() {
        assert_eq!("10s".parse(), Ok(Keepalive(Duration::from_secs(10))));
        assert_eq!("10".parse(), Ok(Keepalive(Duration::from_secs(10))));
        for invalid in ["4s", "5500ms", "1d", "soon"] {
            assert!(invalid.parse::<Keepalive>().is_err(), "{invalid}");
        }
    }

    #[test]
    fn a_fleet_has_at_least_one_device() {
        assert_eq!("9".parse(), Ok(DeviceCount(9)));
        for invalid in ["0", "-3", "1.5", "many", "5000000000"] {
            assert!(invalid.parse::<DeviceCount>().unwrap_err().contains("from 1 on"), "{invalid}");
        }
    }

    #[test]
    fn a_topic_root_is_a_topic_without_empty_levels() {
        assert!("plant/west".parse::<TopicRoot>().is_ok());
        for invalid in ["", "/plant", "plant/", "plant/+", "$SYS"] {
            assert!(invalid.parse::<TopicRoot>().is_err(), "{invalid}");
        }
    }
}

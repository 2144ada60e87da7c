//! Access to the HTTP API: the token, the names of this host, and the limits of clients.
//!
//! * A request is *protected* if it changes something, or if reading is private. A protected request needs the token. If
//!   there is no token, it must come from this machine.
//! * A page in a browser must not reach the API under a name of its own choice (DNS rebinding). So the `Host` of a request
//!   is an IP address, a name of this machine, or a name that the user has given.

use std::fmt;
use std::net::IpAddr;
use std::path::Path;
use std::{fs, io};

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use wasmote_engine::sha256::hex;

/// Header for the token, beside `Authorization: Bearer`. The API server of Kubernetes consumes `Authorization` itself, so
/// requests through `kubectl proxy` need another header.
pub const TOKEN_HEADER: &str = "x-wasmote-token";

/// Random bytes of a new token.
const TOKEN_BYTES: usize = 32;

/// The shared secret of the API and its clients. It is compared in constant time and never shown.
#[derive(Clone)]
pub struct HttpToken(String);

impl HttpToken {
    /// Minimum length, so that a token cannot be guessed.
    pub const MIN_LEN: usize = 16;
    /// Maximum length. A header has to hold it.
    pub const MAX_LEN: usize = 512;

    /// Checks the characters and the length of a token. The error says nothing about its content.
    pub fn new(text: &str) -> Result<Self, String> {
        let length = text.chars().count();
        if !(Self::MIN_LEN..=Self::MAX_LEN).contains(&length) {
            return Err(format!(
                "a token has {} to {} characters, and this one has {length}; `wasmote token` makes one",
                Self::MIN_LEN,
                Self::MAX_LEN
            ));
        }
        // The characters of a bearer token [RFC 6750, 2.1].
        let is_valid = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
        match text.bytes().position(|byte| !is_valid(byte)) {
            None => Ok(Self(text.to_owned())),
            Some(position) => Err(format!(
                "a token consists of letters, digits and -._~+/=, and byte {} of this one is something else; \
                 `wasmote token` makes one",
                position + 1
            )),
        }
    }

    /// Draws a new token from the system's random numbers.
    pub fn generate() -> io::Result<Self> {
        use rand::TryRng;
        let mut bytes = [0; TOKEN_BYTES];
        rand::rngs::SysRng.try_fill_bytes(&mut bytes).map_err(io::Error::other)?;
        Ok(Self(hex(&bytes)))
    }

    /// Whether a client sent this token. The time depends on neither text: hashes of equal length are compared, and all
    /// their bytes.
    pub fn matches(&self, given: &[u8]) -> bool {
        Sha256::digest(self.0.as_bytes()).as_slice().ct_eq(Sha256::digest(given).as_slice()).into()
    }

    /// The text of the token, for the header of a request or for the user who asked for a new one.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Writes the token to a new file that only its owner can read.
    pub fn write_new(&self, path: &Path) -> io::Result<()> {
        use std::io::Write as _;
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path)?;
        writeln!(file, "{}", self.0)?;
        file.sync_all()
    }
}

impl fmt::Debug for HttpToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("HttpToken(hidden)")
    }
}

/// Rules for the clients of the HTTP API.
#[derive(Clone, Debug)]
pub struct HttpAccess {
    /// The token, if there is one.
    pub token: Option<HttpToken>,
    /// Without a token, whether other machines may send protected requests.
    pub open: bool,
    /// Whether reading is protected, too.
    pub private: bool,
    /// Names of this host in requests.
    pub hosts: HostNames,
    /// Hosts from which clients may have this host fetch a behaviour.
    pub fetch_from: Vec<String>,
    /// Maximum number of connections.
    pub connections: usize,
    /// Maximum number of requests per second from one address.
    pub rate: f64,
}

impl HttpAccess {
    /// Default maximum number of connections.
    pub const CONNECTIONS: usize = 100;
    /// Default maximum number of requests per second from one address.
    pub const RATE: f64 = 1_000.0;
}

impl Default for HttpAccess {
    fn default() -> Self {
        Self {
            token: None,
            open: false,
            private: false,
            hosts: HostNames::of_this_machine(),
            fetch_from: Vec::new(),
            connections: Self::CONNECTIONS,
            rate: Self::RATE,
        }
    }
}

/// Names under which clients may address this host, besides IP addresses and `localhost`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostNames {
    names: Vec<String>,
    any_for_reading: bool,
}

/// Check of the name in a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostCheck {
    /// The name belongs to this host.
    Known,
    /// The name is unknown, and `*` accepts it for reading.
    OnlyForReading,
    /// The name is unknown.
    Unknown,
    /// The text is no host with an optional port.
    Invalid,
}

impl HostNames {
    /// The name of this machine, or of this pod.
    pub fn of_this_machine() -> Self {
        let mut names = Vec::new();
        if let Some(name) = machine_name() {
            let name = name.trim_end_matches('.').to_ascii_lowercase();
            names.extend(name.split_once('.').map(|(first, _)| first.to_owned()));
            names.push(name);
        }
        Self { names, any_for_reading: false }
    }

    /// Adds a name: exact, `*.DOMAIN` for every name in a domain, or `*` for every name in requests that only read.
    pub fn add(&mut self, text: &str) -> Result<(), String> {
        if text == "*" {
            self.any_for_reading = true;
            return Ok(());
        }
        let name = text.trim_end_matches('.').to_ascii_lowercase();
        let is_label = |label: &str| {
            !label.is_empty()
                && label.len() <= 63
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        };
        let rest = name.strip_prefix("*.").unwrap_or(&name);
        if name.len() > 253 || !rest.split('.').all(is_label) {
            return Err(format!(
                "`{text}` is no name of a host; write it like lab.example, *.lab.example, or * for every name in \
                 requests that only read (without a port; IP addresses and localhost are always accepted)"
            ));
        }
        self.names.push(name);
        Ok(())
    }

    /// Checks the host in a request, with or without a port.
    pub fn check(&self, authority: &str) -> HostCheck {
        let Some(host) = host_of(authority) else { return HostCheck::Invalid };
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(&host);
        if host.is_empty() {
            return HostCheck::Invalid;
        }
        // A page cannot choose an address as its name.
        if address.parse::<IpAddr>().is_ok() || host == "localhost" || host.ends_with(".localhost") {
            return HostCheck::Known;
        }
        let is_known = |name: &String| match name.strip_prefix('*') {
            Some(suffix) => host.len() > suffix.len() && host.ends_with(suffix),
            None => host == *name,
        };
        match self.names.iter().any(is_known) {
            true => HostCheck::Known,
            false if self.any_for_reading => HostCheck::OnlyForReading,
            false => HostCheck::Unknown,
        }
    }
}

/// The host of `HOST[:PORT]`, with the brackets of an IPv6 address.
fn host_of(authority: &str) -> Option<&str> {
    let end = match authority.starts_with('[') {
        true => authority.find(']')? + 1,
        false => authority.find(':').unwrap_or(authority.len()),
    };
    let (host, port) = authority.split_at(end);
    let is_port = port.is_empty()
        || port.strip_prefix(':').is_some_and(|port| {
            port.is_empty() || port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok()
        });
    let is_text = host.bytes().all(|byte| byte.is_ascii_graphic() && !b"@/?#\\,".contains(&byte));
    (is_port && is_text).then_some(host)
}

#[cfg(unix)]
fn machine_name() -> Option<String> {
    rustix::system::uname().nodename().to_str().ok().map(str::to_owned).filter(|name| !name.is_empty())
}

#[cfg(not(unix))]
fn machine_name() -> Option<String> {
    std::env::var("COMPUTERNAME").ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(names: &[&str]) -> HostNames {
        let mut hosts = HostNames::default();
        names.iter().for_each(|name| hosts.add(name).unwrap());
        hosts
    }

    #[test]
    fn addresses_localhost_and_given_names_are_known() {
        let hosts = named(&["Lab.example", "*.svc.cluster.local"]);
        for known in [
            "127.0.0.1:5000",
            "10.1.2.3",
            "[::1]:5000",
            "[fe80::1]",
            "localhost:5000",
            "LOCALHOST.",
            "a.localhost",
            "lab.example:80",
            "LAB.EXAMPLE.",
            "iot-a.ns.svc.cluster.local:5000",
        ] {
            assert_eq!(hosts.check(known), HostCheck::Known, "{known}");
        }
        for unknown in [
            "evil.example",
            "127.0.0.1.nip.example:5000",
            "xlab.example",
            "lab.example.evil.example",
            "localhost.evil.example",
            "svc.cluster.local",
            "evilsvc.cluster.local",
            "0x7f.1",
            "127.1",
        ] {
            assert_eq!(hosts.check(unknown), HostCheck::Unknown, "{unknown}");
        }
        for invalid in
            ["", ":5000", "a:b", "a:70000", "me@localhost", "localhost/x", "[::1", "a b", "a,localhost", "."]
        {
            assert_eq!(hosts.check(invalid), HostCheck::Invalid, "{invalid}");
        }
        assert_eq!(named(&["*"]).check("evil.example"), HostCheck::OnlyForReading);
        assert_eq!(named(&["*"]).check("10.0.0.1"), HostCheck::Known);
    }

    #[test]
    fn the_name_of_this_machine_is_known() {
        let name = machine_name().unwrap();
        assert_eq!(HostNames::of_this_machine().check(&format!("{name}:5000")), HostCheck::Known);
    }

    #[test]
    fn an_invalid_name_is_refused_with_examples() {
        for invalid in ["", "a:5000", "http://a", "a/b", "*a", "a.*.b", "a b", &"a".repeat(64)] {
            let problem = HostNames::default().add(invalid).unwrap_err();
            assert!(problem.contains("lab.example"), "{problem}");
        }
    }

    #[test]
    fn a_token_is_checked_without_being_shown() {
        let token = HttpToken::new("correct-horse-battery").unwrap();
        assert!(token.matches(b"correct-horse-battery"));
        for wrong in [
            "",
            "correct-horse-batterz",
            "correct-horse-batter",
            "correct-horse-battery ",
            "CORRECT-HORSE-BATTERY",
        ] {
            assert!(!token.matches(wrong.as_bytes()), "{wrong}");
        }
        assert!(
            !format!("{token:?} {:?}", HttpAccess { token: Some(token.clone()), ..HttpAccess::default() })
                .contains("horse")
        );
        for invalid in ["short", "with a space in the middle", "ümlaut-ümlaut-ümlaut", &"x".repeat(513)] {
            let problem = HttpToken::new(invalid).unwrap_err();
            assert!(problem.contains("wasmote token") && !problem.contains(invalid), "{problem}");
        }
    }

    #[test]
    fn a_new_token_is_random_and_its_file_is_private() {
        let (one, other) = (HttpToken::generate().unwrap(), HttpToken::generate().unwrap());
        assert_eq!(one.reveal().len(), 2 * TOKEN_BYTES);
        assert_ne!(one.reveal(), other.reveal());
        assert!(HttpToken::new(one.reveal()).is_ok());
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        one.write_new(&file).unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert!(other.write_new(&file).is_err(), "an existing file is kept");
        assert_eq!(fs::read_to_string(&file).unwrap().trim(), one.reveal());
    }
}

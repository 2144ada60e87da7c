//! URL of a proxy, whose credentials appear in no output.

use std::fmt;
use std::str::FromStr;

use super::bracketed;

/// Proxy between the devices and their broker.
#[derive(Clone, PartialEq, Eq)]
pub struct ProxyUrl {
    /// Protocol of the proxy.
    pub kind: ProxyKind,
    /// Host name or IP address of the proxy.
    pub host: String,
    /// TCP port of the proxy.
    pub port: u16,
    /// User name and password, if the proxy asks for them.
    credentials: Option<(String, String)>,
}

/// Protocol of a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyKind {
    /// CONNECT of HTTP (RFC 9110, section 9.3.6).
    Http,
    /// SOCKS 5 (RFC 1928) with an address of the broker, which this machine resolves.
    Socks5,
    /// SOCKS 5 with the host name of the broker, which the proxy resolves.
    Socks5h,
}

impl ProxyKind {
    fn scheme(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Socks5 => "socks5",
            Self::Socks5h => "socks5h",
        }
    }
}

/// Forms of a URL, for errors.
const FORMS: &str = "use http://[USER[:PASSWORD]@]HOST:PORT, or socks5:// or socks5h:// with the same";
/// Default port of SOCKS.
const SOCKS_PORT: u16 = 1080;
/// Maximum length of a user name and of a password in SOCKS 5, in bytes (RFC 1929).
const MAX_CREDENTIAL: usize = 255;

impl ProxyUrl {
    /// User name and password.
    pub fn reveal(&self) -> Option<(&str, &str)> {
        self.credentials.as_ref().map(|(user, password)| (user.as_str(), password.as_str()))
    }

    /// Whether the URL holds a password.
    pub fn has_password(&self) -> bool {
        self.reveal().is_some_and(|(_, password)| !password.is_empty())
    }

    /// The URL with another password.
    pub fn with_password(mut self, password: &str) -> Result<Self, String> {
        if self.has_password() {
            return Err(
                "there is a password in the URL of the proxy and a file with one; give only one of them"
                    .into(),
            );
        }
        let Some((user, _)) = self.credentials else {
            return Err("the URL of the proxy has no user name; write it like http://USER@HOST:PORT".into());
        };
        self.credentials = Some((user, checked(password.to_owned(), "password")?));
        Ok(self)
    }
}

impl FromStr for ProxyUrl {
    type Err = String;

    /// The error shows neither a user name nor a password.
    fn from_str(text: &str) -> Result<Self, String> {
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(format!("the URL of the proxy has no scheme; {FORMS}"));
        };
        let kind = match scheme.to_ascii_lowercase().as_str() {
            "http" => ProxyKind::Http,
            "socks5" => ProxyKind::Socks5,
            "socks5h" | "socks" => ProxyKind::Socks5h,
            "https" => {
                return Err(format!(
                    "TLS between this machine and a proxy is not supported; {FORMS}; the tunnel carries the TLS of the broker"
                ));
            }
            "socks4" | "socks4a" => return Err(format!("SOCKS 4 is not supported; {FORMS}")),
            _ => return Err(format!("the scheme of the proxy's URL is unknown; {FORMS}")),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (credentials, place) = match rest.rsplit_once('@') {
            Some((user_info, place)) => (Some(credentials(user_info)?), place),
            None => (None, rest),
        };
        let (host, port) = place_of(place)?;
        let port = match (port, kind) {
            (Some(port), _) => port,
            (None, ProxyKind::Http) => return Err(format!("the URL of the proxy has no port; {FORMS}")),
            (None, _) => SOCKS_PORT,
        };
        Ok(Self { kind, host, port, credentials })
    }
}

/// User name and password, in which `%XX` stands for a byte.
fn credentials(text: &str) -> Result<(String, String), String> {
    let (user, password) = text.split_once(':').unwrap_or((text, ""));
    let decoded = |text: &str, what: &str| checked(percent_decoded(text)?, what);
    let (user, password) = (decoded(user, "user name")?, decoded(password, "password")?);
    match user.is_empty() {
        true => Err(format!("the URL of the proxy has an empty user name; {FORMS}")),
        false => Ok((user, password)),
    }
}

fn checked(text: String, what: &str) -> Result<String, String> {
    match text.len() {
        ..=MAX_CREDENTIAL => Ok(text),
        length => {
            Err(format!("the {what} for the proxy has {length} bytes; the maximum is {MAX_CREDENTIAL}"))
        }
    }
}

fn percent_decoded(text: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        match (byte, digits.map(|digits| u8::from_str_radix(digits, 16))) {
            (b'%', Some(Ok(decoded))) => {
                bytes.push(decoded);
                rest = &after[2..];
            }
            (b'%', _) => {
                return Err("the credentials in the URL of the proxy have a `%` without two hexadecimal digits; write `%` \
                            itself as `%25`"
                    .into());
            }
            _ => {
                bytes.push(*byte);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).map_err(|_| "the credentials in the URL of the proxy are not UTF-8".into())
}

fn place_of(text: &str) -> Result<(String, Option<u16>), String> {
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, after)) => (host, after.strip_prefix(':').or((!after.is_empty()).then_some(after))),
        None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    let is_host = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
    if host.is_empty() || !host.chars().all(is_host) {
        return Err(format!("the URL of the proxy names no host, or has a path; {FORMS}"));
    }
    let port = port.map(|port| port.parse::<u16>().ok().filter(|port| *port > 0).ok_or(port)).transpose();
    let port = port.map_err(|_| "the port of the proxy is no number from 1 to 65535".to_owned())?;
    Ok((host.to_owned(), port))
}

/// The URL without credentials.
impl fmt::Display for ProxyUrl {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, Self { host, port, .. }) = (self.kind.scheme(), self);
        write!(out, "{scheme}://{}:{port}", bracketed(host))
    }
}

impl fmt::Debug for ProxyUrl {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> ProxyUrl {
        text.parse().unwrap_or_else(|problem| panic!("{text}: {problem}"))
    }

    #[test]
    fn a_url_has_a_scheme_in_any_case_and_shows_no_credentials() {
        let proxy = url("HTTP://us%65r:p%40ss%3as3cret@Proxy.example:3128/");
        assert_eq!(proxy.reveal(), Some(("user", "p@ss:s3cret")));
        assert_eq!(format!("{proxy} {proxy:?}"), "http://Proxy.example:3128 http://Proxy.example:3128");
        assert_eq!(url("socks5h://[::1]").to_string(), "socks5h://[::1]:1080");
        assert_eq!(url("Socks5://10.0.0.1:9").reveal(), None);
        assert_eq!(url("socks5://a:b@c@host:1").reveal(), Some(("a", "b@c")), "the last @ counts");
        let with_file = url("http://me@proxy:1").with_password("s3cret").unwrap();
        assert_eq!(with_file.reveal(), Some(("me", "s3cret")));
    }

    #[test]
    fn an_error_shows_no_credentials() {
        for (text, expected) in [
            ("proxy:3128", "no scheme"),
            ("ftp://me:s3cret@proxy:1", "scheme of the proxy's URL is unknown"),
            ("https://me:s3cret@proxy:1", "not supported"),
            ("socks4://me:s3cret@proxy:1", "SOCKS 4"),
            ("http://me:s3cret@proxy", "no port"),
            ("http://me:s3cret@proxy:x", "no number from 1 to 65535"),
            ("http://me:s3cret@proxy:1/s3cret", "no number from 1 to 65535"),
            ("http://me:s3cret@:1", "names no host"),
            ("http://:s3cret@proxy:1", "empty user name"),
            ("http://me:s3cret%4@proxy:1", "without two hexadecimal digits"),
            ("http://me:%ffs3cret@proxy:1", "not UTF-8"),
        ] {
            let problem = text.parse::<ProxyUrl>().unwrap_err();
            assert!(problem.contains(expected) && !problem.contains("s3cret"), "{text}: {problem}");
        }
        let long = format!("http://me:{}@proxy:1", "x".repeat(256)).parse::<ProxyUrl>().unwrap_err();
        assert!(long.contains("the password for the proxy has 256 bytes"), "{long}");
        for (text, expected) in
            [("http://me:pw@proxy:1", "only one of them"), ("http://proxy:1", "no user name")]
        {
            let problem = url(text).with_password("s3cret").unwrap_err();
            assert!(problem.contains(expected) && !problem.contains("s3cret"), "{problem}");
        }
    }
}

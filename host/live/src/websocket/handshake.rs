//! Handshake of a client: the request, and what the answer means.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use httparse::{EMPTY_HEADER, Header, Response, Status};
use ring::rand::{SecureRandom, SystemRandom};

use super::{MAX_FIELDS, MAX_HEAD, SUBPROTOCOL, accept_value, has_token, quoted};
use crate::config::{BrokerUrl, HeaderField, WebSocketPath};

/// First byte of a TLS alert (RFC 8446, section 5.1), which no HTTP message begins with.
const TLS_ALERT: u8 = 0x15;

/// Reason that a handshake failed, without the broker's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum HandshakeError {
    /// The system has no random numbers for the key.
    Random,
    /// The first bytes of the answer are no HTTP; their beginning.
    NotHttp(Vec<u8>),
    /// The head of the answer is too large.
    TooLarge,
    /// Another status than 101.
    Status { code: u16, reason: String, location: Option<String>, path: String },
    /// A 101 that does not switch to WebSocket.
    NoUpgrade,
    /// The answer belongs to another key.
    WrongAccept,
    /// The subprotocol of the answer; none, or not that of MQTT.
    Subprotocol(Option<String>),
    /// An extension that was not offered.
    Extension(String),
}

impl fmt::Display for HandshakeError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let check = "check that the port and the path in the URL are those of the broker's WebSocket";
        match self {
            Self::Random => out.write_str("the system has no random numbers"),
            // The first byte alone may have arrived.
            Self::NotHttp(bytes) if bytes.first() == Some(&TLS_ALERT) => {
                out.write_str("it answered with TLS; the broker speaks TLS on this port: use wss://")
            }
            Self::NotHttp(bytes) => {
                let shown = quoted(&bytes[..bytes.len().min(40)]);
                write!(
                    out,
                    "its answer is not HTTP (`{shown}`); the port may be for MQTT without WebSocket (use mqtt://): {check}"
                )
            }
            Self::TooLarge => {
                write!(out, "its answer has a head of more than {} KiB; {check}", MAX_HEAD >> 10)
            }
            Self::Status { code, reason, location, path } => {
                let space = if reason.is_empty() { "" } else { " " };
                write!(
                    out,
                    "it answered `{code}{space}{reason}`; {}",
                    remedy(*code, location.as_deref(), path)
                )
            }
            Self::NoUpgrade => {
                write!(
                    out,
                    "it answered 101 without switching to WebSocket; a proxy in front of it may not pass WebSocket on"
                )
            }
            Self::WrongAccept => write!(
                out,
                "its answer belongs to another request (Sec-WebSocket-Accept); a cache in front of it may have answered"
            ),
            Self::Subprotocol(None) => write!(
                out,
                "it did not agree to the subprotocol `{SUBPROTOCOL}` [MQTT-6.0.0-4], so it is no MQTT broker, or not at \
                 this path; {check}"
            ),
            Self::Subprotocol(Some(other)) => {
                write!(out, "it chose the subprotocol `{other}` and not `{SUBPROTOCOL}`; {check}")
            }
            Self::Extension(name) => write!(out, "it uses the extension `{name}`, which was not offered"),
        }
    }
}

/// Remedy for an answer with another status than 101.
fn remedy(code: u16, location: Option<&str>, path: &str) -> String {
    match (code, location) {
        (300..=399, Some(to)) => {
            format!("it redirects to `{to}`; redirects are not followed: name that place in the URL, with ws:// or wss://")
        }
        (400, _) => format!(
            "it does not accept the request for `{path}`; check the path in the URL, and use wss:// if the port is for TLS"
        ),
        (401, _) => "it asks for credentials before MQTT; give them with --ws-header, such as `Authorization: Bearer TOKEN`"
            .to_owned(),
        (403, _) => {
            "it forbids this connection; check the headers (--ws-header), or the addresses and origins that it permits"
                .to_owned()
        }
        (404 | 405 | 410, _) => format!(
            "there is no WebSocket at the path `{path}`; name the broker's path in the URL, such as ws://HOST/mqtt"
        ),
        (407, _) => "a proxy in between asks for credentials; name it with --proxy".to_owned(),
        (408 | 429, _) => "it has too many requests; start the devices more slowly with --ramp".to_owned(),
        (426, _) => "it asks for another version of WebSocket than 13".to_owned(),
        (200..=299, _) => format!(
            "a web server answers at the path `{path}`, and no WebSocket; name the broker's path in the URL, such as \
             ws://HOST/mqtt"
        ),
        (502..=504, _) => {
            "a gateway in front of the broker does not reach it; check that the broker runs".to_owned()
        }
        (500..=599, _) => "look at the log of the broker".to_owned(),
        _ => "check that the port and the path in the URL are those of the broker's WebSocket".to_owned(),
    }
}

/// Handshake that waits for the answer.
#[derive(Debug)]
pub(crate) struct Handshake {
    /// Value of `Sec-WebSocket-Accept` that the answer must have.
    accept: String,
    path: String,
    /// Head of the answer, as far as it has arrived.
    head: Vec<u8>,
}

impl Handshake {
    /// Starts a handshake. Returns the request with it.
    pub(crate) fn start(
        broker: &BrokerUrl,
        path: &WebSocketPath,
        fields: &[HeaderField],
    ) -> Result<(Self, Vec<u8>), HandshakeError> {
        let mut key = [0; 16];
        SystemRandom::new().fill(&mut key).map_err(|_| HandshakeError::Random)?;
        let key = STANDARD.encode(key);
        let mut request = format!(
            "GET {path} HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: {SUBPROTOCOL}\r\n",
            path = path.reveal(),
        );
        if !fields.iter().any(|field| field.name().eq_ignore_ascii_case("host")) {
            request += &format!("Host: {}\r\n", broker.authority());
        }
        for field in fields {
            request += &format!("{}: {}\r\n", field.name(), field.reveal());
        }
        request += "\r\n";
        let accept = accept_value(&key);
        Ok((Self { accept, path: path.without_query().to_owned(), head: Vec::new() }, request.into_bytes()))
    }

    /// Takes bytes of the answer. Returns the number of bytes that belong to it once it is complete.
    pub(crate) fn read(&mut self, bytes: &[u8]) -> Result<Option<usize>, HandshakeError> {
        let before = self.head.len();
        self.head.extend_from_slice(&bytes[..bytes.len().min(MAX_HEAD + 1 - before)]);
        let mut fields = [EMPTY_HEADER; MAX_FIELDS];
        let mut response = Response::new(&mut fields);
        match response.parse(&self.head) {
            Ok(Status::Complete(length)) => {
                check(&response, &self.accept, &self.path)?;
                Ok(Some(length.saturating_sub(before)))
            }
            Ok(Status::Partial) if self.head.len() > MAX_HEAD => Err(HandshakeError::TooLarge),
            Ok(Status::Partial) => Ok(None),
            Err(httparse::Error::TooManyHeaders) => Err(HandshakeError::TooLarge),
            Err(_) => Err(HandshakeError::NotHttp(self.head.clone())),
        }
    }
}

/// Checks a complete answer (RFC 6455, section 4.1).
fn check(response: &Response<'_, '_>, accept: &str, path: &str) -> Result<(), HandshakeError> {
    let field = |name: &str| value(response.headers, name);
    let code = response.code.unwrap_or_default();
    if code != 101 {
        return Err(HandshakeError::Status {
            code,
            reason: quoted(response.reason.unwrap_or_default().as_bytes()),
            // The query may hold a token.
            location: field("location").and_then(|to| to.split(|byte| *byte == b'?').next()).map(quoted),
            path: path.to_owned(),
        });
    }
    if !field("upgrade").is_some_and(|value| has_token(value, "websocket"))
        || !field("connection").is_some_and(|value| has_token(value, "upgrade"))
    {
        return Err(HandshakeError::NoUpgrade);
    }
    if field("sec-websocket-accept").map(<[u8]>::trim_ascii) != Some(accept.as_bytes()) {
        return Err(HandshakeError::WrongAccept);
    }
    if let Some(extension) = field("sec-websocket-extensions").filter(|value| !value.trim_ascii().is_empty())
    {
        return Err(HandshakeError::Extension(quoted(extension)));
    }
    match field("sec-websocket-protocol").map(<[u8]>::trim_ascii) {
        Some(protocol) if protocol == SUBPROTOCOL.as_bytes() => Ok(()),
        other => Err(HandshakeError::Subprotocol(other.map(quoted))),
    }
}

/// Value of the first field with this name.
pub(super) fn value<'a>(fields: &[Header<'a>], name: &str) -> Option<&'a [u8]> {
    fields.iter().find(|field| field.name.eq_ignore_ascii_case(name)).map(|field| field.value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start() -> (Handshake, String) {
        let broker =
            BrokerUrl { websocket: Some("/mqtt?t=secret".parse().unwrap()), ..BrokerUrl::mqtt("::1", 9001) };
        let fields = ["Authorization: Bearer secret".parse().unwrap(), "X-Id: 1".parse().unwrap()];
        let path = broker.websocket.clone().unwrap();
        let (handshake, request) = Handshake::start(&broker, &path, &fields).unwrap();
        (handshake, String::from_utf8(request).unwrap())
    }

    fn failure(answer: &str) -> String {
        let (mut handshake, _) = start();
        let answer = answer.replace("ACCEPT", &handshake.accept);
        for byte in answer.as_bytes() {
            match handshake.read(&[*byte]) {
                Ok(None) => {}
                Ok(Some(_)) => panic!("accepted: {answer}"),
                Err(error) => return error.to_string(),
            }
        }
        panic!("no outcome: {answer}")
    }

    const GOOD: &str = "HTTP/1.1 101 Switching Protocols\r\nupgrade: WebSocket\r\nConnection: keep-alive, upgrade\r\n\
                        Sec-WebSocket-Accept: ACCEPT\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n";

    #[test]
    fn the_request_has_the_path_the_host_and_the_users_headers() {
        let (_, request) = start();
        assert!(request.starts_with("GET /mqtt?t=secret HTTP/1.1\r\n"), "{request}");
        for line in
            ["Host: [::1]:9001", "Authorization: Bearer secret", "X-Id: 1", "Sec-WebSocket-Protocol: mqtt"]
        {
            assert!(request.contains(&format!("\r\n{line}\r\n")), "{line}: {request}");
        }
        assert!(request.ends_with("\r\n\r\n"));
    }

    #[test]
    fn bytes_after_the_answer_are_left_in_every_division() {
        let accept = start().0.accept;
        for at in 0..GOOD.len() {
            let (mut handshake, _) = start();
            handshake.accept = accept.clone();
            let answer = GOOD.replace("ACCEPT", &accept);
            let (first, second) = answer.split_at(at.min(answer.len()));
            assert_eq!(handshake.read(first.as_bytes()), Ok(None));
            let rest = [second.as_bytes(), b"\x82\x01x"].concat();
            assert_eq!(handshake.read(&rest), Ok(Some(second.len())));
        }
    }

    #[test]
    fn every_other_answer_is_told_in_words_with_a_remedy() {
        let status = |line: &str| failure(&format!("HTTP/1.1 {line}\r\nContent-Length: 0\r\n\r\n"));
        for (line, expected) in [
            ("200 OK", "it answered `200 OK`; a web server answers at the path `/mqtt`, and no WebSocket"),
            ("400 Bad Request", "use wss:// if the port is for TLS"),
            ("401 Unauthorized", "it asks for credentials before MQTT; give them with --ws-header"),
            ("403 Forbidden", "it forbids this connection"),
            ("404 Not Found", "there is no WebSocket at the path `/mqtt`; name the broker's path in the URL"),
            ("407 Proxy Authentication Required", "name it with --proxy"),
            ("426 Upgrade Required", "another version of WebSocket"),
            ("429 Too Many Requests", "--ramp"),
            ("503 Service Unavailable", "does not reach it"),
            ("500", "it answered `500`; look at the log of the broker"),
        ] {
            let found = status(line);
            assert!(found.contains(expected) && !found.contains("secret"), "{line}: {found}");
        }
        let moved = failure("HTTP/1.1 301 Moved\r\nLocation: https://other/ws?token=secret\r\n\r\n");
        assert!(moved.contains("redirects to `https://other/ws`; redirects are not followed"), "{moved}");
        for (from, to, expected) in [
            ("upgrade: WebSocket\r\n", "", "without switching to WebSocket"),
            ("ACCEPT", "AAAA", "belongs to another request"),
            ("Sec-WebSocket-Protocol: mqtt\r\n", "", "did not agree to the subprotocol `mqtt`"),
            (": mqtt", ": graphql-ws", "it chose the subprotocol `graphql-ws` and not `mqtt`"),
            (": mqtt\r\n", ": mqtt\r\nSec-WebSocket-Extensions: x\r\n", "the extension `x`"),
            ("HTTP/1.1", "\x15\x03\x03", "use wss://"),
            ("HTTP/1.1 101", "SSH-2.0-x", "its answer is not HTTP (`"),
        ] {
            let found = failure(&GOOD.replacen(from, to, 1));
            assert!(found.contains(expected), "{expected}: {found}");
        }
        let long = format!("HTTP/1.1 101 X\r\nlong: {}", "x".repeat(MAX_HEAD));
        assert!(failure(&long).contains("more than 16 KiB"));
        assert!(
            failure(&format!("HTTP/1.1 101 X\r\n{}", "a: b\r\n".repeat(101))).contains("more than 16 KiB")
        );
    }
}

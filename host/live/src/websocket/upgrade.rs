//! Handshake of the embedded broker: the check of a client's request, and the answer.

use httparse::{EMPTY_HEADER, Header, Request, Status};

use super::handshake::value;
use super::{MAX_FIELDS, MAX_HEAD, SUBPROTOCOL, accept_value, has_token};

/// Outcome of a look at the bytes that a client has sent so far.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Upgrade {
    /// The head of the request is not complete.
    Incomplete,
    /// The request has this length, and gets this answer.
    Accepted { length: usize, answer: String },
    /// The request gets this answer, after which the connection ends.
    Refused(String),
}

/// Whether the first byte of a client belongs to HTTP: it is the `G` of GET, which is no MQTT packet.
pub(crate) fn is_http(first: u8) -> bool {
    first == b'G'
}

/// Examines the request of a client.
pub(crate) fn examine(head: &[u8]) -> Upgrade {
    let mut fields = [EMPTY_HEADER; MAX_FIELDS];
    let mut request = Request::new(&mut fields);
    let length = match request.parse(head) {
        Ok(Status::Complete(length)) if length <= MAX_HEAD => length,
        Ok(Status::Partial) if head.len() <= MAX_HEAD => return Upgrade::Incomplete,
        _ => return refuse("400 Bad Request", "", "The request cannot be read."),
    };
    match check(&request) {
        Ok(key) => {
            let accept = accept_value(key);
            let answer = format!(
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                 Sec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Protocol: {SUBPROTOCOL}\r\n\r\n"
            );
            Upgrade::Accepted { length, answer }
        }
        Err(answer) => answer,
    }
}

/// Checks a request (RFC 6455, section 4.2.1). Returns its key, or the refusal.
fn check<'a>(request: &Request<'_, 'a>) -> Result<&'a str, Upgrade> {
    let fields: &[Header<'a>] = request.headers;
    let has = |name: &str, token: &str| value(fields, name).is_some_and(|value| has_token(value, token));
    if !has("upgrade", "websocket") || !has("connection", "upgrade") || request.version != Some(1) {
        let text = "This is an MQTT broker. Connect with MQTT, or with WebSocket and the subprotocol `mqtt`.";
        return Err(refuse("426 Upgrade Required", "Upgrade: websocket\r\n", text));
    }
    if !has("sec-websocket-version", "13") {
        let field = "Sec-WebSocket-Version: 13\r\n";
        return Err(refuse("426 Upgrade Required", field, "This broker speaks version 13 of WebSocket."));
    }
    // A page of any site may open a WebSocket to this machine, and browsers name the site here.
    if let Some(origin) = value(fields, "origin")
        && !is_local(origin)
    {
        let text = "Pages of other sites may not use this broker; only pages of this machine may.";
        return Err(refuse("403 Forbidden", "", text));
    }
    let protocols = fields.iter().filter(|field| field.name.eq_ignore_ascii_case("sec-websocket-protocol"));
    if !protocols.into_iter().any(|field| has_token(field.value, SUBPROTOCOL)) {
        let text = "The client has to offer the subprotocol `mqtt` [MQTT-6.0.0-3].";
        return Err(refuse("400 Bad Request", "", text));
    }
    match value(fields, "sec-websocket-key").and_then(|key| std::str::from_utf8(key.trim_ascii()).ok()) {
        Some(key) if key.len() == 24 => Ok(key),
        _ => Err(refuse("400 Bad Request", "", "Sec-WebSocket-Key has to be 16 bytes in Base64.")),
    }
}

/// Whether a page of this origin comes from this machine.
fn is_local(origin: &[u8]) -> bool {
    let Some((scheme, host)) =
        std::str::from_utf8(origin).ok().and_then(|text| text.trim().split_once("://"))
    else {
        return false;
    };
    let without_port = match host.strip_prefix('[') {
        Some(rest) => rest.split_once(']').map_or("", |(host, _)| host),
        None => host.split(':').next().unwrap_or_default(),
    };
    matches!(scheme, "http" | "https")
        && (without_port.eq_ignore_ascii_case("localhost")
            || without_port.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback()))
}

fn refuse(status: &str, fields: &str, text: &str) -> Upgrade {
    let length = text.len() + 1;
    Upgrade::Refused(format!(
        "HTTP/1.1 {status}\r\n{fields}Connection: close\r\nContent-Type: text/plain; charset=utf-8\r\n\
         Content-Length: {length}\r\n\r\n{text}\n"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "GET /any HTTP/1.1\r\nHost: localhost:1883\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
        Sec-WebSocket-Protocol: other, mqtt\r\n\r\n";

    #[test]
    fn a_request_is_accepted_once_it_is_complete() {
        for length in 0..GOOD.len() {
            assert_eq!(examine(&GOOD.as_bytes()[..length]), Upgrade::Incomplete);
        }
        let sent = format!("{GOOD}rest");
        let Upgrade::Accepted { length, answer } = examine(sent.as_bytes()) else { panic!("refused") };
        assert_eq!(length, GOOD.len());
        assert!(answer.contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"), "{answer}");
    }

    #[test]
    fn a_page_of_another_site_and_every_other_request_is_refused() {
        let with = |from: &str, to: &str| match examine(GOOD.replacen(from, to, 1).as_bytes()) {
            Upgrade::Refused(answer) => answer.lines().next().unwrap().to_owned(),
            other => format!("{other:?}"),
        };
        let origin = |origin: &str| with("Host", &format!("Origin: {origin}\r\nHost"));
        for foreign in
            ["http://evil.example", "https://localhost.evil.example", "null", "file://", "http://10.0.0.1"]
        {
            assert_eq!(origin(foreign), "HTTP/1.1 403 Forbidden", "{foreign}");
        }
        for local in ["http://localhost:8080", "https://127.0.0.1", "http://[::1]:80"] {
            assert!(origin(local).starts_with("Accepted"), "{local}");
        }
        assert_eq!(with("Upgrade: websocket", "X: y"), "HTTP/1.1 426 Upgrade Required");
        assert_eq!(with("Version: 13", "Version: 8"), "HTTP/1.1 426 Upgrade Required");
        assert_eq!(with("other, mqtt", "other"), "HTTP/1.1 400 Bad Request");
        assert_eq!(with("dGhlIHNhbXBsZSBub25jZQ==", "x"), "HTTP/1.1 400 Bad Request");
        assert_eq!(with("Host", "Ho\0st"), "HTTP/1.1 400 Bad Request");
        assert_eq!(with("Host", &format!("A: {}\r\nHost", "x".repeat(MAX_HEAD))), "HTTP/1.1 400 Bad Request");
    }
}

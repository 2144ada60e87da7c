//! Readable texts for connection errors.
//!
//! * `tls`: TLS errors, for brokers and for HTTP servers.

pub(crate) mod tls;

use std::error::Error;
use std::fmt;
use std::io;
use std::time::Duration;

use crate::config::BrokerUrl;
use crate::stream::{Phase, StreamError};
use tls::Peer;
pub(crate) use wasmote_mqtt::reason_text::{at, connection_refused, humanize, server_disconnected};

/// Text for a failed byte stream.
pub(crate) fn stream(address: &str, error: &StreamError) -> String {
    match error {
        StreamError::Tcp(error) => io_error(address, error),
        StreamError::Handshake(error) => handshake(address, error),
        StreamError::Tls(error) => tls_error(address, error),
        StreamError::UpgradeIo(error) => upgrade_io(address, error),
        StreamError::Upgrade(error) => format!("WebSocket with {address} failed: {error}"),
        StreamError::Frame(error) => format!("WebSocket with {address} failed: {error}"),
        StreamError::Closed(close) => format!("the broker closed the WebSocket {close}"),
        StreamError::Random => "the system has no random numbers".to_owned(),
    }
}

/// Text for a TCP error, or a close by the broker, during the handshake of WebSocket.
fn upgrade_io(address: &str, error: &io::Error) -> String {
    let what = match error.kind() {
        io::ErrorKind::UnexpectedEof => "it closed the connection during the handshake".to_owned(),
        _ => error.to_string(),
    };
    let remedy = match is_close_by_peer(error) || error.kind() == io::ErrorKind::UnexpectedEof {
        true => "; check that the broker speaks WebSocket on this port, and whether it needs wss://",
        false => "",
    };
    format!("WebSocket with {address} failed: {what}{remedy}")
}

/// Text for a TCP error.
pub(crate) fn io_error(address: &str, error: &io::Error) -> String {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        return closed(address);
    }
    format!("no connection with {address}: {error}")
}

/// Text for a TCP error, or a close by the broker, during the TLS handshake.
pub(crate) fn handshake(address: &str, error: &io::Error) -> String {
    let remedy = "check that the broker speaks TLS on this port";
    if error.kind() == io::ErrorKind::UnexpectedEof {
        return format!("TLS with {address} failed: it closed the connection during the handshake; {remedy}");
    }
    match is_close_by_peer(error) {
        true => format!("TLS with {address} failed: {error}; {remedy}"),
        false => format!("TLS with {address} failed: {error}"),
    }
}

/// Whether the error means that the peer has closed the connection with unread data.
pub(crate) fn is_close_by_peer(error: &io::Error) -> bool {
    // Errors of injected faults have no OS error code.
    error.raw_os_error().is_some()
        && matches!(error.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe)
}

/// Text for a TLS error, with its remedy.
pub(crate) fn tls_error(address: &str, error: &rustls::Error) -> String {
    format!("TLS with {address} failed: {}", tls::problem(Peer::Broker, error))
}

/// Text for an I/O error of a library's TLS handshake, which may wrap a TLS error.
pub(crate) fn tls_io(address: &str, error: &io::Error) -> String {
    match hidden_tls(error) {
        Some(error) => tls_error(address, error),
        None => handshake(address, error),
    }
}

/// Text for the TLS or TCP error inside an error of a library, if there is one.
pub(crate) fn inner(address: &str, error: &(dyn Error + 'static)) -> Option<String> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<rustls::Error>() {
            return Some(tls_error(address, error));
        }
        if let Some(error) = error.downcast_ref::<io::Error>() {
            let tls = hidden_tls(error).map(|error| tls_error(address, error));
            return Some(tls.unwrap_or_else(|| io_error(address, error)));
        }
        cause = error.source();
    }
    None
}

/// Text for an error of a library, which may wrap a TLS or TCP error.
pub(crate) fn library(address: &str, error: &(dyn Error + 'static)) -> String {
    if let Some(text) = inner(address, error) {
        return text;
    }
    format!("the connection with {address} failed: {error}")
}

/// TLS error inside an I/O error, which may itself be inside another.
pub(crate) fn hidden_tls(error: &io::Error) -> Option<&rustls::Error> {
    let inner = error.get_ref()?;
    inner.downcast_ref().or_else(|| hidden_tls(inner.downcast_ref()?))
}

/// Text for a broker that did not answer a handshake in time.
pub(crate) fn no_handshake(address: &str, phase: Phase, within: Duration) -> String {
    let no_answer = no_answer(address, within);
    let name = match phase {
        Phase::Tls => "TLS",
        Phase::WebSocket => "WebSocket",
    };
    format!("{no_answer} to the {name} handshake; check that the broker speaks {name} on this port")
}

/// Text for a broker that answered CONNECT with the end of the connection.
pub(crate) fn closed_before_connack(address: &str, broker: &BrokerUrl) -> String {
    let cause = match (broker.tls, broker.websocket.is_some()) {
        (true, _) => "it may ask for a client certificate (--cert and --key), or refuse this client",
        (false, false) => {
            "the port may be for TLS (use mqtts://), or it may refuse this client or this version of MQTT"
        }
        (false, true) => "it may refuse this client or this version of MQTT",
    };
    format!("{address} closed the connection before it answered CONNECT; {cause}")
}

/// Text for first bytes of a broker that are no MQTT packet which a broker may send first; `None` if they are one.
pub(crate) fn speaks_other(address: &str, broker: &BrokerUrl, first: &[u8]) -> Option<String> {
    // WebSocket frames begin otherwise, and its handshake has its own errors.
    if broker.websocket.is_some() {
        return None;
    }
    let scheme = if broker.tls { "wss" } else { "ws" };
    // Some servers answer what they cannot read with a page without a head.
    let is_http = [b"HTTP/".as_slice(), b"<!DOC", b"<html"].iter().any(|start| first.starts_with(start));
    let found = match first {
        // CONNACK, DISCONNECT and AUTH.
        [] | [0x20 | 0xE0 | 0xF0, ..] => return None,
        // An alert [RFC 8446, section 5.1].
        [0x15, 0x03, ..] if !broker.tls => {
            return Some(format!(
                "{address} answered with TLS; the broker speaks TLS on this port: use mqtts://"
            ));
        }
        _ if is_http => {
            return Some(format!(
                "{address} answered with HTTP; if the broker speaks WebSocket on this port, use {scheme}:// with its path"
            ));
        }
        _ if first.starts_with(b"SSH-") => "SSH".to_owned(),
        _ => format!("bytes that are not MQTT (`{}`)", first[..first.len().min(16)].escape_ascii()),
    };
    Some(format!(
        "{address} answered with {found}; name the port on which the broker takes MQTT over TCP, usually 1883, or 8883 \
         with mqtts://"
    ))
}

/// Text for a broker that sent bytes which MQTT does not allow.
pub(crate) fn violated(address: &str, violation: impl fmt::Display) -> String {
    format!(
        "{address} violated the MQTT protocol: {violation}; check that an MQTT broker listens on this port"
    )
}

/// Text for a broker that did not respond in time.
pub(crate) fn no_answer(address: &str, within: Duration) -> String {
    format!("no answer from {address} within {} s", within.as_secs())
}

/// Text for a server that accepted TCP, or TLS, and did not answer CONNECT in time.
pub(crate) fn no_connack(address: &str, within: Duration) -> String {
    format!("{} to CONNECT; check that an MQTT broker listens on this port", no_answer(address, within))
}

/// Text for a broker that did not answer a ping in time.
pub(crate) fn no_pong(address: &str) -> String {
    format!("{address} did not answer the keepalive")
}

/// Text for an accepted connection that the broker closed without an answer.
pub(crate) fn closed(address: &str) -> String {
    format!("{address} closed the connection")
}

#[cfg(test)]
mod tests {
    use mqtt5_protocol::ReasonCode;
    use rustls::AlertDescription;

    use super::*;

    #[test]
    fn an_error_of_tls_says_what_to_do_about_it_wherever_it_is_hidden() {
        let alert = || rustls::Error::AlertReceived(AlertDescription::CertificateRequired);
        let expected = tls_error("b:8883", &alert());
        let text = "TLS with b:8883 failed: the broker asks for a client certificate; name one with --cert and --key";
        assert_eq!(expected, text);
        let hidden = || io::Error::new(io::ErrorKind::InvalidData, alert());
        assert_eq!(tls_io("b:8883", &hidden()), expected);
        let state = rumqttc::ConnectionError::MqttState(rumqttc::StateError::Io(hidden()));
        assert_eq!(library("b:8883", &state), expected);
        let closed = StreamError::Handshake(io::ErrorKind::UnexpectedEof.into());
        let closed = stream("b:1883", &closed);
        assert!(closed.ends_with("; check that the broker speaks TLS on this port"), "{closed}");
        assert_eq!(stream("b:1883", &StreamError::Tls(alert())), tls_error("b:1883", &alert()));
    }

    /// Codes with which a broker can refuse a connection; the names are those of three libraries.
    #[test]
    fn every_refused_connection_has_words_and_a_remedy() {
        use rumqttc::ConnectReturnCode as V5;
        use rumqttc_v4::ConnectReturnCode as V4;
        let v4 = [
            V4::RefusedProtocolVersion,
            V4::BadClientId,
            V4::ServiceUnavailable,
            V4::BadUserNamePassword,
            V4::NotAuthorized,
        ];
        let v5 = [
            V5::UnsupportedProtocolVersion,
            V5::ClientIdentifierNotValid,
            V5::BadUserNamePassword,
            V5::NotAuthorized,
            V5::ServerUnavailable,
            V5::ServerBusy,
            V5::Banned,
            V5::BadAuthenticationMethod,
            V5::TopicNameInvalid,
            V5::PacketTooLarge,
            V5::QuotaExceeded,
            V5::PayloadFormatInvalid,
            V5::RetainNotSupported,
            V5::QoSNotSupported,
            V5::UseAnotherServer,
            V5::ServerMoved,
            V5::ConnectionRateExceeded,
        ];
        let own = (0x84..=0x9F).filter_map(ReasonCode::from_u8);
        let own = own.filter(|code| v5.iter().any(|known| humanize(known) == humanize(code)));
        let texts = v4.into_iter().map(connection_refused).chain(v5.into_iter().map(connection_refused));
        let texts: Vec<_> = texts.chain(own.map(connection_refused)).collect();
        assert!(texts.len() > 30, "{texts:#?}");
        for text in texts {
            let rest = text.strip_prefix("the broker refused the connection: ").expect(&text);
            let (why, remedy) = rest.split_once("; ").expect(&text);
            assert!(!why.is_empty() && remedy.contains(' '), "{text}");
            assert!(at("b:1883", text.clone()).starts_with("b:1883 refused the connection: "), "{text}");
        }
    }

    #[test]
    fn bytes_of_other_protocols_are_named() {
        let broker = BrokerUrl::mqtt("b", 80);
        let found = |first: &[u8]| speaks_other("b:80", &broker, first);
        for mqtt in [&b""[..], b"\x20\x02", b"\xe0\x00", b"\xf0"] {
            assert_eq!(found(mqtt), None);
        }
        for (first, words) in [
            (&b"HTTP/1.1 400 Bad Request\r\n"[..], "with HTTP; if the broker speaks WebSocket"),
            (b"SSH-2.0-OpenSSH_9.2\r\n", "with SSH; name the port"),
            (b"\x15\x03\x03\0\x02\x02\x46", "with TLS; the broker speaks TLS on this port: use mqtts://"),
            (
                b"220 mail\x1b[2J ESMTP\r\n",
                "with bytes that are not MQTT (`220 mail\\x1b[2J ESM`); name the port",
            ),
        ] {
            let text = found(first).expect(words);
            assert!(text.starts_with("b:80 answered ") && text.contains(words), "{text}");
        }
    }

    #[test]
    fn reason_codes_become_words() {
        assert_eq!(humanize(rumqttc::DisconnectReasonCode::SessionTakenOver), "session taken over");
        let why = "the broker refused the connection: bad user name or password; check --broker-user and \
            --broker-password, and the broker's rules for this client";
        assert_eq!(connection_refused(rumqttc::ConnectReturnCode::BadUserNamePassword), why);
        assert_eq!(connection_refused(rumqttc_v4::ConnectReturnCode::BadUserNamePassword), why);
        assert_eq!(connection_refused(ReasonCode::BadUsernameOrPassword), why);
        assert_eq!(humanize(ReasonCode::QoSNotSupported), "QoS not supported");
    }
}

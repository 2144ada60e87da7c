//! Readable texts for connection errors.
//!
//! * `tls`: TLS errors, for brokers and for HTTP servers.

pub(crate) mod tls;

use std::error::Error;
use std::io;
use std::time::Duration;

use crate::config::BrokerUrl;
use crate::stream::{Phase, StreamError};
use tls::Peer;
pub(crate) use wasmote_mqtt::reason_text::{connection_refused, humanize, server_disconnected};

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

/// Text for an error of a library, which may wrap a TLS or TCP error.
pub(crate) fn library(address: &str, error: &(dyn Error + 'static)) -> String {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<rustls::Error>() {
            return tls_error(address, error);
        }
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return hidden_tls(error)
                .map_or_else(|| io_error(address, error), |error| tls_error(address, error));
        }
        cause = error.source();
    }
    error.to_string()
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

/// Text for first bytes of a broker that are no MQTT but another protocol.
pub(crate) fn speaks_other(address: &str, broker: &BrokerUrl, bytes: &[u8]) -> Option<String> {
    if broker.websocket.is_some() {
        return None;
    }
    if !broker.tls && is_tls_alert(bytes) {
        return Some(format!(
            "{address} answered with TLS; the broker speaks TLS on this port: use mqtts://"
        ));
    }
    let scheme = if broker.tls { "wss" } else { "ws" };
    // Some servers answer what they cannot read with a page without a head.
    let is_http = [b"HTTP/1".as_slice(), b"<!DOC", b"<html"].iter().any(|start| bytes.starts_with(start));
    is_http.then(|| {
        format!(
            "{address} answered with HTTP; if the broker speaks WebSocket on this port, use {scheme}:// with its path"
        )
    })
}

/// Whether bytes that a broker sent first are a TLS alert [RFC 8446, section 5.1], which no MQTT packet is.
pub(crate) fn is_tls_alert(bytes: &[u8]) -> bool {
    matches!(bytes, [0x15, 0x03, ..])
}

/// Text for a broker that did not respond in time.
pub(crate) fn no_answer(address: &str, within: Duration) -> String {
    format!("no answer from {address} within {} s", within.as_secs())
}

/// Text for an accepted connection that the broker closed without an answer.
pub(crate) fn closed(address: &str) -> String {
    format!("{address} closed the connection")
}

pub(crate) const KEEPALIVE_TIMED_OUT: &str = "the broker did not answer the keepalive";

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

    #[test]
    fn reason_codes_become_words() {
        assert_eq!(humanize(rumqttc::DisconnectReasonCode::SessionTakenOver), "session taken over");
        let why = "the broker refused the connection: bad user name or password";
        assert_eq!(connection_refused(rumqttc::ConnectReturnCode::BadUserNamePassword), why);
        assert_eq!(connection_refused(ReasonCode::BadUsernameOrPassword), why);
        assert_eq!(humanize(ReasonCode::QoSNotSupported), "QoS not supported");
    }
}

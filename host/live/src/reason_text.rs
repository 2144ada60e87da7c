//! Readable texts for connection errors.

use std::error::Error;
use std::io;
use std::time::Duration;

use crate::stream::StreamError;
pub(crate) use wasmote_mqtt::reason_text::{connection_refused, humanize, server_disconnected};

/// Text for a failed byte stream.
pub(crate) fn stream(address: &str, error: &StreamError) -> String {
    match error {
        StreamError::Tcp(error) => io_error(address, error),
        StreamError::Handshake(error) => handshake(address, error),
        StreamError::Tls(error) => tls_error(address, error),
    }
}

/// Text for a TCP error.
pub(crate) fn io_error(address: &str, error: &io::Error) -> String {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        return format!("{address} closed the connection");
    }
    format!("no connection with {address}: {error}")
}

/// Text for a TCP error, or a close by the broker, during the TLS handshake.
pub(crate) fn handshake(address: &str, error: &io::Error) -> String {
    let remedy = "check that the broker speaks TLS on this port";
    if error.kind() == io::ErrorKind::UnexpectedEof {
        return format!("TLS with {address} failed: it closed the connection during the handshake; {remedy}");
    }
    // Errors of injected faults have no OS error code.
    let is_os_error = error.raw_os_error().is_some();
    match error.kind() {
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe if is_os_error => {
            format!("TLS with {address} failed: {error}; {remedy}")
        }
        _ => format!("TLS with {address} failed: {error}"),
    }
}

/// Text for a TLS error, with a remedy where there is one.
pub(crate) fn tls_error(address: &str, error: &rustls::Error) -> String {
    use rustls::{AlertDescription as Alert, CertificateError as Certificate, InvalidMessage};
    let remedy = match error {
        rustls::Error::InvalidCertificate(Certificate::UnknownIssuer | Certificate::BadSignature) => {
            "; the CA certificate is not the one that signed the broker's"
        }
        rustls::Error::InvalidCertificate(
            Certificate::NotValidForName | Certificate::NotValidForNameContext { .. },
        ) => "; use a name that the broker's certificate is for",
        rustls::Error::InvalidCertificate(Certificate::Expired | Certificate::ExpiredContext { .. }) => {
            "; renew the broker's certificate, or set the clock of this machine"
        }
        rustls::Error::InvalidCertificate(
            Certificate::NotValidYet | Certificate::NotValidYetContext { .. },
        ) => "; set the clock of this machine, or of the one that made the broker's certificate",
        rustls::Error::InvalidCertificate(
            Certificate::InvalidPurpose | Certificate::InvalidPurposeContext { .. },
        ) => "; the broker needs a certificate for servers",
        rustls::Error::InvalidCertificate(Certificate::Other(_)) => {
            "; the broker needs a certificate that is signed by a CA and is not itself a CA certificate"
        }
        rustls::Error::AlertReceived(Alert::CertificateRequired | Alert::NoCertificate) => {
            "; the broker asks for a client certificate"
        }
        rustls::Error::AlertReceived(Alert::HandshakeFailure) => {
            "; the broker may ask for a client certificate, or for other cipher suites"
        }
        rustls::Error::AlertReceived(Alert::UnknownCA | Alert::BadCertificate | Alert::DecryptError) => {
            "; the broker does not trust the authority that signed the client certificate"
        }
        rustls::Error::AlertReceived(Alert::CertificateExpired | Alert::CertificateRevoked) => {
            "; renew the client certificate"
        }
        rustls::Error::AlertReceived(Alert::UnsupportedCertificate | Alert::CertificateUnknown) => {
            "; the broker does not accept this type of client certificate"
        }
        rustls::Error::AlertReceived(Alert::AccessDenied) => {
            "; the broker denies access to this client certificate"
        }
        rustls::Error::AlertReceived(Alert::UnrecognisedName) => {
            "; use a host name that the broker is configured for"
        }
        rustls::Error::AlertReceived(Alert::ProtocolVersion) | rustls::Error::PeerIncompatible(_) => {
            "; the broker has to speak TLS 1.2 or 1.3"
        }
        rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            "; the broker does not speak TLS on this port"
        }
        _ => "",
    };
    format!("TLS with {address} failed: {error}{remedy}")
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

fn hidden_tls(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

/// Text for a broker that did not respond in time.
pub(crate) fn no_answer(address: &str, within: Duration) -> String {
    format!("no answer from {address} within {} s", within.as_secs())
}

pub(crate) const CONNECTION_CLOSED: &str = "the broker closed the connection";
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
        assert!(expected.ends_with("; the broker asks for a client certificate"), "{expected}");
        assert!(expected.starts_with("TLS with b:8883 failed: received fatal alert"), "{expected}");
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

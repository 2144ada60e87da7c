//! What went wrong with a connection, for people.

use std::io;

/// `BadUserNamePassword` as `bad user name password`: the library's reason codes are named in English.
pub(crate) fn humanize(code: impl std::fmt::Debug) -> String {
    let mut words = String::new();
    for letter in format!("{code:?}").chars() {
        if letter.is_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.extend(letter.to_lowercase());
    }
    words.replace("qo s", "QoS")
}

/// The broker said no.
pub(crate) fn connection_refused(code: impl std::fmt::Debug) -> String {
    let why = match humanize(code) {
        why if why == "bad user name password" || why == "bad username or password" => {
            "bad user name or password".to_owned()
        }
        why => why,
    };
    format!("the broker refused the connection: {why}")
}

/// Something below MQTT failed.
pub(crate) fn io_error(address: &str, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::InvalidData => tls_error(address, error),
        io::ErrorKind::UnexpectedEof => format!("{address} closed the connection"),
        _ => format!("no connection with {address}: {error}"),
    }
}

/// The two sides do not trust each other, or one of them speaks no TLS.
pub(crate) fn tls_error(address: &str, error: &dyn std::fmt::Display) -> String {
    let error = error.to_string();
    let error = error.strip_prefix("I/O: ").unwrap_or(&error);
    let hint = match error {
        e if e.contains("UnknownIssuer") || e.contains("BadSignature") => {
            "; the CA certificate is not the one that signed the broker's"
        }
        e if e.contains("not valid for name") => "; use a name that the broker's certificate is for",
        e if e.contains("CertificateRequired") => "; the broker asks for a client certificate",
        e if e.contains("InvalidContentType") => "; the broker does not speak TLS on this port",
        _ => "",
    };
    format!("TLS with {address} failed: {error}{hint}")
}

pub(crate) fn connect_timed_out(address: &str) -> String {
    format!("no answer from {address} within {} s", crate::client::CONNECT_TIMEOUT.as_secs())
}

/// The broker ended the connection, and may have said why (section 3.14.2.1).
pub(crate) fn server_disconnected(code: impl std::fmt::Debug, reason: Option<&str>) -> String {
    let reason = reason.map(|text| format!(" ({text})")).unwrap_or_default();
    format!("the broker ended the connection: {}{reason}", humanize(code))
}

pub(crate) const CONNECTION_CLOSED: &str = "the broker closed the connection";
pub(crate) const KEEPALIVE_TIMED_OUT: &str = "the broker did not answer the keepalive";

#[cfg(test)]
mod tests {
    use mqtt5_protocol::ReasonCode;

    use super::*;

    #[test]
    fn reason_codes_become_words() {
        assert_eq!(humanize(rumqttc::DisconnectReasonCode::SessionTakenOver), "session taken over");
        let why = "the broker refused the connection: bad user name or password";
        assert_eq!(connection_refused(rumqttc::ConnectReturnCode::BadUserNamePassword), why);
        assert_eq!(connection_refused(ReasonCode::BadUsernameOrPassword), why);
        assert_eq!(humanize(ReasonCode::QoSNotSupported), "QoS not supported");
    }
}

//! What went wrong with a connection, for people.

use std::io;

/// `BadUserNamePassword` as `bad user name password`: the library's reason codes are named in English.
pub(super) fn spoken(code: impl std::fmt::Debug) -> String {
    let mut words = String::new();
    for letter in format!("{code:?}").chars() {
        if letter.is_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.extend(letter.to_lowercase());
    }
    words
}

/// The broker said no.
pub(super) fn refused(code: impl std::fmt::Debug) -> String {
    let why = match spoken(code) {
        why if why == "bad user name password" => "bad user name or password".to_owned(),
        why => why,
    };
    format!("the broker refused the connection: {why}")
}

/// Something below MQTT failed.
pub(super) fn io(address: &str, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::InvalidData => tls(address, error),
        io::ErrorKind::UnexpectedEof => format!("{address} closed the connection"),
        _ => format!("no connection with {address}: {error}"),
    }
}

/// The two sides do not trust each other, or one of them speaks no TLS.
pub(super) fn tls(address: &str, error: &dyn std::fmt::Display) -> String {
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

pub(super) fn attempt_timed_out(address: &str) -> String {
    format!("no answer from {address} within {} s", super::ATTEMPT.as_secs())
}

pub(super) const CLOSED: &str = "the broker closed the connection";
pub(super) const NO_PONG: &str = "the broker did not answer the keepalive";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reason_codes_become_words() {
        assert_eq!(spoken(rumqttc::DisconnectReasonCode::SessionTakenOver), "session taken over");
        let code = rumqttc::ConnectReturnCode::BadUserNamePassword;
        assert_eq!(refused(code), "the broker refused the connection: bad user name or password");
    }
}

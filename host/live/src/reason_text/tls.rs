//! TLS errors in words, each with a remedy, the same on every transport.

use std::time::{Duration, UNIX_EPOCH};

use rustls::pki_types::UnixTime;
use rustls::{AlertDescription as Alert, CertificateError, Error, InvalidMessage};

use super::humanize;

/// Server at the other end, which decides the remedies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    /// MQTT broker, with certificates from `--ca`, `--cert` and `--key`.
    Broker,
    /// HTTP server, with the system's authorities.
    HttpServer,
}

impl Peer {
    fn name(self) -> &'static str {
        match self {
            Self::Broker => "broker",
            Self::HttpServer => "server",
        }
    }
}

/// Commands that make a usable certificate, for errors about one that OpenSSL makes by default.
const SIGN_WITH_EXTENSIONS: &str = "sign it again with `openssl x509 -req -extfile FILE`, where FILE holds \
     `subjectAltName=DNS:NAME` and `basicConstraints=CA:FALSE`";

/// Problem and remedy of a TLS error.
pub(crate) fn problem(peer: Peer, error: &Error) -> String {
    let name = peer.name();
    match error {
        Error::InvalidCertificate(error) => certificate(peer, error),
        Error::AlertReceived(alert) => alert_received(name, *alert),
        Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            let scheme = match peer {
                Peer::Broker => "mqtt://",
                Peer::HttpServer => "http://",
            };
            format!(
                "its answer is not TLS; the {name} does not speak TLS on this port; use {scheme} or another port"
            )
        }
        Error::InvalidMessage(what) => {
            format!(
                "its answer is not valid TLS ({}); check that the {name} speaks TLS on this port",
                words(what)
            )
        }
        Error::PeerIncompatible(what) => format!(
            "the two sides have no version or cipher suite of TLS in common ({}); the {name} has to speak TLS 1.2 or 1.3",
            words(what)
        ),
        Error::PeerMisbehaved(what) => format!("the {name} violated the TLS protocol ({})", words(what)),
        Error::InappropriateMessage { .. } | Error::InappropriateHandshakeMessage { .. } => {
            format!("the {name} violated the TLS protocol (unexpected message)")
        }
        Error::NoCertificatesPresented => {
            format!("the {name} sent no certificate; configure one there")
        }
        Error::DecryptError | Error::PeerSentOversizedRecord => {
            format!("a record of the {name} cannot be decrypted; bytes were changed on the way")
        }
        Error::FailedToGetCurrentTime => "the clock of this machine cannot be read".to_owned(),
        Error::General(text) => text.clone(),
        other => words(other),
    }
}

/// Problem and remedy of a server's certificate that is refused.
fn certificate(peer: Peer, error: &CertificateError) -> String {
    let name = peer.name();
    match error {
        CertificateError::UnknownIssuer => unknown_issuer(peer),
        CertificateError::BadSignature => format!(
            "the signature of the {name}'s certificate is wrong; the CA certificate is not the one that signed the {name}'s, although it has the same name"
        ),
        CertificateError::NotValidForNameContext { expected, presented } => {
            wrong_name(peer, &expected.to_str(), presented)
        }
        CertificateError::NotValidForName => {
            format!(
                "the {name}'s certificate is for another name; use a name that the {name}'s certificate is for"
            )
        }
        CertificateError::ExpiredContext { not_after, .. } => expired(name, Some(*not_after)),
        CertificateError::Expired => expired(name, None),
        CertificateError::NotValidYetContext { not_before, .. } => not_valid_yet(name, Some(*not_before)),
        CertificateError::NotValidYet => not_valid_yet(name, None),
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => format!(
            "the {name}'s certificate is not for servers; the {name} needs a certificate for servers (extendedKeyUsage=serverAuth)"
        ),
        CertificateError::Revoked => format!("the {name}'s certificate is revoked; replace it"),
        CertificateError::BadEncoding => {
            format!("the {name}'s certificate cannot be decoded; make it again")
        }
        CertificateError::UnsupportedSignatureAlgorithmContext { .. }
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => format!(
            "the {name}'s certificate or its authority uses a key or hash that is too weak or unknown, such as SHA-1; use RSA of 2048 bits or more, or ECDSA P-256, with SHA-256"
        ),
        CertificateError::Other(other) => match other.0.downcast_ref::<webpki::Error>() {
            Some(error) => unusual_certificate(name, error),
            None => format!("the {name}'s certificate is refused: {other}"),
        },
        other => format!("the {name}'s certificate is refused: {}", words(other)),
    }
}

fn unknown_issuer(peer: Peer) -> String {
    match peer {
        Peer::Broker => "no trusted authority signed the broker's certificate; the CA certificate is not the one \
            that signed the broker's; name that one with --ca (or the broker does not send the certificates in between)"
            .to_owned(),
        Peer::HttpServer => "no authority of this system signed the server's certificate; add that authority to \
            the system's store (or the server does not send the certificates in between)"
            .to_owned(),
    }
}

fn wrong_name(peer: Peer, expected: &str, presented: &[String]) -> String {
    let name = peer.name();
    if presented.is_empty() {
        let kind = if expected.parse::<std::net::IpAddr>().is_ok() { "IP" } else { "DNS" };
        return format!(
            "the {name}'s certificate has no subjectAltName, and a common name does not count; make it with \
             `subjectAltName={kind}:{expected}`"
        );
    }
    let names: Vec<_> = presented.iter().map(|presented| general_name(presented)).collect();
    let names = names.join(", ");
    format!(
        "the {name}'s certificate is for {names} and not for {expected}; use a name that the {name}'s \
         certificate is for{}",
        match peer {
            Peer::Broker => ", in the URL or with --tls-name",
            Peer::HttpServer => "",
        }
    )
}

/// Name without the kind that the library writes around it, as in `DnsName("localhost")`.
fn general_name(presented: &str) -> String {
    let inner = presented.split_once('(').map_or(presented, |(_, inner)| inner.trim_end_matches(')'));
    inner.trim_matches('"').to_owned()
}

fn expired(name: &str, at: Option<UnixTime>) -> String {
    let when = at.map(|at| format!(" on {}", date(at))).unwrap_or_default();
    format!(
        "the {name}'s certificate expired{when}; renew the {name}'s certificate, or set the clock of this machine"
    )
}

fn not_valid_yet(name: &str, at: Option<UnixTime>) -> String {
    let when = at.map(|at| format!(" before {}", date(at))).unwrap_or_default();
    format!(
        "the {name}'s certificate is not valid{when}; set the clock of this machine, or of the one that made the \
         {name}'s certificate"
    )
}

/// A date in seconds since 1970.
pub(crate) fn date_of(seconds: i64) -> String {
    date(UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(seconds).unwrap_or_default())))
}

fn date(at: UnixTime) -> String {
    // Years after 9999 have no RFC 3339 form.
    const LAST: u64 = 253_402_300_799;
    humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(at.as_secs().min(LAST))).to_string()
}

fn unusual_certificate(name: &str, error: &webpki::Error) -> String {
    match error {
        webpki::Error::CaUsedAsEndEntity => format!(
            "the {name}'s certificate is itself a CA certificate, as `openssl req -x509` makes by default; the {name} \
             needs a certificate that is not one: add `-addext basicConstraints=CA:FALSE`, or let the CA sign another"
        ),
        webpki::Error::UnsupportedCertVersion => format!(
            "the {name}'s certificate has X.509 version 1, as `openssl x509 -req` makes without extensions; {SIGN_WITH_EXTENSIONS}"
        ),
        webpki::Error::EndEntityUsedAsCa => format!(
            "a certificate that is not a CA certificate signed the {name}'s; sign with a certificate that has \
             basicConstraints=CA:TRUE"
        ),
        webpki::Error::NameConstraintViolation => {
            format!("the CA certificate may not sign for the name in the {name}'s certificate")
        }
        webpki::Error::PathLenConstraintViolated => {
            format!("the chain of the {name}'s certificate is longer than its CA certificate permits")
        }
        other => format!("the {name}'s certificate is refused: {}", words(other)),
    }
}

/// Problem and remedy of this side's own certificate, which the library reports like one of the peer.
pub(crate) fn own_certificate(error: &CertificateError) -> String {
    let unusual = match error {
        CertificateError::Other(other) => other.0.downcast_ref::<webpki::Error>(),
        _ => None,
    };
    match (error, unusual) {
        (_, Some(webpki::Error::UnsupportedCertVersion)) => format!(
            "has X.509 version 1, as `openssl x509 -req` makes without extensions; {}",
            SIGN_WITH_EXTENSIONS.replace("subjectAltName=DNS:NAME", "extendedKeyUsage=clientAuth")
        ),
        (CertificateError::BadEncoding, _) => "cannot be decoded; make it again".to_owned(),
        (_, Some(other)) => format!("cannot be used: {}", words(other)),
        (other, None) => format!("cannot be used: {}", words(other)),
    }
}

/// Problem and remedy of an alert that the server sent.
fn alert_received(name: &str, alert: Alert) -> String {
    let ended = format!("the {name} ended the handshake with the alert `{}`", words(alert));
    match alert {
        Alert::CertificateRequired | Alert::NoCertificate => {
            format!("the {name} asks for a client certificate; name one with --cert and --key")
        }
        Alert::HandshakeFailure => format!(
            "{ended}; the {name} may ask for a client certificate (--cert and --key), or for other cipher suites"
        ),
        Alert::UnknownCA | Alert::BadCertificate | Alert::DecryptError => format!(
            "{ended}; the {name} does not trust the authority that signed the client certificate (--cert)"
        ),
        Alert::CertificateExpired => {
            format!("{ended}; the client certificate has expired; renew the client certificate")
        }
        Alert::CertificateRevoked => {
            format!("{ended}; the client certificate is revoked; renew the client certificate")
        }
        Alert::UnsupportedCertificate | Alert::CertificateUnknown => format!(
            "{ended}; the {name} does not accept this type of client certificate; it may need extendedKeyUsage=clientAuth"
        ),
        Alert::AccessDenied => format!("{ended}; the {name} denies access to this client certificate"),
        Alert::UnrecognisedName => {
            format!(
                "{ended}; use a host name that the {name} is configured for, in the URL or with --tls-name"
            )
        }
        Alert::ProtocolVersion => format!("{ended}; the {name} has to speak TLS 1.2 or 1.3"),
        Alert::InsufficientSecurity => format!("{ended}; the {name} asks for other cipher suites"),
        Alert::NoApplicationProtocol => format!(
            "{ended}; the {name} speaks none of the protocols that the client offers by ALPN, or expects one; name its \
             protocol with --tls-alpn, such as `mqtt` or `x-amzn-mqtt-ca`"
        ),
        Alert::InternalError => format!("{ended}; look at the log of the {name}"),
        _ => ended,
    }
}

/// Name of a variant as words, without the data in it.
fn words(variant: impl std::fmt::Debug) -> String {
    let text = format!("{variant:?}");
    let name = text.split(['(', '{', ' ']).next().unwrap_or_default();
    if name.chars().all(|letter| letter.is_ascii_alphanumeric()) { humanize(Verbatim(name)) } else { text }
}

/// Text whose debug form is the text itself.
struct Verbatim<'a>(&'a str);

impl std::fmt::Debug for Verbatim<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(self.0)
    }
}

//! Certificates and keys in PEM files, with errors that say what a file holds instead.

use rustls::pki_types::pem::{Error, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Content that is expected in a file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Certificate,
    Key,
}

impl Wanted {
    fn name(self) -> &'static str {
        match self {
            Self::Certificate => "certificate",
            Self::Key => "private key",
        }
    }

    fn label(self) -> &'static str {
        match self {
            Self::Certificate => "CERTIFICATE",
            Self::Key => "PRIVATE KEY",
        }
    }
}

/// Certificates of a file, at least one. The error is the rest of a sentence about the file.
pub(super) fn certificates(bytes: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    match CertificateDer::pem_slice_iter(bytes).collect::<Result<Vec<_>, _>>() {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) => Err(missing(bytes, Wanted::Certificate)),
        Err(error) => Err(unreadable(bytes, Wanted::Certificate, &error)),
    }
}

/// First private key of a file. The error is the rest of a sentence about the file.
pub(super) fn key(bytes: &[u8]) -> Result<PrivateKeyDer<'static>, String> {
    if is_encrypted(bytes) {
        return Err("is encrypted with a passphrase, which a device cannot enter; decrypt it with \
             `openssl pkey -in FILE -out PLAIN_FILE`"
            .to_owned());
    }
    PrivateKeyDer::from_pem_slice(bytes).map_err(|error| match error {
        Error::NoItemsFound => missing(bytes, Wanted::Key),
        error => unreadable(bytes, Wanted::Key, &error),
    })
}

/// Whether the file holds a key with a passphrase, in the form of PKCS #8 or in OpenSSL's older form.
fn is_encrypted(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    text.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----") || text.contains("Proc-Type: 4,ENCRYPTED")
}

/// Problem of a file without the wanted content.
fn missing(bytes: &[u8], wanted: Wanted) -> String {
    if let Some(problem) = other_format(bytes, wanted) {
        return problem;
    }
    let text = String::from_utf8_lossy(bytes);
    let label = text.lines().find_map(|line| line.trim().strip_prefix("-----BEGIN ")?.strip_suffix("-----"));
    let name = wanted.name();
    let Some(label) = label else {
        return format!("holds no PEM; expected lines such as `-----BEGIN {}-----`", wanted.label());
    };
    match label {
        "CERTIFICATE" => format!("holds a certificate and no {name}; --cert and --key may be exchanged"),
        label if wanted == Wanted::Certificate && label.ends_with("PRIVATE KEY") => {
            format!("holds a private key and no {name}; --cert and --key may be exchanged")
        }
        "CERTIFICATE REQUEST" | "NEW CERTIFICATE REQUEST" => {
            format!("holds a certificate request and no {name}; an authority has to sign it first, with `openssl x509 -req`")
        }
        "TRUSTED CERTIFICATE" | "X509 CERTIFICATE" => {
            "holds a certificate in a format of OpenSSL alone; convert it with `openssl x509 -in FILE -out PEM_FILE`".to_owned()
        }
        "PKCS7" | "CMS" => {
            "holds certificates in PKCS #7; convert them with `openssl pkcs7 -print_certs -in FILE -out PEM_FILE`".to_owned()
        }
        "PUBLIC KEY" | "RSA PUBLIC KEY" => format!("holds a public key and no {name}"),
        "OPENSSH PRIVATE KEY" => {
            "holds a key in the format of OpenSSH; convert it with `ssh-keygen -p -m PKCS8 -f FILE`".to_owned()
        }
        other => format!("holds `{}` and no {name}; expected `-----BEGIN {}-----`", clean(other), wanted.label()),
    }
}

/// Problem of a file that is not text in PEM.
fn other_format(bytes: &[u8], wanted: Wanted) -> Option<String> {
    if bytes.trim_ascii().is_empty() {
        return Some("is empty".to_owned());
    }
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Some("is text in UTF-16; save it as ASCII".to_owned());
    }
    // An ASN.1 sequence; PKCS #12 begins with its version, which is 3.
    let [0x30, length, ..] = bytes else { return None };
    let header = 2 + if *length > 0x80 { usize::from(length & 0x0f) } else { 0 };
    if bytes.get(header..).is_some_and(|content| content.starts_with(&[0x02, 0x01, 0x03])) {
        let option = match wanted {
            Wanted::Certificate => "-nokeys",
            Wanted::Key => "-nocerts -nodes",
        };
        return Some(format!(
            "is a PKCS #12 archive and not PEM; convert it with `openssl pkcs12 -in FILE {option} -out PEM_FILE`"
        ));
    }
    let command = match wanted {
        Wanted::Certificate => "openssl x509 -inform der -in FILE -out PEM_FILE",
        Wanted::Key => "openssl pkey -inform der -in FILE -out PEM_FILE",
    };
    Some(format!("is in DER and not in PEM; convert it with `{command}`"))
}

/// Problem of a file that the parser refuses.
fn unreadable(bytes: &[u8], wanted: Wanted, error: &Error) -> String {
    if let Some(problem) = other_format(bytes, wanted) {
        return problem;
    }
    let why = match error {
        Error::MissingSectionEnd { end_marker } => {
            format!("the line `-----END {}-----` is missing", clean(&String::from_utf8_lossy(end_marker)))
        }
        Error::IllegalSectionStart { line } => {
            format!("the line `{}` begins no section", clean(&String::from_utf8_lossy(line)))
        }
        Error::Base64Decode(_) => "a line is not Base64".to_owned(),
        Error::NoItemsFound => return missing(bytes, wanted),
        _ => "a section is too large, or cannot be read".to_owned(),
    };
    format!("is damaged: {why}")
}

/// Printable form of a short text from a file.
fn clean(text: &str) -> String {
    text.trim().chars().filter(|letter| !letter.is_control()).take(60).collect()
}

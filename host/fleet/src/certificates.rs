//! Certificates for tests: an authority, and what it signs for brokers and devices, and revokes.
//!
//! The library that writes certificates cannot read that of an authority. So it writes the certificate with an empty issuer,
//! and this module puts the authority's name into it, byte by byte as it stands in the authority's certificate, and signs it.

use std::fmt;
use std::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, PublicKeyData,
    RevocationReason, RevokedCertParams, SerialNumber, SignatureAlgorithm, SigningKey,
};
use time::{Duration, OffsetDateTime};
use wasmote_live::der::{Der, SEQUENCE, element};
use wasmote_live::tls::{TlsError, TlsFile, first_certificate};

/// Time by which certificates begin before now, because clocks differ.
const CLOCK_SKEW: Duration = Duration::hours(1);
/// Time for which a revocation list is valid.
const LIST_VALIDITY: Duration = Duration::days(365);

/// A certificate cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// The authority's certificate, or one that is to be revoked, cannot be read.
    #[error("{0}")]
    Certificate(#[from] TlsError),
    /// The authority's key cannot be used.
    #[error(
        "the key of the authority cannot be used: {0}; give an ECDSA, Ed25519 or RSA key without a passphrase in PKCS #8, \
         which `openssl pkcs8 -topk8 -nocrypt -in FILE -out PKCS8_FILE` makes from other forms"
    )]
    Key(String),
    /// The key belongs to another certificate.
    #[error(
        "the key does not belong to the certificate of the authority; give the key that it was made with"
    )]
    OtherKey,
    /// The library refuses a certificate.
    #[error("the certificate cannot be made: {0}")]
    Made(#[from] rcgen::Error),
}

/// A certificate with its key, both in PEM. The debug form shows neither.
pub struct Pair {
    /// The certificate.
    pub certificate: String,
    /// The key.
    pub key: String,
}

impl fmt::Debug for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pair(hidden)")
    }
}

/// Validity of a certificate, in days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Validity {
    /// From now on, for this many days.
    Days(u32),
    /// It ended a day ago, after this many days.
    Expired(u32),
}

impl Validity {
    fn apply(self, params: &mut CertificateParams) {
        let now = OffsetDateTime::now_utc();
        let (begin, end) = match self {
            Self::Days(days) => (now - CLOCK_SKEW, now + Duration::days(days.into())),
            Self::Expired(days) => {
                let end = now - Duration::DAY;
                (end - Duration::days(days.max(1).into()), end)
            }
        };
        (params.not_before, params.not_after) = (begin, end);
    }
}

/// An authority that signs.
pub struct Authority {
    certificate: String,
    /// Its name, in DER.
    name: Vec<u8>,
    key_id: Vec<u8>,
    key: KeyPair,
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Authority(hidden)")
    }
}

impl Authority {
    /// Makes a new authority with this name.
    pub fn create(name: &str, validity: Validity) -> Result<Pair, CertificateError> {
        let key = KeyPair::generate()?;
        let mut params = params(name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages =
            vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
        validity.apply(&mut params);
        let certificate = params.self_signed(&key)?;
        Ok(Pair { certificate: certificate.pem(), key: key.serialize_pem() })
    }

    /// Reads an authority from its certificate and key in PEM.
    pub fn read(certificate: &[u8], key: &[u8]) -> Result<Self, CertificateError> {
        let der = first_certificate(certificate, TlsFile::Ca)?;
        let key = std::str::from_utf8(key).map_err(|error| CertificateError::Key(error.to_string()))?;
        // A file may have other sections before the key, such as the parameters of a curve.
        let key = key.find("-----BEGIN PRIVATE KEY-----").map_or(key, |at| &key[at..]);
        let key = KeyPair::from_pem(key).map_err(|error| CertificateError::Key(error.to_string()))?;
        let unreadable = || {
            let problem = "cannot be decoded: its PEM holds no X.509 certificate".to_owned();
            CertificateError::Certificate(TlsError::Unusable { file: TlsFile::Ca, problem })
        };
        let fields = Fields::of(&der).ok_or_else(unreadable)?;
        if fields.public_key != key.subject_public_key_info() {
            return Err(CertificateError::OtherKey);
        }
        Ok(Self {
            certificate: pem("CERTIFICATE", &der),
            name: element(SEQUENCE, fields.subject),
            key_id: key_id(&der).unwrap_or_default(),
            key,
        })
    }

    /// Its certificate in PEM.
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// Makes the certificate of a device, whose common name is its client id.
    pub fn device(&self, client_id: &str, validity: Validity) -> Result<Pair, CertificateError> {
        let mut params = params(client_id);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(params, validity)
    }

    /// Makes the certificate of a broker with these names and addresses.
    pub fn server(&self, hosts: &[String], validity: Validity) -> Result<Pair, CertificateError> {
        let mut params = CertificateParams::new(hosts.to_vec())?;
        params.distinguished_name = distinguished_name(hosts.first().map_or("broker", String::as_str));
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.sign(params, validity)
    }

    fn sign(&self, mut params: CertificateParams, validity: Validity) -> Result<Pair, CertificateError> {
        let key = KeyPair::generate()?;
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        validity.apply(&mut params);
        let unsigned = params.signed_by(&key, &self.issuer())?;
        let certificate = self.signed(unsigned.der())?;
        Ok(Pair { certificate: pem("CERTIFICATE", &certificate), key: key.serialize_pem() })
    }

    /// Makes the revocation list of these certificates, in PEM.
    pub fn revoke(&self, certificates: &[Vec<u8>]) -> Result<String, CertificateError> {
        let now = OffsetDateTime::now_utc();
        let revoked = |pem: &Vec<u8>| {
            let der = first_certificate(pem, TlsFile::Cert)?;
            let fields = Fields::of(&der).ok_or_else(|| TlsError::Unusable {
                file: TlsFile::Cert,
                problem: "cannot be decoded: its PEM holds no X.509 certificate".to_owned(),
            })?;
            Ok::<_, CertificateError>(RevokedCertParams {
                serial_number: SerialNumber::from_slice(fields.serial),
                revocation_time: now,
                reason_code: Some(RevocationReason::Unspecified),
                invalidity_date: None,
            })
        };
        let list = CertificateRevocationListParams {
            this_update: now - CLOCK_SKEW,
            next_update: now + LIST_VALIDITY,
            crl_number: SerialNumber::from(u64::try_from(now.unix_timestamp()).unwrap_or_default()),
            issuing_distribution_point: None,
            revoked_certs: certificates.iter().map(revoked).collect::<Result<_, _>>()?,
            key_identifier_method: KeyIdMethod::PreSpecified(self.key_id.clone()),
        };
        let unsigned = list.signed_by(&self.issuer())?;
        Ok(pem("X509 CRL", &self.signed(unsigned.der())?))
    }

    /// An issuer without a name that signs nothing.
    fn issuer(&self) -> Issuer<'_, Unsigned<'_>> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.key_identifier_method = KeyIdMethod::PreSpecified(self.key_id.clone());
        Issuer::new(params, Unsigned(&self.key))
    }

    /// The certificate or list with the authority's name as its issuer and its signature.
    fn signed(&self, unsigned: &[u8]) -> Result<Vec<u8>, CertificateError> {
        let with_issuer = || {
            let mut outer = Der::new(Der::new(unsigned).next_of(SEQUENCE)?);
            let content = outer.next_of(SEQUENCE)?;
            let algorithm = element(SEQUENCE, outer.next_of(SEQUENCE)?);
            // The issuer comes after the algorithm, which is the first sequence.
            let mut fields = Der::new(content);
            while fields.next()?.0 != SEQUENCE {}
            let before = content.len() - fields.rest().len();
            fields.next_of(SEQUENCE)?;
            let content = [&content[..before], &self.name, fields.rest()].concat();
            Some((element(SEQUENCE, &content), algorithm))
        };
        let (content, algorithm) = with_issuer().ok_or(rcgen::Error::CouldNotParseCertificate)?;
        let signature = SigningKey::sign(&self.key, &content)?;
        // A bit string whose first byte is the number of its unused bits.
        let signature = element(BIT_STRING, &[&[0], &signature[..]].concat());
        Ok(element(SEQUENCE, &[content, algorithm, signature].concat()))
    }
}

const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const INTEGER: u8 = 0x02;
const VERSION: u8 = 0xa0;

/// Key of an issuer whose signature is replaced.
struct Unsigned<'a>(&'a KeyPair);

impl PublicKeyData for Unsigned<'_> {
    fn der_bytes(&self) -> &[u8] {
        self.0.der_bytes()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        self.0.algorithm()
    }
}

impl SigningKey for Unsigned<'_> {
    fn sign(&self, _: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        Ok(Vec::new())
    }
}

/// Fields of a certificate.
struct Fields<'a> {
    serial: &'a [u8],
    subject: &'a [u8],
    /// The whole element.
    public_key: Vec<u8>,
}

impl<'a> Fields<'a> {
    fn of(der: &'a [u8]) -> Option<Self> {
        let mut certificate = Der::new(Der::new(der).next_of(SEQUENCE)?);
        let mut fields = Der::new(certificate.next_of(SEQUENCE)?);
        if fields.rest().first() == Some(&VERSION) {
            fields.next()?;
        }
        let serial = fields.next_of(INTEGER)?;
        // The algorithm, the issuer and the validity.
        for _ in 0..3 {
            fields.next_of(SEQUENCE)?;
        }
        let subject = fields.next_of(SEQUENCE)?;
        let public_key = element(SEQUENCE, fields.next_of(SEQUENCE)?);
        Some(Self { serial, subject, public_key })
    }
}

/// The identifier of the key of a certificate, from its extension (RFC 5280, section 4.2.1.2).
fn key_id(der: &[u8]) -> Option<Vec<u8>> {
    const EXTENSION: [u8; 5] = [0x06, 0x03, 0x55, 0x1d, 0x0e];
    let at = der.windows(EXTENSION.len()).position(|window| window == EXTENSION)?;
    let mut extension = Der::new(&der[at + EXTENSION.len()..]);
    let mut content = Der::new(extension.next_of(OCTET_STRING)?);
    content.next_of(OCTET_STRING).map(<[u8]>::to_vec)
}

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = distinguished_name(name);
    params
}

fn distinguished_name(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    name
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let mut pem = format!("-----BEGIN {label}-----\n");
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(64));
        pem.push_str(line);
        pem.push('\n');
        rest = after;
    }
    pem + &format!("-----END {label}-----\n")
}

/// Whether a text is a host name or an address for a broker's certificate.
pub fn check_host(host: &str) -> Result<(), String> {
    let is_name = !host.is_empty()
        && host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'*' | b'_'));
    match host.parse::<IpAddr>().is_ok() || is_name {
        true => Ok(()),
        false => Err(format!("`{host}` is neither a host name nor an IP address")),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::process::Command;

    use super::*;

    fn openssl(folder: &Path, script: &str) -> String {
        let output = Command::new("sh").args(["-ec", script]).current_dir(folder).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        format!("{:?} {}", output.status.code(), String::from_utf8_lossy(&text))
    }

    /// OpenSSL verifies certificates and revocations of our own authority, and of one that OpenSSL made with an unusual name.
    #[test]
    fn openssl_accepts_what_an_authority_signs_and_revokes() {
        let own = "true";
        let rsa = "openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.crt -days 3 -subj \
                   '/C=DE/OU=one/OU=two+L=Köln/CN=authority' -utf8";
        let curve = "openssl ecparam -name secp384r1 -genkey -noout | openssl pkcs8 -topk8 -nocrypt -out ca.key && \
                     openssl req -x509 -new -key ca.key -out ca.crt -days 3 -subj /DC=a/DC=b";
        for script in [own, rsa, curve] {
            let folder = tempfile::tempdir().unwrap();
            let path = |name: &str| folder.path().join(name);
            let pair = Authority::create("authority of the test", Validity::Days(2)).unwrap();
            std::fs::write(path("ca.crt"), pair.certificate).unwrap();
            std::fs::write(path("ca.key"), pair.key).unwrap();
            let made = openssl(folder.path(), script);
            assert!(made.starts_with("Some(0)"), "{made}");
            let read = |name: &str| std::fs::read(path(name)).unwrap();
            let authority = Authority::read(&read("ca.crt"), &read("ca.key")).unwrap();
            for (name, pair) in [
                ("device", authority.device("plant/7 ü", Validity::Days(1)).unwrap()),
                ("expired", authority.device("old", Validity::Expired(3)).unwrap()),
                (
                    "server",
                    authority.server(&["localhost".into(), "127.0.0.1".into()], Validity::Days(1)).unwrap(),
                ),
            ] {
                std::fs::write(path(name), pair.certificate).unwrap();
            }
            std::fs::write(path("crl"), authority.revoke(&[read("device")]).unwrap()).unwrap();
            let verify = |arguments: &str| {
                openssl(folder.path(), &format!("openssl verify -CAfile ca.crt {arguments}"))
            };
            assert!(
                verify("-purpose sslclient device").ends_with("device: OK\n"),
                "{script}: {}",
                verify("device")
            );
            assert!(
                verify("-purpose sslserver -verify_hostname localhost server").ends_with("OK\n"),
                "{script}"
            );
            assert!(verify("-purpose sslserver -verify_ip 127.0.0.1 server").ends_with("OK\n"), "{script}");
            assert!(verify("expired").contains("certificate has expired"), "{}", verify("expired"));
            let revoked = verify("-crl_check -CRLfile crl device");
            assert!(revoked.contains("certificate revoked"), "{script}: {revoked}");
            assert!(verify("-crl_check -CRLfile crl server").ends_with("OK\n"), "{script}");
            let subject = openssl(
                folder.path(),
                "openssl x509 -in device -noout -subject -nameopt utf8,sep_comma_plus",
            );
            assert!(subject.contains("CN=plant/7 ü"), "{subject}");
        }
    }

    #[test]
    fn a_key_of_another_authority_or_in_another_form_is_refused_with_a_remedy() {
        let [one, two] = ["one", "two"].map(|name| Authority::create(name, Validity::Days(1)).unwrap());
        let problem = |certificate: &str, key: &str| {
            Authority::read(certificate.as_bytes(), key.as_bytes()).unwrap_err().to_string()
        };
        assert!(problem(&one.certificate, &two.key).contains("does not belong"));
        let sec1 = openssl(Path::new("/"), "openssl ecparam -name prime256v1 -genkey -noout");
        assert!(problem(&one.certificate, &sec1).contains("openssl pkcs8 -topk8"));
        assert!(
            problem(&one.key, &one.key).contains("the CA certificate holds a private key"),
            "{}",
            problem(&one.key, &one.key)
        );
        assert!(
            !format!("{one:?} {:?}", Authority::read(one.certificate.as_bytes(), one.key.as_bytes()))
                .contains("BEGIN")
        );
    }
}

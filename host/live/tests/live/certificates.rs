//! Certificates as OpenSSL's usual commands make them: each refusal is told in words, with a remedy, alike for
//! devices and for the host's own connection.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use wasmote_live::config::{BrokerUrl, ConnectionOptions, TlsMaterial};
use wasmote_live::host_client::{BrokerAnswer, HostConnection, check};
use wasmote_mqtt::protocol::Protocol;

use crate::refusals::why_down;
use crate::support::TIMEOUT;
use crate::support::device::{PROTOCOLS, check_ledgers, is_up, listener, start};
use crate::support::mosquitto::{Mosquitto, free_port};
use crate::support::server::options;

/// Folder in which OpenSSL makes its files.
struct Folder(TempDir);

/// Commands that make an authority, and a key and a request for a server or a client.
const AUTHORITY: &str =
    "openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 3 -subj /CN=authority
    openssl req -newkey rsa:2048 -nodes -keyout own.key -out own.csr -subj /CN=localhost";
const SIGN: &str =
    "openssl x509 -req -in own.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 3 -out own.pem";
const SELF_SIGNED: &str =
    "openssl req -x509 -newkey rsa:2048 -nodes -keyout own.key -out own.pem -days 3 -subj /CN=localhost";

impl Folder {
    fn with(script: &str) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        let made = Command::new("sh").args(["-ec", script]).current_dir(&folder.0).output().unwrap();
        assert!(made.status.success(), "{script}: {}", String::from_utf8_lossy(&made.stderr));
        folder
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path().join(name)).unwrap()
    }

    /// Starts a broker with the certificate `own.pem`.
    fn broker(&self, lines: &str) -> Mosquitto {
        let lines = format!("allow_anonymous true\ncertfile @/server.pem\nkeyfile @/server.key\n{lines}");
        let mut files = vec![("server.pem", self.read("own.pem")), ("server.key", self.read("own.key"))];
        if self.path().join("ca.pem").exists() {
            files.push(("ca.pem", self.read("ca.pem")));
        }
        let files: Vec<_> = files.iter().map(|(name, content)| (*name, content.as_slice())).collect();
        Mosquitto::with(free_port(), &lines, &files)
    }
}

fn url(port: u16) -> BrokerUrl {
    BrokerUrl { tls: true, ..BrokerUrl::mqtt("localhost", port) }
}

fn trusting(ca: Vec<u8>, client: Option<(Vec<u8>, Vec<u8>)>) -> ConnectionOptions {
    ConnectionOptions { tls: Some(Arc::new(TlsMaterial { ca: Some(ca), client })), ..options() }
}

/// Reason for which neither a device nor the host connects. It has to be the same for both.
async fn refusal(broker: BrokerUrl, options: ConnectionOptions) -> String {
    let mut reasons = Vec::new();
    for protocol in PROTOCOLS {
        let device = listener("device", protocol, &[]);
        let fleet = start(broker.clone(), options.clone(), vec![device.blueprint]);
        reasons.push(why_down(&fleet, "device").await);
        check_ledgers(&fleet).await;
        fleet.shutdown(Duration::from_secs(5)).await;
        let connection = HostConnection {
            broker: broker.clone(),
            options: options.clone(),
            protocol,
            client_id: "host".into(),
        };
        reasons.push(match check(connection, TIMEOUT).await {
            Err(reason) | Ok(BrokerAnswer::Refused(reason)) => reason,
            Ok(BrokerAnswer::Accepted) => panic!("the host connected"),
        });
    }
    assert!(reasons.iter().all(|reason| *reason == reasons[0]), "{reasons:#?}");
    for internal in ["Other(", "OtherError", "{", "peer certificate", "fatal alert"] {
        assert!(!reasons[0].contains(internal), "{internal}: {}", reasons[0]);
    }
    reasons.swap_remove(0)
}

async fn connects(broker: BrokerUrl, options: ConnectionOptions) {
    for protocol in PROTOCOLS {
        let mut device = listener("device", protocol, &[]);
        let fleet = start(broker.clone(), options.clone(), vec![device.blueprint.clone()]);
        device.event("a connection", is_up).await;
        fleet.shutdown(Duration::from_secs(5)).await;
        let (broker, options) = (broker.clone(), options.clone());
        let connection = HostConnection { broker, options, protocol, client_id: "host".into() };
        assert_eq!(check(connection, TIMEOUT).await, Ok(BrokerAnswer::Accepted));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_certificate_of_a_broker_has_a_remedy() {
    let self_signed = format!("{SELF_SIGNED} -addext subjectAltName=DNS:localhost; cp own.pem ca.pem");
    let version_1 = format!("{AUTHORITY}\n{SIGN}");
    let signed_with = |extensions: &str| {
        format!("{AUTHORITY}\nprintf '{extensions}' > extensions\n{SIGN} -extfile extensions")
    };
    let stranger = "openssl req -x509 -newkey rsa:2048 -nodes -keyout x.key -out ca.pem -days 3 -subj";
    let right = signed_with("subjectAltName=DNS:localhost\\nbasicConstraints=CA:FALSE");
    for (script, expected) in [
        (self_signed, "the broker's certificate is itself a CA certificate, as `openssl req -x509` makes"),
        (version_1, "the broker's certificate has X.509 version 1, as `openssl x509 -req` makes"),
        (
            signed_with("basicConstraints=CA:FALSE"),
            "has no subjectAltName, and a common name does not count; make it with `subjectAltName=DNS:localhost`",
        ),
        (
            signed_with("subjectAltName=DNS:broker.example,IP:10.1.2.3"),
            "is for broker.example, 10.1.2.3 and not for localhost",
        ),
        (
            signed_with("subjectAltName=DNS:localhost\\nextendedKeyUsage=clientAuth"),
            "the broker needs a certificate for servers (extendedKeyUsage=serverAuth)",
        ),
        (
            format!("{right}\n{stranger} /CN=stranger"),
            "the CA certificate is not the one that signed the broker's; name that one with --ca",
        ),
        (
            format!("{right}\n{stranger} /CN=authority"),
            "the CA certificate is not the one that signed the broker's",
        ),
    ] {
        let folder = Folder::with(&script);
        let server = folder.broker("");
        let why = refusal(url(server.port), trusting(folder.read("ca.pem"), None)).await;
        let begin = format!("TLS with localhost:{} (127.0.0.1) failed: ", server.port);
        assert!(why.starts_with(&begin) && why.contains(expected), "{expected}: {why}");
    }
}

/// The certificates that the errors recommend are accepted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_remedies_for_a_brokers_certificate_work() {
    let extended = format!(
        "{AUTHORITY}\nprintf 'subjectAltName=DNS:localhost\\nbasicConstraints=CA:FALSE' > e\n{SIGN} -extfile e"
    );
    let self_signed = format!(
        "{SELF_SIGNED} -addext subjectAltName=DNS:localhost -addext basicConstraints=CA:FALSE; cp own.pem ca.pem"
    );
    for script in [extended, self_signed] {
        let folder = Folder::with(&script);
        let server = folder.broker("");
        connects(url(server.port), trusting(folder.read("ca.pem"), None)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_certificate_that_a_broker_refuses_has_a_remedy() {
    let script = format!(
        "{AUTHORITY}
        printf 'subjectAltName=DNS:localhost\\nbasicConstraints=CA:FALSE' > e
        {SIGN} -extfile e
        openssl req -x509 -newkey rsa:2048 -nodes -keyout x.key -out x.pem -days 3 -subj /CN=stranger
        printf 'extendedKeyUsage=serverAuth' > s
        openssl x509 -req -in own.csr -CA ca.pem -CAkey ca.key -CAcreateserial -extfile s -out servers.pem"
    );
    let folder = Folder::with(&script);
    let (ca, key) = (folder.read("ca.pem"), folder.read("own.key"));
    for version in ["tlsv1.2", "tlsv1.3"] {
        let server =
            folder.broker(&format!("cafile @/ca.pem\nrequire_certificate true\ntls_version {version}"));
        let why = refusal(url(server.port), trusting(ca.clone(), None)).await;
        assert!(why.contains("ask") && why.contains("for a client certificate"), "{version}: {why}");
        assert!(why.contains("--cert and --key"), "{version}: {why}");
        let stranger = Some((folder.read("x.pem"), folder.read("x.key")));
        let why = refusal(url(server.port), trusting(ca.clone(), stranger)).await;
        let expected = "the broker does not trust the authority that signed the client certificate (--cert)";
        assert!(why.contains(expected), "{version}: {why}");
        let for_servers = Some((folder.read("servers.pem"), key.clone()));
        let why = refusal(url(server.port), trusting(ca.clone(), for_servers)).await;
        assert!(why.contains("client certificate"), "{version}: {why}");
        connects(url(server.port), trusting(ca.clone(), Some((folder.read("own.pem"), key.clone())))).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_for_another_protocol_is_named() {
    let folder = Folder::with(&format!("{SELF_SIGNED} -addext basicConstraints=CA:FALSE"));
    let (tls_server, plain_server) = (folder.broker(""), Mosquitto::start());
    let to_plain = refusal(url(plain_server.port), trusting(folder.read("own.pem"), None)).await;
    assert!(to_plain.ends_with("; check that the broker speaks TLS on this port"), "{to_plain}");
    let to_tls = refusal(BrokerUrl { tls: false, ..url(tls_server.port) }, options()).await;
    assert!(to_tls.contains("use mqtts://"), "{to_tls}");
    // A server that greets its clients, such as one for mail.
    let greeter = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = greeter.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = greeter.accept().await {
            tokio::spawn(async move {
                let _ = stream.write_all(b"220 mail.example ESMTP ready\r\n").await;
                let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
            });
        }
    });
    let to_mail = refusal(url(port), trusting(folder.read("own.pem"), None)).await;
    assert!(to_mail.contains("the broker does not speak TLS on this port"), "{to_mail}");
}

fn problem(ca: Option<Vec<u8>>, client: Option<(Vec<u8>, Vec<u8>)>) -> String {
    TlsMaterial { ca, client }.check().unwrap_err().to_string()
}

#[test]
fn a_file_that_cannot_be_used_is_named_with_a_remedy() {
    let folder = Folder::with(&format!(
        "{AUTHORITY}
        {SIGN} && mv own.pem version1.pem
        printf 'basicConstraints=CA:FALSE' > e
        {SIGN} -extfile e
        openssl pkey -in own.key -aes256 -passout pass:secret -out encrypted.key
        openssl rsa -in own.key -aes256 -passout pass:secret -traditional -out traditional.key
        openssl x509 -in own.pem -outform der -out own.der
        openssl pkey -in own.key -outform der -out key.der
        openssl pkcs12 -export -in own.pem -inkey own.key -passout pass:secret -out own.p12
        openssl crl2pkcs7 -nocrl -certfile own.pem -out own.p7b
        openssl pkey -in own.key -pubout -out public.pem
        openssl x509 -in own.pem -trustout -out trusted.pem
        openssl ecparam -name secp521r1 -genkey -noout -out p521.key
        openssl req -x509 -key p521.key -out p521.pem -subj /CN=p521
        openssl genrsa -out other.key 2048
        head -n 5 own.pem > cut.pem
        : > empty"
    ));
    let read = |name: &str| folder.read(name);
    for (file, expected) in [
        ("empty", "the CA certificate is empty"),
        ("own.der", "is in DER and not in PEM; convert it with `openssl x509 -inform der"),
        ("own.p12", "is a PKCS #12 archive and not PEM"),
        ("own.p7b", "holds certificates in PKCS #7"),
        ("own.key", "holds a private key and no certificate"),
        ("own.csr", "holds a certificate request and no certificate; an authority has to sign it first"),
        ("trusted.pem", "in a format of OpenSSL alone"),
        ("public.pem", "holds a public key and no certificate"),
        ("cut.pem", "the CA certificate is damaged: the line `-----END CERTIFICATE-----` is missing"),
    ] {
        let found = problem(Some(read(file)), None);
        assert!(found.contains(expected) && found.starts_with("the CA certificate "), "{file}: {found}");
    }
    for (cert, key, expected) in [
        ("own.pem", "encrypted.key", "the client key is encrypted with a passphrase"),
        ("own.pem", "traditional.key", "decrypt it with `openssl pkey -in FILE -out PLAIN_FILE`"),
        ("own.pem", "other.key", "the client key does not belong to the client certificate"),
        ("own.pem", "own.pem", "the client key holds a certificate and no private key"),
        ("own.key", "own.pem", "the client certificate holds a private key and no certificate"),
        (
            "own.pem",
            "key.der",
            "the client key is in DER and not in PEM; convert it with `openssl pkey -inform der",
        ),
        ("own.pem", "empty", "the client key is empty"),
        ("p521.pem", "p521.key", "the client key has a type or size that is not supported"),
        ("version1.pem", "own.key", "the client certificate has X.509 version 1"),
    ] {
        let found = problem(Some(read("ca.pem")), Some((read(cert), read(key))));
        assert!(found.contains(expected) && !found.contains("peer"), "{cert}, {key}: {found}");
    }
    // The usual forms of keys work: PKCS #1, PKCS #8, and SEC 1 with its parameters in front.
    let keys = Folder::with(
        "openssl ecparam -name prime256v1 -genkey -out sec1.key
        openssl req -x509 -key sec1.key -out sec1.pem -days 3 -subj /CN=x
        openssl req -x509 -newkey rsa:2048 -nodes -keyout pkcs8.key -out pkcs8.pem -days 3 -subj /CN=x
        openssl rsa -in pkcs8.key -traditional -out pkcs1.key
        cp pkcs8.pem pkcs1.pem",
    );
    for name in ["sec1", "pkcs8", "pkcs1"] {
        let client = (keys.read(&format!("{name}.pem")), keys.read(&format!("{name}.key")));
        TlsMaterial { ca: Some(read("ca.pem")), client: Some(client) }.check().unwrap();
    }
}

/// A user without a password, and on MQTT 5 a password without a user, reach the broker as such.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_or_a_password_alone_is_sent_as_such() {
    use tokio::io::AsyncReadExt;
    let user = ConnectionOptions { username: Some("someone".into()), ..options() };
    let password = ConnectionOptions { password: Some("secret".into()), ..options() };
    const USER: u8 = 0x80;
    const PASSWORD: u8 = 0x40;
    let cases = [
        (Protocol::V4, user.clone(), USER, "someone"),
        (Protocol::V5, user, USER, "someone"),
        (Protocol::V5, password.clone(), PASSWORD, "secret"),
    ];
    for (protocol, options, flags, text) in cases {
        let listener_socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let broker = BrokerUrl { tls: false, ..url(listener_socket.local_addr().unwrap().port()) };
        let device = listener("device", protocol, &[]);
        let fleet = start(broker.clone(), options.clone(), vec![device.blueprint]);
        let connection = HostConnection { broker, options, protocol, client_id: "host".into() };
        let checked = tokio::spawn(check(connection, Duration::from_secs(5)));
        for _ in 0..2 {
            let (mut stream, _) = listener_socket.accept().await.unwrap();
            let mut connect = vec![0; 256];
            let length = stream.read(&mut connect).await.unwrap();
            // Fixed header, the name and the version of the protocol, then the flags [MQTT-3.1.2].
            assert_eq!(connect[9] & (USER | PASSWORD), flags, "{protocol:?}: {:?}", &connect[..length]);
            let last = [&[0, text.len() as u8], text.as_bytes()].concat();
            assert!(connect[..length].ends_with(&last), "{protocol:?}: {:?}", &connect[..length]);
        }
        let _ = checked.await.unwrap();
        fleet.shutdown(Duration::from_secs(5)).await;
    }
    // 3.1.1 does not allow a password alone.
    let server = Mosquitto::start();
    let device = listener("device", Protocol::V4, &[]);
    let fleet = start(BrokerUrl { tls: false, ..url(server.port) }, password, vec![device.blueprint]);
    let why = why_down(&fleet, "device").await;
    assert_eq!(why, "MQTT 3.1.1 allows no password without a user name; give a user name, or use MQTT 5");
    fleet.shutdown(Duration::from_secs(5)).await;
}

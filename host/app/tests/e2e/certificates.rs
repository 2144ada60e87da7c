//! Credentials of single devices, with a real Mosquitto: certificates, passwords and tokens, their ends, and their secrecy.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::fleet::Fleet;
use crate::lines::{DEFAULT_TIMEOUT, Lines};
use crate::mosquitto::{Mosquitto, free_port};
use crate::program::wasmote;

/// Heartbeats that hear nobody, so that each device uses only topics of its own.
const ALONE: [&str; 6] = ["--faults", "none", "--device-config", "peers=0", "--device-config", "interval=1s"];
/// A device may use only the topics with the common name of its certificate.
const OWN_TOPICS: &str = "pattern readwrite wasmote/%u/#\n";

/// An authority with a broker's certificate and those of devices, made by the program.
struct Pki(TempDir);

impl Pki {
    fn new(devices: u32) -> Self {
        let pki = Self(tempfile::tempdir().expect("a folder"));
        pki.make(&["authority", "--out", &pki.path("")]);
        pki.make(&["server", "--host", "localhost,127.0.0.1", "--out", &pki.path("")]);
        let count = devices.to_string();
        pki.make(&["devices", "-n", &count, "--name", "sn-{index:06}", "--out", &pki.path("devices")]);
        pki.revoke(&[]);
        pki
    }

    fn path(&self, file: &str) -> String {
        self.0.path().join(file).to_str().expect("text").to_owned()
    }

    /// Runs `wasmote certificates`, with the authority unless it makes one.
    fn make(&self, args: &[&str]) -> String {
        let (ca, key) = (self.path("ca.crt"), self.path("ca.key"));
        let signer: &[&str] = if args[0] == "authority" { &[] } else { &["--ca", &ca, "--ca-key", &key] };
        let all = [&["certificates", args[0]], signer, &args[1..]].concat();
        let output = wasmote(&all).output().expect("the program runs");
        assert!(output.status.success(), "{all:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    }

    /// Writes the revocation list. It always contains the broker's own certificate of another run, because a list that the
    /// program makes has at least one.
    fn revoke(&self, devices: &[&str]) {
        let spare = self.path("spare");
        if !Path::new(&spare).exists() {
            self.make(&["devices", "-n", "1", "--name", "spare", "--out", &spare]);
        }
        let mut files = vec![format!("{spare}/spare.crt")];
        files.extend(devices.iter().map(|device| self.path(&format!("devices/{device}.crt"))));
        let files: Vec<&str> = files.iter().map(String::as_str).collect();
        self.make(&[&["revoke", "--out", &self.path("crl.pem")], &files[..]].concat());
    }

    /// Starts a broker that asks for certificates.
    fn broker(&self, more: &str, topics: &str) -> Mosquitto {
        let folder = self.path("");
        let lines = format!(
            "user root\nallow_anonymous false\ncafile {folder}/ca.crt\ncertfile {folder}/server.crt\n\
             keyfile {folder}/server.key\ncrlfile {folder}/crl.pem\nrequire_certificate true\n{more}"
        );
        Mosquitto::with(
            &lines.replace("user root\n", if topics.is_empty() { "user root\n" } else { "" }),
            topics,
        )
    }

    fn rows(&self) -> String {
        fs::read_to_string(self.path("devices/devices.csv")).expect("the file is there")
    }

    fn run(&self, broker: &Mosquitto, args: &[&str]) -> Fleet {
        let url = format!("mqtts://127.0.0.1:{}", broker.port);
        let ca = self.path("ca.crt");
        Fleet::run(&[&["heartbeat"], &ALONE[..], &["--broker", &url, "--ca", &ca], args].concat())
    }
}

/// The private keys of a folder, as they may appear in an output: a line of their PEM, and their bytes.
fn keys(folder: &Path) -> Vec<Vec<u8>> {
    let mut secrets = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|it| it == "key") {
            let pem = fs::read_to_string(&path).expect("text");
            let lines: Vec<&str> = pem.lines().filter(|line| !line.starts_with("-----")).collect();
            // The first line is the same for all keys of a type.
            secrets.push(lines[1].as_bytes().to_vec());
        }
    }
    assert!(!secrets.is_empty(), "{}", folder.display());
    secrets
}

fn all_files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        match path.is_dir() {
            true => found.extend(all_files(&path)),
            false => found.push((path.clone(), fs::read(&path).expect("a file"))),
        }
    }
    found
}

fn assert_no_secret(what: &str, output: &[u8], secrets: &[Vec<u8>]) {
    let mut by_length: BTreeMap<usize, HashSet<&[u8]>> = BTreeMap::new();
    for secret in secrets {
        by_length.entry(secret.len()).or_default().insert(secret);
    }
    for (length, secrets) in by_length {
        for window in output.windows(length) {
            assert!(!secrets.contains(window), "{what} shows the secret {}", String::from_utf8_lossy(window));
        }
    }
}

const API: [&str; 9] = [
    "/status",
    "/devices",
    "/devices/sn-000000",
    "/devices/sn-000001",
    "/metrics",
    "/faults",
    "/behaviours",
    "/openapi.json",
    "/healthz",
];

#[test]
fn each_device_shows_its_own_certificate() {
    let pki = Pki::new(12);
    let broker = pki.broker("use_identity_as_username true", OWN_TOPICS);
    let fleet = pki.run(&broker, &["--identity-file", &pki.path("devices/devices.csv")]).ready();
    for index in 0..12 {
        let name = format!("sn-{index:06}");
        broker.log.wait_for(&format!(" as {name} (p5, c1, k10, u'{name}')"));
        broker.log.wait_for(&format!("Received PUBLISH from {name}"));
    }
    assert_eq!(broker.log.count(|line| line.contains("Denied PUBLISH")), 0, "{:?}", broker.log.all());
    assert_eq!(fleet.get("/devices")["total"], 12);
    // The folder alone names no devices, but has their files; templates name both.
    let by_folder = ["-n", "3", "--name", "sn-{index:06}", "--identity-folder", &pki.path("devices")];
    let fleet = pki.run(&broker, &by_folder).ready();
    assert_eq!(fleet.get("/devices")["total"], 3);
    let certificate = pki.path("devices/{name}.crt");
    let key = pki.path("devices/{name}.key");
    let by_template = [
        "-n",
        "2",
        "--name",
        "sn-{index:06}",
        "--first-index",
        "5",
        "--device-cert",
        &certificate,
        "--device-key",
        &key,
    ];
    pki.run(&broker, &by_template).ready();
}

#[test]
fn expired_and_revoked_certificates_are_told_in_words_with_the_device() {
    let pki = Pki::new(5);
    pki.revoke(&["sn-000001"]);
    let old = pki.path("old");
    pki.make(&[
        "devices",
        "-n",
        "1",
        "--name",
        "sn-{index:06}",
        "--first-index",
        "2",
        "--expired",
        "--out",
        &old,
    ]);
    let rows = pki.rows().replace("sn-000002.crt,sn-000002.key", "../old/sn-000002.crt,../old/sn-000002.key");
    let file = pki.path("devices/mixed.csv");
    fs::write(&file, rows).expect("disk space");
    let broker = pki.broker("use_identity_as_username true", OWN_TOPICS);
    // Before the run: the file, the line, the column, the device, the date and the remedy.
    let url = format!("mqtts://127.0.0.1:{}", broker.port);
    let refused =
        wasmote(&["run", "--identity-file", &file, "--broker", &url]).output().expect("the program runs");
    let stderr = String::from_utf8(refused.stderr).expect("text");
    assert_eq!(refused.status.code(), Some(2), "{stderr}");
    for part in [
        "mixed.csv line 4, column `certificate`: device `sn-000002`: ",
        " expired on 20",
        "T",
        "Z; renew it, or set `allow_expired`",
    ] {
        assert!(stderr.contains(part), "{part}: {stderr}");
    }
    // During the run: what the broker says.
    let fleet = pki.run(&broker, &["--identity-file", &file, "--allow-expired"]);
    let about = |device: &str, text: &str| {
        fleet
            .stderr
            .wait(1, DEFAULT_TIMEOUT, |line| line.contains(device) && line.contains(text))
            .swap_remove(0)
    };
    let revoked = about("sn-000001", "the client certificate is revoked");
    assert!(revoked.contains("renew the client certificate"), "{revoked}");
    let expired = about("sn-000002", "the client certificate has expired");
    assert!(expired.contains("(it expired on 20"), "{expired}");
    fleet.wait_until("the others are connected", DEFAULT_TIMEOUT, |fleet| {
        fleet.get("/status")["states"]["connected"] == 3
    });
    let why = fleet.get("/devices/sn-000001")["why"].to_string();
    assert!(why.contains("is revoked"), "{why}");
}

#[test]
fn passwords_and_tokens_come_from_templates_rows_and_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).to_str().expect("text").to_owned();
    fs::write(path("users"), "u-0:pw-0-secret\nu-1:pw-1-secret\nrow:s,e\"cret\nfile-0:in-a-file\n")
        .expect("disk space");
    let hashed = Command::new("mosquitto_passwd")
        .args(["-U", &path("users")])
        .status()
        .expect("Mosquitto is installed");
    assert!(hashed.success());
    let broker =
        Mosquitto::with(&format!("user root\nallow_anonymous false\npassword_file {}", path("users")), "");
    let url = broker.url();
    let run = |args: &[&str]| Fleet::run(&[&["heartbeat", "--broker", &url], &ALONE[..], args].concat());
    run(&["-n", "2", "--device-user", "u-{index}", "--device-password", "pw-{index}-secret"]).ready();
    run(&["-n", "2", "--device-user", "u-{index}", "--device-token", "pw-{index}-secret"]).ready();
    fs::write(path("rows.csv"), "name,username,password\nrow-device,row,\"s,e\"\"cret\"\n")
        .expect("disk space");
    run(&["--identity-file", &path("rows.csv")]).ready();
    fs::write(path("heartbeat-0.password"), "in-a-file\n").expect("disk space");
    run(&["-n", "1", "--identity-folder", &path(""), "--device-user", "file-{index}"]).ready();
    broker.log.wait_for(" as row-device (p5, c1, k10, u'row')");
    // A wrong password is refused by the broker, and the log names the device but not the password.
    let fleet = run(&["-n", "1", "--device-user", "u-0", "--device-password", "wr0ng-secret"]);
    let line = fleet.stderr.wait_for("heartbeat-0 ");
    fleet
        .stderr
        .wait(1, DEFAULT_TIMEOUT, |line| line.contains("heartbeat-0") && line.contains("not authorized"));
    assert!(!fleet.stderr.all().join("\n").contains("wr0ng-secret"), "{line}");
    // Errors about secrets do not show them.
    for args in [
        vec!["run", "--device-password", "hunter{two}"],
        vec!["run", "--device-token", "hunter-two", "--device-password", "hunter-two"],
        vec!["run", "--mqtt", "3.1.1", "--device-token", "hunter-two"],
    ] {
        let output = wasmote(&args).output().expect("the program runs");
        let stderr = String::from_utf8(output.stderr).expect("text");
        assert!(output.status.code() == Some(2) && !stderr.contains("hunter"), "{args:?}: {stderr}");
    }
    fs::write(path("number.toml"), "[identity]\npassword = 12345678\n").expect("disk space");
    let output = wasmote(&["run", "--config", &path("number.toml")]).output().expect("the program runs");
    let stderr = String::from_utf8(output.stderr).expect("text");
    assert!(stderr.contains("password") && !stderr.contains("12345678"), "{stderr}");
    let help = wasmote(&["run", "--help"])
        .env("WASMOTE_DEVICE_PASSWORD", "hunter-two")
        .output()
        .expect("the program runs");
    assert!(!String::from_utf8_lossy(&help.stdout).contains("hunter-two"));
}

#[test]
fn broken_certificates_are_refused_with_their_place_and_a_remedy() {
    let pki = Pki::new(3);
    let rows = pki.rows();
    let url = "mqtts://127.0.0.1:1";
    fs::write(
        pki.path("devices/damaged.key"),
        "-----BEGIN PRIVATE KEY-----\n!!!\n-----END PRIVATE KEY-----\n",
    )
    .expect("disk space");
    let cases = [
        (
            "other.csv",
            rows.replace("sn-000001.key", "sn-000002.key"),
            vec![
                "other.csv line 3, column `key`: device `sn-000001`: ",
                "does not belong to the client certificate",
            ],
        ),
        (
            "missing.csv",
            rows.replace("sn-000001.crt", "sn-9.crt"),
            vec!["missing.csv line 3, column `certificate`: device `sn-000001`", "sn-9.crt` cannot be read"],
        ),
        (
            "none.csv",
            rows.replace("sn-000002.key", ""),
            vec!["none.csv line 4", "a certificate needs its key"],
        ),
        (
            "swapped.csv",
            rows.replace("sn-000000.crt,sn-000000.key", "sn-000000.key,sn-000000.crt"),
            vec!["swapped.csv line 2", "holds a private key"],
        ),
        (
            "damaged.csv",
            rows.replace("sn-000000.key", "damaged.key"),
            vec!["damaged.csv line 2, column `key`", "is damaged"],
        ),
    ];
    for (name, text, expected) in cases {
        let file = pki.path(&format!("devices/{name}"));
        fs::write(&file, text).expect("disk space");
        let output =
            wasmote(&["run", "--identity-file", &file, "--broker", url]).output().expect("the program runs");
        let stderr = String::from_utf8(output.stderr).expect("text");
        let is_told = expected.iter().all(|part| stderr.contains(part));
        assert!(output.status.code() == Some(2) && is_told, "{name}: {stderr}");
    }
    let folder = pki.path("devices");
    for (args, expected) in [
        (
            vec!["run", "-n", "4", "--name", "sn-{index:06}", "--identity-folder", &folder, "--broker", url],
            "`sn-000003`: it has no file for this device; expected `sn-000003.crt`",
        ),
        (
            vec![
                "run",
                "--identity-file",
                &pki.path("devices/devices.csv"),
                "--broker",
                "mqtt://127.0.0.1:1",
            ],
            "need a broker with TLS",
        ),
    ] {
        let output = wasmote(&args).output().expect("the program runs");
        let stderr = String::from_utf8(output.stderr).expect("text");
        assert!(output.status.code() == Some(2) && stderr.contains(expected), "{args:?}: {stderr}");
    }
    let again =
        wasmote(&["certificates", "authority", "--out", &pki.path("")]).output().expect("the program runs");
    assert!(String::from_utf8_lossy(&again.stderr).contains("exists; choose another --out"));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(pki.path("devices/sn-000000.key")).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

/// A plan in real time whose devices change their certificates, then show expired ones. Nothing that it writes has a secret.
#[test]
fn certificates_rotate_and_expire_in_a_plan_and_no_output_has_a_secret() {
    let pki = Pki::new(4);
    let named = ["-n", "4", "--name", "sn-{index:06}"];
    pki.make(&[&["devices"], &named[..], &["--out", &pki.path("next")]].concat());
    pki.make(&[&["devices"], &named[..], &["--expired", "--out", &pki.path("old")]].concat());
    fs::write(pki.path("users"), "plan-user:plan-pa55word\n").expect("disk space");
    let hashed = Command::new("mosquitto_passwd")
        .args(["-U", &pki.path("users")])
        .status()
        .expect("Mosquitto is installed");
    assert!(hashed.success());
    fs::write(pki.path("password"), "plan-pa55word").expect("disk space");
    let broker = pki.broker(&format!("password_file {}", pki.path("users")), "");
    let plan = r#"
name = "rotation"
duration = "30s"
log_messages = "on"

[[group]]
name = "g"
behaviour = "heartbeat"
config = { interval = "500ms", peers = 0 }
[group.identity]
file = "devices/devices.csv"
username = "plan-user"
password_file = "password"

[[timeline]]
at = "8s"
rotate = { group = "g", identity = { folder = "next", username = "plan-user", password_file = "password" }, for = "200ms" }

[[timeline]]
at = "14s"
expire = { group = "g", devices = ["sn-000001"], identity = { file = "old/devices.csv", username = "plan-user", password_file = "password" }, for = "200ms" }
"#;
    let plan_file = pki.path("plan.toml");
    fs::write(&plan_file, plan).expect("disk space");
    let (url, out, ca) = (format!("mqtts://127.0.0.1:{}", broker.port), pki.path("out"), pki.path("ca.crt"));
    let http = format!("127.0.0.1:{}", free_port());
    // The host's own connection, which checks that the broker answers, has the credentials of the fleet.
    let (cert, key, password) =
        (pki.path("spare/spare-host.crt"), pki.path("spare/spare-host.key"), pki.path("password"));
    pki.make(&["devices", "-n", "1", "--name", "spare-host", "--force", "--out", &pki.path("spare")]);
    let args = [
        "experiment",
        "run",
        "--cert",
        &cert,
        "--key",
        &key,
        "--broker-user",
        "plan-user",
        "--broker-password-file",
        &password,
        &plan_file,
        "--time",
        "real",
        "--broker",
        &url,
        "--ca",
        &ca,
        "--http",
        &http,
        "--out",
        &out,
    ];
    let mut child = wasmote(&args).env("RUST_LOG", "trace").spawn().expect("the program starts");
    let stderr = Lines::of(child.stderr.take().expect("a pipe"));
    let stdout = Lines::of(child.stdout.take().expect("a pipe"));
    let get = |path: &str, accept: &str| {
        let (accept, url) = (format!("Accept: {accept}"), format!("http://{http}{path}"));
        let output = Command::new("curl").args(["-s", "--max-time", "2", "-H", &accept, &url]).output();
        output.expect("curl is installed").stdout
    };
    // Each device connects with its first certificate, then with its next one.
    broker.log.wait(4, DEFAULT_TIMEOUT, |line| {
        line.contains("New client connected") && line.contains(" as sn-00000")
    });
    broker.log.wait(8, DEFAULT_TIMEOUT, |line| {
        line.contains("New client connected") && line.contains(" as sn-00000")
    });
    let end = Instant::now() + DEFAULT_TIMEOUT;
    while !String::from_utf8_lossy(&get("/devices/sn-000001", "*/*")).contains("certificate has expired") {
        assert!(Instant::now() < end, "{}", stderr.all().join("\n"));
        std::thread::sleep(Duration::from_millis(100));
    }
    let mut outputs: Vec<(String, Vec<u8>)> = Vec::new();
    for path in API {
        outputs.push((path.to_owned(), get(path, "*/*")));
    }
    outputs.push(("OpenMetrics".to_owned(), get("/metrics", "application/openmetrics-text")));
    outputs.push(("events".to_owned(), get("/events", "*/*")));
    assert!(
        outputs
            .iter()
            .any(|(what, bytes)| what == "/devices" && bytes.windows(9).any(|it| it == b"sn-000001"))
    );
    assert!(child.wait().expect("it ends").code().is_some());
    let log = stderr.to_end().join("\n");
    outputs.push(("stdout".to_owned(), stdout.to_end().join("\n").into_bytes()));
    outputs.push(("stderr".to_owned(), log.into_bytes()));
    let results = all_files(Path::new(&out));
    let device_log =
        results.iter().find(|(path, _)| path.ends_with("logs/sn-000001.log")).expect("each device has a log");
    let text = String::from_utf8_lossy(&device_log.1);
    assert!(
        text.contains("the client certificate has expired") && text.contains("(it expired on 20"),
        "{text}"
    );
    let timeline = results.iter().find(|(path, _)| path.ends_with("timeline.csv")).expect("a timeline");
    let text = String::from_utf8_lossy(&timeline.1);
    assert!(text.contains("rotate") && text.contains("expire"), "{text}");
    assert!(results.len() > 8, "{}", results.len());
    outputs.extend(results.into_iter().map(|(path, bytes)| (path.display().to_string(), bytes)));
    let mut secrets = vec![b"plan-pa55word".to_vec(), b"-----BEGIN PRIVATE KEY".to_vec()];
    for folder in ["", "devices", "next", "old"] {
        secrets.extend(keys(Path::new(&pki.path(folder))));
    }
    outputs.iter().for_each(|(what, output)| assert_no_secret(what, output, &secrets));
}

#[test]
fn a_secret_in_a_plan_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("plan.toml");
    let plan = "name = \"p\"\nduration = \"1s\"\n[[group]]\nbehaviour = \"heartbeat\"\nidentity = { password = \"hunter-two\" }\n";
    fs::write(&path, plan).expect("disk space");
    let out = folder.path().join("out");
    let args = ["experiment", "run", path.to_str().expect("text"), "--out", out.to_str().expect("text")];
    let output = wasmote(&args).output().expect("the program runs");
    let stderr = String::from_utf8(output.stderr).expect("text");
    let expected = "group[0].identity.password: results contain the plan, so a secret must not stand in it";
    assert!(
        output.status.code() == Some(2) && stderr.contains(expected) && !stderr.contains("hunter"),
        "{stderr}"
    );
    assert!(!out.exists());
}

/// Five thousand devices, each with its certificate. The figures are printed: `--ignored --nocapture`.
#[test]
#[ignore = "takes a minute and 10,000 file descriptors"]
fn five_thousand_devices_with_five_thousand_certificates() {
    const DEVICES: u32 = 5_000;
    let began = Instant::now();
    let pki = Pki::new(DEVICES);
    println!("certificates made in {:?}", began.elapsed());
    let broker = pki.broker("use_identity_as_username true\nmax_connections -1", OWN_TOPICS);
    let file = pki.path("devices/devices.csv");
    let began = Instant::now();
    let quiet = [
        "--identity-file",
        &file,
        "--device-config",
        "interval=1h",
        "--log-messages",
        "off",
        "--keepalive",
        "600s",
    ];
    let fleet = pki.run(&broker, &quiet);
    println!("started after {:?}", began.elapsed());
    let began = Instant::now();
    let connected = |fleet: &Fleet| fleet.get("/status")["states"]["connected"] == DEVICES;
    fleet.wait_until("all devices are connected", Duration::from_secs(600), connected);
    let took = began.elapsed();
    let rate = f64::from(DEVICES) / took.as_secs_f64();
    println!("{DEVICES} devices connected in {took:?}, {rate:.0} handshakes a second");
    println!("resident: {} MiB", fleet.resident_mib());
    for index in [0, DEVICES / 2, DEVICES - 1] {
        let name = format!("sn-{index:06}");
        broker.log.wait_for(&format!(" as {name} (p5, c1, k600, u'{name}')"));
    }
    let users = broker.log.count(|line| {
        let name = line.split_once(" as ").and_then(|(_, rest)| rest.split_once(' ')).map(|(name, _)| name);
        name.is_some_and(|name| name.starts_with("sn-") && line.contains(&format!("u'{name}'")))
    });
    assert_eq!(users, DEVICES as usize);
    let secrets = keys(Path::new(&pki.path("devices")));
    assert_eq!(secrets.len(), DEVICES as usize);
    let log = fleet.stderr.all().join("\n");
    let mut outputs = vec![("the log".to_owned(), log.into_bytes())];
    outputs.push(("the broker's log".to_owned(), broker.log.all().join("\n").into_bytes()));
    let pages = (0..DEVICES).step_by(1_000).map(|start| format!("/devices?limit=1000&offset={start}"));
    for path in API.map(str::to_owned).into_iter().chain(pages) {
        outputs.push((path.clone(), fleet.curl(&[], &path).1.into_bytes()));
    }
    let bytes: usize = outputs.iter().map(|(_, output)| output.len()).sum();
    println!("{bytes} bytes of {} outputs searched for {DEVICES} keys", outputs.len());
    outputs.iter().for_each(|(what, output)| assert_no_secret(what, output, &secrets));
}

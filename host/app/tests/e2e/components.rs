//! Components from registries and URLs, in every place that names a component.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::fleet::Fleet;
use crate::guests;
use crate::program::wasmote;
use crate::registry::{Registry, Server, respond, sign, signing_key};

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn built(name: &str) -> PathBuf {
    guests::repository().join("behaviours/built").join(name).with_extension("wasm")
}

/// A program whose downloads go into a folder of the test, and which finds no credentials of the user.
fn program(folder: &Path, args: &[&str]) -> Command {
    let mut command = wasmote(args);
    command.env("WASMOTE_DOWNLOADS", folder.join("downloads"));
    command.env("DOCKER_CONFIG", folder.join("docker"));
    command
}

fn ran(output: &Output) -> (Option<i32>, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout) + &text(&output.stderr))
}

fn outcome(folder: &Path, args: &[&str]) -> (Option<i32>, String) {
    ran(&program(folder, args).output().expect("it ran"))
}

fn refused(folder: &Path, args: &[&str], words: &str) {
    let (code, text) = outcome(folder, args);
    assert!(matches!(code, Some(1 | 2)), "{args:?}: {code:?}: {text}");
    assert!(text.contains(words), "{args:?}: `{words}` is not in: {text}");
    assert!(!text.contains("secret"), "{text}");
}

/// Publishes a file. Returns the reference with its digest.
fn push(folder: &Path, file: &str, to: &str) -> String {
    let output = program(folder, &["behaviours", "push", file, to]).output().expect("it ran");
    let (code, text) = ran(&output);
    assert_eq!(code, Some(0), "{text}");
    String::from_utf8(output.stdout).expect("text").trim().to_owned()
}

fn path(file: &Path) -> &str {
    file.to_str().expect("a path")
}

const RUN: [&str; 6] = ["--faults", "none", "--drain", "1s", "--http", "127.0.0.1:0"];

fn run_args<'a>(reference: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["run", reference, "-n", "2", "--duration", "1s"], &RUN[..], more].concat()
}

#[test]
fn a_published_behaviour_runs_by_its_tag_and_by_its_digest_and_is_cached() {
    let Some(registry) = Registry::start("") else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let tag = registry.reference("team/beat:1");
    let pinned = push(folder, "heartbeat", &tag);
    assert!(pinned.starts_with(&format!("{tag}@sha256:")), "{pinned}");
    assert_eq!(push(folder, "heartbeat", &tag), pinned, "the same component is the same artefact");

    let (code, text) = outcome(folder, &run_args(&tag, &[]));
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains(&format!("{tag} is {pinned}")), "the log says what the tag is: {text}");
    let output = program(folder, &["behaviours", "inspect", &tag, "--json"]).output().expect("it ran");
    let info: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let hash = sha256(&fs::read(built("heartbeat")).expect("a file"));
    assert_eq!((info["source"].as_str(), info["sha256"].as_str()), (Some(&*pinned), Some(&*hash)));
    assert_eq!(info["name"], "beat");

    // Another component under the same tag is seen at the next start, and the digest keeps the first one.
    let other = push(folder, "sensor", &tag);
    assert_ne!(other, pinned);
    let (code, text) = outcome(folder, &["behaviours", "inspect", &tag]);
    assert!(code == Some(0) && text.contains(&other), "{text}");
    let wrong = format!("{tag}@sha256:{}", "0".repeat(64));
    refused(folder, &run_args(&wrong, &[]), "has no artefact team/beat:sha256:000");
    refused(folder, &run_args(&tag, &["--sha256", &hash]), "and it is pinned to");
    refused(folder, &run_args(&registry.reference("team/none:1"), &[]), "has no artefact team/none:1");

    // Without the registry a digest is found in the cache, and a tag is not.
    drop(registry);
    let (code, text) = outcome(folder, &run_args(&pinned, &[]));
    assert_eq!(code, Some(0), "{text}");
    refused(folder, &run_args(&tag, &[]), "cannot be reached");
    let elsewhere = folder.join("elsewhere");
    refused(folder, &run_args(&pinned, &["--downloads", path(&elsewhere)]), "cannot be reached");
}

#[test]
fn a_blob_that_somebody_changed_is_refused() {
    let Some(registry) = Registry::start("") else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let pinned = push(folder, "heartbeat", &registry.reference("beat:1"));
    let hash = sha256(&fs::read(built("heartbeat")).expect("a file"));
    let mut bytes = fs::read(registry.blob(&hash)).expect("the blob");
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(registry.blob(&hash), &bytes).expect("disk space");
    refused(folder, &run_args(&pinned, &[]), &format!("and sha256:{hash} is needed"));
    // Damage in the cache is mended from the registry.
    fs::write(registry.blob(&hash), fs::read(built("heartbeat")).expect("a file")).expect("disk space");
    assert_eq!(outcome(folder, &run_args(&pinned, &[])).0, Some(0));
    fs::write(folder.join("downloads").join(&hash), "damaged").expect("disk space");
    let (code, text) = outcome(folder, &run_args(&pinned, &[]));
    assert!(code == Some(0) && text.contains("is damaged, so it is downloaded again"), "{text}");
}

#[test]
fn a_plan_records_the_digest_and_is_verified_without_the_registry() {
    let Some(registry) = Registry::start("") else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let tag = registry.reference("beat:1");
    let pinned = push(folder, "heartbeat", &tag);
    let plan = folder.join("plan.toml");
    let text = format!(
        "name = \"remote\"\nduration = \"30s\"\nseeds = [1]\n[[group]]\nbehaviour = \"{tag}\"\ncount = 3\n\
         [[timeline]]\nat = \"10s\"\nswap = {{ group = \"beat\", behaviour = \"{pinned}\" }}\n"
    );
    fs::write(&plan, text).expect("a file");
    let mut digests = Vec::new();
    let mut last = PathBuf::new();
    for _ in 0..2 {
        let args = ["experiment", "run", path(&plan), "--out", path(&folder.join("results")), "--json"]
            .map(str::to_owned);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let output = program(folder, &args).output().expect("it ran");
        let (code, shown) = ran(&output);
        assert_eq!(code, Some(0), "{shown}");
        assert!(shown.contains(&format!("{tag} is {pinned}")), "{shown}");
        let whole: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        digests.push(whole["runs"][0]["digest"].clone());
        last = whole["folder"].as_str().expect("a folder").into();
    }
    assert!(digests[0].is_string() && digests[0] == digests[1], "{digests:?}");
    let manifest: Value =
        serde_json::from_slice(&fs::read(last.join("manifest.json")).expect("a file")).expect("JSON");
    let hash = sha256(&fs::read(built("heartbeat")).expect("a file"));
    let component = &manifest["components"][0];
    assert_eq!((component["origin"].as_str(), component["sha256"].as_str()), (Some(&*pinned), Some(&*hash)));
    drop(registry);
    let (code, shown) = outcome(folder, &["experiment", "verify", path(&last)]);
    assert_eq!(code, Some(0), "{shown}");
    // Another component in its place is noticed.
    fs::copy(built("sensor"), last.join(component["file"].as_str().expect("a path"))).expect("a copy");
    let (code, shown) = outcome(folder, &["experiment", "verify", path(&last)]);
    assert_eq!(code, Some(1), "{shown}");
}

#[test]
fn manifests_mount_a_published_behaviour() {
    let Some(registry) = Registry::start("") else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let pinned = push(folder.path(), "heartbeat", &registry.reference("beat:1"));
    let counted = format!("{pinned}=2");
    let (code, text) = outcome(folder.path(), &["manifests", "--behaviour", &counted]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("name: behaviour-beat") && text.contains("replicas: 2"), "{text}");
    refused(folder.path(), &["manifests", "--behaviour", &counted, "--built-in"], "is not built in");
}

#[test]
fn a_registry_gets_the_password_of_dockers_configuration() {
    // The password is `secret`.
    let hash = "$2y$04$BRGzNmHW0yaWH./4KBJKEehD045rI7zA6juj.m.JwJ2GEhLra7Mzy";
    let passwords = tempfile::tempdir().expect("a folder");
    fs::write(passwords.path().join("htpasswd"), format!("me:{hash}\n")).expect("a file");
    let auth =
        format!("auth: {{htpasswd: {{realm: test, path: {}}}}}", passwords.path().join("htpasswd").display());
    let Some(registry) = Registry::start(&auth) else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    fs::create_dir(folder.join("docker")).expect("a folder");
    let configure = |text: &str| fs::write(folder.join("docker/config.json"), text).expect("a file");
    let host = format!("localhost:{}", registry.port);
    let tag = registry.reference("beat:1");
    let to = ["behaviours", "push", "heartbeat", &tag];
    refused(folder, &to, &format!("`docker login {host}` enters one"));
    configure(r#"{"credsStore": "desktop"}"#);
    refused(folder, &to, "with the helper `desktop`, which this program does not run");
    let wrong = STANDARD.encode("me:wrong");
    configure(&format!("{{\"auths\": {{\"{host}\": {{\"auth\": \"{wrong}\"}}}}}}"));
    refused(folder, &to, "refuses access");
    let right = STANDARD.encode("me:secret");
    configure(&format!("{{\"auths\": {{\"{host}\": {{\"auth\": \"{right}\"}}}}}}"));
    push(folder, "heartbeat", &tag);
    let (code, text) = outcome(folder, &run_args(&tag, &[]));
    assert_eq!(code, Some(0), "{text}");
    assert!(!text.contains("secret") && !text.contains(&right), "{text}");
}

#[test]
fn a_registry_with_a_token_server_gets_a_token() {
    let tokens = Server::start(|head, stream| {
        let is_asked =
            head.path.contains("service=test") && head.path.contains("scope=repository%3Abeat%3Apull");
        match is_asked
            && head.header("authorization") == Some(&format!("Basic {}", STANDARD.encode("me:secret")))
        {
            true => respond(stream, "200 OK", "", br#"{"token": "abc"}"#),
            false => respond(stream, "401 Unauthorized", "", br#"{"errors": [{"message": "who are you?"}]}"#),
        }
    });
    let auth = format!("auth: {{silly: {{realm: \"{}\", service: test}}}}", tokens.url("/token"));
    let Some(registry) = Registry::start(&auth) else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let tag = registry.reference("beat:1");
    refused(folder, &["behaviours", "push", "heartbeat", &tag], "status 401: who are you?");
    fs::create_dir(folder.join("docker")).expect("a folder");
    let entry = format!("{{\"auth\": \"{}\"}}", STANDARD.encode("me:secret"));
    let config = format!("{{\"auths\": {{\"localhost:{}\": {entry}}}}}", registry.port);
    fs::write(folder.join("docker/config.json"), config).expect("a file");
    push(folder, "heartbeat", &tag);
    let (code, text) = outcome(folder, &["behaviours", "inspect", &tag]);
    assert_eq!(code, Some(0), "{text}");
    assert!(tokens.requests.load(Ordering::SeqCst) >= 3);
}

#[test]
fn a_url_is_bounded_in_size_time_and_redirects() {
    let bytes = fs::read(built("heartbeat")).expect("a file");
    let hash = sha256(&bytes);
    let elsewhere = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&elsewhere);
    let other = Server::start(move |head, stream| {
        seen.fetch_add(usize::from(head.header("authorization").is_some()), Ordering::SeqCst);
        respond(stream, "404 Not Found", "", b"");
    });
    let (to_other, component) = (other.url("/x.wasm"), bytes.clone());
    let server = Server::start(move |head, stream| {
        let location = |to: &str| format!("Location: {to}\r\n");
        match head.path.as_str() {
            "/beat.wasm" | "/beat.wasm?key=secret" => respond(stream, "200 OK", "", &component),
            "/moved.wasm" => respond(stream, "302 Found", &location("/beat.wasm"), b""),
            "/loop.wasm" => respond(stream, "307 Temporary Redirect", &location("/loop.wasm"), b""),
            "/file.wasm" => respond(stream, "301 Moved", &location("file:///etc/passwd"), b""),
            "/plain.wasm" => respond(stream, "301 Moved", &location("http://192.0.2.1/x.wasm"), b""),
            "/other.wasm" => respond(stream, "301 Moved", &location(&to_other), b""),
            "/nowhere.wasm" => respond(stream, "301 Moved", "", b""),
            "/announced.wasm" => {
                use std::io::Write as _;
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n");
            }
            "/endless.wasm" => {
                use std::io::Write as _;
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
                while stream.write_all(&[0; 1 << 16]).is_ok() {}
            }
            "/short.wasm" => {
                use std::io::Write as _;
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort");
            }
            "/slow.wasm" => {
                use std::io::Write as _;
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
                while stream.write_all(&[0]).is_ok() {
                    std::thread::sleep(std::time::Duration::from_millis(100));
                }
            }
            "/page.wasm" => respond(stream, "200 OK", "", b"<html>"),
            "/403.wasm" => respond(stream, "403 Forbidden", "", b""),
            "/500.wasm" => respond(stream, "500 Internal Server Error", "", b""),
            _ => respond(stream, "404 Not Found", "", b""),
        }
    });
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    for (name, words) in [
        ("/loop.wasm", "there are more than 5 in a row"),
        ("/file.wasm", "it leads to `file:`"),
        ("/plain.wasm", "--plain-http 192.0.2.1"),
        ("/nowhere.wasm", "it has no target"),
        ("/announced.wasm", "the component has more than 33554432 bytes"),
        ("/endless.wasm", "the component has more than 33554432 bytes"),
        ("/short.wasm", "the component ends early"),
        ("/page.wasm", "this is no WebAssembly"),
        ("/403.wasm", "refuses access"),
        ("/500.wasm", "answered with status 500"),
        ("/absent.wasm", "has no `/absent.wasm`"),
        ("/other.wasm", "has no `/other.wasm`"),
    ] {
        refused(folder, &run_args(&server.url(name), &[]), words);
    }
    assert_eq!(elsewhere.load(Ordering::SeqCst), 0, "no credentials went to the other host");
    refused(folder, &run_args(&server.url("/slow.wasm"), &["--download-time", "1s"]), "more than 1 s");
    for name in ["/beat.wasm", "/moved.wasm", "/beat.wasm?key=secret"] {
        let (code, text) = outcome(folder, &run_args(&server.url(name), &[]));
        assert_eq!(code, Some(0), "{text}");
        assert!(text.contains(&format!("(sha256:{hash})")) && !text.contains("secret"), "{text}");
    }
    let pinned = format!("{}@sha256:{hash}", server.url("/beat.wasm"));
    let before = server.requests.load(Ordering::SeqCst);
    assert_eq!(outcome(folder, &run_args(&pinned, &[])).0, Some(0));
    assert_eq!(server.requests.load(Ordering::SeqCst), before, "a pinned component comes from the cache");
    let wrong = format!("{}@sha256:{}", server.url("/beat.wasm"), "1".repeat(64));
    refused(folder, &run_args(&wrong, &[]), &format!("its SHA-256 is {hash}"));
}

#[test]
fn a_redirect_from_https_to_http_is_not_followed() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem", "-out", "cert.pem"])
        .args([
            "-days",
            "2",
            "-subj",
            "/CN=localhost",
            "-addext",
            "subjectAltName=DNS:localhost",
            "-addext",
            "basicConstraints=CA:FALSE",
        ])
        .current_dir(folder)
        .output()
        .expect("openssl is installed; `make test` checks it");
    assert!(made.status.success());
    let plain = Server::start(|_, stream| respond(stream, "200 OK", "", b"never"));
    let head =
        format!("HTTP/1.0 302 Found\r\nLocation: {}\r\nContent-Length: 0\r\n\r\n", plain.url("/b.wasm"));
    fs::write(folder.join("moved.wasm"), head).expect("a file");
    let body = fs::read(built("heartbeat")).expect("a file");
    let head = format!("HTTP/1.0 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
    fs::write(folder.join("beat.wasm"), [head.as_bytes(), &body].concat()).expect("a file");
    let port = crate::mosquitto::free_port();
    let mut server = Command::new("openssl")
        .args([
            "s_server",
            "-quiet",
            "-HTTP",
            "-accept",
            &port.to_string(),
            "-cert",
            "cert.pem",
            "-key",
            "key.pem",
        ])
        .current_dir(folder)
        .spawn()
        .expect("openssl is installed");
    let end = std::time::Instant::now() + crate::lines::DEFAULT_TIMEOUT;
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(std::time::Instant::now() < end, "the server does not listen");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let run = |name: &str| {
        let url = format!("https://localhost:{port}/{name}");
        ran(&program(folder, &run_args(&url, &[]))
            .env("SSL_CERT_FILE", folder.join("cert.pem"))
            .output()
            .unwrap())
    };
    let (moved, good) = (run("moved.wasm"), run("beat.wasm"));
    let untrusted = outcome(folder, &run_args(&format!("https://localhost:{port}/beat.wasm"), &[]));
    let _ = server.kill();
    let _ = server.wait();
    assert!(moved.0 == Some(1) && moved.1.contains("it leads from https to http"), "{moved:?}");
    assert_eq!(plain.requests.load(Ordering::SeqCst), 0);
    assert_eq!(good.0, Some(0), "{good:?}");
    assert!(untrusted.0 == Some(1) && untrusted.1.contains("TLS failed"), "{untrusted:?}");
}

#[test]
fn a_put_by_reference_is_refused_unless_its_host_is_allowed() {
    let bytes = fs::read(built("sensor")).expect("a file");
    let hash = sha256(&bytes);
    let server = Server::start(move |head, stream| match head.path.as_str() {
        "/b.wasm" => respond(stream, "200 OK", "", &bytes),
        "/inside.wasm" => {
            respond(stream, "302 Found", "Location: http://127.0.0.1:1/latest/meta-data\r\n", b"");
        }
        _ => respond(stream, "404 Not Found", "", b""),
    });
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let allowed = format!("localhost:{}", server.port);
    let refusals = |fleet: &Fleet| fleet.get("/metrics")["http"]["refused"]["source"].clone();
    let put = |fleet: &Fleet, from: &str| {
        let (status, body) = fleet.curl(&["-X", "PUT"], &format!("/behaviours/heartbeat?from={from}"));
        (status, serde_json::from_str::<Value>(&body).expect("JSON"))
    };

    let closed = Fleet::run(&["heartbeat", "-n", "2", "--faults", "none"]).ready();
    let (status, body) = put(&closed, &server.url("/b.wasm"));
    assert_eq!((status, body["error"]["field"].as_str()), (403, Some("from")), "{body}");
    assert!(
        body["error"]["message"].as_str().expect("a text").contains(&format!("--http-fetch-from {allowed}")),
        "{body}"
    );
    assert_eq!(refusals(&closed), 1);
    let change = format!("{{\"from\": \"{}\"}}", server.url("/b.wasm"));
    assert_eq!(closed.send("PUT", "/groups/heartbeat/behaviour", &change).0, 403);
    assert_eq!(put(&closed, "oci://localhost:1/b:1").0, 403);
    assert_eq!(put(&closed, "/etc/passwd").0, 400);
    assert_eq!(put(&closed, "file:///etc/passwd").0, 400);
    assert_eq!(server.requests.load(Ordering::SeqCst), 0, "nothing was asked");
    drop(closed);

    let downloads = folder.join("downloads");
    let token = "0123456789abcdef";
    let open = Fleet::run(&[
        "heartbeat",
        "-n",
        "2",
        "--faults",
        "none",
        "--canary",
        "0s",
        "--http-fetch-from",
        &allowed,
        "--http-token",
        token,
        "--downloads",
        path(&downloads),
    ])
    .ready();
    assert_eq!(put(&open, &server.url("/b.wasm")).0, 401, "the token is needed first");
    let header = format!("Authorization: Bearer {token}");
    let put = |query: &str| {
        let (status, body) =
            open.curl(&["-X", "PUT", "-H", &header], &format!("/behaviours/heartbeat?{query}"));
        (status, serde_json::from_str::<Value>(&body).expect("JSON"))
    };
    let (status, body) = put(&format!("from={}", server.url("/inside.wasm")));
    assert_eq!(status, 403, "{body}");
    assert!(
        body["error"]["message"].as_str().expect("a text").contains("fetches nothing from `127.0.0.1:1`"),
        "{body}"
    );
    let (status, body) = put(&format!("from={}", server.url("/none.wasm")));
    assert_eq!((status, body["error"]["field"].as_str()), (502, Some("from")), "{body}");
    let (status, body) = put(&format!("from={}&sha256={}", server.url("/b.wasm"), "0".repeat(64)));
    assert_eq!(status, 422, "{body}");
    let (status, body) = put(&format!("from={}", server.url("/b.wasm")));
    assert_eq!((status, body["sha256"].as_str()), (200, Some(&*hash)), "{body}");
    let found = open.get("/behaviours/heartbeat");
    assert!(found["source"].as_str().expect("a text").contains(&server.url("/b.wasm")), "{found}");
    assert_eq!(found["updates"]["refused"], 3, "{found}");
    open.stop();
}

#[test]
fn with_a_key_only_signed_components_are_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let Some(key) = signing_key(folder) else { return };
    let Some(registry) = Registry::start("") else { return };
    let file = folder.join("beat.wasm");
    fs::copy(built("heartbeat"), &file).expect("a copy");
    let (unsigned, signed) = (registry.reference("beat:unsigned"), registry.reference("beat:signed"));
    push(folder, path(&file), &unsigned);
    let key_args = ["--behaviour-key", path(&key)];
    refused(folder, &run_args(path(&file), &key_args), "it has no signature");
    refused(folder, &run_args(&unsigned, &key_args), "it has no signature");
    sign(folder, "beat.wasm");
    push(folder, path(&file), &signed);
    for source in [path(&file), &signed, "heartbeat"] {
        let (code, text) = outcome(folder, &run_args(source, &key_args));
        assert_eq!(code, Some(0), "{source}: {text}");
    }
    let other = tempfile::tempdir().expect("a folder");
    let other_key = signing_key(other.path()).expect("it is installed");
    refused(folder, &run_args(&signed, &["--behaviour-key", path(&other_key)]), "not by the key");
    refused(folder, &run_args(&signed, &["--behaviour-key", "nonsense"]), "no public key of minisign");

    // At a URL the signature is beside it, and in a request it is a parameter.
    let served = folder.to_owned();
    let server = Server::start(move |head, stream| match fs::read(served.join(&head.path[1..])) {
        Ok(bytes) => respond(stream, "200 OK", "", &bytes),
        Err(_) => respond(stream, "404 Not Found", "", b""),
    });
    let (code, text) = outcome(folder, &run_args(&server.url("/beat.wasm"), &key_args));
    assert_eq!(code, Some(0), "{text}");
    fs::copy(built("sensor"), folder.join("next.wasm")).expect("a copy");
    refused(folder, &run_args(&server.url("/next.wasm"), &key_args), "at the same URL with .minisig");

    let args = ["heartbeat", "-n", "2", "--faults", "none", "--canary", "0s", "--behaviour-key", path(&key)];
    let fleet = Fleet::run(&args).ready();
    let body = format!("@{}", folder.join("next.wasm").display());
    let put = |query: &str| {
        let target = format!("/behaviours/heartbeat{query}");
        let (status, text) = fleet.curl(&["-X", "PUT", "--data-binary", &body], &target);
        (status, serde_json::from_str::<Value>(&text).expect("JSON"))
    };
    let (status, answer) = put("");
    assert_eq!((status, answer["error"]["field"].as_str()), (422, Some("signature")), "{answer}");
    sign(folder, "next.wasm");
    let signature = STANDARD.encode(fs::read(folder.join("next.wasm.minisig")).expect("a file"));
    let encoded = signature.replace('+', "%2B").replace('=', "%3D").replace('/', "%2F");
    let (status, answer) = put(&format!("?signature={encoded}"));
    assert_eq!(status, 200, "{answer}");
    fleet.stop();
}

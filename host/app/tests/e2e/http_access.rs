//! The token of the HTTP API, and names of the host, with curl as a user and as a page in a browser.

use std::path::Path;

use crate::fleet::Fleet;
use crate::lines::DEFAULT_TIMEOUT;
use crate::program::wasmote;

/// A new token, in a file.
fn new_token(folder: &Path) -> (String, String) {
    let file = folder.join("token").to_str().expect("a path").to_owned();
    let output = wasmote(&["token", "--out", &file]).output().expect("it ran");
    assert!(output.status.success() && output.stdout.is_empty(), "{output:?}");
    let token = std::fs::read_to_string(&file).expect("a file").trim().to_owned();
    (file, token)
}

/// DNS rebinding: the browser of a user visits a page, whose name then resolves to this machine.
#[test]
fn a_page_whose_name_resolves_to_this_machine_changes_nothing() {
    let fleet = Fleet::run(&["--devices", "1", "--faults", "none"]).ready();
    let port = fleet.http.rsplit(':').next().expect("a port").to_owned();
    let page = |method: &str, path: &str| {
        let url = format!("http://evil.example:{port}");
        let output = std::process::Command::new("curl")
            .args(["-s", "--max-time", "60", "-w", "\n%{http_code}", "-X", method])
            .args(["--resolve", &format!("evil.example:{port}:127.0.0.1"), "-H", &format!("Origin: {url}")])
            .args(["-H", "Content-Type: application/json", "-d", "\"realistic\"", &format!("{url}{path}")])
            .output()
            .expect("curl is installed");
        String::from_utf8(output.stdout).expect("text")
    };
    for (method, path) in [
        ("PUT", "/faults"),
        ("POST", "/devices/heartbeat-0/stop"),
        ("PUT", "/behaviours/heartbeat"),
        ("GET", "/events"),
    ] {
        let answer = page(method, path);
        assert!(
            answer.ends_with("\n421") && answer.contains(r#""field":"host""#),
            "{method} {path}: {answer}"
        );
    }
    assert_eq!(fleet.get("/faults")["origin"], "none");
    assert_eq!(fleet.get("/devices/heartbeat-0")["state"], "connected");
    // The laptop's own requests need no token.
    assert_eq!(fleet.send("PUT", "/faults", "\"realistic\"").0, 200);
}

#[test]
fn a_token_is_needed_for_changes_and_appears_nowhere() {
    let folder = tempfile::tempdir().expect("a folder");
    let (file, token) = new_token(folder.path());
    assert_eq!(token.len(), 64);
    let args = ["--devices", "2", "--faults", "none", "--http-token-file", &file, "--log-messages", "on"];
    let fleet = Fleet::run(&args).ready();
    let mut events = std::process::Command::new("curl")
        .args(["-sN", "--max-time", "60", &format!("{}/events", fleet.http)])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("curl is installed");
    let seen = crate::lines::Lines::of(events.stdout.take().expect("a pipe"));
    let refused = fleet.send("POST", "/devices/heartbeat-0/stop", "");
    assert_eq!((refused.0, &refused.1["error"]["field"]), (401, &"authorization".into()));
    let bearer = format!("Authorization: Bearer {token}");
    let own = format!("X-Wasmote-Token: {token}");
    let change = |header: &str, method: &str, path: &str, body: &str| {
        let json = ["-H", header, "-X", method, "-H", "Content-Type: application/json", "-d", body];
        fleet.curl(&json, path)
    };
    let mut answers = String::new();
    for (header, method, path, body, status) in [
        (&bearer, "POST", "/devices/heartbeat-0/stop", "", 200),
        (&own, "POST", "/devices/heartbeat-0/start", "", 200),
        (&bearer, "PUT", "/faults", "\"realistic\"", 200),
        (&bearer, "PUT", "/faults", "\"realistc\"", 400),
        (&own, "POST", "/publish", r#"{"message": "hello"}"#, 200),
        (&bearer, "POST", "/devices/heartbeat-1/app/anything", "x", 404),
        (&bearer, "POST", "/nowhere", "x", 404),
    ] {
        let (found, answer) = change(header, method, path, body);
        assert_eq!(found, status, "{method} {path}: {answer}");
        answers += &answer;
    }
    for path in ["/status", "/metrics", "/openapi.json", "/faults", "/devices/heartbeat-0", "/"] {
        answers += &fleet.curl(&["-H", &bearer], path).1;
    }
    seen.wait(2, DEFAULT_TIMEOUT, |line| line.starts_with("data:"));
    let _ = events.kill();
    let _ = events.wait();
    let mut shown = seen.all();
    shown.extend(fleet.stderr.all());
    shown.extend(fleet.stop());
    shown.push(answers);
    assert!(shown.iter().all(|line| !line.contains(&token) && !line.contains(&token[..16])), "{shown:#?}");
}

#[test]
fn wasmote_fleet_sends_the_token_of_private_hosts() {
    let folder = tempfile::tempdir().expect("a folder");
    let (file, token) = new_token(folder.path());
    let fleet = Fleet::run(&["--devices", "3", "--http-private", "--http-token-file", &file]).ready();
    let ask = |args: &[&str], variable: Option<&str>| {
        let mut command = wasmote(&[&["fleet", &fleet.http, "--json"], args].concat());
        command.envs(variable.map(|token| ("WASMOTE_HTTP_TOKEN", token)));
        let output = command.output().expect("it ran");
        (
            output.status.code(),
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)),
        )
    };
    let (code, text) = ask(&[], None);
    assert!(code == Some(1) && text.contains("401"), "{code:?} {text}");
    for (args, variable) in [(&["--http-token-file", file.as_str()][..], None), (&[], Some(token.as_str()))] {
        let (code, text) = ask(args, variable);
        assert!(code == Some(0) && text.contains("\"devices\": 3"), "{code:?} {text}");
    }
    let (code, text) = ask(&[], Some("wrong-horse-battery-staple"));
    assert!(code == Some(1) && !text.contains("horse"), "{code:?} {text}");
}

#[test]
fn an_address_of_all_interfaces_without_a_token_is_reported() {
    let run = |args: &[&str]| {
        let args = [&["run", "--http", "0.0.0.0:0", "--duration", "1s", "--broker", "embedded:0"][..], args]
            .concat();
        let output = wasmote(&args).output().expect("it ran");
        String::from_utf8(output.stderr).expect("text")
    };
    let closed = run(&[]);
    assert!(closed.contains("change nothing") && closed.contains("wasmote token"), "{closed}");
    let open = run(&["--http-open"]);
    assert!(open.contains("every machine that reaches 0.0.0.0"), "{open}");
    let with_token = run(&["--http-token", "correct-horse-battery"]);
    assert!(!with_token.contains("no token") && !with_token.contains("horse"), "{with_token}");
}

#[test]
fn an_unusable_token_or_name_is_refused_without_showing_the_token() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("token");
    std::fs::write(&file, "two words in a file\n").expect("a file");
    for (args, words) in [
        (vec!["--http-token", "short-horse"], vec!["--http-token", "16", "wasmote token"]),
        (vec!["--http-token-file", file.to_str().expect("a path")], vec!["--http-token-file", "byte 4"]),
        (vec!["--http-token-file", "/nonexistent/token"], vec!["--http-token-file", "/nonexistent/token"]),
        (vec!["--http-host", "lab.example:5000"], vec!["--http-host", "without a port"]),
        (vec!["--http-connections", "0"], vec!["--http-connections", "from 4"]),
    ] {
        let output = wasmote(&[&["run"], &args[..]].concat()).output().expect("it ran");
        let stderr = String::from_utf8(output.stderr).expect("text");
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        for word in words {
            assert!(stderr.contains(word), "`{word}` in {stderr}");
        }
        assert!(!stderr.contains("horse") && !stderr.contains("words in"), "{stderr}");
    }
    // An empty variable, as of an optional Secret, is no token.
    let mut run = wasmote(&["run", "--http", "127.0.0.1:0", "--duration", "1s", "--broker", "embedded:0"]);
    assert!(run.env("WASMOTE_HTTP_TOKEN", "").output().expect("it ran").status.success());
}

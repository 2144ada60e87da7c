//! Transports as a user chooses them: WebSocket without an installation, and secrets in URLs, headers and proxies.

use std::process::{Child, Command, Stdio};

use crate::fleet::Fleet;
use crate::mosquitto::free_port;
use crate::program::wasmote;

struct KillOnDrop(Child);

impl Drop for KillOnDrop {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// SOCKS proxy from elsewhere, with a password.
fn microsocks(password: &str) -> (KillOnDrop, u16) {
    let port = free_port();
    let child = Command::new("microsocks")
        .args(["-i", "127.0.0.1", "-p", &port.to_string(), "-u", "me", "-P", password])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("microsocks is installed; `make test-tools` does it");
    let child = KillOnDrop(child);
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    (child, port)
}

#[test]
fn secrets_of_transports_appear_nowhere() {
    let broker = Fleet::run(&["--devices", "1", "--faults", "none", "--broker", "embedded:0"]).ready();
    let line = broker.stderr.wait_for("mqtt://127.0.0.1:");
    let port = line.split("mqtt://127.0.0.1:").nth(1).unwrap().split(' ').next().unwrap().to_owned();
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("a file");
        path.to_str().expect("a path").to_owned()
    };
    let headers = file("headers", "Authorization: Bearer s3cret-header\nX-Tenant: one\n");
    let password = file("password", "s3cret-proxy\n");
    let (_proxy, proxy) = microsocks("s3cret-proxy");
    let url = format!("WS://127.0.0.1:{port}/mqtt?token=s3cret-query");
    let through = format!("SOCKS5h://me@127.0.0.1:{proxy}");
    let arguments = [
        "--devices",
        "2",
        "--faults",
        "none",
        "--log-messages",
        "on",
        "--broker",
        &url,
        "--ws-headers-file",
        &headers,
        "--proxy",
        &through,
        "--proxy-password-file",
        &password,
    ];
    let fleet = Fleet::run(&arguments).ready();
    fleet.wait_until("both devices to be connected", crate::lines::DEFAULT_TIMEOUT, |fleet| {
        ["/devices/heartbeat-0", "/devices/heartbeat-1"]
            .iter()
            .all(|path| fleet.get(path)["state"] == "connected")
    });
    let mut shown = Vec::new();
    for path in ["/", "/status", "/metrics", "/devices", "/devices/heartbeat-0", "/faults", "/openapi.json"] {
        shown.push(fleet.curl(&[], path).1);
    }
    shown.extend(fleet.stderr.all());
    shown.extend(fleet.stop());
    let banner = format!("ws://127.0.0.1:{port}/mqtt?…");
    assert!(shown.iter().any(|line| line.contains(&banner)), "{shown:#?}");
    // Runs that fail, and options that are invalid.
    let wrong = format!("socks5://me:s3cret-wrong@127.0.0.1:{proxy}");
    let in_file = file("run.toml", "broker = \"ws://me:s3cret-file@b\"\n");
    let header_in_file = file("header.toml", "broker = \"ws://b\"\nws_headers = [\"Upgrade: s3cret\"]\n");
    let cases: [(&[&str], &str); 8] = [
        (
            &["--broker", &url, "--proxy", &wrong, "--duration", "2s"],
            "the proxy refuses the user name or the password",
        ),
        (
            &["--broker", &url, "--proxy", "socks9://me:s3cret@h:1"],
            "--proxy: the scheme of the proxy's URL is unknown",
        ),
        (&["--broker", "mqtt://me:s3cret@b"], "credentials do not belong in the URL"),
        (&["--broker", "ws://me:s3cret@b/mqtt"], "credentials do not belong in the URL"),
        (&["--broker", &url, "--ws-header", "s3cret"], "--ws-header: a header has no colon after its name"),
        (&["--broker", "mqtt://b", "--ws-header", "X: s3cret"], "--ws-header: headers are for WebSocket"),
        (&["--config", &in_file], "credentials do not belong in the URL"),
        (&["--config", &header_in_file], "the header `Upgrade` belongs to the handshake itself"),
    ];
    for (arguments, expected) in cases {
        let output = wasmote(&[&["run", "--devices", "1", "--http", "127.0.0.1:0"], arguments].concat());
        let output = { output }.output().expect("it ran");
        let text =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(!output.status.success() && text.contains(expected), "{arguments:?}: {text}");
        shown.push(text);
    }
    assert!(shown.iter().all(|line| !line.contains("s3cret")), "{shown:#?}");
    broker.stop();
}

#[test]
fn an_interface_that_does_not_exist_is_refused_before_the_run() {
    let arguments =
        ["run", "--broker", "mqtt://127.0.0.1:9", "--interface", "no-such-if", "--http", "127.0.0.1:0"];
    let output = wasmote(&arguments).output().expect("it ran");
    let text = String::from_utf8_lossy(&output.stderr);
    let expected = "--interface: this machine has no network interface `no-such-if`; it has ";
    assert!(!output.status.success() && text.contains(expected), "{text}");
}

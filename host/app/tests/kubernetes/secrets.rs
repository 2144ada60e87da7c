//! A broker with TLS and passwords: the script's Secrets with the rendered configuration.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::command::{named, read, rendered};
use crate::schema::assert_valid;

#[path = "../../../sim/tests/support/port.rs"]
mod port;

struct KillOnDrop(Child);

impl Drop for KillOnDrop {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn secrets() -> Vec<Value> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/tls/make-secrets.sh");
    let output = Command::new(script).output().expect("the script starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    read(&String::from_utf8(output.stdout).unwrap())
}

/// Writes a Secret to a folder, as a volume does.
fn mount(secrets: &[Value], name: &str, folder: &Path) -> PathBuf {
    let folder = folder.join(name);
    fs::create_dir(&folder).unwrap();
    for (file, content) in named(secrets, "Secret", name)["data"].as_object().unwrap() {
        fs::write(folder.join(file), STANDARD.decode(content.as_str().unwrap()).unwrap()).unwrap();
    }
    folder
}

#[test]
fn devices_need_the_secrets_to_reach_the_secured_broker() {
    let secrets = secrets();
    assert_valid(&secrets, "make-secrets.sh");
    let home = tempfile::tempdir().unwrap();
    let tls = mount(&secrets, "mqtt-broker-tls", home.path());
    let users = mount(&secrets, "mqtt-broker-users", home.path());
    let login = mount(&secrets, "mqtt-credentials", home.path());
    let port = port::free_port();
    let objects = rendered(&["--tls", "--only", "broker"]);
    let written = named(&objects, "ConfigMap", "mqtt-broker")["data"]["mosquitto.conf"].as_str().unwrap();
    let config = written
        .replace("listener 8883", &format!("listener {port} 127.0.0.1"))
        .replace("/mosquitto/tls", tls.to_str().unwrap())
        .replace("/mosquitto/users", users.to_str().unwrap());
    // Started as root, Mosquitto would switch to a user without read access to these files.
    let config = format!("{config}user root\n");
    let file = home.path().join("mosquitto.conf");
    fs::write(&file, config).unwrap();
    let path = format!("{}:/usr/sbin", std::env::var("PATH").unwrap());
    let broker =
        Command::new("mosquitto").arg("-c").arg(&file).env("PATH", path).stdout(Stdio::null()).spawn();
    let _broker = KillOnDrop(broker.expect("mosquitto is installed; `make test` checks it"));
    let end = Instant::now() + Duration::from_secs(30);
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(Instant::now() < end, "mosquitto does not listen");
        std::thread::sleep(Duration::from_millis(50));
    }
    let user = fs::read_to_string(login.join("username")).unwrap();
    let authority = tls.join("ca.crt");
    let run = |words: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_wasmote"))
            .args(["run", "-n", "2", "--duration", "8s", "--faults", "none", "--http", "127.0.0.1:0"])
            .args(["--broker", &format!("mqtts://localhost:{port}"), "--ca", authority.to_str().unwrap()])
            .args(words)
            .output()
            .unwrap()
    };
    let known =
        run(&["--broker-user", &user, "--broker-password-file", login.join("password").to_str().unwrap()]);
    assert!(known.status.success(), "{}", String::from_utf8_lossy(&known.stderr));
    let anonymous = run(&[]);
    let stderr = String::from_utf8_lossy(&anonymous.stderr);
    assert!(!anonymous.status.success() && stderr.contains("no device was ever connected"), "{stderr}");
}

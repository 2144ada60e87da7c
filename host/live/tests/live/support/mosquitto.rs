//! Mosquitto process on a free port, with access to its log. It ends when dropped.

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tempfile::TempDir;

#[path = "../../../../sim/tests/support/port.rs"]
mod port;

pub use port::free_port;

pub struct Mosquitto {
    pub port: u16,
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
    _folder: TempDir,
}

/// Debian installs the broker outside the PATH of ordinary users.
fn program() -> PathBuf {
    let debian = Path::new("/usr/sbin/mosquitto");
    if debian.exists() { debian.into() } else { "mosquitto".into() }
}

impl Mosquitto {
    /// Starts a broker without authentication on loopback.
    pub fn start() -> Self {
        Self::with(free_port(), "allow_anonymous true", &[])
    }

    /// Starts a broker with these configuration lines and files; `@` in a line stands for the files' folder.
    pub fn with(port: u16, lines: &str, files: &[(&str, &[u8])]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in files {
            std::fs::write(folder.path().join(name), content).unwrap();
        }
        let lines = lines.replace('@', folder.path().to_str().unwrap());
        // Without `user root` it would drop root and could not read the folder.
        let config = format!(
            "user root\nlistener {port} 127.0.0.1\n{lines}\nset_tcp_nodelay true\nlog_type all\nlog_dest stderr\n"
        );
        let path = folder.path().join("mosquitto.conf");
        std::fs::write(&path, config).unwrap();
        let mut child = Command::new(program())
            .arg("-c")
            .arg(&path)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("Mosquitto has to be installed: `apt-get install mosquitto mosquitto-clients`");
        let log = Arc::new(Mutex::new(Vec::new()));
        let (lines, errors) = (Arc::clone(&log), child.stderr.take().unwrap());
        std::thread::spawn(move || {
            for line in BufReader::new(errors).lines().map_while(Result::ok) {
                lines.lock().unwrap().push(line);
            }
        });
        let broker = Self { port, child, log, _folder: folder };
        broker.wait_until_it_listens_at(port);
        broker
    }

    /// Waits until the broker listens at a port of its configuration.
    pub fn wait_until_it_listens_at(&self, port: u16) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            assert!(Instant::now() < deadline, "no broker: {:#?}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Stops the process with SIGSTOP, as if the machine hung.
    pub fn freeze(&self) {
        let frozen = Command::new("kill").args(["-STOP", &self.child.id().to_string()]).status();
        assert!(frozen.unwrap().success());
    }

    pub fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

//! Registries and servers of components for tests.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use tempfile::TempDir;

use crate::lines::DEFAULT_TIMEOUT;
use crate::mosquitto::free_port;

/// Docker's registry, as Debian packages it.
pub struct Registry {
    child: Child,
    pub port: u16,
    pub folder: TempDir,
}

impl Registry {
    /// Starts a registry with further lines of its configuration. `None` if it is not installed.
    pub fn start(lines: &str) -> Option<Self> {
        let (port, folder) = (free_port(), tempfile::tempdir().expect("a folder"));
        let config = folder.path().join("config.yml");
        let root = folder.path().join("storage");
        let text = format!(
            "version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\n\
             storage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: \"127.0.0.1:{port}\"}}\n{lines}\n",
            root.display()
        );
        std::fs::write(&config, text).expect("a file");
        let started = Command::new("docker-registry")
            .arg("serve")
            .arg(&config)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let Ok(child) = started else {
            eprintln!("skipped: docker-registry is not installed; `make test-tools` installs it");
            return None;
        };
        let registry = Self { child, port, folder };
        let end = Instant::now() + DEFAULT_TIMEOUT;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < end, "the registry does not listen");
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        Some(registry)
    }

    /// A reference to an artefact of this registry.
    pub fn reference(&self, name: &str) -> String {
        format!("oci://localhost:{}/{name}", self.port)
    }

    /// The file of a blob.
    pub fn blob(&self, digest: &str) -> PathBuf {
        let hex = digest.trim_start_matches("sha256:");
        let blobs = self.folder.path().join("storage/docker/registry/v2/blobs/sha256");
        blobs.join(&hex[..2]).join(hex).join("data")
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Head of a request: its first line and its other lines.
pub struct Head {
    pub path: String,
    pub lines: Vec<String>,
}

impl Head {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.lines.iter().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

/// An HTTP server whose responses a function writes.
pub struct Server {
    pub port: u16,
    pub requests: Arc<AtomicUsize>,
}

impl Server {
    pub fn start(respond: impl Fn(&Head, &mut TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let requests = Arc::new(AtomicUsize::new(0));
        let (counted, respond) = (Arc::clone(&requests), Arc::new(respond));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                counted.fetch_add(1, Ordering::SeqCst);
                let respond = Arc::clone(&respond);
                std::thread::spawn(move || {
                    let mut reader = BufReader::new(stream.try_clone().expect("a stream"));
                    let mut lines = Vec::new();
                    loop {
                        let mut line = String::new();
                        if reader.read_line(&mut line).unwrap_or(0) == 0 || line.trim().is_empty() {
                            break;
                        }
                        lines.push(line.trim().to_owned());
                    }
                    if lines.is_empty() {
                        return;
                    }
                    let path = lines[0].split(' ').nth(1).unwrap_or_default().to_owned();
                    let mut stream = stream;
                    respond(&Head { path, lines }, &mut stream);
                    let _ = stream.shutdown(std::net::Shutdown::Write);
                    // Without it, the kernel may reset the connection before the client has read everything.
                    let _ = stream.read(&mut [0; 1]);
                });
            }
        });
        Self { port, requests }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://localhost:{}{path}", self.port)
    }
}

/// Writes a response. Errors are the client's choice.
pub fn respond(stream: &mut TcpStream, status: &str, headers: &str, body: &[u8]) {
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n");
    let _ = stream.write_all(head.as_bytes());
    let _ = stream.write_all(body);
}

/// Key pair of minisign in a folder, as `key.pub` and `key.sec`; `None` if it is not installed.
pub fn signing_key(folder: &Path) -> Option<PathBuf> {
    let made = Command::new("minisign")
        .args(["-G", "-W", "-f", "-p", "key.pub", "-s", "key.sec"])
        .current_dir(folder)
        .stdout(Stdio::null())
        .status();
    match made {
        Ok(status) => {
            assert!(status.success());
            Some(folder.join("key.pub"))
        }
        Err(_) => {
            eprintln!("skipped: minisign is not installed; `make test-tools` installs it");
            None
        }
    }
}

/// Signs a file of the folder.
pub fn sign(folder: &Path, file: &str) {
    let signed = Command::new("minisign").args(["-Sm", file, "-s", "key.sec"]).current_dir(folder).output();
    assert!(signed.expect("it is installed").status.success());
}

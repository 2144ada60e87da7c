//! Proxies from elsewhere: tinyproxy and microsocks.

use std::net::{Ipv4Addr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::mosquitto::free_port;

/// A running proxy. It ends when dropped.
pub struct ProxyServer {
    pub port: u16,
    child: Child,
    _folder: TempDir,
}

impl ProxyServer {
    /// HTTP proxy. It permits CONNECT only to these ports, and asks for the credentials if there are some.
    pub fn tinyproxy(ports: &[u16], credentials: Option<(&str, &str)>) -> Self {
        let (port, folder) = (free_port(), tempfile::tempdir().unwrap());
        let mut lines =
            format!("Port {port}\nListen 127.0.0.1\nTimeout 600\nMaxClients 100\nAllow 127.0.0.1\n");
        for port in ports {
            lines += &format!("ConnectPort {port}\n");
        }
        if let Some((user, password)) = credentials {
            lines += &format!("BasicAuth {user} {password}\n");
        }
        let config = folder.path().join("tinyproxy.conf");
        std::fs::write(&config, lines).unwrap();
        let mut command = Command::new("tinyproxy");
        command.arg("-d").arg("-c").arg(&config);
        Self::started(command, port, folder)
    }

    /// SOCKS 5 proxy, with credentials if there are some.
    pub fn microsocks(credentials: Option<(&str, &str)>) -> Self {
        let (port, folder) = (free_port(), tempfile::tempdir().unwrap());
        let mut command = Command::new("microsocks");
        command.args(["-i", "127.0.0.1", "-p", &port.to_string()]);
        if let Some((user, password)) = credentials {
            command.args(["-u", user, "-P", password]);
        }
        Self::started(command, port, folder)
    }

    fn started(mut command: Command, port: u16, folder: TempDir) -> Self {
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let child =
            child.expect("the proxies have to be installed: `apt-get install tinyproxy-bin microsocks`");
        let deadline = Instant::now() + Duration::from_secs(60);
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            assert!(Instant::now() < deadline, "no proxy");
            std::thread::sleep(Duration::from_millis(5));
        }
        Self { port, child, _folder: folder }
    }
}

impl Drop for ProxyServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

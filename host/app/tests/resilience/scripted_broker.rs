//! A broker for tests: honest, or with one hostile script for each connection.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Interval in which a hostile connection looks for its end.
const TICK: Duration = Duration::from_millis(20);

/// What a hostile broker does with a connection after CONNECT.
pub type Script = fn(&mut Peer) -> io::Result<()>;

pub struct ScriptedBroker {
    pub port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    is_hostile: AtomicBool,
    script: Script,
    /// Hostile connections so far.
    attacks: AtomicU32,
    open: Mutex<Vec<TcpStream>>,
}

/// A client of a hostile broker.
pub struct Peer {
    pub stream: TcpStream,
    shared: Arc<Shared>,
}

impl ScriptedBroker {
    /// Starts an honest broker, which may become hostile.
    pub fn start(script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let shared = Arc::new(Shared {
            is_hostile: AtomicBool::new(false),
            script,
            attacks: AtomicU32::new(0),
            open: Mutex::new(Vec::new()),
        });
        let for_connections = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let shared = Arc::clone(&for_connections);
                shared.open.lock().expect("no panic").push(stream.try_clone().expect("a descriptor"));
                std::thread::spawn(move || {
                    // Errors end the connection, as the peer may do at any time.
                    let _ = serve(stream, shared);
                });
            }
        });
        Self { port, shared }
    }

    pub fn url(&self) -> String {
        format!("mqtt://127.0.0.1:{}", self.port)
    }

    /// Ends all connections, and serves later ones as an attacker or honestly.
    pub fn set_hostile(&self, is_hostile: bool) {
        self.shared.is_hostile.store(is_hostile, Ordering::SeqCst);
        for stream in self.shared.open.lock().expect("no panic").drain(..) {
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
    }

    /// Number of hostile connections so far.
    pub fn attacks(&self) -> u32 {
        self.shared.attacks.load(Ordering::SeqCst)
    }
}

impl Peer {
    /// Waits until the attack or the connection is over; reads and ignores what the client sends.
    pub fn hold(&mut self) -> io::Result<()> {
        self.stream.set_read_timeout(Some(TICK))?;
        let mut ignored = [0; 4096];
        while self.shared.is_hostile.load(Ordering::SeqCst) {
            match self.stream.read(&mut ignored) {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Waits until the attack is over, without reading.
    pub fn hold_without_reading(&self) {
        while self.shared.is_hostile.load(Ordering::SeqCst) {
            std::thread::sleep(TICK);
        }
    }
}

/// Accepts the connection.
pub const CONNACK: &[u8] = b"\x20\x03\0\0\0";

fn serve(mut stream: TcpStream, shared: Arc<Shared>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let connect = read_packet(&mut stream)?;
    if connect.0 != 0x10 {
        return Err(ErrorKind::InvalidData.into());
    }
    if shared.is_hostile.load(Ordering::SeqCst) {
        shared.attacks.fetch_add(1, Ordering::SeqCst);
        let script = shared.script;
        return script(&mut Peer { stream, shared });
    }
    stream.write_all(CONNACK)?;
    loop {
        let (first, body) = read_packet(&mut stream)?;
        let id = |at: usize| [body[at], body[at + 1]];
        match first >> 4 {
            // PUBLISH: the packet identifier is behind the topic.
            3 if first & 6 != 0 => {
                let [high, low] = id(2 + usize::from(u16::from_be_bytes(id(0))));
                stream.write_all(&[if first & 6 == 2 { 0x40 } else { 0x50 }, 2, high, low])?;
            }
            6 => stream.write_all(&[0x70, 2, body[0], body[1]])?,
            8 | 10 => {
                // One reason code: devices put one filter in a packet.
                stream.write_all(&[if first >> 4 == 8 { 0x90 } else { 0xB0 }, 4, body[0], body[1], 0, 0])?;
            }
            12 => stream.write_all(&[0xD0, 0])?,
            14 => return Ok(()),
            _ => {}
        }
    }
}

/// First byte and body of the next packet.
fn read_packet(stream: &mut TcpStream) -> io::Result<(u8, Vec<u8>)> {
    let mut byte = [0];
    stream.read_exact(&mut byte)?;
    let first = byte[0];
    let (mut length, mut shift) = (0_usize, 0);
    loop {
        stream.read_exact(&mut byte)?;
        length |= usize::from(byte[0] & 127) << shift;
        shift += 7;
        if byte[0] & 128 == 0 {
            break;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    Ok((first, body))
}

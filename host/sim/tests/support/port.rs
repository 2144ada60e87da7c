//! Ports for servers that a test starts: the one place for all crates.

use std::net::{Ipv4Addr, TcpStream};
use std::sync::atomic::{AtomicU16, Ordering};

/// Below what systems give to clients and to whoever asks for port 0: such a port could be anybody's by the time
/// the server binds it, or even be connected with itself by a client that waits for the server.
const FIRST: u16 = 10_000;
const MANY: u16 = 20_000;

static NEXT: AtomicU16 = AtomicU16::new(0);

/// A port on which nobody listens, and which this process has not given away before.
///
/// It is asked, not tried out by listening: a process that another test starts at that moment would hold the
/// listener too until its own program runs, and a test that waits for its server would be connected with that.
pub fn free_port() -> u16 {
    // Test processes that run side by side begin at different ends.
    let start = std::process::id().wrapping_mul(61) % u32::from(MANY);
    (0..MANY)
        .map(|_| {
            let next = u32::from(NEXT.fetch_add(1, Ordering::Relaxed));
            FIRST + u16::try_from((start + next) % u32::from(MANY)).unwrap_or_default()
        })
        .find(|&port| TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err())
        .expect("a free port")
}

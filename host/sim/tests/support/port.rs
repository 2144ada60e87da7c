//! Ports for servers of tests, for all crates.

use std::net::{Ipv4Addr, TcpStream};
use std::sync::atomic::{AtomicU16, Ordering};

/// Below the ephemeral ports of common systems: another process could get such a port before the server binds
/// it, and a client that waits for the server could even connect to itself.
const FIRST: u16 = 10_000;
const MANY: u16 = 20_000;

static NEXT: AtomicU16 = AtomicU16::new(0);

/// An unused port that this process has not returned before.
///
/// The port is tested by connecting, not by listening: a process that another test starts at that moment
/// would inherit the listener until exec, and a test that waits for its server would connect to that.
pub fn free_port() -> u16 {
    // Concurrent test processes start at different offsets.
    let start = std::process::id().wrapping_mul(61) % u32::from(MANY);
    (0..MANY)
        .map(|_| {
            let next = u32::from(NEXT.fetch_add(1, Ordering::Relaxed));
            FIRST + u16::try_from((start + next) % u32::from(MANY)).unwrap_or_default()
        })
        .find(|&port| TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err())
        .expect("a free port")
}

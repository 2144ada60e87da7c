//! A Mosquitto that is killed and restarted.

use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::live_run::{LiveRun, Setup};
use crate::port::free_port;
use crate::rounds;

/// Restarts in CI.
const RESTARTS: u32 = 10;
/// Longest life of a broker that no device finds.
const LIFETIME: Duration = Duration::from_secs(2);

fn start_mosquitto(config: &Path, port: u16) -> Child {
    // On Debian, Mosquitto is in /usr/sbin, which only root has in PATH.
    let path = format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default());
    let child = Command::new("mosquitto")
        .env("PATH", path)
        .arg("-c")
        .arg(config)
        .stderr(Stdio::null())
        .spawn()
        .expect("Mosquitto is installed; `make test` checks it");
    let end = Instant::now() + Duration::from_secs(30);
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(Instant::now() < end, "Mosquitto does not listen");
        std::thread::sleep(Duration::from_millis(5));
    }
    child
}

#[test]
fn a_broker_that_is_killed_again_and_again() {
    let port = free_port();
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("mosquitto.conf");
    std::fs::write(&config, format!("listener {port} 127.0.0.1\nallow_anonymous true\n")).expect("a file");
    let mut broker = start_mosquitto(&config, port);
    let run = LiveRun::start(&Setup { broker: format!("mqtt://127.0.0.1:{port}"), ..Setup::default() });
    run.wait_for_messages();
    let before = run.usage();
    let (count, began) = (rounds(RESTARTS), Instant::now());
    let mut found = 0;
    for _ in 0..count {
        broker.kill().expect("it runs");
        broker.wait().expect("it ended");
        broker = start_mosquitto(&config, port);
        let end = Instant::now() + LIFETIME;
        while Instant::now() < end && run.connected() == 0 {
            std::thread::sleep(Duration::from_millis(10));
        }
        found += u32::from(run.connected() > 0);
    }
    let took = began.elapsed();
    run.wait_until_connected();
    run.wait_for_messages();
    run.assert_recovered(before);
    let after = run.usage();
    println!(
        "{count} restarts in {took:?}; devices found the broker after {found} of them; {before:?} became {after:?}"
    );
    run.stop();
    broker.kill().expect("it runs");
    broker.wait().expect("it ended");
}

//! Hostile brokers. Each is honest first, then attacks every connection for some seconds, and is honest again.
//!
//! During the attack the HTTP API answers. Afterwards every device is connected, descriptors and memory are as before, and the
//! ledger closes.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use crate::live_run::{DEVICES, LiveRun, Setup};
use crate::rounds;
use crate::scripted_broker::{CONNACK, Peer, Script, ScriptedBroker};

/// Length of an attack, in seconds. `WASMOTE_ROUNDS` replaces it.
const SECONDS: u32 = 4;
/// Longest time for an answer of `/healthz` during an attack, on a machine that runs other tests.
const ANSWER: Duration = Duration::from_secs(2);

/// One test for each attack.
macro_rules! attacks {
    ($($name:ident: $script:expr),+ $(,)?) => {
        $(
            #[test]
            fn $name() {
                withstand($script);
            }
        )+
    };
}

attacks! {
    closes_at_once: |_| Ok(()),
    garbage_instead_of_connack: |peer| peer.stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n<html>\0\xff"),
    garbage_after_connack: |peer| {
        let noise: Vec<u8> = (0..4096_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        peer.stream.write_all(&[CONNACK, &noise].concat())?;
        peer.hold()
    },
    half_packets: |peer| peer.stream.write_all(&[CONNACK, b"\x30\x7f\0\x05wasmo"].concat()),
    half_a_connack: |peer| {
        peer.stream.write_all(&CONNACK[..3])?;
        peer.hold()
    },
    a_length_of_256_mib: |peer| {
        peer.stream.write_all(&[CONNACK, b"\x30\xff\xff\xff\x7f"].concat())?;
        peer.stream.write_all(&[0; 65_536])?;
        peer.hold()
    },
    the_longest_packet_that_never_ends: |peer| {
        // The header announces almost 16 MiB, and the broker sends one MiB of it.
        peer.stream.write_all(&[CONNACK, b"\x30\xfb\xff\xff\x07"].concat())?;
        for _ in 0..16 {
            peer.stream.write_all(&[b'x'; 65_536])?;
        }
        peer.hold()
    },
    a_length_of_five_bytes: |peer| peer.stream.write_all(&[CONNACK, b"\x30\xff\xff\xff\xff\x01"].concat()),
    acknowledgements_for_nothing: |peer| {
        let mut packets = CONNACK.to_vec();
        for id in 1..=2_000_u16 {
            let [high, low] = id.to_be_bytes();
            for first in [0x40, 0x50, 0x62, 0x70] {
                packets.extend([first, 2, high, low]);
            }
            packets.extend([0x90, 4, high, low, 0, 1, 0xB0, 4, high, low, 0, 0]);
        }
        peer.stream.write_all(&packets)?;
        peer.hold()
    },
    silence_instead_of_connack: |peer| peer.hold(),
    silence_after_connack: |peer| {
        peer.stream.write_all(CONNACK)?;
        peer.hold()
    },
    a_broker_that_does_not_read: |peer| {
        peer.stream.write_all(CONNACK)?;
        peer.hold_without_reading();
        Ok(())
    },
    one_byte_at_a_time: |peer| {
        let publish = b"\x30\x0e\0\x09wasmote/x\0hi\xd0\0";
        for byte in [CONNACK, publish, publish].concat() {
            peer.stream.write_all(&[byte])?;
            std::thread::sleep(Duration::from_millis(40));
        }
        peer.hold()
    },
    two_connacks: |peer| peer.stream.write_all(&[CONNACK, CONNACK].concat()),
    a_session_that_the_client_did_not_want: |peer| peer.stream.write_all(b"\x20\x03\x01\0\0"),
    packets_of_clients: |peer| peer.stream.write_all(&[CONNACK, b"\x82\x07\0\x01\0\0\x01t\0\xc0\0"].concat()),
    authentication_that_nobody_asked_for: |peer| peer.stream.write_all(&[CONNACK, b"\xf0\x02\x18\0"].concat()),
    a_refusal_with_terminal_escapes: |peer| {
        peer.stream.write_all(b"\x20\x11\0\x87\x0e\x1f\0\x0b\x1b[2J\x1b]0;x\x07!")?;
        peer.hold()
    },
    a_disconnect_with_terminal_escapes: |peer| {
        peer.stream.write_all(&[CONNACK, b"\xe0\x0a\x8b\x08\x1f\0\x05\x1b[2J\n"].concat())?;
        peer.hold()
    },
    a_flood_of_messages: |peer| {
        let mut message = b"\x30\xf5\x07\0\x0awasmote/x/\0".to_vec();
        message.resize(3 + 0x3f5, b'x');
        flood(peer, &message)
    },
    a_flood_of_messages_that_are_never_released: |peer| {
        let mut messages = Vec::new();
        for id in 1..=u16::MAX {
            let [high, low] = id.to_be_bytes();
            messages.extend(b"\x34\x06\0\x01t");
            messages.extend([high, low, 0]);
        }
        flood(peer, &messages)
    },
    a_flood_of_pings: |peer| flood(peer, &b"\xd0\0".repeat(1_000)),
    negative_acknowledgements: |peer| {
        let mut packets = CONNACK.to_vec();
        for id in 1..=200_u16 {
            let [high, low] = id.to_be_bytes();
            packets.extend([0x40, 3, high, low, 0x97, 0x50, 3, high, low, 0x80, 0x90, 4, high, low, 0, 0x87]);
        }
        peer.stream.write_all(&packets)?;
        std::thread::sleep(Duration::from_millis(300));
        peer.stream.write_all(&packets[CONNACK.len()..])?;
        peer.hold()
    },
}

/// Sends the same bytes for the length of an attack.
fn flood(peer: &mut Peer, bytes: &[u8]) -> io::Result<()> {
    peer.stream.write_all(CONNACK)?;
    peer.stream.set_write_timeout(Some(Duration::from_secs(1)))?;
    let end = Instant::now() + Duration::from_secs(rounds(SECONDS).into());
    while Instant::now() < end {
        peer.stream.write_all(bytes)?;
        // An attack on the client, and not on the machine of the test.
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

fn withstand(script: Script) {
    let broker = ScriptedBroker::start(script);
    let run = LiveRun::start(&Setup { broker: broker.url(), ..Setup::default() });
    run.wait_for_messages();
    let before = run.usage();
    broker.set_hostile(true);
    let end = Instant::now() + Duration::from_secs(rounds(SECONDS).into());
    while Instant::now() < end {
        assert!(run.get("/healthz", ANSWER).is_some(), "/healthz does not answer within {ANSWER:?}");
        std::thread::sleep(Duration::from_millis(200));
    }
    run.wait_until("every device is attacked", Duration::from_secs(60), |_| {
        u64::from(broker.attacks()) >= DEVICES
    });
    broker.set_hostile(false);
    run.wait_until_connected();
    run.wait_for_messages();
    run.assert_recovered(before);
    let raw = run.stderr.all().iter().any(|line| line.contains('\x1b'));
    assert!(!raw, "text of a broker reaches the terminal raw");
    run.stop();
}

//! Limits of the HTTP API, tested with raw sockets: headers, bodies, connections, and clients that do not read.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::fleet::Fleet;
use crate::lines::DEFAULT_TIMEOUT;

/// Longest time until the host ends a connection: its timeout of 10 s, on a busy machine.
const END_TIMEOUT: Duration = Duration::from_secs(40);

fn fleet(args: &[&str]) -> Fleet {
    Fleet::run(&[&["--devices", "1", "--faults", "none"][..], args].concat()).ready()
}

fn connect(fleet: &Fleet) -> TcpStream {
    let stream = TcpStream::connect(fleet.http.trim_start_matches("http://")).expect("the API listens");
    stream.set_read_timeout(Some(END_TIMEOUT)).expect("a time");
    stream
}

/// Reads until the host ends the connection.
fn read_to_end(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).expect("the host ends the connection in time");
    String::from_utf8(bytes).expect("text")
}

/// Sends these bytes and reads the whole response. The host may end the connection before it has all bytes.
fn exchange(fleet: &Fleet, bytes: &[u8]) -> String {
    let mut stream = connect(fleet);
    let _ = stream.write_all(bytes);
    read_to_end(&mut stream)
}

/// Checks the status and the field of an error in JSON.
fn assert_error(response: &str, status: u16, field: &str) {
    assert!(response.starts_with(&format!("HTTP/1.1 {status} ")), "{status}: {response}");
    let (header, body) = response.split_once("\r\n\r\n").expect("a body");
    assert!(header.contains("content-type: application/json"), "{header}");
    let body: Value = serde_json::from_str(body).unwrap_or_else(|why| panic!("{why}: {response}"));
    assert_eq!(body["error"]["field"], field, "{body}");
    assert!(body["error"]["message"].as_str().is_some_and(|message| message.len() > 20), "{body}");
}

fn refused(fleet: &Fleet, reason: &str) -> u64 {
    let metrics = fleet.get("/metrics");
    metrics["http"]["refused"][reason].as_u64().unwrap_or_else(|| panic!("{reason}: {metrics}"))
}

#[test]
fn a_header_that_is_too_large_or_malformed_is_answered_in_json_and_counted() {
    let fleet = fleet(&[]);
    let request =
        |rest: &str| format!("GET /status HTTP/1.1\r\nHost: localhost\r\n{rest}\r\n\r\n").into_bytes();
    let large = request(&format!("X-A: {}", "x".repeat(1 << 20)));
    let many = request(&(0..200).map(|number| format!("X-{number}: x\r\n")).collect::<String>());
    // The host keeps the connection after this answer, unless the client asks it to close.
    let path =
        format!("GET /{} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", "x".repeat(10_000));
    let path = path.into_bytes();
    for (bytes, status, field) in [(large, 431, "header"), (many, 431, "header"), (path, 414, "path")] {
        assert_error(&exchange(&fleet, &bytes), status, field);
    }
    assert_eq!(refused(&fleet, "header_size"), 3);
    let malformed: [&[u8]; 6] = [
        b"HELO there\r\n\r\n",
        b"GET /status HTTP/1.1\r\nHost: a\0b\r\n\r\n",
        b"GET /status HTTP/1.1\r\nContent-Length: -1\r\nHost: localhost\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        // The start of a TLS handshake.
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"\x00\x01\x02\x03\x04\x05\x06\x07\r\n\r\n",
    ];
    for bytes in malformed {
        assert_error(&exchange(&fleet, bytes), 400, "header");
    }
    let no_host = exchange(&fleet, b"GET /status HTTP/1.1\r\nConnection: close\r\n\r\n");
    assert_error(&no_host, 400, "host");
    assert_eq!(refused(&fleet, "malformed"), malformed.len() as u64 + 1);
    assert_eq!(fleet.status_of("/healthz"), 200);
}

/// A client that sends its header byte by byte (slow loris) does not hold a connection.
#[test]
fn a_slow_header_is_refused_after_a_time_and_a_silent_connection_is_closed() {
    let fleet = fleet(&[]);
    let mut silent = connect(&fleet);
    let (mut slow, began) = (connect(&fleet), Instant::now());
    slow.set_read_timeout(Some(Duration::from_millis(200))).expect("a time");
    slow.write_all(b"GET /status HTTP/1.1\r\nHost: localhost\r\nX-Slow: ").expect("the host reads");
    let mut response = Vec::new();
    let mut buffer = [0; 4_096];
    loop {
        assert!(began.elapsed() < END_TIMEOUT, "the slow header is still read");
        match slow.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => response.extend_from_slice(&buffer[..count]),
            Err(problem) if matches!(problem.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                // The host may have closed the connection, which the next read shows.
                let _ = slow.write_all(b"x");
            }
            // Bytes were on their way when the host closed the connection.
            Err(_) => break,
        }
    }
    assert!(began.elapsed() > Duration::from_secs(5), "a header may take some seconds");
    assert_error(&String::from_utf8(response).expect("text"), 408, "header");
    assert_eq!(read_to_end(&mut silent), "", "a connection without a request gets no response");
    assert_eq!(refused(&fleet, "header_time"), 1);
}

#[test]
fn a_body_that_is_too_large_is_refused_before_it_is_read() {
    let fleet = fleet(&[]);
    let post = "POST /publish HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
    let announced = exchange(&fleet, format!("{post}Content-Length: 10000000000\r\n\r\n{{").as_bytes());
    assert_error(&announced, 413, "body");
    let mut chunked = format!("{post}Transfer-Encoding: chunked\r\n\r\n").into_bytes();
    for _ in 0..64 {
        chunked.extend(b"8000\r\n");
        chunked.extend([b'x'; 0x8000]);
        chunked.extend(b"\r\n");
    }
    assert_error(&exchange(&fleet, &chunked), 413, "body");
    assert_eq!(refused(&fleet, "body_size"), 2);
}

/// Clients that hold all connections lock nobody out of the probes, and are told the limit.
#[test]
fn connections_beyond_the_limit_get_only_the_probes() {
    let fleet = fleet(&["--http-connections", "8"]);
    // Event streams, until one address has three quarters of the connections. Some may still be ending.
    let stream = || {
        let mut stream = connect(&fleet);
        stream.write_all(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("the host reads");
        let mut first = [0; 12];
        stream.read_exact(&mut first).expect("a response");
        (&first == b"HTTP/1.1 200").then_some(stream)
    };
    let held: Vec<TcpStream> = std::iter::from_fn(stream).collect();
    assert!((3..=6).contains(&held.len()), "{} streams", held.len());
    assert_error(&exchange(&fleet, b"GET /status HTTP/1.1\r\nHost: localhost\r\n\r\n"), 503, "connection");
    for probe in ["/healthz", "/readyz"] {
        assert_eq!(fleet.status_of(probe), 200, "{probe}");
    }
    // More connections than there are for probes are closed at once, and the probes work again as soon as they are gone.
    let more: Vec<TcpStream> = (0..40).map(|_| connect(&fleet)).collect();
    let refusals = || {
        let (_, text) = fleet.curl(&["-H", "Accept: text/plain"], "/metrics");
        let line =
            text.lines().find(|line| line.starts_with("wasmote_http_refused_total{reason=\"connections\"}"));
        line.and_then(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
    };
    for mut stream in more {
        let _ = stream.read(&mut [0; 16]);
    }
    drop(held);
    fleet.wait_until("the connections are free again", DEFAULT_TIMEOUT, |fleet| {
        fleet.status_of("/status") == 200
    });
    fleet.wait_until("all refused connections are counted", DEFAULT_TIMEOUT, |_| refusals() > Some(36));
}

/// A client that asks for much and reads nothing does not hold a connection.
#[test]
fn a_client_that_does_not_read_is_disconnected() {
    let fleet = fleet(&[]);
    let mut stream = connect(&fleet);
    stream.set_write_timeout(Some(Duration::from_secs(1))).expect("a time");
    for _ in 0..1_000 {
        if stream.write_all(b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n").is_err() {
            break;
        }
    }
    fleet.wait_until("the connection ends", Duration::from_secs(90), |fleet| {
        refused(fleet, "response_time") == 1
    });
    drop(stream);
}

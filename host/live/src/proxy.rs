//! Tunnels through a proxy: SOCKS 5 (RFC 1928 and RFC 1929), and CONNECT of HTTP (RFC 9110, section 9.3.6).
//!
//! A tunnel is opened while a connection is dialled, before TLS, WebSocket and MQTT, and before byte-stream faults
//! apply: those act on the bytes in the tunnel. No error shows credentials.

use std::net::IpAddr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use httparse::{EMPTY_HEADER, Response, Status};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::config::{ProxyKind, ProxyUrl, bracketed};

/// Longest time to open a tunnel, once the proxy is connected.
const TUNNEL_TIMEOUT: Duration = Duration::from_secs(10);
/// Largest head of an answer of HTTP, in bytes.
const MAX_HEAD: usize = 16 << 10;
/// Maximum number of header fields of an answer.
const MAX_FIELDS: usize = 100;

/// Opens a tunnel to a host. The error is the rest of a sentence about the connection.
pub(crate) async fn open(
    stream: &mut TcpStream,
    proxy: &ProxyUrl,
    host: &str,
    port: u16,
) -> Result<(), String> {
    let opened = async {
        match proxy.kind {
            ProxyKind::Http => connect(stream, proxy, host, port).await,
            ProxyKind::Socks5 | ProxyKind::Socks5h => socks(stream, proxy, host, port).await,
        }
    };
    timeout(TUNNEL_TIMEOUT, opened).await.unwrap_or_else(|_| {
        let seconds = TUNNEL_TIMEOUT.as_secs();
        Err(format!("the proxy did not answer within {seconds} s; check that its URL has the right scheme"))
    })
}

/// Error of the connection with the proxy.
fn lost(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::UnexpectedEof => {
            "the proxy closed the connection; check that its URL has the right scheme".to_owned()
        }
        _ => format!("the connection with the proxy failed: {error}"),
    }
}

async fn write(stream: &mut TcpStream, bytes: &[u8]) -> Result<(), String> {
    stream.write_all(bytes).await.map_err(|error| lost(&error))
}

async fn read<const LENGTH: usize>(stream: &mut TcpStream) -> Result<[u8; LENGTH], String> {
    let mut bytes = [0; LENGTH];
    stream.read_exact(&mut bytes).await.map_err(|error| lost(&error))?;
    Ok(bytes)
}

/// Version of SOCKS.
const VERSION: u8 = 5;
const NO_CREDENTIALS: u8 = 0;
const PASSWORD: u8 = 2;

async fn socks(stream: &mut TcpStream, proxy: &ProxyUrl, host: &str, port: u16) -> Result<(), String> {
    let credentials = proxy.reveal();
    match credentials {
        None => write(stream, &[VERSION, 1, NO_CREDENTIALS]).await?,
        Some(_) => write(stream, &[VERSION, 2, NO_CREDENTIALS, PASSWORD]).await?,
    }
    let method = match (read(stream).await?, credentials) {
        ([VERSION, method], _) => method,
        ([b'H', b'T'], _) => return Err("the proxy speaks HTTP; use http:// in --proxy".to_owned()),
        ([first, _], _) => {
            return Err(format!("the answer of the proxy is not SOCKS 5 (first byte {first:#04x})"));
        }
    };
    match (method, credentials) {
        (NO_CREDENTIALS, _) => {}
        (PASSWORD, Some((user, password))) => authenticate(stream, user, password).await?,
        (0xff, None) => return Err(ASKS_FOR_CREDENTIALS.to_owned()),
        _ => {
            return Err(format!(
                "the proxy accepts neither a user name with a password nor connections without (method {method:#04x})"
            ));
        }
    }
    write(stream, &request(host, port)?).await?;
    let [version, reply, _, kind]: [u8; 4] = read(stream).await?;
    if version != VERSION {
        return Err("the answer of the proxy is not SOCKS 5".to_owned());
    }
    if reply != 0 {
        return Err(refusal(reply));
    }
    // The address that the proxy connects from.
    match kind {
        1 => drop(read::<6>(stream).await?),
        4 => drop(read::<18>(stream).await?),
        3 => {
            let [length] = read(stream).await?;
            for _ in 0..usize::from(length) + 2 {
                read::<1>(stream).await?;
            }
        }
        _ => return Err("the answer of the proxy is not SOCKS 5 (unknown kind of address)".to_owned()),
    }
    Ok(())
}

const ASKS_FOR_CREDENTIALS: &str =
    "the proxy asks for credentials; give them as USER:PASSWORD@ in --proxy, or with --proxy-password-file";
const REFUSES_CREDENTIALS: &str = "the proxy refuses the user name or the password";

/// Authentication by a user name and a password (RFC 1929).
async fn authenticate(stream: &mut TcpStream, user: &str, password: &str) -> Result<(), String> {
    let mut packet = vec![1];
    for text in [user, password] {
        packet.push(u8::try_from(text.len()).map_err(|_| REFUSES_CREDENTIALS.to_owned())?);
        packet.extend_from_slice(text.as_bytes());
    }
    write(stream, &packet).await?;
    match read(stream).await? {
        [_, 0] => Ok(()),
        [_, _] => Err(REFUSES_CREDENTIALS.to_owned()),
    }
}

/// Request for a connection (RFC 1928, section 4).
fn request(host: &str, port: u16) -> Result<Vec<u8>, String> {
    let mut packet = vec![VERSION, 1, 0];
    match host.parse() {
        Ok(IpAddr::V4(address)) => {
            packet.push(1);
            packet.extend(address.octets());
        }
        Ok(IpAddr::V6(address)) => {
            packet.push(4);
            packet.extend(address.octets());
        }
        Err(_) => {
            let length = u8::try_from(host.len());
            packet.push(3);
            packet
                .push(length.map_err(|_| "the host name of the broker is longer than 255 bytes".to_owned())?);
            packet.extend(host.as_bytes());
        }
    }
    packet.extend(port.to_be_bytes());
    Ok(packet)
}

/// Meaning of a reply of SOCKS 5 (RFC 1928, section 6).
fn refusal(reply: u8) -> String {
    let (meaning, remedy) = match reply {
        1 => ("general failure", "look at the log of the proxy"),
        2 => ("not allowed by its rules", "permit the host and the port of the broker there"),
        3 => ("network unreachable", "check the address of the broker, as the proxy sees it"),
        4 => ("host unreachable", "check the name of the broker, as the proxy resolves it"),
        5 => ("connection refused", "check that the broker listens on this port"),
        6 => ("time to live expired", "check the routes of the proxy"),
        7 => ("command not supported", "use a proxy that supports CONNECT"),
        8 => ("address type not supported", "use socks5:// instead of socks5h://, or the other way round"),
        _ => ("unknown reason", "look at the log of the proxy"),
    };
    format!("the proxy refused it: {meaning} (SOCKS reply {reply}); {remedy}")
}

async fn connect(stream: &mut TcpStream, proxy: &ProxyUrl, host: &str, port: u16) -> Result<(), String> {
    let place = format!("{}:{port}", bracketed(host));
    let mut request = format!("CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n");
    if let Some((user, password)) = proxy.reveal() {
        let credentials = STANDARD.encode(format!("{user}:{password}"));
        request += &format!("Proxy-Authorization: Basic {credentials}\r\n");
    }
    request += "\r\n";
    write(stream, request.as_bytes()).await?;
    let head = head(stream).await?;
    let mut fields = [EMPTY_HEADER; MAX_FIELDS];
    let mut response = Response::new(&mut fields);
    match response.parse(&head) {
        Ok(Status::Complete(_)) => {
            status(response.code.unwrap_or_default(), &place, proxy.reveal().is_some())
        }
        _ => Err("the answer of the proxy is not HTTP".to_owned()),
    }
}

/// Reads the head of an answer, and nothing that follows it.
async fn head(stream: &mut TcpStream) -> Result<Vec<u8>, String> {
    const END: &[u8] = b"\r\n\r\n";
    let (mut head, mut chunk) = (Vec::new(), [0; 1_024]);
    loop {
        let length = stream.peek(&mut chunk).await.map_err(|error| lost(&error))?;
        if length == 0 {
            return Err(lost(&std::io::ErrorKind::UnexpectedEof.into()));
        }
        let before = head.len();
        head.extend_from_slice(&chunk[..length]);
        if head[0] != b'H' {
            return Err(match head[0] {
                VERSION | 0 => "the proxy speaks SOCKS; use socks5h:// in --proxy".to_owned(),
                _ => "the answer of the proxy is not HTTP".to_owned(),
            });
        }
        let end = head.windows(END.len()).position(|window| window == END).map(|at| at + END.len());
        let taken = end.unwrap_or(head.len()) - before;
        stream.read_exact(&mut chunk[..taken]).await.map_err(|error| lost(&error))?;
        if let Some(end) = end {
            head.truncate(end);
            return Ok(head);
        }
        if head.len() > MAX_HEAD {
            return Err(format!("the answer of the proxy has a head of more than {} KiB", MAX_HEAD >> 10));
        }
    }
}

/// Meaning of a status of HTTP.
fn status(code: u16, place: &str, has_credentials: bool) -> Result<(), String> {
    let problem = match code {
        200..=299 => return Ok(()),
        407 if has_credentials => format!("{REFUSES_CREDENTIALS} (407)"),
        401 | 407 => format!("{ASKS_FOR_CREDENTIALS} ({code})"),
        403 => format!(
            "the proxy forbids connections with {place} (403); permit this port there, or use one that it permits, such as \
             wss:// on port 443"
        ),
        400 => format!("the proxy does not understand CONNECT {place} (400); check that it is a proxy"),
        404 | 405 | 501 => format!("the proxy does not support CONNECT ({code}); check that it is a proxy"),
        500 | 502..=504 => {
            format!("the proxy does not reach {place} ({code}); check that the broker listens there")
        }
        300..=399 => format!("the proxy redirects ({code}), which is not followed; check that it is a proxy"),
        _ => format!("the proxy refused CONNECT {place} ({code})"),
    };
    Err(problem)
}

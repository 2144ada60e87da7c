//! Broker that answers as a test tells it, also with errors that no real broker gives on demand.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use wasmote_mqtt::protocol::Protocol;

/// Answers of a scripted broker. `None` is success.
#[derive(Clone, Debug, Default)]
pub struct Answers {
    /// Reason code of CONNACK.
    pub connack: Option<u8>,
    /// Reason code of PUBACK.
    pub puback: Option<u8>,
    /// Reason code of PUBREC.
    pub pubrec: Option<u8>,
    /// Reason code of PUBCOMP.
    pub pubcomp: Option<u8>,
    /// Reason code of SUBACK.
    pub suback: Option<u8>,
    /// Reason code of UNSUBACK.
    pub unsuback: Option<u8>,
    /// Packet that follows the first PUBLISH instead of its answer; the connection then ends.
    pub last_packet: Option<Vec<u8>>,
    /// Size of a PUBLISH from which `last_packet` applies; others are answered.
    pub last_from: usize,
    /// Reason String of all answers with a code.
    pub reason_string: Option<&'static str>,
}

impl Answers {
    fn is_last(&self, publish: &[u8]) -> bool {
        self.last_packet.is_some() && publish.len() >= self.last_from
    }
}

/// A running scripted broker.
pub struct ScriptedBroker {
    pub port: u16,
    answers: Arc<Mutex<Answers>>,
}

impl ScriptedBroker {
    /// Starts a broker for clients of one version.
    pub async fn start(protocol: Protocol, answers: Answers) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let answers = Arc::new(Mutex::new(answers));
        let shared = Arc::clone(&answers);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, protocol, Arc::clone(&shared)));
            }
        });
        Self { port, answers }
    }

    /// Changes the answers from now on.
    pub fn change(&self, answers: Answers) {
        *self.answers.lock().expect("no panic") = answers;
    }
}

/// Serves a connection. Errors of the connection end it.
async fn serve(mut stream: TcpStream, protocol: Protocol, answers: Arc<Mutex<Answers>>) -> Option<()> {
    loop {
        let (first, body) = packet(&mut stream).await?;
        let answers = answers.lock().expect("no panic").clone();
        let reply = match first >> 4 {
            1 => connack(protocol, &answers),
            3 if answers.is_last(&body) => answers.last_packet.clone().unwrap_or_default(),
            3 => {
                let topic = usize::from(u16::from_be_bytes([body[0], body[1]]));
                let id = || [body[2 + topic], body[3 + topic]];
                match first >> 1 & 3 {
                    0 => Vec::new(),
                    1 => ack(0x40, id(), answers.puback, &answers),
                    _ => ack(0x50, id(), answers.pubrec, &answers),
                }
            }
            6 => ack(0x70, [body[0], body[1]], answers.pubcomp, &answers),
            8 => list(0x90, protocol, &body, answers.suback.unwrap_or(0), &answers),
            10 => list(0xb0, protocol, &body, answers.unsuback.unwrap_or(0), &answers),
            12 => vec![0xd0, 0],
            _ => return None,
        };
        stream.write_all(&reply).await.ok()?;
        if first >> 4 == 3 && answers.is_last(&body) || first >> 4 == 1 && answers.connack.is_some() {
            // The client closes first, so that it reads the packet.
            while packet(&mut stream).await.is_some() {}
            return None;
        }
    }
}

/// Reads one packet: its first byte, and its body. `None` at the end of the connection.
pub async fn packet(stream: &mut (impl AsyncRead + Unpin)) -> Option<(u8, Vec<u8>)> {
    let first = stream.read_u8().await.ok()?;
    let (mut length, mut shift) = (0, 0);
    loop {
        let byte = stream.read_u8().await.ok()?;
        length |= usize::from(byte & 0x7f) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            break;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some((first, body))
}

fn connack(protocol: Protocol, answers: &Answers) -> Vec<u8> {
    let code = answers.connack.unwrap_or(0);
    match protocol {
        Protocol::V4 => vec![0x20, 2, 0, code],
        Protocol::V5 => with_length(0x20, [&[0, code][..], &properties(answers.connack, answers)].concat()),
    }
}

/// Acknowledgement. Success has no reason code, as on 3.1.1.
fn ack(first: u8, id: [u8; 2], code: Option<u8>, answers: &Answers) -> Vec<u8> {
    match code {
        None => vec![first, 2, id[0], id[1]],
        Some(byte) => with_length(first, [&id[..], &[byte], &properties(code, answers)].concat()),
    }
}

/// SUBACK or UNSUBACK for one filter.
fn list(first: u8, protocol: Protocol, body: &[u8], code: u8, answers: &Answers) -> Vec<u8> {
    let id = &body[..2];
    match (protocol, first) {
        (Protocol::V4, 0xb0) => with_length(first, id.to_vec()),
        (Protocol::V4, _) => with_length(first, [id, &[code]].concat()),
        (Protocol::V5, _) => {
            let properties = properties((code >= 0x80).then_some(code), answers);
            with_length(first, [id, &properties, &[code]].concat())
        }
    }
}

fn properties(code: Option<u8>, answers: &Answers) -> Vec<u8> {
    let Some(text) = answers.reason_string.filter(|_| code.is_some()) else { return vec![0] };
    let length = u8::try_from(text.len()).expect("a short text");
    [&[length + 3, 0x1f, 0, length][..], text.as_bytes()].concat()
}

fn with_length(first: u8, body: Vec<u8>) -> Vec<u8> {
    let length = u8::try_from(body.len()).ok().filter(|length| *length < 0x80).expect("a short packet");
    [&[first, length][..], &body].concat()
}

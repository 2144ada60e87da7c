//! The MQTT codec, in both directions.
//!
//! Nothing panics. A stream gives the same packets however it is split. A decoded packet that is encoded and decoded again
//! is the same packet.

use bytes::BytesMut;
use wasmote_mqtt::broker::packet::{Connect, Reply, Request, SubAck};
use wasmote_mqtt::codec::Codec;
use wasmote_mqtt::codec::client::{ClientCodec, Credentials, Incoming};
use wasmote_mqtt::protocol::Protocol;

use crate::input::Input;

/// Packets of clients, as a broker decodes them. The first byte selects the version and how the stream is split.
pub(super) fn from_clients(bytes: &[u8]) -> bool {
    let mut input = Input::new(bytes);
    let choice = input.byte();
    let stream = input.rest();
    let is_connect = connect(stream);
    let protocol = protocol(choice);
    let whole = decode_requests(protocol, stream, stream.len().max(1));
    let split = decode_requests(protocol, stream, usize::from(choice >> 1) % 16 + 1);
    assert_eq!(whole, split, "the split of a stream changes its packets");
    for request in &whole.0 {
        let mut encoded = BytesMut::new();
        let outcome = ClientCodec::new(protocol).encode(request, Credentials::default(), &mut encoded);
        assert_eq!(outcome, Ok(()), "{request:?} was decoded and cannot be encoded");
        let again = Codec::new(protocol).decode(&mut encoded);
        assert_eq!(again.as_ref(), Ok(&Some(request.clone())));
        assert!(encoded.is_empty(), "bytes are left after {request:?}");
    }
    is_connect || !whole.0.is_empty()
}

fn protocol(choice: u8) -> Protocol {
    if choice & 1 == 0 { Protocol::V5 } else { Protocol::V4 }
}

/// Decoded packets, and the debug text of the error that ended the stream.
fn decode_requests(protocol: Protocol, stream: &[u8], step: usize) -> (Vec<Request>, Option<String>) {
    let codec = Codec::new(protocol);
    let mut buffer = BytesMut::new();
    let mut found = Vec::new();
    for part in stream.chunks(step) {
        buffer.extend_from_slice(part);
        loop {
            let before = buffer.len();
            match codec.decode(&mut buffer) {
                Ok(Some(request)) => {
                    assert!(buffer.len() < before, "{request:?} took no bytes");
                    found.push(request);
                }
                Ok(None) => break,
                Err(reason) => return (found, Some(format!("{reason:?}"))),
            }
        }
    }
    (found, None)
}

/// Checks a stream that begins with CONNECT. False if it does not.
fn connect(stream: &[u8]) -> bool {
    let Ok(Some((_, connect))) = Codec::decode_connect(&mut BytesMut::from(stream)) else { return false };
    // The broker decides when a will is sent, so a will has no origin.
    let mut expected = connect;
    if let Some(will) = &mut expected.will {
        will.message.origin = None;
    }
    let protocol = expected.protocol;
    let mut encoded = BytesMut::new();
    let request = Request::Connect(Box::new(expected.clone()));
    let outcome = ClientCodec::new(protocol).encode(&request, Credentials::default(), &mut encoded);
    assert_eq!(outcome, Ok(()), "{expected:?} was decoded and cannot be encoded");
    match Codec::decode_connect(&mut encoded) {
        Ok(Some((_, again))) => assert_eq!(again, expected),
        other => panic!("{expected:?} became {other:?}"),
    }
    true
}

/// Packets of brokers, as a client decodes them. The first byte selects the version and how the stream is split.
pub(super) fn from_brokers(bytes: &[u8]) -> bool {
    let mut input = Input::new(bytes);
    let choice = input.byte();
    let clean_start = choice & 2 == 0;
    let stream = input.rest();
    let protocol = protocol(choice);
    let whole = decode_replies(protocol, clean_start, stream, stream.len().max(1));
    let split = decode_replies(protocol, clean_start, stream, usize::from(choice >> 2) % 16 + 1);
    assert_eq!(whole, split, "the split of a stream changes its packets");
    let accepted = !whole.0.is_empty();
    for incoming in whole.0 {
        match incoming {
            Incoming::Reply(reply) | Incoming::Explained(reply, _) => round_trip(protocol, reply),
            Incoming::Closed(end) => assert!(end.reason.len() > 10, "`{end}` says nothing"),
        }
    }
    accepted
}

/// Codec of a client that has sent CONNECT.
pub(super) fn connecting(protocol: Protocol, clean_start: bool) -> ClientCodec {
    let mut codec = ClientCodec::new(protocol);
    let connect = Connect { protocol, clean_start, ..Connect::new("device") };
    let request = Request::Connect(Box::new(connect));
    codec.encode(&request, Credentials::default(), &mut BytesMut::new()).expect("a short CONNECT");
    codec
}

fn decode_replies(
    protocol: Protocol,
    clean_start: bool,
    stream: &[u8],
    step: usize,
) -> (Vec<Incoming>, Option<String>) {
    let mut codec = connecting(protocol, clean_start);
    let mut found = Vec::new();
    for part in stream.chunks(step) {
        if let Err(reason) = codec.read(part, &mut found) {
            return (found, Some(format!("{reason:?}")));
        }
    }
    (found, None)
}

fn round_trip(protocol: Protocol, reply: Reply) {
    let mut stream = BytesMut::new();
    let codec = Codec::new(protocol);
    let is_connack = matches!(reply, Reply::ConnAck(_));
    if !is_connack {
        let accepted: &[u8] = if protocol == Protocol::V5 { b"\x20\x03\0\0\0" } else { b"\x20\x02\0\0" };
        stream.extend_from_slice(accepted);
    }
    codec
        .encode(&reply, &mut stream)
        .unwrap_or_else(|error| panic!("{reply:?} cannot be encoded: {error:?}"));
    let mut found = Vec::new();
    let mut client = connecting(protocol, false);
    client.read(&stream, &mut found).unwrap_or_else(|error| panic!("{reply:?} cannot be decoded: {error}"));
    assert_eq!(found.len(), if is_connack { 1 } else { 2 }, "{reply:?}");
    assert_eq!(found.pop().map(normalized), Some(normalized(Incoming::Reply(reply))));
}

/// Removes what the broker's encoder does not have: it refuses subscriptions for one reason.
fn normalized(incoming: Incoming) -> Incoming {
    match incoming {
        Incoming::Reply(Reply::SubAck(SubAck { packet_id, granted })) => {
            let granted = granted.into_iter().map(|one| one.map_err(|_| REFUSED)).collect();
            Incoming::Reply(Reply::SubAck(SubAck { packet_id, granted }))
        }
        other => other,
    }
}

const REFUSED: wasmote_mqtt::broker::reason::SubscribeRefusal =
    wasmote_mqtt::broker::reason::SubscribeRefusal::Unspecified;

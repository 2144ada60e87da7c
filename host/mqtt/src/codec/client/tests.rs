use std::num::NonZeroU16;

use bytes::{Bytes, BytesMut};

use super::*;
use crate::broker::packet::{
    Ack, AckStep, ConnAck, Connect, Disconnect, PacketId, Publish, Reply, Request, SubAck, Subscribe,
    SubscribeOptions, Unsubscribe,
};
use crate::broker::reason::{AckReason, CloseReason, ConnectRefusal, SubscribeRefusal, UnsubscribeRefusal};
use crate::device_id::DeviceId;
use crate::message::{Message, MessageOrigin, Properties, Will};
use crate::time::WallTime;
use crate::topic::{Topic, TopicFilter};

const PROTOCOLS: [Protocol; 2] = [Protocol::V4, Protocol::V5];
const ACCEPTED_V4: &[u8] = b"\x20\x02\x00\x00";
const ACCEPTED_V5: &[u8] = b"\x20\x03\x00\x00\x00";
/// Typical packets of an MQTT 5 broker.
const PACKETS: &[&[u8]] = &[
    b"\x20\x1a\x00\x00\x17\x21\x00\x05\x24\x01\x25\x00\x27\x00\x00\x00\x64\x13\x00\x1e\
    \x11\x00\x00\x00\x3c\x22\x00\x00",
    b"\x30\x0a\x00\x01t\x05\x02\x00\x00\x00\x09x",
    b"\x3d\x08\x00\x01t\x00\x01\x00xy",
    b"\x32\x12\x00\x01t\x00\x01\x0a\x01\x01\x26\x00\x01k\x00\x02vw\x22x",
    b"\x30\x07\x00\x01t\x02\x0b\x07x",
    b"\x40\x02\x00\x01",
    b"\x50\x04\x00\x01\x80\x00",
    b"\x62\x03\x00\x01\x92",
    b"\x70\x02\x00\x01",
    b"\x90\x05\x00\x01\x00\x02\x87",
    b"\xb0\x05\x00\x01\x00\x00\x11",
    b"\xd0\x00",
    b"\xe0\x0b\x8e\x09\x1f\x00\x06thief!",
];

fn accepted(protocol: Protocol) -> ClientCodec {
    let mut codec = ClientCodec::new(protocol);
    let connack = if protocol == Protocol::V5 { ACCEPTED_V5 } else { ACCEPTED_V4 };
    assert!(matches!(read(&mut codec, connack).as_deref(), Ok([Incoming::Reply(Reply::ConnAck(_))])));
    codec
}

fn read(codec: &mut ClientCodec, bytes: &[u8]) -> Result<Vec<Incoming>, CloseReason> {
    let mut incoming = Vec::new();
    codec.read(bytes, &mut incoming).map(|()| incoming)
}

fn encoded(codec: &mut ClientCodec, request: &Request, credentials: Credentials<'_>) -> BytesMut {
    let mut out = BytesMut::new();
    codec.encode(request, credentials, &mut out).unwrap();
    out
}

fn topic(name: &str) -> Topic {
    Topic::new(name).unwrap()
}

fn id(number: u16) -> PacketId {
    PacketId::new(number).unwrap()
}

/// Message with all properties of MQTT 5.
fn message_with_all_properties(qos: Qos) -> Message {
    let mut message =
        Message::new(topic("a/b"), Bytes::from_static(b"payload")).with_qos(qos).with_retain(true);
    message.properties = Some(Box::new(Properties {
        is_text: true,
        content_type: Some("text/plain".into()),
        response_topic: Some(topic("answers")),
        correlation_data: Some(Bytes::from_static(b"\x00\x01")),
        message_expiry: Some(60),
        user: vec![("unit".into(), "K".into()), ("unit".into(), "again".into())],
    }));
    message.origin = Some(std::sync::Arc::new(MessageOrigin {
        from: DeviceId::new("device").unwrap(),
        sequence: 7,
        sent: WallTime::from_nanos(1_700_000_000_000_000_000),
        late: std::time::Duration::from_millis(20),
        is_claimed: false,
    }));
    message
}

/// Removes the properties that 3.1.1 does not have.
fn for_protocol(message: Message, protocol: Protocol) -> Message {
    if protocol == Protocol::V5 { message } else { Message { properties: None, origin: None, ..message } }
}

fn requests(protocol: Protocol) -> Vec<Request> {
    let publish = |qos, packet_id| {
        Request::Publish(Publish::new(for_protocol(message_with_all_properties(qos), protocol), packet_id))
    };
    let options = SubscribeOptions { qos: Qos::AtLeastOnce, ..SubscribeOptions::default() };
    let filter = |text: &str| TopicFilter::new(text).unwrap();
    let mut requests = vec![
        publish(Qos::AtMostOnce, None),
        publish(Qos::AtLeastOnce, Some(id(1))),
        publish(Qos::ExactlyOnce, Some(id(65_535))),
        Request::Subscribe(Subscribe {
            packet_id: id(2),
            identifier: None,
            filters: vec![(filter("a/#"), options), (filter("+"), SubscribeOptions::at(Qos::ExactlyOnce))],
        }),
        Request::Unsubscribe(Unsubscribe { packet_id: id(3), filters: vec![filter("a/#")] }),
        Request::PingReq,
        Request::Disconnect(Disconnect::default()),
    ];
    for step in [AckStep::PubAck, AckStep::PubRec, AckStep::PubRel, AckStep::PubComp] {
        requests.push(Request::Ack(Ack::new(step, id(9))));
    }
    if protocol == Protocol::V5 {
        let reason = AckReason::PacketIdNotFound;
        requests.push(Request::Ack(Ack { reason, ..Ack::new(AckStep::PubComp, id(9)) }));
        requests.push(Request::Disconnect(Disconnect { with_will: true, session_expiry: Some(9) }));
    }
    requests
}

/// The broker's decoder reads the packets of the client's encoder.
#[test]
fn a_broker_reads_what_a_client_writes() {
    for protocol in PROTOCOLS {
        let mut codec = accepted(protocol);
        let mut bytes = BytesMut::new();
        for request in requests(protocol) {
            codec.encode(&request, Credentials::default(), &mut bytes).unwrap();
        }
        for request in requests(protocol) {
            assert_eq!(Codec::new(protocol).decode(&mut bytes), Ok(Some(request)), "{protocol:?}");
        }
        assert!(bytes.is_empty());
    }
}

#[test]
fn a_broker_reads_a_clients_connect() {
    for protocol in PROTOCOLS {
        let v5 = protocol == Protocol::V5;
        for (session_expiry, will) in [
            (0, None),
            (300, Some(Will { message: message_with_all_properties(Qos::AtLeastOnce), delay: 5 })),
        ] {
            let connect = Connect {
                protocol,
                clean_start: session_expiry == 0,
                session_expiry: if v5 { session_expiry } else { 0 },
                keep_alive: 10,
                // A will has no origin, since the broker decides when it is sent.
                will: will.map(|will| Will {
                    message: Message { origin: None, ..for_protocol(will.message, protocol) },
                    delay: if v5 { will.delay } else { 0 },
                }),
                ..Connect::new("device")
            };
            let request = Request::Connect(Box::new(connect.clone()));
            let mut bytes = encoded(&mut ClientCodec::new(protocol), &request, Credentials::default());
            let (codec, read) = Codec::decode_connect(&mut bytes).unwrap().unwrap();
            assert_eq!((codec.protocol, read), (protocol, connect));
        }
    }
}

#[test]
fn a_connect_carries_the_credentials() {
    let connect =
        |protocol| Request::Connect(Box::new(Connect { protocol, keep_alive: 10, ..Connect::new("a") }));
    let credentials = |username, password| Credentials { username, password };
    let both = credentials(Some("u"), Some("pw"));
    let v4 = |credentials| encoded(&mut ClientCodec::new(Protocol::V4), &connect(Protocol::V4), credentials);
    let v5 = |credentials| encoded(&mut ClientCodec::new(Protocol::V5), &connect(Protocol::V5), credentials);
    assert_eq!(&v4(both)[..], b"\x10\x14\x00\x04MQTT\x04\xc2\x00\x0a\x00\x01a\x00\x01u\x00\x02pw");
    assert_eq!(&v4(credentials(Some("u"), None))[9..10], b"\x82");
    // Only MQTT 5 allows a password without a user name [MQTT-3.1.2-22 of 3.1.1].
    let refused = ClientCodec::new(Protocol::V4).encode(
        &connect(Protocol::V4),
        credentials(None, Some("pw")),
        &mut BytesMut::new(),
    );
    assert!(matches!(refused, Err(SendError::PasswordWithoutUser)), "{refused:?}");
    let max_packet_size = b"\x05\x27\x01\x00\x00\x00";
    let expected =
        [b"\x10\x17\x00\x04MQTT\x05\x42\x00\x0a", &max_packet_size[..], b"\x00\x01a\x00\x02pw"].concat();
    assert_eq!(&v5(credentials(None, Some("pw")))[..], expected);
}

#[test]
fn a_client_reads_what_a_broker_writes() {
    let replies = |protocol| {
        vec![
            Reply::ConnAck(ConnAck {
                session_present: false,
                assigned_client_id: (protocol == Protocol::V5).then(|| "thought-of".into()),
                receive_maximum: if protocol == Protocol::V5 {
                    NonZeroU16::new(7).unwrap()
                } else {
                    NonZeroU16::MAX
                },
                server_keep_alive: (protocol == Protocol::V5).then_some(3),
            }),
            Reply::Publish(Publish::new(
                for_protocol(message_with_all_properties(Qos::AtMostOnce), protocol),
                None,
            )),
            Reply::Publish(Publish {
                duplicate: true,
                ..Publish::new(
                    for_protocol(message_with_all_properties(Qos::ExactlyOnce), protocol),
                    Some(id(5)),
                )
            }),
            Reply::Ack(Ack::new(AckStep::PubAck, id(1))),
            Reply::Ack(Ack::new(AckStep::PubRec, id(2))),
            Reply::Ack(Ack::new(AckStep::PubRel, id(3))),
            Reply::Ack(Ack::new(AckStep::PubComp, id(4))),
            Reply::SubAck(SubAck {
                packet_id: id(6),
                granted: vec![Ok(Qos::AtLeastOnce), Ok(Qos::AtMostOnce)],
            }),
            Reply::UnsubAck(
                id(7),
                if protocol == Protocol::V5 { vec![Ok(true), Ok(false)] } else { Vec::new() },
            ),
            Reply::PingResp,
        ]
    };
    for protocol in PROTOCOLS {
        let mut bytes = BytesMut::new();
        for reply in replies(protocol) {
            Codec::new(protocol).encode(&reply, &mut bytes).unwrap();
        }
        let incoming = read(&mut ClientCodec::new(protocol), &bytes).unwrap();
        let expected: Vec<_> = replies(protocol).into_iter().map(Incoming::Reply).collect();
        assert_eq!(incoming, expected, "{protocol:?}");
    }
}

/// Every split of the stream yields the same packets, and no bytes are kept after the last one.
#[test]
fn packets_may_be_split_anywhere() {
    let stream = PACKETS.concat();
    let whole = read(&mut ClientCodec::new(Protocol::V5), &stream).unwrap();
    assert_eq!(whole.len(), PACKETS.len());
    for cut in 0..=stream.len() {
        let mut codec = ClientCodec::new(Protocol::V5);
        let mut incoming = read(&mut codec, &stream[..cut]).unwrap();
        incoming.extend(read(&mut codec, &stream[cut..]).unwrap());
        assert_eq!(incoming, whole, "cut at {cut}");
        assert_eq!(codec.partial.capacity(), 0, "an idle connection holds no buffer");
    }
    for step in 1..8 {
        let mut codec = ClientCodec::new(Protocol::V5);
        let mut incoming = Vec::new();
        for piece in stream.chunks(step) {
            codec.read(piece, &mut incoming).unwrap();
        }
        assert_eq!(incoming, whole, "{step} bytes at a time");
    }
}

#[test]
fn a_publish_beyond_the_brokers_limits_is_not_encoded() {
    let mut codec = ClientCodec::new(Protocol::V5);
    // Maximum QoS 1, no retained messages, and 100 bytes.
    let incoming = read(&mut codec, PACKETS[0]).unwrap();
    let expected = ConnAck {
        session_present: false,
        assigned_client_id: None,
        receive_maximum: NonZeroU16::new(5).unwrap(),
        server_keep_alive: Some(30),
    };
    let [Incoming::Reply(Reply::ConnAck(found))] = &incoming[..] else { panic!("{incoming:?}") };
    assert_eq!((found.receive_maximum, found.server_keep_alive), (expected.receive_maximum, Some(30)));
    let mut out = BytesMut::new();
    let mut encode = |message: Message| {
        let packet_id = (message.qos != Qos::AtMostOnce).then(|| id(1));
        codec.encode(&Request::Publish(Publish::new(message, packet_id)), Credentials::default(), &mut out)
    };
    let small = || Message::new(topic("t"), "x");
    assert_eq!(encode(small().with_qos(Qos::ExactlyOnce)), Err(SendError::Qos));
    assert_eq!(encode(small().with_retain(true)), Err(SendError::Retain));
    assert_eq!(encode(Message::new(topic("t"), vec![0; 95])), Err(SendError::TooLarge));
    assert_eq!(encode(small().with_qos(Qos::AtLeastOnce)), Ok(()));
    assert_eq!(encode(Message::new(topic("t"), vec![0; 94])), Ok(()));
    assert_eq!(out.len(), 9 + 100);
}

#[test]
fn an_oversized_will_is_not_encoded() {
    let will = Will { message: Message::new(topic("t"), vec![0; 65_536]), delay: 0 };
    let connect = Connect { will: Some(will), ..Connect::new("a") };
    let mut out = BytesMut::from(&b"before"[..]);
    let outcome = ClientCodec::new(Protocol::V5).encode(
        &Request::Connect(Box::new(connect)),
        Credentials::default(),
        &mut out,
    );
    assert_eq!((outcome, &out[..]), (Err(SendError::TooLong), &b"before"[..]));
}

#[test]
fn a_will_with_an_oversized_property_is_not_encoded() {
    let oversized = [
        Properties { content_type: Some("x".repeat(65_536)), ..Properties::default() },
        Properties { correlation_data: Some(vec![0; 65_536].into()), ..Properties::default() },
        Properties { user: vec![("name".into(), "x".repeat(65_536))], ..Properties::default() },
    ];
    for properties in oversized {
        let message = Message { properties: Some(Box::new(properties)), ..Message::new(topic("t"), "") };
        let connect = Connect { will: Some(Will { message, delay: 1 }), ..Connect::new("a") };
        let mut out = BytesMut::from(&b"before"[..]);
        let request = Request::Connect(Box::new(connect));
        let outcome = ClientCodec::new(Protocol::V5).encode(&request, Credentials::default(), &mut out);
        assert_eq!((outcome, &out[..]), (Err(SendError::TooLong), &b"before"[..]));
    }
}

#[test]
fn refusals_and_disconnects_have_readable_reasons() {
    let close_reason_of =
        |protocol, bytes: &[u8]| match read(&mut ClientCodec::new(protocol), bytes).as_deref() {
            Ok([Incoming::Closed(end)]) => end.to_string(),
            other => panic!("{other:?}"),
        };
    let is_refused = |text: &str, why: &str, code: u8| {
        text.starts_with(&format!("the broker refused the connection: {why}; "))
            && text.ends_with(&format!(" (CONNACK 0x{code:02X})"))
    };
    for (protocol, bytes, why, code) in [
        (Protocol::V4, &b"\x20\x02\x00\x05"[..], "not authorized", 5),
        (Protocol::V4, b"\x20\x02\x00\x04", "bad user name or password", 4),
        (Protocol::V4, b"\x20\x02\x00\x01", "unsupported protocol version", 1),
        (Protocol::V5, b"\x20\x03\x00\x87\x00", "not authorized", 0x87),
        (Protocol::V5, b"\x20\x03\x00\x9b\x00", "QoS not supported", 0x9B),
        // A broker of 3.1.1 answers with its own CONNACK.
        (Protocol::V5, b"\x20\x02\x00\x01", "unsupported protocol version", 1),
    ] {
        let text = close_reason_of(protocol, bytes);
        assert!(is_refused(&text, why, code), "{text}");
    }
    let moved = close_reason_of(Protocol::V5, b"\x20\x0e\x00\x9d\x0b\x1c\x00\x08b:1883/x");
    assert!(
        moved.ends_with("name the other broker with --broker (it names `b:1883/x`) (CONNACK 0x9D)"),
        "{moved}"
    );
    let ended = "the broker ended the connection: session taken over; another client uses the same client id, such as a \
        second fleet with the same names; give the devices other names with --group or --device-id (DISCONNECT 0x8E): \
        thief!";
    assert_eq!(close_reason_of(Protocol::V5, PACKETS[PACKETS.len() - 1]), ended);
    let mut bytes = BytesMut::new();
    Codec::new(Protocol::V5).encode_refusal(ConnectRefusal::BadAuthenticationMethod, &mut bytes);
    let text = close_reason_of(Protocol::V5, &bytes);
    assert!(is_refused(&text, "bad authentication method", 0x8C), "{text}");
}

#[test]
fn a_refused_subscription_says_why() {
    let granted = |protocol, bytes: &[u8]| match &read(&mut accepted(protocol), bytes).unwrap()[..] {
        [Incoming::Reply(Reply::SubAck(answer))] => answer.granted.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(granted(Protocol::V4, b"\x90\x03\x00\x01\x80"), [Err(SubscribeRefusal::Unspecified)]);
    let all = [0x80, 0x83, 0x87, 0x8F, 0x91, 0x97, 0x9E, 0xA1, 0xA2];
    let bytes = [b"\x90\x0c\x00\x01\x00", &all[..]].concat();
    let codes: Vec<_> =
        granted(Protocol::V5, &bytes).into_iter().map(|code| code.unwrap_err().code()).collect();
    assert_eq!(codes, all);
}

#[test]
fn acknowledgements_and_unsubacks_have_their_code_and_reason_string() {
    let mut codec = accepted(Protocol::V5);
    let incoming = read(&mut codec, b"\x40\x04\x00\x01\x87\x00").unwrap();
    let refused = |step, packet_id, code| {
        Reply::Ack(Ack { step, packet_id: id(packet_id), reason: AckReason::from_code(code) })
    };
    assert_eq!(incoming, [Incoming::Reply(refused(AckStep::PubAck, 1, 0x87))]);
    let explained = b"\x50\x0a\x00\x02\x97\x06\x1f\x00\x03too";
    assert_eq!(
        read(&mut codec, explained).unwrap(),
        [Incoming::Explained(refused(AckStep::PubRec, 2, 0x97), "too".into())]
    );
    // A code that the standard does not list for PUBACK is a refusal all the same; PUBCOMP has no code 0x10.
    assert_eq!(
        read(&mut codec, b"\x40\x03\x00\x01\x95").unwrap(),
        [Incoming::Reply(refused(AckStep::PubAck, 1, 0x95))]
    );
    assert_eq!(read(&mut accepted(Protocol::V5), b"\x70\x03\x00\x01\x10"), Err(CloseReason::MalformedPacket));
    let matched = read(&mut codec, b"\x40\x03\x00\x01\x10").unwrap();
    assert_eq!(matched, [Incoming::Reply(Reply::Ack(Ack::new(AckStep::PubAck, id(1))))]);
    let outcomes = vec![Ok(true), Ok(false), Err(UnsubscribeRefusal(0x87))];
    let unsuback = b"\xb0\x06\x00\x07\x00\x00\x11\x87";
    assert_eq!(read(&mut codec, unsuback).unwrap(), [Incoming::Reply(Reply::UnsubAck(id(7), outcomes))]);
    let incoming = read(&mut codec, b"\xf0\x02\x18\x00").unwrap();
    let [Incoming::Closed(end)] = &incoming[..] else { panic!("{incoming:?}") };
    assert_eq!(
        end.to_string(),
        "the broker sent AUTH, which was not requested: continue authentication (AUTH 0x18)"
    );
}

/// Protocol violations of a broker end the connection.
#[test]
fn protocol_violations_by_a_broker_are_detected() {
    use CloseReason::*;
    let cases: &[(&[u8], CloseReason)] = &[
        // A second CONNACK [MQTT-3.2.0-2].
        (ACCEPTED_V5, ProtocolError),
        // Packets that only clients send.
        (b"\xc0\x00", ProtocolError),
        (b"\x82\x07\x00\x01\x00\x00\x01t\x00", ProtocolError),
        // Packet identifier zero, in every packet type.
        (b"\x32\x06\x00\x01t\x00\x00\x00", ProtocolError),
        (b"\x40\x02\x00\x00", ProtocolError),
        (b"\x90\x04\x00\x00\x00\x00", ProtocolError),
        // A topic alias although none are allowed, an invalid topic, and QoS 3.
        (b"\x30\x07\x00\x01t\x03\x23\x00\x01", TopicAliasInvalid),
        (b"\x30\x04\x00\x01#\x00", TopicNameInvalid),
        (b"\x36\x06\x00\x01t\x00\x01\x00", MalformedPacket),
        // A will property in a message, an unknown property, and properties beyond the end.
        (b"\x30\x09\x00\x01t\x05\x18\x00\x00\x00\x09", ProtocolError),
        (b"\x30\x06\x00\x01t\x02\x77\x00", MalformedPacket),
        (b"\x30\x05\x00\x01t\x7f\x01", MalformedPacket),
        // Reserved flags, bytes after the end, and an invalid length.
        (b"\x41\x02\x00\x01", MalformedPacket),
        (b"\xd0\x01\x00", MalformedPacket),
        (b"\x30\xff\xff\xff\xff\x01", MalformedPacket),
        (b"\x30\xff\xff\xff\x7f", PacketTooLarge),
        // SUBACK without a reason code, and with an unknown one.
        (b"\x90\x03\x00\x01\x00", MalformedPacket),
        (b"\x90\x04\x00\x01\x00\x55", MalformedPacket),
    ];
    for (bytes, reason) in cases {
        assert_eq!(read(&mut accepted(Protocol::V5), bytes), Err(*reason), "{bytes:x?}");
    }
    // No packet precedes CONNACK [MQTT-3.2.0-1].
    assert_eq!(read(&mut ClientCodec::new(Protocol::V5), b"\xd0\x00"), Err(ProtocolError));
    // 3.1.1 has no DISCONNECT from a broker, and no reason codes in acknowledgements.
    assert_eq!(read(&mut accepted(Protocol::V4), b"\xe0\x00"), Err(ProtocolError));
    assert_eq!(read(&mut accepted(Protocol::V4), b"\x40\x03\x00\x01\x00"), Err(MalformedPacket));
    assert_eq!(read(&mut ClientCodec::new(Protocol::V4), ACCEPTED_V5), Err(MalformedPacket));
    // Session present although a clean start was requested [MQTT-3.2.2-4].
    assert_eq!(read(&mut ClientCodec::new(Protocol::V5), b"\x20\x03\x01\x00\x00"), Err(ProtocolError));
    // A receive maximum or a packet size of zero.
    for properties in [&b"\x03\x21\x00\x00"[..], b"\x05\x27\x00\x00\x00\x00", b"\x02\x24\x02"] {
        let mut connack = vec![0x20, 2 + properties.len() as u8, 0, 0];
        connack.extend_from_slice(properties);
        assert_eq!(read(&mut ClientCodec::new(Protocol::V5), &connack), Err(ProtocolError), "{connack:x?}");
    }
}

/// Packets before a protocol violation count.
#[test]
fn packets_before_a_protocol_violation_count() {
    let mut incoming = Vec::new();
    let stream = [PACKETS[5], b"\xc0\x00"].concat();
    assert_eq!(accepted(Protocol::V5).read(&stream, &mut incoming), Err(CloseReason::ProtocolError));
    assert_eq!(incoming, [Incoming::Reply(Reply::Ack(Ack::new(AckStep::PubAck, id(1))))]);
}

/// Any input is decoded, incomplete or rejected; nothing panics.
#[test]
fn random_bytes_never_panic_the_client_codec() {
    let mut rng = crate::codec::tests::TestRng::new();
    let (mut refused, mut taken) = (0, 0);
    for round in 0..200_000 {
        let mut bytes: Vec<u8> = Vec::new();
        if round % 4 == 0 {
            bytes.extend((0..rng.below(40)).map(|_| rng.below(256) as u8));
        } else {
            bytes.extend(PACKETS[rng.below(PACKETS.len())]);
            for _ in 0..=rng.below(3) {
                let at = rng.below(bytes.len());
                bytes[at] = rng.below(256) as u8;
            }
            bytes.truncate(bytes.len() - rng.below(3).min(bytes.len()));
        }
        for protocol in PROTOCOLS {
            for mut codec in [ClientCodec::new(protocol), accepted(protocol)] {
                let cut = rng.below(bytes.len() + 1);
                let outcome = read(&mut codec, &bytes[..cut]).and_then(|_| read(&mut codec, &bytes[cut..]));
                assert!(codec.partial.len() <= bytes.len());
                match outcome {
                    Ok(incoming) => taken += incoming.len(),
                    Err(_) => refused += 1,
                }
            }
        }
    }
    assert!(refused > 10_000 && taken > 10_000, "too few rejected or decoded inputs: {refused} and {taken}");
}

use super::*;
use crate::broker::packet::{Reply, SubAck};
use crate::broker::reason::SubscribeRefusal;
use crate::message::Qos;

const CONNECT_V4: &[u8] = b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x0a\x00\x01a";
const CONNECT_V5: &[u8] = b"\x10\x0e\x00\x04MQTT\x05\x02\x00\x0a\x00\x00\x01a";
/// Typical packets of an MQTT 5 client.
const PACKETS: &[&[u8]] = &[
    b"\x30\x0a\x00\x01t\x05\x02\x00\x00\x00\x09x",
    b"\x3d\x08\x00\x01t\x00\x01\x00xy",
    b"\x32\x12\x00\x01t\x00\x01\x0a\x01\x01\x26\x00\x01k\x00\x02vw\x22x",
    b"\x40\x02\x00\x01",
    b"\x50\x04\x00\x01\x80\x00",
    b"\x62\x03\x00\x01\x92",
    b"\x70\x02\x00\x01",
    b"\x82\x09\x00\x01\x02\x0b\x05\x00\x01t\x2e",
    b"\xa2\x06\x00\x02\x00\x00\x01t",
    b"\xc0\x00",
    b"\xe0\x07\x04\x05\x11\x00\x00\x00\x09",
];

fn decode_connect(bytes: &[u8]) -> Result<Option<(Codec, Connect)>, RefusedConnect> {
    Codec::decode_connect(&mut BytesMut::from(bytes))
}

fn decode(protocol: Protocol, bytes: &[u8]) -> Result<Option<Request>, CloseReason> {
    Codec::new(protocol).decode(&mut BytesMut::from(bytes))
}

#[test]
fn a_packet_is_decoded_once_it_is_complete() {
    for (packet, protocol) in [(CONNECT_V4, Protocol::V4), (CONNECT_V5, Protocol::V5)] {
        for part in 0..packet.len() {
            assert_eq!(decode_connect(&packet[..part]), Ok(None));
        }
        let (codec, connect) = decode_connect(packet).unwrap().unwrap();
        assert_eq!((codec.protocol, connect.protocol), (protocol, protocol));
        assert_eq!((&*connect.client_id, connect.keep_alive, connect.clean_start), ("a", 10, true));
    }
    for packet in PACKETS {
        let (last, before) = packet.split_last().unwrap();
        let mut bytes = BytesMut::from(before);
        assert_eq!(Codec::new(Protocol::V5).decode(&mut bytes), Ok(None), "{packet:x?}");
        bytes.extend_from_slice(&[*last, 0xC0]);
        let found = Codec::new(Protocol::V5).decode(&mut bytes);
        assert!(matches!(found, Ok(Some(_))), "{packet:x?}: {found:?}");
        assert_eq!(&bytes[..], [0xC0], "the following bytes stay");
    }
}

/// [MQTT-4.13.1-1]
#[test]
fn protocol_violations_map_to_their_reason_codes() {
    use CloseReason::*;
    let cases: &[(&[u8], CloseReason)] = &[
        // No such packet type.
        (b"\x00\x00", MalformedPacket),
        // A length of five bytes.
        (b"\x30\xff\xff\xff\xff\x01", MalformedPacket),
        (b"\x30\xff\xff\xff\x7f", PacketTooLarge),
        // QoS 3, and DUP at QoS 0 [MQTT-3.3.1-4], [MQTT-3.3.1-2].
        (b"\x36\x06\x00\x01t\x00\x01\x00", MalformedPacket),
        (b"\x38\x04\x00\x01t\x00", MalformedPacket),
        // Packet identifier zero [MQTT-2.2.1-3].
        (b"\x32\x06\x00\x01t\x00\x00\x00", ProtocolError),
        (b"\x82\x08\x00\x00\x00\x00\x02tt\x00", ProtocolError),
        (b"\x40\x02\x00\x00", ProtocolError),
        // A topic with a wildcard [MQTT-3.3.2-2], and with NUL [MQTT-1.5.4-2].
        (b"\x30\x04\x00\x01#\x00", TopicNameInvalid),
        (b"\x30\x04\x00\x01\x00\x00", MalformedPacket),
        // A topic that is not UTF-8 [MQTT-1.5.4-1].
        (b"\x30\x04\x00\x01\xff\x00", MalformedPacket),
        // An alias, which the broker does not know [MQTT-3.3.2-9].
        (b"\x30\x07\x00\x01t\x03\x23\x00\x01", TopicAliasInvalid),
        // A subscription identifier from a client [MQTT-3.3.4-6].
        (b"\x30\x06\x00\x01t\x02\x0b\x01", ProtocolError),
        // A duplicate property, one that is not allowed here, and an unknown one.
        (b"\x30\x08\x00\x01t\x04\x01\x00\x01\x00", ProtocolError),
        (b"\x30\x09\x00\x01t\x05\x11\x00\x00\x00\x09", ProtocolError),
        (b"\x30\x06\x00\x01t\x02\x77\x00", MalformedPacket),
        // A property block beyond the end of its packet, and a property beyond the end of its block.
        (b"\x30\x05\x00\x01t\x7f\x01", MalformedPacket),
        (b"\x30\x09\x00\x01t\x01\x02\x00\x00\x00\x09", MalformedPacket),
        // Reserved flags [MQTT-2.1.3-1], bytes after the end, and SUBSCRIBE without a filter.
        (b"\x80\x06\x00\x01\x00\x00\x01t", MalformedPacket),
        (b"\xc0\x01\x00", MalformedPacket),
        (b"\x82\x03\x00\x01\x00", MalformedPacket),
        (b"\xa2\x03\x00\x01\x00", MalformedPacket),
        // A filter with a wildcard in the wrong place [MQTT-4.7.1-1].
        (b"\x82\x08\x00\x01\x00\x00\x02a#\x00", ProtocolError),
        // Reserved option bits [MQTT-3.8.3-5], and a subscription identifier of zero.
        (b"\x82\x07\x00\x01\x00\x00\x01t\xc0", MalformedPacket),
        (b"\x82\x09\x00\x01\x02\x0b\x00\x00\x01t\x00", ProtocolError),
        // Packets that only brokers send, and a second CONNECT [MQTT-3.1.0-2].
        (b"\xd0\x00", ProtocolError),
        (CONNECT_V5, ProtocolError),
        // Unrequested AUTH.
        (b"\xf0\x02\x18\x00", ProtocolError),
    ];
    for (bytes, reason) in cases {
        assert_eq!(decode(Protocol::V5, bytes), Err(*reason), "{bytes:x?}");
    }
}

/// 3.1.1 has neither reason codes nor properties [MQTT-3.14.1-1 and others of 3.1.1].
#[test]
fn mqtt_3_1_1_has_no_reason_codes_and_no_properties() {
    for bytes in [&b"\xe0\x01\x00"[..], b"\x40\x03\x00\x01\x00", b"\x62\x04\x00\x01\x00\x00"] {
        assert_eq!(decode(Protocol::V4, bytes), Err(CloseReason::MalformedPacket), "{bytes:x?}");
    }
    let publish = decode(Protocol::V4, b"\x30\x05\x00\x01t\x00x");
    let Ok(Some(Request::Publish(publish))) = publish else { panic!("{publish:?}") };
    assert_eq!(&publish.message.payload[..], b"\x00x", "all of it is payload");
}

#[test]
fn a_refused_client_is_answered_in_its_own_version() {
    let refused = |bytes| decode_connect(bytes).unwrap_err();
    let unsupported = ConnectRefusal::UnsupportedProtocolVersion;
    // MQTT 3.1, and a version that does not exist [MQTT-3.1.2-2].
    let old = refused(b"\x10\x0f\x00\x06MQIsdp\x03\x02\x00\x0a\x00\x01a");
    assert_eq!(old, RefusedConnect { refusal: unsupported, protocol: Some(Protocol::V4) });
    let new = refused(b"\x10\x0d\x00\x04MQTT\x06\x02\x00\x0a\x00\x01a");
    assert_eq!(new, RefusedConnect { refusal: unsupported, protocol: Some(Protocol::V5) });
    // Another protocol, and MQTT that does not begin with CONNECT [MQTT-3.1.0-1].
    assert_eq!(refused(b"GET / HTTP/1.1\r\n\r\n").protocol, None);
    assert_eq!(refused(b"\xc0\x00").protocol, None);
    assert_eq!(refused(b"\x10\xff\xff\xff\x7f").protocol, None);
    // The reserved flag [MQTT-3.1.2-3], a receive maximum of zero, and an authentication method.
    let cases: &[(&[u8], ConnectRefusal)] = &[
        (b"\x10\x0e\x00\x04MQTT\x05\x03\x00\x0a\x00\x00\x01a", ConnectRefusal::MalformedPacket),
        (b"\x10\x11\x00\x04MQTT\x05\x02\x00\x0a\x03\x21\x00\x00\x00\x01a", ConnectRefusal::ProtocolError),
        (
            b"\x10\x12\x00\x04MQTT\x05\x02\x00\x0a\x04\x15\x00\x01m\x00\x01a",
            ConnectRefusal::BadAuthenticationMethod,
        ),
        (
            b"\x10\x14\x00\x04MQTT\x05\x06\x00\x0a\x00\x00\x01a\x00\x00\x01#\x00\x00",
            ConnectRefusal::TopicNameInvalid,
        ),
    ];
    for (bytes, refusal) in cases {
        assert_eq!(
            refused(bytes),
            RefusedConnect { refusal: *refusal, protocol: Some(Protocol::V5) },
            "{bytes:x?}"
        );
    }
}

/// Codes of section 3.9.3 of MQTT 5, and the only one of 3.1.1.
#[test]
fn a_refused_subscription_has_its_own_code() {
    use SubscribeRefusal::*;
    let refusals = [
        Unspecified,
        ImplementationSpecific,
        NotAuthorized,
        TopicFilterInvalid,
        PacketIdInUse,
        QuotaExceeded,
        SharedNotSupported,
        IdentifiersNotSupported,
        WildcardsNotSupported,
    ];
    let granted: Vec<_> = refusals.into_iter().map(Err).chain([Ok(Qos::ExactlyOnce)]).collect();
    let reply = Reply::SubAck(SubAck { packet_id: 1.try_into().unwrap(), granted });
    let encoded = |protocol| {
        let mut out = BytesMut::new();
        Codec::new(protocol).encode(&reply, &mut out).unwrap();
        out
    };
    let codes = b"\x80\x83\x87\x8f\x91\x97\x9e\xa1\xa2\x02";
    assert_eq!(encoded(Protocol::V5), [b"\x90\x0d\x00\x01\x00", &codes[..]].concat()[..]);
    assert_eq!(encoded(Protocol::V4), [b"\x90\x0c\x00\x01", &[0x80; 9][..], &[2]].concat()[..]);
}

/// Codes of section 3.2.2.2 of MQTT 5, and those of 3.1.1.
#[test]
fn a_refused_connection_has_the_code_of_its_version() {
    let encoded = |protocol, refusal| {
        let mut out = BytesMut::new();
        Codec::new(protocol).encode_refusal(refusal, &mut out);
        out.to_vec()
    };
    for (refusal, code, code_of_v4) in [
        (ConnectRefusal::UnsupportedProtocolVersion, 0x84, Some(1)),
        (ConnectRefusal::ClientIdInvalid, 0x85, Some(2)),
        (ConnectRefusal::Unavailable, 0x88, Some(3)),
        (ConnectRefusal::QuotaExceeded, 0x97, Some(3)),
        (ConnectRefusal::PacketTooLarge, 0x95, None),
    ] {
        assert_eq!(encoded(Protocol::V5, refusal), [0x20, 3, 0, code, 0]);
        assert_eq!(encoded(Protocol::V4, refusal), code_of_v4.map_or(vec![], |code| vec![0x20, 2, 0, code]));
    }
}

/// Deterministic pseudo-random numbers.
pub(super) struct TestRng(u64);

impl TestRng {
    pub(super) fn new() -> Self {
        Self(0x9E37_79B9_7F4A_7C15)
    }

    pub(super) fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end.max(1) as u64) as usize
    }
}

/// Any input is decoded, incomplete or rejected; nothing panics, and a decoded packet consumes bytes.
#[test]
fn random_bytes_never_panic_the_server_codec() {
    let mut rng = TestRng::new();
    let mut refused = 0;
    for round in 0..200_000 {
        let mut bytes: Vec<u8> = Vec::new();
        if round % 4 == 0 {
            bytes.extend((0..rng.below(40)).map(|_| rng.below(256) as u8));
        } else {
            let all = PACKETS.len() + 2;
            match rng.below(all) {
                0 => bytes.extend(CONNECT_V4),
                1 => bytes.extend(CONNECT_V5),
                other => bytes.extend(PACKETS[other - 2]),
            }
            for _ in 0..=rng.below(3) {
                let at = rng.below(bytes.len());
                bytes[at] = rng.below(256) as u8;
            }
        }
        for protocol in [Protocol::V4, Protocol::V5] {
            let mut stream = BytesMut::from(&bytes[..]);
            let before = stream.len();
            while let Ok(Some(request)) = Codec::new(protocol).decode(&mut stream) {
                assert!(stream.len() < before, "{request:?} took nothing");
            }
            refused += usize::from(Codec::new(protocol).decode(&mut stream).is_err());
        }
        let _ = decode_connect(&bytes);
    }
    assert!(refused > 10_000, "too few rejected inputs: {refused}");
}

#[test]
fn a_packet_beyond_the_clients_maximum_is_not_encoded() {
    use crate::broker::packet::{Publish, Reply};
    use crate::message::Message;
    use crate::topic::Topic;

    let mut codec = Codec::new(Protocol::V5);
    codec.max_packet_size = NonZeroU32::new(20);
    let publish = |bytes: usize| {
        Reply::Publish(Publish::new(Message::new(Topic::new("t").unwrap(), vec![0; bytes]), None))
    };
    let mut out = BytesMut::new();
    // Two bytes of header, three of topic, one of properties.
    assert_eq!(codec.encode(&publish(15), &mut out), Err(TooLarge));
    assert!(out.is_empty());
    assert_eq!(codec.encode(&publish(14), &mut out), Ok(()));
    assert_eq!(out.len(), 20);
}

/// The crate's decoder reads the properties of this encoder.
#[test]
fn message_properties_round_trip() {
    use crate::broker::packet::{Publish, Reply, Request};
    use crate::device_id::DeviceId;
    use crate::message::{Message, MessageOrigin, Properties};
    use crate::time::WallTime;
    use crate::topic::Topic;

    let topic = || Topic::new("t").unwrap();
    let everything = Properties {
        is_text: true,
        content_type: Some("text/plain".into()),
        response_topic: Some(Topic::new("answers/ä").unwrap()),
        correlation_data: Some(vec![0, 255].into()),
        message_expiry: Some(7),
        user: vec![("unit".into(), "K".into()), (String::new(), "x".repeat(65_535))],
    };
    let sent = WallTime::from_nanos(1_700_000_000_000_000_000);
    let origin = |sequence| MessageOrigin {
        from: DeviceId::new("d-1").unwrap(),
        sequence,
        sent,
        late: std::time::Duration::from_micros(sequence % 11 * 900),
        is_claimed: false,
    };
    let stamps = [None, Some(origin(9)), Some(origin(10)), Some(origin(u64::MAX))];
    let codec = Codec::new(Protocol::V5);
    for origin in stamps {
        for properties in [None, Some(everything.clone())] {
            let message = Message {
                origin: origin.clone().map(std::sync::Arc::new),
                properties: properties.map(Box::new),
                ..Message::new(topic(), "payload")
            };
            let mut out = BytesMut::new();
            codec.encode(&Reply::Publish(Publish::new(message.clone(), None)), &mut out).unwrap();
            if let (None, Some(properties)) = (&message.origin, &message.properties) {
                // Type, length of the packet (3), topic (3), length of the properties (3), and payload.
                assert_eq!(super::properties_len(properties), out.len() - 1 - 3 - 3 - 3 - "payload".len());
            }
            let Ok(Some(Request::Publish(read))) = codec.decode(&mut out) else { panic!("no PUBLISH") };
            assert_eq!(read.message, message);
            assert!(out.is_empty());
        }
    }
    let too_long = Properties { user: vec![("x".repeat(65_536), String::new())], ..Properties::default() };
    let message = Message { properties: Some(Box::new(too_long)), ..Message::new(topic(), "") };
    let mut out = BytesMut::new();
    assert_eq!(codec.encode(&Reply::Publish(Publish::new(message, None)), &mut out), Err(TooLarge));
    assert!(out.is_empty());
}

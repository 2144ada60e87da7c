//! Frames: decoder and encoder.

use std::fmt;
use std::io::Cursor;

use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{CloseCode, Control, Data, OpCode};

use super::quoted;

/// Maximum length of a header, in bytes.
const MAX_HEADER: usize = 14;
/// Maximum payload of a control frame, in bytes (RFC 6455, section 5.5).
const MAX_CONTROL: u64 = 125;
/// Largest frame that is accepted: twice the largest MQTT packet, in bytes.
const MAX_FRAME: u64 = 512 << 20;

/// Maximum payload of a data frame that is sent, in bytes.
pub(crate) const MAX_PAYLOAD: usize = 64 << 10;
/// Number of unsent bytes above which a ping gets no answer.
pub(crate) const MAX_UNSENT: usize = 4 << 10;

/// Key of a masked frame.
pub(crate) type Mask = [u8; 4];

/// End of a connection that receives frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Client,
    Server,
}

/// Frame that RFC 6455 or MQTT does not permit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FrameError {
    /// MQTT uses binary frames [MQTT-6.0.0-1].
    Text,
    /// Frames of a server are not masked, and those of a client are.
    Mask(Side),
    ReservedBits,
    OpCode(u8),
    /// A control frame is too long or fragmented.
    Control,
    /// A continuation without a beginning, or another beginning before the end.
    Fragment,
    TooLarge(u64),
}

impl fmt::Display for FrameError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text => write!(
                out,
                "it sent a text frame, and MQTT uses binary frames [MQTT-6.0.0-1]; check that the path in the URL is \
                 that of an MQTT broker"
            ),
            Self::Mask(Side::Client) => write!(out, "it sent a masked frame, which only clients may send"),
            Self::Mask(Side::Server) => {
                write!(out, "it sent a frame without a mask, which only servers may send")
            }
            Self::ReservedBits => {
                write!(
                    out,
                    "it sent a frame with reserved bits, such as a compressed one; no extension was agreed on"
                )
            }
            Self::OpCode(code) => write!(out, "it sent a frame of the unknown kind {code:#x}"),
            Self::Control => {
                write!(out, "it sent a control frame of more than {MAX_CONTROL} bytes, or in fragments")
            }
            Self::Fragment => write!(out, "it sent fragments of messages in the wrong order"),
            Self::TooLarge(length) => {
                let most = MAX_FRAME >> 20;
                write!(
                    out,
                    "it announced a frame of {length} bytes; the largest MQTT packet has 256 MiB, and a frame here {most} MiB"
                )
            }
        }
    }
}

/// Close frame of the peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Close {
    code: Option<u16>,
    reason: String,
}

impl fmt::Display for Close {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(code) = self.code else { return out.write_str("without a code") };
        let meaning = match CloseCode::from(code) {
            CloseCode::Normal => " (normal)",
            CloseCode::Away => " (going away)",
            CloseCode::Protocol => " (protocol error)",
            CloseCode::Unsupported => " (unsupported data)",
            CloseCode::Invalid => " (invalid data)",
            CloseCode::Policy => " (policy violation)",
            CloseCode::Size => " (message too big)",
            CloseCode::Extension => " (extension expected)",
            CloseCode::Error => " (internal error)",
            CloseCode::Restart => " (restart)",
            CloseCode::Again => " (try again later)",
            _ => "",
        };
        write!(out, "with the code {code}{meaning}")?;
        if self.reason.is_empty() { Ok(()) } else { write!(out, ": {}", self.reason) }
    }
}

impl Close {
    fn new(payload: &[u8]) -> Self {
        let code = payload.first_chunk().map(|code| u16::from_be_bytes(*code));
        Self { code, reason: quoted(payload.get(2..).unwrap_or_default()) }
    }
}

/// Control frames among decoded bytes.
#[derive(Debug, Default)]
pub(crate) struct Controls {
    /// Payload of the newest ping, which is the only one that needs an answer (RFC 6455, section 5.5.3).
    pub(crate) ping: Option<Vec<u8>>,
    /// Close frame; nothing follows it.
    pub(crate) close: Option<Close>,
}

/// Decoder of the frames of one peer.
#[derive(Debug)]
pub(crate) struct Decoder {
    side: Side,
    /// Beginning of a header that is not complete.
    header: [u8; MAX_HEADER],
    header_length: u8,
    frame: Option<Frame>,
    /// A data message has begun and not ended.
    is_fragmented: bool,
    /// Payload of a control frame that is not complete.
    control: Vec<u8>,
    is_closed: bool,
}

/// Frame whose payload is being received.
#[derive(Clone, Copy, Debug)]
struct Frame {
    control: Option<Control>,
    left: u64,
    mask: Option<Mask>,
}

impl Decoder {
    pub(crate) fn new(side: Side) -> Self {
        Self {
            side,
            header: [0; MAX_HEADER],
            header_length: 0,
            frame: None,
            is_fragmented: false,
            control: Vec::new(),
            is_closed: false,
        }
    }

    /// Decodes bytes of the peer, which may begin and end anywhere in a frame, and appends the payload of data frames to
    /// `data`. Payload before an error is in `data`.
    pub(crate) fn decode(&mut self, mut bytes: &[u8], data: &mut Vec<u8>) -> Result<Controls, FrameError> {
        let mut controls = Controls::default();
        while !self.is_closed {
            let Some(frame) = &mut self.frame else {
                match self.read_header(&mut bytes)? {
                    true => continue,
                    false => break,
                }
            };
            let length = usize::try_from(frame.left).unwrap_or(usize::MAX).min(bytes.len());
            let (payload, rest) = bytes.split_at(length);
            bytes = rest;
            frame.left -= length as u64;
            let into = if frame.control.is_some() { &mut self.control } else { &mut *data };
            let start = into.len();
            into.extend_from_slice(payload);
            if let Some(mask) = &mut frame.mask {
                apply_mask(&mut into[start..], *mask);
                mask.rotate_left(length % 4);
            }
            if frame.left > 0 {
                break;
            }
            match self.frame.take().and_then(|frame| frame.control) {
                Some(Control::Ping) => controls.ping = Some(std::mem::take(&mut self.control)),
                Some(Control::Close) => {
                    controls.close = Some(Close::new(&self.control));
                    self.is_closed = true;
                }
                _ => {}
            }
            // An idle connection holds no buffer.
            self.control = Vec::new();
        }
        Ok(controls)
    }

    /// Reads a header from the front of `bytes`. Returns whether it is complete.
    fn read_header(&mut self, bytes: &mut &[u8]) -> Result<bool, FrameError> {
        let known = usize::from(self.header_length);
        let added = bytes.len().min(MAX_HEADER - known);
        self.header[known..known + added].copy_from_slice(&bytes[..added]);
        let mut cursor = Cursor::new(&self.header[..known + added]);
        match FrameHeader::parse(&mut cursor) {
            Ok(Some((header, length))) => {
                let used = usize::try_from(cursor.position()).unwrap_or(MAX_HEADER);
                *bytes = &bytes[used - known..];
                self.header_length = 0;
                self.begin(&header, length).map(|()| true)
            }
            Ok(None) => {
                *bytes = &[];
                self.header_length += added as u8;
                Ok(false)
            }
            Err(_) => Err(FrameError::OpCode(self.header[0] & 0x0f)),
        }
    }

    fn begin(&mut self, header: &FrameHeader, length: u64) -> Result<(), FrameError> {
        if header.rsv1 || header.rsv2 || header.rsv3 {
            return Err(FrameError::ReservedBits);
        }
        if header.mask.is_some() != (self.side == Side::Server) {
            return Err(FrameError::Mask(self.side));
        }
        let control = match header.opcode {
            OpCode::Control(control) if header.is_final && length <= MAX_CONTROL => Some(control),
            OpCode::Control(_) => return Err(FrameError::Control),
            OpCode::Data(Data::Text) => return Err(FrameError::Text),
            OpCode::Data(data) => {
                if (data == Data::Continue) != self.is_fragmented {
                    return Err(FrameError::Fragment);
                }
                self.is_fragmented = !header.is_final;
                None
            }
        };
        if length > MAX_FRAME {
            return Err(FrameError::TooLarge(length));
        }
        self.frame = Some(Frame { control, left: length, mask: header.mask });
        Ok(())
    }
}

/// Kind of a frame to be sent.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Binary,
    Pong,
    Close,
}

/// Appends one frame to `out`. A client masks its frames.
pub(crate) fn encode(kind: Kind, payload: &[u8], mask: Option<Mask>, out: &mut Vec<u8>) {
    let opcode = match kind {
        Kind::Binary => OpCode::Data(Data::Binary),
        Kind::Pong => OpCode::Control(Control::Pong),
        Kind::Close => OpCode::Control(Control::Close),
    };
    let header = FrameHeader { opcode, mask, ..FrameHeader::default() };
    out.reserve(MAX_HEADER + payload.len());
    // Writing to memory does not fail.
    let _ = header.format(payload.len() as u64, out);
    let start = out.len();
    out.extend_from_slice(payload);
    if let Some(mask) = mask {
        apply_mask(&mut out[start..], mask);
    }
}

/// Close frame for a normal end (RFC 6455, section 7.4.1).
pub(crate) const NORMAL_CLOSE: [u8; 2] = 1000_u16.to_be_bytes();

fn apply_mask(bytes: &mut [u8], mask: Mask) {
    let (words, rest) = bytes.as_chunks_mut::<4>();
    for word in words {
        *word = (u32::from_ne_bytes(*word) ^ u32::from_ne_bytes(mask)).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(mask) {
        *byte ^= key;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Decodes bytes that arrive in pieces of this size.
    fn decode(side: Side, bytes: &[u8], piece: usize) -> (Vec<u8>, Result<Controls, FrameError>) {
        let (mut decoder, mut data, mut all) = (Decoder::new(side), Vec::new(), Controls::default());
        for piece in bytes.chunks(piece) {
            match decoder.decode(piece, &mut data) {
                Ok(Controls { ping, close }) => {
                    all.ping = ping.or(all.ping);
                    all.close = close.or(all.close);
                }
                Err(error) => return (data, Err(error)),
            }
        }
        assert!(decoder.control.capacity() == 0 || decoder.is_closed, "an idle decoder holds no buffer");
        (data, Ok(all))
    }

    #[test]
    fn frames_are_decoded_in_pieces_of_any_size() {
        let payloads = [vec![], vec![1; 3], vec![2; 125], vec![3; 126], vec![4; 65_535], vec![5; 65_536]];
        for (side, mask) in [(Side::Client, None), (Side::Server, Some([1, 2, 3, 250]))] {
            let mut bytes = Vec::new();
            for payload in &payloads {
                encode(Kind::Binary, payload, mask, &mut bytes);
                encode(Kind::Pong, b"unasked", mask, &mut bytes);
            }
            encode(Kind::Close, b"\x03\xf0w\nhy", mask, &mut bytes);
            encode(Kind::Binary, b"after the end", mask, &mut bytes);
            for piece in [1, 2, 3, 5, 13, 1_000, usize::MAX] {
                let (data, controls) = decode(side, &bytes, piece);
                assert!(data == payloads.concat(), "{side:?}, pieces of {piece}");
                let close = controls.unwrap().close.unwrap();
                assert_eq!(close.to_string(), "with the code 1008 (policy violation): w\\nhy");
            }
        }
    }

    #[test]
    fn a_ping_between_fragments_is_reported_and_joins_nothing() {
        let bytes = b"\x02\x02ab\x89\x03one\x00\x01c\x89\x03two\x80\x02de";
        for piece in [1, 4, 100] {
            let (data, controls) = decode(Side::Client, bytes, piece);
            assert_eq!(
                (data.as_slice(), controls.unwrap().ping.as_deref()),
                (&b"abcde"[..], Some(&b"two"[..]))
            );
        }
    }

    #[test]
    fn what_the_standard_forbids_is_an_error_after_the_bytes_before_it() {
        let cases: [(&[u8], FrameError); 12] = [
            (b"\x81\x02hi", FrameError::Text),
            (b"\x01\x02hi", FrameError::Text),
            (b"\x82\x82\x00\x00\x00\x00hi", FrameError::Mask(Side::Client)),
            (b"\xc2\x02hi", FrameError::ReservedBits),
            (b"\x83\x00", FrameError::OpCode(3)),
            (b"\x8b\x00", FrameError::OpCode(11)),
            (b"\x09\x00", FrameError::Control),
            (b"\x89\x7e\x00\x7e", FrameError::Control),
            (b"\x80\x00", FrameError::Fragment),
            (b"\x02\x00\x82\x00", FrameError::Fragment),
            (b"\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff", FrameError::TooLarge(u64::MAX)),
            (b"\x82\x7f\x00\x00\x00\x00\x20\x00\x00\x01", FrameError::TooLarge((512 << 20) + 1)),
        ];
        for (bytes, expected) in cases {
            for piece in [1, 100] {
                let sent = [b"\x82\x02ok", bytes].concat();
                let (data, outcome) = decode(Side::Client, &sent, piece);
                assert_eq!((data.as_slice(), outcome.unwrap_err()), (&b"ok"[..], expected.clone()));
            }
        }
        assert_eq!(decode(Side::Server, b"\x82\x02hi", 9).1.unwrap_err(), FrameError::Mask(Side::Server));
    }
}

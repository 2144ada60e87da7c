//! Negative answers of a broker: packets with a reason code that is an error [MQTT-2.4].

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::reason_text;

/// Packet type with a reason code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AnswerPacket {
    /// CONNACK: answer to CONNECT.
    ConnAck,
    /// PUBACK: answer to PUBLISH at QoS 1.
    PubAck,
    /// PUBREC: answer to PUBLISH at QoS 2.
    PubRec,
    /// PUBREL: answer to PUBREC.
    PubRel,
    /// PUBCOMP: answer to PUBREL.
    PubComp,
    /// SUBACK: answer to SUBSCRIBE.
    SubAck,
    /// UNSUBACK: answer to UNSUBSCRIBE.
    UnsubAck,
    /// DISCONNECT of the broker.
    Disconnect,
    /// AUTH of the broker.
    Auth,
}

impl AnswerPacket {
    const ALL: [Self; 9] = [
        Self::ConnAck,
        Self::PubAck,
        Self::PubRec,
        Self::PubRel,
        Self::PubComp,
        Self::SubAck,
        Self::UnsubAck,
        Self::Disconnect,
        Self::Auth,
    ];

    /// Name of the packet type in the standard, such as `PUBACK`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ConnAck => "CONNACK",
            Self::PubAck => "PUBACK",
            Self::PubRec => "PUBREC",
            Self::PubRel => "PUBREL",
            Self::PubComp => "PUBCOMP",
            Self::SubAck => "SUBACK",
            Self::UnsubAck => "UNSUBACK",
            Self::Disconnect => "DISCONNECT",
            Self::Auth => "AUTH",
        }
    }
}

/// Packet type and reason code of an answer. The text is such as `PUBACK 0x87 not authorized`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AnswerCode {
    /// Packet type.
    pub packet: AnswerPacket,
    /// Reason code on the wire. Codes of CONNACK from 1 to 5 are those of MQTT 3.1.1.
    pub code: u8,
}

impl AnswerCode {
    /// Name of the reason code in words.
    pub const fn name(self) -> &'static str {
        match (self.packet, self.code) {
            (AnswerPacket::ConnAck, 1) => "unacceptable protocol version",
            (AnswerPacket::ConnAck, 2) => "client identifier rejected",
            (AnswerPacket::ConnAck, 3) => "server unavailable",
            (AnswerPacket::ConnAck, 4) => "bad user name or password",
            (AnswerPacket::ConnAck, 5) => "not authorized",
            (AnswerPacket::Disconnect, 0) => "normal disconnection",
            (_, code) => name(code),
        }
    }

    /// Whether this is the end of a connection for which the broker blames a packet of the client, so that the same
    /// packet would end the next connection too.
    pub const fn blames_packet(self) -> bool {
        let by_code = matches!(self.code, 0x80..=0x83 | 0x87 | 0x90 | 0x94 | 0x95 | 0x99..=0x9B);
        by_code && matches!(self.packet, AnswerPacket::Disconnect)
    }

    /// Reason code in hexadecimal, such as `0x87`.
    pub fn hex(self) -> String {
        format!("0x{:02X}", self.code)
    }
}

/// Names of section 2.4 of MQTT 5.
const fn name(code: u8) -> &'static str {
    match code {
        0x00 => "success",
        0x04 => "disconnect with will message",
        0x10 => "no matching subscribers",
        0x11 => "no subscription existed",
        0x18 => "continue authentication",
        0x19 => "re-authenticate",
        0x80 => "unspecified error",
        0x81 => "malformed packet",
        0x82 => "protocol error",
        0x83 => "implementation specific error",
        0x84 => "unsupported protocol version",
        0x85 => "client identifier not valid",
        0x86 => "bad user name or password",
        0x87 => "not authorized",
        0x88 => "server unavailable",
        0x89 => "server busy",
        0x8A => "banned",
        0x8B => "server shutting down",
        0x8C => "bad authentication method",
        0x8D => "keep alive timeout",
        0x8E => "session taken over",
        0x8F => "topic filter invalid",
        0x90 => "topic name invalid",
        0x91 => "packet identifier in use",
        0x92 => "packet identifier not found",
        0x93 => "receive maximum exceeded",
        0x94 => "topic alias invalid",
        0x95 => "packet too large",
        0x96 => "message rate too high",
        0x97 => "quota exceeded",
        0x98 => "administrative action",
        0x99 => "payload format invalid",
        0x9A => "retain not supported",
        0x9B => "QoS not supported",
        0x9C => "use another server",
        0x9D => "server moved",
        0x9E => "shared subscriptions not supported",
        0x9F => "connection rate exceeded",
        0xA0 => "maximum connect time",
        0xA1 => "subscription identifiers not supported",
        0xA2 => "wildcard subscriptions not supported",
        _ => "unknown reason",
    }
}

impl fmt::Display for AnswerCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} 0x{:02X} {}", self.packet.as_str(), self.code, self.name())
    }
}

/// The text is not that of an [`AnswerCode`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a packet type and a reason code, such as `PUBACK 0x87 not authorized`")]
pub struct InvalidAnswerCode;

impl FromStr for AnswerCode {
    type Err = InvalidAnswerCode;

    /// Reads the text of an answer. The name of the code is optional and not compared.
    fn from_str(text: &str) -> Result<Self, InvalidAnswerCode> {
        let mut words = text.split(' ');
        let packet =
            words.next().and_then(|name| AnswerPacket::ALL.into_iter().find(|it| it.as_str() == name));
        let code = words.next().and_then(|word| word.strip_prefix("0x"));
        let code = code.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        Ok(Self { packet: packet.ok_or(InvalidAnswerCode)?, code: code.ok_or(InvalidAnswerCode)? })
    }
}

/// Negative answer of a broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NegativeAnswer {
    /// Packet type and reason code.
    pub code: AnswerCode,
    /// Reason String of the packet, as the broker sent it. It may contain control characters.
    pub reason_string: Option<Arc<str>>,
}

impl NegativeAnswer {
    /// An answer without a Reason String.
    pub fn new(packet: AnswerPacket, code: u8) -> Self {
        Self { code: AnswerCode { packet, code }, reason_string: None }
    }

    /// Adds the Reason String, if there is one.
    pub fn with_reason_string(self, reason_string: Option<Arc<str>>) -> Self {
        Self { reason_string, ..self }
    }
}

impl fmt::Display for NegativeAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)?;
        match &self.reason_string {
            Some(text) => write!(f, ": {text}"),
            None => Ok(()),
        }
    }
}

/// End of a connection, or failure of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disconnection {
    /// Reason as text, without the code and the Reason String of the answer.
    pub reason: String,
    /// Answer with which the broker refused or ended the connection, if there was one.
    pub answer: Option<NegativeAnswer>,
    /// Whether the broker closed the accepted connection without an answer, perhaps because of a packet.
    pub is_unexplained: bool,
}

impl Disconnection {
    /// A connection that the broker refused or ended.
    pub fn by_broker(reason: impl Into<String>, answer: NegativeAnswer) -> Self {
        Self { reason: reason.into(), answer: Some(answer), is_unexplained: false }
    }

    /// An accepted connection that the broker closed without an answer.
    pub fn unexplained(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), answer: None, is_unexplained: true }
    }

    /// Names the broker's address in the reason.
    pub fn at(self, address: &str) -> Self {
        Self { reason: reason_text::at(address, self.reason), ..self }
    }

    /// Text for behaviours: the reason, with the Reason String in parentheses.
    pub fn to_behaviour(&self) -> String {
        match self.answer.as_ref().and_then(|answer| answer.reason_string.as_ref()) {
            Some(text) => format!("{} ({text})", self.reason),
            None => self.reason.clone(),
        }
    }
}

impl From<String> for Disconnection {
    fn from(reason: String) -> Self {
        Self { reason, answer: None, is_unexplained: false }
    }
}

impl From<&str> for Disconnection {
    fn from(reason: &str) -> Self {
        reason.to_owned().into()
    }
}

/// The reason, the packet type with its code, and the Reason String.
impl fmt::Display for Disconnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)?;
        let Some(NegativeAnswer { code, reason_string }) = &self.answer else { return Ok(()) };
        write!(f, " ({} 0x{:02X})", code.packet.as_str(), code.code)?;
        match reason_string {
            Some(text) => write!(f, ": {text}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_named_by_packet_number_and_words() {
        let answer = NegativeAnswer::new(AnswerPacket::PubAck, 0x87);
        assert_eq!(answer.to_string(), "PUBACK 0x87 not authorized");
        let explained = answer.with_reason_string(Some("no right to write".into()));
        assert_eq!(explained.to_string(), "PUBACK 0x87 not authorized: no right to write");
        let ended =
            NegativeAnswer::new(AnswerPacket::Disconnect, 0x97).with_reason_string(Some("slow".into()));
        let ended = Disconnection::by_broker("the broker ended the connection: quota exceeded", ended);
        assert_eq!(
            ended.to_string(),
            "the broker ended the connection: quota exceeded (DISCONNECT 0x97): slow"
        );
        assert_eq!(ended.to_behaviour(), "the broker ended the connection: quota exceeded (slow)");
    }

    #[test]
    fn codes_of_both_versions_have_names() {
        let named = |packet, code| AnswerCode { packet, code }.name();
        assert_eq!(named(AnswerPacket::ConnAck, 5), "not authorized");
        assert_eq!(named(AnswerPacket::ConnAck, 0x87), "not authorized");
        assert_eq!(named(AnswerPacket::SubAck, 0x80), "unspecified error");
        for code in 0x80..=0xA2 {
            assert_ne!(name(code), "unknown reason", "0x{code:02X}");
        }
    }

    #[test]
    fn the_text_of_every_answer_is_read_back() {
        for packet in AnswerPacket::ALL {
            for code in 0..=u8::MAX {
                let answer = AnswerCode { packet, code };
                assert_eq!(answer.to_string().parse(), Ok(answer));
            }
        }
        for text in ["", "PUBACK", "PUBACK 87", "PUBLISH 0x87", "PUBACK 0x100"] {
            assert_eq!(text.parse::<AnswerCode>(), Err(InvalidAnswerCode), "{text}");
        }
    }
}

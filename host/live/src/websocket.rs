//! WebSocket (RFC 6455) below MQTT [MQTT-6.0.0], without I/O, for devices and for the embedded broker.
//!
//! * `handshake`: the HTTP upgrade of a client. `upgrade`: that of the embedded broker. `frames`: decoder and encoder.
//!
//! # Use of libraries
//!
//! The layout of frame headers comes from `tungstenite`, and that of HTTP heads from `httparse`. The connection of
//! `tungstenite` is not used: it has buffers for each connection, and assembles each message before it hands it out.
//! Here the sockets of a shard share their buffers, and the bytes of a frame reach MQTT as they arrive, so a frame of
//! any length takes no memory. MQTT packets need not be aligned with frames [MQTT-6.0.0-2].

pub(crate) mod frames;
pub(crate) mod handshake;
pub(crate) mod upgrade;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

/// Subprotocol of MQTT [MQTT-6.0.0-3].
const SUBPROTOCOL: &str = "mqtt";
/// Largest head of an HTTP message, in bytes.
const MAX_HEAD: usize = 16 << 10;
/// Maximum number of header fields of an HTTP message.
const MAX_FIELDS: usize = 100;

/// Value of `Sec-WebSocket-Accept` for a key (RFC 6455, section 4.2.2).
fn accept_value(key: &str) -> String {
    let text = format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes()))
}

/// Whether a header that is a list contains this token, in any case.
fn has_token(value: &[u8], token: &str) -> bool {
    value.split(|byte| *byte == b',').any(|part| part.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
}

/// Text of a peer for an error message: at most 200 characters, without control characters.
fn quoted(text: &[u8]) -> String {
    const MAX: usize = 200;
    let text = String::from_utf8_lossy(text);
    let shown: String = text.trim().chars().take(MAX).flat_map(char::escape_debug).collect();
    if text.chars().count() > MAX { format!("{shown}…") } else { shown }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_accept_value_is_that_of_the_standard() {
        // RFC 6455, section 1.3.
        assert_eq!(accept_value("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn text_of_a_peer_is_short_and_printable() {
        assert_eq!(quoted(b" not\x1b[31mred\r\nx \xff "), "not\\u{1b}[31mred\\r\\nx \u{fffd}");
        assert_eq!(quoted(&[b'x'; 1_000]).chars().count(), 201);
    }
}

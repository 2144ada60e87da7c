//! Binary payloads of messages: Base64 in texts, and files.

use std::io::Read;
use std::path::Path;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;

use crate::regular_file;

/// Maximum size of a payload from a file.
const MAX_BYTES: u64 = 16 << 20;

/// The usual alphabet, with or without `=` at the end.
const DECODER: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Decodes bytes in Base64.
pub fn decode(text: &str) -> Result<Bytes, String> {
    let decoded = DECODER.decode(text.trim_ascii());
    decoded.map(Bytes::from).map_err(|problem| format!("no bytes in Base64 (RFC 4648): {problem}"))
}

/// Encodes bytes in Base64.
pub fn encode(bytes: &[u8]) -> String {
    DECODER.encode(bytes)
}

/// Reads a payload from a file, whose path is relative to `folder`.
pub fn read(path: &str, folder: &Path) -> Result<Bytes, String> {
    let wrong = |problem: &dyn std::fmt::Display| format!("cannot use the file `{path}`: {problem}");
    let file = regular_file::open(&folder.join(path)).map_err(|problem| wrong(&problem))?;
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(|problem| wrong(&problem))?;
    match bytes.len() as u64 {
        0..=MAX_BYTES => Ok(bytes.into()),
        _ => Err(wrong(&format_args!("a payload may have {} MiB, and it has more", MAX_BYTES >> 20))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_read_with_and_without_padding() {
        for text in ["AP8Q", "AA==", "AA", " //79 ", ""] {
            let bytes = decode(text).unwrap();
            assert_eq!(encode(&bytes).trim_end_matches('='), text.trim().trim_end_matches('='));
        }
        for text in ["A", "AA=A", "caf\u{e9}", "AP_-", "a b"] {
            let problem = decode(text).unwrap_err();
            assert!(problem.starts_with("no bytes in Base64 (RFC 4648): "), "{problem}");
        }
    }

    #[test]
    fn a_file_that_cannot_be_used_is_named() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("small"), [0, 255]).unwrap();
        std::fs::File::create(folder.path().join("large")).unwrap().set_len((16 << 20) + 1).unwrap();
        assert_eq!(read("small", folder.path()).unwrap(), [0, 255][..]);
        for (name, words) in
            [("large", "may have 16 MiB"), ("none", "No such file"), ("/dev/zero", "a device file")]
        {
            let problem = read(name, folder.path()).unwrap_err();
            assert!(problem.starts_with(&format!("cannot use the file `{name}`: ")), "{problem}");
            assert!(problem.contains(words), "{problem}");
        }
    }
}

//! Signatures of components by minisign.
//!
//! A signature is for the unpacked component, so it stays valid when the component is packed with gzip, pushed to a registry
//! or sent in a request.

use minisign_verify::{PublicKey, Signature};

use crate::error::SignatureError;

/// Extension of the file that holds the signature of another file.
pub const EXTENSION: &str = ".minisig";
/// Annotation of a manifest in a registry that holds the signature.
pub const ANNOTATION: &str = "io.wasmote.minisig";
/// Most bytes of a signature or of a key. minisign bounds comments to 1 KiB each.
pub const MAX_BYTES: usize = 4 << 10;

/// A public key of minisign, by which behaviours must be signed.
#[derive(Clone, Debug)]
pub struct BehaviourKey(PublicKey);

impl BehaviourKey {
    /// Parses a key: its text, or the content of a file of `minisign -G`, whose last line is the text.
    pub fn parse(text: &str) -> Option<Self> {
        let last = text.lines().map(str::trim).rfind(|line| !line.is_empty())?;
        PublicKey::from_base64(last).ok().map(Self)
    }

    /// Checks that this key has signed these bytes.
    ///
    /// # Errors
    /// There is no signature, or it is for other bytes or by another key. `expected` says where one should be.
    pub fn check(&self, bytes: &[u8], signature: Option<&str>, expected: &str) -> Result<(), SignatureError> {
        let text = signature.ok_or_else(|| SignatureError::Missing { expected: expected.to_owned() })?;
        if text.len() > MAX_BYTES {
            return Err(SignatureError::Malformed(format!("it has more than {MAX_BYTES} bytes")));
        }
        let signature =
            Signature::decode(text).map_err(|problem| SignatureError::Malformed(problem.to_string()))?;
        self.0.verify(bytes, &signature, false).map_err(|problem| SignatureError::Wrong(problem.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by minisign 0.11 for the text `component`.
    const KEY: &str = "RWTgPPpE/nFX63+bfAZTeVqWODmYkOFCZSB7WMbVGXLkk60rTcbdWOJE";
    const SIGNATURE: &str = "untrusted comment: signature from minisign secret key\n\
        RUTgPPpE/nFX6wALj3Af6v47/F5CM4ByZ82eCXIqFmpwKjSe9dbQRHJuN3k69BtFPk93rkKwPlTDF5+6tebelRDzT4yaJZd9Hgo=\n\
        trusted comment: timestamp:1796085374\tfile:c\thashed\n\
        eq+vot6UCGXUxeqM4BhOtzy6oAOwJy3Fp1Gi6ijqEIZagEXqkbDe33Alo5YXCxNsLEmHMe3KDPQ9weTVsPQeDA==";

    #[test]
    fn a_signature_is_for_its_bytes_and_by_its_key() {
        let key = BehaviourKey::parse(KEY).unwrap();
        key.check(b"component", Some(SIGNATURE), "").unwrap();
        let refused =
            |bytes: &[u8], signature| key.check(bytes, signature, "beside it").unwrap_err().to_string();
        assert!(refused(b"component!", Some(SIGNATURE)).contains("not by the key"));
        assert!(refused(b"component", None).ends_with("put the signature beside it"));
        assert!(refused(b"component", Some("nonsense")).contains("cannot be read"));
        assert!(refused(b"component", Some(&"x".repeat(MAX_BYTES + 1))).contains("more than 4096 bytes"));
        let other = BehaviourKey::parse("RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3");
        let problem = other.unwrap().check(b"component", Some(SIGNATURE), "").unwrap_err();
        assert!(matches!(problem, SignatureError::Wrong(_)), "{problem}");
    }

    #[test]
    fn a_key_is_its_text_or_a_file_of_minisign() {
        assert!(BehaviourKey::parse(&format!("untrusted comment: a\n{KEY}\n")).is_some());
        for text in ["", "untrusted comment: a\n", "RWQnonsense"] {
            assert!(BehaviourKey::parse(text).is_none(), "{text}");
        }
    }
}

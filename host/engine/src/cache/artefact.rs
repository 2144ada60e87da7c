//! What is in a file: a line of words, the hash of the component, the hash of the code, the code.

use sha2::{Digest, Sha256};

use super::private_dir::TrustedBytes;

const MAGIC: &[u8] = b"wasmote compiled component 1\n";
const HASH_LEN: usize = 32;
const HEADER_LEN: usize = MAGIC.len() + 2 * HASH_LEN;

/// Compiled code, to be written.
pub(super) struct Artefact<'a> {
    /// SHA-256 of the component that it was compiled from.
    pub(super) component: [u8; HASH_LEN],
    /// What wasmtime made of it.
    pub(super) code: &'a [u8],
}

impl Artefact<'_> {
    pub(super) fn encode(&self) -> Vec<u8> {
        [MAGIC, &self.component, &Sha256::digest(self.code), self.code].concat()
    }
}

/// What is wrong with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArtefactError {
    /// It does not begin as it should, or ends within its head.
    #[error("it is no compiled component")]
    NotAnArtefact,
    /// It has been renamed.
    #[error("it is of another component")]
    WrongComponent,
    /// It was cut short, or a bit of it has turned.
    #[error("it is damaged or incomplete")]
    Damaged,
}

/// Code that this program wrote and nobody has changed since. There is no way to one but [`verify`].
pub(super) struct VerifiedCode(Vec<u8>);

impl VerifiedCode {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0[HEADER_LEN..]
    }
}

/// Check what was read from a file of ours.
pub(super) fn verify(file: TrustedBytes, component: &[u8; HASH_LEN]) -> Result<VerifiedCode, ArtefactError> {
    let bytes = file.into_bytes();
    let (magic, rest) = bytes.split_at_checked(MAGIC.len()).ok_or(ArtefactError::NotAnArtefact)?;
    if magic != MAGIC || rest.len() < 2 * HASH_LEN {
        return Err(ArtefactError::NotAnArtefact);
    }
    let (of, rest) = rest.split_at(HASH_LEN);
    let (hash, code) = rest.split_at(HASH_LEN);
    if of != component {
        return Err(ArtefactError::WrongComponent);
    }
    if hash != Sha256::digest(code).as_slice() {
        return Err(ArtefactError::Damaged);
    }
    Ok(VerifiedCode(bytes))
}

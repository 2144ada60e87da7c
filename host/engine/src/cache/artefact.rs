//! File format of compiled code: a magic line, the hash of the component, the hash of the code, the code.

use sha2::{Digest, Sha256};

use super::private_dir::TrustedBytes;

const MAGIC: &[u8] = b"wasmote compiled component 1\n";
const HASH_LEN: usize = 32;
const HEADER_LEN: usize = MAGIC.len() + 2 * HASH_LEN;

/// Compiled code to write.
pub(super) struct Artefact<'a> {
    /// SHA-256 of the source component.
    pub(super) component: [u8; HASH_LEN],
    /// The machine code.
    pub(super) code: &'a [u8],
}

impl Artefact<'_> {
    pub(super) fn encode(&self) -> Vec<u8> {
        [MAGIC, &self.component, &Sha256::digest(self.code), self.code].concat()
    }
}

/// Reason why the content of a file is rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArtefactError {
    /// The file has another magic line, or ends within the header.
    #[error("it is no compiled component")]
    NotAnArtefact,
    /// The file was renamed: its hash is of another component.
    #[error("it is of another component")]
    WrongComponent,
    /// The file is truncated or corrupt.
    #[error("it is damaged or incomplete")]
    Damaged,
}

/// Code that this program wrote and no other user has modified. Only [`verify`] creates it.
pub(super) struct VerifiedCode(Vec<u8>);

impl VerifiedCode {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0[HEADER_LEN..]
    }
}

/// Checks the header and both hashes of a cache file.
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

//! Stub for systems without file owners: it trusts no file and stores none.

use std::io;
use std::path::Path;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    User,
    UserOrRoot,
}

/// Reason why a file or directory is not trusted.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// The system does not report the owner of a file.
    #[error("this system does not report file owners")]
    Unsupported,
}

pub(super) fn user() -> u32 {
    0
}

pub(super) struct TrustedBytes(Vec<u8>);

impl TrustedBytes {
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

pub(super) struct PrivateDir;

impl PrivateDir {
    pub(super) fn open(path: &Path, _owner: Owner) -> Result<Option<Self>, TrustError> {
        if path.exists() { Err(TrustError::Unsupported) } else { Ok(None) }
    }

    pub(super) fn create(_parent: &Path, _path: &Path) -> io::Result<Self> {
        Err(io::Error::other(TrustError::Unsupported))
    }

    pub(super) fn create_readable(_path: &Path) -> io::Result<Result<Self, TrustError>> {
        Ok(Err(TrustError::Unsupported))
    }

    pub(super) fn read(&self, _name: &str, _owner: Owner) -> Result<Option<TrustedBytes>, TrustError> {
        Err(TrustError::Unsupported)
    }

    pub(super) fn write(&self, _name: &str, _bytes: &[u8]) -> io::Result<()> {
        Err(io::Error::other(TrustError::Unsupported))
    }

    pub(super) fn write_readable(&self, _name: &str, _bytes: &[u8]) -> io::Result<()> {
        Err(io::Error::other(TrustError::Unsupported))
    }
}

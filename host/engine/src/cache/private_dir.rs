//! Directories and files that no other user can write to.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::fs::{FileType, Mode, OFlags, Stat, fstat, mkdirat, open, openat, renameat, unlinkat};
use rustix::io::Errno;

/// Largest file that is read.
const MAX_FILE_BYTES: u64 = 512 << 20;

/// Accepted owners of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// The user of this process; other users may not even read the file.
    User,
    /// The user of this process or root; other users may not write to the file.
    UserOrRoot,
}

/// Reason why a file or directory is not trusted.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// The file belongs to another user.
    #[error("it belongs to user {0}")]
    Owner(u32),
    /// Other users may write to the file, or read a private file.
    #[error("its permissions are {0:03o}, which allow access by other users")]
    Permissions(u32),
    /// The file is a symlink, pipe, device or other special file.
    #[error("it is a link or a special file")]
    NotRegular,
    /// The file is larger than any cache file.
    #[error("it is larger than any file that this program writes")]
    TooLarge,
    /// An I/O error.
    #[error("it cannot be read: {0}")]
    Unreadable(io::Error),
}

/// The effective user of this process.
pub(super) fn user() -> u32 {
    rustix::process::geteuid().as_raw()
}

fn check_owner(stat: &Stat, owner: Owner) -> Result<(), TrustError> {
    let (uid, mode) = (stat.st_uid, stat.st_mode & 0o777);
    let (is_owner_trusted, forbidden_bits) = match owner {
        Owner::User => (uid == user(), 0o077),
        Owner::UserOrRoot => (uid == user() || uid == 0, 0o022),
    };
    match (is_owner_trusted, mode & forbidden_bits) {
        (false, _) => Err(TrustError::Owner(uid)),
        (true, 0) => Ok(()),
        (true, _) => Err(TrustError::Permissions(mode)),
    }
}

/// Content of a file that passed the owner checks. Only [`PrivateDir::read`] creates it.
pub(super) struct TrustedBytes(Vec<u8>);

impl TrustedBytes {
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

/// An open directory that passed the owner checks. Later changes of its path have no effect.
pub(super) struct PrivateDir(OwnedFd);

const OPEN_FLAGS: OFlags =
    OFlags::RDONLY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC).union(OFlags::NONBLOCK);

impl PrivateDir {
    /// Opens a directory. `None` if it does not exist.
    pub(super) fn open(path: &Path, owner: Owner) -> Result<Option<Self>, TrustError> {
        let folder = match open(path, OPEN_FLAGS | OFlags::DIRECTORY, Mode::empty()) {
            Ok(folder) => folder,
            Err(Errno::NOENT) => return Ok(None),
            Err(Errno::LOOP | Errno::NOTDIR) => return Err(TrustError::NotRegular),
            Err(error) => return Err(TrustError::Unreadable(error.into())),
        };
        let stat = fstat(&folder).map_err(|error| TrustError::Unreadable(error.into()))?;
        check_owner(&stat, owner)?;
        Ok(Some(Self(folder)))
    }

    /// Opens a private directory within another. Creates both if they do not exist.
    pub(super) fn create(parent: &Path, path: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(parent)?;
        match mkdirat(rustix::fs::CWD, path, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        match Self::open(path, Owner::User) {
            Ok(Some(folder)) => Ok(folder),
            Ok(None) => Err(io::ErrorKind::NotFound.into()),
            Err(error) => Err(io::Error::other(error)),
        }
    }

    /// Opens a directory that others may read. Creates it if it does not exist.
    pub(super) fn create_readable(path: &Path) -> io::Result<Result<Self, TrustError>> {
        if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            std::fs::create_dir_all(parent)?;
        }
        let mode = Mode::RWXU | Mode::RGRP | Mode::XGRP | Mode::ROTH | Mode::XOTH;
        match mkdirat(rustix::fs::CWD, path, mode) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        match Self::open(path, Owner::UserOrRoot) {
            Ok(Some(folder)) => Ok(Ok(folder)),
            Ok(None) => Err(io::ErrorKind::NotFound.into()),
            Err(error) => Ok(Err(error)),
        }
    }

    /// Reads a file. `None` if it does not exist.
    pub(super) fn read(&self, name: &str, owner: Owner) -> Result<Option<TrustedBytes>, TrustError> {
        let unreadable = |error: Errno| TrustError::Unreadable(error.into());
        let file = match openat(&self.0, name, OPEN_FLAGS, Mode::empty()) {
            Ok(file) => file,
            Err(Errno::NOENT) => return Ok(None),
            Err(Errno::LOOP) => return Err(TrustError::NotRegular),
            Err(error) => return Err(unreadable(error)),
        };
        let stat = fstat(&file).map_err(unreadable)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(TrustError::NotRegular);
        }
        check_owner(&stat, owner)?;
        let mut bytes = Vec::new();
        File::from(file).take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(TrustError::Unreadable)?;
        if bytes.len() as u64 > MAX_FILE_BYTES {
            Err(TrustError::TooLarge)
        } else {
            Ok(Some(TrustedBytes(bytes)))
        }
    }

    /// Replaces a private file atomically: concurrent readers see the old content.
    pub(super) fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.write_with(name, bytes, Mode::RUSR | Mode::WUSR)
    }

    /// Replaces a file that others may read, atomically.
    pub(super) fn write_readable(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.write_with(name, bytes, Mode::RUSR | Mode::WUSR | Mode::RGRP | Mode::ROTH)
    }

    fn write_with(&self, name: &str, bytes: &[u8], mode: Mode) -> io::Result<()> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let unique = COUNT.fetch_add(1, Ordering::Relaxed);
        let new = format!("{name}.{}.{unique}", std::process::id());
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = openat(&self.0, &new, flags, mode)?;
        let written = File::from(file).write_all(bytes);
        let result = written.and_then(|()| Ok(renameat(&self.0, &new, &self.0, name)?));
        if result.is_err() {
            // The temporary file may not exist yet.
            let _ = unlinkat(&self.0, &new, rustix::fs::AtFlags::empty());
        }
        result
    }
}

//! Folder of downloaded bytes, by their digest.
//!
//! A file is named after its SHA-256, which is computed again when it is read, so nobody can put other bytes there.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::SystemTime;

use crate::digest::Digest;

/// Most bytes of all files together; the least recently used ones are deleted first.
pub const MAX_BYTES: u64 = 512 << 20;

/// The folder in which the downloads of a user are kept; `None` without a home folder.
pub fn default_dir() -> Option<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let base = variable("XDG_CACHE_HOME").filter(|path| path.is_absolute());
    Some(base.or_else(|| Some(variable("HOME")?.join(".cache")))?.join("wasmote").join("downloads"))
}

/// Cache of downloads.
#[derive(Clone, Debug)]
pub(crate) struct Cache {
    dir: PathBuf,
    limit: u64,
}

impl Cache {
    pub fn new(dir: PathBuf) -> Self {
        Self { dir, limit: MAX_BYTES }
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        self.dir.join(digest.hex())
    }

    /// The bytes with this digest, if they are there and whole.
    pub fn get(&self, digest: &Digest, limit: usize) -> Option<Vec<u8>> {
        let path = self.path(digest);
        let is_fitting = |file: fs::Metadata| file.is_file() && file.len() <= limit as u64;
        fs::symlink_metadata(&path).ok().filter(|file| is_fitting(file.clone()))?;
        let bytes = fs::read(&path).ok()?;
        if Digest::of(&bytes) != *digest {
            tracing::warn!("`{}` is damaged, so it is downloaded again", path.display());
            return None;
        }
        // The time tells which files are used.
        let _ = fs::File::options()
            .append(true)
            .open(&path)
            .and_then(|file| file.set_modified(SystemTime::now()));
        Some(bytes)
    }

    /// Keeps bytes. A failure is only logged, because the bytes are there already.
    pub fn put(&self, digest: &Digest, bytes: &[u8]) {
        if let Err(problem) = self.write(digest, bytes) {
            tracing::warn!(
                "cannot keep a download in `{}`: {problem}; choose another folder with --downloads",
                self.dir.display()
            );
        }
    }

    fn write(&self, digest: &Digest, bytes: &[u8]) -> io::Result<()> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        fs::create_dir_all(&self.dir)?;
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let part = self.dir.join(format!(".{}-{number}.part", std::process::id()));
        let written = fs::write(&part, bytes).and_then(|()| fs::rename(&part, self.path(digest)));
        if written.is_err() {
            let _ = fs::remove_file(&part);
        }
        written?;
        self.prune(&self.path(digest))
    }

    /// Deletes the least recently used files beyond the limit, but not `newest`.
    fn prune(&self, newest: &Path) -> io::Result<()> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            let entry = entry?;
            if let Ok(metadata) = entry.metadata()
                && metadata.is_file()
            {
                let used = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
                files.push((used, entry.path(), metadata.len()));
            }
        }
        files.sort();
        let mut total: u64 = files.iter().map(|(_, _, bytes)| bytes).sum();
        for (_, path, bytes) in files {
            if total <= self.limit {
                break;
            }
            // Another process may have deleted it.
            if path != newest && fs::remove_file(&path).is_ok() {
                total -= bytes;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_found_by_their_digest_and_damaged_ones_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(folder.path().join("new/folder"));
        let digest = Digest::of(b"one");
        assert_eq!(cache.get(&digest, 10), None);
        cache.put(&digest, b"one");
        assert_eq!(cache.get(&digest, 10).as_deref(), Some(&b"one"[..]));
        assert_eq!(cache.get(&digest, 2), None, "it is larger than what is asked for");
        fs::write(cache.path(&digest), "two").unwrap();
        assert_eq!(cache.get(&digest, 10), None, "somebody changed it");
        cache.put(&digest, b"one");
        assert!(cache.get(&digest, 10).is_some());
    }

    #[test]
    fn the_least_recently_used_files_go_first() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache { limit: 8, ..Cache::new(folder.path().to_owned()) };
        let old = |bytes: &[u8], age: u64| {
            cache.put(&Digest::of(bytes), bytes);
            let file = fs::File::options().append(true).open(cache.path(&Digest::of(bytes))).unwrap();
            file.set_modified(SystemTime::now() - std::time::Duration::from_secs(age)).unwrap();
        };
        old(b"aaaa", 30);
        old(b"bbbb", 20);
        assert!(cache.get(&Digest::of(b"aaaa"), 9).is_some(), "now it is the latest");
        cache.put(&Digest::of(b"cccc"), b"cccc");
        let kept = |bytes: &[u8]| cache.get(&Digest::of(bytes), 9).is_some();
        assert!(kept(b"aaaa") && !kept(b"bbbb") && kept(b"cccc"));
        cache.put(&Digest::of(b"more than all"), b"more than all");
        assert!(!kept(b"aaaa") && !kept(b"cccc"));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "the newest one stays");
    }
}

//! Watcher of behaviour files that change while a fleet runs: a developer's build, or a ConfigMap that the kubelet
//! updates by swapping the symlink `..data`.
//!
//! Files are polled twice a second. The stamp of a file is the device, inode, size and modification time of the symlink's
//! target. A poll of a file costs one or two system calls, uses no watch descriptors, and works where notifications do not
//! (network file systems, bind mounts, a symlink three folders away). A changed file is read once its stamp is the same in
//! two polls, so that a half-written build is not loaded, and it is a new version only if its bytes differ. A stamp may miss
//! a change, as after `cp -p` within one clock tick, so the bytes are compared every 30 s as well.
//!
//! In a watched folder, each poll reads the folder and chooses the file again by the rule of the start
//! ([`choose_component`]), because an update of a ConfigMap may give the component another key. A log line reports each
//! change that was seen and not taken.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use sha2::{Digest, Sha256};
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval};

use crate::component_file;
use crate::regular_file;
use crate::source::{Source, SourceError, choose_component, signature_file};
use crate::versions::{NewVersion, UpdateError, Versions};

/// Interval of polls.
const POLL_INTERVAL: Duration = Duration::from_millis(500);
/// Number of polls after which the bytes are compared even if the stamp is unchanged.
const POLLS_PER_HASH: u32 = 60;

/// A watched file and its last known state.
#[derive(Clone, Debug)]
struct WatchedFile {
    behaviour: String,
    /// Folder in which the file is chosen at each poll; `None` if the user named the file.
    folder: Option<PathBuf>,
    path: PathBuf,
    /// Stamp at the last poll; `None` if the file did not exist.
    stamp: Option<FileStamp>,
    /// Stamp of the file with its signature, if there is one.
    signature: Option<FileStamp>,
    /// Whether the bytes with this stamp have been read.
    is_read: bool,
    /// SHA-256 of the bytes that were read last.
    last_hash: Option<[u8; 32]>,
    /// Error of choosing a file in the folder, or of reading the file, that was reported last.
    last_problem: Option<String>,
    polls: u32,
}

/// Change that a poll has seen.
#[derive(Debug)]
enum Change {
    /// Other bytes.
    Bytes(Vec<u8>),
    /// Another date, inode or name, and the same bytes.
    SameBytes,
    /// The file cannot be used.
    Unusable(UpdateError),
}

/// Metadata by which a change of a file is detected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FileStamp {
    file: (u64, u64),
    bytes: u64,
    changed: Option<SystemTime>,
}

impl FileStamp {
    fn of(path: &Path) -> io::Result<Self> {
        let metadata = fs::metadata(path)?;
        #[cfg(unix)]
        let file =
            (std::os::unix::fs::MetadataExt::dev(&metadata), std::os::unix::fs::MetadataExt::ino(&metadata));
        #[cfg(not(unix))]
        let file = (0, 0);
        Ok(Self { file, bytes: metadata.len(), changed: metadata.modified().ok() })
    }
}

/// Watches the files among these sources until the fleet ends, and rolls out new versions of their behaviours.
pub async fn watch(sources: Vec<Source>, versions: Arc<Versions>) {
    let mut files: Vec<WatchedFile> = sources.iter().filter_map(WatchedFile::of).collect();
    let mut polls = interval(POLL_INTERVAL);
    polls.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !files.is_empty() {
        polls.tick().await;
        for file in &mut files {
            if let Some(change) = poll(file).await
                && let Err(UpdateError::Busy(_)) = file.report(change, &versions).await
            {
                // Try again at the next poll.
                (file.is_read, file.last_hash) = (false, None);
            }
        }
    }
}

/// Polls a file on a blocking thread, because file systems may be slow.
async fn poll(file: &mut WatchedFile) -> Option<Change> {
    let mut polling = file.clone();
    let polled = spawn_blocking(move || {
        let change = polling.poll();
        (polling, change)
    });
    let (polled_file, change) = polled.await.ok()?;
    *file = polled_file;
    change
}

impl WatchedFile {
    /// The file of a source; `None` for a built-in behaviour and for a reference.
    fn of(source: &Source) -> Option<Self> {
        let folder = match source.unpinned() {
            Source::Folder { folder, .. } => Some(folder.clone()),
            _ => None,
        };
        Some(Self {
            behaviour: source.name(),
            folder,
            path: source.file()?.to_owned(),
            stamp: None,
            signature: None,
            is_read: false,
            last_hash: None,
            last_problem: None,
            polls: 0,
        })
    }

    /// The change since the last poll, once the file is stable.
    fn poll(&mut self) -> Option<Change> {
        self.polls += 1;
        if let Some(folder) = &self.folder {
            match choose_component(folder) {
                Ok(path) if path == self.path => {}
                Ok(path) => (self.path, self.stamp, self.is_read) = (path, None, false),
                // An empty or unreadable folder may be about to be filled, so it is not reported.
                Err(SourceError::Empty(_) | SourceError::Unreadable { .. }) => {}
                Err(problem) => {
                    self.is_read = false;
                    return self.unusable(problem);
                }
            }
        }
        let stamp = FileStamp::of(&self.path).ok();
        let signature = FileStamp::of(&signature_file(&self.path)).ok();
        let is_stable = stamp.is_some() && stamp == self.stamp && signature == self.signature;
        if !is_stable {
            (self.stamp, self.signature) = (stamp, signature);
            self.is_read = false;
            return None;
        }
        if self.is_read && !self.polls.is_multiple_of(POLLS_PER_HASH) {
            return None;
        }
        let bytes = component_file::read(&self.path);
        if FileStamp::of(&self.path).ok() != stamp {
            return None;
        }
        let was_read = std::mem::replace(&mut self.is_read, true);
        match bytes {
            Err(problem) => self.unusable(problem),
            Ok(bytes) => {
                self.last_problem = None;
                let hash = Sha256::digest(&bytes).into();
                match self.last_hash.replace(hash) {
                    Some(last) if last == hash => (!was_read).then_some(Change::SameBytes),
                    _ => Some(Change::Bytes(bytes)),
                }
            }
        }
    }

    /// A problem, unless it is the one that was reported last.
    fn unusable(&mut self, problem: impl Into<UpdateError>) -> Option<Change> {
        let problem = problem.into();
        let text = problem.to_string();
        (self.last_problem.replace(text.clone()) != Some(text)).then_some(Change::Unusable(problem))
    }

    async fn report(&mut self, change: Change, versions: &Versions) -> Result<(), UpdateError> {
        let source = self.path.display().to_string();
        match change {
            Change::Bytes(bytes) => {
                let signature = regular_file::read_text(&signature_file(&self.path)).ok();
                let version = NewVersion { bytes, source, signature, ..NewVersion::default() };
                let updated = versions.update(&self.behaviour, version).await;
                if let Err(UpdateError::Signature(_)) = updated {
                    // The signature may be written after the component.
                    self.last_hash = None;
                }
                updated.map(drop)
            }
            Change::SameBytes => {
                tracing::info!(
                    "{source} was written again with the same content; the devices keep their version"
                );
                Ok(())
            }
            Change::Unusable(problem) => {
                versions.reject(&self.behaviour, problem, &source);
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Folder(tempfile::TempDir, WatchedFile);

    impl Folder {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let source = Source::File(folder.path().join("b.wasm"));
            Self(folder, WatchedFile::of(&source).unwrap())
        }

        fn write(&self, name: &str, bytes: &str) {
            fs::write(self.0.path().join(name), bytes).unwrap();
        }

        fn polls(&mut self, times: u32) -> Vec<String> {
            let changes = (0..times).filter_map(|_| self.1.poll());
            changes
                .map(|change| match change {
                    Change::Bytes(bytes) => String::from_utf8(bytes).unwrap(),
                    Change::SameBytes => "(same)".into(),
                    Change::Unusable(problem) => format!("error: {problem}"),
                })
                .collect()
        }
    }

    #[test]
    fn a_file_is_read_once_it_is_stable_and_when_its_bytes_change() {
        let mut folder = Folder::new();
        assert!(folder.polls(3).is_empty(), "it does not exist yet");
        folder.write("b.wasm", "one");
        assert!(folder.polls(1).is_empty(), "it may still be written to");
        assert_eq!(folder.polls(5), ["one"]);
        folder.write("b.wasm", "one");
        assert_eq!(folder.polls(5), ["(same)"], "another stamp and the same bytes");
        folder.write("b.wasm", "two and more");
        assert_eq!(folder.polls(5), ["two and more"]);
        fs::remove_file(&folder.1.path).unwrap();
        assert!(folder.polls(5).is_empty());
    }

    #[test]
    #[cfg(unix)]
    fn a_swapped_symlink_is_another_file() {
        use std::os::unix::fs::symlink;
        let mut folder = Folder::new();
        let root = folder.0.path().to_owned();
        for (version, bytes) in [("..1", "one"), ("..2", "two")] {
            fs::create_dir(root.join(version)).unwrap();
            folder.write(&format!("{version}/b.wasm"), bytes);
        }
        symlink("..1", root.join("..data")).unwrap();
        symlink("..data/b.wasm", root.join("b.wasm")).unwrap();
        assert_eq!(folder.polls(3), ["one"]);
        symlink("..2", root.join("..data_tmp")).unwrap();
        fs::rename(root.join("..data_tmp"), root.join("..data")).unwrap();
        assert_eq!(folder.polls(3), ["two"]);
    }

    #[test]
    fn a_watched_folder_follows_a_component_that_gets_another_name() {
        let mut folder = Folder::new();
        folder.write("sensor.wasm.gz", "one");
        folder.1 = WatchedFile::of(&Source::find(".", folder.0.path()).unwrap()).unwrap();
        assert_eq!(folder.polls(3), ["one"]);
        folder.write("sensor.wasm", "two");
        assert_eq!(folder.polls(3), ["two"], "the plain file is chosen before the compressed one");
        folder.write("other.wasm", "three");
        let [problem] = &folder.polls(4)[..] else { panic!("reported once") };
        assert!(
            problem.contains("several `.wasm` files (other.wasm, sensor.wasm, sensor.wasm.gz)"),
            "{problem}"
        );
        fs::remove_file(folder.0.path().join("sensor.wasm")).unwrap();
        fs::remove_file(folder.0.path().join("sensor.wasm.gz")).unwrap();
        assert_eq!(folder.polls(4), ["three"]);
        assert_eq!(folder.1.behaviour, "sensor", "the running behaviour keeps its name");
    }

    #[test]
    #[cfg(unix)]
    fn a_watched_file_that_becomes_a_fifo_is_reported_once_and_does_not_block() {
        use rustix::fs::{CWD, Mode};
        let mut folder = Folder::new();
        folder.write("b.wasm", "one");
        assert_eq!(folder.polls(3), ["one"]);
        fs::remove_file(&folder.1.path).unwrap();
        rustix::fs::mkfifoat(CWD, &folder.1.path, Mode::RUSR | Mode::WUSR).unwrap();
        let found: Vec<_> = (0..2 * POLLS_PER_HASH).filter_map(|_| folder.1.poll()).collect();
        let [Change::Unusable(problem)] = &found[..] else { panic!("{found:?}") };
        assert!(problem.to_string().starts_with("it is a FIFO"), "{problem}");
    }

    #[test]
    fn changed_bytes_under_an_unchanged_stamp_are_found() {
        let mut folder = Folder::new();
        folder.write("b.wasm", "one");
        assert_eq!(folder.polls(3), ["one"]);
        let changed = fs::metadata(&folder.1.path).unwrap().modified().unwrap();
        folder.write("b.wasm", "two");
        fs::File::options().append(true).open(&folder.1.path).unwrap().set_modified(changed).unwrap();
        assert_eq!(folder.polls(POLLS_PER_HASH), ["two"]);
    }
}

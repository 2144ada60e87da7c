//! Behaviours whose files change while a fleet runs: a developer's build, or a ConfigMap that the kubelet
//! updates by swapping the symlink `..data`.
//!
//! Files are looked at twice a second, by what a symlink leads to: device, inode, size and time of change. That
//! costs a system call, needs no limit on watches, and works where notifications do not (network file systems,
//! bind mounts, a symlink three folders away). A changed file is read when it has stayed the same from one look
//! to the next, so that half a build is not taken for a whole one, and it is another version only if its bytes
//! are others. In case a stamp lies, as after `cp -p` within a clock's tick, the bytes are compared every half
//! minute anyway.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use sha2::{Digest, Sha256};
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval};

use crate::component_file::{self, Unpacked};
use crate::source::Source;
use crate::versions::{UpdateError, Versions};

/// How often files are looked at.
const LOOK: Duration = Duration::from_millis(500);
/// Every so many looks the bytes are compared, whatever the stamp says.
const COMPARE: u32 = 60;

/// One file, and what was last seen of it.
#[derive(Clone, Debug)]
struct Watched {
    behaviour: String,
    path: PathBuf,
    /// At the last look, if it was there.
    stamp: Option<Stamp>,
    /// Whether the bytes under this stamp were tried.
    is_tried: bool,
    /// Of the bytes that were tried last.
    tried: Option<[u8; 32]>,
    looks: u32,
}

/// What a file's metadata say of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    file: (u64, u64),
    bytes: u64,
    changed: Option<SystemTime>,
}

impl Stamp {
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

/// Watch the files among these sources, each with the name of its behaviour, until the fleet ends.
pub async fn watch(sources: Vec<Source>, versions: Arc<Versions>) {
    let files = sources.iter().filter_map(|source| match source {
        Source::File(path) => Some(Watched::new(source.name(), path.clone())),
        Source::Builtin(_) => None,
    });
    let mut files: Vec<Watched> = files.collect();
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !files.is_empty() {
        looks.tick().await;
        for file in &mut files {
            if let Some(bytes) = look(file).await
                && let Err(UpdateError::Busy(_)) = file.update(bytes, &versions).await
            {
                // Its turn comes with the next look.
                (file.is_tried, file.tried) = (false, None);
            }
        }
    }
}

/// File systems may be slow, so this is done where nobody waits for the thread.
async fn look(file: &mut Watched) -> Option<Bytes> {
    let mut looking = file.clone();
    let looked = spawn_blocking(move || {
        let bytes = looking.look();
        (looking, bytes)
    });
    let (seen, bytes) = looked.await.ok()?;
    *file = seen;
    bytes
}

/// What a file held, or what is wrong with it.
type Bytes = Result<Vec<u8>, Unpacked>;

impl Watched {
    fn new(behaviour: String, path: PathBuf) -> Self {
        Self { behaviour, path, stamp: None, is_tried: false, tried: None, looks: 0 }
    }

    /// The bytes, if they are settled, and others than those that were tried last.
    fn look(&mut self) -> Option<Bytes> {
        self.looks += 1;
        let stamp = Stamp::of(&self.path).ok();
        let is_settled = stamp.is_some() && stamp == self.stamp;
        if !is_settled {
            self.stamp = stamp;
            self.is_tried = false;
            return None;
        }
        if self.is_tried && !self.looks.is_multiple_of(COMPARE) {
            return None;
        }
        let bytes = component_file::read(&self.path);
        if Stamp::of(&self.path).ok() != stamp {
            return None;
        }
        self.is_tried = true;
        let hash = match &bytes {
            Ok(bytes) => Sha256::digest(bytes).into(),
            Err(problem) => Sha256::digest(problem.to_string()).into(),
        };
        (self.tried.replace(hash) != Some(hash)).then_some(bytes)
    }

    async fn update(&self, bytes: Bytes, versions: &Versions) -> Result<(), UpdateError> {
        let source = self.path.display().to_string();
        match bytes {
            Ok(bytes) => versions.update(&self.behaviour, bytes, &source).await.map(drop),
            Err(problem) => {
                versions.refuse(&self.behaviour, problem, &source);
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Folder(tempfile::TempDir, Watched);

    impl Folder {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("b.wasm");
            Self(folder, Watched::new("b".into(), path))
        }

        fn write(&self, name: &str, bytes: &str) {
            fs::write(self.0.path().join(name), bytes).unwrap();
        }

        fn looks(&mut self, times: u32) -> Vec<String> {
            let seen = (0..times).filter_map(|_| self.1.look());
            seen.map(|bytes| String::from_utf8(bytes.unwrap()).unwrap()).collect()
        }
    }

    #[test]
    fn a_file_is_read_once_it_has_settled_and_again_when_it_holds_something_else() {
        let mut folder = Folder::new();
        assert!(folder.looks(3).is_empty(), "it is not there yet");
        folder.write("b.wasm", "one");
        assert!(folder.looks(1).is_empty(), "it may still be written to");
        assert_eq!(folder.looks(5), ["one"]);
        folder.write("b.wasm", "one");
        assert!(folder.looks(5).is_empty(), "another stamp and the same bytes");
        folder.write("b.wasm", "two and more");
        assert_eq!(folder.looks(5), ["two and more"]);
        fs::remove_file(&folder.1.path).unwrap();
        assert!(folder.looks(5).is_empty());
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
        assert_eq!(folder.looks(3), ["one"]);
        symlink("..2", root.join("..data_tmp")).unwrap();
        fs::rename(root.join("..data_tmp"), root.join("..data")).unwrap();
        assert_eq!(folder.looks(3), ["two"]);
    }

    #[test]
    fn a_stamp_that_lies_is_found_out() {
        let mut folder = Folder::new();
        folder.write("b.wasm", "one");
        assert_eq!(folder.looks(3), ["one"]);
        let changed = fs::metadata(&folder.1.path).unwrap().modified().unwrap();
        folder.write("b.wasm", "two");
        fs::File::options().append(true).open(&folder.1.path).unwrap().set_modified(changed).unwrap();
        assert_eq!(folder.looks(COMPARE), ["two"]);
    }
}

//! Files with recorded data, which all devices of the process share.
//!
//! A file is opened, hashed and scanned once for each format. Devices then read single blocks of it, so the page cache of
//! the system holds what they use. A file that changes later is an error at the next read, because the index and the hash
//! no longer fit it.

use std::collections::BTreeMap;
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use sha2::{Digest, Sha256};
use wasmote_sim::data::{Content, DataFiles, Format, Table};

use crate::sha256::hex;

/// Maximum number of tables that the process keeps for later devices. A device keeps the table that it uses in any case.
const MAX_TABLES: usize = 64;

/// Version of a file: its size and the time of its last change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct FileVersion {
    bytes: u64,
    modified: Option<SystemTime>,
}

impl FileVersion {
    fn of(metadata: &Metadata) -> Self {
        Self { bytes: metadata.len(), modified: metadata.modified().ok() }
    }
}

/// Tables and hashes of the process.
#[derive(Default)]
struct Known {
    tables: BTreeMap<(String, FileVersion, Format), Arc<Table>>,
    hashes: BTreeMap<(String, FileVersion), String>,
}

static KNOWN: Mutex<Option<Known>> = Mutex::new(None);

fn known() -> MutexGuard<'static, Option<Known>> {
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The files of this process.
#[derive(Debug)]
pub struct SharedFiles;

impl DataFiles for SharedFiles {
    fn table(&self, path: &str, pin: Option<&str>, format: &Format) -> Result<Arc<Table>, String> {
        let (file, version) = open(path).map_err(|problem| problem.to_string())?;
        if let Some(pin) = pin {
            check_pin(path, &file, version, pin)?;
        }
        let key = (path.to_owned(), version, format.clone());
        // The lock is held during the scan, so that devices that start together scan the file once.
        let mut known = known();
        let tables = &mut known.get_or_insert_default().tables;
        if let Some(table) = tables.get(&key) {
            return Ok(Arc::clone(table));
        }
        let content = DataFile { path: path.to_owned(), file, version };
        let table = Arc::new(Table::scan(Arc::new(content), format.clone())?);
        if tables.len() >= MAX_TABLES {
            tables.pop_first();
        }
        tables.insert(key, Arc::clone(&table));
        Ok(table)
    }
}

/// The SHA-256 of a file with data.
pub fn sha256_of(path: &Path) -> io::Result<String> {
    let path = path.to_string_lossy();
    let (file, version) = open(&path)?;
    hash(&path, &file, version)
}

fn check_pin(path: &str, file: &File, version: FileVersion, pin: &str) -> Result<(), String> {
    let found = hash(path, file, version).map_err(|problem| problem.to_string())?;
    match found.eq_ignore_ascii_case(pin.strip_prefix("sha256:").unwrap_or(pin)) {
        true => Ok(()),
        false => {
            Err(format!("its SHA-256 is {found}, and the configuration needs {pin}; the file has changed"))
        }
    }
}

fn hash(path: &str, file: &File, version: FileVersion) -> io::Result<String> {
    let key = (path.to_owned(), version);
    if let Some(hash) = known().as_ref().and_then(|known| known.hashes.get(&key).cloned()) {
        return Ok(hash);
    }
    let mut file = file.try_clone()?;
    io::Seek::rewind(&mut file)?;
    let (mut hasher, mut block) = (Sha256::new(), vec![0; 1 << 16]);
    loop {
        match file.read(&mut block)? {
            0 => break,
            read => hasher.update(&block[..read]),
        }
    }
    let hash = hex(&hasher.finalize());
    let mut known = known();
    let hashes = &mut known.get_or_insert_default().hashes;
    if hashes.len() >= MAX_TABLES {
        hashes.pop_first();
    }
    hashes.insert(key, hash.clone());
    Ok(hash)
}

/// Opens a regular file. A FIFO would block the reader, and a device file may have no end.
fn open(path: &str) -> io::Result<(File, FileVersion)> {
    let check = |metadata: &Metadata| match metadata.is_file() {
        true => Ok(()),
        false => Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file")),
    };
    check(&std::fs::metadata(path)?)?;
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    check(&metadata)?;
    Ok((file, FileVersion::of(&metadata)))
}

struct DataFile {
    path: String,
    file: File,
    version: FileVersion,
}

impl Content for DataFile {
    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> Result<usize, String> {
        let wrong = |problem: io::Error| format!("cannot read the file `{}`: {problem}", self.path);
        let version = FileVersion::of(&self.file.metadata().map_err(wrong)?);
        if version != self.version {
            return Err(format!(
                "the file `{}` changed during the run: it had {} bytes when it was opened, and has {} now; start again to use \
                 the new rows",
                self.path, self.version.bytes, version.bytes
            ));
        }
        read_at(&self.file, bytes, offset).map_err(wrong)
    }

    #[cfg(unix)]
    fn warning(&self) -> Option<String> {
        use std::os::unix::fs::MetadataExt;
        let is_gone = self.file.metadata().is_ok_and(|metadata| metadata.nlink() == 0);
        is_gone.then(|| {
            format!(
                "the file `{}` was deleted or replaced during the run; the rows are still those of the old file",
                self.path
            )
        })
    }
}

#[cfg(unix)]
fn read_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
    use std::os::unix::fs::FileExt;
    file.read_at(bytes, offset)
}

#[cfg(not(unix))]
fn read_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut file = file.try_clone()?;
    io::Seek::seek(&mut file, io::SeekFrom::Start(offset))?;
    file.read(bytes)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use serde_json::json;
    use wasmote_sim::config::DeviceConfig;
    use wasmote_sim::data::Purpose;

    use super::*;

    fn table(config: serde_json::Value) -> Result<Arc<Table>, String> {
        DeviceConfig::new(config).with_files(Arc::new(SharedFiles)).table("data", Purpose::Values)
    }

    #[test]
    fn devices_share_the_table_of_a_file_and_read_rows_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plant.csv");
        let rows: String = (0..100_000).map(|row| format!("{row},{}\n", row * 2)).collect();
        std::fs::write(&path, rows).unwrap();
        let config = json!({"data": {"$data": path}});
        let (one, other) = (table(config.clone()).unwrap(), table(config).unwrap());
        assert!(Arc::ptr_eq(&one, &other), "the file is scanned once");
        assert_eq!((one.rows(), one.memory_bytes()), (100_000, 0));
        let (position, bytes) = one.seek(77_777_500_000_000).unwrap();
        assert!(bytes < 20_000, "{bytes}");
        assert_eq!(one.read(position, 1).unwrap().rows[0].cells, ["155554"]);
    }

    #[test]
    fn a_file_that_changes_or_disappears_is_told_in_words() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plant.csv");
        std::fs::write(&path, "0,1\n1,2\n").unwrap();
        let table = table(json!({"data": {"$data": path}})).unwrap();
        assert_eq!(table.warning(), None);
        File::options().append(true).open(&path).unwrap().write_all(b"2,3\n").unwrap();
        let problem = table.read(0, 1).unwrap_err();
        assert!(
            problem.contains("changed during the run: it had 8 bytes when it was opened, and has 12 now"),
            "{problem}"
        );
        assert!(table.seek(0).unwrap_err().contains("changed during the run"));
        std::fs::remove_file(&path).unwrap();
        assert!(table.warning().unwrap().contains("was deleted or replaced"));
    }

    #[test]
    fn a_file_must_have_its_pinned_hash() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plant.csv");
        std::fs::write(&path, "0,1\n").unwrap();
        let pin = sha256_of(&path).unwrap();
        assert_eq!(pin, crate::sha256::sha256(b"0,1\n"));
        let config = json!({"data": {"$data": path, "sha256": pin}});
        assert!(table(config.clone()).is_ok());
        std::fs::write(&path, "0,1\n1,2\n").unwrap();
        let problem = table(config).unwrap_err();
        assert!(
            problem.contains(&format!("and the configuration needs {pin}; the file has changed")),
            "{problem}"
        );
        for (path, words) in [
            (folder.path().join("none"), "No such file"),
            (folder.path().into(), "no regular file"),
            ("/dev/zero".into(), "no regular file"),
        ] {
            let problem = table(json!({"data": {"$data": path}})).unwrap_err();
            assert!(problem.contains(words), "{problem}");
        }
    }
}

//! Component files: plain, or compressed with gzip so that large ones fit in a ConfigMap.

use std::io::{self, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;

use crate::regular_file;

pub use wasmote_registry::fetcher::MAX_BYTES;

/// First bytes of a gzip file (RFC 1952, 2.3.1).
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Error of reading a component file.
#[derive(Debug, thiserror::Error)]
pub enum ComponentFileError {
    /// The component exceeds [`MAX_BYTES`]; a compressed one may be a decompression bomb.
    #[error("it has more than {MAX_BYTES} bytes{}", if *compressed { " when it is unpacked" } else { "" })]
    TooLarge {
        /// Whether the file is compressed.
        compressed: bool,
    },
    /// The file has a gzip header but invalid content.
    #[error("it is packed with gzip and cannot be unpacked: {0}")]
    Damaged(io::Error),
    /// The file system returned an error.
    #[error(transparent)]
    Unreadable(#[from] io::Error),
}

/// Reads a file and decompresses it if it is compressed.
pub fn read(path: &Path) -> Result<Vec<u8>, ComponentFileError> {
    let mut bytes = Vec::new();
    regular_file::open(path)?.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    decompress(bytes)
}

/// Decompresses gzip data and returns other data unchanged.
pub fn decompress(bytes: Vec<u8>) -> Result<Vec<u8>, ComponentFileError> {
    if bytes.len() > MAX_BYTES {
        return Err(ComponentFileError::TooLarge { compressed: false });
    }
    if !bytes.starts_with(&GZIP_MAGIC) {
        return Ok(bytes);
    }
    let mut decompressed = Vec::new();
    let limit = MAX_BYTES as u64 + 1;
    // `cat` and parallel compressors write several members (RFC 1952, 2.2).
    MultiGzDecoder::new(&bytes[..])
        .take(limit)
        .read_to_end(&mut decompressed)
        .map_err(ComponentFileError::Damaged)?;
    match decompressed.len() > MAX_BYTES {
        true => Err(ComponentFileError::TooLarge { compressed: true }),
        false => Ok(decompressed),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn gzipped(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn gzip_is_decompressed_and_other_bytes_are_kept() {
        assert_eq!(decompress(gzipped(b"\0asm and so on")).unwrap(), b"\0asm and so on");
        assert_eq!(decompress(b"\0asm".to_vec()).unwrap(), b"\0asm");
    }

    #[test]
    fn gzip_with_several_members_is_read_whole() {
        let members = [gzipped(b"\0asm"), gzipped(b" and so"), gzipped(b""), gzipped(b" on")].concat();
        assert_eq!(decompress(members).unwrap(), b"\0asm and so on");
        let damaged = [gzipped(b"\0asm"), gzipped(b" and so on")[..12].to_vec()].concat();
        assert!(matches!(decompress(damaged), Err(ComponentFileError::Damaged(_))));
        let half = gzipped(&vec![0; MAX_BYTES / 2 + 1]);
        let bomb = [half.clone(), half].concat();
        assert!(matches!(decompress(bomb), Err(ComponentFileError::TooLarge { compressed: true })));
    }

    #[test]
    #[cfg(unix)]
    fn a_fifo_is_refused_and_does_not_block() {
        use rustix::fs::{CWD, Mode};
        let folder = tempfile::tempdir().unwrap();
        let fifo = folder.path().join("b.wasm");
        rustix::fs::mkfifoat(CWD, &fifo, Mode::RUSR | Mode::WUSR).unwrap();
        assert!(read(&fifo).unwrap_err().to_string().starts_with("it is a FIFO"));
        for special in [fifo.as_path(), Path::new("/dev/zero")] {
            let name = special.to_str().unwrap();
            let problem = crate::source::Source::find(name, Path::new("")).unwrap_err().to_string();
            assert!(problem.starts_with(&format!("cannot read `{name}`: it is a")), "{problem}");
        }
        let models = crate::fault_models::FaultModels::default();
        let problem = crate::fault_set::FaultSet::load("b.wasm", folder.path(), &models).unwrap_err();
        assert!(problem.to_string().contains("it is a FIFO"), "{problem}");
    }

    #[test]
    fn a_decompression_bomb_is_stopped_at_the_limit() {
        let bomb = gzipped(&vec![0; MAX_BYTES + 1]);
        assert!(bomb.len() < MAX_BYTES / 50);
        let problem = decompress(bomb).unwrap_err().to_string();
        assert!(problem.ends_with("when it is unpacked"), "{problem}");
    }

    #[test]
    fn a_truncated_gzip_file_is_an_error() {
        let whole = gzipped(&[7; 10_000]);
        assert!(matches!(decompress(whole[..whole.len() / 2].to_vec()), Err(ComponentFileError::Damaged(_))));
    }
}

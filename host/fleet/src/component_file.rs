//! Component files: plain, or compressed with gzip so that large ones fit in a ConfigMap.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use flate2::read::GzDecoder;

/// Maximum size of a decompressed component, in bytes. A component in Python has 18 MB.
pub const MAX_BYTES: usize = 32 << 20;

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
    File::open(path)?.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes)?;
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
    GzDecoder::new(&bytes[..])
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

//! The bytes of a component, plain or packed with gzip, as ConfigMaps hold what is large.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use flate2::read::GzDecoder;

/// The largest component that is taken, in bytes, unpacked. One in Python has 18 MB.
pub const LARGEST: usize = 32 << 20;

/// What a gzip file begins with (RFC 1952, 2.3.1).
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Bytes that are not taken.
#[derive(Debug, thiserror::Error)]
pub enum Unpacked {
    /// More than anybody would call a behaviour; in a packed file this is a bomb.
    #[error("it has more than {LARGEST} bytes{}", if *packed { " when it is unpacked" } else { "" })]
    TooLarge {
        /// Whether it was packed.
        packed: bool,
    },
    /// It begins as a gzip file does, and does not go on so.
    #[error("it is packed with gzip and cannot be unpacked: {0}")]
    Damaged(io::Error),
    /// The file system said no.
    #[error(transparent)]
    Unreadable(#[from] io::Error),
}

/// Read a file, and unpack it if it is packed.
pub fn read(path: &Path) -> Result<Vec<u8>, Unpacked> {
    let mut bytes = Vec::new();
    File::open(path)?.take(LARGEST as u64 + 1).read_to_end(&mut bytes)?;
    unpack(bytes)
}

/// Unpack what is packed, and leave the rest as it is.
pub fn unpack(bytes: Vec<u8>) -> Result<Vec<u8>, Unpacked> {
    if bytes.len() > LARGEST {
        return Err(Unpacked::TooLarge { packed: false });
    }
    if !bytes.starts_with(&GZIP) {
        return Ok(bytes);
    }
    let mut unpacked = Vec::new();
    let most = LARGEST as u64 + 1;
    GzDecoder::new(&bytes[..]).take(most).read_to_end(&mut unpacked).map_err(Unpacked::Damaged)?;
    match unpacked.len() > LARGEST {
        true => Err(Unpacked::TooLarge { packed: true }),
        false => Ok(unpacked),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn packed(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn what_is_packed_is_unpacked_and_the_rest_is_left_alone() {
        assert_eq!(unpack(packed(b"\0asm and so on")).unwrap(), b"\0asm and so on");
        assert_eq!(unpack(b"\0asm".to_vec()).unwrap(), b"\0asm");
    }

    #[test]
    fn a_bomb_is_given_up_at_the_limit() {
        let bomb = packed(&vec![0; LARGEST + 1]);
        assert!(bomb.len() < LARGEST / 50);
        let problem = unpack(bomb).unwrap_err().to_string();
        assert!(problem.ends_with("when it is unpacked"), "{problem}");
    }

    #[test]
    fn a_packed_file_that_breaks_off_says_so() {
        let whole = packed(&[7; 10_000]);
        assert!(matches!(unpack(whole[..whole.len() / 2].to_vec()), Err(Unpacked::Damaged(_))));
    }
}

//! A component as a ConfigMap holds it: compressed, and no larger than the limits of Kubernetes.

use std::io::{self, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::{Compression, GzBuilder};

/// Bytes that a ConfigMap may hold [Kubernetes, `MaxSecretSize`].
pub const MAX_CONFIG_MAP_BYTES: usize = 1 << 20;
/// Bytes that the annotations of an object may have together; `kubectl apply` keeps the whole object in one of
/// them, unless the server applies it.
pub const MAX_ANNOTATION_BYTES: usize = 256 << 10;
/// What an object has beside its data, at the most.
const OBJECT_OVERHEAD: usize = 2 << 10;

/// A component that fits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompressedComponent {
    base64: String,
    /// Compressed.
    pub size_bytes: usize,
}

/// A component that does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it has {} KiB after compression, and a ConfigMap holds 1,024 KiB", size_bytes.div_ceil(1024))]
pub struct TooLarge {
    size_bytes: usize,
}

impl CompressedComponent {
    /// Compress a component. The same bytes give the same bytes, on any day.
    pub fn new(component: &[u8]) -> Result<Self, TooLarge> {
        // Writing to memory cannot fail; if it ever did, nothing would be packed, and that does not fit either.
        let compressed = gzip(component).map_err(|_| TooLarge { size_bytes: component.len() })?;
        let size_bytes = compressed.len();
        if size_bytes > MAX_CONFIG_MAP_BYTES {
            return Err(TooLarge { size_bytes });
        }
        Ok(Self { base64: STANDARD.encode(compressed), size_bytes })
    }

    /// As `binaryData` has it.
    pub fn base64(&self) -> &str {
        &self.base64
    }

    /// Whether `kubectl apply` needs `--server-side` for it.
    pub fn needs_server_side(&self) -> bool {
        self.base64.len() + OBJECT_OVERHEAD > MAX_ANNOTATION_BYTES
    }
}

fn gzip(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzBuilder::new().mtime(0).write(Vec::new(), Compression::best());
    encoder.write_all(bytes)?;
    encoder.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes that do not compress.
    fn noise(length: usize) -> Vec<u8> {
        let mut state = 1_u64;
        let next = |_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        };
        (0..length).map(next).collect()
    }

    #[test]
    fn an_incompressible_component_is_too_large() {
        assert!(CompressedComponent::new(&vec![0; 10 * MAX_CONFIG_MAP_BYTES]).is_ok());
        let problem = CompressedComponent::new(&noise(MAX_CONFIG_MAP_BYTES)).unwrap_err();
        assert!(problem.to_string().starts_with("it has 1025 KiB after compression"), "{problem}");
    }

    #[test]
    fn a_long_annotation_needs_server_side_apply() {
        assert!(!CompressedComponent::new(&noise(180 << 10)).unwrap().needs_server_side());
        assert!(CompressedComponent::new(&noise(195 << 10)).unwrap().needs_server_side());
    }
}

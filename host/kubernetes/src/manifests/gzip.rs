//! Compression of components for ConfigMaps, with the size limits of Kubernetes.

use std::io::{self, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::{Compression, GzBuilder};

/// Maximum size of a ConfigMap's data, in bytes [Kubernetes, `MaxSecretSize`].
pub const MAX_CONFIG_MAP_BYTES: usize = 1 << 20;
/// Maximum total size of an object's annotations, in bytes. `kubectl apply` stores the whole object in an
/// annotation, except with `--server-side`.
pub const MAX_ANNOTATION_BYTES: usize = 256 << 10;
/// Maximum size of an object without its data, in bytes.
const OBJECT_OVERHEAD: usize = 2 << 10;

/// A compressed component that fits a ConfigMap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompressedComponent {
    base64: String,
    /// Compressed size, in bytes.
    pub size_bytes: usize,
}

/// Error: a component does not fit a ConfigMap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it has {} KiB after compression, and a ConfigMap holds 1,024 KiB", size_bytes.div_ceil(1024))]
pub struct TooLarge {
    size_bytes: usize,
}

impl CompressedComponent {
    /// Compresses a component. The output depends only on the input, not on the date.
    pub fn new(component: &[u8]) -> Result<Self, TooLarge> {
        // Writing to memory cannot fail; a failure would be reported as a component that is too large.
        let compressed = gzip(component).map_err(|_| TooLarge { size_bytes: component.len() })?;
        let size_bytes = compressed.len();
        if size_bytes > MAX_CONFIG_MAP_BYTES {
            return Err(TooLarge { size_bytes });
        }
        Ok(Self { base64: STANDARD.encode(compressed), size_bytes })
    }

    /// Value for `binaryData`.
    pub fn base64(&self) -> &str {
        &self.base64
    }

    /// True if `kubectl apply` needs `--server-side`.
    pub fn needs_server_side(&self) -> bool {
        self.base64.len() + OBJECT_OVERHEAD > MAX_ANNOTATION_BYTES
    }
}

/// A component for a request to a pod: packed with gzip, in base64.
pub fn packed_base64(component: &[u8]) -> String {
    // Writing to memory cannot fail; pods take a plain component, too.
    STANDARD.encode(gzip(component).unwrap_or_else(|_| component.to_vec()))
}

fn gzip(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzBuilder::new().mtime(0).write(Vec::new(), Compression::best());
    encoder.write_all(bytes)?;
    encoder.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Incompressible bytes.
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

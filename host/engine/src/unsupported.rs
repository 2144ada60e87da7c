//! Names of features of WebAssembly that this host does not support, from the words of the validator.

/// Names of features, by words of the validator. The first match counts.
const FEATURES: [(&str, &str); 21] = [
    ("relaxed SIMD", "relaxed SIMD"),
    ("relaxed-simd", "relaxed SIMD"),
    ("exception", "exceptions"),
    ("shared-everything-threads", "threads"),
    ("threading", "threads"),
    ("threads", "threads"),
    ("stack switching", "stack switching"),
    ("continuation", "stack switching"),
    ("stack-switching", "stack switching"),
    ("memory64", "memory64 (64-bit memories)"),
    ("cm64", "memory64 (64-bit memories)"),
    ("64-bit", "memory64 (64-bit memories)"),
    ("async", "async (component model)"),
    ("error-context", "error-context (component model)"),
    ("component model", "an optional feature of the component model"),
    ("custom page sizes", "custom page sizes"),
    ("custom descriptors", "custom descriptors"),
    ("wide arithmetic", "wide arithmetic"),
    ("function-references", "typed function references (part of GC)"),
    ("function references", "typed function references (part of GC)"),
    ("gc", "GC (garbage-collected types)"),
];

/// The feature that an error of the validator names as switched off.
pub(crate) fn unsupported_feature(detail: &str) -> Option<&'static str> {
    const SWITCHED_OFF: [&str; 10] = [
        "not enabled",
        "must be enabled",
        "to be enabled",
        "feature required",
        "requires the",
        "require the",
        "not supported",
        "without the",
        "is disabled",
        "are disabled",
    ];
    if !SWITCHED_OFF.iter().any(|words| detail.contains(words)) {
        return None;
    }
    let lower = detail.to_lowercase();
    FEATURES.iter().find(|(words, _)| lower.contains(&words.to_lowercase())).map(|(_, feature)| *feature)
}

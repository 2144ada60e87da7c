//! What to use in place of an interface that the host does not offer.

/// What to use in place of an interface, by the beginning of its name. The first match counts.
const ADVICE: [(&str, &str); 13] = [
    ("wasi:http/", "send requests with `send` of `wasmote:device/http`"),
    ("wasi:sockets/", "publish and subscribe with `wasmote:device/mqtt`"),
    ("wasi:messaging/", "publish and subscribe with `wasmote:device/mqtt`"),
    (
        "wasi:filesystem/",
        "keep data with `set` of `wasmote:device/state`, and read it with `wasmote:device/data`",
    ),
    ("wasi:keyvalue/", "keep data with `set` of `wasmote:device/state`"),
    ("wasi:blobstore/", "keep data with `set` of `wasmote:device/state`"),
    ("wasi:sql/", "keep data with `set` of `wasmote:device/state`"),
    ("wasi:config/", "read the configuration with `wasmote:device/config`"),
    ("wasi:runtime-config/", "read the configuration with `wasmote:device/config`"),
    ("wasi:logging/", "write lines with `write` of `wasmote:device/log`"),
    ("wasi:nn/", "compile the model into the component"),
    ("wasi:threads/", "compile without threads"),
    ("wasi:", "compile for WASI 0.2"),
];

/// What to use in place of an interface, to follow a sentence; nothing if there is no such advice.
pub(crate) fn advice(interface: &str) -> String {
    let found = ADVICE.iter().find(|(prefix, _)| interface.starts_with(prefix));
    found.map(|(_, advice)| format!("; {advice}")).unwrap_or_default()
}

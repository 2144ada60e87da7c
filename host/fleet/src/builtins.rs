//! Built-in behaviours and fault models, which are embedded in the binary.

use wasmote_sim::layout::KnownTopics;

/// A built-in behaviour or fault model.
#[derive(Debug, PartialEq, Eq)]
pub struct Builtin {
    /// The name on the command line.
    pub name: &'static str,
    /// Bytes of the component.
    pub bytes: &'static [u8],
}

static BEHAVIOURS: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/behaviours.rs"));
static FAULT_MODELS: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/fault_models.rs"));

/// The topics of the built-in behaviours, with the fields of their messages.
static TOPICS: &[(&str, KnownTopics)] = &[
    (
        "heartbeat",
        &[
            ("heartbeat", &["type", "seq", "uptime_s"]),
            ("state", &[]),
            ("peers", &["type", "event", "peer", "silent_s", "alive"]),
            ("cmd", &["id", "cmd"]),
            ("ack", ACK),
            ("message", &["type", "message"]),
        ],
    ),
    (
        "sensor",
        &[
            ("telemetry", TELEMETRY),
            ("alarm", &["type", "channel", "state", "value", "threshold"]),
            ("state", &[]),
            ("cmd", &["id", "cmd", "sample_s", "report_s", "channel", "value", "offset"]),
            ("ack", ACK),
        ],
    ),
    (
        "routing",
        &[
            ("link", &["type", "distance", "heard", "origin", "number", "made", "ttl", "path", "id"]),
            ("state", &[]),
        ],
    ),
    (
        "aggregator",
        &[
            ("telemetry", TELEMETRY),
            ("aggregate", &["type", "seq", "start", "end", "series", "late", "not_kept"]),
            ("state", &[]),
        ],
    ),
];

const ACK: &[&str] = &["type", "id", "cmd", "ok", "error"];
const TELEMETRY: &[&str] = &["type", "seq", "values"];

/// The topics of a built-in behaviour; `None` if its topics depend on its configuration.
pub fn topics(name: &str) -> Option<KnownTopics> {
    TOPICS.iter().find(|(known, _)| *known == name).map(|(_, topics)| *topics)
}

/// All built-in behaviours; the default one is the first.
pub fn all() -> impl Iterator<Item = Builtin> {
    BEHAVIOURS.iter().map(|&(name, bytes)| Builtin { name, bytes })
}

/// All built-in fault models.
pub fn fault_models() -> impl Iterator<Item = Builtin> {
    FAULT_MODELS.iter().map(|&(name, bytes)| Builtin { name, bytes })
}

/// Finds a built-in behaviour or fault model by its name.
pub fn find(name: &str) -> Option<Builtin> {
    all().chain(fault_models()).find(|builtin| builtin.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_builtin_is_a_component_under_100_kb() {
        for builtin in all().chain(fault_models()) {
            // Magic, then version 13 and layer 1: a component, where a core module has version 1.
            assert_eq!(builtin.bytes.get(..8), Some(&b"\0asm\x0d\0\x01\0"[..]), "{}", builtin.name);
            assert!(builtin.bytes.len() < 100_000, "{} has {} bytes", builtin.name, builtin.bytes.len());
        }
    }

    #[test]
    fn the_default_behaviour_is_found() {
        assert!(find("heartbeat").is_some());
        assert!(find("heartbaet").is_none());
    }

    #[test]
    fn the_fault_models_are_embedded() {
        let names: Vec<_> = fault_models().map(|builtin| builtin.name).collect();
        assert_eq!(names, ["rain-fade"], "run `make behaviours` and build again");
    }
}

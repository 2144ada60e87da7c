//! Default pools: faults and actions that suit most plans.

use serde_json::{Value, json};

/// Faults, with ranges of their fields.
pub(super) fn faults() -> Vec<Value> {
    let every = || json!({"min": "5s", "max": "60s"});
    let probability = || json!({"min": 0.05, "max": 0.8});
    vec![
        json!({"kind": "loss", "probability": {"min": 0.02, "max": 0.6}, "direction": {"any": ["out", "in", "both"]}}),
        json!({"kind": "delay", "min": "1ms", "max": {"min": "10ms", "max": "10s"}, "direction": {"any": ["out", "in", "both"]}}),
        json!({"kind": "duplicate", "probability": {"min": 0.05, "max": 0.5}, "apart": {"min": "1ms", "max": "5s"},
            "direction": {"any": ["out", "in", "both"]}}),
        json!({"kind": "reorder", "probability": {"min": 0.05, "max": 0.5}, "max": {"min": "100ms", "max": "5s"},
            "direction": {"any": ["out", "in", "both"]}}),
        json!({"kind": "silence", "every": every(), "probability": probability(), "for": {"min": "1s", "max": "40s"}}),
        json!({"kind": "hang", "every": every(), "probability": probability(), "for": {"min": "500ms", "max": "30s"}}),
        json!({"kind": "crash", "every": every(), "probability": probability(), "for": {"min": "500ms", "max": "20s"}}),
        json!({"kind": "disconnect", "every": every(), "probability": probability(), "for": {"min": "100ms", "max": "20s"}}),
        json!({"kind": "half_open", "every": every(), "probability": probability()}),
        json!({"kind": "reset", "every": every(), "probability": probability()}),
        json!({"kind": "stall", "every": every(), "probability": probability(), "for": {"min": "500ms", "max": "20s"},
            "direction": {"any": ["out", "in", "both"]}}),
        json!({"kind": "throttle", "bytes_per_second": {"min": 50, "max": 5000}}),
        json!({"kind": "partition", "every": every(), "probability": probability(), "for": {"min": "1s", "max": "30s"},
            "direction": {"any": ["out", "in", "both"]}}),
        json!({"kind": "clock", "offset_spread": {"min": "10ms", "max": "5s"}, "drift_spread_ppm": {"min": 10, "max": 20000}}),
        json!({"kind": "broker_pause", "every": every(), "probability": probability(), "for": {"min": "500ms", "max": "20s"}}),
        json!({"kind": "broker_restart", "every": every(), "probability": probability(), "for": {"min": "500ms", "max": "10s"},
            "persistent": {"any": [true, false]}}),
    ]
}

/// Timeline entries, with ranges of their fields.
pub(super) fn actions() -> Vec<Value> {
    vec![
        json!({"times": {"min": 1, "max": 3}, "crash": {"count": 1}}),
        json!({"times": {"min": 1, "max": 3}, "disconnect": {"count": 1, "for": {"min": "100ms", "max": "20s"}}}),
        json!({"times": {"min": 1, "max": 2}, "broker": {"pause": {"min": "500ms", "max": "20s"}}}),
        json!({"times": {"min": 1, "max": 2}, "broker": {"restart": {"min": "500ms", "max": "10s"},
            "persistent": {"any": [true, false]}}}),
    ]
}

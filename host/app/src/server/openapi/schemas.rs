//! The shapes of what is read and answered.

use serde_json::{Value, json};
use wasmote_sim::faults::document::Kind;

pub(super) fn all() -> Value {
    json!({
        "Accepted": accepted(),
        "Behaviour": behaviour(),
        "Behaviours": list(schema_ref("Behaviour")),
        "Device": device(),
        "DevicePage": device_page(),
        "DeviceStatus": device_status(),
        "Error": error(),
        "Fault": fault(),
        "FaultDocument": fault_document(),
        "Faults": faults(),
        "FleetStatus": fleet_status(),
        "Metrics": metrics(),
        "Order": object(json!({"device": text(), "order": {"enum": ["start", "stop", "crash"]}})),
        "Publication": publication(),
        "State": {"enum": ["connected", "offline", "silent", "crashed", "stopped", "failed"]},
        "Update": update(),
        "Status": {"oneOf": [schema_ref("DeviceStatus"), schema_ref("FleetStatus")]},
    })
}

fn schema_ref(schema: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{schema}")})
}

fn object(properties: Value) -> Value {
    json!({"type": "object", "properties": properties})
}

fn list(items: Value) -> Value {
    json!({"type": "array", "items": items})
}

fn counts() -> Value {
    json!({"type": "object", "additionalProperties": count()})
}

fn text() -> Value {
    json!({"type": "string"})
}

fn count() -> Value {
    json!({"type": "integer", "minimum": 0})
}

fn nullable(kind: &str, description: &str) -> Value {
    json!({"type": [kind, "null"], "description": description})
}

fn seconds(description: &str) -> Value {
    json!({"type": "number", "minimum": 0, "description": description})
}

fn error() -> Value {
    let found = json!({"description": "What was there instead"});
    let inner = object(json!({"field": text(), "message": text(), "found": found}));
    object(json!({"error": inner}))
}

fn publication() -> Value {
    json!({
        "type": "object",
        "required": ["message"],
        "additionalProperties": false,
        "properties": {
            "message": {"description": "Any JSON. With a topic a text goes out as it is, the rest as JSON; without \
                one it goes out wrapped as {device, type, message, ts}."},
            "topic": {"type": "string", "description": "<root>/<device>/message unless told"},
            "qos": {"enum": [0, 1, 2], "default": 0},
            "retain": {"type": "boolean", "default": false},
            "device": {"type": "string", "description": "The first that runs unless told"},
        },
    })
}

fn accepted() -> Value {
    object(json!({
        "status": {"const": "accepted"},
        "device": text(),
        "topic": text(),
        "qos": count(),
        "retain": {"type": "boolean"},
        "bytes": count(),
    }))
}

fn version() -> Value {
    json!({"type": "string", "description": "SHA-256 of the component that it runs, or starts with next"})
}

fn time() -> Value {
    json!({"type": "number", "description": "Seconds since 1970"})
}

fn behaviour() -> Value {
    let version = object(json!({"sha256": text(), "source": text(), "since": time(), "devices": count()}));
    object(json!({
        "name": text(),
        "role": {"enum": ["behaviour", "fault model"]},
        "source": {"type": "string", "description": "built-in, or the file"},
        "size_bytes": count(),
        "sha256": text(),
        "imports": list(text()),
        "exports": list(text()),
        "devices": count(),
        "groups": list(text()),
        "versions": {"type": "array", "items": version, "description": "The latest first"},
        "updates": object(json!({"done": count(), "refused": count()})),
        "last_refusal": object(json!({"source": text(), "reason": text(), "ts": time()})),
    }))
}

fn update() -> Value {
    object(json!({
        "behaviour": text(),
        "sha256": text(),
        "replaced": {"type": "string", "description": "SHA-256 of the version before"},
        "changed": {"type": "boolean", "description": "False if all devices had this version already"},
        "canaries": list(text()),
        "swapped": count(),
        "waiting": count(),
        "refused": count(),
        "gained_imports": list(text()),
        "dropped_imports": list(text()),
    }))
}

fn active_fault() -> Value {
    object(json!({"id": text(), "kind": text(), "ends_in_s": seconds("Absent for one that stays")}))
}

fn device_status() -> Value {
    object(json!({
        "device": text(),
        "group": text(),
        "behaviour": text(),
        "behaviour_version": version(),
        "state": schema_ref("State"),
        "why": nullable("string", "Why it is not connected"),
        "uptime_s": nullable("number", "Seconds since its behaviour started; null when it does not run"),
        "seed": count(),
        "broker": text(),
        "active_faults": list(active_fault()),
        "version": text(),
    }))
}

fn fleet_status() -> Value {
    object(json!({
        "devices": count(),
        "states": counts(),
        "groups": list(object(json!({"group": text(), "behaviour": text(), "devices": count()}))),
        "uptime_s": seconds("Since the fleet began"),
        "seed": count(),
        "broker": text(),
        "active_faults": counts(),
        "version": text(),
    }))
}

fn device() -> Value {
    json!({"allOf": [schema_ref("DeviceStatus"), object(json!({"metrics": schema_ref("Metrics")}))]})
}

fn device_page() -> Value {
    let row = object(json!({
        "device": text(),
        "group": text(),
        "behaviour": text(),
        "behaviour_version": version(),
        "state": schema_ref("State"),
        "why": nullable("string", "Why it is not connected"),
        "uptime_s": nullable("number", "Seconds since its behaviour started"),
        "sent": count(),
        "received": count(),
    }));
    object(json!({"total": count(), "offset": count(), "limit": count(), "devices": list(row)}))
}

fn distribution() -> Value {
    let bucket = object(json!({"le": seconds("The largest value in it"), "count": count()}));
    let buckets =
        json!({"type": "array", "items": bucket, "description": "How many are at or below each bound"});
    object(json!({"count": count(), "sum": seconds("All together"), "buckets": buckets}))
}

fn metrics() -> Value {
    object(json!({
        "sent": count(),
        "received": count(),
        "avg_latency": nullable("number", "Seconds; null before anything was received"),
        "latency_samples": list(seconds("The last ten, oldest first")),
        "latency": distribution(),
        "generated": count(),
        "returned": count(),
        "arrived": count(),
        "dropped": {"type": "object", "additionalProperties": count(), "description": "By the fault that took them"},
        "delayed": count(),
        "duplicated": count(),
        "corrupted": count(),
        "lost_offline": count(),
        "discarded": count(),
        "refused": counts(),
        "waiting": object(json!({"out": count(), "in": count()})),
        "faults": {"type": "object", "additionalProperties": counts()},
        "traps": count(),
        "swaps": {"type": "object", "additionalProperties": count(), "description": "Devices that got another \
            version, kept the old one, or went back to it"},
        "versions": {"type": "object", "additionalProperties": counts(), "description": "Devices by behaviour and \
            the beginning of the SHA-256 of what they run"},
        "connects": nullable("integer", "Of the fleet; absent for one device"),
        "devices": counts(),
        "schedule": {
            "type": "object",
            "description": "How late this host woke its devices; of the fleet",
            "properties": {
                "wakes": count(),
                "mean_lateness_s": nullable("number", "Actual less scheduled time, in seconds"),
                "overruns": {"type": "integer", "description": "More than 0.1 s late"},
            },
        },
        "broker": {"type": "object", "description": "The embedded broker's account, of the fleet; copies that it \
            dropped by reason"},
        "behaviours": {"type": "object", "description": "What behaviours measure of themselves, by name"},
        "ledger_closes": {"type": "boolean", "description": "Whether every message is accounted for"},
        "uptime_s": seconds("Since the fleet began"),
    }))
}

fn fault() -> Value {
    let kinds: Vec<_> = Kind::ALL.iter().map(|kind| kind.name()).collect();
    let mut properties = json!({
        "id": {"type": "string", "description": "The kind unless told"},
        "kind": {"enum": kinds},
        "group": text(),
        "device": {"type": "string", "description": "A name, with * for any run of characters"},
        "direction": {"enum": ["out", "in", "both"]},
        "distribution": {"enum": ["uniform", "constant", "normal", "lognormal", "pareto"]},
        "peers": list(text()),
        "together": {"type": "boolean"},
        "file": {
            "type": "string",
            "description": "The name of a fault model, or a file that the run began with; no other is opened",
        },
        "config": {"type": "object", "description": "What the fault model is configured with"},
        "persistent": {"type": "boolean"},
    });
    let span = json!({"type": ["string", "number"], "description": "\"500ms\", \"1m 30s\", or seconds"});
    let share = json!({"type": "number", "minimum": 0, "maximum": 1});
    let fields_by_type: [(Value, &[&str]); 4] = [
        (span, &SPANS),
        (share, &["probability", "correlation"]),
        (json!({"type": "number"}), &NUMBERS),
        (count(), &["copies", "bits", "gap", "bytes_per_second", "queue_bytes", "buffer_bytes", "times"]),
    ];
    for (schema, fields) in fields_by_type {
        for field in fields {
            properties[*field] = schema.clone();
        }
    }
    json!({
        "type": "object",
        "required": ["kind"],
        "additionalProperties": false,
        "properties": properties,
    })
}

/// Fields of a fault that are lengths of time.
const SPANS: [&str; 11] =
    ["min", "max", "mean", "std", "apart", "every", "for", "uptime", "offset", "offset_spread", "recharge"];

/// Fields of a fault that are numbers without bounds of their own.
const NUMBERS: [&str; 11] = [
    "shape",
    "run_length",
    "drift_ppm",
    "drift_spread_ppm",
    "capacity_joules",
    "idle_watts",
    "send_joules",
    "send_joules_per_byte",
    "receive_joules",
    "receive_joules_per_byte",
    "event_joules",
];

fn fault_document() -> Value {
    let document = json!({
        "type": "object",
        "additionalProperties": false,
        "properties": {"fault": list(schema_ref("Fault"))},
    });
    json!({"oneOf": [document, {"enum": ["realistic", "none"]}]})
}

fn faults() -> Value {
    object(json!({
        "scope": {"enum": ["fleet", "group", "device"]},
        "name": text(),
        "set_for": {"enum": ["fleet", "group", "device"]},
        "origin": {"type": "string", "description": "A preset, a file, or http"},
        "document": schema_ref("FaultDocument"),
        "warnings": list(text()),
    }))
}

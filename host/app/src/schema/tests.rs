use std::collections::BTreeSet;

use serde::de::DeserializeOwned;
use wasmote_experiment::source::SHIPPED;
use wasmote_experiment::threshold::ThresholdEntry;
use wasmote_fleet::actions::add::Add;
use wasmote_fleet::actions::broker::Broker;
use wasmote_fleet::actions::configure::Configure;
use wasmote_fleet::actions::disconnect::Disconnect;
use wasmote_fleet::actions::entry::TimelineEntry;
use wasmote_fleet::actions::partition::Partition;
use wasmote_fleet::actions::publish::Publish;
use wasmote_fleet::actions::ramp::Ramp;
use wasmote_fleet::actions::request::Request;
use wasmote_fleet::actions::selector::Selector;
use wasmote_fleet::actions::swap::Swap;
use wasmote_fleet::config::file::GroupEntry;
use wasmote_fleet::topology::TopologyEntry;
use wasmote_sim::faults::document::{FaultEntry, Kind};

use super::*;

const FILES: [File; 3] = [File::Plan, File::Faults, File::Fleet];

/// Fields of a type, from its error for an unknown field.
fn fields<T: DeserializeOwned>() -> BTreeSet<String> {
    let Err(error) = serde_json::from_value::<T>(json!({"no such field": 1})) else {
        panic!("every field is known")
    };
    let error = error.to_string();
    error.split('`').skip(1).step_by(2).skip(1).map(str::to_owned).collect()
}

fn part(pointer: &str) -> Value {
    File::Plan.schema().pointer(pointer).unwrap_or_else(|| panic!("{pointer}")).clone()
}

fn listed(pointer: &str) -> BTreeSet<String> {
    part(&format!("{pointer}/properties")).as_object().unwrap().keys().cloned().collect()
}

fn texts(list: &Value) -> BTreeSet<String> {
    list.as_array().into_iter().flatten().map(|text| text.as_str().unwrap().to_owned()).collect()
}

/// The invalid field of a fault, if there is one.
fn wrong(fault: &Value) -> Option<&'static str> {
    let entry: FaultEntry = serde_json::from_value(fault.clone()).unwrap();
    FaultDocument { faults: vec![entry] }.faults().err().map(|invalid| invalid.field)
}

/// The schema of each kind of fault.
fn kinds() -> Vec<Value> {
    File::Faults.schema()["$defs"]["Fault"]["oneOf"].as_array().unwrap().clone()
}

fn is_valid(file: File, document: &Value) -> bool {
    jsonschema::validator_for(&file.schema()).unwrap().is_valid(document)
}

fn document(fault: &Value) -> Value {
    json!({"fault": [fault]})
}

/// Calls `look` with each schema in a schema.
fn each(schema: &Value, path: &str, look: &mut impl FnMut(&str, &Value)) {
    look(path, schema);
    match schema {
        Value::Object(object) => {
            let values =
                object.iter().filter(|(keyword, _)| !["examples", "default"].contains(&keyword.as_str()));
            values.for_each(|(keyword, value)| each(value, &format!("{path}/{keyword}"), look));
        }
        Value::Array(list) => list.iter().for_each(|value| each(value, path, look)),
        _ => {}
    }
}

#[test]
fn schemas_are_valid_and_strict_and_describe_every_field() {
    for file in FILES {
        let schema = file.schema();
        assert!(jsonschema::meta::is_valid(&schema), "{file:?}");
        each(&schema, "", &mut |path, schema| {
            let is_condition = path.contains("/if") || path.contains("/then");
            let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return };
            if is_condition || schema.get("type").is_none() {
                return;
            }
            assert_eq!(schema["additionalProperties"], json!(false), "{file:?}{path}");
            for (name, property) in properties {
                let says = property.get("description").or(property.get("const")).or(property.get("enum"));
                assert!(says.is_some(), "{file:?}{path}: {name}");
            }
        });
        assert!(!schema.to_string().contains("\"null\""), "{file:?}");
    }
}

#[test]
fn the_schema_lists_the_kinds_of_faults_with_their_fields() {
    assert_eq!(kinds().len(), Kind::ALL.len());
    for (schema, kind) in kinds().iter().zip(Kind::ALL) {
        let name = &schema["properties"]["kind"];
        let spellings = name.get("enum").map_or_else(|| json!([name["const"]]), Clone::clone);
        for spelling in texts(&spellings) {
            assert_eq!(serde_json::from_value::<Kind>(spelling.into()).unwrap(), *kind);
        }
        let mut takes: BTreeSet<_> =
            schema["properties"].as_object().unwrap().keys().map(String::as_str).collect();
        let aimed = takes.remove("group") && takes.remove("device");
        assert_eq!(aimed, !kind.name().starts_with("broker"), "{kind:?}");
        assert!(takes.remove("id") && takes.remove("kind"), "{kind:?}");
        assert_eq!(takes, kind.fields().iter().copied().collect(), "{kind:?}");
    }
}

#[test]
fn the_schemas_examples_of_faults_are_sound_and_need_what_it_says() {
    for (schema, kind) in kinds().iter().zip(Kind::ALL) {
        let example = schema["examples"][0].clone();
        assert_eq!(example["kind"], kind.name());
        // The test has no library of components.
        let sound = if *kind == Kind::Component { Some("file") } else { None };
        assert_eq!(wrong(&example), sound, "{example}");
        assert!(is_valid(File::Faults, &document(&example)), "{example}");
        for field in texts(&schema["required"]).into_iter().filter(|field| field != "kind") {
            let mut without = example.clone();
            without.as_object_mut().unwrap().remove(&field);
            assert_eq!(wrong(&without), Some(&*field), "{without}");
            assert!(!is_valid(File::Faults, &document(&without)), "{without}");
        }
        // The schema requires the fields that the program requires.
        let bare = json!({"kind": kind.name()});
        assert_eq!(wrong(&bare).is_none(), is_valid(File::Faults, &document(&bare)), "{bare}");
    }
}

#[test]
fn the_schema_takes_the_faults_that_the_program_takes() {
    for fault in [
        json!({"kind": "delay", "max": "5ms"}),
        json!({"kind": "delay", "max": "5ms", "mean": "1ms"}),
        json!({"kind": "delay", "distribution": "constant", "mean": 1}),
        json!({"kind": "delay", "distribution": "constant", "mean": 1, "correlation": 0.5}),
        json!({"kind": "delay", "distribution": "normal", "mean": "1s", "std": "1s", "correlation": 0.5}),
        json!({"kind": "delay", "distribution": "normal", "mean": "1s"}),
        json!({"kind": "delay", "distribution": "lognormal", "mean": "1s", "std": "1s"}),
        json!({"kind": "delay", "distribution": "pareto", "min": "1s", "shape": 1.5}),
        json!({"kind": "delay", "distribution": "pareto", "min": "1s", "shape": 0}),
        json!({"kind": "loss", "probability": 1.5}),
        json!({"kind": "loss", "probability": 0.5, "copies": 1}),
        json!({"kind": "loss", "probability": 0.5, "group": "a", "device": "a-*", "id": "lost"}),
        json!({"kind": "duplicate", "probability": 0.5, "copies": 0}),
        json!({"kind": "partition"}),
        json!({"kind": "partition", "every": "1m"}),
        json!({"kind": "partition", "every": "1m", "for": "1s", "probability": 1}),
        json!({"kind": "throttle", "bytes_per_second": 1, "together": true}),
        json!({"kind": "throttle", "bytes_per_second": 0}),
        json!({"kind": "crash", "every": "1m", "for": "1s", "probability": 1, "uptime": "1s"}),
        json!({"kind": "crash", "every": "1m", "for": "1s", "probability": 1, "uptime": "1s", "times": 2}),
        json!({"kind": "clock", "offset": "-2s"}),
        json!({"kind": "clock", "drift_ppm": 2e6}),
        json!({"kind": "battery", "capacity_joules": 0}),
        json!({"kind": "broker_pause", "every": "1m", "for": "1s", "probability": 1, "group": "a"}),
        json!({"kind": "broker-restart", "every": "1m", "for": "1s", "probability": 1}),
    ] {
        assert_eq!(wrong(&fault).is_none(), is_valid(File::Faults, &document(&fault)), "{fault}");
    }
}

#[test]
fn presets_and_shipped_plans_are_valid() {
    for name in FaultDocument::PRESETS {
        let preset = serde_json::to_value(FaultDocument::preset(name).unwrap()).unwrap();
        assert!(is_valid(File::Faults, &preset), "{name}");
    }
    let plans = jsonschema::validator_for(&File::Plan.schema()).unwrap();
    for (name, text) in SHIPPED {
        let plan: Value = toml::from_str(text).unwrap();
        let problems: Vec<_> = plans.iter_errors(&plan).map(|error| error.to_string()).collect();
        assert!(problems.is_empty(), "{name}: {problems:?}");
    }
}

#[test]
fn a_sweep_may_complete_a_fault() {
    let plan = |sweep: Value| {
        let mut plan = json!({
            "name": "a",
            "duration": "1m",
            "group": [{"behaviour": "heartbeat"}],
            "faults": {"fault": [{"kind": "loss"}]},
        });
        if !sweep.is_null() {
            plan["sweep"] = sweep;
        }
        plan
    };
    assert!(!is_valid(File::Plan, &plan(Value::Null)));
    assert!(is_valid(File::Plan, &plan(json!({"faults.loss.probability": [0.1, 0.2]}))));
    assert!(!is_valid(File::Plan, &plan(json!({"seeds": [1, 2]}))));
}

#[test]
fn a_fleet_file_is_described() {
    for (file, valid) in [
        (
            json!({
                "behaviour": "sensor",
                "devices": 20,
                "broker": "mqtt://localhost",
                "faults": "realistic",
            }),
            true,
        ),
        (
            json!({"group": [{"behaviour": "sensor", "count": 20, "limits": {"timers": 3}}], "http": 8080}),
            true,
        ),
        (
            json!({
                "groups": [{"behaviour": "sensor", "faults": {"fault": []}}],
                "mqtt": 5,
                "keepalive": "30s",
            }),
            true,
        ),
        (json!({"group": [{"behaviour": "sensor", "cuont": 20}]}), false),
        (json!({"keepalive": 3}), false),
        (json!({"broker": "WSS://localhost:9001/mqtt?a=b", "ws_headers": ["X-Id: 1"]}), true),
        (json!({"broker": "Ws://localhost"}), true),
        (json!({"broker": "quic://localhost"}), false),
        (json!({"broker": "ws://localhost/a b"}), false),
        (json!({"devices": 0}), false),
    ] {
        assert_eq!(is_valid(File::Fleet, &file), valid, "{file}");
        assert_eq!(serde_json::from_value::<Options>(file.clone()).is_ok(), valid, "{file}");
    }
}

#[test]
fn the_schema_wants_one_action_at_a_time() {
    let mut actions = fields::<TimelineEntry>();
    actions.retain(|field| !["at", "group", "device"].contains(&field.as_str()));
    let each = part("/$defs/TimelineEntry/oneOf");
    let each = each.as_array().unwrap().iter().flat_map(|one| texts(&one["required"]));
    assert_eq!(each.collect::<BTreeSet<_>>(), actions);
}

/// Other names of fields are no part of what schemars generates.
#[test]
fn the_schema_lists_the_fields_that_there_are() {
    assert_eq!(listed(""), fields::<PlanFile>());
    assert_eq!(listed("/$defs/ThresholdEntry/oneOf/1"), fields::<ThresholdEntry>());
    assert_eq!(listed("/$defs/FaultDocument"), fields::<FaultDocument>());
    assert_eq!(listed("/$defs/GroupEntry"), fields::<GroupEntry>());
    assert_eq!(listed("/$defs/TimelineEntry"), fields::<TimelineEntry>());
    assert_eq!(listed("/$defs/Selector"), fields::<Selector>());
    assert_eq!(listed("/$defs/TopologyEntry"), fields::<TopologyEntry>());
    assert_eq!(listed("/$defs/Ramp"), fields::<Ramp>());
    assert_eq!(listed("/$defs/Disconnect"), fields::<Disconnect>());
    assert_eq!(listed("/$defs/Partition"), fields::<Partition>());
    assert_eq!(listed("/$defs/Broker"), fields::<Broker>());
    assert_eq!(listed("/$defs/Publish"), fields::<Publish>());
    assert_eq!(listed("/$defs/Request"), fields::<Request>());
    assert_eq!(listed("/$defs/Add"), fields::<Add>());
    assert_eq!(listed("/$defs/Configure"), fields::<Configure>());
    assert_eq!(listed("/$defs/Swap"), fields::<Swap>());
    let fleet = File::Fleet.schema();
    let fleet: BTreeSet<_> = fleet["properties"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(fleet, fields::<Options>());
}

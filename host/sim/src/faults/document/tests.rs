use std::collections::BTreeMap;

use schemars::SchemaGenerator;
use serde::de::IntoDeserializer;
use serde::de::value::Error;
use serde_json::{Value, json};

use super::*;
use crate::faults::battery::BatterySpec;

fn problem(entry: FaultEntry) -> String {
    FaultDocument { faults: vec![entry] }.faults().unwrap_err().to_string()
}

fn with(entry: FaultEntry, fields: Value) -> FaultEntry {
    let mut changed = serde_json::to_value(entry).unwrap();
    for (name, value) in fields.as_object().unwrap() {
        changed[name] = value.clone();
    }
    fault(changed)
}

fn entry(kind: Kind) -> FaultEntry {
    fault(json!({"kind": kind}))
}

fn millis(n: u64) -> Option<Span> {
    Some(Span(Duration::from_millis(n)))
}

#[test]
fn a_kind_is_read_by_its_name_and_takes_fields_that_there_are() {
    for kind in Kind::ALL.iter().copied() {
        let read = Kind::deserialize(IntoDeserializer::<Error>::into_deserializer(kind.name()));
        assert_eq!(read, Ok(kind));
        assert!(!kind.fields().is_empty(), "{}", kind.name());
    }
    for kind in DelayKind::ALL {
        let read = DelayKind::deserialize(IntoDeserializer::<Error>::into_deserializer(kind.name()));
        assert_eq!(read, Ok(kind));
        assert!(kind.fields().iter().all(|field| Kind::Delay.fields().contains(field)), "{}", kind.name());
    }
}

/// Fields that come before `kind` are read as those of any kind that has them.
#[test]
fn a_field_is_of_one_type_in_all_kinds() {
    let schema = FaultEntry::json_schema(&mut SchemaGenerator::default()).to_value();
    let mut types = BTreeMap::new();
    for kind in schema["oneOf"].as_array().unwrap() {
        for (name, field) in
            kind["properties"].as_object().unwrap().iter().filter(|(name, _)| *name != "kind")
        {
            let found = type_of(field);
            assert_eq!(*types.entry(name).or_insert_with(|| found.clone()), found, "{name}");
        }
    }
}

/// The type of a field, whether it is required or may be null.
fn type_of(field: &Value) -> Value {
    let reference = field.get("$ref").or_else(|| field.pointer("/anyOf/0/$ref"));
    let name = if field["type"].is_array() { &field["type"][0] } else { &field["type"] };
    json!([reference.unwrap_or(name), field.get("format"), field.get("items")])
}

#[test]
fn fields_are_read_in_any_order_and_null_is_none() {
    let read = |text: &str| serde_json::from_str::<FaultEntry>(text);
    let late = r#"{"copies": 2, "apart": "1s", "group": "a", "probability": null, "kind": "duplicate", "bits": null}"#;
    let early = r#"{"kind": "duplicate", "apart": 1, "copies": 2, "group": "a"}"#;
    assert_eq!(read(late).unwrap(), read(early).unwrap());
    let foreign = read(r#"{"bits": 3, "kind": "duplicate"}"#).unwrap();
    assert_eq!(foreign, read(r#"{"kind": "duplicate", "bits": 3}"#).unwrap());
    assert!(problem(foreign).starts_with("fault[0].bits: a fault of kind `duplicate` does not take it"));
    for wrong in [
        r#"{"copies": "two", "kind": "duplicate"}"#,
        r#"{"kind": "duplicate", "copies": "two"}"#,
        r#"{"copies": 1, "copies": 2, "kind": "duplicate"}"#,
        r#"{"copies": 1, "kind": "duplicate", "copies": 2}"#,
        r#"{"kind": "duplicate", "kind": "loss"}"#,
        r#"{"group": "a", "kind": "duplicate", "group": "b"}"#,
        r#"{"copies": 1}"#,
    ] {
        assert!(read(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn what_is_read_is_written_again() {
    for preset in FaultDocument::PRESETS {
        let document = FaultDocument::preset(preset).unwrap();
        let text = serde_json::to_string(&document).unwrap();
        assert_eq!(serde_json::from_str::<FaultDocument>(&text).unwrap(), document, "{text}");
    }
}

#[test]
fn what_is_wrong_is_named_with_what_to_write() {
    assert_eq!(
        problem(with(entry(Kind::Loss), json!({"probability": 10.0}))),
        "fault[0].probability: 10 is not between 0 and 1; 10 % is 0.1"
    );
    assert_eq!(problem(entry(Kind::Delay)), "fault[0].max: a fault of kind `delay` needs it");
    assert_eq!(
        problem(with(entry(Kind::Loss), json!({"copies": 2, "probability": 0.1}))),
        "fault[0].copies: a fault of kind `loss` does not take it; it takes `direction`, `probability`, \
         `run_length`"
    );
    assert_eq!(
        problem(with(entry(Kind::Delay), json!({"min": millis(9), "max": millis(5)}))),
        "fault[0].min: 9ms exceeds `max`, which is 5ms"
    );
}

#[test]
fn each_distribution_takes_its_own_fields() {
    let delay = |distribution| with(entry(Kind::Delay), json!({"distribution": distribution}));
    assert_eq!(
        problem(with(delay(DelayKind::Constant), json!({"min": millis(1)}))),
        "fault[0].min: a delay of distribution `constant` does not take it; it takes `direction`, \
         `probability`, `distribution`, `mean`"
    );
    assert!(problem(with(delay(DelayKind::Normal), json!({"mean": millis(1)}))).contains(".std: "));
    let pareto = with(delay(DelayKind::Pareto), json!({"min": millis(1), "shape": 0.0}));
    assert_eq!(problem(pareto), "fault[0].shape: 0 is not more than zero");
    let wild = with(delay(DelayKind::Uniform), json!({"max": millis(1), "correlation": 1.5}));
    assert_eq!(problem(wild), "fault[0].correlation: 1.5 is not between 0 and 1; 1.5 % is 0.015");
}

#[test]
fn what_cannot_be_is_refused() {
    for (entry, field) in [
        (
            with(entry(Kind::Loss), json!({"probability": 0.5, "run_length": 1.5})),
            "run_length: with a probability of 0.5 runs are 2.000 long or longer",
        ),
        (
            with(entry(Kind::Loss), json!({"probability": 1.0, "run_length": 5.0})),
            "run_length: where all is lost",
        ),
        (with(entry(Kind::Bandwidth), json!({"bytes_per_second": 0})), "bytes_per_second: 0 is not"),
        (with(entry(Kind::Reorder), json!({"probability": 0.5})), "max: a fault of kind `reorder`"),
        (entry(Kind::Clock), "offset: this clock is right"),
        (with(entry(Kind::Clock), json!({"drift_ppm": -2e6})), "drift_ppm: -2000000 is not"),
        (
            FaultSpec::Battery(BatterySpec { capacity_joules: Some(f64::NAN), ..BatterySpec::default() })
                .into(),
            "capacity_joules: NaN",
        ),
        (
            with(entry(Kind::Battery), json!({"capacity_joules": 1.0, "idle_watts": -1.0})),
            "idle_watts: -1 is less than zero",
        ),
        (
            with(
                entry(Kind::Crash),
                json!({"every": millis(90), "for": millis(90), "probability": 0.5, "uptime": millis(90)}),
            ),
            "uptime: there is no second crash",
        ),
        (with(entry(Kind::Partition), json!({"together": true})), "together: a fault of kind"),
        (entry(Kind::Throttle), "bytes_per_second: a fault of kind `throttle` needs it"),
        (with(entry(Kind::Throttle), json!({"bytes_per_second": 0})), "bytes_per_second: nothing would"),
        (
            with(entry(Kind::Throttle), json!({"bytes_per_second": 1, "together": true})),
            "together: it holds all the time",
        ),
        (
            with(entry(Kind::Throttle), json!({"bytes_per_second": 1, "every": millis(90)})),
            "probability: a fault of kind `throttle` needs it",
        ),
        (with(entry(Kind::Reset), json!({"for": millis(90)})), "for: a fault of kind `reset` does not"),
        (entry(Kind::HalfOpen), "every: a fault of kind `half_open` needs it"),
        (with(entry(Kind::Stall), json!({"every": millis(90)})), "probability: a fault of kind `stall`"),
        (with(entry(Kind::BrokerPause), json!({"group": "a"})), "group: the broker serves all"),
        (with(entry(Kind::BrokerPause), json!({"persistent": true})), "persistent: a fault of kind"),
    ] {
        let problem = problem(entry);
        assert!(problem.starts_with(&format!("fault[0].{field}")), "{problem}");
    }
}

#[test]
fn the_same_id_twice_is_an_error() {
    let loss = fault(json!({"kind": "loss", "probability": 0.1}));
    let document = FaultDocument { faults: vec![loss.clone(), loss] };
    assert!(document.faults().unwrap_err().to_string().starts_with("fault[1].id: `loss` is taken"));
}

#[test]
fn presets_are_valid_documents() {
    for name in FaultDocument::PRESETS {
        assert!(FaultDocument::preset(name).unwrap().faults().is_ok(), "{name}");
    }
}

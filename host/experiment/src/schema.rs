//! JSON Schema of plans, for editors.

/// The schema as text. It is written by hand; tests compare it with the fields of the plan types.
pub const SCHEMA: &str = include_str!("schema.json");

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde::de::DeserializeOwned;
    use serde_json::{Value, json};
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
    use wasmote_sim::faults::document::{DelayKind, FaultDocument, FaultEntry, Kind};

    use super::*;
    use crate::plan_file::PlanFile;
    use crate::threshold::ThresholdEntry;

    /// Field names of a type, from its error for an unknown field.
    fn fields<T: DeserializeOwned>() -> BTreeSet<String> {
        let Err(error) = serde_json::from_value::<T>(json!({"no such field": 1})) else {
            panic!("every field is known")
        };
        let error = error.to_string();
        error.split('`').skip(1).step_by(2).skip(1).map(str::to_owned).collect()
    }

    fn part(pointer: &str) -> Value {
        let schema: Value = serde_json::from_str(SCHEMA).unwrap();
        schema.pointer(pointer).unwrap_or_else(|| panic!("{pointer}")).clone()
    }

    fn listed(pointer: &str) -> BTreeSet<String> {
        part(&format!("{pointer}/properties")).as_object().unwrap().keys().cloned().collect()
    }

    fn texts(list: &Value) -> BTreeSet<String> {
        list.as_array().into_iter().flatten().map(|text| text.as_str().unwrap().to_owned()).collect()
    }

    /// Whether an `if` condition of the schema matches a fault.
    fn matches_condition(condition: &Value, fault: &Value) -> bool {
        let list = |name: &str| condition[name].as_array().cloned();
        let accepts = |schema_part: &Value, found: &Value| {
            schema_part.get("const").is_none_or(|only| only == found)
                && schema_part["enum"].as_array().is_none_or(|known| known.contains(found))
        };
        let mut properties = condition["properties"].as_object().into_iter().flatten();
        texts(&condition["required"]).iter().all(|field| fault.get(field).is_some())
            && properties
                .all(|(field, schema_part)| fault.get(field).is_none_or(|found| accepts(schema_part, found)))
            && list("allOf").is_none_or(|all| all.iter().all(|each| matches_condition(each, fault)))
            && list("anyOf").is_none_or(|any| any.iter().any(|each| matches_condition(each, fault)))
    }

    /// The `then` branches of the schema that apply to a fault.
    fn then_branches(fault: &Value, pointer: &str) -> Vec<Value> {
        let branches = part(pointer).as_array().unwrap().clone();
        let fitting = branches.into_iter().filter(|branch| matches_condition(&branch["if"], fault));
        fitting.map(|branch| branch["then"].clone()).collect()
    }

    /// The invalid field of a fault, if there is one.
    fn invalid_field(fault: &Value) -> Option<&'static str> {
        let entry: FaultEntry = serde_json::from_value(fault.clone()).unwrap();
        FaultDocument { faults: vec![entry] }.faults().err().map(|invalid| invalid.field)
    }

    /// Each kind of fault, and each distribution of delay.
    fn kinds() -> Vec<(Value, &'static [&'static str])> {
        let plain = Kind::ALL.into_iter().filter(|kind| *kind != Kind::Delay);
        let plain = plain.map(|kind| (json!({"kind": kind.name()}), kind.fields(None)));
        let delay = |it: DelayKind| {
            (json!({"kind": "delay", "distribution": it.name()}), Kind::Delay.fields(Some(it)))
        };
        plain.chain(DelayKind::ALL.into_iter().map(delay)).collect()
    }

    #[test]
    fn the_schema_lists_the_kinds_of_faults_with_their_fields() {
        let known = texts(&part("/$defs/fault/properties/kind/enum"));
        let read = known.iter().map(|name| serde_json::from_value::<Kind>(json!(name)).unwrap().name());
        assert_eq!(read.collect::<BTreeSet<_>>(), Kind::ALL.map(Kind::name).into());
        let delays = texts(&part("/$defs/fault/properties/distribution/enum"));
        assert_eq!(delays, DelayKind::ALL.map(|it| it.name().to_owned()).into());

        for (fault, fields) in kinds() {
            let schema_part = then_branches(&fault, "/$defs/fault/allOf");
            assert_eq!(schema_part.len(), 1, "{fault}");
            let mut takes = texts(&schema_part[0]["propertyNames"]["enum"]);
            let aimed = takes.remove("group") && takes.remove("device");
            assert_eq!(aimed, !fault["kind"].as_str().unwrap().starts_with("broker"), "{fault}");
            assert!(takes.remove("id") && takes.remove("kind"), "{fault}");
            assert_eq!(takes, fields.iter().map(|field| (*field).to_owned()).collect(), "{fault}");
        }
        assert_eq!(part("/$defs/fault/allOf").as_array().unwrap().len(), kinds().len());
    }

    #[test]
    fn the_examples_of_faults_are_valid_and_need_their_required_fields() {
        for (fault, _) in kinds() {
            let example = then_branches(&fault, "/$defs/fault/allOf")[0]["examples"][0].clone();
            assert_eq!(
                (&example["kind"], &example["distribution"]),
                (&fault["kind"], &fault["distribution"])
            );
            // No fault components are available in this test.
            let expected = if example["kind"] == "component" { Some("file") } else { None };
            assert_eq!(invalid_field(&example), expected, "{example}");
            for branch in then_branches(&example, "/$defs/complete_fault/allOf") {
                for field in texts(&branch["required"]) {
                    let mut without = example.clone();
                    without.as_object_mut().unwrap().remove(&field);
                    assert_eq!(invalid_field(&without), Some(&*field), "{without}");
                }
            }
            // The schema requires every field that the program requires.
            let branches = then_branches(&fault, "/$defs/complete_fault/allOf");
            let is_required =
                branches.iter().any(|branch| branch.get("required").or(branch.get("anyOf")).is_some());
            assert_eq!(invalid_field(&fault).is_some(), is_required, "{fault}");
        }
    }

    #[test]
    fn the_schema_requires_exactly_one_action() {
        let mut actions = fields::<TimelineEntry>();
        actions.retain(|field| !["at", "group", "device"].contains(&field.as_str()));
        let each = part("/$defs/timeline/oneOf");
        let each = each.as_array().unwrap().iter().flat_map(|one| texts(&one["required"]));
        assert_eq!(each.collect::<BTreeSet<_>>(), actions);
    }

    #[test]
    fn the_schema_lists_the_fields_of_the_plan_types() {
        assert_eq!(listed(""), fields::<PlanFile>());
        assert_eq!(listed("/properties/thresholds/items"), fields::<ThresholdEntry>());
        assert_eq!(listed("/$defs/faults"), fields::<FaultDocument>());
        assert_eq!(listed("/$defs/fault"), fields::<FaultEntry>());
        assert_eq!(listed("/$defs/group"), fields::<GroupEntry>());
        assert_eq!(listed("/$defs/timeline"), fields::<TimelineEntry>());
        assert_eq!(listed("/$defs/whom"), fields::<Selector>());
        assert_eq!(listed("/properties/topology"), fields::<TopologyEntry>());
        let timeline = |field: &str| listed(&format!("/$defs/timeline/properties/{field}"));
        assert_eq!(timeline("ramp"), fields::<Ramp>());
        assert_eq!(timeline("disconnect"), fields::<Disconnect>());
        assert_eq!(timeline("partition"), fields::<Partition>());
        assert_eq!(timeline("broker"), fields::<Broker>());
        assert_eq!(timeline("publish"), fields::<Publish>());
        assert_eq!(timeline("request"), fields::<Request>());
        assert_eq!(timeline("add"), fields::<Add>());
        assert_eq!(timeline("configure"), fields::<Configure>());
        assert_eq!(timeline("swap"), fields::<Swap>());
    }
}

//! A JSON Schema of plans, for editors.

/// The schema as text. It is written by hand; tests hold it to the fields that plans really have.
pub const SCHEMA: &str = include_str!("schema.json");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::file::GroupEntry;
    use crate::experiment::document::{
        Add, Broker, Configure, Disconnect, Partition, PlanDocument, Publish, Ramp, Request, Swap,
        TimelineEntry, Whom,
    };
    use crate::experiment::topology::TopologyEntry;
    use serde::de::DeserializeOwned;
    use serde_json::{Value, json};
    use std::collections::BTreeSet;

    /// The fields of a type: its own answer to one that it does not know.
    fn fields<T: DeserializeOwned>() -> BTreeSet<String> {
        let Err(error) = serde_json::from_value::<T>(json!({"no such field": 1})) else {
            panic!("every field is known")
        };
        let error = error.to_string();
        error.split('`').skip(1).step_by(2).skip(1).map(str::to_owned).collect()
    }

    fn listed(pointer: &str) -> BTreeSet<String> {
        let schema: Value = serde_json::from_str(SCHEMA).unwrap();
        let properties = schema.pointer(&format!("{pointer}/properties")).and_then(Value::as_object);
        properties.unwrap_or_else(|| panic!("{pointer}")).keys().cloned().collect()
    }

    #[test]
    fn the_schema_lists_the_fields_that_there_are() {
        let without = |mut fields: BTreeSet<String>, other_names: &[&str]| {
            fields.retain(|field| !other_names.contains(&field.as_str()));
            fields
        };
        assert_eq!(listed(""), without(fields::<PlanDocument>(), &["groups", "threshold"]));
        assert_eq!(listed("/$defs/group"), fields::<GroupEntry>());
        assert_eq!(listed("/$defs/timeline"), fields::<TimelineEntry>());
        assert_eq!(listed("/$defs/whom"), fields::<Whom>());
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

//! Kubernetes' own schemas, strict: a field that it does not know is an error. See `schemas/extract.py`.

use std::collections::BTreeMap;

use jsonschema::Validator;
use serde_json::{Value, json};

/// The version of the cluster that the old simulator was measured on, and the newest that there are schemas of.
const VERSIONS: [&str; 2] = [include_str!("schemas/1.33.json"), include_str!("schemas/1.37.json")];

/// The schemas of one version.
pub struct Schemas {
    pub version: String,
    kinds: BTreeMap<String, Validator>,
}

/// All versions.
pub fn all() -> Vec<Schemas> {
    VERSIONS.iter().map(|text| Schemas::new(text)).collect()
}

impl Schemas {
    fn new(text: &str) -> Self {
        let document: Value = serde_json::from_str(text).unwrap();
        let kinds = document["kinds"].as_object().unwrap().iter().map(|(kind, schema)| {
            let whole = json!({"$schema": "https://json-schema.org/draft/2020-12/schema",
                "$defs": document["$defs"], "allOf": [schema]});
            (
                kind.clone(),
                jsonschema::validator_for(&whole).unwrap_or_else(|problem| panic!("{kind}: {problem}")),
            )
        });
        Self { version: document["version"].as_str().unwrap().to_owned(), kinds: kinds.collect() }
    }

    /// What is wrong with an object.
    pub fn problems(&self, object: &Value) -> Vec<String> {
        let (Some(kind), Some(api)) = (object["kind"].as_str(), object["apiVersion"].as_str()) else {
            return vec![format!("no kind or apiVersion in {object}")];
        };
        // As the files are called: deployment-apps-v1, poddisruptionbudget-policy-v1.
        let api: Vec<&str> = api.split('/').map(|part| part.split('.').next().unwrap_or(part)).collect();
        let name = format!("{}-{}", kind.to_lowercase(), api.join("-"));
        let Some(validator) = self.kinds.get(&name) else { return vec![format!("no schema for {name}")] };
        let problems = validator.iter_errors(object);
        problems.map(|problem| format!("{name} {}: {problem}", problem.instance_path())).collect()
    }
}

/// Check objects against every version.
pub fn assert_valid(objects: &[Value], what: &str) {
    assert!(!objects.is_empty(), "{what}: nothing was rendered");
    for schemas in all() {
        for object in objects {
            let problems = schemas.problems(object);
            assert!(problems.is_empty(), "{what}, Kubernetes {}: {problems:#?}\n{object:#}", schemas.version);
        }
    }
}

#[test]
fn a_field_that_kubernetes_does_not_know_is_found() {
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"},
        "spec": {"ports": [{"port": 5000, "portt": 1}]}});
    let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a"},
        "spec": {"replicas": "nine", "selector": {}, "template": {}}});
    let without_selector = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a"},
        "spec": {"template": {}}});
    for schemas in all() {
        for (wrong, word) in [(&service, "portt"), (&deployment, "nine"), (&without_selector, "selector")] {
            let problems = schemas.problems(wrong).join("\n");
            assert!(problems.contains(word), "{}: {problems}", schemas.version);
        }
        assert!(!schemas.problems(&json!({"apiVersion": "v2", "kind": "Service"})).is_empty());
    }
}

//! Strict schemas of Kubernetes: unknown fields are errors. See `schemas/extract.py`.

use std::collections::BTreeMap;

use jsonschema::Validator;
use serde_json::{Value, json};

/// The version of the cluster of the predecessor's measurements, and the newest version with schemas.
const VERSIONS: [&str; 2] = [include_str!("schemas/1.33.json"), include_str!("schemas/1.37.json")];

/// Kinds of the Prometheus operator, as JSON Schemas derived from its Go types.
const OPERATOR: &str = include_str!("schemas/prometheus-operator.json");

/// Schemas of one version.
pub struct Schemas {
    pub version: String,
    kinds: BTreeMap<String, Validator>,
}

/// Schemas of all versions.
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

    /// Violations of the schema by an object.
    pub fn problems(&self, object: &Value) -> Vec<String> {
        let (Some(kind), Some(api)) = (object["kind"].as_str(), object["apiVersion"].as_str()) else {
            return vec![format!("no kind or apiVersion in {object}")];
        };
        // Names of schemas are like deployment-apps-v1 and poddisruptionbudget-policy-v1.
        let api: Vec<&str> = api.split('/').map(|part| part.split('.').next().unwrap_or(part)).collect();
        let name = format!("{}-{}", kind.to_lowercase(), api.join("-"));
        let Some(validator) = self.kinds.get(&name) else { return vec![format!("no schema for {name}")] };
        let problems = validator.iter_errors(object);
        problems.map(|problem| format!("{name} {}: {problem}", problem.instance_path())).collect()
    }
}

/// Validates objects with the schemas of every version, and those of the Prometheus operator with its own schemas.
pub fn assert_valid(objects: &[Value], what: &str) {
    assert!(!objects.is_empty(), "{what}: nothing was rendered");
    let operator = Schemas::new(OPERATOR);
    let is_operators =
        |object: &&Value| object["apiVersion"].as_str().is_some_and(|api| api.starts_with("monitoring."));
    let (operators, own): (Vec<_>, Vec<_>) = objects.iter().partition(is_operators);
    let checks = all().into_iter().map(|schemas| (schemas, &own)).chain([(operator, &operators)]);
    for (schemas, objects) in checks {
        for object in objects {
            let problems = schemas.problems(object);
            assert!(problems.is_empty(), "{what}, {}: {problems:#?}\n{object:#}", schemas.version);
        }
    }
}

#[test]
fn an_invalid_object_of_the_prometheus_operator_is_detected() {
    let operator = Schemas::new(OPERATOR);
    let object = |kind: &str, spec: Value| json!({"apiVersion": "monitoring.coreos.com/v1", "kind": kind, "metadata": {"name": "a"}, "spec": spec});
    let rule = |rule: Value| object("PrometheusRule", json!({"groups": [{"name": "a", "rules": [rule]}]}));
    let endpoint = |it: Value| object("PodMonitor", json!({"selector": {}, "podMetricsEndpoints": [it]}));
    for (wrong, word) in [
        (rule(json!({"alert": "A", "expression": "up"})), "expression"),
        (rule(json!({"alert": "A"})), "expr"),
        (rule(json!({"alert": "A", "expr": "up", "for": "1 minute"})), "1 minute"),
        (endpoint(json!({"port": 5000})), "5000"),
        (endpoint(json!({"ports": "http"})), "ports"),
        (object("PodMonitor", json!({"podMetricsEndpoints": []})), "selector"),
        (object("PodMonitors", json!({})), "no schema"),
    ] {
        let problems = operator.problems(&wrong).join("\n");
        assert!(problems.contains(word), "{wrong}: {problems}");
    }
    assert_eq!(operator.problems(&endpoint(json!({"port": "http", "interval": "1m30s"}))), [""; 0]);
}

#[test]
fn an_invalid_field_of_kubernetes_is_detected() {
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

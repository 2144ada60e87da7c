//! What objects of all kinds have in common.

use super::name::Name;
use super::yaml::{Map, Node};

/// Who an object is, in the labels that Kubernetes recommends.
#[derive(Clone, Debug)]
pub struct ObjectIdentity {
    /// The label `app`, by which people ask for pods.
    pub app: &'static str,
    /// The program.
    pub name: &'static str,
    /// Which of them.
    pub instance: String,
    /// Its part in the whole.
    pub component: &'static str,
    /// The program's version, where it is known.
    pub version: Option<&'static str>,
    /// The namespace to name.
    pub namespace: Option<Name>,
}

impl ObjectIdentity {
    /// All labels.
    pub fn labels(&self) -> Map {
        Map::new()
            .with("app", self.app)
            .with("app.kubernetes.io/name", self.name)
            .with("app.kubernetes.io/instance", self.instance.as_str())
            .with_some("app.kubernetes.io/version", self.version)
            .with("app.kubernetes.io/component", self.component)
            .with("app.kubernetes.io/part-of", "wasmote")
    }

    /// The labels by which pods are found. They never change.
    pub fn selector(&self) -> Map {
        Map::new().with("app", self.app).with("app.kubernetes.io/instance", self.instance.as_str())
    }

    /// An object's metadata.
    pub fn metadata(&self, name: &str) -> Map {
        Map::new()
            .with("name", name)
            .with_some("namespace", self.namespace.as_ref().map(Name::as_str))
            .with("labels", self.labels())
    }
}

/// The beginning of an object.
pub fn object(version: &str, kind: &str, metadata: impl Into<Node>) -> Map {
    Map::new().with("apiVersion", version).with("kind", kind).with("metadata", metadata)
}

/// What a pod may do, by the standard `restricted`.
pub fn pod_security(user: u32) -> Map {
    Map::new()
        .with("runAsNonRoot", true)
        .with("runAsUser", user)
        .with("runAsGroup", user)
        .with("fsGroup", user)
        .with("seccompProfile", Map::new().with("type", "RuntimeDefault"))
}

/// What a container may do, by the same standard.
pub fn container_security() -> Map {
    Map::new()
        .with("allowPrivilegeEscalation", false)
        .with("readOnlyRootFilesystem", true)
        .with("capabilities", Map::new().with("drop", vec!["ALL"]))
}

/// A Service's port, which leads to the container's of the same name.
pub fn service_port(name: &str, port: u32) -> Map {
    Map::new().with("name", name).with("port", port).with("targetPort", name)
}

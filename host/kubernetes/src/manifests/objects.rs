//! Parts common to objects of all kinds.

use super::name::Name;
use super::yaml::{Map, Node};

/// Identity of an object, in the labels recommended by Kubernetes.
#[derive(Clone, Debug)]
pub struct ObjectIdentity {
    /// Label `app`, the usual selector of pods.
    pub app: &'static str,
    /// Name of the program.
    pub name: &'static str,
    /// Name of the instance.
    pub instance: String,
    /// Role of the object in the fleet.
    pub component: &'static str,
    /// Version of the program, if known.
    pub version: Option<&'static str>,
    /// Namespace of the object, if given.
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

    /// Labels that select pods. They never change.
    pub fn selector(&self) -> Map {
        Map::new().with("app", self.app).with("app.kubernetes.io/instance", self.instance.as_str())
    }

    /// Metadata of an object.
    pub fn metadata(&self, name: &str) -> Map {
        Map::new()
            .with("name", name)
            .with_some("namespace", self.namespace.as_ref().map(Name::as_str))
            .with("labels", self.labels())
    }
}

/// Creates an object with its version, kind and metadata.
pub fn object(version: &str, kind: &str, metadata: impl Into<Node>) -> Map {
    Map::new().with("apiVersion", version).with("kind", kind).with("metadata", metadata)
}

/// Security context of a pod, by the Pod Security Standard `restricted`.
pub fn pod_security(user: u32) -> Map {
    Map::new()
        .with("runAsNonRoot", true)
        .with("runAsUser", user)
        .with("runAsGroup", user)
        .with("fsGroup", user)
        .with("seccompProfile", Map::new().with("type", "RuntimeDefault"))
}

/// Security context of a container, by the same standard.
pub fn container_security() -> Map {
    Map::new()
        .with("allowPrivilegeEscalation", false)
        .with("readOnlyRootFilesystem", true)
        .with("capabilities", Map::new().with("drop", vec!["ALL"]))
}

/// Port of a Service. It forwards to the container's port of the same name.
pub fn service_port(name: &str, port: u32) -> Map {
    Map::new().with("name", name).with("port", port).with("targetPort", name)
}

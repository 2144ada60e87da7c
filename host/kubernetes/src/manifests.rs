//! Kubernetes manifests of a fleet, its behaviours and its broker.
//!
//! * [`fleet`]: groups of pods from checked settings and options. [`name`]: valid names and quantities. [`gzip`]:
//!   compression of components, with the size limits of Kubernetes.
//!   [`options`]: options of the deployment. [`memory`]: limits of pods, and the init container that compiles.
//! * [`workload`], [`broker`], [`monitoring`]: objects of the parts. [`objects`]: parts common to all objects.
//! * [`yaml`]: YAML with comments.
//!
//! `k8s.yaml` and `mqtt-broker.yaml` at the top of the repository, and the base in `deploy/`, are rendered by this
//! module; a test compares them.

pub mod broker;
pub mod fleet;
pub mod gzip;
pub mod memory;
pub mod monitoring;
pub mod name;
pub mod objects;
pub mod options;
pub mod workload;
pub mod yaml;

use wasmote_fleet::source::SourceError;

use fleet::FleetManifests;
use gzip::TooLarge;
use name::Image;
use yaml::Map;

/// Error in the creation of manifests.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// A behaviour cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A behaviour is not the one that is pinned.
    #[error("the SHA-256 of the behaviour `{behaviour}` is {found}, and it is pinned to {wanted}")]
    Pinned {
        /// Name of the behaviour.
        behaviour: String,
        /// The SHA-256 that it must have.
        wanted: String,
        /// The SHA-256 that it has.
        found: String,
    },
    /// A behaviour is too large for a ConfigMap.
    #[error(
        "the behaviour `{behaviour}` does not fit a ConfigMap: {problem}; put it into an image, and mount that with \
         --behaviour-image REF (Kubernetes 1.35, or 1.33 with the feature ImageVolume)"
    )]
    TooLarge {
        /// Name of the behaviour.
        behaviour: String,
        /// Problem with the size.
        problem: TooLarge,
    },
    /// The limit of the init container is too low.
    #[error(
        "--compile-memory: compiling the behaviour `{behaviour}` takes about {needed_mebibytes} MiB, and {given} are too few; \
         use {enough}"
    )]
    CompileMemory {
        /// Name of the behaviour.
        behaviour: String,
        /// Memory of the container, about.
        needed_mebibytes: u64,
        /// The limit that was given.
        given: String,
        /// A limit that suffices.
        enough: String,
    },
    /// Two behaviours have the same name.
    #[error("two different behaviours have the name `{name}`; rename one of the files")]
    SameName {
        /// Name of the ConfigMap.
        name: String,
    },
    /// A group's name has no characters that are valid in Kubernetes.
    #[error(
        "the name of group `{group}` is invalid in Kubernetes: use a-z, 0-9 and `-`, at most 42 characters (RFC 1123)"
    )]
    NoName {
        /// The group.
        group: String,
    },
    /// A name is too long for the suffix that Kubernetes adds.
    #[error(
        "`{name}` is too long: Kubernetes adds a suffix for each pod, so a group's name has at most {max_len} characters"
    )]
    LongName {
        /// The name.
        name: String,
        /// Maximum length of a group's name.
        max_len: usize,
    },
    /// A behaviour is a file where only built-in behaviours are available.
    #[error(
        "`{path}` is not built in, and the image has only the built-in behaviours; leave out --built-in to mount it"
    )]
    NotBuiltIn {
        /// Path of the file.
        path: String,
    },
    /// The devices of a group have names of their own.
    #[error(
        "the devices of group `{group}` have names of their own, and those of pods are called after their pods; run the group \
         with `wasmote run --config`, on several machines with --shard"
    )]
    OwnNames {
        /// The group.
        group: String,
    },
    /// The devices of a group do not divide evenly into pods.
    #[error(
        "the {count} devices of group `{group}` do not divide into pods of {per_pod}; choose another --devices"
    )]
    Uneven {
        /// The group.
        group: String,
        /// Number of its devices.
        count: u32,
        /// Devices per pod.
        per_pod: u32,
    },
    /// A fault model is a file.
    #[error(
        "the fault component `{0}` is a file, which is not mounted in pods yet; use a built-in one, or remove it"
    )]
    FaultModel(String),
    /// Faults are not supported in pods, or cannot be serialized.
    #[error("the faults are not supported in pods: {0}")]
    Faults(String),
}

/// A part of the manifests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum ManifestPart {
    /// Mosquitto, if no other broker is given.
    Broker,
    /// ConfigMaps with the behaviours.
    Behaviours,
    /// Workloads, Services and faults.
    Devices,
    /// PodMonitor, alert rules and Grafana dashboard; only on request.
    Monitoring,
}

/// Objects of these parts, in a suitable order for applying them.
pub fn objects(fleet: &FleetManifests, parts: &[ManifestPart]) -> Vec<Map> {
    let options = &fleet.options;
    let mut all = Vec::new();
    if parts.contains(&ManifestPart::Broker) && options.broker.deployed {
        all.extend(broker::objects(options.namespace.as_ref(), options.broker.is_secured()));
    }
    if parts.contains(&ManifestPart::Behaviours) {
        all.extend(fleet.components.iter().map(|component| workload::component(component, options)));
    }
    if parts.contains(&ManifestPart::Devices) {
        all.extend(workload::token_secret(options));
        for group in &fleet.groups {
            all.extend(workload::faults(group, options));
            all.push(workload::pods(group, fleet));
            all.push(workload::service(group, options));
        }
    }
    if parts.contains(&ManifestPart::Monitoring) {
        all.extend(monitoring::objects(options));
    }
    all
}

/// Renders objects as one YAML stream.
pub fn stream(objects: &[Map]) -> String {
    objects.iter().map(yaml::write).collect::<Vec<_>>().join("---\n")
}

/// Note for the user about an image that no registry has.
pub fn local_image_note(image: &Image) -> Option<String> {
    let name = image.as_str();
    image.is_local().then(|| {
        format!(
            "the pods use the image {name}, which no registry has: load it into the nodes (minikube image load {name}, or \
             kind load docker-image {name}), or push it and name it with --image OWNER/{name}"
        )
    })
}

/// Note for the user about the numbers of pods and devices, which differ by one.
pub fn numbering_note(fleet: &FleetManifests) -> Option<String> {
    let group = fleet.groups.first().filter(|_| fleet.options.stable_names)?;
    Some(format!(
        "pods are numbered from 1 and devices from 0: the pod {}-1 has the device {}-0",
        group.name, group.group
    ))
}

/// Warnings for the user before applying the manifests.
pub fn warnings(fleet: &FleetManifests) -> Vec<String> {
    let long = fleet.components.iter().filter(|component| component.compressed.needs_server_side());
    let long = long.map(|component| {
        format!(
            "ConfigMap {} has {} KiB, more than an annotation of `kubectl apply` holds: apply with --server-side",
            component.name,
            component.compressed.size_bytes.div_ceil(1024)
        )
    });
    long.chain(fleet.groups.iter().flat_map(|group| group.memory.notes.clone())).collect()
}

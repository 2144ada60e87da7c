//! Manifests for Kubernetes: a fleet, its behaviours and its broker as objects to apply.
//!
//! * [`fleet`]: settings and wishes become groups of pods, checked; [`name`]s are what Kubernetes takes, and
//!   [`gzip`] components fit its limits.
//! * [`workload`], [`broker`], [`monitoring`]: their objects, with what [`objects`] share. [`yaml`]: written for people.
//!
//! `k8s.yaml` and `mqtt-broker.yaml` at the top of the repository, and the base in `deploy/`, are what this renders:
//! a test keeps them so.

pub mod broker;
pub mod fleet;
pub mod gzip;
pub mod monitoring;
pub mod name;
pub mod objects;
pub mod workload;
pub mod yaml;

use wasmote_fleet::source::SourceError;

use fleet::FleetManifests;
use gzip::TooLarge;
use yaml::Map;

/// Why there are no manifests.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// A behaviour that cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A behaviour that fits no ConfigMap.
    #[error(
        "the behaviour `{behaviour}` does not fit a ConfigMap: {problem}; put it into an image, and mount that with \
         --behaviour-image REF (Kubernetes 1.35, or 1.33 with the feature ImageVolume)"
    )]
    TooLarge {
        /// The behaviour.
        behaviour: String,
        /// Its size.
        problem: TooLarge,
    },
    /// Two files of one name.
    #[error("two different behaviours would be called `{name}`; give one file another name")]
    SameName {
        /// The ConfigMap's name.
        name: String,
    },
    /// A group whose name has nothing that Kubernetes takes.
    #[error(
        "the group `{group}` has no name that Kubernetes takes: use a-z, 0-9 and `-`, at most 42 of them (RFC 1123)"
    )]
    NoName {
        /// The group.
        group: String,
    },
    /// A name with no room for what Kubernetes adds.
    #[error(
        "`{name}` is too long: Kubernetes adds to it for each pod, so a group's name has at most {max_len} characters"
    )]
    LongName {
        /// What it would be.
        name: String,
        /// How long the group's name may be.
        max_len: usize,
    },
    /// Something from a file where only what is built in can be meant.
    #[error(
        "`{path}` is a file, and the image has only the built-in behaviours; leave out --built-in to mount it"
    )]
    NotBuiltIn {
        /// The file.
        path: String,
    },
    /// Devices that do not divide into pods.
    #[error(
        "the {count} devices of group `{group}` do not divide into pods of {per_pod}; choose another --devices"
    )]
    Uneven {
        /// The group.
        group: String,
        /// Its devices.
        count: u32,
        /// Devices a pod.
        per_pod: u32,
    },
    /// Faults that are in a file of their own.
    #[error(
        "the fault component `{0}` is a file, which pods are not given yet; use a built-in one, or leave it out"
    )]
    FaultModel(String),
    /// Faults that pods cannot bring about, or that cannot be written down.
    #[error("the faults cannot be those of pods: {0}")]
    Faults(String),
}

/// A part of what can be rendered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum ManifestPart {
    /// Mosquitto, where no broker is named.
    Broker,
    /// ConfigMaps with the behaviours.
    Behaviours,
    /// Workloads, Services and faults.
    Devices,
    /// PodMonitor, alert rules and Grafana dashboard; only when asked for.
    Monitoring,
}

/// The objects of these parts, in the order in which they are best applied.
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

/// Objects as one YAML stream.
pub fn stream(objects: &[Map]) -> String {
    objects.iter().map(yaml::write).collect::<Vec<_>>().join("---\n")
}

/// What a user should know before applying these.
pub fn warnings(fleet: &FleetManifests) -> Vec<String> {
    let long = fleet.components.iter().filter(|component| component.compressed.needs_server_side());
    long.map(|component| {
        format!(
            "ConfigMap {} has {} KiB, more than an annotation of `kubectl apply` holds: apply with --server-side",
            component.name,
            component.compressed.size_bytes.div_ceil(1024)
        )
    })
    .collect()
}

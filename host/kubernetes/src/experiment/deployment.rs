//! Deployment of a fleet on the cluster: apply, wait, delete.

use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use wasmote_fleet::term::to_stderr;

use super::ClusterError;
use crate::kubectl::pod::Pod;
use crate::kubectl::{Kubectl, KubectlError};
use crate::manifests::fleet::FleetManifests;
use crate::manifests::yaml::Node;
use crate::manifests::{self, ManifestPart};

/// Label selector of all objects of a fleet.
pub const FLEET_SELECTOR: &str = "app.kubernetes.io/part-of=wasmote";

/// A fleet to deploy on the cluster.
pub struct Deployment<'a> {
    kubectl: &'a Kubectl,
    objects: Value,
    desired: usize,
}

impl<'a> Deployment<'a> {
    /// Creates the deployment of a fleet.
    pub fn new(kubectl: &'a Kubectl, fleet: &FleetManifests) -> Self {
        let parts = [ManifestPart::Broker, ManifestPart::Behaviours, ManifestPart::Devices];
        let objects = manifests::objects(fleet, &parts).into_iter().map(|object| Node::from(object).json());
        let list = json!({"apiVersion": "v1", "kind": "List", "items": objects.collect::<Vec<_>>()});
        let devices: u32 = fleet.groups.iter().map(|group| group.replicas).sum();
        let desired = devices as usize + usize::from(fleet.options.broker.deployed);
        Self { kubectl, objects: list, desired }
    }

    /// Number of desired pods.
    pub fn desired(&self) -> usize {
        self.desired
    }

    /// Checks that the namespace has no objects of a fleet, which this run would overwrite and delete.
    pub fn check_namespace(&self) -> Result<(), ClusterError> {
        let kinds = "deployments,statefulsets,services,configmaps";
        let found = self.kubectl.run(&["get", kinds, "--selector", FLEET_SELECTOR, "--output", "name"])?;
        let found = String::from_utf8_lossy(&found);
        let names: Vec<&str> = found.split_whitespace().collect();
        match names.len() {
            0 => Ok(()),
            1..=3 => Err(ClusterError::NamespaceInUse { found: names.join(", ") }),
            more => Err(ClusterError::NamespaceInUse {
                found: format!("{} and {} more", names[..3].join(", "), more - 3),
            }),
        }
    }

    /// Applies the objects.
    pub fn apply(&self) -> Result<(), KubectlError> {
        let args = ["apply", "--server-side", "--field-manager=wasmote", "--filename", "-"];
        self.kubectl.run_with_input(&args, self.objects.to_string().as_bytes()).map(drop)
    }

    /// Deletes the objects and waits until they are gone.
    pub fn delete(&self) -> Result<(), KubectlError> {
        let args = ["delete", "--ignore-not-found", "--wait=true", "--timeout=120s", "--filename", "-"];
        self.kubectl.run_with_input(&args, self.objects.to_string().as_bytes()).map(drop)
    }

    /// Waits until every pod is ready, or the user interrupts the run.
    pub fn wait(&self, ready_timeout: Duration, interrupted: &dyn Fn() -> bool) -> Result<(), ClusterError> {
        const POLL_INTERVAL: Duration = Duration::from_millis(500);
        let began = Instant::now();
        let mut last_reported = usize::MAX;
        while !interrupted() {
            let pods: Vec<Pod> =
                self.kubectl.pods(FLEET_SELECTOR)?.into_iter().filter(|pod| !pod.terminating).collect();
            let ready = pods.iter().filter(|pod| pod.ready).count();
            if ready >= self.desired {
                return Ok(());
            }
            if ready != last_reported {
                to_stderr(format_args!("{ready} of {} pods are ready", self.desired));
                last_reported = ready;
            }
            if began.elapsed() >= ready_timeout {
                let why = reasons(&pods, self.desired);
                return Err(ClusterError::NotReady { ready, desired: self.desired, ready_timeout, why });
            }
            sleep(POLL_INTERVAL);
        }
        Ok(())
    }
}

/// Reasons why pods are not ready, each listed once.
fn reasons(pods: &[Pod], desired: usize) -> String {
    let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
    for pod in pods.iter().filter(|pod| !pod.ready) {
        match reasons.iter_mut().find(|(why, _)| *why == pod.reason) {
            Some((_, names)) => names.push(&pod.name),
            None => reasons.push((&pod.reason, vec![&pod.name])),
        }
    }
    let mut text: Vec<String> = reasons
        .into_iter()
        .map(|(why, names)| match names[..] {
            [name] => format!("{name}: {why}"),
            [name, ..] => format!("{name} and {} more: {why}", names.len() - 1),
            [] => why.to_owned(),
        })
        .collect();
    if pods.len() < desired {
        text.push(format!("{} pods were never created; see `kubectl get events`", desired - pods.len()));
    }
    text.join("; ")
}

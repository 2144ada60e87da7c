//! Deployment of a fleet on the cluster: create, wait, delete. Only objects that the run itself created are deleted.

use std::collections::BTreeSet;
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
    /// Kinds and names of the objects that this run created, such as `service/iot-sensor`.
    created: Vec<String>,
}

impl<'a> Deployment<'a> {
    /// Creates the deployment of a fleet.
    pub fn new(kubectl: &'a Kubectl, fleet: &FleetManifests) -> Self {
        let parts = [ManifestPart::Broker, ManifestPart::Behaviours, ManifestPart::Devices];
        let objects = manifests::objects(fleet, &parts).into_iter().map(|object| Node::from(object).json());
        let list = json!({"apiVersion": "v1", "kind": "List", "items": objects.collect::<Vec<_>>()});
        let devices: u32 = fleet.groups.iter().map(|group| group.replicas).sum();
        let desired = devices as usize + usize::from(fleet.options.broker.deployed);
        Self { kubectl, objects: list, desired, created: Vec::new() }
    }

    /// Number of desired pods.
    pub fn desired(&self) -> usize {
        self.desired
    }

    /// Kinds and names of the objects that this run created.
    pub fn created(&self) -> &[String] {
        &self.created
    }

    /// Checks that the namespace has no other fleet, whose devices would be counted as devices of this run, and no object
    /// with a name that this run needs. ConfigMaps of other behaviours may stay.
    pub fn check_namespace(&self) -> Result<(), ClusterError> {
        let workloads = "deployments,statefulsets,services";
        let fleet =
            self.kubectl.run(&["get", workloads, "--selector", FLEET_SELECTOR, "--output", "name"])?;
        let args = ["get", "--ignore-not-found", "--output", "name", "--filename", "-"];
        let same_names = self.kubectl.run_with_input(&args, self.objects.to_string().as_bytes())?;
        let found: BTreeSet<String> = names(&fleet).into_iter().chain(names(&same_names)).collect();
        match found.len() {
            0 => Ok(()),
            _ => Err(ClusterError::NamespaceInUse { found: Vec::from_iter(found).join(" ") }),
        }
    }

    /// Creates the objects. An object that exists already is an error and stays unchanged.
    pub fn create(&mut self) -> Result<(), KubectlError> {
        let args = ["create", "--output", "name", "--filename", "-"];
        let (stdout, result) =
            self.kubectl.run_with_partial_output(&args, self.objects.to_string().as_bytes());
        self.created = names(&stdout);
        result
    }

    /// Deletes the objects that were created, and waits until they are gone.
    pub fn delete(&self) -> Result<(), KubectlError> {
        if self.created.is_empty() {
            return Ok(());
        }
        let mut args = vec!["delete", "--ignore-not-found", "--wait=true", "--timeout=120s"];
        args.extend(self.created.iter().map(String::as_str));
        self.kubectl.run(&args).map(drop)
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

/// Kinds and names in the output of `kubectl --output name`.
fn names(output: &[u8]) -> Vec<String> {
    String::from_utf8_lossy(output).split_whitespace().map(str::to_owned).collect()
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

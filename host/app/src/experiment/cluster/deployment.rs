//! A fleet's life on the cluster: applied, ready, deleted.

use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::ClusterError;
use crate::cli::output::to_stderr;
use crate::kubectl::pod::Pod;
use crate::kubectl::{Kubectl, KubectlError};
use crate::manifests::fleet::Fleet;
use crate::manifests::yaml::Node;
use crate::manifests::{self, Part};

/// The label of all that belongs to a fleet.
pub const WHOLE: &str = "app.kubernetes.io/part-of=wasmote";

/// A fleet that is put on the cluster.
pub struct Deployment<'a> {
    kubectl: &'a Kubectl,
    objects: Value,
    wanted: usize,
}

impl<'a> Deployment<'a> {
    /// Of this fleet.
    pub fn new(kubectl: &'a Kubectl, fleet: &Fleet) -> Self {
        let parts = [Part::Broker, Part::Behaviours, Part::Devices];
        let objects = manifests::objects(fleet, &parts).into_iter().map(|object| Node::from(object).json());
        let list = json!({"apiVersion": "v1", "kind": "List", "items": objects.collect::<Vec<_>>()});
        let devices: u32 = fleet.groups.iter().map(|group| group.replicas).sum();
        let wanted = devices as usize + usize::from(fleet.wishes.broker.deployed);
        Self { kubectl, objects: list, wanted }
    }

    /// How many pods there should be.
    pub fn wanted(&self) -> usize {
        self.wanted
    }

    /// Nothing must be there that would be mixed up with this, and be deleted with it.
    pub fn check_free(&self) -> Result<(), ClusterError> {
        let kinds = "deployments,statefulsets,services,configmaps";
        let found = self.kubectl.call(&["get", kinds, "--selector", WHOLE, "--output", "name"])?;
        let found = String::from_utf8_lossy(&found);
        let names: Vec<&str> = found.split_whitespace().collect();
        match names.len() {
            0 => Ok(()),
            1..=3 => Err(ClusterError::Taken { found: names.join(", ") }),
            more => {
                Err(ClusterError::Taken { found: format!("{} and {} more", names[..3].join(", "), more - 3) })
            }
        }
    }

    /// Put it there.
    pub fn apply(&self) -> Result<(), KubectlError> {
        let words = ["apply", "--server-side", "--field-manager=wasmote", "--filename", "-"];
        self.kubectl.feed(&words, self.objects.to_string().as_bytes()).map(drop)
    }

    /// Take all of it away again, and wait until it is gone.
    pub fn delete(&self) -> Result<(), KubectlError> {
        let words = ["delete", "--ignore-not-found", "--wait=true", "--timeout=120s", "--filename", "-"];
        self.kubectl.feed(&words, self.objects.to_string().as_bytes()).map(drop)
    }

    /// Wait until every pod is ready, or somebody wants no more.
    pub fn wait(&self, patience: Duration, interrupted: &dyn Fn() -> bool) -> Result<(), ClusterError> {
        const PAUSE: Duration = Duration::from_millis(500);
        let began = Instant::now();
        let mut told = usize::MAX;
        while !interrupted() {
            let pods: Vec<Pod> = self.kubectl.pods(WHOLE)?.into_iter().filter(|pod| !pod.leaving).collect();
            let ready = pods.iter().filter(|pod| pod.ready).count();
            if ready >= self.wanted {
                return Ok(());
            }
            if ready != told {
                to_stderr(format_args!("{ready} of {} pods are ready", self.wanted));
                told = ready;
            }
            if began.elapsed() >= patience {
                let why = reasons(&pods, self.wanted);
                return Err(ClusterError::NotReady { ready, wanted: self.wanted, patience, why });
            }
            sleep(PAUSE);
        }
        Ok(())
    }
}

/// Why pods are not ready, each reason once.
fn reasons(pods: &[Pod], wanted: usize) -> String {
    let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
    for pod in pods.iter().filter(|pod| !pod.ready) {
        match reasons.iter_mut().find(|(why, _)| *why == pod.why) {
            Some((_, names)) => names.push(&pod.name),
            None => reasons.push((&pod.why, vec![&pod.name])),
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
    if pods.len() < wanted {
        text.push(format!("{} pods were never made; see `kubectl get events`", wanted - pods.len()));
    }
    text.join("; ")
}

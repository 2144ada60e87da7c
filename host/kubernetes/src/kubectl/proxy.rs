//! `kubectl proxy`: one process for requests to the API of every pod.

use super::background::Background;
use super::pod::Pod;
use super::{Kubectl, KubectlError};
use crate::manifests::workload::PORT;

/// A running proxy, killed on drop.
#[derive(Debug)]
pub struct Proxy {
    process: Background,
}

impl Proxy {
    /// Starts a proxy on a free loopback port and waits until it serves.
    pub fn start(kubectl: &Kubectl) -> Result<Self, KubectlError> {
        // "Starting to serve on 127.0.0.1:40123"
        Background::start(kubectl, &["proxy", "--port=0"]).map(|process| Self { process })
    }

    /// URL of a pod's API.
    pub fn pod_url(&self, pod: &Pod) -> String {
        let Pod { name, namespace, .. } = pod;
        let namespace = if namespace.is_empty() { "default" } else { namespace };
        format!("http://{}/api/v1/namespaces/{namespace}/pods/{name}:{PORT}/proxy", self.process.address)
    }
}

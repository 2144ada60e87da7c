//! Access to the cluster and to the pods of a run.

use reqwest::Client;
use tokio::runtime::Runtime;

use crate::kubectl::Kubectl;
use crate::kubectl::proxy::Proxy;

/// Access to the cluster and its pods.
#[derive(Clone, Copy)]
pub struct ClusterAccess<'a> {
    /// Queries the cluster.
    pub kubectl: &'a Kubectl,
    /// Forwards requests to pods.
    pub proxy: &'a Proxy,
    /// HTTP client.
    pub client: &'a Client,
    /// Runtime of the requests.
    pub runtime: &'a Runtime,
}

//! Access to the cluster and to the pods of a run.

use reqwest::Client;
use tokio::runtime::Runtime;

use crate::kubectl::Kubectl;
use crate::kubectl::proxy::Proxy;

/// How the pods are reached.
#[derive(Clone, Copy)]
pub struct ClusterAccess<'a> {
    /// For what the cluster says of them.
    pub kubectl: &'a Kubectl,
    /// For what they say themselves.
    pub proxy: &'a Proxy,
    /// Who asks.
    pub client: &'a Client,
    /// Where it is waited for.
    pub runtime: &'a Runtime,
}

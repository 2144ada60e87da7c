//! Fleets and experiments on Kubernetes, through the user's `kubectl`.
//!
//! * [`manifests`]: Kubernetes objects of a fleet. [`kubectl`]: calls of `kubectl`, and its proxy.
//! * [`fleet_query`]: combined state of many pods. [`experiment`]: runs of an experiment on a cluster.

pub mod experiment;
pub mod fleet_query;
pub mod kubectl;
pub mod manifests;

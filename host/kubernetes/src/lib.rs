//! Fleets and experiments on Kubernetes, through the user's own `kubectl`.
//!
//! * [`manifests`]: a fleet as Kubernetes objects. [`kubectl`]: calls of `kubectl`, and its proxy.
//! * [`fleet_query`]: the state of many pods as one fleet. [`experiment`]: runs of an experiment on a cluster.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod experiment;
pub mod fleet_query;
pub mod kubectl;
pub mod manifests;

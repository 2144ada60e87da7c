//! Tests of rendered manifests and of those in the repository, with the schemas of Kubernetes.

mod command;
mod error_messages;
mod kustomize;
mod limits;
mod memory;
mod monitoring;
mod overlays;
mod pods;
mod repository;
mod schema;
mod secrets;
mod valid;

//! Manifests: what the command renders and what lies in the repository, against the schemas of Kubernetes.

mod command;
mod error_messages;
mod kustomize;
mod limits;
mod monitoring;
mod overlays;
mod pods;
mod repository;
mod schema;
mod secrets;
mod valid;

//! Components from registries and URLs.
//!
//! * [`reference`]: what `oci://…`, `https://…` and `…@sha256:…` name. [`error`]: reasons why a component is not fetched.
//! * [`fetcher`]: fetches a component within bounds of size, time and hosts, and remembers what a tag was.
//! * `http`: bounded requests and redirects. `oci`: the protocol of registries. `docker_config`: their credentials.
//! * [`cache`]: downloaded bytes by their digest. [`signature`]: minisign signatures. [`push`]: publishing.
//!
//! The pull protocol of the OCI distribution specification is three requests, and the HTTP client and the TLS settings are
//! those of the devices. Nothing here reads or compiles a component: callers get bytes that have the digest and the signature
//! that were asked for.

pub mod cache;
pub mod digest;
mod docker_config;
pub mod error;
pub mod fetcher;
mod http;
mod oci;
pub mod push;
pub mod reference;
pub mod signature;

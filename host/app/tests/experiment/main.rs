//! End-to-end tests of experiments: the built program, its results on disk, and its errors for invalid plans.

mod broker_limits;
mod browser;
mod config_files;
mod failures;
mod fault_models;
#[path = "../../../engine/tests/guests/mod.rs"]
mod guests;
mod hunt;
mod inspect;
mod invalid_plans;
mod invariants;
mod killed;
mod latencies;
#[path = "../e2e/lines.rs"]
#[allow(dead_code, reason = "shared test module; not all of it is used here")]
mod lines;
mod live_run;
#[path = "../e2e/mosquitto.rs"]
#[allow(dead_code, reason = "shared test module; not all of it is used here")]
mod mosquitto;
mod outages;
mod pages;
mod plan_snapshot;
mod plans;
mod reports;
mod reproducibility;
mod thresholds;
mod timeline;
mod topology;
mod verify;
mod workspace;

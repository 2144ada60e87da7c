//! Fleets of several processes: on a simulated cluster, and as plain processes.

mod experiment;
mod fake_cluster;
mod fleet_command;
mod script;
mod timeline;

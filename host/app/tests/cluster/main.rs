//! Fleets of several processes: on a cluster that `kubectl` stands for, and wherever they are.

mod experiment;
mod fake_cluster;
mod fleet_command;
mod script;
mod timeline;

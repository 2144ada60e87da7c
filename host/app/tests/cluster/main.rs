//! Fleets of several processes: on a cluster that `kubectl` stands for, and wherever they are.

mod experiment;
mod gathered;
mod script;
mod stand_in;
mod timeline;

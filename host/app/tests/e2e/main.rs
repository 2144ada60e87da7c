//! End-to-end tests of the program with a real Mosquitto, independent clients and real signals.

mod behaviours;
#[path = "../experiment/browser.rs"]
mod browser;
mod certificates;
mod command_line;
mod compile;
mod compile_memory;
mod components;
mod doctor;
mod embedded;
mod failures;
mod fleet;
mod groups;
#[path = "../../../engine/tests/guests/mod.rs"]
mod guests;
mod heartbeats;
mod hostile;
mod hostile_suite;
mod http;
mod http_access;
mod http_limits;
mod identity;
mod languages;
mod latencies;
mod layouts;
mod lifecycle;
mod lines;
mod models;
mod mosquitto;
mod numbers;
mod page;
mod page_api;
mod page_axe;
mod page_buttons;
mod page_hostile;
mod page_reader;
mod program;
mod project;
mod recordings;
mod registry;
mod schemathesis;
mod silence;
mod swaps;
mod transports;
mod trust;

//! Devices and the broker together, in virtual time.
//!
//! * `world`: devices with scripts, and what was seen of them.
//! * `silence`: what a device that falls silent goes through, to the nanosecond.
//! * `broker_faults`: a broker that stands still, or is not there.
//! * `byte_streams`: lines that stand still, are slow, break, or lead nowhere.
//! * `disconnects`: stops, and what is still under way then.
//! * `qos`: QoS 1 and 2 from end to end, over connections that break.
//! * `history`: the same seed, the same history; and accounts that close at its end.

mod broker_faults;
mod byte_streams;
mod disconnects;
pub mod history;
mod qos;
mod silence;
mod world;

//! MQTT 3.1.1 and 5 without I/O: a client and a broker as state machines.
//!
//! This crate reads no clock, opens no socket and draws no random numbers: time and packets are arguments,
//! packets and events are results. Virtual time and live runs share the code.
//!
//! Start with [`broker`] and [`client`]. Then:
//!
//! * [`message`]: an application message with its properties, and the will. [`topic`]: topic names and topic
//!   filters.
//! * [`answer`]: negative answers of a broker, by packet and reason code.
//! * [`codec`]: packets as bytes. [`origin`]: sender and time of a message as a user property. [`reason_text`]: reason codes
//!   as words.
//! * [`budget`]: byte budgets of stores.
//! * [`filter_tree`]: topic filters by level, to find the subscribers of a topic.
//! * [`protocol`]: the protocol version. [`device_id`]: names of devices, which are their client identifiers.
//! * [`time`]: instants of a run and of the calendar, in nanoseconds. [`timestamp`]: times in payloads.
//!
//! The crate is deterministic: equal inputs give equal outputs, to the byte. `clippy.toml` lists the banned
//! APIs with reasons.

pub mod answer;
pub mod broker;
pub mod budget;
pub mod client;
pub mod codec;
pub mod device_id;
pub mod filter_tree;
pub mod message;
pub mod origin;
pub mod protocol;
pub mod reason_text;
pub mod time;
pub mod timestamp;
pub mod topic;

//! Live fleets: simulated devices that run in real time on tokio and connect to an MQTT broker.
//!
//! A [`fleet::Fleet`] is the handle of a running fleet. It spreads the devices over one shard per CPU core. A
//! shard is one tokio task: it owns its devices, a heap of their deadlines and their MQTT connections, and
//! runs an event loop over them.
//!
//! The path of a packet from a device to the broker, from top to bottom:
//!
//! | module | contents |
//! |---|---|
//! | [`fleet`] | Public handle: status, commands, faults, rollouts, shutdown. |
//! | `shard` | Event loop of one shard; `shard::connection` drives the MQTT client of a device. |
//! | `shard::tcp` | MQTT packets over a byte stream: readiness set, dial queue, encoding. |
//! | `stream` | Byte stream of a connection: TCP, TLS over TCP, or WebSocket over one of them. |
//! | `socket` | Non-blocking TCP socket with a control handle; `socket::shaper` applies throttles, stalls and link breaks. |
//! | `dial` | Choice of source and destination addresses for a new TCP connection; `proxy` opens tunnels. |
//!
//! With the embedded [`broker`], devices skip the last four: their packets go to the broker task over
//! channels.
//!
//! The other modules:
//!
//! * [`config`]: configuration of a fleet and of its connections. `network`: the broker endpoint and the
//!   options that all shards share.
//! * [`status`]: snapshots and totals. [`events`]: broadcast of device events. [`observer`]: lossless trace
//!   of all inputs and notices. [`lag`]: lateness of the host's timers.
//! * [`broker`]: embedded MQTT broker, with its listener and its own faults.
//! * [`broker_state`]: state that a fleet leaves at a broker. `clean_up`: its removal.
//! * [`host_client`]: MQTT connections of the host itself, which use `rumqttc`.
//! * [`tls`]: certificates and TLS configuration. `websocket`: handshake and frames. `reason_text`:
//!   readable connection errors.
//! * [`interface`]: the network interface of connections. [`http`]: the HTTP client. `outbound`: HTTP requests of devices. `clock`: the clock of a run.

pub mod broker;
pub mod broker_state;
mod clean_up;
mod clock;
pub mod config;
pub mod credentials;
pub mod der;
mod dial;
pub mod events;
pub mod fleet;
pub mod host_client;
pub mod http;
pub mod interface;
pub mod lag;
mod network;
pub mod observer;
mod outbound;
mod proxy;
mod reason_text;
mod shard;
mod socket;
pub mod status;
mod stream;
pub mod tls;
mod websocket;

//! Real time: devices on tokio, with real brokers and real sockets.
//!
//! Start with [`fleet`]: the handle through which the app speaks with the devices. Then:
//!
//! * [`config`]: what a fleet is made of; [`status`]: what it tells of itself; [`events`]: who is told what happens;
//!   [`observer`]: seeing all of it.
//! * `shard`: a task that owns many devices, their deadlines and their MQTT connections over TCP, and turns them.
//! * `stream`: the byte stream that carries them, over TCP or TLS; `socket`: the TCP
//!   connection below it; `network`: the broker; `dial`: its addresses; [`tls`]: certificates; `reason_text`: error messages.
//! * [`host_client`]: MQTT connections of the host itself, which use `rumqttc`.
//! * [`broker`]: the embedded broker, so that nothing needs to be installed.
//! * [`lag`]: whether this host keeps up with its devices.
//! * [`http`]: the HTTP client. `outbound`: HTTP requests of devices; `clock`: the one place that reads the
//!   time.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod broker;
mod clock;
pub mod config;
mod dial;
pub mod events;
pub mod fleet;
pub mod host_client;
pub mod http;
pub mod lag;
mod network;
pub mod observer;
mod outbound;
mod reason_text;
mod shard;
mod socket;
pub mod status;
mod stream;
pub mod tls;

//! Small distributed systems, each with a realistic defect that can be switched on, as examples for
//! `wasmote experiment hunt`.
//!
//! The configuration field `system` selects one, `role` the part of a device in it, and `defect` its planted defect:
//!
//! * [`lock`]: a lock service with leases.
//! * [`command`]: commands that must be executed once.
//! * [`counter`]: a counter that survives restarts and new versions.
//! * [`route`]: packets that are forwarded over several hops.
//! * [`presence`]: the retained `online` or `offline` of a device.
//! * [`outbox`]: a bounded queue of samples that wait for acknowledgements.
//! * [`leader`]: a leader that is elected with a lease.

mod command;
mod counter;
mod leader;
mod lock;
mod outbox;
mod presence;
mod route;

use wasmote_sdk::json::Value;
use wasmote_sdk::{
    Behaviour, ConnectionChange, Device, Message, Outgoing, Qos, StartCause, StopReason, config,
};

wasmote_sdk::export!(Planted);

/// One device of one of the systems.
enum Planted {
    LockServer(lock::Server),
    LockClient(lock::Client),
    Controller(command::Controller),
    Actuator(command::Actuator),
    Counter(counter::Counter),
    Router(route::Router),
    Presence(presence::Presence),
    Sampler(outbox::Sampler),
    Collector(outbox::Collector),
    Leader(leader::Leader),
}

impl Behaviour for Planted {
    fn start(device: &mut Device, cause: StartCause) -> Result<Self, String> {
        let config = device.config();
        config.deny_unknown_fields(&["system", "role", "defect", "interval"])?;
        let systems = ["lock", "command", "counter", "route", "presence", "outbox", "leader"];
        let system = config.choice("system", &systems)?;
        let role = config.text("role")?.unwrap_or_default();
        let defect = config.boolean("defect", false)?;
        Ok(match (system, role.as_str()) {
            ("lock", "server") => Self::LockServer(lock::Server::start(device, defect)?),
            ("lock", "client") => Self::LockClient(lock::Client::start(device)?),
            ("command", "controller") => Self::Controller(command::Controller::start(device)),
            ("command", "actuator") => Self::Actuator(command::Actuator::start(device, defect)?),
            ("counter", "") => Self::Counter(counter::Counter::start(device, cause, defect)),
            ("route", "") => Self::Router(route::Router::start(device, defect)?),
            ("presence", "") => Self::Presence(presence::Presence::start(device, defect)),
            ("outbox", "sampler") => Self::Sampler(outbox::Sampler::start(device, defect)?),
            ("outbox", "collector") => Self::Collector(outbox::Collector::start(device)?),
            ("leader", "") => Self::Leader(leader::Leader::start(device, defect)?),
            _ => {
                let problem = "expected \"server\" or \"client\" for lock, \"controller\" or \"actuator\" for command, \
                               \"sampler\" or \"collector\" for outbox, and nothing otherwise";
                return Err(config::field_error("role", problem));
            }
        })
    }

    fn on_message(&mut self, device: &mut Device, message: Message) {
        let Ok(body) = message.json() else { return };
        let Some((sender, leaf)) = device.sender(&message) else { return };
        match self {
            Self::LockServer(server) => server.on_message(device, sender, leaf, &body),
            Self::LockClient(client) => client.on_message(device, leaf, &body),
            Self::Controller(_) | Self::Counter(_) | Self::Presence(_) => {}
            Self::Actuator(actuator) => actuator.on_message(device, &body),
            Self::Router(router) => router.on_message(device, sender, leaf, &body),
            Self::Sampler(sampler) => sampler.on_message(device, &body),
            Self::Collector(collector) => collector.on_message(device, sender, &body),
            Self::Leader(leader) => leader.on_message(device, sender, leaf, &body),
        }
    }

    fn on_timer(&mut self, device: &mut Device, token: u32) {
        match self {
            Self::LockServer(server) => server.on_timer(device),
            Self::LockClient(client) => client.on_timer(device),
            Self::Controller(controller) => controller.on_timer(device),
            Self::Counter(counter) => counter.on_timer(device),
            Self::Router(router) => router.on_timer(device, token),
            Self::Sampler(sampler) => sampler.on_timer(device, token),
            Self::Leader(leader) => leader.on_timer(device),
            Self::Actuator(_) | Self::Presence(_) | Self::Collector(_) => {}
        }
    }

    fn on_connection(&mut self, device: &mut Device, change: ConnectionChange) {
        let up = match change {
            ConnectionChange::Up(session_present) => Some(session_present),
            ConnectionChange::Down(_) => None,
        };
        match self {
            Self::Presence(presence) => presence.on_connection(device, up),
            Self::Leader(leader) => leader.on_connection(device, up.is_some()),
            _ => {}
        }
    }

    fn stop(&mut self, device: &mut Device, reason: StopReason) {
        if let (Self::Presence(_), false) = (&self, reason == StopReason::Swap) {
            presence::Presence::stop(device);
        }
    }

    fn snapshot(&mut self, _device: &mut Device) -> Result<Vec<u8>, String> {
        Ok(match self {
            Self::Counter(counter) => counter.snapshot(),
            _ => Vec::new(),
        })
    }

    fn restore(&mut self, device: &mut Device, saved: &[u8]) -> Result<(), String> {
        match self {
            Self::Counter(counter) => counter.restore(device, saved),
            _ => Ok(()),
        }
    }
}

/// Publishes JSON at QoS 1 on a topic of this device.
fn send(device: &mut Device, leaf: &str, body: &Value) {
    let topic = device.topic(leaf);
    device.send(&Outgoing::json(topic, body).qos(Qos::AtLeastOnce));
}

/// Publishes JSON at QoS 1 on a topic of another device.
fn send_to(device: &mut Device, other: &str, leaf: &str, body: &Value) {
    let topic = device.topic_of(other, leaf);
    device.send(&Outgoing::json(topic, body).qos(Qos::AtLeastOnce));
}

/// A whole number of a message; 0 if it has none.
fn number(body: &Value, name: &str) -> u64 {
    body.get(name).and_then(Value::unsigned).unwrap_or(0)
}

#[cfg(test)]
mod tests;

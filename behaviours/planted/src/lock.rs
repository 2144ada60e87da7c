//! A lock service: a server grants a lock to one client at a time, for the time of a lease.
//!
//! The client counts the lease from the time of its request, and the server from that of its grant, which is later: a
//! client stops before the server grants the lock to another. The defect: the server trusts the will of a client. When
//! a client is `offline`, the server takes the lock away from it at once, but the client may only have lost its session,
//! and still holds the lock until its lease ends.

use std::time::Duration;

use wasmote_sdk::json::Value;
use wasmote_sdk::{Device, Outgoing, Qos, object};

use crate::{number, send, send_to};

const LEASE: Duration = Duration::from_secs(8);
/// Time for which a client keeps the lock, if it can.
const HOLD: Duration = Duration::from_secs(6);
const TICK: u32 = 1;

/// The server.
pub(crate) struct Server {
    defect: bool,
    holder: Option<String>,
    token: u64,
    /// Time from which the lock is free.
    free_from: Duration,
}

impl Server {
    pub(crate) fn start(device: &mut Device, defect: bool) -> Result<Self, String> {
        for leaf in ["request", "release", "state"] {
            let filter = device.topic_of("+", leaf);
            device.subscribe(&filter, Qos::AtLeastOnce)?;
        }
        let token = device.state_get_u64("token").unwrap_or(0);
        // A client may hold the lock since before a restart.
        let free_from = device.now() + if token > 0 { LEASE } else { Duration::ZERO };
        device.set_timer(TICK, Duration::from_secs(1));
        Ok(Self { defect, holder: None, token, free_from })
    }

    pub(crate) fn on_message(&mut self, device: &mut Device, sender: &str, leaf: &str, body: &Value) {
        let holds = self.holder.as_deref() == Some(sender);
        match leaf {
            "request" if device.now() >= self.free_from => {
                self.token += 1;
                device.state_set_u64("token", self.token);
                self.holder = Some(sender.into());
                self.free_from = device.now() + LEASE;
                let grant = object! { "token": self.token, "request": number(body, "request") };
                send_to(device, sender, "grant", &grant);
            }
            "release" if holds && number(body, "token") == self.token => self.free(device),
            "state" if self.defect && holds && body.get("online").and_then(Value::boolean) == Some(false) => {
                self.free(device);
            }
            _ => {}
        }
    }

    fn free(&mut self, device: &mut Device) {
        self.holder = None;
        self.free_from = device.now();
    }

    pub(crate) fn on_timer(&mut self, device: &mut Device) {
        device.set_timer(TICK, Duration::from_secs(1));
    }
}

/// A client, which takes the lock, keeps it for a while, and gives it back.
pub(crate) struct Client {
    request: u64,
    asked: Duration,
    /// The token of the lock, and the end of the lease.
    held: Option<(u64, Duration)>,
    since: Duration,
}

impl Client {
    pub(crate) fn start(device: &mut Device) -> Result<Self, String> {
        let own = device.topic("grant");
        device.subscribe(&own, Qos::AtLeastOnce)?;
        let will = Outgoing::json(device.topic("state"), &object! { "online": false }).qos(Qos::AtLeastOnce);
        device.set_will(&will).map_err(String::from)?;
        let first = Duration::from_secs(1).mul_f64(device.uniform());
        device.set_timer(TICK, first);
        let (request, asked, since) =
            (device.state_get_u64("request").unwrap_or(0), Duration::ZERO, Duration::ZERO);
        let mut client = Self { request, asked, held: None, since };
        client.publish(device);
        Ok(client)
    }

    fn publish(&mut self, device: &mut Device) {
        let (held, token) = (self.held.is_some(), self.held.map_or(0, |(token, _)| token));
        send(device, "lock", &object! { "held": held, "token": token });
    }

    pub(crate) fn on_message(&mut self, device: &mut Device, leaf: &str, body: &Value) {
        // The grant of an earlier request may have waited anywhere.
        if leaf != "grant" || number(body, "request") != self.request || self.held.is_some() {
            return;
        }
        let until = self.asked + LEASE;
        if device.now() < until {
            self.held = Some((number(body, "token"), until));
            self.since = device.now();
            self.publish(device);
            device.set_timer_at(TICK, until.min(self.since + HOLD));
        }
    }

    pub(crate) fn on_timer(&mut self, device: &mut Device) {
        let now = device.now();
        if let Some((token, until)) = self.held {
            if now >= until.min(self.since + HOLD) {
                self.held = None;
                self.publish(device);
                send(device, "release", &object! { "token": token });
            }
        } else if device.connected() {
            self.request += 1;
            device.state_set_u64("request", self.request);
            self.asked = now;
            send(device, "request", &object! { "request": self.request });
        }
        let pause = Duration::from_secs(1).mul_f64(0.5 + device.uniform());
        device.set_timer(TICK, pause);
    }
}

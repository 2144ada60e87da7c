//! Multi-hop routing of data packets to a sink.
//!
//! [`Routing`] is the node. It sends hellos to its [`neighbours`], which the [`topology`] determines;
//! [`routes`] chooses the next hop without loops. [`delivery`] forwards data: [`transport`] queues the
//! [`packet`]s of this node, and [`sink`] counts deliveries.

mod delivery;
mod neighbours;
mod packet;
mod routes;
mod sink;
mod topology;
mod transport;

use packet::MAX_TTL;
use routes::{Routes, read_distance, write_distance};
use sink::Deliveries;
use std::time::Duration;
use transport::Transport;
use wasmote_sdk::config::field_error;
use wasmote_sdk::json::{self, Limits, Value};
use wasmote_sdk::{
    Behaviour, ConnectionChange, Device, Message, Qos, Request, Response, StartCause, StopReason, object,
    topic,
};

wasmote_sdk::export!(Routing);

const HELLO_TIMER: u32 = 1;
const DATA_TIMER: u32 = 2;
const RETRANSMIT_TIMER: u32 = 3;
const TRIGGERED_HELLO_TIMER: u32 = 4;

/// Successive hellos that may be lost before a neighbour counts as silent.
const TOLERATED_LOSSES: u32 = 4;

/// Largest additional delay of a message relative to the previous one.
const MAX_DELAY: Duration = Duration::from_millis(500);

/// Delay of a triggered hello, which combines several route changes.
const TRIGGERED_HELLO_DELAY: Duration = Duration::from_millis(50);

const MIN_INTERVAL: Duration = Duration::from_millis(10);

struct Routing {
    hello_interval: Duration,
    data_interval: Duration,
    lost_after: Duration,
    ack_timeout: Duration,
    max_tries: u32,
    ttl: u64,
    keep_for: Duration,
    qos: Qos,
    routes: Routes,
    transport: Transport,
    deliveries: Deliveries,
    number: u64,
    confirmed: u64,
    /// Start of the time without a route.
    no_route_since: Option<Duration>,
}

impl Behaviour for Routing {
    fn start(device: &mut Device, _cause: StartCause) -> Result<Self, String> {
        let config = device.config();
        config.deny_unknown_fields(&[
            "topology",
            "sink",
            "hello_interval",
            "data_interval",
            "lost_after",
            "ack_timeout",
            "max_tries",
            "ttl",
            "queue",
            "keep_for",
            "qos",
        ])?;
        let time = |name, default| config.duration(name, default, MIN_INTERVAL..);
        let hello_interval = time("hello_interval", Duration::from_secs(2))?;
        let data_interval = time("data_interval", Duration::from_secs(10))?;
        let lost_after = time("lost_after", hello_interval.mul_f64(1.1) * TOLERATED_LOSSES + MAX_DELAY)?;
        let ack_timeout = time("ack_timeout", Duration::from_millis(1_500))?;
        let keep_for = time("keep_for", Duration::from_secs(60))?;
        let max_tries = config.integer("max_tries", 4, 1..=100)? as u32;
        let ttl = config.integer("ttl", 32, 1..=MAX_TTL as i64)? as u64;
        let queue = config.integer("queue", 64, 1..=1_024)? as usize;
        let qos = config.qos("qos", Qos::AtMostOnce)?;
        let sink = sink_id(device)?;
        let neighbours = topology::neighbours(device)?;

        device.set_offline_will();
        let links = device.topic_of("link/+", device.id());
        device.subscribe(&links, qos)?;
        if neighbours.is_empty() {
            device.warn("this node has no links");
        }
        let mut routes = Routes::new(device.id(), &sink, neighbours);
        // Neighbours still rely on distances advertised before a crash.
        let kept = device.state_get("feasible").and_then(|kept| json::parse(&kept).ok());
        routes.feasible = kept.as_ref().and_then(read_distance);

        let first_hello = hello_interval.mul_f64(device.uniform() * 0.5);
        device.set_timer(HELLO_TIMER, first_hello);
        if !routes.is_sink() {
            let first_data = data_interval.mul_f64(0.5 + device.uniform());
            device.set_timer(DATA_TIMER, first_data);
        }
        Ok(Routing {
            hello_interval,
            data_interval,
            lost_after,
            ack_timeout,
            max_tries,
            ttl,
            keep_for,
            qos,
            no_route_since: (!routes.is_sink()).then(|| device.now()),
            routes,
            transport: Transport::new(queue),
            deliveries: Deliveries::default(),
            number: device.state_get_u64("number").unwrap_or(0),
            confirmed: 0,
        })
    }

    fn on_timer(&mut self, device: &mut Device, token: u32) {
        match token {
            HELLO_TIMER => {
                if self.routes.is_sink() {
                    self.routes.increment_seq();
                    self.store_feasible(device);
                }
                for id in self.routes.expire_silent(device.now().saturating_sub(self.lost_after)) {
                    device.info(format_args!("neighbour {id} is silent"));
                }
                self.update_route(device);
                self.send_hello(device);
                let next = self.hello_interval.mul_f64(device.between(0.9, 1.1));
                device.set_timer(HELLO_TIMER, next);
            }
            TRIGGERED_HELLO_TIMER => self.send_hello(device),
            DATA_TIMER => {
                self.generate(device);
                let next = self.data_interval.mul_f64(device.between(0.9, 1.1));
                device.set_timer(DATA_TIMER, next);
            }
            _ => self.forward(device),
        }
    }

    fn on_message(&mut self, device: &mut Device, message: Message) {
        let Some(levels) = topic::below(device.topic_root(), &message.topic) else { return };
        let ["link", from, to] = levels[..] else { return };
        // Ignores messages over links that are not in the topology.
        if to != device.id() || !self.routes.neighbours.contains(from) {
            return;
        }
        let Ok(body) = message.json() else {
            return device.count("malformed_total", 1.0);
        };
        let understood = match body.get("type").and_then(Value::text) {
            Some("hello") => self.on_hello(device, from, &body),
            Some("data") => self.on_data(device, from, &body),
            Some("ack") => self.on_ack(device, from, &body),
            Some("confirm") => self.on_confirm(device, &body),
            _ => None,
        };
        if understood.is_none() {
            device.count("malformed_total", 1.0);
        }
    }

    fn on_connection(&mut self, device: &mut Device, change: ConnectionChange) {
        match change {
            ConnectionChange::Up(_) => device.publish_state(true),
            ConnectionChange::Down(reason) => device.debug(format_args!("connection lost: {reason}")),
        }
    }

    fn on_http_request(&mut self, device: &mut Device, request: Request) -> Response {
        match request.route() {
            ("GET", "/") => Response::json(&self.describe(device)),
            ("GET", "/routes") => Response::json(&object! {
                "device": device.id(),
                "sink": self.sink(),
                "next_hop": self.routes.next_hop.clone(),
                "distance": self.routes.distance().map(write_distance),
                "feasible": self.routes.feasible.map(write_distance),
            }),
            ("GET", "/neighbours") => Response::json(&object! {
                "device": device.id(),
                "lost_after_s": self.lost_after.as_secs_f64(),
                "neighbours": self.routes.describe_neighbours(device.now()),
            }),
            _ => Response::fallback(&request, &["/", "/routes", "/neighbours"]),
        }
    }

    fn stop(&mut self, device: &mut Device, reason: StopReason) {
        if reason != StopReason::Swap {
            device.publish_state(false);
        }
    }

    fn snapshot(&mut self, _device: &mut Device) -> Result<Vec<u8>, String> {
        let saved = object! {
            "number": self.number,
            "confirmed": self.confirmed,
            "routes": self.routes.save(),
            "transport": self.transport.save(),
            "deliveries": self.deliveries.save(),
        };
        Ok(saved.to_bytes())
    }

    fn restore(&mut self, device: &mut Device, saved: &[u8]) -> Result<(), String> {
        let limits = Limits { depth: 8, values: 1_000_000 };
        let saved = json::parse_with_limits(saved, limits).map_err(|error| error.to_string())?;
        self.number = saved.get("number").and_then(Value::unsigned).ok_or("number: expected a number")?;
        self.confirmed = saved.get("confirmed").and_then(Value::unsigned).unwrap_or(0);
        self.routes.load(saved.get("routes").unwrap_or(&Value::Null));
        self.transport.load(saved.get("transport").unwrap_or(&Value::Null));
        self.deliveries.load(saved.get("deliveries"));
        if self.routes.next_hop.is_some() {
            self.no_route_since = None;
        }
        self.forward(device);
        Ok(())
    }
}

impl Routing {
    fn sink(&self) -> &str {
        self.routes.sink()
    }

    fn describe(&self, device: &Device) -> Value {
        object! {
            "device": device.id(),
            "sink": self.sink(),
            "next_hop": self.routes.next_hop.clone(),
            "hops": self.routes.distance().map(|distance| distance.hops),
            "neighbours": self.routes.neighbours.len(),
            "neighbours_usable": self.routes.neighbours.iter().filter(|(_, neighbour)| neighbour.usable()).count(),
            "waiting": self.transport.waiting.len(),
            "generated": self.number,
            "confirmed": self.confirmed,
            "delivery_ratio": self.deliveries.ratio(),
        }
    }
}

fn link(device: &Device, to: &str) -> String {
    format!("{}/link/{}/{to}", device.topic_root(), device.id())
}

/// Id of the sink, configured by index or id; the first node of the group by default.
fn sink_id(device: &Device) -> Result<String, String> {
    let config = device.config();
    if let Ok(Some(id)) = config.text("sink") {
        return Ok(id);
    }
    let index = config.integer("sink", 0, 0..=i64::from(u32::MAX))?;
    device
        .peer(index as u32)
        .ok_or_else(|| field_error("sink", format_args!("there is no node {index} in this group")))
}

#[cfg(test)]
mod tests;

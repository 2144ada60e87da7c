//! Hello messages between neighbours, and the route updates that they cause.

use crate::routes::{read_distance, write_distance};
use crate::{Routing, TRIGGERED_HELLO_DELAY, TRIGGERED_HELLO_TIMER, link};
use wasmote_sdk::json::Value;
use wasmote_sdk::{Device, Outgoing, object};

impl Routing {
    /// Handles a hello: the nodes that the neighbour hears, and its distance to the sink. `None` if it is
    /// malformed.
    pub fn on_hello(&mut self, device: &mut Device, from: &str, body: &Value) -> Option<()> {
        let heard = body.get("heard")?.list()?;
        let hears_us = heard.iter().any(|id| id.text() == Some(device.id()));
        let distance = match body.get("distance")? {
            Value::Null => None,
            value => Some(read_distance(value)?),
        };
        let stamp = body.get("ts")?.number()?;
        let was_usable = self.routes.neighbours.get(from)?.usable();
        self.routes.advertised(from, stamp, distance, hears_us, device.now());
        if was_usable != self.routes.neighbours.get(from)?.usable() {
            // Informs the neighbour soon that it is heard.
            device.set_timer(TRIGGERED_HELLO_TIMER, TRIGGERED_HELLO_DELAY);
        }
        self.update_route(device);
        Some(())
    }

    /// Chooses the next hop, and informs the neighbours of a change.
    pub fn update_route(&mut self, device: &mut Device) {
        let before = self.routes.distance();
        let changed = self.routes.choose();
        let distance = self.routes.distance();
        if changed || distance.map(|it| it.hops) != before.map(|it| it.hops) {
            self.log_route(device);
        }
        if changed {
            device.count("route_changes_total", 1.0);
        }
        if distance != before || changed {
            device.set_timer(TRIGGERED_HELLO_TIMER, TRIGGERED_HELLO_DELAY);
        }
        match (distance, self.no_route_since) {
            (Some(_), Some(since)) => {
                self.no_route_since = None;
                device.observe("convergence_seconds", device.now().saturating_sub(since).as_secs_f64());
                self.forward(device);
            }
            (None, None) => self.no_route_since = Some(device.now()),
            _ if changed => self.forward(device),
            _ => {}
        }
    }

    /// Logs the route in the format that experiments record.
    pub fn log_route(&self, device: &mut Device) {
        let sink = self.routes.sink();
        match (&self.routes.next_hop, self.routes.distance()) {
            _ if self.routes.is_sink() => {}
            (Some(next), Some(distance)) => {
                device.info(format_args!("route to {sink}: next is {next}, {} hops", distance.hops));
            }
            _ => device.info(format_args!("no route to {sink}")),
        }
    }

    /// Sends a hello to each neighbour: the nodes heard, and the distance to the sink.
    pub fn send_hello(&mut self, device: &mut Device) {
        let (distance, feasible_changed) = self.routes.advertise();
        if feasible_changed {
            self.store_feasible(device);
        }
        let heard = self.routes.neighbours.iter().filter(|(_, neighbour)| neighbour.last_heard.is_some());
        let hello = object! {
            "type": "hello",
            "ts": device.timestamp(),
            "distance": distance.map(write_distance),
            "heard": heard.map(|(id, _)| id).collect::<Value>(),
        };
        let payload = hello.to_bytes();
        for (id, _) in self.routes.neighbours.iter() {
            device.send(&Outgoing::new(link(device, id), payload.clone()).qos(self.qos));
        }
        device.count("hellos_total", 1.0);
    }

    pub fn store_feasible(&self, device: &mut Device) {
        let Some(feasible) = self.routes.feasible else { return };
        if let Err(reason) = device.state_set("feasible", &write_distance(feasible).to_bytes()) {
            device.error(format_args!("feasibility distance not kept: {}", String::from(reason)));
        }
    }
}

//! Greeting neighbours, and keeping the route up to date with what they say.

use crate::routes::{read_distance, write_distance};
use crate::{GATHER, GREET_SOON, Routing, link};
use wasmote_sdk::json::Value;
use wasmote_sdk::{Device, Outgoing, object};

impl Routing {
    /// A neighbour says whom it hears, and how far the sink is. None if it is not understood.
    pub fn hello(&mut self, device: &mut Device, from: &str, body: &Value) -> Option<()> {
        let heard = body.get("heard")?.list()?;
        let hears_us = heard.iter().any(|id| id.text() == Some(device.id()));
        let distance = match body.get("distance")? {
            Value::Null => None,
            told => Some(read_distance(told)?),
        };
        let stamp = body.get("ts")?.number()?;
        let news = self.routes.neighbours.get(from)?.usable();
        self.routes.advertised(from, stamp, distance, hears_us, device.now());
        if news != self.routes.neighbours.get(from)?.usable() {
            // The neighbour should know soon that it is heard.
            device.set_timer(GREET_SOON, GATHER);
        }
        self.update_route(device);
        Some(())
    }

    /// Choose the next hop anew, and tell the neighbours of what has changed.
    pub fn update_route(&mut self, device: &mut Device) {
        let before = self.routes.distance();
        let changed = self.routes.choose();
        let distance = self.routes.distance();
        if changed || distance.map(|it| it.hops) != before.map(|it| it.hops) {
            self.tell_route(device);
        }
        if changed {
            device.count("route_changes_total", 1.0);
        }
        if distance != before || changed {
            device.set_timer(GREET_SOON, GATHER);
        }
        match (distance, self.lost_since) {
            (Some(_), Some(since)) => {
                self.lost_since = None;
                device.observe("convergence_seconds", device.now().saturating_sub(since).as_secs_f64());
                self.forward(device);
            }
            (None, None) => self.lost_since = Some(device.now()),
            _ if changed => self.forward(device),
            _ => {}
        }
    }

    /// Say which way data goes, in the words in which experiments record routes.
    pub fn tell_route(&self, device: &mut Device) {
        let sink = self.routes.sink();
        match (&self.routes.next_hop, self.routes.distance()) {
            _ if self.routes.is_sink() => {}
            (Some(next), Some(distance)) => {
                device.info(format_args!("route to {sink}: next is {next}, {} hops", distance.hops));
            }
            _ => device.info(format_args!("no route to {sink}")),
        }
    }

    /// Tell each neighbour who is heard, and how far the sink is.
    pub fn greet(&mut self, device: &mut Device) {
        let (distance, binding) = self.routes.advertise();
        if binding {
            self.keep_feasible(device);
        }
        let heard = self.routes.neighbours.iter().filter(|(_, neighbour)| neighbour.heard.is_some());
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

    pub fn keep_feasible(&self, device: &mut Device) {
        let Some(feasible) = self.routes.feasible else { return };
        if let Err(reason) = device.keep("feasible", &write_distance(feasible).to_bytes()) {
            device.error(format_args!("feasibility distance not kept: {}", String::from(reason)));
        }
    }
}

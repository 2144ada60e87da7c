//! Packets that are forwarded over a ring of nodes to the first one.
//!
//! Each node tells its neighbours its distance from the first node, and sends packets to the neighbour that is nearest.
//! Until the neighbours know that a node has failed, they may send a packet back to where it came from. A correct node
//! discards a packet that has passed it already. The defect: it sends it on.

use std::time::Duration;

use wasmote_sdk::json::Value;
use wasmote_sdk::{Device, Qos, object};

use crate::{number, send, send_to};

const HELLO: u32 = 1;
const DATA: u32 = 2;
/// Time without a hello after which a neighbour counts as lost.
const LOST: Duration = Duration::from_millis(3_500);
const FAR: u64 = 64;
/// Hops after which even the defective node gives up.
const MAX_HOPS: usize = 24;

/// A node.
pub(crate) struct Router {
    defect: bool,
    /// Names of the neighbours, with their distances and the times of their last hellos.
    neighbours: Vec<(String, u64, Duration)>,
    number: u64,
}

impl Router {
    pub(crate) fn start(device: &mut Device, defect: bool) -> Result<Self, String> {
        let (own, size) = (device.index(), device.group_size());
        let mut neighbours: Vec<(String, u64, Duration)> = Vec::new();
        for index in [(own + 1) % size, (own + size - 1) % size] {
            let peer = device.peer(index).ok_or("the host does not know the other devices")?;
            if index != own && !neighbours.iter().any(|(known, ..)| *known == peer) {
                let filter = device.topic_of(&peer, "hello");
                device.subscribe(&filter, Qos::AtMostOnce)?;
                neighbours.push((peer, FAR, Duration::ZERO));
            }
        }
        let filter = device.topic("packet");
        device.subscribe(&filter, Qos::AtLeastOnce)?;
        let first = Duration::from_secs(1).mul_f64(device.uniform());
        device.set_timer(HELLO, first);
        device.set_timer(DATA, Duration::from_secs(2));
        Ok(Self { defect, neighbours, number: 0 })
    }

    /// The distance from the first node, and the neighbour on the way.
    fn route(&self, device: &Device) -> (u64, Option<&str>) {
        if device.index() == 0 {
            return (0, None);
        }
        let now = device.now();
        let alive =
            self.neighbours.iter().filter(|(_, distance, heard)| *distance < FAR && now < *heard + LOST);
        match alive.min_by_key(|(_, distance, _)| *distance) {
            Some((name, distance, _)) => (distance + 1, Some(name)),
            None => (FAR, None),
        }
    }

    pub(crate) fn on_timer(&mut self, device: &mut Device, token: u32) {
        if token == HELLO {
            device.set_timer(HELLO, Duration::from_secs(1));
            let (distance, _) = self.route(device);
            return send(device, "hello", &object! { "distance": distance.min(FAR) });
        }
        device.set_timer(DATA, Duration::from_secs(2));
        if device.index() != 0 {
            self.number += 1;
            let id = [device.id(), "-", &self.number.to_string()].concat();
            self.forward(device, &id, Vec::new());
        }
    }

    fn forward(&mut self, device: &mut Device, id: &str, path: Vec<Value>) {
        let passed = path.iter().any(|hop| hop.text() == Some(device.id()));
        if (passed && !self.defect) || path.len() > MAX_HOPS {
            return;
        }
        let Some(next) = self.route(device).1.map(str::to_owned) else { return };
        // The path has the nodes before this one.
        let packet = object! { "id": id, "from": device.id(), "path": Value::List(path) };
        send_to(device, &next, "packet", &packet);
    }

    pub(crate) fn on_message(&mut self, device: &mut Device, sender: &str, leaf: &str, body: &Value) {
        if leaf == "hello" {
            let distance = number(body, "distance");
            if let Some(known) = self.neighbours.iter_mut().find(|(name, ..)| name == sender) {
                (known.1, known.2) = (distance, device.now());
            }
            return;
        }
        let (Some(id), Some(from)) =
            (body.get("id").and_then(Value::text), body.get("from").and_then(Value::text))
        else {
            return;
        };
        if device.index() == 0 {
            return send(device, "arrived", &object! { "id": id });
        }
        let mut path: Vec<Value> = body.get("path").and_then(Value::list).unwrap_or_default().to_vec();
        path.push(from.into());
        self.forward(device, id, path);
    }
}

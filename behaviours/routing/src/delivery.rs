//! Data packets: generated, forwarded hop by hop, counted at the sink, and confirmed to their origin.

use crate::packet::{MAX_TTL, Packet, read_path};
use crate::transport::PendingPacket;
use crate::{RETRANSMIT_TIMER, Routing, TRIGGERED_HELLO_DELAY, TRIGGERED_HELLO_TIMER, link};
use std::time::Duration;
use wasmote_sdk::json::Value;
use wasmote_sdk::{Device, Outgoing, decimal, object};

impl Routing {
    pub fn generate(&mut self, device: &mut Device) {
        self.number += 1;
        device.state_set_u64("number", self.number);
        let packet = Packet {
            origin: device.id().into(),
            number: self.number,
            created: device.timestamp(),
            ttl: self.ttl,
            path: vec![device.id().into()],
        };
        device.count("data_generated_total", 1.0);
        device.debug(format_args!("data {} made", packet.id()));
        if self.transport.has_room() {
            self.transport.accept(packet, device.now() + self.keep_for);
            self.forward(device);
        } else {
            drop_packet(device, &packet, "queue_full");
        }
    }

    /// Handles a data packet of a neighbour. `None` if it is malformed.
    pub fn on_data(&mut self, device: &mut Device, from: &str, body: &Value) -> Option<()> {
        let mut packet = Packet::read(body)?;
        let id = packet.id();
        if self.routes.is_sink() {
            self.send_ack(device, from, &id);
            self.deliver(device, packet);
            return Some(());
        }
        if self.transport.contains(&id) {
            self.send_ack(device, from, &id);
            return Some(());
        }
        // A full queue sends no acknowledgement: the neighbour keeps the packet and retransmits it.
        if !self.transport.has_room() {
            device.count("refused_total", 1.0);
            return Some(());
        }
        self.send_ack(device, from, &id);
        if !self.transport.record_received(&id, from) {
            device.count("duplicates_total", 1.0);
            return Some(());
        }
        packet.ttl = packet.ttl.saturating_sub(1);
        packet.path.push(device.id().into());
        if packet.ttl == 0 || packet.path.len() > MAX_TTL as usize {
            drop_packet(device, &packet, "ttl");
            return Some(());
        }
        device.count("data_forwarded_total", 1.0);
        self.transport.accept(packet, device.now() + self.keep_for);
        self.forward(device);
        Some(())
    }

    /// Sends new packets, retransmits unacknowledged ones and drops expired ones.
    pub fn forward(&mut self, device: &mut Device) {
        let now = device.now();
        let mut unresponsive = Vec::new();
        for waiting in &self.transport.waiting {
            let Some((to, tries, retry_at)) = &waiting.sent else { continue };
            if *retry_at <= now && *tries >= self.max_tries && !unresponsive.contains(to) {
                unresponsive.push(to.clone());
            }
        }
        for id in unresponsive {
            device.info(format_args!("neighbour {id} does not acknowledge"));
            self.routes.mark_silent(&id);
            // The route changes at once; the next hello informs the neighbours.
            if self.routes.choose() {
                device.count("route_changes_total", 1.0);
                self.log_route(device);
                device.set_timer(TRIGGERED_HELLO_TIMER, TRIGGERED_HELLO_DELAY);
            }
        }
        if self.routes.next_hop.is_none() && !self.routes.is_sink() && self.no_route_since.is_none() {
            self.no_route_since = Some(now);
        }
        let next_hop = self.routes.next_hop.clone();
        let mut kept = std::mem::take(&mut self.transport.waiting);
        kept.retain_mut(|waiting| self.send_if_due(device, waiting, next_hop.as_deref(), now));
        self.transport.waiting = kept;
        match self.transport.next_deadline() {
            Some(deadline) => device.set_timer_at(RETRANSMIT_TIMER, deadline),
            None => device.cancel_timer(RETRANSMIT_TIMER),
        }
    }

    /// Sends or retransmits one packet if due. False if the packet is dropped.
    fn send_if_due(
        &self,
        device: &mut Device,
        waiting: &mut PendingPacket,
        next_hop: Option<&str>,
        now: Duration,
    ) -> bool {
        if waiting.expires <= now {
            drop_packet(
                device,
                &waiting.packet,
                if waiting.sent.is_some() { "not_acknowledged" } else { "no_route" },
            );
            return false;
        }
        let Some(next_hop) = next_hop else {
            waiting.sent = None;
            return true;
        };
        let tries = match &waiting.sent {
            Some((to, tries, retry_at)) if to == next_hop => {
                if *retry_at > now {
                    return true;
                }
                device.count("retransmissions_total", 1.0);
                *tries
            }
            _ => 0,
        };
        let message = Outgoing::json(link(device, next_hop), &waiting.packet.write()).qos(self.qos);
        device.send(&message);
        waiting.sent = Some((next_hop.into(), tries + 1, now + self.ack_timeout));
        true
    }

    fn send_ack(&self, device: &mut Device, from: &str, id: &str) {
        let ack = object! { "type": "ack", "id": id };
        device.send(&Outgoing::json(link(device, from), &ack).qos(self.qos));
    }

    pub fn on_ack(&mut self, device: &mut Device, from: &str, body: &Value) -> Option<()> {
        if self.transport.acknowledged(body.get("id")?.text()?, from) {
            self.forward(device);
        }
        Some(())
    }

    fn deliver(&mut self, device: &mut Device, packet: Packet) {
        let Packet { origin, number, created, path, .. } = packet;
        if !self.deliveries.enter(&origin, number) {
            return device.count("duplicates_total", 1.0);
        }
        let hops = path.len();
        let took = device.timestamp() - created;
        device.count("data_delivered_total", 1.0);
        device.observe("hops", hops as f64);
        device.observe("delivery_seconds", took);
        if let Some(ratio) = self.deliveries.ratio() {
            device.gauge("delivery_ratio", ratio);
        }
        device.info(format_args!(
            "data {number} of {origin} arrived over {hops} hops in {} s",
            decimal(took, 3)
        ));
        self.send_confirm(device, &format!("{origin}/{number}"), path);
    }

    /// Sends a confirmation to the origin, along the reverse path. Lost confirmations are not retransmitted.
    fn send_confirm(&self, device: &mut Device, id: &str, mut path: Vec<String>) {
        let Some(back) = path.pop() else { return };
        if self.routes.neighbours.contains(&back) {
            let confirmation = object! { "type": "confirm", "id": id, "path": path };
            device.send(&Outgoing::json(link(device, &back), &confirmation).qos(self.qos));
        }
    }

    /// Handles the confirmation of a packet of this node, or forwards it along the reverse path.
    pub fn on_confirm(&mut self, device: &mut Device, body: &Value) -> Option<()> {
        let id = body.get("id")?.text()?;
        let path = read_path(body.get("path")?)?;
        if path.is_empty() {
            self.confirmed += 1;
            device.count("data_confirmed_total", 1.0);
            device.debug(format_args!("data {id} confirmed"));
        } else {
            self.send_confirm(device, id, path);
        }
        Some(())
    }
}

fn drop_packet(device: &mut Device, packet: &Packet, reason: &str) {
    device.count(&format!("drops_{reason}_total"), 1.0);
    device.info(format_args!("data {} dropped: {reason}", packet.id()));
}

//! Links between the devices and the broker.

use wasmote_mqtt::broker::packet::{Reply, Request};
use wasmote_mqtt::client::Refusal;

use super::observer::{ConnectionId, DeviceIndex, Observer};
use super::{InFlight, PACKET_LANE, VirtualTime};
use crate::device::Input;
use crate::faults::byte_stream::{LinkBreak, LinkConditions};
use crate::faults::{Direction, FaultId};
use crate::link::{AtMostOnce, NetworkLink, SendOutcome};

impl<O: Observer> VirtualTime<O> {
    /// Sends the packets of a device's client. Messages that the link rejects are returned to the device.
    pub(super) fn send_up(&mut self, index: DeviceIndex) {
        let is_broker_buffer_full = self.is_broker_buffer_full(index);
        let node = &mut self.nodes[index.0 as usize];
        for (connection, request) in self.outbox.packets.drain(..) {
            let outcome = match &mut node.link {
                _ if is_broker_buffer_full && request.is_qos_0() => SendOutcome::Full(request),
                None => SendOutcome::Passed(request),
                Some(link) => link.send_up(connection, request, node.protocol, self.now),
            };
            match outcome {
                SendOutcome::Passed(request) => {
                    self.event_queue.send(PACKET_LANE, self.now, InFlight::Up(connection, request))
                }
                SendOutcome::Queued => {}
                SendOutcome::Full(request) => {
                    let refused = |message| Input::Refused(message, Refusal::QueueFull);
                    self.outbox.inputs.extend(request.into_qos_0_message().map(refused));
                }
                SendOutcome::Dropped(request, fault) => {
                    self.outbox.inputs.extend(dropped_input(Direction::Out, request, fault));
                }
            }
        }
    }

    /// Counts a message at QoS 0 that reached the broker's end of the link, so that it cannot return.
    pub(super) fn count_written(&mut self, connection: ConnectionId, request: &Request) {
        if request.is_qos_0() {
            self.nodes[connection.device.0 as usize].device.count_sent(1);
        }
    }

    /// Sends a packet of the broker to a device.
    pub(super) fn send_down(&mut self, connection: ConnectionId, reply: Reply) {
        let node = &mut self.nodes[connection.device.0 as usize];
        let Some(link) = &mut node.link else {
            return self.event_queue.send(PACKET_LANE, self.now, InFlight::Down(connection, reply));
        };
        match link.send_down(connection, reply, node.protocol, self.now) {
            SendOutcome::Passed(reply) => {
                self.event_queue.send(PACKET_LANE, self.now, InFlight::Down(connection, reply))
            }
            SendOutcome::Queued => self.schedule_device(connection.device),
            SendOutcome::Full(_) => self.counts.lost_down += 1,
            SendOutcome::Dropped(reply, fault) => {
                if let Some(input) = dropped_input(Direction::In, reply, fault) {
                    self.put(connection.device, input);
                }
            }
        }
    }

    /// Forwards the packets that have arrived over a device's link.
    pub(super) fn forward_link_packets(&mut self, index: DeviceIndex) {
        let Some(link) = &mut self.nodes[index.0 as usize].link else { return };
        while let Some((connection, request)) = link.take_up(self.now) {
            self.event_queue.send(PACKET_LANE, self.now, InFlight::Up(connection, request));
        }
        while let Some((connection, reply)) = link.take_down(self.now) {
            self.event_queue.send(PACKET_LANE, self.now, InFlight::Down(connection, reply));
        }
    }

    fn link(&mut self, index: DeviceIndex) -> &mut NetworkLink {
        let options = &self.options.client;
        let link = &mut self.nodes[index.0 as usize].link;
        link.get_or_insert_with(|| Box::new(NetworkLink::new(options.queued, options.unread)))
    }

    pub(super) fn set_conditions(&mut self, index: DeviceIndex, conditions: LinkConditions) {
        let now = self.now;
        self.link(index).set_conditions(conditions, now);
    }

    /// Breaks the connection of a device. After a reset, both ends are notified.
    pub(super) fn break_link(&mut self, index: DeviceIndex, link_break: LinkBreak, fault: FaultId) {
        let Some(connection) = self.nodes[index.0 as usize].client.connection() else { return };
        let taken = self.link(index).break_link(connection, link_break, fault.clone());
        let inputs = taken.into_iter().map(|(direction, it)| Input::Dropped(direction, it, fault.clone()));
        self.outbox.inputs.extend(inputs);
        if link_break == LinkBreak::Reset {
            self.event_queue.send(PACKET_LANE, self.now, InFlight::Up(connection, Request::Lost));
            let reason = format!("fault `{fault}` reset the connection");
            self.nodes[index.0 as usize].client.connection_lost(reason, self.now, &mut self.outbox);
        }
    }

    /// Drops the message of an arriving packet whose connection was reset. True if it did.
    pub(super) fn drop_if_reset(
        &mut self,
        direction: Direction,
        connection: ConnectionId,
        packet: &(impl AtMostOnce + Clone),
    ) -> bool {
        let link = self.nodes[connection.device.0 as usize].link.as_ref();
        let Some(fault) = link.and_then(|link| link.reset_fault(connection)).cloned() else { return false };
        if packet.is_qos_0()
            && let Some(input) = dropped_input(direction, packet.clone(), fault)
        {
            self.put(connection.device, input);
        }
        true
    }
}

fn dropped_input(direction: Direction, packet: impl AtMostOnce, fault: FaultId) -> Option<Input> {
    packet.into_qos_0_message().map(|message| Input::Dropped(direction, message, fault))
}

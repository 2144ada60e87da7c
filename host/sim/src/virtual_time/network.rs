//! The lines between the devices and the broker.

use super::observer::{DeviceIndex, LinkId, Observer};
use super::{PACKETS, Parcel, VirtualTime};
use crate::broker::packet::{Reply, Request};
use crate::device::Input;
use crate::faults::byte_stream::{Blow, Weather};
use crate::faults::{Direction, FaultId};
use crate::line::{Fate, Fleeting, Line};

impl<O: Observer> VirtualTime<O> {
    /// Send what a device's client has to send. What the line does not take comes back to the device.
    pub(super) fn send_up(&mut self, index: DeviceIndex) {
        let is_full = self.is_full(index);
        let seat = &mut self.seats[index.0 as usize];
        for (link, request) in self.outbox.packets.drain(..) {
            let fate = match &mut seat.line {
                _ if is_full && request.is_fleeting() => Fate::NoRoom(request),
                None => Fate::Passes(request),
                Some(line) => line.send_up(link, request, seat.protocol, self.now),
            };
            match fate {
                Fate::Passes(request) => self.agenda.send(PACKETS, self.now, Parcel::Up(link, request)),
                Fate::Waits => {}
                Fate::NoRoom(request) => self.outbox.inputs.extend(request.fleeting().map(Input::Refused)),
                Fate::Swallowed(request, fault) => {
                    self.outbox.inputs.extend(swallowed(Direction::Out, request, fault));
                }
            }
        }
    }

    /// Send what the broker has to say to a device.
    pub(super) fn send_down(&mut self, link: LinkId, reply: Reply) {
        let seat = &mut self.seats[link.device.0 as usize];
        let Some(line) = &mut seat.line else {
            return self.agenda.send(PACKETS, self.now, Parcel::Down(link, reply));
        };
        match line.send_down(link, reply, seat.protocol, self.now) {
            Fate::Passes(reply) => self.agenda.send(PACKETS, self.now, Parcel::Down(link, reply)),
            Fate::Waits => self.set_alarm(link.device),
            Fate::NoRoom(_) => self.counts.lost_down += 1,
            Fate::Swallowed(reply, fault) => {
                if let Some(input) = swallowed(Direction::In, reply, fault) {
                    self.put(link.device, input);
                }
            }
        }
    }

    /// Let go on what has come through a device's line.
    pub(super) fn let_through(&mut self, index: DeviceIndex) {
        let Some(line) = &mut self.seats[index.0 as usize].line else { return };
        while let Some((link, request)) = line.take_up(self.now) {
            self.agenda.send(PACKETS, self.now, Parcel::Up(link, request));
        }
        while let Some((link, reply)) = line.take_down(self.now) {
            self.agenda.send(PACKETS, self.now, Parcel::Down(link, reply));
        }
    }

    fn line(&mut self, index: DeviceIndex) -> &mut Line {
        let options = &self.options.client;
        let line = &mut self.seats[index.0 as usize].line;
        line.get_or_insert_with(|| Box::new(Line::new(options.queued, options.unread)))
    }

    pub(super) fn set_weather(&mut self, index: DeviceIndex, weather: Weather) {
        let now = self.now;
        self.line(index).set_weather(weather, now);
    }

    /// Strike the connection that a device has. After a reset, both ends are told.
    pub(super) fn strike(&mut self, index: DeviceIndex, blow: Blow, fault: FaultId) {
        let Some(link) = self.seats[index.0 as usize].client.link() else { return };
        let taken = self.line(index).strike(link, blow, fault.clone());
        let told = taken.into_iter().map(|(direction, it)| Input::Swallowed(direction, it, fault.clone()));
        self.outbox.inputs.extend(told);
        if blow == Blow::Reset {
            self.agenda.send(PACKETS, self.now, Parcel::Up(link, Request::Lost));
            let reason = format!("fault `{fault}` reset the connection");
            self.seats[index.0 as usize].client.broken(reason, self.now, &mut self.outbox);
        }
    }

    /// Whether a packet that arrives was under way when its connection was reset. Its message is then lost.
    pub(super) fn was_reset(
        &mut self,
        direction: Direction,
        link: LinkId,
        packet: &(impl Fleeting + Clone),
    ) -> bool {
        let line = self.seats[link.device.0 as usize].line.as_ref();
        let Some(fault) = line.and_then(|line| line.was_reset(link)).cloned() else { return false };
        if packet.is_fleeting()
            && let Some(input) = swallowed(direction, packet.clone(), fault)
        {
            self.put(link.device, input);
        }
        true
    }
}

fn swallowed(direction: Direction, packet: impl Fleeting, fault: FaultId) -> Option<Input> {
    packet.fleeting().map(|message| Input::Swallowed(direction, message, fault))
}

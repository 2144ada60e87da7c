//! Steps as words of a digest. What happens often is taken apart by hand; the rest as it is printed for
//! debugging, which shows every field.

use std::fmt::{self, Debug, Write};

use super::Digest;
use crate::action::Notice;
use crate::broker::packet::{Ack, Publish, Reply, Request};
use crate::device::Input;
use crate::message::{Message, Stamp};
use crate::virtual_time::observer::{DeviceIndex, LinkId, Step};

impl Digest {
    pub(super) fn step(&mut self, step: &Step<'_>) {
        match step {
            Step::Input(device, input) => self.input(*device, input),
            Step::Notice(device, notice) => self.notice(*device, notice),
            Step::Up(link, request) => self.request(*link, request),
            Step::Down(link, reply) => self.reply(*link, reply),
            Step::BrokerWake => self.word(5),
            Step::HttpResponse(device, ticket, response) => {
                self.device(6, *device);
                self.word(*ticket);
                self.debug(response);
            }
            Step::HostPublish(message) => {
                self.word(7);
                self.message(message);
            }
        }
    }

    fn device(&mut self, tag: u64, device: DeviceIndex) {
        self.word(tag << 32 | u64::from(device.0));
    }

    fn link(&mut self, tag: u64, link: LinkId) {
        self.device(tag, link.device);
        self.word(u64::from(link.attempt));
    }

    fn input(&mut self, device: DeviceIndex, input: &Input) {
        self.device(1, device);
        match input {
            Input::Wake => self.word(1),
            // Just before, the packet was mixed in with all that is in it.
            Input::Delivered(_) => self.word(2),
            other => self.debug(other),
        }
    }

    fn notice(&mut self, device: DeviceIndex, notice: &Notice) {
        self.device(2, device);
        match notice {
            // What is sent is mixed in as a packet.
            Notice::Sent(..) => self.word(1),
            Notice::Received(topic, payload, latency) => {
                self.bytes(topic.as_str().as_bytes());
                self.word(payload.len() as u64);
                self.word(latency.map_or(u64::MAX, crate::time::nanos));
            }
            other => self.debug(other),
        }
    }

    fn request(&mut self, link: LinkId, request: &Request) {
        self.link(3, link);
        match request {
            Request::Publish(publish) => self.publish(publish),
            Request::Ack(ack) => self.ack(ack),
            other => self.debug(other),
        }
    }

    fn reply(&mut self, link: LinkId, reply: &Reply) {
        self.link(4, link);
        match reply {
            Reply::Publish(publish) => self.publish(publish),
            Reply::Ack(ack) => self.ack(ack),
            other => self.debug(other),
        }
    }

    fn publish(&mut self, publish: &Publish) {
        let id = publish.packet_id.map_or(0, |id| u64::from(id.get()));
        self.word(1 << 32 | id << 1 | u64::from(publish.duplicate));
        self.word(publish.subscription_ids.len() as u64);
        for id in &publish.subscription_ids {
            self.word(u64::from(*id));
        }
        self.message(&publish.message);
    }

    fn ack(&mut self, ack: &Ack) {
        let (step, reason) = (ack.step as u64, u64::from(ack.reason.code()));
        self.word(2 << 32 | step << 24 | reason << 16 | u64::from(ack.packet_id.get()));
    }

    fn message(&mut self, message: &Message) {
        self.bytes(message.topic.as_str().as_bytes());
        self.bytes(&message.payload);
        self.word(u64::from(u8::from(message.qos)) << 1 | u64::from(message.retain));
        match &message.properties {
            None => self.word(0),
            some => self.debug(some),
        }
        match &message.stamp {
            None => self.word(0),
            Some(stamp) => self.stamp(stamp),
        }
    }

    fn stamp(&mut self, stamp: &Stamp) {
        self.bytes(stamp.from.as_str().as_bytes());
        self.word(stamp.sequence);
        self.word(stamp.sent.as_nanos());
    }

    fn debug(&mut self, thing: &impl Debug) {
        self.word(u64::MAX);
        write!(Printed(self), "{thing:?}").expect("mixing does not fail");
    }
}

/// What is printed here goes into the digest.
struct Printed<'a>(&'a mut Digest);

impl Write for Printed<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.bytes(text.as_bytes());
        Ok(())
    }
}

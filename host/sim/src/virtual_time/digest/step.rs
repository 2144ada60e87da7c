//! Steps as words of a digest.

use super::Digest;
use super::mix::Mix;
use crate::faults::broker::Turn;
use crate::virtual_time::observer::{DeviceIndex, LinkId, Step};

impl Digest {
    pub(super) fn step(&mut self, step: &Step<'_>) {
        match step {
            Step::Input(device, input) => {
                self.device(1, *device);
                input.mix(self);
            }
            Step::Notice(device, notice) => {
                self.device(2, *device);
                notice.mix(self);
            }
            Step::Up(link, request) => {
                self.link(3, *link);
                request.mix(self);
            }
            Step::Down(link, reply) => {
                self.link(4, *link);
                reply.mix(self);
            }
            Step::BrokerWake => self.word(5),
            Step::HttpResponse(device, ticket, response) => {
                self.device(6, *device);
                self.word(*ticket);
                response.mix(self);
            }
            Step::BrokerFault(Turn { fault, failure, until }) => self.put(8, &[fault, failure, until]),
            Step::HostPublish(message) => {
                self.word(7);
                message.mix(self);
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
}

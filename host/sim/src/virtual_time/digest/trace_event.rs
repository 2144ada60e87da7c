//! Encoding of steps.

use super::Digest;
use crate::digest::Encode;
use crate::faults::broker::BrokerTransition;
use crate::virtual_time::observer::{ConnectionId, DeviceIndex, TraceEvent};

impl Digest {
    pub(super) fn trace_event(&mut self, event: &TraceEvent<'_>) {
        match event {
            TraceEvent::Input(device, input) => {
                self.device(1, *device);
                input.encode(self);
            }
            TraceEvent::Notice(device, notice) => {
                self.device(2, *device);
                notice.encode(self);
            }
            TraceEvent::Up(connection, request) => {
                self.connection(3, *connection);
                request.encode(self);
            }
            TraceEvent::Down(connection, reply) => {
                self.connection(4, *connection);
                reply.encode(self);
            }
            TraceEvent::BrokerWake => self.write_word(5),
            TraceEvent::HttpResponse(device, ticket, response) => {
                self.device(6, *device);
                self.write_word(*ticket);
                response.encode(self);
            }
            TraceEvent::BrokerFault(BrokerTransition { fault, failure, until }) => {
                self.write_variant(8, &[fault, failure, until])
            }
            TraceEvent::HostPublish(message) => {
                self.write_word(7);
                message.encode(self);
            }
            // These repeat what other steps say.
            TraceEvent::Journey(..) | TraceEvent::AtBroker(_) => {}
        }
    }

    fn device(&mut self, tag: u64, device: DeviceIndex) {
        self.write_word(tag << 32 | u64::from(device.0));
    }

    fn connection(&mut self, tag: u64, connection: ConnectionId) {
        self.device(tag, connection.device);
        self.write_word(u64::from(connection.attempt));
    }
}

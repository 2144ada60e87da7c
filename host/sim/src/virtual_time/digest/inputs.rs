//! Encoding of device inputs.

use wasmote_mqtt::answer::{AnswerCode, Disconnection, NegativeAnswer};
use wasmote_mqtt::client::{Refusal, RefusedRequest};

use super::Digest;
use crate::behaviour::Version;
use crate::device::Input;
use crate::digest::Encode;
use crate::event::StopReason;
use crate::http::{HttpFailure, HttpRequest, HttpResponse};

impl Encode for Input {
    fn encode(&self, into: &mut Digest) {
        match self {
            Self::Wake => into.write_word(1),
            // The packet with the message was mixed in just before.
            Self::Delivered(_) => into.write_word(2),
            Self::Start => into.write_word(3),
            Self::Stop(reason) => into.write_variant(4, &[reason]),
            Self::Crash => into.write_word(5),
            Self::Connected { session_present } => into.write_variant(6, &[session_present]),
            Self::Resumed => into.write_word(7),
            Self::Disconnected(end) => into.write_variant(8, &[end]),
            Self::Refused(message, Refusal::QueueFull) => into.write_variant(9, &[message]),
            Self::Refused(message, why) => into.write_variant(18, &[message, why]),
            Self::RequestRefused(request, answer) => into.write_variant(19, &[request, answer]),
            Self::Returned(message) => into.write_variant(10, &[message]),
            Self::Publish(message) => into.write_variant(11, &[message]),
            Self::HttpRequest(ticket, request) => into.write_variant(12, &[ticket, request]),
            Self::HttpReply(id, Ok(response)) => into.write_variant(13, &[id, response]),
            Self::HttpReply(id, Err(failure)) => into.write_variant(14, &[id, failure]),
            Self::SetFaults(faults) => {
                into.write_variant(15, &[&(faults.len() as u64)]);
                faults.iter().for_each(|fault| fault.encode(into));
            }
            Self::Dropped(direction, message, fault) => into.write_variant(17, &[direction, message, fault]),
            // The version identifies the factory, whose address differs between runs.
            Self::Swap(upgrade) => into.write_variant(16, &[&upgrade.factory.version(), &upgrade.trial]),
        }
    }
}

impl Encode for Disconnection {
    fn encode(&self, into: &mut Digest) {
        // The reason has the code of the answer in words, and the broker of virtual time sends no Reason String.
        let Self { reason, answer: _, is_unexplained: _ } = self;
        into.write_bytes(reason.as_bytes());
    }
}

impl Encode for Refusal {
    fn encode(&self, into: &mut Digest) {
        match self {
            Self::QueueFull => into.write_word(1),
            Self::Offline => into.write_word(2),
            Self::BeyondLimits(why) => into.write_variant(3, &[&why.name()]),
            Self::Answer(answer) => into.write_variant(4, &[answer]),
            Self::EndsConnection(answer) => into.write_variant(5, &[answer]),
        }
    }
}

impl Encode for RefusedRequest {
    fn encode(&self, into: &mut Digest) {
        match self {
            Self::Subscribe(filter) => into.write_variant(1, &[filter]),
            Self::Unsubscribe(filter) => into.write_variant(2, &[filter]),
            Self::Exchange => into.write_word(3),
            Self::Unknown => into.write_word(4),
        }
    }
}

impl Encode for NegativeAnswer {
    fn encode(&self, into: &mut Digest) {
        let Self { code: AnswerCode { packet, code }, reason_string } = self;
        into.write_variant(0, &[&packet.as_str(), code, reason_string]);
    }
}

impl Encode for Version {
    fn encode(&self, into: &mut Digest) {
        let Self { name, sha256 } = self;
        into.write_variant(0, &[name, sha256]);
    }
}

impl Encode for StopReason {
    fn encode(&self, into: &mut Digest) {
        into.write_word(match self {
            Self::Requested => 1,
            Self::Shutdown => 2,
            Self::Swap => 3,
        });
    }
}

impl Encode for HttpRequest {
    fn encode(&self, into: &mut Digest) {
        let Self { method, url, headers, body } = self;
        into.write_variant(0, &[method, url, headers, body]);
    }
}

impl Encode for HttpResponse {
    fn encode(&self, into: &mut Digest) {
        let Self { status, headers, body } = self;
        into.write_variant(0, &[status, headers, body]);
    }
}

impl Encode for HttpFailure {
    fn encode(&self, into: &mut Digest) {
        match self {
            Self::TimedOut => into.write_word(1),
            Self::Unreachable(why) => into.write_variant(2, &[why]),
            Self::TooLarge(most) => into.write_variant(3, &[most]),
        }
    }
}

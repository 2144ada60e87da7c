//! What passes between clients and the broker.

use super::Digest;
use super::mix::Mix;
use crate::broker::packet::{
    Ack, AckStep, ConnAck, Connect, Disconnect, Publish, Reply, Request, RetainHandling, SubAck, Subscribe,
    SubscribeOptions, Unsubscribe,
};
use crate::context::Protocol;

impl Mix for Request {
    fn mix(&self, into: &mut Digest) {
        match self {
            Self::Publish(publish) => publish.mix(into),
            Self::Ack(ack) => ack.mix(into),
            Self::Connect(connect) => into.put(3, &[&**connect]),
            Self::Subscribe(subscribe) => into.put(4, &[subscribe]),
            Self::Unsubscribe(unsubscribe) => into.put(5, &[unsubscribe]),
            Self::PingReq => into.word(6),
            Self::Disconnect(disconnect) => into.put(7, &[disconnect]),
            Self::Lost => into.word(8),
        }
    }
}

impl Mix for Reply {
    fn mix(&self, into: &mut Digest) {
        match self {
            Self::Publish(publish) => publish.mix(into),
            Self::Ack(ack) => ack.mix(into),
            Self::ConnAck(accepted) => into.put(3, &[accepted]),
            Self::Refused(reason) => into.put(4, &[&reason.code()]),
            Self::SubAck(answer) => into.put(5, &[answer]),
            Self::UnsubAck(id, found) => into.put(6, &[&id.get(), found]),
            Self::PingResp => into.word(7),
            Self::Close(reason) => into.put(8, &[&reason.code()]),
        }
    }
}

impl Mix for Publish {
    fn mix(&self, into: &mut Digest) {
        let Self { packet_id, duplicate, message, subscription_ids } = self;
        let id = packet_id.map_or(0, |id| u64::from(id.get()));
        into.word(1 << 32 | id << 1 | u64::from(*duplicate));
        into.word(subscription_ids.len() as u64);
        for id in subscription_ids {
            into.word(u64::from(*id));
        }
        message.mix(into);
    }
}

impl Mix for Ack {
    fn mix(&self, into: &mut Digest) {
        let step: u64 = match self.step {
            AckStep::PubAck => 0,
            AckStep::PubRec => 1,
            AckStep::PubRel => 2,
            AckStep::PubComp => 3,
        };
        let reason = u64::from(self.reason.code());
        into.word(2 << 32 | step << 24 | reason << 16 | u64::from(self.packet_id.get()));
    }
}

impl Mix for Connect {
    fn mix(&self, into: &mut Digest) {
        let Self { client_id, protocol, clean_start, session_expiry, keep_alive, receive_maximum, will } =
            self;
        let receive_maximum = receive_maximum.map(|most| most.get());
        let version: u64 = match protocol {
            Protocol::V4 => 4,
            Protocol::V5 => 5,
        };
        into.put(version, &[client_id, clean_start, session_expiry, keep_alive, &receive_maximum, will]);
    }
}

impl Mix for ConnAck {
    fn mix(&self, into: &mut Digest) {
        let Self { session_present, assigned_client_id, receive_maximum, server_keep_alive } = self;
        into.put(0, &[session_present, assigned_client_id, &receive_maximum.get(), server_keep_alive]);
    }
}

impl Mix for Subscribe {
    fn mix(&self, into: &mut Digest) {
        let Self { packet_id, identifier, filters } = self;
        into.put(0, &[&packet_id.get(), identifier, filters]);
    }
}

impl Mix for SubscribeOptions {
    fn mix(&self, into: &mut Digest) {
        let Self { qos, no_local, retain_as_published, retain_handling } = self;
        let handling: u64 = match retain_handling {
            RetainHandling::Always => 0,
            RetainHandling::IfNew => 1,
            RetainHandling::Never => 2,
        };
        into.put(handling, &[qos, no_local, retain_as_published]);
    }
}

impl Mix for SubAck {
    fn mix(&self, into: &mut Digest) {
        let Self { packet_id, granted } = self;
        into.put(0, &[&packet_id.get(), &(granted.len() as u64)]);
        for granted in granted {
            match granted {
                Ok(qos) => qos.mix(into),
                Err(refusal) => into.word(u64::from(refusal.code())),
            }
        }
    }
}

impl Mix for Unsubscribe {
    fn mix(&self, into: &mut Digest) {
        let Self { packet_id, filters } = self;
        into.put(0, &[&packet_id.get(), filters]);
    }
}

impl Mix for Disconnect {
    fn mix(&self, into: &mut Digest) {
        let Self { with_will, session_expiry } = self;
        into.put(0, &[with_will, session_expiry]);
    }
}

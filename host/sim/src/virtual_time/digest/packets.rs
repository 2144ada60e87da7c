//! Encoding of MQTT packets.

use wasmote_mqtt::broker::packet::{
    Ack, AckStep, ConnAck, Connect, Disconnect, Publish, Reply, Request, RetainHandling, SubAck, Subscribe,
    SubscribeOptions, Unsubscribe,
};
use wasmote_mqtt::broker::reason::UnsubscribeRefusal;
use wasmote_mqtt::protocol::Protocol;

use super::Digest;
use crate::digest::Encode;

impl Encode for Request {
    fn encode(&self, into: &mut Digest) {
        match self {
            Self::Publish(publish) => publish.encode(into),
            Self::Ack(ack) => ack.encode(into),
            Self::Connect(connect) => into.write_variant(3, &[&**connect]),
            Self::Subscribe(subscribe) => into.write_variant(4, &[subscribe]),
            Self::Unsubscribe(unsubscribe) => into.write_variant(5, &[unsubscribe]),
            Self::PingReq => into.write_word(6),
            Self::Disconnect(disconnect) => into.write_variant(7, &[disconnect]),
            Self::Lost => into.write_word(8),
        }
    }
}

impl Encode for Reply {
    fn encode(&self, into: &mut Digest) {
        match self {
            Self::Publish(publish) => publish.encode(into),
            Self::Ack(ack) => ack.encode(into),
            Self::ConnAck(accepted) => into.write_variant(3, &[accepted]),
            Self::Refused(reason) => into.write_variant(4, &[&reason.code()]),
            Self::SubAck(answer) => into.write_variant(5, &[answer]),
            Self::UnsubAck(id, outcomes) => {
                into.write_variant(6, &[&id.get(), &(outcomes.len() as u64)]);
                for outcome in outcomes {
                    match outcome {
                        Ok(found) => found.encode(into),
                        Err(UnsubscribeRefusal(code)) => code.encode(into),
                    }
                }
            }
            Self::PingResp => into.write_word(7),
            Self::Close(reason) => into.write_variant(8, &[&reason.code()]),
        }
    }
}

impl Encode for Publish {
    fn encode(&self, into: &mut Digest) {
        let Self { packet_id, duplicate, message, subscription_ids } = self;
        let id = packet_id.map_or(0, |id| u64::from(id.get()));
        into.write_word(1 << 32 | id << 1 | u64::from(*duplicate));
        into.write_word(subscription_ids.len() as u64);
        for id in subscription_ids {
            into.write_word(u64::from(*id));
        }
        message.encode(into);
    }
}

impl Encode for Ack {
    fn encode(&self, into: &mut Digest) {
        let step: u64 = match self.step {
            AckStep::PubAck => 0,
            AckStep::PubRec => 1,
            AckStep::PubRel => 2,
            AckStep::PubComp => 3,
        };
        let reason = u64::from(self.reason.code());
        into.write_word(2 << 32 | step << 24 | reason << 16 | u64::from(self.packet_id.get()));
    }
}

impl Encode for Connect {
    fn encode(&self, into: &mut Digest) {
        let Self { client_id, protocol, clean_start, session_expiry, keep_alive, receive_maximum, will } =
            self;
        let receive_maximum = receive_maximum.map(|most| most.get());
        let version: u64 = match protocol {
            Protocol::V4 => 4,
            Protocol::V5 => 5,
        };
        into.write_variant(
            version,
            &[client_id, clean_start, session_expiry, keep_alive, &receive_maximum, will],
        );
    }
}

impl Encode for ConnAck {
    fn encode(&self, into: &mut Digest) {
        let Self { session_present, assigned_client_id, receive_maximum, server_keep_alive } = self;
        into.write_variant(
            0,
            &[session_present, assigned_client_id, &receive_maximum.get(), server_keep_alive],
        );
    }
}

impl Encode for Subscribe {
    fn encode(&self, into: &mut Digest) {
        let Self { packet_id, identifier, filters } = self;
        into.write_variant(0, &[&packet_id.get(), identifier, filters]);
    }
}

impl Encode for SubscribeOptions {
    fn encode(&self, into: &mut Digest) {
        let Self { qos, no_local, retain_as_published, retain_handling } = self;
        let handling: u64 = match retain_handling {
            RetainHandling::Always => 0,
            RetainHandling::IfNew => 1,
            RetainHandling::Never => 2,
        };
        into.write_variant(handling, &[qos, no_local, retain_as_published]);
    }
}

impl Encode for SubAck {
    fn encode(&self, into: &mut Digest) {
        let Self { packet_id, granted } = self;
        into.write_variant(0, &[&packet_id.get(), &(granted.len() as u64)]);
        for granted in granted {
            match granted {
                Ok(qos) => qos.encode(into),
                Err(refusal) => into.write_word(u64::from(refusal.code())),
            }
        }
    }
}

impl Encode for Unsubscribe {
    fn encode(&self, into: &mut Digest) {
        let Self { packet_id, filters } = self;
        into.write_variant(0, &[&packet_id.get(), filters]);
    }
}

impl Encode for Disconnect {
    fn encode(&self, into: &mut Digest) {
        let Self { with_will, session_expiry } = self;
        into.write_variant(0, &[with_will, session_expiry]);
    }
}

//! Receiver at QoS 2.

use std::collections::BTreeSet;

use crate::broker::packet::PacketId;

/// Identifiers of messages that were received and not yet released. A message is delivered when it is first
/// received, as in figure 4.3 of MQTT 5.
#[derive(Debug, Default)]
pub(crate) struct Incoming(BTreeSet<PacketId>);

impl Incoming {
    /// Records a received message. False for a retransmission, which is acknowledged but not delivered again
    /// [MQTT-4.3.3-10].
    pub(crate) fn receive(&mut self, id: PacketId) -> bool {
        self.0.insert(id)
    }

    /// Releases an identifier on PUBREL [MQTT-4.3.3-11]. False if it is unknown.
    pub(crate) fn release(&mut self, id: PacketId) -> bool {
        self.0.remove(&id)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}

//! The receiver's side at QoS 2.

use std::collections::BTreeSet;

use crate::broker::packet::PacketId;

/// Identifiers of messages that were received and not yet released. The message itself went on its way
/// when it was first received, as in figure 4.3 of MQTT 5.
#[derive(Debug, Default)]
pub(crate) struct Incoming(BTreeSet<PacketId>);

impl Incoming {
    /// A message arrived. False if it did before: it is acknowledged again and not delivered again
    /// [MQTT-4.3.3-10].
    pub(crate) fn receive(&mut self, id: PacketId) -> bool {
        self.0.insert(id)
    }

    /// The sender will not send it again [MQTT-4.3.3-11]. False if there was no such message.
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

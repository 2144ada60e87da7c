//! The device, as the interface of a behaviour to the host.

use crate::config::Identity;
use crate::host::HostHandle;
use crate::json::Value;
use crate::{Config, Message, Outgoing, Qos, topic};

pub use crate::imports::{ActiveFault, Level, PublishError, SendError, StateError, SubscribeError, Will};

/// A device: its identity and all host functions, which `imports` wraps. No call waits. The host queues messages and requests, and
/// sends them in order after the function of the behaviour has returned.
pub struct Device {
    identity: Identity,
    host: HostHandle,
}

/// Identity and configuration.
impl Device {
    #[cfg_attr(all(not(target_arch = "wasm32"), not(feature = "bench")), allow(dead_code))]
    pub(crate) fn new(host: HostHandle) -> Self {
        Device { identity: host.whoami(), host }
    }

    pub(crate) fn host(&self) -> &HostHandle {
        &self.host
    }

    /// Id of the device, unique in the fleet; also the MQTT client id.
    pub fn id(&self) -> &str {
        &self.identity.id
    }

    /// Group of the device.
    pub fn group(&self) -> &str {
        &self.identity.group
    }

    /// Position in the group, from 0.
    pub fn index(&self) -> u32 {
        self.identity.index
    }

    /// Number of devices in the group at the start of the run.
    pub fn group_size(&self) -> u32 {
        self.identity.count
    }

    /// Id of another device of the group. `None` if the host does not know it.
    pub fn peer(&self, index: u32) -> Option<String> {
        self.host.peer(index)
    }

    /// The configuration.
    pub fn config(&self) -> Config<'_> {
        Config::new(&self.host)
    }
}

/// Topics: `<root>/<device>/<leaf>`.
impl Device {
    /// Common prefix of all topics of the fleet.
    pub fn topic_root(&self) -> &str {
        &self.identity.topic_root
    }

    /// Topic of this device.
    pub fn topic(&self, leaf: &str) -> String {
        self.topic_of(self.id(), leaf)
    }

    /// Topic of another device; with `+` as the device, a filter for all.
    pub fn topic_of(&self, device: &str, leaf: &str) -> String {
        [self.topic_root(), "/", device, "/", leaf].concat()
    }

    /// Device and leaf in the topic of a message, if the topic is below the root.
    pub fn sender<'m>(&self, message: &'m Message) -> Option<(&'m str, &'m str)> {
        topic::device_and_leaf(self.topic_root(), &message.topic)
    }
}

/// Conventions shared by the bundled behaviours.
impl Device {
    /// A report of this device with `device`, `type` and `ts`; the caller adds fields.
    pub fn report(&self, kind: &str) -> Value {
        crate::object! { "device": self.id(), "type": kind, "ts": self.timestamp() }
    }

    /// Sets a will that retains `offline` on the device's `state` topic. Call it in `start`.
    pub fn set_offline_will(&mut self) {
        let offline = Outgoing::new(self.topic("state"), "offline").qos(Qos::AtLeastOnce).retained();
        if let Err(reason) = self.set_will(&offline) {
            self.warn(format_args!("will not set: {}", String::from(reason)));
        }
    }

    /// Publishes `online` or `offline` on the device's `state` topic, retained.
    pub fn publish_state(&mut self, online: bool) {
        let state = if online { "online" } else { "offline" };
        self.send(&Outgoing::new(self.topic("state"), state).qos(Qos::AtLeastOnce).retained());
    }
}

//! Where the shard puts messages, as long as one connection lasts. Nothing in it waits.

use std::collections::VecDeque;
use std::time::Duration;

use wasmote_mqtt::device_id::DeviceId;
use wasmote_mqtt::message::{Message, Qos};
use wasmote_mqtt::topic::TopicFilter;

use super::under_way::UnderWay;
use super::{Unsent, WAITING, v4, v5};

/// The library's end for each protocol version.
#[derive(Debug)]
pub(crate) enum Handle {
    V4(v4::Outlet),
    V5(v5::Outlet),
}

/// A way in for messages.
#[derive(Debug)]
pub(crate) struct Outlet {
    handle: Handle,
    /// Subscriptions whose packets are not written yet.
    unasked: u32,
    /// Messages that were published after them.
    held: VecDeque<Message>,
}

impl Outlet {
    pub(super) fn new(handle: Handle) -> Self {
        Self { handle, unasked: 0, held: VecDeque::new() }
    }

    /// Queue a message. It comes back when there is no room, or when the broker takes none of its size.
    pub(crate) fn publish(&mut self, message: Message, under_way: &mut UnderWay) -> Result<(), Message> {
        if self.unasked == 0 {
            return self.pass_on(message, under_way);
        }
        if self.held.len() >= WAITING {
            return Err(message);
        }
        self.held.push_back(message);
        Ok(())
    }

    fn pass_on(&mut self, message: Message, under_way: &mut UnderWay) -> Result<(), Message> {
        let sent = match &self.handle {
            Handle::V4(handle) => handle.publish(&message),
            Handle::V5(handle) => handle.publish(&message),
        };
        match sent {
            Ok(outcome) => under_way.add(message, outcome),
            // The shard has yet to hear of it.
            Err(Unsent::Gone) => under_way.add_lost(message),
            Err(Unsent::Refused) => return Err(message),
        }
        Ok(())
    }

    /// Queue a subscription. What the broker refuses is logged.
    pub(crate) fn subscribe(
        &mut self,
        device: &DeviceId,
        filter: &TopicFilter,
        qos: Qos,
    ) -> Result<(), Unsent> {
        match &self.handle {
            Handle::V4(handle) => handle.subscribe(device, filter, qos)?,
            Handle::V5(handle) => handle.subscribe(device, filter, qos)?,
        }
        self.unasked += 1;
        Ok(())
    }

    /// Queue the end of a subscription.
    pub(crate) fn unsubscribe(&self, filter: &TopicFilter) -> Result<(), Unsent> {
        match &self.handle {
            Handle::V4(handle) => handle.unsubscribe(filter),
            Handle::V5(handle) => handle.unsubscribe(filter),
        }
    }

    /// A subscription is written. After the last one, what was held back goes on; what does not fit comes
    /// back.
    pub(crate) fn asked(&mut self, under_way: &mut UnderWay) -> Vec<Message> {
        self.unasked = self.unasked.saturating_sub(1);
        if self.unasked > 0 { Vec::new() } else { self.release(under_way) }
    }

    /// Let go on what was held back, now. What does not fit comes back.
    pub(crate) fn release(&mut self, under_way: &mut UnderWay) -> Vec<Message> {
        let held = std::mem::take(&mut self.held);
        held.into_iter().filter_map(|message| self.pass_on(message, under_way).err()).collect()
    }

    /// What was held back when the connection ended.
    pub(crate) fn into_held(self) -> VecDeque<Message> {
        self.held
    }

    /// Queue a DISCONNECT behind everything that awaits an acknowledgement.
    pub(crate) fn leave(&self, within: Duration) {
        match &self.handle {
            Handle::V4(handle) => handle.leave(within),
            Handle::V5(handle) => handle.leave(within),
        }
    }
}

//! What becomes of a device's actions.

use std::sync::Arc;
use std::time::Duration;

use wasmote_mqtt::client::DisconnectMode;
use wasmote_mqtt::message::{Message, Qos, Will};
use wasmote_mqtt::topic::TopicFilter;
use wasmote_sim::action::Action;
use wasmote_sim::device::{Input, Now};
use wasmote_sim::http::{HttpRequest, HttpResponse};
use wasmote_sim::notice::DeviceNotice;
use wasmote_sim::virtual_time::observer::TraceEvent;

use super::Shard;
use super::slot::Slot;
use crate::client::{Outlet, returned};
use crate::connection::{Command, ShardEvent};
use crate::status::DeviceEvent;

impl Shard {
    /// Carry out actions in order. A message that does not fit goes back to the device, which may ask for
    /// more; that is carried out after the rest.
    pub(super) fn perform_all(&mut self, index: usize, now: Now, actions: &mut Vec<Action>) {
        while !actions.is_empty() {
            let mut back = Vec::new();
            for action in actions.drain(..) {
                back.extend(self.perform(index, now, action));
            }
            for input in back {
                self.observe(now, &TraceEvent::Input(self.device_index(index), &input));
                self.slots[index].device.handle(input, now, actions);
            }
        }
    }

    /// Carry out one. Gives back the messages that did not fit, or were lost.
    fn perform(&mut self, index: usize, now: Now, action: Action) -> Vec<Input> {
        let Some(action) = self.perform_on_connection(index, now, action) else { return Vec::new() };
        match action {
            Action::Publish(message) => {
                return self.publish(index, message).err().map(Input::Refused).into_iter().collect();
            }
            Action::Notice(notice) => self.emit_notice(index, now, notice),
            Action::Connect(will) => self.connect(index, will),
            Action::Disconnect(mode) => return self.disconnect(index, mode),
            Action::SetLinkConditions(conditions) => self.slots[index].line.set_conditions(conditions),
            Action::BreakLink(link_break, fault) => self.slots[index].line.break_link(link_break, fault),
            Action::Silence => self.command(index, Command::Silence),
            Action::Resume => self.command(index, Command::Resume),
            Action::Subscribe(filter, qos) => self.subscribe(index, &filter, qos),
            Action::Unsubscribe(filter) => self.unsubscribe(index, &filter),
            Action::HttpSend(id, request, timeout) => self.send_http(index, id, request, timeout),
            Action::HttpRespond(ticket, response) => self.respond_http(ticket, response),
        }
        Vec::new()
    }

    fn command(&mut self, index: usize, command: Command) {
        self.slots[index].command(command, &self.shared, &self.event_sender, index);
    }

    fn connect(&mut self, index: usize, will: Option<Will>) {
        let attempt = self.slots[index].begin_attempt();
        self.command(index, Command::Connect(will, attempt));
    }

    /// End the connection. After a stop in order, the connection tells what was not acknowledged. When the
    /// power fails, that is lost with the device's memory, at once; unless the session lasts, which then
    /// counts as kept in its flash.
    fn disconnect(&mut self, index: usize, mode: DisconnectMode) -> Vec<Input> {
        let lasts = !self.shared.network.options.session_expiry.is_zero();
        let Slot { outlet, under_way, .. } = &mut self.slots[index];
        let mut back = Vec::new();
        let mut parting = None;
        match (outlet.take(), mode) {
            (outlet, DisconnectMode::Clean) => {
                let refused = outlet.map(|mut outlet| outlet.release(under_way));
                back.extend(refused.unwrap_or_default().into_iter().map(Input::Refused));
                parting = Some(std::mem::take(under_way));
            }
            (outlet, DisconnectMode::PowerLoss | DisconnectMode::Abort) => {
                if mode == DisconnectMode::PowerLoss && !lasts {
                    back = under_way.take_all();
                }
                let held = outlet.map(Outlet::into_held).unwrap_or_default();
                back.extend(held.into_iter().map(returned));
            }
        }
        self.command(index, Command::Disconnect(mode, parting));
        back
    }

    fn publish(&mut self, index: usize, message: Message) -> Result<(), Message> {
        let Slot { outlet, under_way, .. } = &mut self.slots[index];
        match outlet {
            Some(outlet) => outlet.publish(message, under_way),
            None => {
                // The connection is gone, and the device will hear of both.
                under_way.add_lost(message);
                Ok(())
            }
        }
    }

    fn subscribe(&mut self, index: usize, filter: &TopicFilter, qos: Qos) {
        let slot = &mut self.slots[index];
        let device = &slot.device.identity().id;
        // Without an outlet the connection is gone; the device asks for everything again at the next.
        if let Some(outlet) = &mut slot.outlet
            && outlet.subscribe(device, filter, qos).is_err()
        {
            tracing::warn!(%device, %filter, "too many subscriptions at once; this one was not made");
        }
    }

    fn unsubscribe(&mut self, index: usize, filter: &TopicFilter) {
        let slot = &self.slots[index];
        if let Some(outlet) = &slot.outlet
            && outlet.unsubscribe(filter).is_err()
        {
            let device = &slot.device.identity().id;
            tracing::warn!(%device, %filter, "too many subscriptions at once; this one was not ended");
        }
    }

    fn send_http(&mut self, index: usize, id: u64, request: HttpRequest, timeout: Duration) {
        let (outbound, event_sender) = (self.shared.outbound.clone(), self.event_sender.clone());
        let largest = self.slots[index].limits.host_call_bytes;
        let slot = u32::try_from(index).unwrap_or(u32::MAX);
        tokio::spawn(async move {
            let reply = outbound.fetch(request, timeout, largest).await;
            // Nobody listens any more when the run is over.
            let _ = event_sender.send((slot, ShardEvent::HttpReply(id, reply))).await;
        });
    }

    fn respond_http(&mut self, ticket: u64, response: HttpResponse) {
        if let Some(sender) = self.pending_http.remove(&ticket) {
            // Whoever asked may have stopped waiting.
            let _ = sender.send(response);
        }
    }

    /// Tell those who watch, if there are any.
    fn emit_notice(&mut self, index: usize, now: Now, notice: DeviceNotice) {
        if let DeviceNotice::Received(_, _, Some(latency)) = &notice {
            self.recent_latencies.add(now.run, *latency);
        }
        self.observe(now, &TraceEvent::Notice(self.device_index(index), &notice));
        let device = self.slots[index].device.identity();
        let event = |notice| DeviceEvent { at: now, device: Arc::clone(device), notice };
        self.shared.event_bus.emit(notice, event);
    }
}

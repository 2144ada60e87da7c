//! Execution of a device's actions.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use wasmote_sim::action::Action;
use wasmote_sim::device::Now;
use wasmote_sim::http::{HttpRequest, HttpResponse};
use wasmote_sim::notice::DeviceNotice;
use wasmote_sim::virtual_time::observer::TraceEvent;

use super::Shard;
use super::connection::{Connection, Connections};
use super::event::ShardEvent;
use crate::status::DeviceEvent;

impl Shard {
    /// Performs actions, in order.
    pub(super) fn perform_all(&mut self, index: usize, now: Now, actions: &mut Vec<Action>) {
        for action in actions.drain(..) {
            self.perform(index, now, action);
        }
    }

    fn perform(&mut self, index: usize, now: Now, action: Action) {
        match action {
            Action::Notice(notice) => self.emit_notice(index, now, notice),
            Action::HttpSend(id, request, timeout) => self.send_http(index, id, request, timeout),
            Action::HttpRespond(ticket, response) => self.respond_http(ticket, response),
            Action::Connect(will) => {
                self.on_connection(index, now, |connection, connections| {
                    connection.connect(will, now.run, connections)
                });
            }
            Action::Disconnect(mode) => {
                self.on_connection(index, now, |connection, connections| {
                    connection.disconnect(mode, now.run, connections)
                });
            }
            Action::Publish(message) => {
                self.on_connection(index, now, |connection, connections| {
                    connection.publish(message, now.run, connections)
                });
            }
            Action::Subscribe(filter, qos) => {
                self.on_connection(index, now, |connection, connections| {
                    connection.subscribe(filter, qos, now.run, connections)
                });
            }
            Action::Unsubscribe(filter) => {
                self.on_connection(index, now, |connection, connections| {
                    connection.unsubscribe(filter, now.run, connections)
                });
            }
            Action::Silence => self.on_connection(index, now, Connection::silence),
            Action::Resume => self
                .on_connection(index, now, |connection, connections| connection.resume(now.run, connections)),
            Action::SetLinkConditions(conditions) => {
                self.on_connection(index, now, |connection, connections| {
                    connection.set_conditions(conditions, now.run, connections)
                });
            }
            Action::BreakLink(link_break, fault) => {
                self.on_connection(index, now, |connection, connections| {
                    connection.break_link(link_break, fault, now.run, connections)
                });
            }
        }
    }

    /// Runs a job on a device's connection, after a pending end of a silence.
    fn on_connection(&mut self, index: usize, now: Now, job: impl FnOnce(&mut Connection, &mut Connections)) {
        self.with_connection(index, |connection, connections| {
            connection.finish_resume(now.run, connections);
            job(connection, connections);
        });
    }

    fn send_http(&mut self, index: usize, id: u64, request: HttpRequest, timeout: Duration) {
        let (outbound, event_sender) = (self.shared.outbound.clone(), self.event_sender.clone());
        let largest = self.slots[index].limits.host_call_bytes;
        let slot = u32::try_from(index).unwrap_or(u32::MAX);
        let mut lease = outbound.lease(&request);
        // A request without a lease fails, so its body is freed before its task runs.
        let request = if lease.is_some() { request } else { HttpRequest { body: Bytes::new(), ..request } };
        tokio::spawn(async move {
            let reply = outbound.fetch(request, timeout, largest, &mut lease).await;
            // Sending fails only after the shard has ended. The lease lasts until the shard has taken the answer.
            let _ = event_sender.send((slot, ShardEvent::HttpReply(id, reply))).await;
            drop(lease);
        });
    }

    fn respond_http(&mut self, ticket: u64, response: HttpResponse) {
        if let Some(sender) = self.pending_http.remove(&ticket) {
            // The caller may have stopped waiting.
            let _ = sender.send(response);
        }
    }

    /// Emits a notice to the observer and to event subscribers.
    fn emit_notice(&mut self, index: usize, now: Now, notice: DeviceNotice) {
        if let DeviceNotice::Received(_, _, Some(latency), _) = &notice {
            self.recent_latencies.add(now.run, *latency);
        }
        self.observe(now, &TraceEvent::Notice(self.device_index(index), &notice));
        let wanted = self.shared.event_bus.wants(&notice);
        if wanted.is_none() {
            return;
        }
        let slot = &mut self.slots[index];
        let in_log = slot.lines.allow(&mut slot.device, &notice, now.run);
        let device = Arc::clone(slot.device.identity());
        self.shared.event_bus.send(wanted, DeviceEvent::new(now, device, notice, in_log));
    }
}

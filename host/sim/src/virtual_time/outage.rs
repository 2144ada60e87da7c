//! Failures of the broker in virtual time.

use wasmote_mqtt::broker::packet::{Reply, Request};
use wasmote_mqtt::broker::reason::{CloseReason, ConnectRefusal};
use wasmote_mqtt::message::Message;

use super::observer::{ConnectionId, DeviceIndex, Observer, TraceEvent};
use super::{BROKER_SLOT, VirtualTime};
use crate::faults::broker::{BrokerTransition, Condition, Failure};
use crate::link::AtMostOnce;

/// Unread input of a suspended broker, as in the buffers of its sockets.
#[derive(Debug)]
pub(super) enum Unread {
    Packet(ConnectionId, Request),
    Host(Message),
}

impl<O: Observer> VirtualTime<O> {
    /// Begins and ends the due failures of the broker.
    pub(super) fn advance_broker_faults(&mut self) {
        while let Some(transition) = self.broker_faults.advance(self.now) {
            self.broker_transition(&transition);
        }
    }

    /// Applies the begin or end of a failure.
    pub(super) fn broker_transition(&mut self, transition: &BrokerTransition) {
        self.trace(&TraceEvent::BrokerFault(transition));
        if let (Failure::Restart { persistent }, Some(_)) = (transition.failure, transition.until) {
            self.stop_broker(persistent);
        }
        if self.broker_faults.condition() == Condition::Up {
            self.resume_broker();
        }
    }

    /// Ends the broker's process. Its connections are closed, and unread packets are lost.
    fn stop_broker(&mut self, persistent: bool) {
        for connection in self.broker.fail(self.now) {
            self.send_down(connection, Reply::Close(CloseReason::ShuttingDown));
        }
        if !persistent {
            self.broker.clear_state();
            self.report_broker_steps();
        }
        for unread in std::mem::take(&mut self.unread) {
            match &unread {
                Unread::Packet(connection, request) => {
                    self.count_read(*connection, request);
                    self.count_written(*connection, request);
                    self.lose_up(*connection, request, "the broker stopped before it read it");
                }
                Unread::Host(_) => self.counts.lost_up += 1,
            }
        }
    }

    /// Resumes the broker: it reads the packets that have arrived meanwhile and runs overdue work.
    fn resume_broker(&mut self) {
        // After a restart, the first step is to detect lost connections.
        if self.unread.is_empty() {
            return self.run_broker_deadlines();
        }
        for unread in std::mem::take(&mut self.unread) {
            match unread {
                Unread::Packet(connection, request) => {
                    self.count_read(connection, &request);
                    self.packet_at_broker(connection, request);
                }
                Unread::Host(message) => self.publish(message),
            }
        }
        self.run_broker_deadlines();
    }

    pub(super) fn run_broker_deadlines(&mut self) {
        if self.broker.next_deadline().is_some_and(|due| due <= self.now) {
            self.counts.broker_wakes += 1;
            self.trace(&TraceEvent::BrokerWake);
            self.broker.wake(self.now, &mut self.replies);
        }
        self.send_replies();
    }

    /// Handles a packet while the broker does not read or is down.
    pub(super) fn packet_while_unavailable(&mut self, connection: ConnectionId, request: Request) {
        match (self.broker_faults.condition(), request) {
            (Condition::Down, Request::Connect(_)) => {
                self.send_down(connection, Reply::Refused(ConnectRefusal::Unavailable));
            }
            (Condition::Down, request) => {
                self.count_written(connection, &request);
                self.lose_up(connection, &request, "the broker was down");
            }
            (_, request) => {
                self.nodes[connection.device.0 as usize].unread += usize::from(request.is_qos_0());
                self.unread.push_back(Unread::Packet(connection, request));
            }
        }
    }

    fn count_read(&mut self, connection: ConnectionId, request: &Request) {
        self.nodes[connection.device.0 as usize].unread -= usize::from(request.is_qos_0());
    }

    /// Whether the socket buffers from a device to the broker are full.
    pub(super) fn is_broker_buffer_full(&self, device: DeviceIndex) -> bool {
        self.nodes[device.0 as usize].unread >= self.options.client.unread
    }

    /// Schedules the next wakeup of the broker and of its faults.
    pub(super) fn schedule_broker(&mut self) {
        let is_up = self.broker_faults.condition() == Condition::Up;
        let own = self.broker.next_deadline().filter(|_| is_up);
        let due = [own, self.broker_faults.next_deadline()].into_iter().flatten().min();
        self.event_queue.set_deadline(BROKER_SLOT, due, self.now);
    }
}

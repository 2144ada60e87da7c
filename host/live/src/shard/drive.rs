//! Connection events: deadlines, incoming packets and outgoing packets.

use tokio::net::TcpStream;
use wasmote_mqtt::broker::packet::Reply;
use wasmote_mqtt::client::ids::ConnectionId;
use wasmote_mqtt::codec::client::Incoming;
use wasmote_mqtt::origin;
use wasmote_sim::device::{Input, Now};

use super::Shard;
use super::connection::{Connection, Connections};
use super::tcp::Sockets;

impl Shard {
    /// Runs a job on a device's connection.
    pub(super) fn with_connection(
        &mut self,
        index: usize,
        job: impl FnOnce(&mut Connection, &mut Connections),
    ) {
        if let Some(slot) = self.slots.get_mut(index) {
            job(&mut slot.connection, &mut self.connections);
        }
        self.log_warnings(index);
    }

    /// Handles a due deadline of the device, its client, or its transport.
    pub(super) fn wake_connection(&mut self, index: usize, now: Now) {
        let device_is_due = self.slots[index].device.next_deadline().is_some_and(|due| due <= now.run);
        self.with_connection(index, |connection, connections| {
            connection.wake(now.run, connections);
            if device_is_due {
                connections.outbox.inputs.push_back(Input::Wake);
            }
        });
        self.deliver(index, now);
    }

    /// Handles a batch of replies from the embedded broker.
    pub(super) fn handle_replies(&mut self, batch: Vec<(ConnectionId, Reply)>) {
        for (link, reply) in batch {
            let index = link.device.0 as usize;
            self.turn(index, |shard| {
                let now = shard.now();
                shard.deliver_reply(index, link, reply, now);
                shard.pump(index, now);
            });
        }
    }

    /// Delivers a reply to a device's client.
    fn deliver_reply(&mut self, index: usize, link: ConnectionId, mut reply: Reply, now: Now) {
        if let Reply::Publish(publish) = &mut reply {
            origin::normalize(&mut publish.message);
        }
        self.with_connection(index, |connection, connections| {
            connection.receive(link, reply, now.run, connections)
        });
    }

    /// Handles a ready socket.
    pub(super) fn drive_socket(&mut self, index: usize) {
        let mut incoming = None;
        self.with_connection(index, |connection, connections| {
            connection.with_tcp(connections, |tcp, _, sockets, _| {
                incoming = tcp.read(sockets).map(|(link, outcome)| (link, outcome, sockets.take_incoming()));
            });
        });
        // The clock is read after the packets. Otherwise a message that another thread has just sent could seem to come from
        // the future.
        let now = self.now();
        if let Some((link, mut outcome, mut items)) = incoming {
            for item in items.drain(..) {
                match item {
                    Incoming::Reply(reply) => self.deliver_reply(index, link, reply, now),
                    Incoming::Explained(reply, text) => {
                        self.with_connection(index, |connection, connections| {
                            connection.receive_explained(link, reply, text, now.run, connections)
                        })
                    }
                    Incoming::Closed(end) => outcome = Err(end),
                }
            }
            self.with_connection(index, |connection, connections| {
                connection.with_tcp(connections, |tcp, client, sockets, out| {
                    sockets.return_incoming(items);
                    if let Err(reason) = outcome {
                        tcp.connection_lost(reason, client, now.run, sockets, out);
                    }
                });
            });
        }
        self.with_connection(index, |connection, connections| connection.finish_resume(now.run, connections));
        self.pump(index, now);
    }

    /// Handles the outcome of a connection attempt.
    pub(super) fn dialled(&mut self, index: usize, attempt: u32, outcome: Result<TcpStream, String>) {
        let now = self.now();
        self.with_connection(index, |connection, connections| {
            connection.with_tcp(connections, |tcp, client, sockets, out| {
                tcp.dialled(attempt, outcome, client, now.run, sockets, out);
            });
        });
        self.pump(index, now);
    }

    /// Handles the close of a connection after its DISCONNECT.
    pub(super) fn connection_closed(&mut self, index: usize) {
        self.with_connection(index, |connection, connections| {
            connection
                .with_tcp(connections, |tcp, client, sockets, _| tcp.connection_closed(client, sockets));
        });
        let now = self.now();
        self.pump(index, now);
    }

    /// Writes to all sockets with queued packets.
    pub(super) fn flush_sockets(&mut self) {
        while let Some(index) = self.connections.sockets().and_then(Sockets::next_unwritten) {
            let now = self.now();
            self.with_connection(index, |connection, connections| connection.write(now.run, connections));
            self.count_sent(index, now);
            if !self.connections.outbox.is_empty() {
                self.pump(index, now);
            }
        }
    }

    /// Starts queued connection attempts, up to the limit of concurrent ones.
    pub(super) fn dial_queued(&mut self) {
        while let Some(link) = self.connections.sockets().and_then(Sockets::next_to_dial) {
            let index = link.device.0 as usize;
            self.with_connection(index, |connection, connections| {
                connection.with_tcp(connections, |tcp, client, sockets, _| tcp.dial(link, client, sockets));
            });
            let now = self.now().run;
            self.arm(index, now);
        }
    }

    /// Delivers the inputs from a device's client, sends its packets, and ends the turn.
    pub(super) fn pump(&mut self, index: usize, now: Now) {
        self.deliver(index, now);
        self.finish_turn(index, now);
    }

    /// Delivers the inputs from a device's client and sends its packets, until none are left.
    pub(super) fn deliver(&mut self, index: usize, now: Now) {
        loop {
            while let Some(input) = self.connections.outbox.inputs.pop_front() {
                if matches!(input, Input::Connected { .. }) {
                    self.connects += 1;
                    self.slots[index].was_connected = true;
                }
                self.apply_input(index, input, now);
            }
            self.with_connection(index, |connection, connections| {
                connection.send_packets(now.run, connections)
            });
            if self.connections.outbox.is_empty() {
                break;
            }
        }
        self.count_sent(index, now);
    }

    /// Does the bookkeeping of a turn and sets the deadline of the next one.
    pub(super) fn finish_turn(&mut self, index: usize, now: Now) {
        self.report_suppressed_lines(index, now.run);
        self.arm(index, now.run);
    }

    /// Counts the messages of a device that have left for good since the last call.
    fn count_sent(&mut self, index: usize, now: Now) {
        let sent = std::mem::take(&mut self.connections.outbox.sent);
        let Some(slot) = self.slots.get_mut(index) else { return };
        slot.device.count_sent(sent);
        if !self.connections.outbox.settled.is_empty() {
            self.connections.outbox.settled.drain(..).for_each(|settled| slot.device.note_settled(settled));
            self.report_steps(index, now);
        }
    }
}

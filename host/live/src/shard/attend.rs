//! Attending to linked devices: to their deadlines, what they hear, and what they have to say.

use std::io;

use tokio::net::TcpStream;
use wasmote_sim::action::Action;
use wasmote_sim::broker::packet::{Reply, SubAck};
use wasmote_sim::client::link::LinkId;
use wasmote_sim::device::{Input, Now};

use super::Shard;
use super::linked::{Linked, Links};
use super::wired::Sockets;
use crate::client::warn_of_refusal;
use crate::stamp;
use crate::wire::client::Heard;

impl Shard {
    /// Have a linked device's client do something.
    pub(super) fn with_link(&mut self, index: usize, job: impl FnOnce(&mut Linked, &mut Links)) {
        let linked = self.slots.get_mut(index).and_then(|slot| slot.linked.as_deref_mut());
        if let (Some(linked), Some(links)) = (linked, &mut self.links) {
            job(linked, links);
        }
    }

    /// Carry out what concerns a linked device's connection. Gives back what does not.
    pub(super) fn perform_on_link(&mut self, index: usize, now: Now, action: Action) -> Option<Action> {
        let for_others = matches!(action, Action::HttpSend(..) | Action::HttpRespond(..) | Action::Notice(_));
        if for_others || self.slots[index].linked.is_none() {
            return Some(action);
        }
        self.with_link(index, |linked, links| linked.perform(action, now.run, links));
        None
    }

    /// A deadline has come: of the device, its client, or its line.
    pub(super) fn wake_linked(&mut self, index: usize, now: Now) {
        let device_is_due = self.slots[index].device.next_deadline().is_some_and(|due| due <= now.run);
        self.with_link(index, |linked, links| {
            linked.wake(now.run, links);
            if device_is_due {
                links.outbox.inputs.push_back(Input::Wake);
            }
        });
        self.settle_link(index, now);
    }

    /// What came from the broker.
    pub(super) fn hear_broker(&mut self, batch: Vec<(LinkId, Reply)>) {
        for (link, reply) in batch {
            let (index, now) = (link.device.0 as usize, self.now());
            self.pass_on(index, link, reply, now);
            self.settle_link(index, now);
        }
    }

    /// Let a device's client hear something.
    fn pass_on(&mut self, index: usize, link: LinkId, mut reply: Reply, now: Now) {
        match &mut reply {
            Reply::Publish(publish) => stamp::settle(&mut publish.message, now.wall),
            Reply::SubAck(answer) => self.tell_refusals(index, answer),
            _ => {}
        }
        self.with_link(index, |linked, links| linked.receive(link, reply, now.run, links));
    }

    fn tell_refusals(&self, index: usize, answer: &SubAck) {
        let Some(slot) = self.slots.get(index) else { return };
        for refusal in answer.granted.iter().filter_map(|granted| granted.as_ref().err()) {
            let asked = slot.linked.as_ref().and_then(|linked| linked.asked_for(answer.packet_id));
            if let Some(filter) = asked {
                warn_of_refusal(&slot.device.identity().id, filter, &refusal.to_string());
            }
        }
    }

    /// A device's socket wants attention.
    pub(super) fn attend(&mut self, index: usize) {
        let now = self.now();
        let mut heard = None;
        self.with_link(index, |linked, links| {
            linked.with_socket(links, |wired, _, sockets, _| {
                heard = wired.listen(sockets).map(|(link, end)| (link, end, sockets.take_heard()));
            });
        });
        if let Some((link, mut end, mut things)) = heard {
            for thing in things.drain(..) {
                match thing {
                    Heard::Reply(reply) => self.pass_on(index, link, reply, now),
                    Heard::Over(reason) => end = Err(reason),
                }
            }
            self.with_link(index, |linked, links| {
                linked.with_socket(links, |wired, client, sockets, out| {
                    sockets.give_back(things);
                    if let Err(reason) = end {
                        wired.break_off(reason, client, now.run, sockets, out);
                    }
                });
            });
        }
        self.with_link(index, |linked, links| linked.wake_up(now.run, links));
        self.settle_link(index, now);
    }

    /// An attempt to connect has come to its end.
    pub(super) fn dialled(&mut self, index: usize, attempt: u32, outcome: io::Result<TcpStream>) {
        let now = self.now();
        self.with_link(index, |linked, links| {
            linked.with_socket(links, |wired, client, sockets, out| {
                wired.dialled(attempt, outcome, client, now.run, sockets, out);
            });
        });
        self.settle_link(index, now);
    }

    /// A connection is closed after its farewell.
    pub(super) fn parted(&mut self, index: usize) {
        self.with_link(index, |linked, links| {
            linked.with_socket(links, |wired, client, sockets, _| wired.parted(client, sockets));
        });
        let now = self.now();
        self.settle_link(index, now);
    }

    /// Write to all sockets for which there is something.
    pub(super) fn write(&mut self) {
        while let Some(index) = self.links.as_mut().and_then(Links::sockets).and_then(Sockets::next_unwritten)
        {
            let now = self.now();
            self.with_link(index, |linked, links| linked.write(now.run, links));
            if self.links.as_ref().is_some_and(|links| !links.outbox.is_empty()) {
                self.settle_link(index, now);
            }
        }
    }

    /// Begin as many connections as may be tried at one time.
    pub(super) fn dial(&mut self) {
        while let Some(link) = self.links.as_mut().and_then(Links::sockets).and_then(Sockets::next_in_line) {
            let (index, now) = (link.device.0 as usize, self.now().run);
            self.with_link(index, |linked, links| {
                linked.with_socket(links, |wired, client, sockets, _| wired.dial(link, client, now, sockets));
            });
            self.arm(index);
        }
    }

    /// Give a linked device what its client has for it, until there is no more, and let the client speak.
    pub(super) fn settle_link(&mut self, index: usize, now: Now) {
        loop {
            while let Some(input) = self.links.as_mut().and_then(|links| links.outbox.inputs.pop_front()) {
                if matches!(input, Input::Connected { .. }) {
                    self.connects += 1;
                    self.slots[index].was_connected = true;
                }
                self.give(index, input, now);
            }
            self.with_link(index, |linked, links| linked.send_up(now.run, links));
            if self.links.as_ref().is_none_or(|links| links.outbox.is_empty()) {
                break;
            }
        }
        self.arm(index);
    }
}

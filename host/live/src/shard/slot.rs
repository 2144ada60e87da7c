//! A device with its connection, and what is known about both.

use std::sync::Arc;

use tokio::sync::mpsc;
use wasmote_sim::context::Protocol;
use wasmote_sim::device::{Blueprint, Device, Input, PowerState};
use wasmote_sim::limits::Limits;
use wasmote_sim::time::Time;

use super::Common;
use super::linked::Linked;
use crate::client::{Outlet, Recipe, Session, UnderWay, returned, v4, v5};
use crate::connection::{Command, Connection, Inbox, News};
use crate::socket::Line;

pub(super) struct Slot {
    pub(super) device: Device,
    pub(super) limits: Arc<Limits>,
    /// Its end of the link to the broker in this process, if it uses that. Then it has no use for what follows.
    pub(super) linked: Option<Box<Linked>>,
    /// Where messages go in while the connection is up.
    pub(super) outlet: Option<Outlet>,
    /// Messages that went in there, over all connections.
    pub(super) under_way: UnderWay,
    /// What its connections are made with.
    pub(super) line: Line,
    protocol: Protocol,
    connection: Option<mpsc::UnboundedSender<Command>>,
    /// Tells the present connection from those before.
    attempt: u64,
    /// When it is to be switched on for the first time.
    start: Option<Time>,
    /// The soonest deadline on the agenda.
    armed: Option<Time>,
    pub(super) was_connected: bool,
    settled: bool,
}

impl Slot {
    pub(super) fn new(
        blueprint: Blueprint,
        linked: Option<Box<Linked>>,
        start: Option<Time>,
        now: Time,
    ) -> Self {
        Self {
            limits: Arc::clone(&blueprint.limits),
            protocol: blueprint.protocol,
            device: Device::new(blueprint, now),
            linked,
            outlet: None,
            under_way: UnderWay::default(),
            line: Line::default(),
            connection: None,
            attempt: 0,
            start,
            armed: None,
            was_connected: false,
            settled: false,
        }
    }

    /// The deadline to put on the agenda, if there is one that is sooner than what is there.
    pub(super) fn arm(&mut self) -> Option<Time> {
        let link = self.linked.as_ref().and_then(|linked| linked.next_deadline());
        let due = [self.start, self.device.next_deadline(), link].into_iter().flatten().min()?;
        if self.armed.is_some_and(|armed| armed <= due) {
            return None;
        }
        self.armed = Some(due);
        self.armed
    }

    /// Whether a deadline from the agenda is not outdated.
    pub(super) fn disarm(&mut self, at: Time) -> bool {
        self.armed.take_if(|armed| *armed == at).is_some()
    }

    /// Whether it is time for the first start; it is then used up.
    pub(super) fn take_start(&mut self, now: Time) -> bool {
        self.start.take_if(|start| *start <= now).is_some()
    }

    /// It is switched by hand, or not at all.
    pub(super) fn forget_start(&mut self) {
        self.start = None;
    }

    /// Messages that come back because of these news, to be told of before the news themselves.
    pub(super) fn returned_by(&mut self, news: &mut News) -> Vec<Input> {
        match news {
            News::Asked(attempt) if *attempt == self.attempt => {
                let under_way = &mut self.under_way;
                let refused = self.outlet.as_mut().map(|outlet| outlet.asked(under_way));
                refused.unwrap_or_default().into_iter().map(Input::Refused).collect()
            }
            News::Disconnected(attempt, _) if *attempt == self.attempt => {
                let mut back = self.under_way.take_lost();
                let held = self.outlet.take().map(Outlet::into_held).unwrap_or_default();
                back.extend(held.into_iter().map(returned));
                back
            }
            // The broker may not have had the session any more; what belonged to it is then lost too.
            News::Disconnected(..) | News::Connected { .. } => self.under_way.take_lost(),
            News::Ended(lost) => {
                let mut back = std::mem::take(lost);
                back.extend(self.under_way.take_lost());
                back
            }
            _ => Vec::new(),
        }
    }

    /// What news mean to the device. Those of an earlier connection mean nothing, but for messages: they
    /// did arrive.
    pub(super) fn heard(&mut self, news: News) -> Option<Input> {
        match news {
            News::Connected { attempt, session_present, outlet } if attempt == self.attempt => {
                self.outlet = Some(outlet);
                self.was_connected = true;
                Some(Input::Connected { session_present })
            }
            News::Resumed(attempt) if attempt == self.attempt => Some(Input::Resumed),
            News::Disconnected(attempt, reason) if attempt == self.attempt => {
                Some(Input::Disconnected(reason))
            }
            News::Delivered(message) => Some(Input::Delivered(message)),
            News::HttpReply(id, reply) => Some(Input::HttpReply(id, reply)),
            News::Asked(_)
            | News::Connected { .. }
            | News::Resumed(_)
            | News::Disconnected(..)
            | News::Ended(_)
            | News::Dialled(..)
            | News::Parted
            | News::CaughtUp(_) => None,
        }
    }

    /// The number of a new attempt to connect.
    pub(super) fn begin_attempt(&mut self) -> u64 {
        self.outlet = None;
        self.attempt += 1;
        self.attempt
    }

    /// Pass a command to the connection, which comes into being with the first attempt.
    pub(super) fn command(&mut self, command: Command, common: &Common, inbox: &Inbox, index: usize) {
        if self.connection.is_none() && matches!(command, Command::Connect(..)) {
            self.connection = Some(match self.protocol {
                Protocol::V4 => self.connect::<v4::Session>(common, inbox, index),
                Protocol::V5 => self.connect::<v5::Session>(common, inbox, index),
            });
        }
        if let Some(connection) = &self.connection {
            // It ends before the shard only when the runtime does.
            let _ = connection.send(command);
        }
    }

    /// Have no connection any more. What the last one was told to do, it still does.
    pub(super) fn hang_up(&mut self) {
        self.connection = None;
        self.outlet = None;
    }

    /// Whether it has, since the last question, been connected for the first time or given up.
    pub(super) fn newly_settled(&mut self) -> bool {
        use PowerState::{Dead, Failed, Off};
        let given_up = matches!(self.device.power(), Failed(_) | Off(_) | Dead(_));
        let settled = self.was_connected || given_up;
        settled && !std::mem::replace(&mut self.settled, settled)
    }

    fn connect<S: Session>(
        &self,
        common: &Common,
        inbox: &Inbox,
        index: usize,
    ) -> mpsc::UnboundedSender<Command> {
        let (sender, commands) = mpsc::unbounded_channel();
        let recipe = Recipe {
            device: self.device.identity().id.clone(),
            // A shard has fewer devices than memory has addresses for.
            number: u32::try_from(index).unwrap_or(u32::MAX),
            network: Arc::clone(&common.network),
            line: self.line.clone(),
            subscriptions: self.limits.subscriptions as usize,
        };
        let connection = Connection::<S> {
            recipe,
            commands,
            inbox: inbox.clone(),
            alive: common.alive.clone(),
            session: None,
            silent: false,
        };
        tokio::spawn(connection.run());
        sender
    }
}

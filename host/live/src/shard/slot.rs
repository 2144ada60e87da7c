//! A device with its connection, and what is known about both.

use std::sync::Arc;

use tokio::sync::mpsc;
use wasmote_mqtt::protocol::Protocol;
use wasmote_mqtt::time::Time;
use wasmote_sim::device::{Blueprint, Device, Input, PowerState};
use wasmote_sim::limits::Limits;

use super::FleetShared;
use super::connection::Connection;
use crate::client::{Outlet, Recipe, Session, UnderWay, returned, v4, v5};
use crate::connection::{Command, SessionTask, ShardEvent, ShardEventSender};
use crate::socket::SocketControl;

pub(super) struct Slot {
    pub(super) device: Device,
    pub(super) limits: Arc<Limits>,
    /// Its end of the link to the broker in this process, if it uses that. Then it has no use for what follows.
    pub(super) connection: Option<Box<Connection>>,
    /// Where messages go in while the connection is up.
    pub(super) outlet: Option<Outlet>,
    /// Messages that went in there, over all connections.
    pub(super) under_way: UnderWay,
    /// What its connections are made with.
    pub(super) line: SocketControl,
    protocol: Protocol,
    session_task: Option<mpsc::UnboundedSender<Command>>,
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
        connection: Option<Box<Connection>>,
        start: Option<Time>,
        now: Time,
    ) -> Self {
        Self {
            limits: Arc::clone(&blueprint.limits),
            protocol: blueprint.protocol,
            device: Device::new(blueprint, now),
            connection,
            outlet: None,
            under_way: UnderWay::default(),
            line: SocketControl::default(),
            session_task: None,
            attempt: 0,
            start,
            armed: None,
            was_connected: false,
            settled: false,
        }
    }

    /// The deadline to put on the agenda, if there is one that is sooner than what is there.
    pub(super) fn arm(&mut self) -> Option<Time> {
        let link = self.connection.as_ref().and_then(|connection| connection.next_deadline());
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
    pub(super) fn cancel_start(&mut self) {
        self.start = None;
    }

    /// Messages that come back because of these news, to be told of before the news themselves.
    pub(super) fn returned_by(&mut self, event: &mut ShardEvent) -> Vec<Input> {
        match event {
            ShardEvent::Asked(attempt) if *attempt == self.attempt => {
                let under_way = &mut self.under_way;
                let refused = self.outlet.as_mut().map(|outlet| outlet.asked(under_way));
                refused.unwrap_or_default().into_iter().map(Input::Refused).collect()
            }
            ShardEvent::Disconnected(attempt, _) if *attempt == self.attempt => {
                let mut back = self.under_way.take_lost();
                let held = self.outlet.take().map(Outlet::into_held).unwrap_or_default();
                back.extend(held.into_iter().map(returned));
                back
            }
            // The broker may not have had the session any more; what belonged to it is then lost too.
            ShardEvent::Disconnected(..) | ShardEvent::Connected { .. } => self.under_way.take_lost(),
            ShardEvent::Ended(lost) => {
                let mut back = std::mem::take(lost);
                back.extend(self.under_way.take_lost());
                back
            }
            _ => Vec::new(),
        }
    }

    /// What news mean to the device. Those of an earlier connection mean nothing, but for messages: they
    /// did arrive.
    pub(super) fn input_for(&mut self, event: ShardEvent) -> Option<Input> {
        match event {
            ShardEvent::Connected { attempt, session_present, outlet } if attempt == self.attempt => {
                self.outlet = Some(outlet);
                self.was_connected = true;
                Some(Input::Connected { session_present })
            }
            ShardEvent::Resumed(attempt) if attempt == self.attempt => Some(Input::Resumed),
            ShardEvent::Disconnected(attempt, reason) if attempt == self.attempt => {
                Some(Input::Disconnected(reason))
            }
            ShardEvent::Delivered(message) => Some(Input::Delivered(message)),
            ShardEvent::HttpReply(id, reply) => Some(Input::HttpReply(id, reply)),
            ShardEvent::Asked(_)
            | ShardEvent::Connected { .. }
            | ShardEvent::Resumed(_)
            | ShardEvent::Disconnected(..)
            | ShardEvent::Ended(_)
            | ShardEvent::Dialled(..)
            | ShardEvent::Closed
            | ShardEvent::Barrier(_) => None,
        }
    }

    /// The number of a new attempt to connect.
    pub(super) fn begin_attempt(&mut self) -> u64 {
        self.outlet = None;
        self.attempt += 1;
        self.attempt
    }

    /// Pass a command to the connection, which comes into being with the first attempt.
    pub(super) fn command(
        &mut self,
        command: Command,
        shared: &FleetShared,
        event_sender: &ShardEventSender,
        index: usize,
    ) {
        if self.session_task.is_none() && matches!(command, Command::Connect(..)) {
            self.session_task = Some(match self.protocol {
                Protocol::V4 => self.connect::<v4::Session>(shared, event_sender, index),
                Protocol::V5 => self.connect::<v5::Session>(shared, event_sender, index),
            });
        }
        if let Some(session_task) = &self.session_task {
            // It ends before the shard only when the runtime does.
            let _ = session_task.send(command);
        }
    }

    /// Have no connection any more. What the last one was told to do, it still does.
    pub(super) fn hang_up(&mut self) {
        self.session_task = None;
        self.outlet = None;
    }

    /// Whether it has, since the last question, been connected for the first time or given up.
    pub(super) fn take_newly_settled(&mut self) -> bool {
        use PowerState::{Dead, Failed, Off};
        let given_up = matches!(self.device.power(), Failed(_) | Off(_) | Dead(_));
        let settled = self.was_connected || given_up;
        settled && !std::mem::replace(&mut self.settled, settled)
    }

    fn connect<S: Session>(
        &self,
        shared: &FleetShared,
        event_sender: &ShardEventSender,
        index: usize,
    ) -> mpsc::UnboundedSender<Command> {
        let (sender, commands) = mpsc::unbounded_channel();
        let recipe = Recipe {
            device: self.device.identity().id.clone(),
            // A shard has fewer devices than memory has addresses for.
            number: u32::try_from(index).unwrap_or(u32::MAX),
            network: Arc::clone(&shared.network),
            line: self.line.clone(),
            subscriptions: self.limits.subscriptions as usize,
        };
        let session_task = SessionTask::<S> {
            recipe,
            commands,
            event_sender: event_sender.clone(),
            alive: shared.alive.clone(),
            session: None,
            silent: false,
        };
        tokio::spawn(session_task.run());
        sender
    }
}

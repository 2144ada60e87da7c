//! Connection state of a device, and messages queued for the connection.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use wasmote_mqtt::message::{Message, Qos};
use wasmote_mqtt::time::Time;
use wasmote_mqtt::topic::TopicFilter;

use crate::action::Action;
use crate::limits::Limits;
use crate::rng::Stream;

/// State of the MQTT connection, as the device believes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConnectionState {
    /// Disconnected, with a reason as text.
    Down(String),
    /// An attempt is in progress.
    Connecting,
    /// Connected.
    Up,
    /// The device tests the connection after a silence. Until the broker answers, nothing is sent, as it
    /// would be lost on a dead connection.
    Resuming,
}

/// First delay before a reconnect; it doubles after every failure.
const MIN_RECONNECT_DELAY: Duration = Duration::from_millis(500);
/// Longest delay before a reconnect.
const MAX_RECONNECT_DELAY: Duration = Duration::from_secs(30);
/// Time for which a connection has to stand before the next reconnect begins with the first delay again. Two
/// clients with one client identifier, which end each other's connections, then reach the longest delay too.
const RECONNECT_DELAY_RESET_AFTER: Duration = MAX_RECONNECT_DELAY;

#[derive(Debug)]
pub(super) struct Connection {
    pub(super) state: ConnectionState,
    reconnect_at: Option<Time>,
    /// Failed attempts and short connections in a row.
    failures: u32,
    /// Time since which the connection has been up.
    up_since: Option<Time>,
    jitter: Stream,
    queue: VecDeque<Message>,
    queue_limit: usize,
    queued_bytes: u64,
    max_queued_bytes: u64,
    /// Filters that the broker has, as far as the device knows.
    known_filters: BTreeSet<TopicFilter>,
    /// Filters to subscribe at the next connection.
    pending_subscribes: BTreeSet<TopicFilter>,
    /// Filters to unsubscribe at the next connection.
    pending_unsubscribes: BTreeSet<TopicFilter>,
}

impl Connection {
    pub(super) fn new(jitter: Stream, limits: &Limits) -> Self {
        Self {
            state: ConnectionState::Down("not started".into()),
            reconnect_at: None,
            failures: 0,
            up_since: None,
            jitter,
            queue: VecDeque::new(),
            queue_limit: limits.queued_messages as usize,
            queued_bytes: 0,
            max_queued_bytes: limits.queued_bytes,
            known_filters: BTreeSet::new(),
            pending_subscribes: BTreeSet::new(),
            pending_unsubscribes: BTreeSet::new(),
        }
    }

    pub(super) fn reconnect_at(&self) -> Option<Time> {
        self.reconnect_at
    }

    /// Whether the behaviour believes that the connection is up.
    pub(super) fn was_up(&self) -> bool {
        matches!(self.state, ConnectionState::Up | ConnectionState::Resuming)
    }

    /// Whether a reconnect is due. Clears the deadline if so.
    pub(super) fn take_reconnect(&mut self, now: Time) -> bool {
        self.reconnect_at.take_if(|due| *due <= now).is_some()
    }

    pub(super) fn queued(&self) -> usize {
        self.queue.len()
    }

    /// Queues a message until the next connection. Returns it if the queue is full.
    pub(super) fn enqueue(&mut self, message: Message) -> Result<(), Message> {
        if !self.has_room(&message) {
            return Err(message);
        }
        self.queued_bytes += message.footprint() as u64;
        self.queue.push_back(message);
        Ok(())
    }

    /// Whether a message fits into the queue.
    fn has_room(&self, message: &Message) -> bool {
        let bytes = self.queued_bytes.saturating_add(message.footprint() as u64);
        self.queue.len() < self.queue_limit && (self.queue.is_empty() || bytes <= self.max_queued_bytes)
    }

    /// Queues a returned message before later publications: the next connection sends them in the original
    /// order [MQTT-4.6.0-1].
    pub(super) fn requeue(&mut self, message: Message) -> Result<(), Message> {
        if !self.has_room(&message) {
            return Err(message);
        }
        self.queued_bytes += message.footprint() as u64;
        let number = |message: &Message| message.origin.as_ref().map(|origin| origin.sequence);
        let place = self.queue.partition_point(|queued| number(queued) <= number(&message));
        self.queue.insert(place, message);
        Ok(())
    }

    /// The queued messages, in order.
    pub(super) fn queue(&self) -> impl Iterator<Item = &Message> {
        self.queue.iter()
    }

    pub(super) fn take_queued(&mut self) -> VecDeque<Message> {
        self.queued_bytes = 0;
        std::mem::take(&mut self.queue)
    }

    pub(super) fn subscribe(&mut self, filter: TopicFilter, qos: Qos, actions: &mut Vec<Action>) {
        self.pending_unsubscribes.remove(&filter);
        if self.state == ConnectionState::Up {
            self.known_filters.insert(filter.clone());
            actions.push(Action::Subscribe(filter, qos));
        } else {
            self.pending_subscribes.insert(filter);
        }
    }

    pub(super) fn unsubscribe(&mut self, filter: TopicFilter, actions: &mut Vec<Action>) {
        self.pending_subscribes.remove(&filter);
        if self.state == ConnectionState::Up {
            self.known_filters.remove(&filter);
            actions.push(Action::Unsubscribe(filter));
        } else if self.known_filters.contains(&filter) {
            // A filter that the broker never got needs no UNSUBSCRIBE.
            self.pending_unsubscribes.insert(filter);
        }
    }

    /// Marks the connection as up and requests the necessary subscription changes: only the pending ones if
    /// the session was present, otherwise all.
    pub(super) fn mark_connected(
        &mut self,
        session_present: bool,
        wanted: &BTreeMap<TopicFilter, Qos>,
        now: Time,
        actions: &mut Vec<Action>,
    ) {
        self.state = ConnectionState::Up;
        self.up_since = Some(now);
        self.reconnect_at = None;
        let subscribes = std::mem::take(&mut self.pending_subscribes);
        let unsubscribes = std::mem::take(&mut self.pending_unsubscribes);
        if session_present {
            actions.extend(unsubscribes.into_iter().map(Action::Unsubscribe));
        }
        self.known_filters = wanted.keys().cloned().collect();
        let asked = wanted.iter().filter(|(filter, _)| !session_present || subscribes.contains(*filter));
        actions.extend(asked.map(|(filter, qos)| Action::Subscribe(filter.clone(), *qos)));
    }

    /// Marks the connection as down. Returns the delay before the next attempt: exponential backoff with
    /// equal jitter, so that the devices of a lost broker do not reconnect at once.
    pub(super) fn mark_disconnected(&mut self, reason: String, now: Time) -> Duration {
        self.reset_delay_if_stable(now);
        let doubled =
            MIN_RECONNECT_DELAY.saturating_mul(1_u32.checked_shl(self.failures).unwrap_or(u32::MAX));
        let pause = doubled.min(MAX_RECONNECT_DELAY).mul_f64(0.5 + 0.5 * self.jitter.uniform());
        self.failures = (self.failures + 1).min(16);
        self.state = ConnectionState::Down(reason);
        self.reconnect_at = Some(now + pause);
        pause
    }

    /// Resets the delay of reconnects at the end of a connection that stood for long enough.
    fn reset_delay_if_stable(&mut self, now: Time) {
        if self.up_since.take().is_some_and(|since| now.since(since) >= RECONNECT_DELAY_RESET_AFTER) {
            self.failures = 0;
        }
    }

    /// Marks the connection as down until this time.
    pub(super) fn hold_down(&mut self, reason: String, until: Time, now: Time) {
        self.reset_delay_if_stable(now);
        self.state = ConnectionState::Down(reason);
        self.reconnect_at = Some(until);
    }

    /// Resets the connection of a stopped device. Returns the number of messages that were queued.
    pub(super) fn switch_off(&mut self, reason: &str) -> usize {
        self.state = ConnectionState::Down(reason.into());
        self.reconnect_at = None;
        self.failures = 0;
        self.up_since = None;
        self.pending_subscribes.clear();
        self.pending_unsubscribes.clear();
        self.queued_bytes = 0;
        let lost = self.queue.len();
        self.queue.clear();
        lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Seed;
    use wasmote_mqtt::device_id::DeviceId;

    /// Pauses after connections that stood for these times.
    fn pauses(stood: &[Duration]) -> Vec<Duration> {
        let mut connection = Connection::new(
            Seed::new(1).stream(&DeviceId::new("device").unwrap(), "reconnect"),
            &Limits::default(),
        );
        let mut now = Time::ZERO;
        let lose = |stood: &Duration| {
            connection.mark_connected(false, &BTreeMap::new(), now, &mut Vec::new());
            now = now + *stood;
            let pause = connection.mark_disconnected("lost".into(), now);
            now = now + pause;
            pause
        };
        stood.iter().map(lose).collect()
    }

    #[test]
    fn the_pause_before_a_reconnect_grows_until_a_connection_has_stood_for_a_while() {
        let short = pauses(&[Duration::from_millis(1); 12]);
        for (at, pause) in short.iter().enumerate() {
            let longest = MAX_RECONNECT_DELAY.min(MIN_RECONNECT_DELAY * (1 << at));
            assert!((longest / 2..=longest).contains(pause), "{at}: {short:?}");
        }
        let almost = RECONNECT_DELAY_RESET_AFTER - Duration::from_millis(1);
        let stable = pauses(&[almost, almost, RECONNECT_DELAY_RESET_AFTER, almost]);
        assert!(stable[1] >= MIN_RECONNECT_DELAY, "{stable:?}");
        assert!(stable[2] <= MIN_RECONNECT_DELAY, "{stable:?}");
    }
}

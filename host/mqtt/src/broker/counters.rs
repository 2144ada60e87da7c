//! Message counts of the broker.
//!
//! The counts balance when `copies = delivered + dropped + waiting`, where `waiting` are copies that are
//! queued, or in flight without an acknowledgement.

/// Reason for which the broker dropped a copy of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DropReason {
    /// QoS 0, and the client was disconnected.
    Absent,
    /// The client's queue was full.
    QueueFull,
    /// The message expired before it could be sent [MQTT-3.3.2-5].
    Expired,
    /// The session ended while the copy was queued or in flight.
    SessionEnded,
    /// The client acknowledged it with an error.
    Refused,
    /// QoS 0, and the client does not read its socket.
    SlowConsumer,
    /// The packet exceeds the client's maximum packet size [MQTT-3.1.2-25].
    TooLarge,
    /// The broker crashed without persistence.
    BrokerLost,
    /// The messages that wait for clients took as many bytes as the broker may store.
    BrokerFull,
}

impl DropReason {
    /// All reasons.
    pub const ALL: [Self; 9] = [
        Self::Absent,
        Self::QueueFull,
        Self::Expired,
        Self::SessionEnded,
        Self::Refused,
        Self::SlowConsumer,
        Self::TooLarge,
        Self::BrokerLost,
        Self::BrokerFull,
    ];

    /// Short name for reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::QueueFull => "queue_full",
            Self::Expired => "expired",
            Self::SessionEnded => "session_ended",
            Self::Refused => "refused",
            Self::SlowConsumer => "slow_consumer",
            Self::TooLarge => "too_large",
            Self::BrokerLost => "broker_lost",
            Self::BrokerFull => "broker_full",
        }
    }
}

/// Message counts since the start of the broker.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BrokerCounters {
    /// Publications received, including wills and the host's own messages.
    pub received: u64,
    /// Wills among the received publications.
    pub wills: u64,
    /// Messages of the host among the received publications.
    pub own: u64,
    /// Received publications that were refused, because the store of retained messages had no room for them.
    pub refused: u64,
    /// Received publications without a matching subscription.
    pub unmatched: u64,
    /// Copies for subscribers, including copies of retained messages.
    pub copies: u64,
    /// Copies sent at QoS 0, and copies fully acknowledged at QoS 1 and 2.
    pub delivered: u64,
    dropped: [u64; DropReason::ALL.len()],
}

impl BrokerCounters {
    /// Copies dropped for one reason.
    pub fn dropped(&self, reason: DropReason) -> u64 {
        self.dropped[reason as usize]
    }

    /// Copies dropped for any reason.
    pub fn total_dropped(&self) -> u64 {
        self.dropped.iter().sum()
    }

    /// Whether every copy is accounted for, given the number of waiting copies.
    pub fn closes(&self, waiting: u64) -> bool {
        self.copies == self.delivered + self.total_dropped() + waiting
    }

    /// Counts copies at QoS 0 as dropped that were counted as delivered.
    pub(super) fn undo_delivery(&mut self, reason: DropReason, copies: u64) {
        self.delivered = self.delivered.saturating_sub(copies);
        self.drop(reason, copies);
    }

    pub(super) fn drop(&mut self, reason: DropReason, copies: u64) {
        self.dropped[reason as usize] += copies;
    }
}

//! The account of the broker's messages.
//!
//! It closes when `copies = delivered + dropped + waiting`, where what waits is queued or under way
//! without an acknowledgement.

/// Why the broker dropped a copy of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DropReason {
    /// QoS 0, and the client was absent.
    Absent,
    /// The client's queue was full.
    QueueFull,
    /// The message expired before it could be sent [MQTT-3.3.2-5].
    Expired,
    /// The session ended, and what waited for it or was under way ended with it.
    SessionEnded,
    /// The client acknowledged it with an error.
    Refused,
    /// QoS 0, and the client does not read what is sent to it.
    SlowConsumer,
    /// The client takes no packet so large [MQTT-3.1.2-25].
    TooLarge,
    /// The broker crashed, and kept nothing on disk.
    BrokerLost,
}

impl DropReason {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Absent,
        Self::QueueFull,
        Self::Expired,
        Self::SessionEnded,
        Self::Refused,
        Self::SlowConsumer,
        Self::TooLarge,
        Self::BrokerLost,
    ];

    /// A short word for reports.
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
        }
    }
}

/// Counts of messages since the broker began.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BrokerCounters {
    /// Publications taken from clients, each once, with wills and the host's own.
    pub received: u64,
    /// Of these, wills.
    pub wills: u64,
    /// Of these, the host's own.
    pub own: u64,
    /// Of these, those that no subscription matched.
    pub unmatched: u64,
    /// Copies made for subscribers, those of retained messages included.
    pub copies: u64,
    /// Copies sent at QoS 0, and copies acknowledged to the end at QoS 1 and 2.
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

    /// Whether every copy is accounted for, given how many wait.
    pub fn closes(&self, waiting: u64) -> bool {
        self.copies == self.delivered + self.total_dropped() + waiting
    }

    /// Copies at QoS 0 that were handed out to be sent, and could not be.
    pub(super) fn undo_delivery(&mut self, reason: DropReason, copies: u64) {
        self.delivered = self.delivered.saturating_sub(copies);
        self.drop(reason, copies);
    }

    pub(super) fn drop(&mut self, reason: DropReason, copies: u64) {
        self.dropped[reason as usize] += copies;
    }
}

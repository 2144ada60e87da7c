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
}

impl DropReason {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Absent, Self::QueueFull, Self::Expired, Self::SessionEnded, Self::Refused];

    /// A short word for reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::QueueFull => "queue_full",
            Self::Expired => "expired",
            Self::SessionEnded => "session_ended",
            Self::Refused => "refused",
        }
    }
}

/// Counts of messages since the broker began.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Publications taken from clients, each once, with wills and the host's own.
    pub received: u64,
    /// Of these, wills.
    pub wills: u64,
    /// Of these, those that no subscription matched.
    pub unmatched: u64,
    /// Copies made for subscribers, those of retained messages included.
    pub copies: u64,
    /// Copies sent at QoS 0, and copies acknowledged to the end at QoS 1 and 2.
    pub delivered: u64,
    dropped: [u64; DropReason::ALL.len()],
}

impl Tally {
    /// Copies dropped for one reason.
    pub fn dropped(&self, reason: DropReason) -> u64 {
        self.dropped[reason as usize]
    }

    /// Copies dropped for any reason.
    pub fn dropped_in_all(&self) -> u64 {
        self.dropped.iter().sum()
    }

    /// Whether every copy is accounted for, given how many wait.
    pub fn closes(&self, waiting: u64) -> bool {
        self.copies == self.delivered + self.dropped_in_all() + waiting
    }

    pub(super) fn drop(&mut self, reason: DropReason, copies: u64) {
        self.dropped[reason as usize] += copies;
    }
}

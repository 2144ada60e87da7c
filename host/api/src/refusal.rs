//! Reasons for which the API refuses a connection or a request to protect itself, and their counts for `/metrics`.

use std::sync::atomic::{AtomicU64, Ordering};

use wasmote_fleet::metrics::HttpCounts;

/// Reason of a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There are too many connections.
    Connections,
    /// An address sends too many requests.
    Rate,
    /// The header, or the path in it, is too large.
    HeaderSize,
    /// The header did not arrive in time.
    HeaderTime,
    /// The request is not valid HTTP/1.1.
    Malformed,
    /// The body is too large.
    BodySize,
    /// The body did not arrive in time.
    BodyTime,
    /// The client does not read the response.
    ResponseTime,
    /// The header `Host` has a name that is not allowed.
    Host,
    /// A page of another origin sent the request.
    Origin,
    /// Another machine sent a protected request, and there is no token.
    Remote,
    /// The token of a protected request is absent or wrong.
    Token,
    /// A behaviour is to be fetched from a host that is not allowed.
    Source,
}

impl Refusal {
    /// All reasons.
    pub const ALL: [Self; 13] = [
        Self::Connections,
        Self::Rate,
        Self::HeaderSize,
        Self::HeaderTime,
        Self::Malformed,
        Self::BodySize,
        Self::BodyTime,
        Self::ResponseTime,
        Self::Host,
        Self::Origin,
        Self::Remote,
        Self::Token,
        Self::Source,
    ];

    /// Name of the reason in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connections => "connections",
            Self::Rate => "rate",
            Self::HeaderSize => "header_size",
            Self::HeaderTime => "header_time",
            Self::Malformed => "malformed",
            Self::BodySize => "body_size",
            Self::BodyTime => "body_time",
            Self::ResponseTime => "response_time",
            Self::Host => "host",
            Self::Origin => "origin",
            Self::Remote => "remote",
            Self::Token => "token",
            Self::Source => "source",
        }
    }
}

/// Counts of connections, requests and refusals.
#[derive(Debug, Default)]
pub struct Counters {
    connections: AtomicU64,
    requests: AtomicU64,
    refused: [AtomicU64; Refusal::ALL.len()],
}

impl Counters {
    pub(crate) fn connected(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn disconnected(&self) {
        self.connections.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn requested(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn refused(&self, refusal: Refusal) {
        self.refused[refusal as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// The counts at this moment.
    pub fn snapshot(&self) -> HttpCounts {
        let of = |refusal: Refusal| self.refused[refusal as usize].load(Ordering::Relaxed);
        HttpCounts {
            connections: self.connections.load(Ordering::Relaxed),
            requests: self.requests.load(Ordering::Relaxed),
            refused: Refusal::ALL.iter().map(|refusal| (refusal.as_str(), of(*refusal))).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_has_its_own_count() {
        let counters = Counters::default();
        for (index, refusal) in Refusal::ALL.into_iter().enumerate() {
            (0..=index).for_each(|_| counters.refused(refusal));
        }
        let refused = counters.snapshot().refused;
        assert_eq!(refused.len(), Refusal::ALL.len());
        for (index, refusal) in Refusal::ALL.iter().enumerate() {
            assert_eq!(refused[refusal.as_str()], index as u64 + 1);
        }
    }
}

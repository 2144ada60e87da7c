//! Table of peers with their last heartbeats.

use std::time::Duration;
use wasmote_sdk::json::{self, Limits, Value};
use wasmote_sdk::object;
use wasmote_sdk::sorted_map::SortedMap;

/// Maximum number of peers in the table. Topic names come from other clients, and each new one costs memory.
const MAX_PEERS: usize = 1_024;

/// Change of a peer's state.
#[derive(Debug, PartialEq)]
pub enum PeerChange {
    None,
    /// First heartbeat.
    Found,
    /// First heartbeat, but the table is full.
    Full,
    /// Silent for this long, or reported as offline.
    Lost(Option<Duration>),
    /// Heartbeat after a silence of this length.
    Back(Duration),
}

struct Peer {
    last_seen: Duration,
    alive: bool,
    seq: u64,
    heard: u64,
    missed: u64,
}

pub struct Peers {
    pub lost_after: Duration,
    table: SortedMap<Peer>,
    /// Start of the current connection. No heartbeat can arrive while the connection is down.
    listening_since: Duration,
}

impl Peers {
    pub fn new(lost_after: Duration) -> Self {
        Peers { lost_after, table: SortedMap::default(), listening_since: Duration::ZERO }
    }

    pub fn record_heartbeat(&mut self, id: &str, seq: u64, now: Duration) -> PeerChange {
        let Some(peer) = self.table.get_mut(id) else {
            if self.table.len() >= MAX_PEERS {
                return PeerChange::Full;
            }
            self.table.insert(id, Peer { last_seen: now, alive: true, seq, heard: 1, missed: 0 });
            return PeerChange::Found;
        };
        // A late heartbeat was already counted as missed, but still proves that the peer is alive.
        if seq > peer.seq {
            peer.missed = peer.missed.saturating_add(seq - peer.seq - 1);
            peer.seq = seq;
        }
        peer.heard += 1;
        let silent = now.saturating_sub(peer.last_seen);
        peer.last_seen = now;
        if std::mem::replace(&mut peer.alive, true) { PeerChange::None } else { PeerChange::Back(silent) }
    }

    pub fn mark_offline(&mut self, id: &str) -> PeerChange {
        match self.table.get_mut(id) {
            Some(peer) if peer.alive => {
                peer.alive = false;
                PeerChange::Lost(None)
            }
            _ => PeerChange::None,
        }
    }

    pub fn set_listening_since(&mut self, now: Duration) {
        self.listening_since = now;
    }

    fn deadline(&self, peer: &Peer) -> Duration {
        peer.last_seen.max(self.listening_since) + self.lost_after
    }

    /// Earliest deadline of an alive peer.
    pub fn next_deadline(&self) -> Option<Duration> {
        self.table
            .iter()
            .map(|(_, peer)| peer)
            .filter(|peer| peer.alive)
            .map(|peer| self.deadline(peer))
            .min()
    }

    /// Marks overdue peers as lost. Returns their ids and the length of their silence.
    pub fn expire(&mut self, now: Duration) -> Vec<(String, Duration)> {
        let overdue = |peer: &Peer| peer.alive && self.deadline(peer) <= now;
        let lost: Vec<_> =
            self.table.iter().filter(|(_, peer)| overdue(peer)).map(|(id, _)| id.clone()).collect();
        let silence = |id: String| {
            let peer = self.table.get_mut(&id)?;
            peer.alive = false;
            Some((id, now.saturating_sub(peer.last_seen)))
        };
        lost.into_iter().filter_map(silence).collect()
    }

    pub fn alive(&self) -> usize {
        self.table.iter().map(|(_, peer)| peer).filter(|peer| peer.alive).count()
    }

    pub fn lost(&self) -> usize {
        self.table.len() - self.alive()
    }

    pub fn describe(&self, now: Duration) -> Value {
        let row = |(id, peer): (&String, &Peer)| {
            object! {
                "device": id,
                "alive": peer.alive,
                "seen_s_ago": now.saturating_sub(peer.last_seen).as_millis() as f64 / 1e3,
                "seq": peer.seq,
                "heard": peer.heard,
                "missed": peer.missed,
            }
        };
        self.table.iter().map(row).collect()
    }

    pub fn save(&self) -> Value {
        let row = |(id, peer): (&String, &Peer)| -> Value {
            let number = |count: u64| Value::from(count);
            let last_seen = Value::from(peer.last_seen.as_secs_f64());
            let fields = [
                id.into(),
                last_seen,
                peer.alive.into(),
                number(peer.seq),
                number(peer.heard),
                number(peer.missed),
            ];
            fields.into_iter().collect()
        };
        self.table.iter().map(row).collect()
    }

    /// Restores a snapshot. Unreadable rows are skipped, because the next heartbeat adds the peer again.
    pub fn load(&mut self, saved: Option<&Value>) {
        let rows = saved.and_then(Value::list).unwrap_or_default();
        self.table.clear();
        for (id, peer) in rows.iter().filter_map(load_row).take(MAX_PEERS) {
            self.table.insert(&id, peer);
        }
    }
}

fn load_row(row: &Value) -> Option<(String, Peer)> {
    let [id, last_seen, alive, seq, heard, missed] = row.list()? else { return None };
    let peer = Peer {
        last_seen: Duration::try_from_secs_f64(last_seen.number()?).ok()?,
        alive: alive.boolean()?,
        seq: seq.unsigned()?,
        heard: heard.unsigned()?,
        missed: missed.unsigned()?,
    };
    Some((id.text()?.into(), peer))
}

/// Parses a snapshot, which may contain a full table.
pub fn parse_snapshot(saved: &[u8]) -> Result<Value, String> {
    json::parse_with_limits(saved, Limits { depth: 4, values: 8 * MAX_PEERS as u32 })
        .map_err(|error| error.to_string())
}

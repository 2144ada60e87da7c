//! Loop-free distance-vector routing to the sink.
//!
//! The sink increments the sequence number of its advertisements. A node accepts a route from a neighbour
//! only if it is *feasible*: newer than any distance that this node has ever advertised, or as new and
//! shorter (the feasibility distance). Distances then decrease strictly along each chain of next hops, even
//! if messages are lost, late or reordered, so a chain cannot form a loop. The feasibility distance must
//! survive a crash, because neighbours still rely on earlier advertisements.

use std::time::Duration;
use wasmote_sdk::json::Value;
use wasmote_sdk::object;
use wasmote_sdk::sorted_map::SortedMap;

/// Largest distance of a route.
pub const MAX_HOPS: u64 = 254;

/// Distance to the sink, with the sequence number of the sink's advertisement.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Distance {
    pub seq: u64,
    pub hops: u64,
}

impl Distance {
    /// True if newer, or as new and shorter.
    fn better_than(self, other: Distance) -> bool {
        self.seq > other.seq || self.seq == other.seq && self.hops < other.hops
    }
}

/// State of a neighbour.
#[derive(Default)]
pub struct Neighbour {
    /// Time of the last hello; none if the neighbour is silent or does not acknowledge.
    pub last_heard: Option<Duration>,
    /// True if the neighbour hears this node as well.
    pub hears_us: bool,
    pub advertised: Option<Distance>,
    /// Sender time of the last advertisement, to ignore late ones.
    stamp: f64,
}

impl Neighbour {
    pub fn usable(&self) -> bool {
        self.last_heard.is_some() && self.hears_us
    }
}

pub struct Routes {
    own: String,
    sink: String,
    pub neighbours: SortedMap<Neighbour>,
    /// The best distance this node has ever advertised; on the sink, the last one.
    pub feasible: Option<Distance>,
    pub next_hop: Option<String>,
}

impl Routes {
    pub fn new(own: &str, sink: &str, neighbours: Vec<String>) -> Routes {
        let mut table = SortedMap::default();
        for id in neighbours {
            table.insert(&id, Neighbour::default());
        }
        Routes { own: own.into(), sink: sink.into(), neighbours: table, feasible: None, next_hop: None }
    }

    pub fn is_sink(&self) -> bool {
        self.own == self.sink
    }

    pub fn sink(&self) -> &str {
        &self.sink
    }

    /// Starts a new round of advertisements, on the sink.
    pub fn increment_seq(&mut self) {
        let seq = self.feasible.map_or(0, |last| last.seq).saturating_add(1);
        self.feasible = Some(Distance { seq, hops: 0 });
    }

    /// Distance of this node over its next hop.
    pub fn distance(&self) -> Option<Distance> {
        if self.is_sink() {
            return self.feasible;
        }
        let next = self.neighbours.get(self.next_hop.as_ref()?)?;
        let Distance { seq, hops } = next.advertised?;
        Some(Distance { seq, hops: hops + 1 })
    }

    /// Records the advertisement of a neighbour.
    pub fn advertised(
        &mut self,
        id: &str,
        stamp: f64,
        distance: Option<Distance>,
        hears_us: bool,
        now: Duration,
    ) {
        let Some(neighbour) = self.neighbours.get_mut(id) else { return };
        neighbour.last_heard = Some(now);
        if stamp > neighbour.stamp {
            neighbour.stamp = stamp;
            neighbour.advertised = distance;
            neighbour.hears_us = hears_us;
        }
    }

    /// Marks a neighbour as unusable until its next hello.
    pub fn mark_silent(&mut self, id: &str) {
        if let Some(neighbour) = self.neighbours.get_mut(id) {
            neighbour.last_heard = None;
        }
    }

    /// Marks neighbours as silent that were last heard before this time.
    pub fn expire_silent(&mut self, before: Duration) -> Vec<String> {
        let mut lost = Vec::new();
        for (id, neighbour) in self.neighbours.iter_mut() {
            if neighbour.last_heard.is_some_and(|heard| heard < before) {
                neighbour.last_heard = None;
                lost.push(id.clone());
            }
        }
        lost
    }

    /// Chooses the shortest feasible route, and prefers the current one among equals. True if the next hop
    /// has changed.
    pub fn choose(&mut self) -> bool {
        if self.is_sink() {
            return false;
        }
        let mut best: Option<(u64, bool, &String)> = None;
        for (id, neighbour) in self.neighbours.iter() {
            let Some(distance) = neighbour.advertised.filter(|_| neighbour.usable()) else { continue };
            let feasible = self.feasible.is_none_or(|own| distance.better_than(own));
            if !feasible || distance.hops >= MAX_HOPS {
                continue;
            }
            let candidate = (distance.hops, self.next_hop.as_ref() != Some(id), id);
            if best.is_none_or(|best| candidate < best) {
                best = Some(candidate);
            }
        }
        let chosen = best.map(|(.., id)| id.clone());
        let changed = chosen != self.next_hop;
        self.next_hop = chosen;
        changed
    }

    /// The distance to advertise, which binds the node from then on. The second value is true if the
    /// feasibility distance has changed and must be stored.
    pub fn advertise(&mut self) -> (Option<Distance>, bool) {
        let distance = self.distance();
        let Some(own_distance) = distance else { return (None, false) };
        let feasible_changed = self.feasible.is_none_or(|own| own_distance.better_than(own));
        if feasible_changed {
            self.feasible = distance;
        }
        (distance, feasible_changed)
    }

    pub fn describe_neighbours(&self, now: Duration) -> Value {
        let row = |(id, neighbour): (&String, &Neighbour)| {
            object! {
                "device": id,
                "usable": neighbour.usable(),
                "heard_s_ago": neighbour.last_heard.map(|heard| now.saturating_sub(heard).as_millis() as f64 / 1e3),
                "hears_us": neighbour.hears_us,
                "hops": neighbour.advertised.map(|distance| distance.hops),
                "seq": neighbour.advertised.map(|distance| distance.seq),
            }
        };
        self.neighbours.iter().map(row).collect()
    }

    pub fn save(&self) -> Value {
        let row = |(id, neighbour): (&String, &Neighbour)| {
            object! {
                "device": id,
                "heard_s": neighbour.last_heard.map(|heard| heard.as_secs_f64()),
                "hears_us": neighbour.hears_us,
                "stamp": neighbour.stamp,
                "advertised": neighbour.advertised.map(write_distance),
            }
        };
        let neighbours: Value = self.neighbours.iter().map(row).collect();
        object! { "feasible": self.feasible.map(write_distance), "neighbours": neighbours }
    }

    /// Restores a snapshot, except for neighbours that no longer exist.
    pub fn load(&mut self, saved: &Value) {
        self.feasible = saved.get("feasible").and_then(read_distance).or(self.feasible);
        for row in saved.get("neighbours").and_then(Value::list).unwrap_or_default() {
            let id = row.get("device").and_then(Value::text).unwrap_or_default();
            let Some(neighbour) = self.neighbours.get_mut(id) else { continue };
            let number = |name: &str| row.get(name).and_then(Value::number);
            neighbour.last_heard =
                number("heard_s").and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
            neighbour.hears_us = row.get("hears_us").and_then(Value::boolean).unwrap_or(false);
            neighbour.stamp = number("stamp").unwrap_or(0.0);
            neighbour.advertised = row.get("advertised").and_then(read_distance);
        }
        self.choose();
    }
}

pub fn write_distance(distance: Distance) -> Value {
    Value::List(vec![distance.seq.into(), distance.hops.into()])
}

pub fn read_distance(value: &Value) -> Option<Distance> {
    match value.list()? {
        [seq, hops] => {
            Some(Distance { seq: seq.unsigned()?, hops: hops.unsigned().filter(|hops| *hops <= MAX_HOPS)? })
        }
        _ => None,
    }
}

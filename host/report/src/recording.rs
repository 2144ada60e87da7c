//! Recordings of finished runs, for the page: states, samples, marks and messages from the files of a run.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use wasmote_page::journey::Absences;
use wasmote_page::recording::{Change, Group, Mark, Recording, Sample, State};
use wasmote_results::{
    ALL, EventLine, LineFile, LossRow, OutageRow, ReadError, RunEntry, TimelineRow, TimeseriesRow, Topology,
    VersionRow, read_json_if_exists, read_lines, read_table_if_exists,
};

use super::error::Error;
use super::results::Results;

/// Kinds of events that a recording has one by one. The others are in its states.
const SHOWN: [&str; 8] =
    ["sent", "received", "dropped", "refused", "published", "log", "swapped", "swap_refused"];

/// The recording of one run. It has the first `max_events` events of messages and logs.
///
/// # Errors
/// A file of the run is malformed, or outside of the results folder.
pub fn recording(results: &Results, entry: &RunEntry, max_events: usize) -> Result<Recording, Error> {
    let manifest = &results.manifest;
    let folder = entry.folder(&results.dir)?;
    let devices = Devices::read(&folder)?;
    let events: Vec<EventLine> =
        read_lines(&folder).map_err(|source| ReadError::Io { file: folder.join(EventLine::FILE), source })?;
    let outages: Vec<OutageRow> = read_table_if_exists(&folder)?;
    let rows: Vec<TimeseriesRow> = read_table_if_exists(&folder)?;
    let timeline: Vec<TimelineRow> = read_table_if_exists(&folder)?;
    let topology: Option<Topology> = read_json_if_exists(&folder)?;
    let losses: Vec<LossRow> = read_table_if_exists(&folder)?;
    let samples = samples(&rows, &losses);
    let last_event = events.last().map_or(0.0, |event| event.t_s);
    let to_s = samples.last().map_or(last_event, |sample| sample.at_s.max(last_event));
    let changes = devices.changes(&events, &outages);
    let mut shown = events.iter().filter(|event| SHOWN.contains(&&*event.kind));
    let kept = shown.by_ref().take(max_events).filter_map(|event| serde_json::to_value(event).ok()).collect();
    let left = shown.count();
    Ok(Recording {
        format: Recording::FORMAT,
        title: [vec![manifest.plan.name.clone()], entry.point_texts()].concat().join(", "),
        version: manifest.wasmote_version.clone(),
        seed: entry.seed.to_string(),
        broker: manifest.broker.clone().unwrap_or_default(),
        links: topology.as_ref().map(|it| devices.links(it)).unwrap_or_default(),
        layout: topology.as_ref().map(|it| devices.layout(it)).unwrap_or_default(),
        to_s,
        states: State::Stopped.letter().to_string().repeat(devices.names.len()),
        changes,
        samples,
        marks: marks(&timeline, &outages),
        events: kept,
        truncated: match left {
            0 => String::new(),
            left => format!("{left} later messages and log lines are not part of this recording."),
        },
        groups: devices.groups,
        group_of: devices.group_of,
        names: devices.names,
        ..Recording::default()
    })
}

/// When the devices of a run could not receive messages, and the time of its last event.
pub(crate) fn absences(folder: &Path) -> Result<(Absences, f64), Error> {
    let devices = Devices::read(folder)?;
    let events: Vec<EventLine> =
        read_lines(folder).map_err(|source| ReadError::Io { file: folder.join(EventLine::FILE), source })?;
    let outages: Vec<OutageRow> = read_table_if_exists(folder)?;
    let mut absences = Absences::default();
    for name in &devices.names {
        absences.add(name, 0.0, State::Stopped.letter(), None);
    }
    for Change(at_s, position, letter, reason) in devices.changes(&events, &outages) {
        absences.add(&devices.names[position as usize], at_s, letter, reason);
    }
    Ok((absences, events.last().map_or(0.0, |event| event.t_s)))
}

/// The devices of a run, in the order in which they got their first version.
#[derive(Debug, Default)]
struct Devices {
    names: Vec<String>,
    group_of: Vec<u32>,
    groups: Vec<Group>,
    positions: HashMap<String, u32>,
}

impl Devices {
    fn read(folder: &Path) -> Result<Self, Error> {
        let versions: Vec<VersionRow> = read_table_if_exists(folder)?;
        let mut devices = Self::default();
        for row in versions {
            if devices.positions.contains_key(&row.device) {
                continue;
            }
            let group =
                devices.groups.iter().position(|group| group.name == row.group).unwrap_or_else(|| {
                    devices.groups.push(Group { name: row.group, behaviour: row.behaviour });
                    devices.groups.len() - 1
                });
            devices.positions.insert(row.device.clone(), devices.names.len() as u32);
            devices.names.push(row.device);
            devices.group_of.push(group as u32);
        }
        Ok(devices)
    }

    fn links(&self, topology: &Topology) -> Vec<(u32, u32)> {
        let position = |name: &String| self.positions.get(name).copied();
        topology.links.iter().filter_map(|(a, b)| position(a).zip(position(b))).collect()
    }

    /// Places of all devices; none unless the topology has all of them.
    fn layout(&self, topology: &Topology) -> Vec<(f32, f32)> {
        let places: HashMap<&str, (f32, f32)> =
            topology.nodes.iter().map(|node| (&*node.device, (node.x as f32, node.y as f32))).collect();
        let layout: Option<Vec<_>> = self.names.iter().map(|name| places.get(&**name).copied()).collect();
        layout.unwrap_or_default()
    }

    /// Changes of states, from the events of devices and from their silences.
    fn changes(&self, events: &[EventLine], outages: &[OutageRow]) -> Vec<Change> {
        let mut edges: Vec<(f64, u32, Edge)> = Vec::new();
        for event in events {
            let position = event.device.as_ref().and_then(|name| self.positions.get(&**name));
            if let Some((position, edge)) = position.zip(Edge::of_event(event)) {
                edges.push((event.t_s, *position, edge));
            }
        }
        for outage in outages.iter().filter(|outage| matches!(&*outage.kind, "silence" | "hang")) {
            let Some(position) = self.positions.get(&outage.device) else { continue };
            edges.push((outage.from_s, *position, Edge::Silent(format!("fault `{}`", outage.fault))));
            edges.extend(outage.to_s.map(|to_s| (to_s, *position, Edge::Audible)));
        }
        edges.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut states: HashMap<u32, DeviceStates> = HashMap::new();
        let mut changes = Vec::new();
        for (at_s, position, edge) in edges {
            let state = states.entry(position).or_default();
            let before = state.shown();
            state.apply(edge);
            let after = state.shown();
            if before != after {
                changes.push(Change(at_s, position, after.0.letter(), after.1));
            }
        }
        changes
    }
}

/// A step of a device's state.
enum Edge {
    Is(State, Option<String>),
    Silent(String),
    Audible,
}

impl Edge {
    fn of_event(event: &EventLine) -> Option<Self> {
        let reason = event.reason.as_ref().or(event.message.as_ref()).map(|reason| reason.to_string());
        let down = if event.again_after_s.is_some() { State::Crashed } else { State::Stopped };
        Some(match &*event.kind {
            "started" => Self::Is(State::Offline, Some("connecting".to_owned())),
            "connected" => Self::Is(State::Connected, None),
            "disconnected" => Self::Is(State::Offline, reason),
            "stopped" => Self::Is(State::Stopped, reason),
            "crashed" => Self::Is(State::Crashed, Some("lost power".to_owned())),
            "trapped" if event.again_after_s.is_none() => Self::Is(State::Failed, reason),
            "trapped" | "died" => Self::Is(down, reason),
            _ => return None,
        })
    }
}

/// State of one device, with a silence over it.
struct DeviceStates {
    under: (State, Option<String>),
    silent: Option<String>,
}

impl Default for DeviceStates {
    fn default() -> Self {
        Self { under: (State::Stopped, None), silent: None }
    }
}

impl DeviceStates {
    fn apply(&mut self, edge: Edge) {
        match edge {
            Edge::Is(state, reason) => self.under = (state, reason),
            Edge::Silent(reason) => self.silent = Some(reason),
            Edge::Audible => self.silent = None,
        }
    }

    /// A device that is off is not silent.
    fn shown(&self) -> (State, Option<String>) {
        match (&self.silent, self.under.0) {
            (Some(reason), State::Connected | State::Offline) => (State::Silent, Some(reason.clone())),
            _ => self.under.clone(),
        }
    }
}

/// Samples of all groups together.
fn samples(rows: &[TimeseriesRow], losses: &[LossRow]) -> Vec<Sample> {
    let mut before_s = 0.0;
    // Both tables write one time in the same way.
    let mut by_time: HashMap<u64, BTreeMap<String, u64>> = HashMap::new();
    for loss in losses {
        by_time.entry(loss.time_s.to_bits()).or_default().insert(loss.fault.clone(), loss.dropped);
    }
    let sample = |row: &TimeseriesRow| {
        let span_s = row.time_s - before_s;
        before_s = row.time_s;
        // A run that was killed has no losses by fault.
        let unknown = || (row.dropped > 0).then(|| ("all".to_owned(), row.dropped)).into_iter().collect();
        let dropped = by_time.remove(&row.time_s.to_bits()).unwrap_or_else(unknown);
        Sample {
            at_s: row.time_s,
            span_s,
            devices: row.devices,
            up: row.up,
            generated: row.generated,
            sent: row.sent,
            received: row.delivered,
            expected: row.expected,
            dropped,
            refused: row.refused,
            latency_p50_s: row.latency_p50_s,
            latency_p95_s: row.latency_p95_s,
            latency_p99_s: row.latency_p99_s,
            ..Sample::default()
        }
    };
    rows.iter().filter(|row| row.group == ALL).map(sample).collect()
}

/// Actions of the plan, and failures of the broker.
fn marks(timeline: &[TimelineRow], outages: &[OutageRow]) -> Vec<Mark> {
    let action = |row: &TimelineRow| Mark {
        at_s: row.time_s,
        until_s: None,
        kind: row.what.clone(),
        text: match &row.statuses {
            Some(statuses) => format!("{}; answers {statuses}", row.detail),
            None => row.detail.clone(),
        },
    };
    let failure = |outage: &OutageRow| Mark {
        at_s: outage.from_s,
        until_s: outage.to_s,
        kind: outage.kind.clone(),
        text: format!("the broker fails: {}", outage.name()),
    };
    let failures = outages.iter().filter(|outage| outage.is_broker_outage()).map(failure);
    let mut marks: Vec<Mark> = timeline.iter().map(action).chain(failures).collect();
    marks.sort_by(|a, b| a.at_s.total_cmp(&b.at_s));
    marks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(t_s: f64, kind: &'static str, reason: Option<&'static str>) -> EventLine<'static> {
        EventLine {
            t_s,
            device: Some("a-0".into()),
            kind: kind.into(),
            reason: reason.map(Into::into),
            ..EventLine::default()
        }
    }

    #[test]
    fn a_silence_covers_the_connection_and_ends() {
        let mut devices = Devices::default();
        devices.positions.insert("a-0".into(), 0);
        let events = [
            event(0.0, "started", None),
            event(0.1, "connected", None),
            event(5.0, "disconnected", Some("time-out")),
        ];
        let silence = OutageRow {
            device: "a-0".into(),
            fault: "quiet".into(),
            kind: "silence".into(),
            from_s: 2.0,
            to_s: Some(6.0),
            ..OutageRow::default()
        };
        let changes = devices.changes(&events, &[silence]);
        let letters: Vec<_> = changes.iter().map(|change| (change.0, change.2)).collect();
        assert_eq!(letters, [(0.0, 'o'), (0.1, 'c'), (2.0, 's'), (6.0, 'o')]);
        assert_eq!(changes[3].3.as_deref(), Some("time-out"));
    }
}

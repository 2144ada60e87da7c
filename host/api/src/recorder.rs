//! Recorder: keeps the recording of this run for pages, and sends additions to open pages.
//!
//! A task collects the devices that have an event, reads their states a few times a second, and takes a sample every
//! second. [`Recorder::follow`] returns the recording and a receiver of later additions. The recording has a limit in bytes:
//! the oldest changes become part of the initial states.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::broadcast::{self, Receiver, Sender};
use tokio::time::{Instant, MissedTickBehavior, interval};
use wasmote_fleet::actions::entry::TimelineEntry;
use wasmote_fleet::actions::{Action, TimelineAction};
use wasmote_live::events::EventFilter;
use wasmote_live::fleet::STATUS_BATCH;
use wasmote_live::status::{DeviceStatus, Totals};
use wasmote_mqtt::time::Time;
use wasmote_page::journey::Absences;
use wasmote_page::recording::{Change, Mark, Sample};
use wasmote_sim::histogram::Histogram;
use wasmote_sim::ledger::Ledger;

use super::Api;
use super::state::state_of;

/// Time between two looks at the devices that had events.
const TICK: Duration = Duration::from_millis(200);
/// Time between two samples.
const SAMPLE_INTERVAL: Duration = Duration::from_secs(1);
/// Least time between two looks at all devices.
const REFRESH_INTERVAL: Duration = Duration::from_secs(1);
/// Devices that are asked one by one; for more, all are asked.
const MAX_SINGLE_LOOKS: usize = 64;
/// Samples that are kept: one hour.
const MAX_SAMPLES: usize = 3_600;
/// Bytes of changes and marks that are kept.
const MAX_BYTES: usize = 8 << 20;
/// Bytes of actions that are kept for a plan.
const MAX_ACTION_BYTES: usize = 4 << 20;
/// Length of a reason, in bytes.
const MAX_REASON: usize = 400;
/// Messages that a slow page may be behind before it must start again.
const CAPACITY: usize = 256;

/// Addition to a recording, as JSON for server-sent events.
#[derive(Clone, Debug)]
pub struct Addition {
    /// Name of the event: `changes`, `sample`, `mark` or `restart`.
    pub kind: &'static str,
    /// The data.
    pub json: String,
}

/// Recorder of a run.
#[derive(Debug)]
pub struct Recorder {
    kept: Mutex<Kept>,
    additions: Sender<Arc<Addition>>,
    is_started: OnceLock<()>,
    /// Lock that is held while states are read and added, so that no older state follows a newer one.
    looking: tokio::sync::Mutex<()>,
}

/// Data of a run that the recorder keeps.
#[derive(Debug, Default)]
struct Kept {
    history: History,
    /// The latest states.
    latest: States,
    /// Bytes of changes and marks.
    bytes: usize,
    actions: Vec<TimelineEntry>,
    action_bytes: usize,
    lost_actions: u64,
}

/// The part that a page gets.
#[derive(Clone, Debug, Default)]
pub(super) struct History {
    /// Time of the oldest states.
    pub from_s: f64,
    /// The states at that time.
    pub first: States,
    /// Changes since then.
    pub changes: VecDeque<Change>,
    /// Samples.
    pub samples: VecDeque<Sample>,
    /// Marks.
    pub marks: VecDeque<Mark>,
    /// Whether older changes were forgotten.
    is_cut: bool,
}

/// States of all devices, with their reasons.
#[derive(Clone, Debug, Default)]
pub(super) struct States {
    /// One letter for each device.
    pub letters: Vec<char>,
    /// Reasons by position.
    pub reasons: BTreeMap<u32, String>,
}

impl States {
    fn set(&mut self, Change(_, position, letter, reason): &Change) {
        let index = *position as usize;
        if index >= self.letters.len() {
            self.letters.resize(index + 1, 'd');
        }
        self.letters[index] = *letter;
        match reason {
            Some(reason) => drop(self.reasons.insert(*position, reason.clone())),
            None => drop(self.reasons.remove(position)),
        }
    }

    fn is(&self, Change(_, position, letter, reason): &Change) -> bool {
        self.letters.get(*position as usize) == Some(letter) && self.reasons.get(position) == reason.as_ref()
    }
}

impl Default for Recorder {
    fn default() -> Self {
        Self {
            kept: Mutex::default(),
            additions: broadcast::channel(CAPACITY).0,
            is_started: OnceLock::new(),
            looking: tokio::sync::Mutex::default(),
        }
    }
}

impl Recorder {
    /// Starts the task, unless it runs. Call it within a Tokio runtime.
    pub fn start(api: &Arc<Api>) {
        api.recorder.is_started.get_or_init(|| {
            tokio::spawn(record(Arc::clone(api)));
        });
    }

    /// The history so far, and a receiver of everything that is added later.
    pub(super) fn follow(&self) -> (History, Receiver<Arc<Addition>>) {
        let kept = self.lock();
        (kept.history.clone(), self.additions.subscribe())
    }

    /// Keeps an action of a user, as a mark and for a plan.
    pub fn record_action(&self, at: Time, action: &Action) {
        if let Some(text) = action.describe_edit() {
            self.mark(Mark {
                at_s: seconds(at.elapsed()),
                until_s: None,
                kind: action.name().to_owned(),
                text,
            });
        }
        let entry = TimelineEntry::new(at, action.clone());
        let bytes = serde_json::to_string(&entry).map_or(0, |json| json.len());
        let mut kept = self.lock();
        if kept.action_bytes + bytes > MAX_ACTION_BYTES {
            kept.lost_actions += 1;
            return;
        }
        kept.action_bytes += bytes;
        kept.actions.push(entry);
    }

    /// The actions of users as entries of a timeline, and the number of those that are not kept.
    pub(super) fn actions(&self) -> (Vec<TimelineEntry>, u64) {
        let kept = self.lock();
        (kept.actions.clone(), kept.lost_actions)
    }

    /// Keeps a mark.
    pub fn mark(&self, mark: Mark) {
        let mut kept = self.lock();
        self.tell("mark", &mark);
        kept.bytes += mark_bytes(&mark);
        kept.history.marks.push_back(mark);
        kept.limit();
    }

    fn add_changes(&self, changes: Vec<Change>) {
        let mut kept = self.lock();
        let new: Vec<Change> = changes.into_iter().filter(|change| !kept.latest.is(change)).collect();
        if new.is_empty() {
            return;
        }
        self.tell("changes", &new);
        for change in new {
            kept.latest.set(&change);
            kept.bytes += change_bytes(&change);
            kept.history.changes.push_back(change);
        }
        kept.limit();
    }

    fn add_sample(&self, sample: Sample) {
        let mut kept = self.lock();
        self.tell("sample", &sample);
        let samples = &mut kept.history.samples;
        samples.push_back(sample);
        if samples.len() > MAX_SAMPLES {
            samples.pop_front();
        }
    }

    /// The times at which these devices could not receive messages.
    pub(super) fn absences(
        &self,
        position: impl Fn(&str) -> Option<usize>,
        names: &BTreeSet<&str>,
    ) -> Absences {
        let by_position: BTreeMap<u32, &str> =
            names.iter().filter_map(|name| Some((position(name)? as u32, *name))).collect();
        let kept = self.lock();
        let mut absences = Absences::default();
        for (position, name) in &by_position {
            let letter = kept.history.first.letters.get(*position as usize).copied().unwrap_or('d');
            let reason = kept.history.first.reasons.get(position).cloned();
            absences.add(name, kept.history.from_s, letter, reason);
        }
        for Change(at_s, position, letter, reason) in &kept.history.changes {
            if let Some(name) = by_position.get(position) {
                absences.add(name, *at_s, *letter, reason.clone());
            }
        }
        absences
    }

    fn tell(&self, kind: &'static str, data: &impl Serialize) {
        if self.additions.receiver_count() > 0
            && let Ok(json) = serde_json::to_string(data)
        {
            // Sending fails if the last receiver has just left.
            let _ = self.additions.send(Arc::new(Addition { kind, json }));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    /// Forgets the oldest changes and marks beyond the limit.
    fn limit(&mut self) {
        let history = &mut self.history;
        while self.bytes > MAX_BYTES {
            history.is_cut = true;
            if let Some(change) = history.changes.pop_front() {
                self.bytes -= change_bytes(&change);
                history.from_s = change.0;
                history.first.set(&change);
            } else if let Some(mark) = history.marks.pop_front() {
                self.bytes -= mark_bytes(&mark);
            } else {
                break;
            }
        }
    }
}

impl History {
    /// A sentence for users about changes that were forgotten; empty if there are none.
    pub fn truncated(&self) -> String {
        match self.is_cut {
            true => format!("Changes of states before {:.0} s are no longer kept.", self.from_s),
            false => String::new(),
        }
    }
}

fn change_bytes(change: &Change) -> usize {
    size_of::<Change>() + change.3.as_ref().map_or(0, String::len)
}

fn mark_bytes(mark: &Mark) -> usize {
    size_of::<Mark>() + mark.text.len()
}

async fn record(api: Arc<Api>) {
    let mut events = api.fleet.events(EventFilter::Notable);
    let mut touched: BTreeSet<usize> = BTreeSet::new();
    let mut refresh_due = true;
    let mut refreshed = Instant::now() - REFRESH_INTERVAL;
    let mut sampled = Instant::now();
    let mut before = Counts::default();
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        loop {
            match events.try_recv() {
                Ok(event) => drop(api.fleet.position(event.device.id.as_str()).map(|at| touched.insert(at))),
                Err(TryRecvError::Lagged(_)) => refresh_due = true,
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Closed) => return,
            }
        }
        refresh_due |= touched.len() > MAX_SINGLE_LOOKS;
        if refresh_due && refreshed.elapsed() >= REFRESH_INTERVAL {
            (refresh_due, refreshed) = (false, Instant::now());
            touched.clear();
            look_at_all(&api).await;
        } else if !refresh_due {
            for position in std::mem::take(&mut touched) {
                look_at(&api, position..position + 1).await;
            }
        }
        api.journeys.update(api.fleet.now().run);
        if sampled.elapsed() >= SAMPLE_INTERVAL {
            sampled = Instant::now();
            if let Ok(totals) = api.fleet.totals().await {
                let now = Counts::new(&totals, api.uptime());
                if before.at_s > 0.0 || now.at_s < 5.0 {
                    api.recorder.add_sample(now.since(&before, &totals));
                }
                before = now;
            }
        }
    }
}

/// Looks at these devices now, if they are not too many.
pub(super) async fn look_at_some(api: &Api, names: &BTreeSet<&str>) {
    for position in names.iter().take(MAX_SINGLE_LOOKS).filter_map(|name| api.fleet.position(name)) {
        look_at(api, position..position + 1).await;
    }
}

async fn look_at_all(api: &Api) {
    let devices = api.fleet.devices().len();
    for first in (0..devices).step_by(STATUS_BATCH) {
        look_at(api, first..(first + STATUS_BATCH).min(devices)).await;
    }
}

/// Reads the states of these devices, and adds their changes.
pub(super) async fn look_at(api: &Api, positions: std::ops::Range<usize>) {
    let _guard = api.recorder.looking.lock().await;
    // A fleet that has stopped does not answer, and its recording ends.
    let Ok(statuses) = api.fleet.statuses(positions.clone()).await else { return };
    let now = api.uptime();
    let change = |(position, status): (usize, &DeviceStatus)| {
        let (state, reason) = state_of(status);
        Change(seconds(now), position as u32, state.letter(), reason.map(shortened))
    };
    api.recorder.add_changes(positions.zip(&statuses).map(change).collect());
}

/// A reason of at most [`MAX_REASON`] bytes.
fn shortened(mut reason: String) -> String {
    if reason.len() > MAX_REASON {
        reason.truncate(reason.floor_char_boundary(MAX_REASON));
        reason.push('…');
    }
    reason
}

fn seconds(time: Duration) -> f64 {
    time.as_millis() as f64 / 1_000.0
}

/// Counts at one moment, of which samples are the differences.
#[derive(Clone, Debug, Default)]
struct Counts {
    at_s: f64,
    ledger: Ledger,
    latency: Histogram,
    lateness: Histogram,
    traps: u64,
}

impl Counts {
    fn new(totals: &Totals, uptime: Duration) -> Self {
        Self {
            at_s: seconds(uptime),
            ledger: totals.ledger.clone(),
            latency: totals.latency.clone(),
            lateness: totals.lag.lateness.clone(),
            traps: totals.traps,
        }
    }

    fn since(&self, before: &Self, totals: &Totals) -> Sample {
        let mut ledger = self.ledger.clone();
        ledger.subtract(&before.ledger);
        let (mut latency, mut lateness) = (self.latency.clone(), self.lateness.clone());
        latency.subtract(&before.latency);
        lateness.subtract(&before.lateness);
        let dropped = ledger.faults().map(|(id, counts)| (id.to_string(), counts.dropped()));
        Sample {
            at_s: self.at_s,
            span_s: self.at_s - before.at_s,
            devices: totals.devices.total,
            up: totals.devices.connected.saturating_sub(totals.devices.silent),
            generated: ledger.generated,
            sent: ledger.sent,
            received: Some(ledger.received),
            expected: None,
            dropped: dropped.filter(|(_, count)| *count > 0).collect(),
            lost_offline: Some(ledger.lost_offline),
            refused: ledger.refused.total(),
            traps: Some(self.traps - before.traps.min(self.traps)),
            unanswered: Some(totals.unanswered.devices),
            unanswered_s: (totals.unanswered.devices > 0).then(|| seconds(totals.unanswered.longest)),
            waiting: Some(totals.waiting.0),
            latency_p50_s: latency.quantile(0.5),
            latency_p95_s: latency.quantile(0.95),
            latency_p99_s: latency.quantile(0.99),
            lag_s: lateness.mean(),
        }
    }
}

/// The next addition; `None` at the end of the run. A page that missed some is told to start again.
pub(super) async fn next_addition(receiver: &mut Receiver<Arc<Addition>>) -> Option<Arc<Addition>> {
    match receiver.recv().await {
        Ok(addition) => Some(addition),
        Err(RecvError::Lagged(missed)) => {
            Some(Arc::new(Addition { kind: "restart", json: format!("{{\"missed\":{missed}}}") }))
        }
        Err(RecvError::Closed) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(at_s: f64, position: u32, letter: char, reason: Option<&str>) -> Change {
        Change(at_s, position, letter, reason.map(str::to_owned))
    }

    #[test]
    fn only_new_states_are_changes() {
        let recorder = Recorder::default();
        recorder.add_changes(vec![change(1.0, 0, 'c', None), change(1.0, 1, 'o', Some("refused"))]);
        recorder.add_changes(vec![change(2.0, 0, 'c', None), change(2.0, 1, 'o', Some("time-out"))]);
        let kept = recorder.lock();
        assert_eq!(kept.history.changes.len(), 3);
        assert_eq!(kept.latest.letters, ['c', 'o']);
        assert_eq!(kept.latest.reasons[&1], "time-out");
    }

    #[test]
    fn the_oldest_changes_become_the_first_states() {
        let recorder = Recorder::default();
        let reason = "r".repeat(MAX_REASON);
        for at in 0..60_000 {
            let letter = if at % 2 == 0 { 'o' } else { 'c' };
            recorder.add_changes(vec![change(f64::from(at), at % 7, letter, Some(&format!("{reason}{at}")))]);
        }
        let kept = recorder.lock();
        let history = &kept.history;
        assert!(kept.bytes <= MAX_BYTES && history.changes.len() < 60_000);
        let mut states = history.first.clone();
        assert_eq!(history.from_s + 1.0, history.changes[0].0);
        history.changes.iter().for_each(|change| states.set(change));
        assert_eq!(states.letters, kept.latest.letters);
        assert!(history.truncated().contains("no longer kept"));
    }

    #[test]
    fn long_reasons_are_shortened() {
        assert_eq!(shortened("trap".into()), "trap");
        assert_eq!(shortened("é".repeat(MAX_REASON)).chars().count(), MAX_REASON / 2 + 1);
    }
}

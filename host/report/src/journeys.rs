//! Journeys of messages of finished runs, from `journeys.ndjson`.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use wasmote_mqtt::topic::{Topic, TopicFilter};
use wasmote_page::journey::{Absences, Expected, Facts, Journey};
use wasmote_results::{JourneyStep, LineFile, Place, RunEntry, TimeMode};

use super::error::Error;
use super::recording;
use super::results::Results;

/// Bytes of journeys, as JSON, that a `replay.html` has.
pub const MAX_REPLAY_BYTES: usize = 8 << 20;

/// The steps of messages of one run.
#[derive(Debug, Default)]
pub struct Journeys {
    /// Ids of the messages in the order of their first steps.
    order: Vec<String>,
    steps: HashMap<String, Vec<JourneyStep>>,
    subscriptions: Vec<Subscription>,
    absences: Absences,
    sees_broker: bool,
    to_s: f64,
}

/// A subscription of a device, from its begin to its end.
#[derive(Debug)]
struct Subscription {
    device: String,
    filter: TopicFilter,
    from_s: f64,
    to_s: f64,
}

impl Journeys {
    /// Reads the steps of all messages of a run, or of one of them.
    ///
    /// # Errors
    /// A file of the run is malformed, or outside of the results folder.
    pub fn read(results: &Results, entry: &RunEntry, only: Option<&str>) -> Result<Self, Error> {
        let folder = entry.folder(&results.dir)?;
        let (absences, to_s) = recording::absences(&folder)?;
        let sees_broker = results.manifest.time == TimeMode::Virtual;
        let mut journeys = Self { absences, sees_broker, to_s, ..Self::default() };
        let file = folder.join(JourneyStep::FILE);
        journeys.read_lines(&file, only).map_err(|source| wasmote_results::ReadError::Io { file, source })?;
        Ok(journeys)
    }

    fn read_lines(&mut self, file: &Path, only: Option<&str>) -> io::Result<()> {
        let Ok(file) = File::open(file) else { return Ok(()) };
        // Most lines belong to other messages and need not be parsed.
        let wanted = only.map(|id| format!("\"id\":{}", serde_json::Value::from(id)));
        for line in BufReader::new(file).lines() {
            let line = line?;
            self.sees_broker |= line.contains("\"place\":\"broker\"");
            let is_wanted = wanted
                .as_ref()
                .is_none_or(|wanted| line.contains(wanted.as_str()) || line.contains("subscribed\""));
            if !is_wanted {
                continue;
            }
            // A killed run may have written half a line.
            let Ok(step) = serde_json::from_str::<JourneyStep>(&line) else { break };
            self.add(step, only);
        }
        Ok(())
    }

    fn add(&mut self, step: JourneyStep, only: Option<&str>) {
        let filter = step.filter.as_deref().and_then(|filter| TopicFilter::new(filter).ok());
        match (&*step.step, filter, &step.device) {
            ("subscribed", Some(filter), Some(device)) => {
                let (device, from_s, to_s) = (device.clone(), step.t_s, f64::INFINITY);
                self.subscriptions.push(Subscription { device, filter, from_s, to_s });
            }
            ("unsubscribed", Some(filter), Some(device)) => {
                let is_it = |one: &&mut Subscription| {
                    one.to_s == f64::INFINITY && one.device == *device && one.filter == filter
                };
                if let Some(one) = self.subscriptions.iter_mut().rev().find(is_it) {
                    one.to_s = step.t_s;
                }
            }
            _ if step.id.is_empty() || only.is_some_and(|id| id != step.id) => {}
            _ => {
                let steps = self.steps.entry(step.id.clone()).or_insert_with_key(|id| {
                    self.order.push(id.clone());
                    Vec::new()
                });
                steps.push(step);
            }
        }
    }

    /// The journey of a message; `None` if the run has no steps of it.
    pub fn journey(&self, id: &str) -> Option<Journey> {
        let steps = self.steps.get(id)?.clone();
        let (device, number) = id.rsplit_once('/')?;
        let absence = |device: &str, at_s: f64| self.absences.at(device, at_s);
        Some(Journey::new(Facts {
            message: (device, number.parse().ok()?),
            expected: self.expected(&steps),
            steps,
            sees_broker: self.sees_broker,
            now_s: self.to_s,
            absence: &absence,
        }))
    }

    fn expected(&self, steps: &[JourneyStep]) -> Vec<Expected> {
        let published = steps.iter().find(|step| step.step == "published" && step.place == Place::Publisher);
        let Some((topic, at_s)) =
            published.and_then(|it| Some((Topic::new(it.topic.as_deref()?).ok()?, it.t_s)))
        else {
            return Vec::new();
        };
        let matches = |one: &&Subscription| {
            one.from_s <= at_s
                && at_s < one.to_s
                && !one.filter.as_str().starts_with("$share/")
                && one.filter.matches(&topic)
        };
        let mut expected: Vec<Expected> = Vec::new();
        for one in self.subscriptions.iter().filter(matches) {
            if !expected.iter().any(|other| other.device == one.device) {
                expected.push(Expected { device: one.device.clone(), filter: one.filter.to_string() });
            }
        }
        expected
    }

    /// The first journeys, up to this many bytes as JSON, and the number of those that are left.
    pub fn first(&self, max_bytes: usize) -> (Vec<Journey>, usize) {
        let (mut journeys, mut bytes) = (Vec::new(), 0);
        for id in &self.order {
            let Some(journey) = self.journey(id) else { continue };
            bytes += serde_json::to_string(&journey).map_or(0, |json| json.len());
            if bytes > max_bytes {
                break;
            }
            journeys.push(journey);
        }
        let left = self.order.len() - journeys.len();
        (journeys, left)
    }
}

//! What is known of a behaviour and its versions, and what is told of an update.

use std::collections::VecDeque;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;
use wasmote_live::fleet::Rolled;

use crate::cli::behaviours::Card;

/// Versions that were there before, and are still known.
const REMEMBERED: usize = 10;

/// A behaviour that runs, with the versions that it had in this run.
#[derive(Clone, Debug)]
pub struct Behaviour {
    /// The version that devices are given.
    pub card: Card,
    /// This version and those before it, the latest first.
    pub versions: VecDeque<VersionCard>,
    /// Updates that went through.
    pub updated: u64,
    /// Updates that came to nothing.
    pub refused: u64,
    /// The last of these.
    pub last_refusal: Option<Refusal>,
}

/// One version.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct VersionCard {
    /// Of the component.
    pub sha256: String,
    /// Where it came from.
    pub source: String,
    /// Since when it is, or was, what devices are given; seconds since 1970.
    pub since: f64,
}

/// An update that came to nothing.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Refusal {
    /// Where it came from.
    pub source: String,
    /// Why.
    pub reason: String,
    /// When; seconds since 1970.
    pub ts: f64,
}

impl Behaviour {
    pub(super) fn new(card: Card) -> Self {
        let first = VersionCard::now(&card);
        Self { card, versions: VecDeque::from([first]), updated: 0, refused: 0, last_refusal: None }
    }

    pub(super) fn replaced_by(&mut self, card: Card) {
        self.updated += 1;
        self.versions.truncate(REMEMBERED);
        self.versions.push_front(VersionCard::now(&card));
        self.card = card;
    }

    pub(super) fn refused(&mut self, source: &str, reason: &str) {
        self.refused += 1;
        self.last_refusal = Some(Refusal { source: source.into(), reason: reason.into(), ts: now() });
    }
}

impl VersionCard {
    fn now(card: &Card) -> Self {
        Self { sha256: card.sha256.clone(), source: card.source.clone(), since: now() }
    }
}

/// Whether an update went through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It did.
    Updated,
    /// It came to nothing.
    Refused,
}

impl Outcome {
    /// The kinds of these events.
    pub const KINDS: [&'static str; 2] = ["updated", "update_refused"];

    /// As an event is called.
    pub fn kind(self) -> &'static str {
        Self::KINDS[self as usize]
    }
}

/// What became of an update, as an event that is no device's.
#[derive(Clone, Debug, Serialize)]
pub struct Told {
    /// Seconds since 1970.
    pub ts: f64,
    /// Whether it went through.
    #[serde(skip)]
    pub outcome: Outcome,
    /// The same, as the event's kind.
    pub kind: &'static str,
    /// The behaviour.
    pub behaviour: String,
    /// SHA-256 of the version that runs on.
    pub sha256: String,
    /// Where the update came from.
    pub source: String,
    /// A sentence.
    pub message: String,
    /// Why it came to nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Told {
    pub(super) fn updated(name: &str, source: &str, card: &Card, old: &Card, rolled: &Rolled) -> Self {
        let Rolled { canaries, swapped, waiting, refused, first_refusal } = rolled;
        let (new, before) = (short(&card.sha256), short(&old.sha256));
        let mut message =
            format!("behaviour {name}: {new} from {source} replaced {before} on {swapped} devices");
        if !canaries.is_empty() {
            let names: Vec<&str> = canaries.iter().map(|canary| canary.as_str()).collect();
            message += &format!(", first on {}", names.join(", "));
        }
        if *waiting > 0 {
            message += &format!("; {waiting} follow when their hang is over");
        }
        if let Some((device, why)) = first_refusal {
            message += &format!("; {refused} keep the old version, of them {device}: {why}");
        }
        Self::new(Outcome::Updated, name, source, card, message, None)
    }

    pub(super) fn refused(name: &str, source: &str, old: &Card, problem: String) -> Self {
        let stays = short(&old.sha256);
        let message =
            format!("behaviour {name}: {stays} runs on, as the update from {source} failed: {problem}");
        Self::new(Outcome::Refused, name, source, old, message, Some(problem))
    }

    fn new(
        outcome: Outcome,
        name: &str,
        source: &str,
        runs: &Card,
        message: String,
        reason: Option<String>,
    ) -> Self {
        Self {
            ts: now(),
            outcome,
            kind: outcome.kind(),
            behaviour: name.into(),
            sha256: runs.sha256.clone(),
            source: source.into(),
            message,
            reason,
        }
    }
}

fn short(sha256: &str) -> &str {
    sha256.get(..12).unwrap_or(sha256)
}

/// Seconds since 1970, to the millisecond.
fn now() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_millis() as f64 / 1_000.0
}

//! The behaviours of a running fleet, and how another version of one is rolled out.
//!
//! A new version is unpacked, compiled and checked aside, on a thread that turns no device. Then the fleet
//! tries it on canaries, and moves the others one by one ([`wasmote_live::fleet::Rollout`]). Whatever goes wrong
//! leaves the old version running; what came of an update is a line in the log, an event and a count.
//!
//! * [`record`]: what is known of a behaviour and its versions. [`error`]: why an update came to nothing.

pub mod error;
pub mod record;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::broadcast;
use tokio::task::spawn_blocking;
use wasmote_engine::{Component, Engine};
use wasmote_live::fleet::{Fleet, Rolled, Rollout};
use wasmote_sim::behaviour::Spawn;
use wasmote_sim::time::Time;

use crate::cli::behaviours::Card;
use crate::component_file;
use crate::config::Group;
use crate::nearest::did_you_mean;
use crate::plan::{spawner, tell_of_code};
use crate::server::status::AT_ONCE;
pub use error::UpdateError;
pub use record::{Behaviour, Outcome, Told, VersionCard};

/// Updates that a slow listener may be behind.
const TOLD: usize = 256;

/// What runs in a fleet, by behaviour.
pub struct Versions {
    fleet: Fleet,
    engine: Engine,
    groups: Vec<Group>,
    trial: Duration,
    /// What devices are given instead of a version's own maker, which may look over its shoulder.
    guise: Guise,
    behaviours: Mutex<BTreeMap<String, Behaviour>>,
    /// Held by the update that is under way.
    under_way: tokio::sync::Mutex<()>,
    told: broadcast::Sender<Arc<Told>>,
}

/// Makes what makes instances of a version for a group.
pub type Guise = Arc<dyn Fn(&Group, &Component) -> Arc<dyn Spawn> + Send + Sync>;

/// An update that came to something.
#[derive(Clone, Debug)]
pub struct Updated {
    /// The version that runs now.
    pub card: Card,
    /// The component, unpacked.
    pub bytes: Vec<u8>,
    /// When devices began to be given it.
    pub began: Time,
    /// What became of the devices; none if they had the version already.
    pub rolled: Option<Rolled>,
    /// Interfaces that it calls and its predecessor did not.
    pub gained: Vec<String>,
    /// Interfaces that it no longer calls.
    pub dropped: Vec<String>,
}

impl Versions {
    /// Of a fleet that has just been started from these groups, with what their behaviours are.
    pub fn new(fleet: Fleet, engine: Engine, groups: Vec<Group>, cards: Vec<Card>, trial: Duration) -> Self {
        let behaviours = cards.into_iter().map(|card| (card.name.clone(), Behaviour::new(card)));
        Self {
            fleet,
            engine,
            groups,
            trial,
            guise: Arc::new(spawner),
            behaviours: Mutex::new(behaviours.collect()),
            under_way: tokio::sync::Mutex::default(),
            told: broadcast::channel(TOLD).0,
        }
    }

    /// The same, and devices are given new versions in this guise.
    #[must_use]
    pub fn in_guise(self, guise: Guise) -> Self {
        Self { guise, ..self }
    }

    /// All behaviours, by name.
    pub fn all(&self) -> Vec<Behaviour> {
        self.lock().values().cloned().collect()
    }

    /// One by its name, or what it may be called.
    pub fn find(&self, name: &str) -> Result<Behaviour, UpdateError> {
        let behaviours = self.lock();
        behaviours.get(name).cloned().ok_or_else(|| UpdateError::Unknown {
            name: name.to_owned(),
            hint: did_you_mean(name, behaviours.keys().map(String::as_str)),
        })
    }

    /// Groups that run a behaviour.
    pub fn groups_of<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Group> {
        self.groups.iter().filter(move |group| group.behaviour.name() == name)
    }

    /// How long canaries run before the others follow.
    pub fn trial(&self) -> Duration {
        self.trial
    }

    /// What becomes of updates from now on.
    pub fn watch(&self) -> broadcast::Receiver<Arc<Told>> {
        self.told.subscribe()
    }

    /// Give all devices of a behaviour another version of it, which comes from `source`.
    pub async fn update(&self, name: &str, bytes: Vec<u8>, source: &str) -> Result<Updated, UpdateError> {
        let old = self.find(name)?.card;
        let Ok(_turn) = self.under_way.try_lock() else {
            return Err(UpdateError::Busy(name.to_owned()));
        };
        let outcome = self.roll_out(name, &old, bytes, source).await;
        match &outcome {
            Ok(Updated { rolled: None, .. }) => {}
            Ok(Updated { card, rolled: Some(rolled), .. }) => {
                self.enter(name, |behaviour| behaviour.replaced_by(card.clone()));
                self.tell(Told::updated(name, source, card, &old, rolled));
            }
            Err(UpdateError::Ask(_)) => {}
            Err(problem) => self.refused(name, &old, problem.to_string(), source),
        }
        outcome
    }

    /// An update that came to nothing before there was anything to load.
    pub fn refuse(&self, name: &str, problem: impl Into<UpdateError>, source: &str) {
        if let Ok(Behaviour { card, .. }) = self.find(name) {
            self.refused(name, &card, problem.into().to_string(), source);
        }
    }

    fn refused(&self, name: &str, old: &Card, problem: String, source: &str) {
        self.enter(name, |behaviour| behaviour.refused(source, &problem));
        self.tell(Told::refused(name, source, old, problem));
    }

    async fn roll_out(
        &self,
        name: &str,
        old: &Card,
        bytes: Vec<u8>,
        source: &str,
    ) -> Result<Updated, UpdateError> {
        let (component, bytes) = self.load(name, bytes).await?;
        let card = Card::new(source, component.inspect());
        let lacks = |of: &[String], in_other: &[String]| -> Vec<String> {
            of.iter().filter(|name| !in_other.contains(name)).cloned().collect()
        };
        let mut updated = Updated {
            gained: lacks(&card.imports, &old.imports),
            dropped: lacks(&old.imports, &card.imports),
            rolled: None,
            began: self.fleet.now().run,
            bytes,
            card,
        };
        let devices = self.devices_without(name, &updated.card.sha256, &component).await?;
        if !devices.is_empty() || updated.card.sha256 != old.sha256 {
            updated.began = self.fleet.now().run;
            updated.rolled = Some(self.fleet.roll_out(Rollout { devices, trial: self.trial }).await?);
        }
        Ok(updated)
    }

    /// The component, and its bytes unpacked.
    async fn load(&self, name: &str, bytes: Vec<u8>) -> Result<(Component, Vec<u8>), UpdateError> {
        let (engine, name) = (self.engine.clone(), name.to_owned());
        let loaded = spawn_blocking(move || {
            let bytes = component_file::unpack(bytes)?;
            let began = Instant::now();
            let component = engine.load(&name, &bytes)?;
            tell_of_code(&component, began.elapsed());
            Ok((component, bytes))
        });
        loaded.await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
    }

    /// The devices of a behaviour that have another version, with what makes theirs of this one.
    async fn devices_without(
        &self,
        name: &str,
        sha256: &str,
        component: &Component,
    ) -> Result<Vec<(usize, Arc<dyn Spawn>)>, UpdateError> {
        let made = |group| (self.guise)(group, component);
        let groups = self.groups_of(name).map(|group| (group.name.as_str(), made(group)));
        let spawns: BTreeMap<&str, Arc<dyn Spawn>> = groups.collect();
        let mut devices = Vec::new();
        for first in (0..self.fleet.devices().len()).step_by(AT_ONCE) {
            let statuses = self.fleet.statuses(first..first + AT_ONCE).await?;
            for (position, status) in (first..).zip(statuses) {
                let spawn = spawns.get(&*status.identity.group);
                if let Some(spawn) = spawn.filter(|_| *status.version.sha256 != *sha256) {
                    devices.push((position, Arc::clone(spawn)));
                }
            }
        }
        Ok(devices)
    }

    fn enter(&self, name: &str, change: impl FnOnce(&mut Behaviour)) {
        if let Some(behaviour) = self.lock().get_mut(name) {
            change(behaviour);
        }
    }

    fn tell(&self, told: Told) {
        match told.outcome {
            Outcome::Updated => tracing::info!("{}", told.message),
            Outcome::Refused => tracing::warn!("{}", told.message),
        }
        // There may be nobody who listens.
        let _ = self.told.send(Arc::new(told));
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Behaviour>> {
        self.behaviours.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

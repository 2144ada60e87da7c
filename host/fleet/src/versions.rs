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
use wasmote_live::fleet::{Fleet, Rollout, RolloutReport, STATUS_BATCH};
use wasmote_mqtt::time::Time;
use wasmote_sim::behaviour::BehaviourFactory;

use crate::blueprints::{behaviour_factory, log_code_origin};
use crate::component_file;
use crate::component_info::ComponentInfo;
use crate::config::Group;
use crate::suggest::did_you_mean;
pub use error::UpdateError;
pub use record::{RunningBehaviour, UpdateEvent, UpdateOutcome, VersionInfo};

/// Updates that a slow listener may be behind.
const EVENT_CAPACITY: usize = 256;

/// What runs in a fleet, by behaviour.
pub struct Versions {
    fleet: Fleet,
    engine: Engine,
    groups: Vec<Group>,
    trial: Duration,
    /// What devices are given instead of a version's own maker, which may look over its shoulder.
    factory: FactoryFn,
    behaviours: Mutex<BTreeMap<String, RunningBehaviour>>,
    /// Held by the update that is under way.
    update_lock: tokio::sync::Mutex<()>,
    events: broadcast::Sender<Arc<UpdateEvent>>,
}

/// Makes what makes instances of a version for a group.
pub type FactoryFn = Arc<dyn Fn(&Group, &Component) -> Arc<dyn BehaviourFactory> + Send + Sync>;

/// An update that came to something.
#[derive(Clone, Debug)]
pub struct AppliedUpdate {
    /// The version that runs now.
    pub info: ComponentInfo,
    /// The component, unpacked.
    pub bytes: Vec<u8>,
    /// When devices began to be given it.
    pub began: Time,
    /// What became of the devices; none if they had the version already.
    pub rollout: Option<RolloutReport>,
    /// Interfaces that it calls and its predecessor did not.
    pub gained_imports: Vec<String>,
    /// Interfaces that it no longer calls.
    pub dropped_imports: Vec<String>,
}

impl Versions {
    /// Of a fleet that has just been started from these groups, with what their behaviours are.
    pub fn new(
        fleet: Fleet,
        engine: Engine,
        groups: Vec<Group>,
        components: Vec<ComponentInfo>,
        trial: Duration,
    ) -> Self {
        let behaviours = components.into_iter().map(|info| (info.name.clone(), RunningBehaviour::new(info)));
        Self {
            fleet,
            engine,
            groups,
            trial,
            factory: Arc::new(behaviour_factory),
            behaviours: Mutex::new(behaviours.collect()),
            update_lock: tokio::sync::Mutex::default(),
            events: broadcast::channel(EVENT_CAPACITY).0,
        }
    }

    /// The same, and devices are given new versions in this guise.
    #[must_use]
    pub fn with_factory(self, factory: FactoryFn) -> Self {
        Self { factory, ..self }
    }

    /// All behaviours, by name.
    pub fn all(&self) -> Vec<RunningBehaviour> {
        self.lock().values().cloned().collect()
    }

    /// One by its name, or what it may be called.
    pub fn find(&self, name: &str) -> Result<RunningBehaviour, UpdateError> {
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
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<UpdateEvent>> {
        self.events.subscribe()
    }

    /// Give all devices of a behaviour another version of it, which comes from `source`.
    pub async fn update(
        &self,
        name: &str,
        bytes: Vec<u8>,
        source: &str,
    ) -> Result<AppliedUpdate, UpdateError> {
        let old = self.find(name)?.info;
        let Ok(_guard) = self.update_lock.try_lock() else {
            return Err(UpdateError::Busy(name.to_owned()));
        };
        let outcome = self.roll_out(name, &old, bytes, source).await;
        match &outcome {
            Ok(AppliedUpdate { rollout: None, .. }) => {}
            Ok(AppliedUpdate { info, rollout: Some(rollout), .. }) => {
                self.modify(name, |behaviour| behaviour.replace(info.clone()));
                self.emit(UpdateEvent::updated(name, source, info, &old, rollout));
            }
            Err(UpdateError::Ask(_)) => {}
            Err(problem) => self.report_failure(name, &old, problem.to_string(), source),
        }
        outcome
    }

    /// An update that came to nothing before there was anything to load.
    pub fn reject(&self, name: &str, problem: impl Into<UpdateError>, source: &str) {
        if let Ok(RunningBehaviour { info, .. }) = self.find(name) {
            self.report_failure(name, &info, problem.into().to_string(), source);
        }
    }

    fn report_failure(&self, name: &str, old: &ComponentInfo, problem: String, source: &str) {
        self.modify(name, |behaviour| behaviour.record_failure(source, &problem));
        self.emit(UpdateEvent::refused(name, source, old, problem));
    }

    async fn roll_out(
        &self,
        name: &str,
        old: &ComponentInfo,
        bytes: Vec<u8>,
        source: &str,
    ) -> Result<AppliedUpdate, UpdateError> {
        let (component, bytes) = self.load(name, bytes).await?;
        let info = ComponentInfo::new(source, component.inspect());
        let lacks = |of: &[String], in_other: &[String]| -> Vec<String> {
            of.iter().filter(|name| !in_other.contains(name)).cloned().collect()
        };
        let mut updated = AppliedUpdate {
            gained_imports: lacks(&info.imports, &old.imports),
            dropped_imports: lacks(&old.imports, &info.imports),
            rollout: None,
            began: self.fleet.now().run,
            bytes,
            info,
        };
        let devices = self.devices_without(name, &updated.info.sha256, &component).await?;
        if !devices.is_empty() || updated.info.sha256 != old.sha256 {
            updated.began = self.fleet.now().run;
            updated.rollout = Some(self.fleet.roll_out(Rollout { devices, trial: self.trial }).await?);
        }
        Ok(updated)
    }

    /// The component, and its bytes unpacked.
    async fn load(&self, name: &str, bytes: Vec<u8>) -> Result<(Component, Vec<u8>), UpdateError> {
        let (engine, name) = (self.engine.clone(), name.to_owned());
        let loaded = spawn_blocking(move || {
            let bytes = component_file::decompress(bytes)?;
            let began = Instant::now();
            let component = engine.load(&name, &bytes)?;
            log_code_origin(&component, began.elapsed());
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
    ) -> Result<Vec<(usize, Arc<dyn BehaviourFactory>)>, UpdateError> {
        let factory_of = |group| (self.factory)(group, component);
        let groups = self.groups_of(name).map(|group| (group.name.as_str(), factory_of(group)));
        let spawns: BTreeMap<&str, Arc<dyn BehaviourFactory>> = groups.collect();
        let mut devices = Vec::new();
        for first in (0..self.fleet.devices().len()).step_by(STATUS_BATCH) {
            let statuses = self.fleet.statuses(first..first + STATUS_BATCH).await?;
            for (position, status) in (first..).zip(statuses) {
                let factory = spawns.get(&*status.identity.group);
                if let Some(factory) = factory.filter(|_| *status.version.sha256 != *sha256) {
                    devices.push((position, Arc::clone(factory)));
                }
            }
        }
        Ok(devices)
    }

    fn modify(&self, name: &str, change: impl FnOnce(&mut RunningBehaviour)) {
        if let Some(behaviour) = self.lock().get_mut(name) {
            change(behaviour);
        }
    }

    fn emit(&self, event: UpdateEvent) {
        match event.outcome {
            UpdateOutcome::Updated => tracing::info!("{}", event.message),
            UpdateOutcome::Refused => tracing::warn!("{}", event.message),
        }
        // There may be nobody who listens.
        let _ = self.events.send(Arc::new(event));
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, RunningBehaviour>> {
        self.behaviours.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

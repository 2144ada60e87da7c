//! Versions of the behaviours of a running fleet, and the rollout of a new one.
//!
//! A new version is decompressed, compiled and checked on a thread that runs no device. Then the fleet tries it on
//! canaries and swaps the other devices one by one ([`wasmote_live::fleet::Rollout`]). After any error the old version
//! keeps running. Each update is reported as a log line, an event and a count.
//!
//! * [`groups`]: changes of one group. [`record`]: a behaviour with its versions, and update events. [`error`]: reasons why an
//!   update fails.

pub mod error;
pub mod groups;
pub mod record;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::broadcast;
use tokio::task::spawn_blocking;
use wasmote_engine::sha256::sha256;
use wasmote_engine::{Component, Engine, LoadError};
use wasmote_live::fleet::{Fleet, Rollout, RolloutReport, STATUS_BATCH};
use wasmote_mqtt::time::Time;
use wasmote_registry::fetcher::{Fetched, Fetcher};
use wasmote_registry::reference::Reference;
use wasmote_sim::behaviour::BehaviourFactory;

use crate::blueprints::{behaviour_factory, log_code_origin};
use crate::component_file;
use crate::component_info::ComponentInfo;
use crate::config::Group;
use crate::suggest::did_you_mean;
pub use error::UpdateError;
pub use record::{RunningBehaviour, UpdateEvent, UpdateOutcome, UpdateProgress, VersionInfo};

/// Update events that a slow subscriber may lag behind.
const EVENT_CAPACITY: usize = 256;

/// Current versions of a fleet's behaviours, and their rollout.
pub struct Versions {
    fleet: Fleet,
    engine: Engine,
    groups: Mutex<Vec<Group>>,
    /// The groups as they were at the start.
    initial_groups: Vec<Group>,
    /// What changes of groups need, if they are allowed.
    changeable: Option<groups::Changeable>,
    trial: Duration,
    /// Creates the factories of new versions; callers may wrap them, for example to record inputs.
    factory: FactoryFn,
    behaviours: Mutex<BTreeMap<String, RunningBehaviour>>,
    /// Lock that is held during an update, so that only one runs at a time.
    update_lock: tokio::sync::Mutex<()>,
    /// The update in progress, with the name of its behaviour.
    progress: Mutex<Option<(String, UpdateProgress)>>,
    /// Lock that is held during a download, so that clients cannot start many.
    fetch_lock: tokio::sync::Mutex<()>,
    fetcher: Fetcher,
    events: broadcast::Sender<Arc<UpdateEvent>>,
}

/// Creates the behaviour factory for a group's new version.
pub type FactoryFn = Arc<dyn Fn(&Group, &Component) -> Arc<dyn BehaviourFactory> + Send + Sync>;

/// A component that a behaviour is to get.
#[derive(Clone, Debug, Default)]
pub struct NewVersion {
    /// The component, plain or packed with gzip.
    pub bytes: Vec<u8>,
    /// Where it comes from, for descriptions.
    pub source: String,
    /// SHA-256 that it must have, each of them.
    pub pins: Vec<String>,
    /// Its signature.
    pub signature: Option<String>,
}

impl NewVersion {
    /// A component that was fetched.
    pub fn fetched(reference: &Reference, fetched: Fetched) -> Self {
        let pin = match reference {
            Reference::Url { pin, .. } => pin.as_ref().map(|digest| digest.hex().to_owned()),
            Reference::Oci(_) => None,
        };
        let Fetched { bytes, resolved, signature } = fetched;
        Self { bytes, source: resolved, pins: pin.into_iter().collect(), signature }
    }
}

/// A successful update.
#[derive(Clone, Debug)]
pub struct AppliedUpdate {
    /// The version that runs now.
    pub info: ComponentInfo,
    /// The component, decompressed.
    pub bytes: Vec<u8>,
    /// Start of the rollout.
    pub began: Time,
    /// Result of the rollout; `None` if all devices had the version already.
    pub rollout: Option<RolloutReport>,
    /// Interfaces that it imports and the old version did not.
    pub gained_imports: Vec<String>,
    /// Interfaces that it no longer imports.
    pub dropped_imports: Vec<String>,
}

impl Versions {
    /// Versions of a fleet that has just been started from these groups; `components` describes their behaviours.
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
            initial_groups: groups.clone(),
            groups: Mutex::new(groups),
            changeable: None,
            trial,
            factory: Arc::new(behaviour_factory),
            behaviours: Mutex::new(behaviours.collect()),
            update_lock: tokio::sync::Mutex::default(),
            progress: Mutex::default(),
            fetch_lock: tokio::sync::Mutex::default(),
            fetcher: Fetcher::default(),
            events: broadcast::channel(EVENT_CAPACITY).0,
        }
    }

    /// Replaces the function that creates the factories of new versions.
    #[must_use]
    pub fn with_factory(self, factory: FactoryFn) -> Self {
        Self { factory, ..self }
    }

    /// All behaviours, by name.
    pub fn all(&self) -> Vec<RunningBehaviour> {
        self.lock().values().cloned().collect()
    }

    /// Finds a behaviour by its name. The error suggests the nearest name.
    pub fn find(&self, name: &str) -> Result<RunningBehaviour, UpdateError> {
        let behaviours = self.lock();
        behaviours.get(name).cloned().ok_or_else(|| UpdateError::Unknown {
            name: name.to_owned(),
            hint: did_you_mean(name, behaviours.keys().map(String::as_str)),
        })
    }

    /// Groups that run a behaviour.
    pub fn groups_of(&self, name: &str) -> Vec<Group> {
        self.groups().into_iter().filter(|group| group.behaviour.name() == name).collect()
    }

    /// All groups of the fleet, as they are now.
    pub fn groups(&self) -> Vec<Group> {
        self.lock_groups().clone()
    }

    /// All groups of the fleet, as they were at the start.
    pub fn initial_groups(&self) -> &[Group] {
        &self.initial_groups
    }

    fn lock_groups(&self) -> MutexGuard<'_, Vec<Group>> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Time for which canaries run before the other devices follow.
    pub fn trial(&self) -> Duration {
        self.trial
    }

    /// Subscribes to the events of later updates.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<UpdateEvent>> {
        self.events.subscribe()
    }

    /// Gives all devices of a behaviour a new version.
    pub async fn update(&self, name: &str, version: NewVersion) -> Result<AppliedUpdate, UpdateError> {
        let old = self.find(name)?.info;
        let Ok(_guard) = self.update_lock.try_lock() else {
            return Err(UpdateError::Busy(name.to_owned()));
        };
        let source = &version.source.clone();
        self.show_progress(Some((name.to_owned(), UpdateProgress::new(source, self.trial))));
        let outcome = self.roll_out(name, &old, version).await;
        self.show_progress(None);
        self.report(name, &old, source, &outcome);
        outcome
    }

    /// Gives all devices of a behaviour the version before the present one again. Only a fleet whose groups may change keeps
    /// earlier versions.
    pub async fn roll_back(&self, name: &str) -> Result<AppliedUpdate, UpdateError> {
        const SOURCE: &str = "roll back";
        let old = self.find(name)?.info;
        let Ok(_guard) = self.update_lock.try_lock() else {
            return Err(UpdateError::Busy(name.to_owned()));
        };
        let earlier = self.changeable.as_ref().and_then(|changeable| changeable.earlier(name));
        let component = earlier.ok_or_else(|| UpdateError::NoEarlierVersion(name.to_owned()))?;
        for group in self.groups_of(name) {
            group.check(&component)?;
        }
        self.show_progress(Some((name.to_owned(), UpdateProgress::new(SOURCE, self.trial))));
        let outcome = self.give_all(name, &old, (component, Vec::new()), SOURCE).await;
        self.show_progress(None);
        self.report(name, &old, SOURCE, &outcome);
        outcome
    }

    /// Whether [`Self::roll_back`] has a version to return to.
    pub fn has_earlier(&self, name: &str) -> bool {
        self.changeable.as_ref().is_some_and(|changeable| changeable.earlier(name).is_some())
    }

    /// The update of a behaviour that is in progress.
    pub fn progress(&self, name: &str) -> Option<UpdateProgress> {
        let progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        progress.as_ref().filter(|(of, _)| of == name).map(|(_, progress)| progress.clone())
    }

    fn show_progress(&self, progress: Option<(String, UpdateProgress)>) {
        *self.progress.lock().unwrap_or_else(PoisonError::into_inner) = progress;
    }

    fn change_progress(&self, change: impl FnOnce(&mut UpdateProgress)) {
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, progress)) = progress.as_mut() {
            change(progress);
        }
    }

    /// Records the outcome of an update, and emits its event.
    fn report(
        &self,
        name: &str,
        old: &ComponentInfo,
        source: &str,
        outcome: &Result<AppliedUpdate, UpdateError>,
    ) {
        match outcome {
            Ok(AppliedUpdate { rollout: None, .. }) => {}
            Ok(AppliedUpdate { info, rollout: Some(rollout), .. }) => {
                self.modify(name, |behaviour| behaviour.replace(info.clone()));
                self.emit(UpdateEvent::updated(name, source, info, old, rollout));
            }
            Err(UpdateError::Ask(_)) => {}
            Err(problem) => self.report_failure(name, old, problem.to_string(), source),
        }
    }

    /// Gives all devices of a behaviour the version that a reference names now, on behalf of a client that may have only these
    /// hosts asked.
    pub async fn update_from(
        &self,
        name: &str,
        reference: &Reference,
        pin: Option<String>,
        hosts: &[String],
    ) -> Result<AppliedUpdate, UpdateError> {
        let old = self.find(name)?.info;
        match self.fetch(name, reference, hosts).await {
            Ok(fetched) => {
                let version = NewVersion::fetched(reference, fetched);
                let pins = version.pins.into_iter().chain(pin).collect();
                self.update(name, NewVersion { pins, ..version }).await
            }
            Err(problem) => {
                self.report_failure(name, &old, problem.to_string(), &reference.to_string());
                Err(problem)
            }
        }
    }

    /// Fetches a component for a behaviour, one at a time.
    pub async fn fetch(
        &self,
        name: &str,
        reference: &Reference,
        hosts: &[String],
    ) -> Result<Fetched, UpdateError> {
        let Ok(_guard) = self.fetch_lock.try_lock() else {
            return Err(UpdateError::Busy(name.to_owned()));
        };
        let fetched = self.fetcher.fetch_from(reference, hosts).await;
        fetched.map_err(|problem| UpdateError::Fetch { reference: reference.to_string(), problem })
    }

    /// Reads components by this fetcher, whose key must have signed new versions.
    #[must_use]
    pub fn with_fetcher(self, fetcher: Fetcher) -> Self {
        Self { fetcher, ..self }
    }

    /// Reports an update that failed before its component could be loaded.
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
        version: NewVersion,
    ) -> Result<AppliedUpdate, UpdateError> {
        let groups = self.groups_of(name);
        let source = &version.source.clone();
        let pins = groups.iter().filter_map(|group| group.sha256.clone()).chain(version.pins).collect();
        let loaded = self.load(name, NewVersion { pins, ..version }).await?;
        for group in &groups {
            group.check(&loaded.0)?;
        }
        self.give_all(name, old, loaded, source).await
    }

    /// Rolls a loaded component out to all devices of its behaviour.
    async fn give_all(
        &self,
        name: &str,
        old: &ComponentInfo,
        (component, bytes): (Component, Vec<u8>),
        source: &str,
    ) -> Result<AppliedUpdate, UpdateError> {
        let info = ComponentInfo::new(source, component.inspect());
        let difference = |of: &[String], in_other: &[String]| -> Vec<String> {
            of.iter().filter(|name| !in_other.contains(name)).cloned().collect()
        };
        let mut updated = AppliedUpdate {
            gained_imports: difference(&info.imports, &old.imports),
            dropped_imports: difference(&old.imports, &info.imports),
            rollout: None,
            began: self.fleet.now().run,
            bytes,
            info,
        };
        let devices = self.devices_without(name, &updated.info.sha256, &component).await?;
        if !devices.is_empty() || updated.info.sha256 != old.sha256 {
            updated.began = self.fleet.now().run;
            self.change_progress(|progress| progress.devices = devices.len() as u64);
            let rollout = Rollout { devices, trial: self.trial };
            let report_step = |step| self.change_progress(|progress| progress.advance(step));
            updated.rollout = Some(self.fleet.roll_out_in_steps(rollout, report_step).await?);
        }
        self.changeable.iter().for_each(|changeable| changeable.remember(&component));
        Ok(updated)
    }

    /// Loads a component. Returns it with its decompressed bytes. A component with another SHA-256 than one of its pins, or
    /// without the signature that is demanded, is refused before it is compiled.
    async fn load(&self, name: &str, version: NewVersion) -> Result<(Component, Vec<u8>), UpdateError> {
        let (engine, name) = (self.engine.clone(), name.to_owned());
        let key = self.fetcher.key().cloned();
        let NewVersion { bytes, pins, signature, .. } = version;
        let loaded = spawn_blocking(move || {
            let bytes = component_file::decompress(bytes)?;
            if !pins.is_empty() {
                let found = sha256(&bytes);
                if let Some(wanted) = pins.into_iter().find(|pin| *pin != found) {
                    return Err(LoadError::Pinned { wanted, found }.into());
                }
            }
            if let Some(key) = key {
                const PLACE: &str =
                    "in the file FILE.minisig beside it, or in `signature` of the request, in base64";
                key.check(&bytes, signature.as_deref(), PLACE)?;
            }
            let began = Instant::now();
            let component = engine.load(&name, &bytes)?;
            log_code_origin(&component, began.elapsed());
            Ok((component, bytes))
        });
        loaded.await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
    }

    /// Devices of a behaviour that have another version, each with the factory for this one.
    async fn devices_without(
        &self,
        name: &str,
        sha256: &str,
        component: &Component,
    ) -> Result<Vec<(usize, Arc<dyn BehaviourFactory>)>, UpdateError> {
        let factory_of = |group: Group| {
            let factory = (self.factory)(&group, component);
            (group.name, factory)
        };
        let factories: BTreeMap<String, Arc<dyn BehaviourFactory>> =
            self.groups_of(name).into_iter().map(factory_of).collect();
        let mut devices = Vec::new();
        for first in (0..self.fleet.devices().len()).step_by(STATUS_BATCH) {
            let statuses = self.fleet.statuses(first..first + STATUS_BATCH).await?;
            for (position, status) in (first..).zip(statuses) {
                let factory = factories.get(&*status.identity.group);
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
        // An error means that nobody subscribes.
        let _ = self.events.send(Arc::new(event));
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, RunningBehaviour>> {
        self.behaviours.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

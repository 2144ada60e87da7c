//! Versions of behaviours that users send while a run in real time lasts. The plan's own deeds go on from them: who joins
//! later has them too, and a configuration that changes leaves them be.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use wasmote_engine::Component;
use wasmote_fleet::blueprints::behaviour_factory;
use wasmote_fleet::config::Group;
use wasmote_sim::behaviour::BehaviourFactory;

use super::instrumented::{InstrumentedFactory, SharedTracker};

/// What users sent, shared by those who roll it out and the hand that carries out the script.
pub struct LiveUpdates {
    tracker: SharedTracker,
    versions: Mutex<PendingVersions>,
}

#[derive(Default)]
struct PendingVersions {
    /// Of groups that the script has changed.
    configs: BTreeMap<String, Group>,
    pending: BTreeMap<String, GroupVersion>,
    committed: BTreeMap<String, GroupVersion>,
}

/// A group's version.
pub struct GroupVersion {
    /// What it is.
    pub component: Component,
    /// What makes its instances.
    pub factory: Arc<InstrumentedFactory>,
}

impl LiveUpdates {
    /// Nothing yet.
    pub fn new(tracker: SharedTracker) -> Self {
        Self { tracker, versions: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, PendingVersions> {
        self.versions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records the changed configuration of a group.
    pub fn set_config(&self, group: &Group) {
        self.lock().configs.insert(group.name.clone(), group.clone());
    }

    /// What makes a group's instances of this version, which may yet be taken back.
    pub fn prepare(&self, group: &Group, component: &Component) -> Arc<dyn BehaviourFactory> {
        let mut versions = self.lock();
        let Group { config, links, .. } = versions.configs.get(&group.name).unwrap_or(group).clone();
        let factory = behaviour_factory(&Group { config, links, ..group.clone() }, component);
        let factory = Arc::new(InstrumentedFactory::new(factory, self.tracker.clone()));
        let version = GroupVersion { component: component.clone(), factory: Arc::clone(&factory) };
        versions.pending.insert(group.name.clone(), version);
        factory
    }

    /// The version that was tried last has stood its trial in these groups.
    pub fn commit(&self, groups: &[String]) {
        let mut versions = self.lock();
        for group in groups {
            let version = versions.pending.remove(group);
            versions.committed.extend(version.map(|version| (group.clone(), version)));
        }
    }

    /// What was taken since the last time, by group.
    pub fn drain(&self) -> BTreeMap<String, GroupVersion> {
        std::mem::take(&mut self.lock().committed)
    }
}

//! Behaviour versions that users upload during a run in real time. Later actions of the plan build on them: new
//! devices get the uploaded version, and a changed configuration keeps it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use wasmote_engine::Component;
use wasmote_fleet::blueprints::behaviour_factory;
use wasmote_fleet::config::Group;
use wasmote_sim::behaviour::BehaviourFactory;

use super::instrumented::{InstrumentedFactory, SharedTracker};

/// Uploaded versions, shared by the HTTP API that rolls them out and the orchestrator that applies the timeline.
pub struct LiveUpdates {
    tracker: SharedTracker,
    versions: Mutex<PendingVersions>,
}

#[derive(Default)]
struct PendingVersions {
    /// Groups whose configuration the timeline has changed.
    configs: BTreeMap<String, Group>,
    pending: BTreeMap<String, GroupVersion>,
    committed: BTreeMap<String, GroupVersion>,
}

/// Uploaded version of a group.
pub struct GroupVersion {
    /// The component.
    pub component: Component,
    /// Factory of its instances.
    pub factory: Arc<InstrumentedFactory>,
}

impl LiveUpdates {
    /// No versions.
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

    /// Creates the behaviour factory for a group's new version, which is pending until [`commit`](Self::commit).
    pub fn prepare(&self, group: &Group, component: &Component) -> Arc<dyn BehaviourFactory> {
        let mut versions = self.lock();
        let Group { config, links, .. } = versions.configs.get(&group.name).unwrap_or(group).clone();
        let factory = behaviour_factory(&Group { config, links, ..group.clone() }, component);
        let factory = Arc::new(InstrumentedFactory::new(factory, self.tracker.clone()));
        let version = GroupVersion { component: component.clone(), factory: Arc::clone(&factory) };
        versions.pending.insert(group.name.clone(), version);
        factory
    }

    /// Marks the pending version of these groups as accepted after its trial.
    pub fn commit(&self, groups: &[String]) {
        let mut versions = self.lock();
        for group in groups {
            let version = versions.pending.remove(group);
            versions.committed.extend(version.map(|version| (group.clone(), version)));
        }
    }

    /// Removes and returns the versions accepted since the last call, by group.
    pub fn drain(&self) -> BTreeMap<String, GroupVersion> {
        std::mem::take(&mut self.lock().committed)
    }
}

//! Versions of behaviours that users send while a run in real time lasts. The plan's own deeds go on from them: who joins
//! later has them too, and a configuration that changes leaves them be.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Map, Value};
use wasmote_engine::Component;
use wasmote_sim::behaviour::Spawn;

use super::watched::{SharedAccount, WatchedSpawn};
use crate::config::Group;
use crate::plan::spawner;

/// What users sent, shared by those who roll it out and the hand that carries out the script.
pub struct Sent {
    account: SharedAccount,
    versions: Mutex<Versions>,
}

#[derive(Default)]
struct Versions {
    /// Of groups that the script has changed.
    configs: BTreeMap<String, Map<String, Value>>,
    on_trial: BTreeMap<String, Version>,
    taken: BTreeMap<String, Version>,
}

/// A group's version.
pub struct Version {
    /// What it is.
    pub component: Component,
    /// What makes its instances.
    pub maker: Arc<WatchedSpawn>,
}

impl Sent {
    /// Nothing yet.
    pub fn new(account: SharedAccount) -> Self {
        Self { account, versions: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Versions> {
        self.versions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A group's configuration is another from now on.
    pub fn configured(&self, group: &Group) {
        self.lock().configs.insert(group.name.clone(), group.config.clone());
    }

    /// What makes a group's instances of this version, which may yet be taken back.
    pub fn try_on(&self, group: &Group, component: &Component) -> Arc<dyn Spawn> {
        let mut versions = self.lock();
        let config = versions.configs.get(&group.name).unwrap_or(&group.config).clone();
        let spawn = spawner(&Group { config, ..group.clone() }, component);
        let maker = Arc::new(WatchedSpawn::new(spawn, self.account.clone()));
        let version = Version { component: component.clone(), maker: Arc::clone(&maker) };
        versions.on_trial.insert(group.name.clone(), version);
        maker
    }

    /// The version that was tried last has stood its trial in these groups.
    pub fn take(&self, groups: &[String]) {
        let mut versions = self.lock();
        for group in groups {
            let version = versions.on_trial.remove(group);
            versions.taken.extend(version.map(|version| (group.clone(), version)));
        }
    }

    /// What was taken since the last time, by group.
    pub fn news(&self) -> BTreeMap<String, Version> {
        std::mem::take(&mut self.lock().taken)
    }
}

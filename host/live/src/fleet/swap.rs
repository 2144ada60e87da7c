//! Another version of a behaviour for devices that run: canaries first, then one by one.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use wasmote_sim::behaviour::Spawn;
use wasmote_sim::device::Upgrade;
use wasmote_sim::device_id::DeviceId;

use super::{AskError, Fleet};
use crate::shard::Stand;

/// What to roll out, and how carefully.
#[derive(Clone)]
pub struct Rollout {
    /// Devices by position, each with what makes its new version's instances, in the order in which they
    /// swap. One of each group, the first that runs, is a canary.
    pub devices: Vec<(usize, Arc<dyn Spawn>)>,
    /// How long the canaries run before the others follow. A trap in this time brings the old version back,
    /// on each device. Zero for no canaries.
    pub trial: Duration,
}

/// What became of a rollout.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rolled {
    /// Devices that went first.
    pub canaries: Vec<DeviceId>,
    /// Devices that have the new version.
    pub swapped: u64,
    /// Devices that swap when their hang is over.
    pub waiting: u64,
    /// Devices that keep the old version although the canaries did well.
    pub refused: u64,
    /// Why the first of these does.
    pub first_refusal: Option<(DeviceId, String)>,
}

/// Why the old version stays everywhere.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RolloutError {
    /// A canary did not do well.
    #[error("the canary `{device}` failed: {problem}")]
    Canary {
        /// Which.
        device: DeviceId,
        /// What happened to it.
        problem: String,
    },
    /// The fleet is shutting down.
    #[error(transparent)]
    Ask(#[from] AskError),
}

/// How often canaries are looked at.
const LOOK: Duration = Duration::from_millis(100);

/// A device that has swapped, and what it was made by before.
struct Moved {
    position: usize,
    stood: Stand,
    spawn: Arc<dyn Spawn>,
}

impl Fleet {
    /// Move devices to another version, with their connections up. If a canary fails, all that have moved
    /// are moved back, and no other is touched.
    pub async fn roll_out(&self, rollout: Rollout) -> Result<Rolled, RolloutError> {
        self.check_open()?;
        let canaries = self.canaries(&rollout).await?;
        let mut rolled = Rolled::default();
        let mut moved = Vec::with_capacity(canaries.len());
        for (position, spawn) in &canaries {
            rolled.canaries.push(self.name_of(*position));
            let (stood, stands) = self.swap_one(*position, spawn, rollout.trial).await?;
            moved.push(Moved { position: *position, stood, spawn: Arc::clone(spawn) });
            if !Arc::ptr_eq(&stands.spawn, spawn) && !stands.waits {
                let problem = stands.problem.unwrap_or_else(|| "it kept the old version".into());
                return Err(self.take_back(moved, *position, problem).await);
            }
        }
        if let Some((position, problem)) = self.observe(&moved, rollout.trial).await? {
            return Err(self.take_back(moved, position, problem).await);
        }
        let first: BTreeSet<usize> = canaries.iter().map(|(position, _)| *position).collect();
        rolled.swapped = first.len() as u64;
        for (position, spawn) in rollout.devices.iter().filter(|(position, _)| !first.contains(position)) {
            let (_, stands) = self.swap_one(*position, spawn, rollout.trial).await?;
            if stands.waits {
                rolled.waiting += 1;
            } else if Arc::ptr_eq(&stands.spawn, spawn) {
                rolled.swapped += 1;
            } else {
                rolled.refused += 1;
                let why = || (self.name_of(*position), stands.problem.unwrap_or_default());
                rolled.first_refusal.get_or_insert_with(why);
            }
        }
        Ok(rolled)
    }

    /// Move these devices, by position, to another version without canaries, as a plan says it.
    pub async fn swap(&self, devices: &[usize], upgrade: &Upgrade) -> Result<(), AskError> {
        self.check_open()?;
        for position in devices {
            self.swap_one(*position, &upgrade.spawn, upgrade.trial).await?;
        }
        Ok(())
    }

    /// The first of each group that runs; there may be none.
    async fn canaries(&self, rollout: &Rollout) -> Result<Vec<(usize, Arc<dyn Spawn>)>, AskError> {
        let devices = self.devices();
        let mut groups = BTreeSet::new();
        let mut canaries = Vec::new();
        if rollout.trial.is_zero() {
            return Ok(canaries);
        }
        for (position, spawn) in &rollout.devices {
            let Some(device) = devices.get(*position) else { continue };
            if groups.contains(&*device.group) {
                continue;
            }
            let (shard, index) = self.place(*position);
            if self.call(shard, move |shard| shard.stand(index)).await?.is_awake {
                groups.insert(&*device.group);
                canaries.push((*position, Arc::clone(spawn)));
            }
        }
        Ok(canaries)
    }

    /// Watch canaries for a while. The first that does not do well, and why.
    async fn observe(&self, moved: &[Moved], trial: Duration) -> Result<Option<(usize, String)>, AskError> {
        let end = Instant::now() + trial;
        while !moved.is_empty() {
            for it in moved {
                let (shard, index) = self.place(it.position);
                let stands = self.call(shard, move |shard| shard.stand(index)).await?;
                let left = !Arc::ptr_eq(&stands.spawn, &it.spawn) && !stands.waits;
                if left || stands.failed.is_some() || stands.traps > it.stood.traps {
                    let why = stands.problem.or(stands.failed);
                    return Ok(Some((it.position, why.unwrap_or_else(|| "its behaviour trapped".into()))));
                }
            }
            if Instant::now() >= end {
                break;
            }
            sleep(LOOK.min(end - Instant::now())).await;
        }
        Ok(None)
    }

    /// Back to what they were before. One that cannot go back with what it knows now starts again.
    async fn take_back(&self, moved: Vec<Moved>, failed: usize, problem: String) -> RolloutError {
        for Moved { position, stood, .. } in moved {
            let back = self.swap_one(position, &stood.spawn, Duration::ZERO).await;
            if let Ok((_, stands)) = back
                && !Arc::ptr_eq(&stands.spawn, &stood.spawn)
            {
                let (shard, index) = self.place(position);
                let _ = self.call(shard, move |shard| shard.restart_with(index, stood.spawn)).await;
            }
        }
        RolloutError::Canary { device: self.name_of(failed), problem }
    }

    async fn swap_one(
        &self,
        position: usize,
        spawn: &Arc<dyn Spawn>,
        trial: Duration,
    ) -> Result<(Stand, Stand), AskError> {
        let (shard, index) = self.place(position);
        let upgrade = Upgrade { spawn: Arc::clone(spawn), trial };
        self.call(shard, move |shard| shard.swap(index, upgrade)).await
    }

    fn name_of(&self, position: usize) -> DeviceId {
        self.devices()[position].id.clone()
    }
}

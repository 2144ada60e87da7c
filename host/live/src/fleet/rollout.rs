//! Another version of a behaviour for devices that run: canaries first, then one by one.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use wasmote_mqtt::device_id::DeviceId;
use wasmote_sim::behaviour::BehaviourFactory;
use wasmote_sim::device::Upgrade;

use super::{Fleet, FleetError};
use crate::shard::SwapStatus;

/// What to roll out, and how carefully.
#[derive(Clone)]
pub struct Rollout {
    /// Devices by position, each with what makes its new version's instances, in the order in which they
    /// swap. One of each group, the first that runs, is a canary.
    pub devices: Vec<(usize, Arc<dyn BehaviourFactory>)>,
    /// How long the canaries run before the others follow. A trap in this time brings the old version back,
    /// on each device. Zero for no canaries.
    pub trial: Duration,
}

/// What became of a rollout.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RolloutReport {
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
    Fleet(#[from] FleetError),
}

/// How often canaries are looked at.
const CANARY_POLL_INTERVAL: Duration = Duration::from_millis(100);

/// A device that has swapped, and what it was made by before.
struct SwappedDevice {
    position: usize,
    before: SwapStatus,
    factory: Arc<dyn BehaviourFactory>,
}

impl Fleet {
    /// Move devices to another version, with their connections up. If a canary fails, all that have moved
    /// are moved back, and no other is touched.
    pub async fn roll_out(&self, rollout: Rollout) -> Result<RolloutReport, RolloutError> {
        self.check_open()?;
        let canaries = self.canaries(&rollout).await?;
        let mut report = RolloutReport::default();
        let mut swapped_devices = Vec::with_capacity(canaries.len());
        for (position, factory) in &canaries {
            report.canaries.push(self.device_id(*position));
            let (before, status) = self.swap_device(*position, factory, rollout.trial).await?;
            swapped_devices.push(SwappedDevice { position: *position, before, factory: Arc::clone(factory) });
            if !Arc::ptr_eq(&status.factory, factory) && !status.is_pending {
                let problem = status.swap_error.unwrap_or_else(|| "it kept the old version".into());
                return Err(self.roll_back(swapped_devices, *position, problem).await);
            }
        }
        if let Some((position, problem)) = self.watch_canaries(&swapped_devices, rollout.trial).await? {
            return Err(self.roll_back(swapped_devices, position, problem).await);
        }
        let canary_positions: BTreeSet<usize> = canaries.iter().map(|(position, _)| *position).collect();
        report.swapped = canary_positions.len() as u64;
        for (position, factory) in
            rollout.devices.iter().filter(|(position, _)| !canary_positions.contains(position))
        {
            let (_, status) = self.swap_device(*position, factory, rollout.trial).await?;
            if status.is_pending {
                report.waiting += 1;
            } else if Arc::ptr_eq(&status.factory, factory) {
                report.swapped += 1;
            } else {
                report.refused += 1;
                let why = || (self.device_id(*position), status.swap_error.unwrap_or_default());
                report.first_refusal.get_or_insert_with(why);
            }
        }
        Ok(report)
    }

    /// Move these devices, by position, to another version without canaries, as a plan says it.
    pub async fn swap(&self, devices: &[usize], upgrade: &Upgrade) -> Result<(), FleetError> {
        self.check_open()?;
        for position in devices {
            self.swap_device(*position, &upgrade.factory, upgrade.trial).await?;
        }
        Ok(())
    }

    /// The first of each group that runs; there may be none.
    async fn canaries(
        &self,
        rollout: &Rollout,
    ) -> Result<Vec<(usize, Arc<dyn BehaviourFactory>)>, FleetError> {
        let devices = self.devices();
        let mut groups = BTreeSet::new();
        let mut canaries = Vec::new();
        if rollout.trial.is_zero() {
            return Ok(canaries);
        }
        for (position, factory) in &rollout.devices {
            let Some(device) = devices.get(*position) else { continue };
            if groups.contains(&*device.group) {
                continue;
            }
            let (shard, index) = self.locate(*position);
            if self.call(shard, move |shard| shard.swap_status(index)).await?.is_responsive {
                groups.insert(&*device.group);
                canaries.push((*position, Arc::clone(factory)));
            }
        }
        Ok(canaries)
    }

    /// Watch canaries for a while. The first that does not do well, and why.
    async fn watch_canaries(
        &self,
        swapped_devices: &[SwappedDevice],
        trial: Duration,
    ) -> Result<Option<(usize, String)>, FleetError> {
        let end = Instant::now() + trial;
        while !swapped_devices.is_empty() {
            for it in swapped_devices {
                let (shard, index) = self.locate(it.position);
                let status = self.call(shard, move |shard| shard.swap_status(index)).await?;
                let left = !Arc::ptr_eq(&status.factory, &it.factory) && !status.is_pending;
                if left || status.start_error.is_some() || status.traps > it.before.traps {
                    let why = status.swap_error.or(status.start_error);
                    return Ok(Some((it.position, why.unwrap_or_else(|| "its behaviour trapped".into()))));
                }
            }
            if Instant::now() >= end {
                break;
            }
            sleep(CANARY_POLL_INTERVAL.min(end - Instant::now())).await;
        }
        Ok(None)
    }

    /// Back to what they were before. One that cannot go back with what it knows now starts again.
    async fn roll_back(
        &self,
        swapped_devices: Vec<SwappedDevice>,
        failed: usize,
        problem: String,
    ) -> RolloutError {
        for SwappedDevice { position, before, .. } in swapped_devices {
            let back = self.swap_device(position, &before.factory, Duration::ZERO).await;
            if let Ok((_, status)) = back
                && !Arc::ptr_eq(&status.factory, &before.factory)
            {
                let (shard, index) = self.locate(position);
                let _ = self.call(shard, move |shard| shard.restart_with(index, before.factory)).await;
            }
        }
        RolloutError::Canary { device: self.device_id(failed), problem }
    }

    async fn swap_device(
        &self,
        position: usize,
        factory: &Arc<dyn BehaviourFactory>,
        trial: Duration,
    ) -> Result<(SwapStatus, SwapStatus), FleetError> {
        let (shard, index) = self.locate(position);
        let upgrade = Upgrade { factory: Arc::clone(factory), trial };
        self.call(shard, move |shard| shard.swap(index, upgrade)).await
    }

    fn device_id(&self, position: usize) -> DeviceId {
        self.devices()[position].id.clone()
    }
}

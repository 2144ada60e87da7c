//! Rollout of a new behaviour version to running devices: canaries first, then one device after another.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use wasmote_mqtt::device_id::DeviceId;
use wasmote_sim::behaviour::BehaviourFactory;
use wasmote_sim::device::Upgrade;

use super::{Fleet, FleetError};
use crate::shard::SwapStatus;

/// Rollout of a new version.
#[derive(Clone)]
pub struct Rollout {
    /// Devices by position, each with the behaviour factory of the new version, in the order of the swaps.
    /// The first running device of each group is a canary.
    pub devices: Vec<(usize, Arc<dyn BehaviourFactory>)>,
    /// Trial time of the canaries before the others follow. A trap in this time restores the old version, on
    /// each device. Zero for no canaries.
    pub trial: Duration,
}

/// Result of a rollout.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RolloutReport {
    /// Canaries of the rollout.
    pub canaries: Vec<DeviceId>,
    /// Devices with the new version.
    pub swapped: u64,
    /// Devices whose swap waits for the end of a hang.
    pub waiting: u64,
    /// Devices that keep the old version although the canaries passed.
    pub refused: u64,
    /// First of these devices, with the reason.
    pub first_refusal: Option<(DeviceId, String)>,
}

/// Step of a rollout that has begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RolloutStep {
    /// These devices try the new version.
    Canaries(Vec<DeviceId>),
    /// The other devices follow; so many have swapped or kept their version.
    Others(u64),
}

/// Reason that a rollout was rolled back.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RolloutError {
    /// A canary failed.
    #[error("the canary `{device}` failed: {problem}")]
    Canary {
        /// The canary.
        device: DeviceId,
        /// Reason of the failure.
        problem: String,
    },
    /// The fleet is shutting down.
    #[error(transparent)]
    Fleet(#[from] FleetError),
}

/// Interval between two checks of the canaries.
const CANARY_POLL_INTERVAL: Duration = Duration::from_millis(100);

/// Device that was swapped, and its status before.
struct SwappedDevice {
    position: usize,
    before: SwapStatus,
    factory: Arc<dyn BehaviourFactory>,
}

impl Fleet {
    /// Swaps devices to another version while they stay connected. If a canary fails, all swapped devices are
    /// rolled back, and the others keep their version.
    pub async fn roll_out(&self, rollout: Rollout) -> Result<RolloutReport, RolloutError> {
        self.roll_out_in_steps(rollout, |_| {}).await
    }

    /// Does the same, and reports each step.
    pub async fn roll_out_in_steps(
        &self,
        rollout: Rollout,
        report_step: impl Fn(RolloutStep) + Send + Sync,
    ) -> Result<RolloutReport, RolloutError> {
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
        report_step(RolloutStep::Canaries(report.canaries.clone()));
        if let Some((position, problem)) = self.watch_canaries(&swapped_devices, rollout.trial).await? {
            return Err(self.roll_back(swapped_devices, position, problem).await);
        }
        let canary_positions: BTreeSet<usize> = canaries.iter().map(|(position, _)| *position).collect();
        report.swapped = canary_positions.len() as u64;
        for (position, factory) in
            rollout.devices.iter().filter(|(position, _)| !canary_positions.contains(position))
        {
            report_step(RolloutStep::Others(report.swapped + report.waiting + report.refused));
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

    /// Swaps devices, by position, without canaries, for an action of a plan's timeline.
    pub async fn swap(&self, devices: &[usize], upgrade: &Upgrade) -> Result<(), FleetError> {
        self.check_open()?;
        for position in devices {
            self.swap_device(*position, &upgrade.factory, upgrade.trial).await?;
        }
        Ok(())
    }

    /// First running device of each group; empty without a trial.
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

    /// Watches canaries for the trial time. Returns the first that fails, and the reason.
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

    /// Restores the old versions. A device that cannot swap back with its state starts again without it.
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

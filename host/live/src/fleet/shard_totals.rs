//! Totals of the shards, with a bound on the wait for a busy one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::sleep;

use super::FleetError;
use crate::shard::{Job, Shard, ShardTotals};

/// Latest totals of one shard. Clones share them.
#[derive(Clone, Debug)]
pub(super) struct LatestTotals {
    latest: watch::Sender<Option<Arc<ShardTotals>>>,
    /// Whether a job that computes the totals waits in the shard's queue. Further callers wait for the same job.
    is_queued: Arc<AtomicBool>,
}

impl Default for LatestTotals {
    fn default() -> Self {
        Self { latest: watch::Sender::new(None), is_queued: Arc::default() }
    }
}

impl LatestTotals {
    /// Computes the totals. It runs in the shard.
    fn compute(&self, shard: &mut Shard) {
        self.is_queued.store(false, Ordering::Release);
        self.latest.send_replace(Some(Arc::new(shard.totals())));
    }

    /// Totals of the shard after all earlier calls. If the shard does not answer in time, its last known totals, and
    /// `false`.
    pub(super) async fn request(
        &self,
        shard: &mpsc::UnboundedSender<Job>,
        wait: Duration,
    ) -> Result<(Option<Arc<ShardTotals>>, bool), FleetError> {
        let mut latest = self.latest.subscribe();
        if !self.is_queued.swap(true, Ordering::AcqRel) {
            let totals = self.clone();
            let sent = shard.send(Box::new(move |shard| totals.compute(shard)));
            sent.map_err(|_| FleetError::Closed)?;
        }
        let is_current = tokio::select! {
            biased;
            changed = latest.changed() => changed.is_ok(),
            () = shard.closed() => return Err(FleetError::Closed),
            () = sleep(wait) => false,
        };
        let known = latest.borrow().clone();
        Ok((known, is_current))
    }
}

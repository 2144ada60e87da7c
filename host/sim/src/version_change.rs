//! Change of a behaviour's version, and the reasons for which a device refuses one.

use crate::behaviour::{Trap, TrapKind, Version};

/// Change from one version to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionChange {
    /// The old version.
    pub from: Version,
    /// The new version.
    pub to: Version,
}

/// Reason for which the old version stays.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SwapRefusal {
    /// The old version gave no snapshot.
    #[error("the old version gave no snapshot: {}", trap_text(.0))]
    Snapshot(Trap),
    /// The new version could not be instantiated.
    #[error("the new version could not be made: {}", trap_text(.0))]
    Instantiate(Trap),
    /// `start` of the new version failed.
    #[error("the new version did not start: {}", trap_text(.0))]
    Start(Trap),
    /// `restore` of the new version failed.
    #[error("the new version did not restore the old one's snapshot: {}", trap_text(.0))]
    Restore(Trap),
}

/// Text of a trap; for a refusal, only the guest's own text.
fn trap_text(trap: &Trap) -> String {
    match trap.kind {
        TrapKind::Refused => trap.message.clone(),
        _ => trap.to_string(),
    }
}

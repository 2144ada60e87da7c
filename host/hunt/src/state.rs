//! State of a hunt: what a later hunt needs to go on.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use wasmote_results::{JsonFile, read_json_if_exists, write_json};

use super::search::Outcome;

/// `hunt.json` in the folder of a hunt.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HuntState {
    /// Name of the plan.
    pub plan: String,
    /// SHA-256 of the plan with its references expanded, and of its components.
    pub sha256: String,
    /// Seed of the hunt.
    pub seed: u64,
    /// Whether the hunt has ended.
    pub complete: bool,
    /// Runs and findings so far.
    #[serde(flatten)]
    pub outcome: Outcome,
}

impl JsonFile for HuntState {
    const FILE: &'static str = "hunt.json";
}

impl HuntState {
    /// Writes the state.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        write_json(folder, self)
    }
}

/// Folder of a hunt. A new hunt gets a folder of its own; one that goes on uses the last folder of the same plan and
/// seed, and returns its state.
pub fn open(out: &Path, fresh: &HuntState, resume: bool) -> io::Result<(PathBuf, Option<HuntState>)> {
    let base = format!("hunt_{}_seed{}", fresh.plan, fresh.seed);
    let name = |number: u32| if number == 1 { base.clone() } else { format!("{base}_{number}") };
    let mut number = 1;
    let mut last = None;
    while out.join(name(number)).exists() {
        let folder = out.join(name(number));
        let known: Option<HuntState> = read_json_if_exists(&folder).unwrap_or_default();
        if let Some(known) = known.filter(|known| known.sha256 == fresh.sha256) {
            last = Some((folder, known));
        }
        number += 1;
    }
    match last.filter(|_| resume) {
        Some((folder, known)) => Ok((folder, Some(known))),
        None => {
            let folder = out.join(name(number));
            std::fs::create_dir_all(&folder)?;
            Ok((folder, None))
        }
    }
}

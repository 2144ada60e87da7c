//! Resolution of the options about where components come from.

use std::path::Path;

use wasmote_registry::cache;
use wasmote_registry::fetcher::{DEFAULT_TIME, FetchOptions, Fetcher};
use wasmote_registry::signature::BehaviourKey;

use super::{CURRENT_DIR, Layers};
use crate::config::ConfigError;
use crate::config::options::{GivenOptions, Options};
use crate::fault_models::FaultModels;
use crate::regular_file;

/// The fetcher of a run.
pub(super) fn fetcher(layers: &Layers<'_>) -> Result<Fetcher, ConfigError> {
    let key = match (&layers.given.flags.behaviour_key, &layers.given.file.behaviour_key) {
        (Some(key), _) => Some(read_key(key, Path::new(CURRENT_DIR))?),
        (None, Some(key)) => Some(read_key(key, layers.folder)?),
        (None, None) => None,
    };
    Ok(Fetcher::new(FetchOptions {
        downloads: layers.path(|it| &it.downloads).or_else(cache::default_dir),
        plain_http: layers.list(|it| &it.plain_http).to_vec(),
        key,
        time: layers.get(|it| &it.download_time).map_or(DEFAULT_TIME, |time| time.0),
        offline: false,
    }))
}

/// The fetcher that flags describe, without a file.
pub fn fetcher_of_flags(flags: &Options) -> Result<Fetcher, ConfigError> {
    fetcher(&Layers {
        given: GivenOptions { flags: flags.clone(), file: Options::default() },
        folder: Path::new(CURRENT_DIR),
        name: String::new(),
        models: FaultModels::default(),
        credentials: std::sync::Arc::default(),
    })
}

/// Reads a key: its text, or the file that holds it.
fn read_key(text: &str, folder: &Path) -> Result<BehaviourKey, ConfigError> {
    const SETTING: &str = "--behaviour-key";
    if let Some(key) = BehaviourKey::parse(text) {
        return Ok(key);
    }
    let path = folder.join(text);
    let content = regular_file::read_text(&path).map_err(|problem| {
        let problem = format!(
            "`{text}` is no public key of minisign, and cannot be read as a file with one: {problem}"
        );
        ConfigError::invalid(SETTING, problem)
    })?;
    BehaviourKey::parse(&content).ok_or_else(|| {
        let problem =
            format!("`{}` holds no public key of minisign; `minisign -G` makes one", path.display());
        ConfigError::invalid(SETTING, problem)
    })
}

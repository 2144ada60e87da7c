//! The folder of compiled code: that of the user, so that a machine compiles a component once, or another one, or none.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use wasmote_engine::cache::Cache;

/// Size of the default folder. Code of Python takes 60 MB.
const DEFAULT_MAX_BYTES: u64 = 1 << 30;
/// Name that stands for no cache.
const OFF: &str = "off";

/// The cache in a folder that the user chose, or by default in that of the user.
pub fn cache(chosen: Option<&Path>, max_bytes: Option<u64>) -> Cache {
    let of_user = || default_folder(env::var_os("XDG_CACHE_HOME"), env::var_os("HOME"));
    match chosen {
        Some(folder) if folder.file_name().is_some_and(|name| name == OFF) => Cache::default(),
        Some(folder) => Cache { dir: Some(folder.to_owned()), max_bytes, ..Cache::default() },
        None => Cache {
            dir: of_user(),
            max_bytes: Some(max_bytes.unwrap_or(DEFAULT_MAX_BYTES)),
            is_default: true,
            ..Cache::default()
        },
    }
}

/// The cache of programs that have no such options, by the environment variable of the option.
pub fn of_environment() -> Cache {
    let chosen = env::var_os("WASMOTE_CACHE").filter(|folder| !folder.is_empty()).map(PathBuf::from);
    cache(chosen.as_deref(), None)
}

fn default_folder(cache_home: Option<OsString>, home: Option<OsString>) -> Option<PathBuf> {
    let absolute = |folder: Option<OsString>| folder.map(PathBuf::from).filter(|folder| folder.is_absolute());
    let folder = absolute(cache_home).or_else(|| Some(absolute(home)?.join(".cache")))?;
    Some(folder.join("wasmote"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_folder_is_that_of_the_user() {
        let of = |cache: Option<&str>, home: Option<&str>| {
            default_folder(cache.map(Into::into), home.map(Into::into))
        };
        assert_eq!(of(Some("/c"), Some("/h")), Some("/c/wasmote".into()));
        assert_eq!(of(None, Some("/h")), Some("/h/.cache/wasmote".into()));
        assert_eq!(of(Some("relative"), Some("/h")), Some("/h/.cache/wasmote".into()));
        assert_eq!(of(Some(""), None), None);
    }

    #[test]
    fn a_chosen_folder_has_the_size_for_a_pod_and_off_is_none() {
        let chosen = cache(Some(Path::new("/tmp/x")), None);
        assert_eq!((chosen.dir, chosen.max_bytes, chosen.is_default), (Some("/tmp/x".into()), None, false));
        assert_eq!(cache(Some(Path::new("/tmp/x")), Some(5)).max_bytes, Some(5));
        for off in ["off", "/etc/wasmote/off"] {
            assert_eq!(cache(Some(Path::new(off)), None), Cache::default());
        }
    }
}

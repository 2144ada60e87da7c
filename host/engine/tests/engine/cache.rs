//! Code cache: compiled code is stored and loaded again, and files that others could have written are
//! rejected.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

use wasmote_engine::cache::{Cache, Origin, PrecompileError, Precompiled};
use wasmote_engine::{CompileMode, Component, Engine};

use crate::guests;

struct TestCache {
    folder: tempfile::TempDir,
    bytes: Vec<u8>,
}

impl TestCache {
    /// A cache with one compiled component.
    fn populated() -> Self {
        let test_cache =
            Self { folder: tempfile::tempdir().unwrap(), bytes: guests::well_behaved().component() };
        assert_eq!(test_cache.load().origin(), Origin::Compiled);
        test_cache
    }

    fn load(&self) -> Component {
        let cache = Cache { dir: Some(self.folder.path().to_owned()), precompiled: None, ..Cache::default() };
        Engine::with_cache(cache).unwrap().load("guest", &self.bytes).unwrap()
    }

    fn dir(&self) -> PathBuf {
        only_entry(self.folder.path())
    }

    fn file(&self) -> PathBuf {
        only_entry(&self.dir())
    }

    /// Asserts that the component is compiled again for this reason.
    fn assert_recompiled(&self, reason: &str) {
        let component = self.load();
        let warnings: Vec<String> = component.cache_warnings().iter().map(ToString::to_string).collect();
        assert_eq!(component.origin(), Origin::Compiled, "{warnings:?}");
        assert!(warnings[0].contains(reason), "{warnings:?}");
    }
}

fn only_entry(folder: &Path) -> PathBuf {
    let entries: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(entries.len(), 1, "{entries:?}");
    entries.into_iter().next().unwrap()
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn compiled_code_is_stored_privately_and_loaded_again() {
    let test_cache = TestCache::populated();
    assert_eq!((mode(&test_cache.dir()), mode(&test_cache.file())), (0o700, 0o600));
    let reloaded = test_cache.load();
    assert_eq!(reloaded.origin(), Origin::Cached);
    assert!(reloaded.cache_warnings().is_empty());
    let compiled = Engine::new().unwrap().load("guest", &test_cache.bytes).unwrap();
    assert_eq!(reloaded.inspect(), compiled.inspect());
}

#[test]
fn a_damaged_truncated_or_renamed_file_is_recompiled_and_replaced() {
    for (name, corrupt, reason) in [
        ("a bit", (|bytes: &mut Vec<u8>| *bytes.last_mut().unwrap() ^= 1) as fn(&mut Vec<u8>), "damaged"),
        ("the second half", |bytes| bytes.truncate(bytes.len() / 2), "damaged or incomplete"),
        ("all but the start", |bytes| bytes.truncate(20), "no compiled component"),
        ("all bytes", Vec::clear, "no compiled component"),
        ("the component hash", |bytes| bytes[30] ^= 1, "of another component"),
    ] {
        let test_cache = TestCache::populated();
        let mut bytes = fs::read(test_cache.file()).unwrap();
        corrupt(&mut bytes);
        fs::write(test_cache.file(), bytes).unwrap();
        test_cache.assert_recompiled(reason);
        assert_eq!(test_cache.load().origin(), Origin::Cached, "{name}");
    }
}

#[test]
fn code_of_another_engine_is_recompiled() {
    let test_cache = TestCache::populated();
    let foreign = wasmtime::Engine::new(wasmtime::Config::new().consume_fuel(false)).unwrap();
    let code = foreign.precompile_component(&test_cache.bytes).unwrap();
    let kept = fs::read(test_cache.file()).unwrap();
    // The code hash is right, as in a file of an earlier release.
    let head = &kept[..b"wasmote compiled component 1\n".len() + 32];
    let hash: [u8; 32] =
        sha2::Digest::finalize(sha2::Digest::chain_update(<sha2::Sha256 as sha2::Digest>::new(), &code))
            .into();
    fs::write(test_cache.file(), [head, &hash, &code].concat()).unwrap();
    test_cache.assert_recompiled("was compiled anew");
    assert_eq!(test_cache.load().origin(), Origin::Cached);
}

#[test]
fn files_writable_by_others_are_not_loaded() {
    let test_cache = TestCache::populated();
    set_mode(&test_cache.file(), 0o620);
    test_cache.assert_recompiled("its permissions are 620");

    let test_cache = TestCache::populated();
    set_mode(&test_cache.dir(), 0o777);
    test_cache.assert_recompiled("its permissions are 777");

    let test_cache = TestCache::populated();
    let elsewhere = test_cache.folder.path().parent().unwrap().join(format!("moved-{}", std::process::id()));
    fs::rename(test_cache.file(), &elsewhere).unwrap();
    let dir = test_cache.dir();
    symlink(&elsewhere, dir.join(cached_file_name(&test_cache))).unwrap();
    test_cache.assert_recompiled("a link");
    fs::remove_file(elsewhere).unwrap();
}

/// File name of the cached code.
fn cached_file_name(test_cache: &TestCache) -> String {
    let other = TestCache { folder: tempfile::tempdir().unwrap(), bytes: test_cache.bytes.clone() };
    other.load();
    other.file().file_name().unwrap().to_string_lossy().into_owned()
}

#[test]
fn files_of_another_user_are_not_loaded() {
    let test_cache = TestCache::populated();
    if chown(test_cache.file(), Some(65_534), None).is_err() {
        // Only root can change the owner.
        return;
    }
    test_cache.assert_recompiled("it belongs to user 65534");
}

#[test]
fn an_unwritable_cache_still_compiles() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let engine =
        Engine::with_cache(Cache { dir: Some(file), precompiled: None, ..Cache::default() }).unwrap();
    let component = engine.load("guest", &guests::well_behaved().component()).unwrap();
    assert_eq!(component.origin(), Origin::Compiled);
    assert!(component.cache_warnings().iter().any(|warning| warning.to_string().contains("cannot be kept")));
}

/// A pod whose volume exceeds its limit is evicted.
#[test]
fn the_oldest_files_are_evicted_first() {
    let test_cache = TestCache::populated();
    let kept = test_cache.file();
    // Sparse files: they use no disk blocks, but their length counts.
    let filler = |name: &str, bytes: u64| {
        let path = test_cache.dir().join(name);
        fs::File::create(&path).unwrap().set_len(bytes).unwrap();
        path
    };
    let old = filler("old.cwasm", 40 << 20);
    let long_ago = std::time::SystemTime::UNIX_EPOCH;
    fs::File::options().write(true).open(&old).unwrap().set_modified(long_ago).unwrap();
    let young = filler("young.cwasm", 30 << 20);
    let other = Engine::with_cache(Cache {
        dir: Some(test_cache.folder.path().to_owned()),
        precompiled: None,
        ..Cache::default()
    })
    .unwrap();
    other.load("guest", &guests::trapping().component()).unwrap();
    assert!(!old.exists() && young.exists() && kept.exists());
    assert_eq!(test_cache.load().origin(), Origin::Cached);
}

#[test]
fn a_file_of_more_than_half_of_the_cache_displaces_no_other() {
    let test_cache = TestCache::populated();
    let size = fs::metadata(test_cache.file()).unwrap().len();
    let load = |bytes: &[u8], max_bytes| {
        let dir = Some(test_cache.folder.path().to_owned());
        let cache = Cache { dir, max_bytes: Some(max_bytes), ..Cache::default() };
        let component = Engine::with_cache(cache).unwrap().load("guest", bytes).unwrap();
        (component.origin(), component.cache_warnings().iter().map(ToString::to_string).collect::<String>())
    };
    let other = guests::trapping().component();
    let (_, warnings) = load(&other, size + size / 2);
    assert!(warnings.contains("more than half of the") && warnings.contains("--cache-size"), "{warnings}");
    let (_, warnings) = load(&other, size / 2);
    assert!(warnings.contains("holds at most") && warnings.contains("--cache-size"), "{warnings}");
    assert_eq!(test_cache.load().origin(), Origin::Cached);
    assert_eq!(load(&other, 3 * size), (Origin::Compiled, String::new()));
    assert_eq!(load(&other, 3 * size), (Origin::Cached, String::new()));
    assert_eq!(test_cache.load().origin(), Origin::Cached);
}

#[test]
fn code_in_use_is_deleted_last() {
    let test_cache = TestCache::populated();
    let long_ago = std::time::SystemTime::UNIX_EPOCH;
    fs::File::options().write(true).open(test_cache.file()).unwrap().set_modified(long_ago).unwrap();
    assert_eq!(test_cache.load().origin(), Origin::Cached);
    assert!(fs::metadata(test_cache.file()).unwrap().modified().unwrap() > long_ago);
}

#[test]
fn quick_code_is_cached_separately() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = guests::well_behaved().component();
    let origin = |mode| {
        let cache = Cache { dir: Some(folder.path().to_owned()), precompiled: None, ..Cache::default() };
        Engine::with_compile_mode(mode, cache).unwrap().load("guest", &bytes).unwrap().origin()
    };
    assert_eq!(origin(CompileMode::Quick), Origin::Compiled);
    assert_eq!(origin(CompileMode::Quick), Origin::Cached);
    // An engine in full mode does not load quick code.
    assert_eq!(origin(CompileMode::Full), Origin::Compiled);
    assert_eq!(origin(CompileMode::Full), Origin::Cached);
}

#[test]
fn precompiled_code_is_loaded_and_not_modified() {
    let precompiled = tempfile::tempdir().unwrap();
    let bytes = guests::well_behaved().component();
    let Precompiled { path, .. } = precompile(&bytes, precompiled.path()).unwrap();
    let before = fs::read(&path).unwrap();
    let cache = Cache { precompiled: Some(precompiled.path().to_owned()), ..Cache::default() };
    let component = Engine::with_cache(cache.clone()).unwrap().load("guest", &bytes).unwrap();
    assert_eq!(component.origin(), Origin::Precompiled, "{:?}", component.cache_warnings());
    // Precompiled code is loaded in every compile mode.
    let quick =
        Engine::with_compile_mode(CompileMode::Quick, cache.clone()).unwrap().load("guest", &bytes).unwrap();
    assert_eq!(quick.origin(), Origin::Precompiled, "{:?}", quick.cache_warnings());
    set_mode(precompiled.path(), 0o777);
    let component = Engine::with_cache(cache).unwrap().load("guest", &bytes).unwrap();
    assert_eq!(component.origin(), Origin::Compiled);
    assert_eq!(fs::read(path).unwrap(), before);
}

fn precompile(bytes: &[u8], folder: &Path) -> Result<Precompiled, PrecompileError> {
    Engine::new().unwrap().precompile("guest", bytes, folder)
}

/// An init container starts again after a failure, and a Job may run on the same volume as an earlier one.
#[test]
fn code_that_is_there_is_kept_and_foreign_or_damaged_code_is_replaced_with_a_reason() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("deep/er");
    let bytes = guests::well_behaved().component();
    let first = precompile(&bytes, &folder).unwrap();
    assert!(!first.up_to_date && first.warning.is_none());
    assert_eq!((mode(&folder), mode(&first.path)), (0o755, 0o644));
    let code = fs::read(&first.path).unwrap();
    let again = precompile(&bytes, &folder).unwrap();
    assert!(again.up_to_date && again.path == first.path);
    type Change = fn(&mut Vec<u8>);
    let foreign: Change = |bytes| {
        let engine = wasmtime::Engine::new(wasmtime::Config::new().consume_fuel(false)).unwrap();
        let code = engine.precompile_component(&guests::well_behaved().component()).unwrap();
        bytes.truncate(b"wasmote compiled component 1\n".len() + 32);
        bytes.extend(<sha2::Sha256 as sha2::Digest>::digest(&code));
        bytes.extend(code);
    };
    for (change, reason) in [
        ((|bytes: &mut Vec<u8>| *bytes.last_mut().unwrap() ^= 1) as Change, "it is damaged or incomplete"),
        (|bytes| bytes.truncate(bytes.len() / 2), "it is damaged or incomplete"),
        (|bytes| bytes[30] ^= 1, "it is of another component"),
        (|bytes| *bytes = b"something else".to_vec(), "it is no compiled component"),
        (foreign, "was compiled anew"),
    ] {
        let mut changed = code.clone();
        change(&mut changed);
        fs::write(&first.path, changed).unwrap();
        let replaced = precompile(&bytes, &folder).unwrap();
        let warning = replaced.warning.expect("a reason").to_string();
        assert!(warning.contains(reason) && warning.contains("cwasm"), "{warning}");
        assert_eq!(fs::read(&first.path).unwrap(), code, "{reason}");
    }
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "no temporary file is left");
}

/// The folder of a volume in a pod is open to all.
#[test]
fn code_is_not_written_where_no_program_would_use_it() {
    let parent = tempfile::tempdir().unwrap();
    set_mode(parent.path(), 0o777);
    let bytes = guests::well_behaved().component();
    let problem = precompile(&bytes, parent.path()).unwrap_err().to_string();
    assert!(
        problem.contains("its permissions are 777") && problem.contains("a new folder below it"),
        "{problem}"
    );
    assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);
    assert!(precompile(&bytes, &parent.path().join("own")).is_ok());
    let problem = precompile(b"no component", &parent.path().join("other")).unwrap_err().to_string();
    assert!(problem.contains("this is no WebAssembly"), "{problem}");
}

//! Compiled code is kept and taken again, and whatever others could have written is not.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

use wasmote_engine::cache::{Cache, Origin, precompile};
use wasmote_engine::{Component, Effort, Engine};

use crate::guests;

struct Shelf {
    folder: tempfile::TempDir,
    bytes: Vec<u8>,
}

impl Shelf {
    /// With one component that was compiled and kept.
    fn stocked() -> Self {
        let shelf = Self { folder: tempfile::tempdir().unwrap(), bytes: guests::well_behaved().component() };
        assert_eq!(shelf.load().origin(), Origin::Compiled);
        shelf
    }

    fn load(&self) -> Component {
        let cache = Cache { own: Some(self.folder.path().to_owned()), shipped: None };
        Engine::with_cache(cache).unwrap().load("guest", &self.bytes).unwrap()
    }

    fn own(&self) -> PathBuf {
        only_entry(self.folder.path())
    }

    fn file(&self) -> PathBuf {
        only_entry(&self.own())
    }

    /// It is compiled anew and says why, and the next start finds what that left.
    fn assert_distrusted(&self, why: &str) {
        let component = self.load();
        let problems: Vec<String> = component.cache_problems().iter().map(ToString::to_string).collect();
        assert_eq!(component.origin(), Origin::Compiled, "{problems:?}");
        assert!(problems[0].contains(why), "{problems:?}");
    }
}

fn only_entry(folder: &Path) -> PathBuf {
    let entries: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(entries.len(), 1, "{entries:?}");
    entries.into_iter().next().unwrap()
}

fn permit(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn what_was_compiled_is_kept_for_us_alone_and_found_again() {
    let shelf = Shelf::stocked();
    assert_eq!((mode(&shelf.own()), mode(&shelf.file())), (0o700, 0o600));
    let again = shelf.load();
    assert_eq!(again.origin(), Origin::Cached);
    assert!(again.cache_problems().is_empty());
    let compiled = Engine::new().unwrap().load("guest", &shelf.bytes).unwrap();
    assert_eq!(again.inspect(), compiled.inspect());
}

#[test]
fn a_file_that_is_damaged_cut_short_or_renamed_is_compiled_anew_and_mended() {
    for (name, spoil, why) in [
        ("a bit", (|bytes: &mut Vec<u8>| *bytes.last_mut().unwrap() ^= 1) as fn(&mut Vec<u8>), "damaged"),
        ("its half", |bytes| bytes.truncate(bytes.len() / 2), "damaged or incomplete"),
        ("all but its head", |bytes| bytes.truncate(20), "no compiled component"),
        ("everything", Vec::clear, "no compiled component"),
        ("whose it is", |bytes| bytes[30] ^= 1, "of another component"),
    ] {
        let shelf = Shelf::stocked();
        let mut bytes = fs::read(shelf.file()).unwrap();
        spoil(&mut bytes);
        fs::write(shelf.file(), bytes).unwrap();
        shelf.assert_distrusted(why);
        assert_eq!(shelf.load().origin(), Origin::Cached, "{name}");
    }
}

#[test]
fn code_of_another_engine_is_compiled_anew() {
    let shelf = Shelf::stocked();
    let foreign = wasmtime::Engine::new(wasmtime::Config::new().consume_fuel(false)).unwrap();
    let code = foreign.precompile_component(&shelf.bytes).unwrap();
    let kept = fs::read(shelf.file()).unwrap();
    // Its own hash is right, as it would be in a file of an earlier release.
    let head = &kept[..b"wasmote compiled component 1\n".len() + 32];
    let hash: [u8; 32] =
        sha2::Digest::finalize(sha2::Digest::chain_update(<sha2::Sha256 as sha2::Digest>::new(), &code))
            .into();
    fs::write(shelf.file(), [head, &hash, &code].concat()).unwrap();
    shelf.assert_distrusted("was compiled anew");
    assert_eq!(shelf.load().origin(), Origin::Cached);
}

#[test]
fn what_others_could_have_written_is_not_taken() {
    let shelf = Shelf::stocked();
    permit(&shelf.file(), 0o620);
    shelf.assert_distrusted("its permissions are 620");

    let shelf = Shelf::stocked();
    permit(&shelf.own(), 0o777);
    shelf.assert_distrusted("its permissions are 777");

    let shelf = Shelf::stocked();
    let elsewhere = shelf.folder.path().parent().unwrap().join(format!("moved-{}", std::process::id()));
    fs::rename(shelf.file(), &elsewhere).unwrap();
    let own = shelf.own();
    symlink(&elsewhere, own.join(shelf_name(&shelf))).unwrap();
    shelf.assert_distrusted("a link");
    fs::remove_file(elsewhere).unwrap();
}

/// The name that the only component's code has.
fn shelf_name(shelf: &Shelf) -> String {
    let other = Shelf { folder: tempfile::tempdir().unwrap(), bytes: shelf.bytes.clone() };
    other.load();
    other.file().file_name().unwrap().to_string_lossy().into_owned()
}

#[test]
fn what_belongs_to_somebody_else_is_not_taken() {
    let shelf = Shelf::stocked();
    if chown(shelf.file(), Some(65_534), None).is_err() {
        // Only root can give files away.
        return;
    }
    shelf.assert_distrusted("it belongs to user 65534");
}

#[test]
fn a_cache_that_cannot_be_written_to_costs_nothing_but_time() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let engine = Engine::with_cache(Cache { own: Some(file), shipped: None }).unwrap();
    let component = engine.load("guest", &guests::well_behaved().component()).unwrap();
    assert_eq!(component.origin(), Origin::Compiled);
    assert!(component.cache_problems().iter().any(|problem| problem.to_string().contains("cannot be kept")));
}

/// A pod whose folder grows beyond its limit is evicted.
#[test]
fn the_oldest_go_before_the_cache_takes_too_much() {
    let shelf = Shelf::stocked();
    let kept = shelf.file();
    // Sparse: they take no room on the disk, but count.
    let filler = |name: &str, bytes: u64| {
        let path = shelf.own().join(name);
        fs::File::create(&path).unwrap().set_len(bytes).unwrap();
        path
    };
    let old = filler("old.cwasm", 40 << 20);
    let long_ago = std::time::SystemTime::UNIX_EPOCH;
    fs::File::options().write(true).open(&old).unwrap().set_modified(long_ago).unwrap();
    let young = filler("young.cwasm", 30 << 20);
    let other =
        Engine::with_cache(Cache { own: Some(shelf.folder.path().to_owned()), shipped: None }).unwrap();
    other.load("guest", &guests::trapper().component()).unwrap();
    assert!(!old.exists() && young.exists() && kept.exists());
    assert_eq!(shelf.load().origin(), Origin::Cached);
}

#[test]
fn code_that_was_made_quickly_is_kept_beside_the_other() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = guests::well_behaved().component();
    let origin = |effort| {
        let cache = Cache { own: Some(folder.path().to_owned()), shipped: None };
        Engine::compiling(effort, cache).unwrap().load("guest", &bytes).unwrap().origin()
    };
    assert_eq!(origin(Effort::Quick), Origin::Compiled);
    assert_eq!(origin(Effort::Quick), Origin::Cached);
    // Who wants fast code does not make do with it.
    assert_eq!(origin(Effort::Full), Origin::Compiled);
    assert_eq!(origin(Effort::Full), Origin::Cached);
}

#[test]
fn what_was_compiled_ahead_is_taken_and_left_as_it_is() {
    let shipped = tempfile::tempdir().unwrap();
    let bytes = guests::well_behaved().component();
    let path = precompile(&bytes, shipped.path()).unwrap();
    let before = fs::read(&path).unwrap();
    let cache = Cache { shipped: Some(shipped.path().to_owned()), own: None };
    let component = Engine::with_cache(cache.clone()).unwrap().load("guest", &bytes).unwrap();
    assert_eq!(component.origin(), Origin::Shipped, "{:?}", component.cache_problems());
    // Whatever the effort that this engine would put into it itself.
    let quick = Engine::compiling(Effort::Quick, cache.clone()).unwrap().load("guest", &bytes).unwrap();
    assert_eq!(quick.origin(), Origin::Shipped, "{:?}", quick.cache_problems());
    permit(shipped.path(), 0o777);
    let component = Engine::with_cache(cache).unwrap().load("guest", &bytes).unwrap();
    assert_eq!(component.origin(), Origin::Compiled);
    assert_eq!(fs::read(path).unwrap(), before);
}

//! Full and read-only disks.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::live_run::{LiveRun, Setup, assert_readable, plan};
use crate::program::{wasmote, wasmote_after};

/// A file system in memory, mounted on a folder.
struct Disk {
    folder: TempDir,
}

impl Disk {
    /// Mounts a disk of this size; `None` if this user may not mount.
    fn mount(kib: u32) -> Option<Self> {
        let disk = Self { folder: tempfile::tempdir().expect("a folder") };
        let options = format!("size={kib}k");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "tmpfs"])
            .arg(disk.path())
            .stderr(Stdio::null())
            .status();
        if mounted.is_ok_and(|status| status.success()) {
            return Some(disk);
        }
        assert!(std::env::var_os("CI").is_none(), "CI runs as root, which may mount");
        println!("not tested: this user may not mount a file system");
        None
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn make_read_only(&self) {
        let mounted = Command::new("mount")
            .args(["-o", "remount,ro"])
            .arg(self.path())
            .status()
            .expect("mount is there");
        assert!(mounted.success());
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

/// Copies results to a disk with space, to read them.
fn copied(folder: &Path) -> (TempDir, PathBuf) {
    let copy = tempfile::tempdir().expect("a folder");
    let copied = Command::new("cp").arg("-r").arg(folder).arg(copy.path()).status().expect("cp is there");
    assert!(copied.success());
    let path = copy.path().join(folder.file_name().expect("a name"));
    (copy, path)
}

#[test]
fn a_disk_that_fills_during_a_run_in_real_time() {
    // The components of the results take about 300 KiB.
    let Some(disk) = Disk::mount(512) else { return };
    let mut run = LiveRun::spawn(&Setup { out: Some(disk.path().to_owned()), ..Setup::default() });
    run.wait_until("the results are begun", Duration::from_secs(60), |run| {
        run.get("/status", Duration::from_secs(5)).is_some()
    });
    // Something else fills the disk: the write fails when no space is left.
    let filler = disk.path().join("filler");
    let _ = fs::write(&filler, vec![0; 1 << 20]);
    assert_eq!(run.end(), Some(1));
    let stderr = run.stderr.to_end().join("\n");
    assert!(stderr.contains("error: cannot write") && stderr.contains("No space left on device"), "{stderr}");
    fs::remove_file(&filler).expect("it exists");
    let (_copy, folder) = copied(&run.results());
    let manifest = fs::read_to_string(folder.join("manifest.json")).expect("a manifest");
    assert!(manifest.contains("\"complete\": false"), "{manifest}");
    assert_readable(&folder);
}

#[test]
fn a_disk_that_fills_during_a_run_in_virtual_time() {
    let Some(disk) = Disk::mount(768) else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("plan.toml");
    fs::write(&file, plan()).expect("a file");
    let args =
        ["experiment", "run", file.to_str().expect("a path"), "--out", disk.path().to_str().expect("a path")];
    // With a line for each message, so that the disk is full soon.
    let output = wasmote(&args).args(["--set", "log_messages=on"]).output().expect("the program starts");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("error: cannot write") && stderr.contains("No space left on device"), "{stderr}");
    let results =
        fs::read_dir(disk.path()).expect("results").next().expect("a folder").expect("an entry").path();
    let (_copy, folder) = copied(&results);
    assert_readable(&folder);
}

#[test]
fn a_read_only_disk_for_results() {
    let Some(disk) = Disk::mount(512) else { return };
    disk.make_read_only();
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("plan.toml");
    fs::write(&file, plan()).expect("a file");
    let out = disk.path().join("out");
    let args = ["experiment", "run", file.to_str().expect("a path"), "--out", out.to_str().expect("a path")];
    let output = wasmote(&args).output().expect("the program starts");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("cannot write") && stderr.contains("Read-only file system"), "{stderr}");
    assert!(stderr.contains(out.to_str().expect("a path")), "{stderr}");
}

/// Devices run, and the log says why their code is compiled again at every start.
#[test]
fn a_full_or_read_only_disk_for_the_cache() {
    for is_read_only in [false, true] {
        let Some(disk) = Disk::mount(64) else { return };
        if is_read_only {
            disk.make_read_only();
        } else {
            // The write fails when no space is left.
            let _ = fs::write(disk.path().join("filler"), vec![0; 1 << 20]);
        }
        let cache = disk.path().join("cache");
        let output = wasmote(&["run", "--http", "127.0.0.1:0", "--broker", "embedded:0", "--duration", "2s"])
            .args(["--cache", cache.to_str().expect("a path")])
            .output()
            .expect("the program starts");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{stderr}");
        let reason = if is_read_only { "Read-only file system" } else { "No space left on device" };
        assert!(stderr.lines().any(|line| line.contains("WARN") && line.contains(reason)), "{stderr}");
    }
}

/// Output that is lost is a failure, and not a success with an empty file.
#[test]
fn stdout_on_a_full_disk() {
    for args in [
        &["experiment", "list"][..],
        &["experiment", "list", "--json"],
        &["schema", "plan"],
        &["behaviours", "list"],
        &["run", "--http", "127.0.0.1:0", "--broker", "embedded:0", "--duration", "1s", "--faults", "none"],
    ] {
        let output = wasmote_after("exec > /dev/full", args).output().expect("the program starts");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{args:?}: {stderr}");
        let expected = "error: cannot write to stdout: No space left on device";
        assert!(stderr.contains(expected), "{args:?}: {stderr}");
    }
    // A reader that has seen enough is no failure.
    let output = wasmote(&["schema", "plan"]).stdout(closed_pipe()).output().expect("the program starts");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A pipe without a reader.
fn closed_pipe() -> Stdio {
    let mut child = Command::new("true").stdin(Stdio::piped()).spawn().expect("true is there");
    let pipe = child.stdin.take().expect("a pipe");
    child.wait().expect("it ends");
    pipe.into()
}

/// Log lines that are lost do not stop the devices.
#[test]
fn stderr_on_a_full_disk() {
    let args =
        ["run", "--http", "127.0.0.1:0", "--broker", "embedded:0", "--duration", "2s", "--faults", "none"];
    let output = wasmote_after("exec 2> /dev/full", &args).output().expect("the program starts");
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{stdout}");
    assert!(stdout.contains("devices ran"), "{stdout}");
}

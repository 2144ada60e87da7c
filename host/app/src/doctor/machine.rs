//! Checks of the system: what it lets a process have.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use wasmote_fleet::config::Settings;
use wasmote_fleet::config::values::{BrokerChoice, HttpAddress};
use wasmote_fleet::preflight::{self, PreflightError};
use wasmote_fleet::startup;

use super::Finding;

const MIB: u64 = 1 << 20;
/// Memory of the process without devices.
const PROGRAM_BYTES: u64 = 24 * MIB;
/// Memory of a device without that of its behaviour.
const DEVICE_BYTES: u64 = 64 << 10;
/// Memories up to this size share mappings; a larger one has some of its own.
const SHARED_BYTES: u64 = 256 << 10;
/// Mappings of a device with a larger memory.
const MAPPINGS_PER_DEVICE: u64 = 4;
/// Mappings of the process without devices, with room for its heap and threads.
const PROGRAM_MAPPINGS: u64 = 2_000;
/// Space on a disk below which results do not fit for long.
const SMALL_DISK: u64 = 1 << 30;
/// Space on a disk below which nothing works.
const FULL_DISK: u64 = 50 * MIB;
/// Delay of a timer beyond which live latencies say more about the machine than about the fleet.
const LATE_TIMER: Duration = Duration::from_millis(20);

/// Descriptors, ports and interfaces, as a run checks them itself; then threads.
pub fn limits_of_a_run(settings: &Settings) -> Vec<Finding> {
    let devices = settings.devices();
    let mut findings = match preflight::check(settings) {
        Ok(warnings) => {
            let allowed = preflight::allowed_descriptors();
            let found = format!("this process may open {allowed}, enough for {devices} devices");
            let first = Finding::ok("descriptors", found);
            let warning = |text: String| {
                Finding::warning("load", text, "see the text, or use fewer devices (--devices)")
            };
            std::iter::once(first).chain(warnings.into_iter().map(warning)).collect()
        }
        Err(problem @ PreflightError::Descriptors(_)) => {
            vec![Finding::failed(
                "descriptors",
                problem.to_string(),
                "raise the hard limit: `ulimit -Hn`, or LimitNOFILE= in a service",
            )]
        }
        Err(problem) => {
            vec![Finding::failed("interface", problem.to_string(), "`ip link` lists the interfaces")]
        }
    };
    findings.push(match preflight::check_threads() {
        Ok(()) => Finding::ok("threads", "the system gives as many as a run needs"),
        Err(problem) => {
            Finding::failed("threads", problem.to_string(), "raise `ulimit -u`, or pids.max of the container")
        }
    });
    findings
}

/// The ports of the HTTP API and of the embedded broker.
pub fn ports(settings: &Settings) -> Vec<Finding> {
    let given = settings.given.get(|it| &it.http);
    let mut findings = vec![match startup::listen(given.unwrap_or_default()) {
        Ok((_, address)) => Finding::ok("http port", format!("{address} is free")),
        Err(problem) => {
            let HttpAddress(address) = given.unwrap_or_default();
            let fix = format!(
                "stop what listens on {address}, or use another port: --http 127.0.0.1:0 takes a free one"
            );
            Finding::problem(given.is_some(), "http port", problem.to_string(), fix)
        }
    }];
    if let BrokerChoice::Embedded(port) = settings.broker {
        findings.push(match TcpListener::bind(("127.0.0.1", port)) {
            Ok(_) => Finding::ok("broker port", format!("{port} is free for the embedded broker")),
            Err(problem) => {
                let found =
                    format!("{port} cannot be used: {problem}; the embedded broker takes another one");
                Finding::warning("broker port", found, "name a free port with --broker embedded:PORT")
            }
        });
    }
    findings
}

/// Memory mappings. `behaviour_bytes` is the memory of the largest behaviour at its start.
pub fn mappings(devices: u64, behaviour_bytes: u64) -> Option<Finding> {
    let limit = fs::read_to_string("/proc/sys/vm/max_map_count").ok()?.trim().parse().ok()?;
    Some(mappings_within(limit, devices, behaviour_bytes))
}

fn mappings_within(limit: u64, devices: u64, behaviour_bytes: u64) -> Finding {
    let per_device = if behaviour_bytes > SHARED_BYTES { MAPPINGS_PER_DEVICE } else { 0 };
    // Devices with small memories share mappings, 256 in each.
    let needed = PROGRAM_MAPPINGS + devices.div_ceil(256) + devices.saturating_mul(per_device);
    let found = format!(
        "{devices} devices need about {needed} memory mappings, and the system gives a process {limit}"
    );
    match needed > limit {
        true => {
            let fix = format!("sudo sysctl -w vm.max_map_count={}", needed.next_power_of_two());
            Finding::failed("mappings", found, fix)
        }
        false => Finding::ok("mappings", found),
    }
}

/// Memory: that of the container, or else what the system has left.
pub fn memory(devices: u64, behaviour_bytes: u64) -> Option<Finding> {
    let available = available_memory()?;
    let container = container_number("memory.max", "memory/memory.limit_in_bytes");
    let (limit, whose) = match container.filter(|limit| *limit < available) {
        Some(limit) => (limit, "the container has"),
        None => (available, "the system has left"),
    };
    Some(memory_within(limit, whose, devices, behaviour_bytes))
}

fn memory_within(limit: u64, whose: &str, devices: u64, behaviour_bytes: u64) -> Finding {
    let needed = PROGRAM_BYTES + devices.saturating_mul(DEVICE_BYTES + behaviour_bytes);
    let found =
        format!("{devices} devices need about {} MiB, and {whose} {} MiB", needed.div_ceil(MIB), limit / MIB);
    match needed > limit {
        true => Finding::failed(
            "memory",
            found,
            "use fewer devices (--devices), share them among machines (--shard), or raise the limit of the container",
        ),
        false => Finding::ok("memory", found),
    }
}

fn available_memory() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    Some(line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()? << 10)
}

/// A number in a file of the control group, of version 2 or 1.
fn container_number(file: &str, old_file: &str) -> Option<u64> {
    let folder = Path::new("/sys/fs/cgroup");
    let number = |file: &str| fs::read_to_string(folder.join(file)).ok()?.trim().parse().ok();
    number(file).or_else(|| number(old_file))
}

/// Processors that this process may use.
pub fn processors() -> Finding {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let share = fs::read_to_string("/sys/fs/cgroup/cpu.max").ok().as_deref().and_then(share_of_processor);
    match share.filter(|share| *share < 0.5) {
        Some(share) => Finding::warning(
            "processors",
            format!("the container has {share:.2} of a processor, so compiling and real time are slow"),
            "raise the CPU limit of the container, precompile behaviours (`wasmote behaviours precompile`), or use --compile quick",
        ),
        None => Finding::ok("processors", format!("{cores} can be used")),
    }
}

/// The share of processors in `cpu.max` of a control group.
fn share_of_processor(text: &str) -> Option<f64> {
    let (quota, period) = text.trim().split_once(' ')?;
    Some(quota.parse::<f64>().ok()? / period.parse::<f64>().ok()?)
}

/// Space for results, downloads and temporary files.
#[cfg(unix)]
pub fn disks(downloads: Option<PathBuf>) -> Vec<Finding> {
    let folders = [
        Some(("results", PathBuf::from("."))),
        downloads.map(|folder| ("downloads", folder)),
        Some(("temporary files", std::env::temp_dir())),
    ];
    folders.into_iter().flatten().filter_map(|(what, folder)| disk(what, &folder)).collect()
}

/// Space for results, downloads and temporary files; not known on this system.
#[cfg(not(unix))]
pub fn disks(_: Option<PathBuf>) -> Vec<Finding> {
    Vec::new()
}

#[cfg(unix)]
fn disk(what: &str, folder: &Path) -> Option<Finding> {
    let existing = folder.ancestors().find(|folder| folder.exists())?;
    let existing = if existing.as_os_str().is_empty() { Path::new(".") } else { existing };
    let disk = rustix::fs::statvfs(existing).ok()?;
    // Some file systems have no limit of files, and report none.
    let has_files = disk.f_files == 0 || disk.f_favail > 0;
    Some(disk_with(what, folder, disk.f_bavail.saturating_mul(disk.f_frsize), has_files))
}

#[cfg(unix)]
fn disk_with(what: &str, folder: &Path, left: u64, has_files: bool) -> Finding {
    let folder = folder.display();
    let found = format!("{} MiB are left for {what} in `{folder}`", left / MIB);
    match (left, has_files) {
        (_, false) => Finding::failed(
            "disk",
            format!("the disk of `{folder}` takes no more files"),
            "delete files there",
        ),
        (..FULL_DISK, _) => Finding::failed(
            "disk",
            found,
            "delete files, or choose another folder (--out, --downloads, TMPDIR)",
        ),
        (..SMALL_DISK, _) => Finding::warning(
            "disk",
            found,
            "long experiments write more; choose another folder with --out or --downloads",
        ),
        _ => Finding::ok("disk", found),
    }
}

/// The date, which certificates need, and how late timers are.
pub fn clock() -> Vec<Finding> {
    let program = std::env::current_exe().and_then(fs::metadata).and_then(|file| file.modified());
    let mut findings = Vec::new();
    if let Ok(made) = program {
        findings.push(date(SystemTime::now(), made));
    }
    let mut latest = Duration::ZERO;
    for _ in 0..20 {
        let began = Instant::now();
        std::thread::sleep(Duration::from_millis(1));
        latest = latest.max(began.elapsed().saturating_sub(Duration::from_millis(1)));
    }
    findings.push(timers(latest));
    findings
}

fn date(now: SystemTime, program: SystemTime) -> Finding {
    /// File systems and clocks differ by some seconds.
    const TOLERANCE: Duration = Duration::from_secs(60);
    match now + TOLERANCE < program {
        true => Finding::warning(
            "clock",
            "the date is before that of this program, so certificates may count as not valid yet",
            "set the date, as with `timedatectl set-ntp true`",
        ),
        false => Finding::ok("clock", "the date is plausible"),
    }
}

fn timers(latest: Duration) -> Finding {
    let found = format!("the latest of 20 timers was {:.1} ms late", latest.as_secs_f64() * 1_000.0);
    match latest > LATE_TIMER {
        true => Finding::warning(
            "timers",
            found,
            "stop other programs, or use virtual time: latencies in real time would be those of this machine",
        ),
        false => Finding::ok("timers", found),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    #[test]
    fn what_is_scarce_is_found_with_its_fix() {
        let verdict = |finding: Finding| (finding.verdict, finding.fix.unwrap_or_default());
        assert_eq!(mappings_within(65_530, 10_000, 65_536).verdict, Verdict::Ok);
        let (failed, fix) = verdict(mappings_within(65_530, 20_000, 8 << 20));
        assert_eq!((failed, fix.as_str()), (Verdict::Failed, "sudo sysctl -w vm.max_map_count=131072"));
        assert_eq!(memory_within(64 * MIB, "the container has", 100, 65_536).verdict, Verdict::Ok);
        let (failed, fix) = verdict(memory_within(64 * MIB, "the container has", 1_000, 65_536));
        assert!(failed == Verdict::Failed && fix.contains("--shard"), "{fix}");
        assert_eq!(timers(Duration::from_millis(1)).verdict, Verdict::Ok);
        assert_eq!(timers(Duration::from_millis(50)).verdict, Verdict::Warning);
        let now = SystemTime::now();
        assert_eq!(date(now, now + Duration::from_secs(86_400)).verdict, Verdict::Warning);
        assert_eq!(date(now, now + Duration::from_secs(5)).verdict, Verdict::Ok);
        assert_eq!(share_of_processor("50000 100000\n"), Some(0.5));
        assert_eq!(share_of_processor("max 100000\n"), None);
    }

    #[test]
    #[cfg(unix)]
    fn a_full_disk_fails_and_a_small_one_warns() {
        let verdict = |left, has_files| disk_with("results", Path::new("."), left, has_files).verdict;
        assert_eq!(verdict(10 << 30, true), Verdict::Ok);
        assert_eq!(verdict(500 * MIB, true), Verdict::Warning);
        assert_eq!(verdict(10 * MIB, true), Verdict::Failed);
        assert_eq!(verdict(10 << 30, false), Verdict::Failed);
    }
}

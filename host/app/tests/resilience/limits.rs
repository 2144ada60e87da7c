//! Limits of descriptors, threads and memory.

use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::lines::{DEFAULT_TIMEOUT, Lines};
use crate::live_run::{LiveRun, Setup, assert_readable};
use crate::program::wasmote_after;
use crate::scripted_broker::ScriptedBroker;

/// Clients of the HTTP API take all descriptors. Their number has a limit, and the check before a run leaves descriptors for
/// them, so the limit of descriptors falls during the run.
#[test]
fn out_of_descriptors() {
    let broker = ScriptedBroker::start(|_| Ok(()));
    let run = LiveRun::start(&Setup { broker: broker.url(), ..Setup::default() });
    run.wait_for_messages();
    let before = run.usage();
    let lowered = Command::new("prlimit").args(["--pid", &run.id().to_string(), "--nofile=70:70"]).status();
    assert!(lowered.expect("util-linux is installed").success());
    let clients: Vec<TcpStream> =
        (0..200).map_while(|_| TcpStream::connect(run.http_address()).ok()).collect();
    run.stderr.wait_for("cannot accept connections: Too many open files");
    // Devices that lose their connection now cannot open another, and say so.
    broker.set_hostile(true);
    broker.set_hostile(false);
    std::thread::sleep(Duration::from_secs(2));
    drop(clients);
    run.wait_until_connected();
    run.wait_for_messages();
    run.assert_recovered(before);
    run.stop();
}

/// No limit makes the program hang or panic: it runs, or ends with words. Rust's allocator ends a process that it has no
/// memory for, with SIGABRT.
#[test]
fn a_start_with_little_memory_ends_with_words() {
    for mib in [100, 150, 200, 250, 300, 400, 500, 700, 1_000, 2_000, 4_000] {
        let shell = format!("ulimit -c 0; ulimit -v {}", mib * 1024);
        let args = ["run", "--http", "127.0.0.1:0", "--broker", "embedded:0", "--duration", "1s", "-n", "3"];
        let mut child = wasmote_after(&shell, &args).spawn().expect("the shell starts");
        let stderr = Lines::of(child.stderr.take().expect("a pipe"));
        let stdout = Lines::of(child.stdout.take().expect("a pipe"));
        let began = Instant::now();
        let status = loop {
            match child.try_wait().expect("the process can be waited for") {
                Some(status) => break status,
                None if began.elapsed() > DEFAULT_TIMEOUT => {
                    child.kill().expect("it runs");
                    panic!("with {mib} MiB the program does not end:\n{}", stderr.all().join("\n"));
                }
                None => std::thread::sleep(Duration::from_millis(20)),
            }
        };
        let stderr = stderr.to_end().join("\n");
        // The first is the standard library's, the second the Wasm engine's, whose thread panics.
        let is_out_of_memory =
            ["memory allocation of", "out-of-memory error"].iter().any(|it| stderr.contains(it));
        assert!(
            status.code().is_some_and(|code| code < 3) || is_out_of_memory,
            "with {mib} MiB: {status}: {stderr}{}",
            stdout.to_end().join("\n")
        );
        let named = ["memory", "thread", "os error 12", "Cannot allocate"];
        assert!(
            status.success() || named.iter().any(|word| stderr.contains(word)),
            "with {mib} MiB: {stderr}"
        );
    }
}

/// A limit that is set during a run, as when a container's is lowered.
#[test]
fn out_of_memory_during_a_run() {
    let mut run = LiveRun::start(&Setup { shell: "ulimit -c 0".into(), ..Setup::default() });
    run.wait_for_messages();
    let before = run.usage();
    let id = run.id().to_string();
    let limit = |soft: &str| {
        let set = Command::new("prlimit")
            .args(["--pid", &id, &format!("--as={soft}:")])
            .status()
            .expect("prlimit is there");
        assert!(set.success());
    };
    limit("1000000");
    // Each request needs memory.
    for _ in 0..30 {
        let _ = run.get("/devices", Duration::from_secs(1));
    }
    if run.get("/healthz", Duration::from_secs(5)).is_some() {
        limit("unlimited");
        run.wait_until_connected();
        run.wait_for_messages();
        run.assert_recovered(before);
        return run.stop();
    }
    // The allocator ended the process.
    assert_ne!(run.end(), Some(0));
    let stderr = run.stderr.to_end().join("\n");
    assert!(stderr.contains("memory"), "{stderr}");
    assert_readable(&run.results());
}

/// A control group with a limit of memory, as that of a container. Dropping it deletes it.
struct MemoryGroup {
    folder: PathBuf,
    limit_file: &'static str,
}

impl MemoryGroup {
    /// A group without a limit; `None` where this user may not create one.
    fn create() -> Option<Self> {
        let name = format!("wasmote-test-{}", std::process::id());
        [("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")]
            .into_iter()
            .map(|(parent, limit_file)| Self { folder: Path::new(parent).join(&name), limit_file })
            .find(|group| {
                fs::create_dir(&group.folder).is_ok() && group.folder.join(group.limit_file).exists()
            })
    }

    fn write(&self, file: &str, text: &str) -> std::io::Result<()> {
        fs::write(self.folder.join(file), text)
    }
}

impl Drop for MemoryGroup {
    fn drop(&mut self) {
        // Processes leave a group some time after their end.
        let end = Instant::now() + DEFAULT_TIMEOUT;
        while self.folder.exists() && fs::remove_dir(&self.folder).is_err() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// The kernel kills a process whose container has no memory left, without a chance for words. The results say then that the
/// run has no end, and can be read.
#[test]
fn a_container_without_memory_leaves_results_that_can_be_read() {
    let Some(group) = MemoryGroup::create() else {
        return eprintln!("not tested: this user may not create a control group with a limit of memory");
    };
    let mut run = LiveRun::start(&Setup::default());
    run.wait_for_messages();
    group.write("cgroup.procs", &run.id().to_string()).expect("the process joins the group");
    // Memory that the process has already belongs to its former group; the new one has next to none for it.
    group.write(group.limit_file, "262144").expect("a limit");
    let end = Instant::now() + DEFAULT_TIMEOUT;
    while run.get("/devices", Duration::from_secs(1)).is_some() {
        assert!(Instant::now() < end, "the limit has no effect");
    }
    assert_eq!(run.end(), None, "killed by a signal: {}", run.stderr.all().join("\n"));
    let results = run.results();
    let manifest = fs::read_to_string(results.join("manifest.json")).expect("a manifest");
    let manifest: serde_json::Value = serde_json::from_str(&manifest).expect("JSON");
    assert_eq!(manifest["complete"], false, "{manifest:#}");
    assert_readable(&results);
}

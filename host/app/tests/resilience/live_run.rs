//! An experiment in real time, run by the built program, with its descriptors, memory and results.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::lines::{DEFAULT_TIMEOUT, Lines};
use crate::port::free_port;
use crate::program::{wasmote, wasmote_after};

/// Memory that a process may keep after a fault, for caches and fragmentation.
const MEMORY_TOLERANCE: u64 = 48 << 20;
/// Descriptors that may stay open for a moment after a fault, such as those of a request.
const DESCRIPTOR_TOLERANCE: usize = 3;

/// Settings of a run.
#[derive(Default)]
pub struct Setup {
    /// URL of the broker; the embedded one if it is empty.
    pub broker: String,
    /// Folder for results; one of the test's own if there is none.
    pub out: Option<PathBuf>,
    /// Command of a shell before the program starts, such as `ulimit -n 80`.
    pub shell: String,
    pub environment: Vec<(&'static str, String)>,
}

pub struct LiveRun {
    child: Child,
    url: String,
    out: PathBuf,
    pub stderr: Lines,
    stdout: Lines,
    _folder: TempDir,
}

/// Open descriptors and resident bytes of a process.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    descriptors: usize,
    resident: u64,
}

/// Number of devices in a run.
pub const DEVICES: u64 = 8;

/// Plan of a run that ends by a signal.
pub fn plan() -> String {
    format!(
        "name = \"resilience\"\nduration = \"20h\"\ninterval = \"1s\"\nlog_messages = \"off\"\nkeepalive = \"5s\"\n\
         [[group]]\nbehaviour = \"heartbeat\"\ncount = {DEVICES}\nconfig = {{ interval = \"200ms\", qos = 1, peers = 2 }}\n"
    )
}

impl LiveRun {
    /// Starts a run, and waits until every device is connected.
    pub fn start(setup: &Setup) -> Self {
        let run = Self::spawn(setup);
        run.wait_until_connected();
        run
    }

    /// Starts a run.
    pub fn spawn(setup: &Setup) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let plan_file = folder.path().join("plan.toml");
        fs::write(&plan_file, plan()).expect("a file");
        let out = setup.out.clone().unwrap_or_else(|| folder.path().join("out"));
        let http = format!("127.0.0.1:{}", free_port());
        let broker = match setup.broker.as_str() {
            "" => format!("embedded:{}", free_port()),
            url => url.to_owned(),
        };
        let plan_file = plan_file.to_str().expect("a path").to_owned();
        let out_text = out.to_str().expect("a path").to_owned();
        let args = [
            "experiment",
            "run",
            &plan_file,
            "--time",
            "real",
            "--http",
            &http,
            "--out",
            &out_text,
            "--broker",
            &broker,
            "--json",
        ];
        let mut command = match setup.shell.as_str() {
            "" => wasmote(&args),
            shell => wasmote_after(shell, &args),
        };
        // The memory that the program holds is measured, without what the allocator of the C library keeps for each thread.
        command.envs([
            ("MALLOC_TRIM_THRESHOLD_", "65536"),
            ("MALLOC_TOP_PAD_", "0"),
            ("MALLOC_MMAP_THRESHOLD_", "65536"),
        ]);
        command.envs(setup.environment.iter().map(|(name, value)| (name, value)));
        let mut child = command.spawn().expect("the program starts");
        let stderr = Lines::of(child.stderr.take().expect("a pipe"));
        let stdout = Lines::of(child.stdout.take().expect("a pipe"));
        Self { child, url: format!("http://{http}"), out, stderr, stdout, _folder: folder }
    }

    /// The process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Response to a GET, if there is one within this time.
    pub fn get(&self, path: &str, timeout: Duration) -> Option<Value> {
        let output = Command::new("curl")
            .args(["-sf", "--max-time", &timeout.as_secs_f64().to_string()])
            .arg(format!("{}{path}", self.url))
            .output()
            .expect("curl is installed");
        output.status.success().then(|| serde_json::from_slice(&output.stdout).unwrap_or_default())
    }

    /// Address of the HTTP API.
    pub fn http_address(&self) -> &str {
        self.url.trim_start_matches("http://")
    }

    pub fn connected(&self) -> u64 {
        let status = self.get("/status", Duration::from_secs(5)).unwrap_or_default();
        status["states"]["connected"].as_u64().unwrap_or(0)
    }

    /// Messages that devices have sent so far.
    pub fn sent(&self) -> u64 {
        self.get("/metrics", Duration::from_secs(5)).unwrap_or_default()["sent"].as_u64().unwrap_or(0)
    }

    pub fn wait_until(&self, what: &str, timeout: Duration, condition: impl Fn(&Self) -> bool) {
        let end = Instant::now() + timeout;
        while !condition(self) {
            let lines = self.stderr.all();
            let last = &lines[lines.len().saturating_sub(20)..];
            assert!(Instant::now() < end, "not within {timeout:?}: {what}; stderr:\n{}", last.join("\n"));
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits until every device is connected; a device waits up to 30 s between two attempts.
    pub fn wait_until_connected(&self) {
        self.wait_until("every device is connected", Duration::from_secs(75), |run| {
            run.connected() == DEVICES
        });
    }

    /// Waits until devices have sent some more messages.
    pub fn wait_for_messages(&self) {
        let before = self.sent();
        self.wait_until("devices send", DEFAULT_TIMEOUT, |run| run.sent() > before + 2 * DEVICES);
    }

    pub fn usage(&self) -> Usage {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id())).expect("the process runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
        let kib: u64 = line.trim_end_matches("kB").trim().parse().expect("a number");
        let open = fs::read_dir(format!("/proc/{}/fd", self.id())).expect("the process runs").count();
        Usage { descriptors: open, resident: kib << 10 }
    }

    /// Waits until descriptors and memory are as they were.
    pub fn assert_recovered(&self, before: Usage) {
        let is_recovered = |now: Usage| {
            now.descriptors <= before.descriptors + DESCRIPTOR_TOLERANCE
                && now.resident <= before.resident + MEMORY_TOLERANCE
        };
        let end = Instant::now() + DEFAULT_TIMEOUT;
        while !is_recovered(self.usage()) {
            assert!(Instant::now() < end, "{before:?} became {:?}", self.usage());
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    pub fn signal(&self, name: &str) {
        let sent =
            Command::new("kill").args(["-s", name, &self.id().to_string()]).status().expect("kill is there");
        assert!(sent.success());
    }

    /// Waits for the end. Returns the exit code; `None` after a signal.
    pub fn end(&mut self) -> Option<i32> {
        let end = Instant::now() + DEFAULT_TIMEOUT;
        loop {
            if let Some(status) = self.child.try_wait().expect("the process can be waited for") {
                return status.code();
            }
            assert!(
                Instant::now() < end,
                "the program does not end; stderr:\n{}",
                self.stderr.all().join("\n")
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The only folder of results.
    pub fn results(&self) -> PathBuf {
        let mut folders =
            fs::read_dir(&self.out).expect("results").map(|entry| entry.expect("an entry").path());
        let folder = folders.next().expect("a folder of results");
        assert_eq!(folders.next(), None);
        folder
    }

    /// Stops the run, and checks that the ledger closes and the results can be read.
    pub fn stop(mut self) {
        self.signal("TERM");
        let code = self.end();
        assert_eq!(code, Some(130), "stderr:\n{}", self.stderr.all().join("\n"));
        let printed: Value = serde_json::from_str(&self.stdout.to_end().join("\n")).expect("JSON on stdout");
        assert_eq!(printed["runs"][0]["ledger_closes"], true, "{printed:#}");
        let ledger = fs::read_to_string(self.results().join("ledger.json")).expect("a ledger");
        let ledger: Value = serde_json::from_str(&ledger).expect("JSON");
        assert_eq!(ledger["closes"], true, "{ledger:#}");
        assert!(ledger["total"]["generated"].as_u64() > Some(0), "{ledger:#}");
        assert_readable(&self.results());
    }
}

impl Drop for LiveRun {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Checks that results have no partial line, and that a report can be written from them.
pub fn assert_readable(folder: &Path) {
    let events = fs::read_to_string(folder.join("events.ndjson")).expect("events");
    assert!(events.is_empty() || events.ends_with('\n'), "events.ndjson has a partial line");
    for line in events.lines() {
        serde_json::from_str::<Value>(line).unwrap_or_else(|error| panic!("events.ndjson: {error}: {line}"));
    }
    for table in ["timeseries.csv", "versions.csv"] {
        let text = fs::read_to_string(folder.join(table)).expect("a table");
        let columns = text.lines().next().map_or(0, |line| line.split(',').count());
        let is_whole = |line: &str| line.split(',').count() == columns;
        assert!(text.is_empty() || text.ends_with('\n') && text.lines().all(is_whole), "{table}: {text}");
    }
    let output = report(folder);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let page = fs::read_to_string(folder.join("report.html")).expect("a page");
    assert!(page.contains("resilience"));
}

fn report(folder: &Path) -> Output {
    wasmote(&["experiment", "report", folder.to_str().expect("a path")]).output().expect("the program starts")
}

//! A simulated cluster in a folder. See the script `kubectl` in this folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// A cluster and a working folder.
pub struct FakeCluster {
    folder: TempDir,
}

impl FakeCluster {
    /// Creates an empty cluster.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("cluster")).unwrap();
        Self { folder }
    }

    /// Working folder of tests and programs.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    fn cluster(&self, file: &str) -> PathBuf {
        self.path().join("cluster").join(file)
    }

    /// Injects a failure into pods: `never`, `no-logs` or `deaf`; or into objects: `denied`.
    pub fn inject(&self, kind: &str, pods: &str) {
        fs::write(self.cluster(kind), pods).unwrap();
    }

    /// Calls of `kubectl` so far.
    pub fn calls(&self) -> Vec<String> {
        let text = fs::read_to_string(self.cluster("calls")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Kinds and names of the objects.
    pub fn objects(&self) -> Vec<String> {
        let objects = fs::read_to_string(self.cluster("objects.json")).unwrap_or_else(|_| "[]".into());
        let objects: Vec<Value> = serde_json::from_str(&objects).expect("JSON");
        let name = |object: &Value| {
            let kind = object["kind"].as_str().expect("a kind").to_lowercase();
            format!("{kind}/{}", object["metadata"]["name"].as_str().expect("a name"))
        };
        objects.iter().map(name).collect()
    }

    /// True if the cluster has no objects and no pods.
    pub fn is_empty(&self) -> bool {
        let objects = fs::read_to_string(self.cluster("objects.json")).unwrap_or_else(|_| "[]".into());
        objects.trim() == "[]" && !self.cluster("pods").exists()
    }

    /// Compiled code in the cache folders of pods.
    pub fn compiled_code(&self) -> Vec<PathBuf> {
        let below = |folder: PathBuf| -> Vec<PathBuf> {
            let entries = fs::read_dir(folder).into_iter().flatten();
            entries.map(|entry| entry.unwrap().path()).collect()
        };
        let pods = below(self.cluster("pods")).into_iter();
        let caches = pods.flat_map(|pod| below(pod.join("cache")));
        caches.flat_map(below).filter(|file| file.extension().is_some_and(|it| it == "cwasm")).collect()
    }

    /// Code that init containers of pods have compiled.
    pub fn precompiled_code(&self) -> Vec<PathBuf> {
        let pods = fs::read_dir(self.cluster("pods")).into_iter().flatten();
        let folders = pods.map(|pod| pod.unwrap().path().join("compiled/code"));
        let files = folders.flat_map(|folder| fs::read_dir(folder).into_iter().flatten());
        files.map(|file| file.unwrap().path()).collect()
    }

    /// A program whose `PATH` starts with this cluster's `kubectl`.
    pub fn command(&self, program: &Path, words: &[&str]) -> Command {
        let kubectl_folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cluster");
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::iter::once(kubectl_folder).chain(std::env::split_paths(&path));
        let mut command = Command::new(program);
        command
            .args(words)
            .current_dir(self.path())
            .env("PATH", std::env::join_paths(path).unwrap())
            .env("FAKE_CLUSTER", self.path().join("cluster"))
            .env("FAKE_CLUSTER_WASMOTE", env!("CARGO_BIN_EXE_wasmote"))
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// `wasmote` with these arguments.
    pub fn wasmote(&self, words: &[&str]) -> Command {
        self.command(Path::new(env!("CARGO_BIN_EXE_wasmote")), words)
    }

    /// Runs `wasmote` to its end.
    pub fn call(&self, words: &[&str]) -> Output {
        self.wasmote(words).output().expect("the program starts")
    }

    /// Applies manifests with `kubectl`, as a user does.
    pub fn apply(&self, yaml: &str) {
        let items: Vec<Value> = serde_saphyr::from_multiple(yaml).expect("YAML");
        let list = serde_json::json!({"apiVersion": "v1", "kind": "List", "items": items});
        self.feed("apply", &["--filename", "-"], &list.to_string());
    }

    fn feed(&self, verb: &str, options: &[&str], input: &str) {
        use std::io::Write as _;
        let kubectl = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cluster/kubectl");
        let mut child = self
            .command(&kubectl, &[&[verb], options].concat())
            .stdin(Stdio::piped())
            .spawn()
            .expect("kubectl starts");
        child.stdin.take().expect("a pipe").write_all(input.as_bytes()).expect("kubectl reads stdin");
        let output = child.wait_with_output().expect("kubectl ends");
        assert!(output.status.success(), "{}", text(&output.stderr));
    }
}

impl Drop for FakeCluster {
    /// Ends the pods at the end of the test.
    fn drop(&mut self) {
        if self.cluster("pods").exists() {
            self.feed("delete", &[], "");
        }
    }
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

pub fn json(file: &Path) -> Value {
    let text = fs::read_to_string(file).unwrap_or_else(|problem| panic!("{}: {problem}", file.display()));
    serde_json::from_str(&text).unwrap_or_else(|problem| panic!("{}: {problem}", file.display()))
}

/// The only results folder below `results`.
pub fn results(in_folder: &Path) -> PathBuf {
    let mut found: Vec<_> = fs::read_dir(in_folder.join("results"))
        .expect("results")
        .map(|entry| entry.unwrap().path())
        .collect();
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

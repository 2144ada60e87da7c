//! Behaviour updates of a fleet that is connected to Mosquitto.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::fleet::Fleet;
use crate::guests;
use crate::lines::{DEFAULT_TIMEOUT, Lines};
use crate::mosquitto::{Mosquitto, Subscriber};

/// A ConfigMap mounted as by the kubelet: files are symbolic links through `..data`, which is replaced by rename.
struct ConfigMap {
    folder: TempDir,
    versions: u32,
}

impl ConfigMap {
    const FILE: &str = "behaviour.wasm";

    fn new(component: &[u8]) -> Self {
        let mut map = Self { folder: tempfile::tempdir().expect("a folder"), versions: 0 };
        map.update(component);
        symlink(format!("..data/{}", Self::FILE), map.path().join(Self::FILE)).expect("a link");
        map
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Gives the component another key, as an update of the ConfigMap with other data does.
    fn replace(&mut self, key: &str, component: &[u8]) {
        self.put(key, component);
        let is_link = |path: &PathBuf| fs::symlink_metadata(path).is_ok_and(|file| file.is_symlink());
        let entries =
            fs::read_dir(self.path()).expect("a folder").map(|entry| entry.expect("an entry").path());
        for path in entries.filter(is_link) {
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            if name != key && name != "..data" {
                fs::remove_file(path).expect("the link exists");
            }
        }
        let link = self.path().join(key);
        if fs::symlink_metadata(&link).is_err() {
            symlink(format!("..data/{key}"), link).expect("a link");
        }
    }

    fn update(&mut self, component: &[u8]) {
        self.put(Self::FILE, component);
    }

    /// Swaps `..data` to a folder with only this file.
    fn put(&mut self, key: &str, component: &[u8]) {
        self.versions += 1;
        let version = format!("..2026_01_01_00_00_0{}", self.versions);
        fs::create_dir(self.path().join(&version)).expect("a folder");
        fs::write(self.path().join(&version).join(key), component).expect("a file");
        let (new, data) = (self.path().join("..data_tmp"), self.path().join("..data"));
        symlink(&version, &new).expect("a link");
        let before = fs::read_link(&data).ok();
        fs::rename(&new, &data).expect("the link is replaced");
        if let Some(before) = before {
            fs::remove_dir_all(self.path().join(before)).expect("the old version existed");
        }
    }
}

fn built(name: &str) -> Vec<u8> {
    let path: PathBuf = guests::repository().join("behaviours/built").join(name).with_extension("wasm");
    fs::read(path).expect("`make behaviours` has built it")
}

/// The same component with an additional custom section: a new version with the same behaviour.
fn rebuilt(component: &[u8], mark: &str) -> Vec<u8> {
    let name = "mark";
    let length = 1 + name.len() + mark.len();
    assert!(length < 128, "one byte of LEB128");
    let head = [0, length as u8, name.len() as u8];
    [component, &head, name.as_bytes(), mark.as_bytes()].concat()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut child = std::process::Command::new("gzip")
        .arg("-c")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("gzip is installed");
    child.stdin.take().expect("a pipe").write_all(bytes).expect("gzip reads stdin");
    child.wait_with_output().expect("gzip compresses").stdout
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A component of another WIT world.
fn component_of_another_world() -> Vec<u8> {
    let module = wat::parse_str("(module (func (export \"hello\")))").expect("a module");
    guests::encode(module, "package test:guest; world guest { export hello: func(); }")
}

/// Number of devices that run this version.
fn on_version(fleet: &Fleet, sha256: &str) -> u64 {
    let behaviours = fleet.get("/behaviours");
    let versions = behaviours[0]["versions"].as_array().expect("versions").clone();
    let this = versions.iter().find(|version| version["sha256"] == sha256);
    this.and_then(|version| version["devices"].as_u64()).unwrap_or(0)
}

/// Sequence numbers of the heartbeats by topic, as received by an independent subscriber.
fn numbers(subscriber: &Subscriber) -> BTreeMap<String, Vec<u64>> {
    let mut numbers: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for (topic, payload) in subscriber.wait(0, "/heartbeat", DEFAULT_TIMEOUT) {
        let beat: Value = serde_json::from_str(&payload).expect("JSON");
        numbers.entry(topic).or_default().push(beat["seq"].as_u64().expect("a number"));
    }
    numbers
}

fn assert_consecutive(numbers: &BTreeMap<String, Vec<u64>>, devices: usize) {
    assert_eq!(numbers.len(), devices);
    for (topic, numbers) in numbers {
        let gap = numbers.windows(2).find(|pair| pair[1] != pair[0] + 1);
        assert!(gap.is_none(), "{topic}: {gap:?} in {numbers:?}");
    }
}

/// Event stream, read with curl.
struct Events(std::process::Child, Lines);

impl Events {
    fn of(fleet: &Fleet, kinds: &str) -> Self {
        let url = format!("{}/events?kind={kinds}", fleet.http);
        let mut curl = std::process::Command::new("curl")
            .args(["-sN", "--max-time", "120", &url])
            .stdout(Stdio::piped())
            .spawn()
            .expect("curl is installed");
        let lines = Lines::of(curl.stdout.take().expect("a pipe"));
        Self(curl, lines)
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A fleet with a behaviour from a ConfigMap, its broker, and subscribers.
struct Fixture {
    devices: usize,
    map: ConfigMap,
    broker: Mosquitto,
    beats: Subscriber,
    states: Subscriber,
    fleet: Fleet,
    events: Events,
}

impl Fixture {
    fn new(devices: usize, component: &[u8]) -> Self {
        let map = ConfigMap::new(component);
        let broker = Mosquitto::start();
        let beats = broker.subscribe("wasmote/+/heartbeat");
        let states = broker.subscribe("wasmote/+/state");
        let (folder, count, url) = (map.path().display().to_string(), devices.to_string(), broker.url());
        let mut args =
            vec![folder.as_str(), "--watch", "--canary", "2s", "--devices", &count, "--broker", &url];
        args.extend(["--faults", "none", "--log-messages", "off"]);
        args.extend(["--device-config", "interval=500ms", "--device-config", "peers=1"]);
        args.extend(["--device-config", "qos=1"]);
        let fleet = Fleet::run(&args).ready();
        let events = Events::of(&fleet, "updated,update_refused,swapped,swap_undone");
        beats.wait(3 * devices, "/heartbeat", DEFAULT_TIMEOUT);
        Self { devices, map, broker, beats, states, fleet, events }
    }

    /// Number of connections that the broker has accepted from devices.
    fn connections(&self) -> usize {
        self.broker.log.count(|line| line.contains("New client connected") && line.contains("as behaviour-"))
    }

    fn wait_for_more_heartbeats(&self) {
        let heard = self.beats.lines.count(|_| true);
        self.beats.wait(heard + 3 * self.devices, "/heartbeat", DEFAULT_TIMEOUT);
    }

    /// Checks that no session was lost, no will was published, and no sequence number is missing or repeated.
    fn assert_undisturbed(&self) {
        assert_eq!(self.connections(), self.devices, "each device has connected once");
        let gone = self.broker.log.count(|line| line.contains("Client behaviour-"));
        assert_eq!(gone, 0, "the broker logs no disconnected client");
        assert_eq!(self.states.lines.count(|line| line.ends_with("offline")), 0);
        assert_consecutive(&numbers(&self.beats), self.devices);
    }
}

#[test]
fn a_kubelet_update_of_a_hundred_devices_keeps_sessions_and_sequence_numbers() {
    let old = built("heartbeat");
    let new = rebuilt(&old, "second");
    let mut fixture = Fixture::new(100, &old);
    assert_eq!(on_version(&fixture.fleet, &sha256(&old)), 100);
    fixture.map.update(&new);
    fixture.fleet.wait_until("all run the new version", DEFAULT_TIMEOUT, |fleet| {
        on_version(fleet, &sha256(&new)) == 100
    });
    fixture.wait_for_more_heartbeats();
    fixture.assert_undisturbed();

    assert_eq!(fixture.fleet.get("/devices/behaviour-77")["behaviour_version"], sha256(&new));
    let (_, text) = fixture.fleet.curl(&["-H", "Accept: text/plain"], "/metrics");
    let info =
        |component: &[u8]| format!("behaviour=\"behaviour\",version=\"{}\"}}", &sha256(component)[..12]);
    assert!(text.contains(&format!("wasmote_behaviour_info{{{} 100", info(&new))), "{text}");
    assert!(!text.contains(&info(&old)), "{text}");
    assert!(text.contains("wasmote_behaviour_swaps_total{outcome=\"done\"} 100"), "{text}");
    fixture.fleet.stderr.wait_for("on 100 devices, first on behaviour-0");
    fixture.events.1.wait_for("event: updated");
    assert_eq!(fixture.events.1.count(|line| line == "event: swapped"), 100);
}

/// The documented `kubectl create configmap ... --from-file=FILE` gives the component the name of that file.
#[test]
fn a_config_map_whose_key_changes_updates_the_devices() {
    let old = built("heartbeat");
    let mut map = ConfigMap::new(&old);
    let folder = map.path().display().to_string();
    let args = ["--watch", "--canary", "1s", "--devices", "3", "--broker", "embedded:0", "--faults", "none"];
    let fleet = Fleet::run(&[&[folder.as_str()], &args[..]].concat()).ready();
    let runs = |version: &[u8]| {
        let sha = sha256(version);
        fleet.wait_until("all run the new version", DEFAULT_TIMEOUT, |fleet| on_version(fleet, &sha) == 3);
    };
    let versions = ["renamed", "packed", "plain again"].map(|mark| rebuilt(&old, mark));
    map.replace("my-heartbeat.wasm", &versions[0]);
    runs(&versions[0]);
    map.replace("my-heartbeat.wasm.gz", &gzip(&versions[1]));
    runs(&versions[1]);
    map.replace("heartbeat.wasm", &versions[2]);
    runs(&versions[2]);
    // The same content under another name is reported, and swaps nothing.
    map.replace("other.wasm", &versions[2]);
    fleet.stderr.wait_for("with the same content");
    // Of two components none is chosen, and the log names both.
    let second = map.path().join("zebra.wasm");
    fs::write(&second, &versions[0]).expect("a file");
    let refusal = fleet.stderr.wait_for("several `.wasm` files (other.wasm, zebra.wasm)");
    assert!(refusal.contains("runs on"), "{refusal}");
    fs::remove_file(second).expect("the file exists");
    map.replace("heartbeat.wasm", &versions[1]);
    runs(&versions[1]);
}

#[test]
fn a_broken_update_is_refused_and_the_old_version_keeps_running() {
    let old = built("heartbeat");
    let mut fixture = Fixture::new(20, &old);
    let broken: [(&str, Vec<u8>, &str); 4] = [
        ("garbage", b"\x00garbage, of which nobody knows what it was meant to be".to_vec(), "no WebAssembly"),
        (
            "of another world",
            component_of_another_world(),
            "does not export `wasmote:device/behaviour@0.1.0`",
        ),
        ("one that traps", guests::trapping().component(), "the canary `behaviour-0` failed: trapped"),
        ("packed and cut short", gzip(&old)[..5_000].to_vec(), "cannot be unpacked"),
    ];
    for (number, (what, component, why)) in broken.iter().enumerate() {
        fixture.map.update(component);
        let line = fixture
            .fleet
            .stderr
            .wait(number + 1, DEFAULT_TIMEOUT, |line| line.contains("runs on, as the update"));
        assert!(line[number].contains(why), "{what}: {}", line[number]);
        let last_refusal = |fleet: &Fleet| fleet.get("/behaviours")[0]["last_refusal"]["reason"].clone();
        let reason = last_refusal(&fixture.fleet);
        assert!(reason.as_str().is_some_and(|reason| reason.contains(why)), "{what}: {reason}");
        fixture.events.1.wait(number + 1, DEFAULT_TIMEOUT, |line| line == "event: update_refused");
    }
    fixture.wait_for_more_heartbeats();
    fixture.assert_undisturbed();
    assert_eq!(on_version(&fixture.fleet, &sha256(&old)), 20);
    let (_, text) = fixture.fleet.curl(&["-H", "Accept: text/plain"], "/metrics");
    let counted = "wasmote_behaviour_updates_total{behaviour=\"behaviour\",outcome=\"refused\"} 4";
    assert!(text.contains(counted), "{text}");
    assert!(text.contains("wasmote_behaviour_swaps_total{outcome=\"undone\"} 1"), "{text}");

    // A later valid update succeeds.
    let fixed = rebuilt(&old, "mended");
    fixture.map.update(&gzip(&fixed));
    fixture.fleet.wait_until("all run the fixed version", DEFAULT_TIMEOUT, |fleet| {
        on_version(fleet, &sha256(&fixed)) == 20
    });
    fixture.wait_for_more_heartbeats();
    fixture.assert_undisturbed();
}

#[test]
fn a_component_is_put_over_http() {
    let broker = Mosquitto::start();
    let folder = tempfile::tempdir().expect("a folder");
    let args = ["--devices", "3", "--broker", &broker.url(), "--faults", "none", "--canary", "1s"];
    let fleet = Fleet::run(&args).ready();
    let put = |name: &str, bytes: &[u8]| {
        let file = folder.path().join("body");
        fs::write(&file, bytes).expect("a file");
        let body = format!("@{}", file.display());
        let (status, text) =
            fleet.curl(&["-X", "PUT", "--data-binary", &body], &format!("/behaviours/{name}"));
        (status, serde_json::from_str::<Value>(&text).expect("JSON"))
    };
    let new = rebuilt(&built("heartbeat"), "over HTTP");
    let (status, answer) = put("heartbeat", &gzip(&new));
    assert_eq!((status, &answer["swapped"], &answer["changed"]), (200, &3.into(), &true.into()), "{answer}");
    assert_eq!(answer["sha256"], sha256(&new));
    assert_eq!(answer["canaries"][0], "heartbeat-0");
    let (status, answer) = put("heartbeat", &new);
    assert_eq!((status, &answer["swapped"], &answer["changed"]), (200, &0.into(), &false.into()), "{answer}");
    let python = guests::Guest { pages: 208, ..guests::well_behaved() };
    for (name, bytes, status, words) in [
        ("hartbeat", &new[..], 404, "did you mean `heartbeat`?"),
        ("heartbeat", b"", 400, "--data-binary"),
        ("heartbeat", b"garbage", 422, "no WebAssembly"),
        ("heartbeat", &component_of_another_world(), 422, "built for another world"),
        ("heartbeat", &guests::well_behaved().core_module(), 422, "core WebAssembly module"),
        ("heartbeat", &python.component(), 422, "`--limit memory_bytes=33554432` allows more"),
    ] {
        let (found, answer) = put(name, bytes);
        assert_eq!(found, status, "{answer}");
        let message = answer["error"]["message"].as_str().expect("a message");
        assert!(message.contains(words), "{message}");
    }
    // Too large as sent, and too large after decompression.
    let large = vec![0; (32 << 20) + 1];
    for body in [large.clone(), gzip(&large)] {
        let (found, answer) = put("heartbeat", &body);
        assert_eq!((found, &answer["error"]["field"]), (413, &"body".into()), "{answer}");
    }
    let shown = fleet.get("/behaviours/heartbeat");
    assert_eq!(shown["versions"][0]["source"], "http");
    assert_eq!(shown["versions"][1]["source"], "built-in");
    // Counted are invalid components and the one that is too large after decompression, but not the too large body.
    assert_eq!(shown["updates"]["refused"], 5, "{shown}");
    let connected =
        broker.log.count(|line| line.contains("New client connected") && line.contains("as heartbeat-"));
    assert_eq!(connected, 3, "no device has reconnected");
}

#[test]
fn an_update_during_another_is_a_conflict() {
    let fleet =
        Fleet::run(&["--devices", "3", "--broker", "embedded:0", "--faults", "none", "--canary", "10s"])
            .ready();
    let folder = tempfile::tempdir().expect("a folder");
    let versions = ["first", "second"].map(|mark| rebuilt(&built("heartbeat"), mark));
    let put = |number: usize| {
        let file = folder.path().join(number.to_string());
        fs::write(&file, &versions[number]).expect("a file");
        let body = format!("@{}", file.display());
        let (status, text) = fleet.curl(&["-X", "PUT", "--data-binary", &body], "/behaviours/heartbeat");
        (status, serde_json::from_str::<Value>(&text).expect("JSON"))
    };
    std::thread::scope(|scope| {
        let first = scope.spawn(|| put(0));
        let canary = |fleet: &Fleet| fleet.get("/devices/heartbeat-0")["behaviour_version"].clone();
        fleet.wait_until("the canary has moved", DEFAULT_TIMEOUT, |fleet| {
            canary(fleet) == sha256(&versions[0])
        });
        let (status, answer) = put(1);
        assert_eq!((status, &answer["error"]["field"]), (409, &"behaviour".into()), "{answer}");
        let message = answer["error"]["message"].as_str().expect("a message");
        assert!(message.contains("another update is in progress"), "{message}");
        let (status, answer) = first.join().expect("a response");
        assert_eq!((status, &answer["swapped"]), (200, &3.into()), "{answer}");
    });
    // After the first update, the second one succeeds. The rejected request was not counted.
    assert_eq!(fleet.get("/behaviours/heartbeat")["updates"], serde_json::json!({"done": 1, "refused": 0}));
    assert_eq!(put(1).0, 200);
}

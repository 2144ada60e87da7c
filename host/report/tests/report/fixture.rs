//! Generator of results folders with plausible figures.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use tempfile::TempDir;

/// Parameters of a results folder.
#[derive(Clone)]
pub struct Fixture {
    pub plan: String,
    pub points: Vec<Value>,
    pub seeds: u64,
    pub duration_s: u64,
    pub devices: u64,
    pub complete: bool,
    /// The delivery ratio of a run, by the number of its point and of its seed.
    pub ratio: fn(usize, u64) -> f64,
}

impl Default for Fixture {
    fn default() -> Self {
        Self {
            plan: "fifty-nodes".into(),
            points: vec![json!({})],
            seeds: 1,
            duration_s: 1200,
            devices: 50,
            complete: true,
            ratio: |point, seed| 0.9 - 0.08 * point as f64 + 0.004 * (seed % 3) as f64,
        }
    }
}

/// A temporary folder, deleted at the end of the test.
pub struct Folder(TempDir);

impl Folder {
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }
}

/// The high bits of a linear congruential generator, as noise between 0 and 1.
fn noise(state: &mut u64) -> f64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 40) as f64 / (1u64 << 24) as f64
}

impl Fixture {
    pub fn folder(&self) -> Folder {
        let folder = Folder(tempfile::tempdir().unwrap());
        self.write(folder.path());
        folder
    }

    pub fn write(&self, dir: &Path) {
        let mut runs = Vec::new();
        for (number, point) in self.points.iter().enumerate() {
            for seed in 1..=self.seeds {
                let index = runs.len();
                let alone = self.points.len() == 1 && self.seeds == 1;
                let path = if alone { ".".to_owned() } else { format!("runs/{index:03}-seed{seed}") };
                self.run(&dir.join(&path), number, point, seed);
                let digest = format!("{:064x}", index + 1);
                runs.push(json!({"path": path, "point": point, "seed": seed, "digest": digest}));
            }
        }
        let manifest = json!({
            "format": 1,
            "complete": self.complete,
            "wasmote_version": "0.1.0",
            "plan": {"name": self.plan, "sha256": "5d".repeat(32)},
            "components": [{"name": "heartbeat", "role": "behaviour", "file": "components/heartbeat.wasm",
                "sha256": "c0".repeat(32), "size_bytes": 61_234}],
            "command": format!("wasmote experiment run 'experiments/fifty nodes.toml' --seeds {}", self.seeds),
            "host": {"os": "linux", "arch": "x86_64", "cores": 8},
            "started_utc": "2026-11-22T15:04:05Z",
            "finished_utc": if self.complete { json!("2026-11-22T15:04:19Z") } else { Value::Null },
            "runs": runs,
        });
        fs::write(dir.join("manifest.json"), serde_json::to_string_pretty(&manifest).unwrap()).unwrap();
        fs::write(dir.join("plan.toml"), format!("name = {:?}\n", self.plan)).unwrap();
    }

    fn run(&self, dir: &Path, number: usize, point: &Value, seed: u64) {
        fs::create_dir_all(dir).unwrap();
        let mut state = seed * 977 + number as u64 * 31;
        let ratio = (self.ratio)(number, seed);
        let scale = 0.25 * (1.0 + number as f64 * 0.5) * (1.0 + 0.01 * seed as f64);
        let summary = self.summary(point, seed, ratio, scale);
        fs::write(dir.join("summary.json"), serde_json::to_string_pretty(&summary).unwrap()).unwrap();
        let ledger = json!({
            "closes": true,
            "total": {"generated": 60_000, "sent": 54_000, "lost_offline": 0, "refused": 0, "waiting_out": 0,
                "arrived": 486_000, "received": 486_000, "discarded": 0, "waiting_in": 0,
                "faults": {"loss": {"dropped_out": 5_400}, "rain": {"dropped_out": 600, "traps": 17}}},
            "broker": {"received": 54_000, "copies": 486_000, "delivered": 486_000, "waiting": 0,
                "dropped": {"queue_full": 0}, "closes": true},
            "devices": [{"device": "heartbeat-0", "group": "east", "generated": 1_200}],
        });
        fs::write(dir.join("ledger.json"), ledger.to_string()).unwrap();
        fs::write(dir.join("timeseries.csv"), self.series(ratio, scale, &mut state)).unwrap();
        fs::write(dir.join("latency.csv"), buckets(scale)).unwrap();
        fs::write(dir.join("outages.csv"), self.outages(&mut state)).unwrap();
    }

    fn summary(&self, point: &Value, seed: u64, ratio: f64, scale: f64) -> Value {
        let (generated, expected) = (self.devices * self.duration_s, self.devices * self.duration_s * 9);
        let traffic = |share: u64| {
            let latency = json!({"count": expected / share, "mean": scale, "p50": scale, "p90": scale * 1.8,
                "p95": scale * 1.9, "p99": scale * 1.98, "max": scale * 2.0});
            let delivered = (expected as f64 * ratio) as u64 / share;
            json!({"devices": self.devices / share, "generated": generated / share, "sent": generated * 9 / 10 / share,
                "expected": expected / share, "delivered": delivered, "delivery_ratio": ratio,
                "latency_seconds": latency})
        };
        let mut summary: Map<String, Value> = traffic(1).as_object().unwrap().clone();
        let lost = generated / 10 + seed * 7;
        let rest = json!({
            "seed": seed, "point": point, "duration_s": self.duration_s as f64, "warm_up_s": 30.0,
            "events": generated * 20, "digest": format!("{seed:064x}"),
            "faults": {
                "loss": {"dropped_out": lost, "dropped_in": lost / 3, "delayed": 0, "duplicated": 0, "corrupted": 0, "outages": 0},
                "silence": {"dropped_out": lost / 8, "dropped_in": 0, "delayed": 0, "duplicated": 0, "corrupted": 0, "outages": 41},
                "west-partition": {"dropped_out": lost / 5, "dropped_in": lost / 6, "outages": 25},
                "delay": {"dropped_out": 0, "dropped_in": 0, "delayed": generated},
            },
            "groups": {"east": traffic(2), "west": traffic(2)},
            "phases": [],
            "thresholds": [
                {"text": "delivery_ratio >= 0.85", "ok": ratio >= 0.85, "value": ratio},
                {"text": "latency_seconds p95 < 0.5", "ok": scale * 1.9 < 0.5, "value": scale * 1.9},
            ],
            "ledger_closes": true,
        });
        summary.extend(rest.as_object().unwrap().clone());
        Value::Object(summary)
    }

    fn series(&self, ratio: f64, scale: f64, state: &mut u64) -> String {
        let mut text = String::from(
            "time_s,group,devices,up,silent,generated,sent,expected,delivered,dropped,\
             latency_p50_s,latency_p95_s,latency_p99_s\n",
        );
        let step = (self.duration_s / 240).max(1);
        for time in (step..=self.duration_s).step_by(step as usize) {
            let parted = (self.duration_s / 3..self.duration_s / 3 + 60).contains(&time);
            let crashed = if parted { self.devices / 5 } else { 0 };
            let silent = (noise(state) * 0.08 * self.devices as f64) as u64;
            let expected = self.devices * 9 * step;
            let now = ratio * (1.0 - 0.03 * noise(state)) * if parted { 0.6 } else { 1.0 };
            let delivered = (expected as f64 * now) as u64;
            let [p50, p95, p99] =
                [1.0, 1.9, 1.98].map(|part| scale * part * (1.0 + 0.05 * (noise(state) - 0.5)));
            for group in ["*", "east", "west"] {
                text += &format!(
                    "{time},{group},{},{},{silent},{},{},{expected},{delivered},{},{p50:.4},{p95:.4},{p99:.4}\n",
                    self.devices,
                    self.devices.saturating_sub(crashed + silent),
                    self.devices * step,
                    self.devices * step * 9 / 10,
                    expected - delivered,
                );
            }
        }
        text
    }

    fn outages(&self, state: &mut u64) -> String {
        let mut text = String::from("device,group,fault,kind,from_s,to_s\n");
        for device in 0..self.devices {
            let from = noise(state) * self.duration_s as f64;
            text += &format!("heartbeat-{device},east,silence,silence,{from:.3},{:.3}\n", from + 30.0);
            if device % 5 == 0 {
                let from = self.duration_s / 3;
                text += &format!("heartbeat-{device},west,west-partition,partition,{from},{}\n", from + 60);
            }
        }
        text
    }
}

/// A latency histogram, nearly uniform between 10 ms and twice the scale.
fn buckets(scale: f64) -> String {
    let mut text = String::from("group,upper_bound_s,count\n");
    for group in ["*", "east"] {
        let mut bound = 0.001;
        while bound < scale * 2.2 {
            let count =
                if bound < 0.01 { 0.0 } else { (bound.min(scale * 2.0) - bound * 0.94).max(0.0) * 1e5 };
            text += &format!("{group},{bound:.6},{}\n", count as u64);
            bound *= 1.06;
        }
        text += &format!("{group},+Inf,3\n");
    }
    text
}

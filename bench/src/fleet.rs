//! Blueprints of devices of one component.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;
use wasmote_engine::{DeviceSettings, Engine};
use wasmote_mqtt::device_id::{DeviceId, Identity};
use wasmote_mqtt::protocol::Protocol;
use wasmote_sim::behaviour::BehaviourFactory;
use wasmote_sim::device::Blueprint;
use wasmote_sim::limits::Limits;
use wasmote_sim::rng::Seed;

/// Settings shared by the devices of a fleet.
pub struct Fleet {
    factory: Arc<dyn BehaviourFactory>,
    limits: Arc<Limits>,
}

impl Fleet {
    /// A fleet with this behaviour.
    pub fn new(factory: Arc<dyn BehaviourFactory>) -> Self {
        Self { factory, limits: Arc::new(Limits::default()) }
    }

    /// A fleet of the component in a file, with one configuration for all devices.
    pub fn from_file(file: &Path, config: Value) -> Result<Self, Box<dyn std::error::Error>> {
        let bytes = fs::read(file).map_err(|error| {
            format!("cannot read `{}`: {error}; `make behaviours` builds it", file.display())
        })?;
        let component = Engine::new()?.load("bench", &bytes)?;
        let limits = Arc::new(Limits::default());
        let settings = DeviceSettings { config, limits: Arc::clone(&limits), allow_hosts: Vec::new().into() };
        Ok(Self { factory: component.behaviour_factory(settings), limits })
    }

    /// Blueprint of one of `count` devices, without faults.
    pub fn blueprint(&self, index: u32, count: u32) -> Blueprint {
        let identity = Identity {
            id: DeviceId::new(&format!("bench-{index}")).expect("it is a name"),
            client_id: None,
            group: "bench".into(),
            index,
            count,
            topic_root: "wasmote".into(),
            peers: None,
        };
        Blueprint {
            identity: Arc::new(identity),
            factory: Arc::clone(&self.factory),
            limits: Arc::clone(&self.limits),
            protocol: Protocol::V5,
            seed: Seed::new(1),
            faults: Vec::new().into(),
        }
    }
}

/// Resident memory of this process in bytes; zero if the system does not report it.
pub fn resident_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
    kibibytes.and_then(|number| number.trim().parse::<u64>().ok()).unwrap_or(0) * 1_024
}

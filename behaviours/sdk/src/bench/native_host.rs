//! Handle of the host in a natively compiled guest. The host functions (`imports!`) use what the simulator lends to it.

use crate::Request;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use wasmote_mqtt::device_id::{DeviceId, Identity as SimIdentity, PeerNames};
use wasmote_mqtt::protocol::Protocol;
use wasmote_sim::config::DeviceConfig;
use wasmote_sim::context::{Context, LogLevel};
use wasmote_sim::data::{DataFiles, Format, Memory, Table as SimTable};
use wasmote_sim::faults::component::ModelContext;
use wasmote_sim::limits::Limits;
use wasmote_sim::rng::Seed;

/// Records of one device that the simulator does not keep. They outlive an instance of the behaviour.
#[derive(Default)]
pub(crate) struct Records {
    /// Single observations; the simulator keeps histograms.
    pub observations: BTreeMap<String, Vec<f64>>,
    /// HTTP requests that the behaviour sent.
    pub requests: Vec<Request>,
}

/// Handle to the host functions. The simulator lends its context to it for the length of one call.
#[derive(Clone)]
pub(crate) struct NativeHost(Arc<Shared>);

struct Shared {
    config: Mutex<DeviceConfig>,
    lent: Mutex<Option<Lent>>,
    records: Arc<Mutex<Records>>,
}

/// Context of the simulator that implements the host functions during a call.
enum Lent {
    /// Context of a behaviour.
    Context(Context),
    /// Context of a fault model.
    Model(ModelContext),
}

impl NativeHost {
    pub(super) fn new(config: DeviceConfig, records: Arc<Mutex<Records>>) -> Self {
        NativeHost(Arc::new(Shared { config: Mutex::new(config), lent: Mutex::default(), records }))
    }

    /// Creates the host of a device without a fleet.
    pub(super) fn for_device(seed: u64, config: &str) -> Self {
        let identity = Arc::new(identity("device", 0, 1));
        let stream = Seed::new(seed).stream(&identity.id, "guest");
        let host = NativeHost::new(parse_config(config), Arc::default());
        host.lend(Context::new(identity, Protocol::V5, Arc::new(Limits::default()), stream));
        host
    }

    /// Creates the host of a fault model on the link of one device.
    pub(super) fn for_link(seed: u64, config: &str) -> Self {
        let identity = Arc::new(identity("device", 0, 1));
        let stream = Seed::new(seed).stream(&identity.id, "fault/component");
        let host = NativeHost::new(parse_config(config), Arc::default());
        *lock(&host.0.lent) = Some(Lent::Model(ModelContext::new(identity, stream)));
        host
    }

    pub(super) fn lend(&self, context: Context) {
        *lock(&self.0.lent) = Some(Lent::Context(context));
    }

    /// Takes the context back after a call.
    pub(super) fn take_back(&self) -> Context {
        match lock(&self.0.lent).take() {
            Some(Lent::Context(context)) => context,
            _ => unreachable!("the context is lent for the length of a call"),
        }
    }

    pub(super) fn set_config(&self, config: &str) {
        *lock(&self.0.config) = parse_config(config);
    }

    pub(crate) fn config(&self) -> MutexGuard<'_, DeviceConfig> {
        lock(&self.0.config)
    }

    pub(crate) fn records(&self) -> MutexGuard<'_, Records> {
        lock(&self.0.records)
    }

    /// Identity of the device.
    pub(crate) fn identity(&self) -> SimIdentity {
        match &*lock(&self.0.lent) {
            Some(Lent::Context(context)) => context.identity().clone(),
            Some(Lent::Model(model)) => model.identity().clone(),
            None => panic!("a device can be used only while its behaviour is called"),
        }
    }

    /// Writes a line into the log of the behaviour or the model.
    pub(crate) fn log_line(&self, level: LogLevel, text: String) {
        match &mut *lock(&self.0.lent) {
            Some(Lent::Context(context)) => context.log(level, text),
            Some(Lent::Model(model)) => model.log(level, text),
            None => {}
        }
    }

    /// Calls a function with the context of a behaviour.
    pub(crate) fn context<R>(&self, call: impl FnOnce(&mut Context) -> R) -> R {
        match &mut *lock(&self.0.lent) {
            Some(Lent::Context(context)) => call(context),
            Some(Lent::Model(_)) => panic!("a fault model imports no function of a device"),
            None => panic!("a device can be used only while its behaviour is called"),
        }
    }

    /// Calls a function with the context of a fault model.
    pub(super) fn model<R>(&self, call: impl FnOnce(&mut ModelContext) -> R) -> R {
        match &mut *lock(&self.0.lent) {
            Some(Lent::Model(model)) => call(model),
            _ => unreachable!("a link has a fault model"),
        }
    }

    /// Calls a function with the random numbers of the behaviour or the model.
    pub(crate) fn random<R>(&self, draw: impl FnOnce(&mut wasmote_sim::rng::Stream) -> R) -> R {
        match &mut *lock(&self.0.lent) {
            Some(Lent::Context(context)) => draw(context.rng()),
            Some(Lent::Model(model)) => draw(model.rng()),
            None => panic!("a device can be used only while its behaviour is called"),
        }
    }
}

/// A lock that stays usable after a panic in another test's assertion.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// The identity of a device in a group of the bench.
pub(super) fn identity(group: &str, index: u32, count: u32) -> SimIdentity {
    SimIdentity {
        id: DeviceId::new(&format!("{group}-{index}")).expect("the group's name is valid"),
        client_id: None,
        group: group.into(),
        index,
        count,
        topic_root: "wasmote".into(),
        peers: Some(PeerNames::Numbered(format!("{group}-").into())),
    }
}

pub(super) fn parse_config(json: &str) -> DeviceConfig {
    with_files(serde_json::from_str(json).expect("the configuration is JSON"))
}

/// A configuration that may name files with data.
pub(super) fn with_files(config: serde_json::Value) -> DeviceConfig {
    DeviceConfig::new(config).with_files(Arc::new(Files))
}

/// Files with data, which the bench reads into memory.
#[derive(Debug)]
struct Files;

impl DataFiles for Files {
    fn table(&self, path: &str, _: Option<&str>, format: &Format) -> Result<Arc<SimTable>, String> {
        let bytes = std::fs::read(path).map_err(|problem| problem.to_string())?;
        SimTable::scan(Arc::new(Memory(bytes.into())), format.clone()).map(Arc::new)
    }
}

//! The host functions of a natively compiled guest, implemented by the simulator.

use super::convert;
use crate::host::{
    ActiveFault, Batch, ConfigError, Host, HttpRequest, Identity, Level, MetricError, PublishError, Purpose,
    Row, SendError, StateError, SubscribeError, Table, TimerError, Will,
};
use crate::message::{MessageProperties, Qos};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use wasmote_mqtt::device_id::{DeviceId, Identity as SimIdentity, PeerNames};
use wasmote_mqtt::protocol::Protocol;
use wasmote_mqtt::time::Time;
use wasmote_mqtt::topic::TopicFilter;
use wasmote_sim::config::{DeviceConfig, WrongType};
use wasmote_sim::context::{Context, HttpRefusal};
use wasmote_sim::data::{DataFiles, Format, Memory, Table as SimTable};
use wasmote_sim::faults::component::ModelContext;
use wasmote_sim::limits::Limits;
use wasmote_sim::metrics::RecordMetricError;
use wasmote_sim::rng::Seed;

/// Maximum number of bytes that one call of `random.bytes` returns, as in the host.
const MAX_RANDOM_BYTES: u32 = 65_536;

/// Records of one device that the simulator does not keep. They outlive an instance of the behaviour.
#[derive(Default)]
pub(super) struct Records {
    /// Single observations; the simulator keeps histograms.
    pub observations: BTreeMap<String, Vec<f64>>,
    /// HTTP requests that the behaviour sent.
    pub requests: Vec<HttpRequest>,
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

    fn config(&self) -> MutexGuard<'_, DeviceConfig> {
        lock(&self.0.config)
    }

    fn context<R>(&self, call: impl FnOnce(&mut Context) -> R) -> R {
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

    fn random<R>(&self, draw: impl FnOnce(&mut wasmote_sim::rng::Stream) -> R) -> R {
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

impl Host for NativeHost {
    fn publish(&self, topic: &str, payload: &[u8], qos: Qos, retain: bool) -> Result<(), PublishError> {
        let message = convert::message(topic, payload, qos, retain, None)?;
        self.context(|context| context.publish(message)).map_err(convert::publish_error)
    }

    fn publish_with(
        &self,
        topic: &str,
        payload: &[u8],
        qos: Qos,
        retain: bool,
        properties: &MessageProperties,
    ) -> Result<(), PublishError> {
        let message = convert::message(topic, payload, qos, retain, Some(properties))?;
        self.context(|context| context.publish(message)).map_err(convert::publish_error)
    }

    fn subscribe(&self, filter: &str, qos: Qos) -> Result<(), SubscribeError> {
        let filter =
            TopicFilter::new(filter).map_err(|error| SubscribeError::InvalidFilter(error.to_string()))?;
        self.context(|context| context.subscribe(filter, convert::qos_in(qos)))
            .map_err(convert::subscribe_error)
    }

    fn unsubscribe(&self, filter: &str) {
        if let Ok(filter) = TopicFilter::new(filter) {
            self.context(|context| context.unsubscribe(filter));
        }
    }

    fn set_will(&self, will: Option<&Will>) -> Result<(), PublishError> {
        let will = will.map(|will| {
            let message = convert::message(&will.topic, &will.payload, will.qos, will.retain, None)?;
            Ok(wasmote_mqtt::message::Will { message, delay: will.delay })
        });
        let will = will.transpose()?;
        self.context(|context| context.set_will(will)).map_err(convert::publish_error)
    }

    fn connected(&self) -> bool {
        self.context(|context| context.connected())
    }

    fn set_timer(&self, token: u32, delay: u64) -> Result<(), TimerError> {
        let at = self.context(|context| context.now()) + Duration::from_nanos(delay);
        self.set_timer_at(token, at.as_nanos())
    }

    fn set_timer_at(&self, token: u32, at: u64) -> Result<(), TimerError> {
        self.context(|context| context.set_timer(token, Time::from_nanos(at)))
            .map_err(|full| TimerError::TooMany(full.0))
    }

    fn cancel_timer(&self, token: u32) {
        self.context(|context| context.cancel_timer(token));
    }

    fn monotonic_now(&self) -> u64 {
        self.context(|context| context.now().as_nanos())
    }

    fn wall_now(&self) -> u64 {
        self.context(|context| context.wall().as_nanos())
    }

    fn next_u64(&self) -> u64 {
        self.random(|stream| stream.next_u64())
    }

    fn uniform(&self) -> f64 {
        self.random(|stream| stream.uniform())
    }

    fn bytes(&self, count: u32) -> Vec<u8> {
        let mut bytes = vec![0; count.min(MAX_RANDOM_BYTES) as usize];
        self.random(|stream| stream.fill(&mut bytes));
        bytes
    }

    fn whoami(&self) -> Identity {
        match &*lock(&self.0.lent) {
            Some(Lent::Context(context)) => convert::identity(context.identity()),
            Some(Lent::Model(model)) => convert::identity(model.identity()),
            None => panic!("a device can be used only while its behaviour is called"),
        }
    }

    fn peer(&self, index: u32) -> Option<String> {
        self.context(|context| context.identity().peer(index))
    }

    fn config_json(&self) -> String {
        self.config().json().to_owned()
    }

    fn config_text(&self, path: &str) -> Result<Option<String>, ConfigError> {
        self.config().text(path).map_err(config_error)
    }

    fn config_integer(&self, path: &str) -> Result<Option<i64>, ConfigError> {
        self.config().integer(path).map_err(config_error)
    }

    fn config_number(&self, path: &str) -> Result<Option<f64>, ConfigError> {
        self.config().number(path).map_err(config_error)
    }

    fn config_boolean(&self, path: &str) -> Result<Option<bool>, ConfigError> {
        self.config().boolean(path).map_err(config_error)
    }

    fn config_duration(&self, path: &str) -> Result<Option<u64>, ConfigError> {
        let span = self.config().duration(path).map_err(config_error)?;
        Ok(span.map(|span| u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)))
    }

    fn open_table(&self, path: &str, purpose: Purpose) -> Result<Table, String> {
        let table = self.config().table(path, convert::purpose_in(purpose))?;
        Ok(Table {
            columns: table.columns().to_vec(),
            has_times: table.has_times(),
            rows: table.rows(),
            length: table.length(),
        })
    }

    fn read_rows(&self, path: &str, purpose: Purpose, position: u64, count: u32) -> Result<Batch, String> {
        let table = self.config().table(path, convert::purpose_in(purpose))?;
        let batch = table.read(position, count)?;
        let rows = batch
            .rows
            .into_iter()
            .map(|row| Row { position: row.position, at: row.at, cells: row.cells })
            .collect();
        Ok(Batch { rows, next: batch.next })
    }

    fn seek_row(&self, path: &str, purpose: Purpose, at: u64) -> Result<u64, String> {
        let table = self.config().table(path, convert::purpose_in(purpose))?;
        Ok(table.seek(at)?.0)
    }

    fn log(&self, level: Level, text: &str) {
        let level = convert::level_in(level);
        match &mut *lock(&self.0.lent) {
            Some(Lent::Context(context)) => context.log(level, text.to_owned()),
            Some(Lent::Model(model)) => model.log(level, text.to_owned()),
            None => {}
        }
    }

    fn counter_add(&self, name: &str, amount: f64) -> Result<(), MetricError> {
        self.context(|context| context.count(name, amount)).map_err(metric_error)
    }

    fn gauge_set(&self, name: &str, value: f64) -> Result<(), MetricError> {
        self.context(|context| context.gauge(name, value)).map_err(metric_error)
    }

    fn histogram_observe(&self, name: &str, value: f64) -> Result<(), MetricError> {
        self.context(|context| context.observe(name, value)).map_err(metric_error)?;
        lock(&self.0.records).observations.entry(name.into()).or_default().push(value);
        Ok(())
    }

    fn http_send(&self, request: &HttpRequest, timeout: u64) -> Result<u64, SendError> {
        let sent = convert::request_in(request.clone());
        let id = self.context(|context| context.http_send(sent, Duration::from_nanos(timeout))).map_err(
            |refused| match refused {
                HttpRefusal::TooMany(limit) => SendError::TooMany(limit),
                HttpRefusal::BodyTooLarge(limit) => SendError::BodyTooLarge(limit),
            },
        )?;
        lock(&self.0.records).requests.push(request.clone());
        Ok(id)
    }

    fn state_get(&self, key: &str) -> Option<Vec<u8>> {
        self.context(|context| context.store().get(key).map(|value| value.to_vec()))
    }

    fn state_set(&self, key: &str, value: &[u8]) -> Result<(), StateError> {
        self.context(|context| context.store_value(key.into(), value.to_vec().into()))
            .map_err(|full| StateError::Full(full.0))
    }

    fn state_delete(&self, key: &str) {
        self.context(|context| context.delete_value(key));
    }

    fn state_keys(&self) -> Vec<String> {
        self.context(|context| context.store().keys().map(str::to_owned).collect())
    }

    fn active_faults(&self) -> Vec<ActiveFault> {
        self.context(|context| context.active_faults().iter().map(convert::active_fault).collect())
    }
}

fn config_error(wrong: WrongType) -> ConfigError {
    ConfigError { path: wrong.path, expected: wrong.expected.to_owned(), found: wrong.found }
}

fn metric_error(error: RecordMetricError) -> MetricError {
    match error {
        RecordMetricError::InvalidName(reason) => MetricError::InvalidName(reason),
        RecordMetricError::TooMany(limit) => MetricError::TooMany(limit),
        RecordMetricError::InvalidValue => MetricError::InvalidValue,
    }
}

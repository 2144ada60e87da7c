//! Parameters of a simulation run.

use std::sync::Arc;
use std::time::Duration;

use wasmote_mqtt::broker::limits::BrokerLimits;
use wasmote_mqtt::client::options::ClientOptions;
use wasmote_mqtt::time::WallTime;

/// Parameters of a run, without its devices.
#[derive(Clone, Debug)]
pub struct Options {
    /// Configuration of the devices' clients.
    pub client: Arc<ClientOptions>,
    /// Latency of every packet, in each direction; default zero. Packets keep their order. With zero latency,
    /// only the publish rates limit two behaviours that answer each other at once.
    pub latency: Duration,
    /// Limits of the broker.
    pub broker: BrokerLimits,
    /// Calendar time at the start of the run.
    pub epoch: WallTime,
    /// The outcome of the devices' own HTTP requests.
    pub outbound_http: OutboundHttp,
}

/// The outcome of HTTP requests that devices send. Virtual time has no network except for the broker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OutboundHttp {
    /// Every request fails as unreachable.
    #[default]
    Unreachable,
    /// Requests stay open until the caller answers them with [`Input::HttpReply`](crate::device::Input::HttpReply), as
    /// a unit test does.
    AnsweredByCaller,
}

/// 2026-01-01T00:00:00Z, in nanoseconds. Results must not depend on the date of the run.
const EPOCH: WallTime = WallTime::from_nanos(1_767_225_600_000_000_000);

impl Default for Options {
    fn default() -> Self {
        Self {
            client: Arc::default(),
            latency: Duration::ZERO,
            broker: BrokerLimits::default(),
            epoch: EPOCH,
            outbound_http: OutboundHttp::default(),
        }
    }
}

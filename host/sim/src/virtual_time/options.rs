//! The world that virtual devices live in.

use std::sync::Arc;
use std::time::Duration;

use wasmote_mqtt::broker::limits::BrokerLimits;
use wasmote_mqtt::client::options::ClientOptions;
use wasmote_mqtt::time::WallTime;

/// What a virtual run is made of, beside its devices.
#[derive(Clone, Debug)]
pub struct Options {
    /// What the devices' clients are told.
    pub client: Arc<ClientOptions>,
    /// How long every packet takes, each way; default zero. Packets keep their order either way. Two
    /// behaviours that answer each other at once are held back by nothing but their publish rates when
    /// this is zero.
    pub latency: Duration,
    /// What the broker allows.
    pub broker: BrokerLimits,
    /// The calendar's time at the beginning of the run.
    pub epoch: WallTime,
    /// The outcome of the devices' own HTTP requests.
    pub outbound_http: OutboundHttp,
}

/// The outcome of HTTP requests that devices send. There is no network beside the broker in virtual time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OutboundHttp {
    /// Every request fails as unreachable.
    #[default]
    Unreachable,
    /// Requests stay open until the caller answers them with [`Input::HttpReply`](crate::device::Input::HttpReply), as
    /// a unit test does.
    AnsweredByCaller,
}

/// 2026-01-01T00:00:00Z, in nanoseconds. A run's results do not depend on the day of the run.
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

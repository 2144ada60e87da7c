//! What lies in an instance's store, and what its imports reach.

use std::sync::Arc;

use wasmote_sim::context::Context;
use wasmote_sim::limits::Limits;

use crate::config::DeviceConfig;
use crate::limiter::Limiter;
use crate::wasi::WasiRoom;

/// The host's side of one instance.
pub(crate) struct Host {
    /// Here while the guest deals with an event, and only then.
    pub(crate) context: Option<Context>,
    pub(crate) config: DeviceConfig,
    pub(crate) limiter: Limiter,
    pub(crate) allow_hosts: Arc<[String]>,
    pub(crate) wasi: Option<Box<WasiRoom>>,
}

impl Host {
    pub(crate) fn new(
        config: DeviceConfig,
        limits: &Limits,
        allow_hosts: Arc<[String]>,
        needs_wasi: bool,
    ) -> Self {
        let limiter = Limiter::new(limits.memory_bytes);
        let wasi = needs_wasi.then(Box::default);
        Self { context: None, config, limiter, allow_hosts, wasi }
    }

    /// The context, or a trap: a component can call its imports while it is being instantiated, before
    /// any event has happened to it.
    pub(crate) fn context(&mut self) -> wasmtime::Result<&mut Context> {
        self.context.as_mut().ok_or_else(|| {
            wasmtime::format_err!("a behaviour may call the host only while it deals with an event")
        })
    }
}

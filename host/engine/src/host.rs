//! What lies in an instance's store, and what its imports reach.

use std::sync::Arc;

use wasmote_mqtt::device_id::Identity;
use wasmote_sim::context::{Context, LogLevel};
use wasmote_sim::faults::component::ModelContext;
use wasmote_sim::limits::Limits;
use wasmote_sim::rng::Stream;

use crate::config::DeviceConfig;
use crate::limiter::Limiter;
use crate::wasi::WasiOutput;

/// The host's side of one instance.
pub(crate) struct Host {
    /// Here while a behaviour deals with an event, and only then.
    pub(crate) context: Option<Context>,
    /// Here while a fault model judges, and only then.
    pub(crate) model_context: Option<ModelContext>,
    pub(crate) config: DeviceConfig,
    pub(crate) limiter: Limiter,
    pub(crate) allow_hosts: Arc<[String]>,
    pub(crate) wasi: Option<Box<WasiOutput>>,
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
        Self { context: None, model_context: None, config, limiter, allow_hosts, wasi }
    }

    /// The context, or a trap: a component can call its imports while it is being instantiated, before
    /// any event has happened to it.
    pub(crate) fn context(&mut self) -> wasmtime::Result<&mut Context> {
        self.context.as_mut().ok_or_else(not_in_call)
    }

    /// The random numbers of whoever was called.
    pub(crate) fn rng(&mut self) -> wasmtime::Result<&mut Stream> {
        match (&mut self.model_context, &mut self.context) {
            (Some(model_context), _) => Ok(model_context.rng()),
            (None, Some(context)) => Ok(context.rng()),
            (None, None) => Err(not_in_call()),
        }
    }

    /// The device that is spoken of.
    pub(crate) fn identity(&mut self) -> wasmtime::Result<&Identity> {
        match (&self.model_context, &self.context) {
            (Some(model_context), _) => Ok(model_context.identity()),
            (None, Some(context)) => Ok(context.identity()),
            (None, None) => Err(not_in_call()),
        }
    }

    /// Write a line, if there is somebody to read it.
    pub(crate) fn log(&mut self, level: LogLevel, text: String) -> wasmtime::Result<()> {
        match &mut self.model_context {
            Some(model_context) => model_context.log(level, text),
            None => self.context()?.log(level, text),
        }
        Ok(())
    }

    /// Hand over what was written to standard output and error.
    pub(crate) fn flush_output(&mut self) {
        let lines = self.wasi.as_mut().filter(|_| self.context.is_some() || self.model_context.is_some());
        for (level, text) in lines.map(|output| output.drain_lines()).unwrap_or_default() {
            // Somebody reads it, so that this cannot fail.
            let _ = self.log(level, text);
        }
    }
}

fn not_in_call() -> wasmtime::Error {
    wasmtime::format_err!("a component may call the host only while it deals with an event or a message")
}

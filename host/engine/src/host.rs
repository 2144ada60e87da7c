//! What lies in an instance's store, and what its imports reach.

use std::sync::Arc;

use wasmote_sim::context::{Context, LogLevel};
use wasmote_sim::device_id::Identity;
use wasmote_sim::faults::component::Desk;
use wasmote_sim::limits::Limits;
use wasmote_sim::rng::Stream;

use crate::config::DeviceConfig;
use crate::limiter::Limiter;
use crate::wasi::WasiRoom;

/// The host's side of one instance.
pub(crate) struct Host {
    /// Here while a behaviour deals with an event, and only then.
    pub(crate) context: Option<Context>,
    /// Here while a fault model judges, and only then.
    pub(crate) desk: Option<Desk>,
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
        Self { context: None, desk: None, config, limiter, allow_hosts, wasi }
    }

    /// The context, or a trap: a component can call its imports while it is being instantiated, before
    /// any event has happened to it.
    pub(crate) fn context(&mut self) -> wasmtime::Result<&mut Context> {
        self.context.as_mut().ok_or_else(too_early)
    }

    /// The random numbers of whoever was called.
    pub(crate) fn rng(&mut self) -> wasmtime::Result<&mut Stream> {
        match (&mut self.desk, &mut self.context) {
            (Some(desk), _) => Ok(desk.rng()),
            (None, Some(context)) => Ok(context.rng()),
            (None, None) => Err(too_early()),
        }
    }

    /// The device that is spoken of.
    pub(crate) fn identity(&mut self) -> wasmtime::Result<&Identity> {
        match (&self.desk, &self.context) {
            (Some(desk), _) => Ok(desk.identity()),
            (None, Some(context)) => Ok(context.identity()),
            (None, None) => Err(too_early()),
        }
    }

    /// Write a line, if there is somebody to read it.
    pub(crate) fn log(&mut self, level: LogLevel, text: String) -> wasmtime::Result<()> {
        match &mut self.desk {
            Some(desk) => desk.log(level, text),
            None => self.context()?.log(level, text),
        }
        Ok(())
    }

    /// Hand over what was written to standard output and error.
    pub(crate) fn tell_output(&mut self) {
        let lines = self.wasi.as_mut().filter(|_| self.context.is_some() || self.desk.is_some());
        for (level, text) in lines.map(|room| room.take_lines()).unwrap_or_default() {
            // Somebody reads it, so that this cannot fail.
            let _ = self.log(level, text);
        }
    }
}

fn too_early() -> wasmtime::Error {
    wasmtime::format_err!("a component may call the host only while it deals with an event or a message")
}

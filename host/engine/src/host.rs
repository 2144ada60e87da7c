//! Store data of an instance, which its imports work on.

use std::sync::Arc;

use wasmote_mqtt::device_id::Identity;
use wasmote_sim::config::DeviceConfig;
use wasmote_sim::context::{Context, LogLevel};
use wasmote_sim::faults::component::ModelContext;
use wasmote_sim::limits::Limits;
use wasmote_sim::rng::Stream;

use crate::limiter::Limiter;
use crate::wasi::output::{WasiOutput, shortened};

/// Host state of one instance.
pub(crate) struct Host {
    /// Context of the behaviour, set only while it handles an event.
    pub(crate) context: Option<Context>,
    /// Context of the fault model, set only while it handles a message.
    pub(crate) model_context: Option<ModelContext>,
    pub(crate) config: DeviceConfig,
    pub(crate) limiter: Limiter,
    /// Whether the component is being instantiated. Its runtime may call WASI then, but not the host's own imports.
    pub(crate) is_instantiating: bool,
    /// Units that the running call may still spend on host calls.
    pub(crate) fuel: u64,
    pub(crate) allow_hosts: Arc<[String]>,
    /// Whether the log has a warning about a file of data.
    pub(crate) has_warned_of_data: bool,
    pub(crate) wasi: Option<Box<WasiOutput>>,
    /// Resources of WASI that the guest holds.
    pub(crate) wasi_resources: u32,
    /// The last line of the running call at the level `error`.
    pub(crate) last_error: Option<Box<str>>,
}

impl Host {
    pub(crate) fn new(
        config: DeviceConfig,
        limits: &Limits,
        allow_hosts: Arc<[String]>,
        needs_wasi: bool,
    ) -> Self {
        let limiter = Limiter::new(limits);
        let wasi = needs_wasi.then(Box::default);
        Self {
            context: None,
            model_context: None,
            config,
            limiter,
            is_instantiating: false,
            fuel: 0,
            allow_hosts,
            has_warned_of_data: false,
            wasi,
            wasi_resources: 0,
            last_error: None,
        }
    }

    /// The context, or a trap: a component can call its imports during instantiation, before any event.
    pub(crate) fn context(&mut self) -> wasmtime::Result<&mut Context> {
        self.check_in_call()?;
        self.context.as_mut().ok_or_else(not_in_call)
    }

    /// The random number stream of the running behaviour or fault model.
    pub(crate) fn rng(&mut self) -> wasmtime::Result<&mut Stream> {
        self.check_in_call()?;
        self.wasi_rng().ok_or_else(not_in_call)
    }

    /// The same random number stream, which WASI reads during instantiation too.
    pub(crate) fn wasi_rng(&mut self) -> Option<&mut Stream> {
        match (&mut self.model_context, &mut self.context) {
            (Some(model_context), _) => Some(model_context.rng()),
            (None, Some(context)) => Some(context.rng()),
            (None, None) => None,
        }
    }

    fn check_in_call(&self) -> wasmtime::Result<()> {
        if self.is_instantiating { Err(not_in_call()) } else { Ok(()) }
    }

    /// The device of the running behaviour or fault model.
    pub(crate) fn identity(&mut self) -> wasmtime::Result<&Identity> {
        self.check_in_call()?;
        match (&self.model_context, &self.context) {
            (Some(model_context), _) => Ok(model_context.identity()),
            (None, Some(context)) => Ok(context.identity()),
            (None, None) => Err(not_in_call()),
        }
    }

    /// Emits a log line. Traps outside of a call.
    pub(crate) fn log(&mut self, level: LogLevel, text: String) -> wasmtime::Result<()> {
        self.check_in_call()?;
        if level == LogLevel::Error {
            self.last_error = Some(text.as_str().into());
        }
        match &mut self.model_context {
            Some(model_context) => model_context.log(level, text),
            None => self.context()?.log(level, text),
        }
        Ok(())
    }

    /// What the guest wrote during the running call about its end: its last line at the level `error`, or to standard error.
    pub(crate) fn last_words(&self) -> Option<String> {
        let logged = self.last_error.as_deref().map(shortened);
        logged.or_else(|| self.wasi.as_ref().and_then(|output| output.errors()))
    }

    /// Emits the lines that the guest wrote to standard output and error.
    pub(crate) fn flush_output(&mut self) {
        self.last_error = None;
        let lines = self.wasi.as_mut().filter(|_| self.context.is_some() || self.model_context.is_some());
        for (level, text) in lines.map(|output| output.drain_lines()).unwrap_or_default() {
            // Cannot fail: one of the two contexts is set.
            let _ = self.log(level, text);
        }
    }
}

fn not_in_call() -> wasmtime::Error {
    wasmtime::format_err!("a component may call the host only while it deals with an event or a message")
}

//! The behaviour of a component instance, called by the code of `export!`.

use crate::bindings::wasmote::device::log::{Level, write};
use crate::{
    Behaviour, ConnectionChange, Device, Failure, Message, Request, Response, StartCause, StopReason,
};
use std::cell::RefCell;

/// Holds the behaviour after `start`. Earlier calls have no effect.
pub struct Instance<B>(RefCell<Option<(B, Device)>>);

impl<B: Behaviour> Instance<B> {
    pub const fn new() -> Self {
        Instance(RefCell::new(None))
    }

    fn with<R>(&self, call: impl FnOnce(&mut B, &mut Device) -> R) -> Option<R> {
        self.0.borrow_mut().as_mut().map(|(behaviour, device)| call(behaviour, device))
    }

    pub fn start(&self, cause: StartCause) -> Result<(), String> {
        report_panics();
        let mut device = Device::new(crate::host::HostHandle);
        let behaviour = B::start(&mut device, cause)?;
        *self.0.borrow_mut() = Some((behaviour, device));
        Ok(())
    }

    pub fn on_message(&self, message: Message) {
        self.with(|behaviour, device| behaviour.on_message(device, message));
    }

    pub fn on_timer(&self, token: u32) {
        self.with(|behaviour, device| behaviour.on_timer(device, token));
    }

    pub fn on_connection(&self, change: ConnectionChange) {
        self.with(|behaviour, device| behaviour.on_connection(device, change));
    }

    pub fn on_http_request(&self, request: Request) -> Response {
        self.with(|behaviour, device| behaviour.on_http_request(device, request))
            .unwrap_or_else(|| Response::error(503, "not started"))
    }

    pub fn on_http_reply(&self, id: u64, reply: Result<Response, Failure>) {
        self.with(|behaviour, device| behaviour.on_http_reply(device, id, reply));
    }

    pub fn stop(&self, reason: StopReason) {
        self.with(|behaviour, device| behaviour.stop(device, reason));
    }

    pub fn snapshot(&self) -> Result<Vec<u8>, String> {
        self.with(|behaviour, device| behaviour.snapshot(device)).unwrap_or_else(|| Err("not started".into()))
    }

    pub fn restore(&self, saved: &[u8]) -> Result<(), String> {
        self.with(|behaviour, device| behaviour.restore(device, saved))
            .unwrap_or_else(|| Err("not started".into()))
    }
}

/// Logs panic messages, because the trap of a panic has no message.
pub(crate) fn report_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let message = panic.payload_as_str().unwrap_or("panic without a message");
        match panic.location() {
            Some(location) => {
                write(Level::Error, &format!("panic at {}:{}: {message}", location.file(), location.line()))
            }
            None => write(Level::Error, message),
        }
    }));
}

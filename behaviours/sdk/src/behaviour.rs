//! The [`Behaviour`] trait, and the macro that exports an implementation as a component.

use crate::{Device, Failure, Message, Request, Response};

pub use crate::bindings::exports::wasmote::device::behaviour::{ConnectionChange, StartCause, StopReason};

/// Application code of a device. The host calls one method at a time, with the [`Device`] as its interface.
/// No call of a device method waits. Only [`start`](Behaviour::start) is required.
pub trait Behaviour: Sized {
    /// Creates the behaviour: reads the configuration, sets the will, subscribes, sets timers. The host
    /// connects afterwards. An error is final, and the user sees it unchanged.
    fn start(device: &mut Device, cause: StartCause) -> Result<Self, String>;

    /// A message arrived that matches a subscription.
    fn on_message(&mut self, _device: &mut Device, _message: Message) {}

    /// A timer is due.
    fn on_timer(&mut self, _device: &mut Device, _token: u32) {}

    /// The connection came up or went down. The host restores subscriptions.
    fn on_connection(&mut self, _device: &mut Device, _change: ConnectionChange) {}

    /// An HTTP request to this device. Returns 404 by default.
    fn on_http_request(&mut self, _device: &mut Device, _request: Request) -> Response {
        Response::not_found()
    }

    /// The response to a request of [`Device::send_http`], or the reason for its failure.
    fn on_http_reply(&mut self, _device: &mut Device, _id: u64, _reply: Result<Response, Failure>) {}

    /// Last call. The host still sends messages published here.
    fn stop(&mut self, _device: &mut Device, _reason: StopReason) {}

    /// Saves the state for a later version of this behaviour. Empty by default.
    fn snapshot(&mut self, _device: &mut Device) -> Result<Vec<u8>, String> {
        Ok(Vec::new())
    }

    /// Restores a [`snapshot`](Behaviour::snapshot), possibly of an older version. Called once, after `start`
    /// with [`StartCause::Swap`].
    fn restore(&mut self, _device: &mut Device, _saved: &[u8]) -> Result<(), String> {
        Ok(())
    }
}

/// Exports a type that implements [`Behaviour`] as a component. Use it once per crate. Native builds export
/// nothing, so the same crate can be tested natively.
#[macro_export]
macro_rules! export {
    ($behaviour:ty) => {
        // Native builds only check that the type implements the trait.
        #[cfg(not(target_arch = "wasm32"))]
        const _: fn(&mut $crate::Device, $crate::StartCause) -> Result<$behaviour, String> =
            <$behaviour as $crate::Behaviour>::start;

        #[cfg(target_arch = "wasm32")]
        const _: () = {
            use $crate::bindings::exports::wasmote::device::behaviour as exported;
            use $crate::guest::Instance;

            thread_local! {
                static INSTANCE: Instance<$behaviour> = const { Instance::new() };
            }

            struct Component;

            impl exported::Guest for Component {
                fn start(cause: exported::StartCause) -> Result<(), String> {
                    INSTANCE.with(|instance| instance.start(cause))
                }
                fn on_message(message: exported::Message) {
                    INSTANCE.with(|instance| instance.on_message(message));
                }
                fn on_timer(token: u32) {
                    INSTANCE.with(|instance| instance.on_timer(token));
                }
                fn on_connection(change: exported::ConnectionChange) {
                    INSTANCE.with(|instance| instance.on_connection(change));
                }
                fn on_http_request(request: exported::HttpRequest) -> exported::HttpResponse {
                    INSTANCE.with(|instance| instance.on_http_request(request))
                }
                fn on_http_reply(id: u64, reply: Result<exported::HttpResponse, exported::HttpFailure>) {
                    INSTANCE.with(|instance| instance.on_http_reply(id, reply));
                }
                fn stop(reason: exported::StopReason) {
                    INSTANCE.with(|instance| instance.stop(reason));
                }
                fn snapshot() -> Result<Vec<u8>, String> {
                    INSTANCE.with(|instance| instance.snapshot())
                }
                fn restore(saved: Vec<u8>) -> Result<(), String> {
                    INSTANCE.with(|instance| instance.restore(&saved))
                }
            }

    $crate::bindings::export!(Component with_types_in $crate::bindings);
        };
    };
}

//! The trait that makes a behaviour, and the macro that makes a component of it.

use crate::{Device, Failure, Message, Request, Response};

pub use crate::bindings::exports::wasmote::device::behaviour::{ConnectionChange, StartCause, StopReason};

/// What a device does. Calls come one at a time; each gets the [`Device`] to speak through, and nothing
/// it says there waits. Only [`start`](Behaviour::start) has to be written.
pub trait Behaviour: Sized {
    /// Make the behaviour: read the configuration, set the will, subscribe, set timers. The connection
    /// comes up afterwards. An error is final and is shown to the user as it is.
    fn start(device: &mut Device, cause: StartCause) -> Result<Self, String>;

    /// A message arrived that matches a subscription.
    fn on_message(&mut self, _device: &mut Device, _message: Message) {}

    /// A timer is due.
    fn on_timer(&mut self, _device: &mut Device, _token: u32) {}

    /// The connection came up or went down. Subscriptions are kept up by the host.
    fn on_connection(&mut self, _device: &mut Device, _change: ConnectionChange) {}

    /// Somebody asks this device over HTTP. Answers 404 unless overridden.
    fn on_http_request(&mut self, _device: &mut Device, _request: Request) -> Response {
        Response::not_found()
    }

    /// The answer to [`Device::send_http`] came, or will not.
    fn on_http_reply(&mut self, _device: &mut Device, _id: u64, _reply: Result<Response, Failure>) {}

    /// The last call. What is published here still goes out.
    fn stop(&mut self, _device: &mut Device, _reason: StopReason) {}

    /// Everything that a later version of this behaviour has to know. Nothing unless overridden.
    fn snapshot(&mut self, _device: &mut Device) -> Result<Vec<u8>, String> {
        Ok(Vec::new())
    }

    /// Take over what [`snapshot`](Behaviour::snapshot) saved, perhaps in an older version. Called
    /// once, after `start` with [`StartCause::Swap`].
    fn restore(&mut self, _device: &mut Device, _saved: &[u8]) -> Result<(), String> {
        Ok(())
    }
}

/// Make the component's exports of a type that implements [`Behaviour`]. Once per crate.
/// Outside Wasm it exports nothing, so the same crate can be tested natively.
#[macro_export]
macro_rules! export {
    ($behaviour:ty) => {
        // Outside Wasm nothing calls it, but it has to be a behaviour all the same.
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

//! Instance of a behaviour, with its own store.

use wasmote_sim::behaviour::{Behaviour, CallCost, Trap, TrapKind};
use wasmote_sim::context::Context;
use wasmote_sim::event::Event;
use wasmote_sim::limits::Limits;
use wasmtime::Store;

use crate::bindings::{Device, DevicePre};
use crate::compiler::{CALL_TIMEOUT, CALL_TIMEOUT_TICKS};
use crate::convert;
use crate::cost::HostFuelExhausted;
use crate::error::with_room_to_grow;
use crate::host::Host;

/// Instance for one device. A trap poisons its store, so the instance ends with it.
pub(crate) struct Instance {
    store: Store<Host>,
    guest: Guest<DevicePre<Host>, Device>,
    fuel_per_call: u64,
    /// Largest HTTP response, snapshot and error text.
    max_result_bytes: usize,
}

/// The component of an instance. The first call instantiates it, because the runtimes of other languages read the
/// clock, draw random numbers and write errors during instantiation, which takes the context of a call.
#[allow(
    clippy::large_enum_variant,
    reason = "almost all instances are ready, so a box would only cost memory"
)]
pub(crate) enum Guest<P, G> {
    New(Box<P>),
    Ready(G),
}

impl<P, G> Guest<P, G> {
    /// The instantiated component. A first call instantiates it with the budget of one call.
    pub(crate) fn ready(
        &mut self,
        store: &mut Store<Host>,
        fuel: u64,
        instantiate: impl FnOnce(&P, &mut Store<Host>) -> wasmtime::Result<G>,
    ) -> wasmtime::Result<&G> {
        if let Self::New(pre) = self {
            set_call_budget(store, fuel)?;
            store.data_mut().is_instantiating = true;
            let guest = instantiate(pre, store);
            store.data_mut().is_instantiating = false;
            *self = Self::Ready(guest?);
        }
        match self {
            Self::Ready(guest) => Ok(guest),
            Self::New(_) => unreachable!("the lines above have instantiated it"),
        }
    }
}

impl Instance {
    pub(crate) fn new(pre: &DevicePre<Host>, host: Host, limits: &Limits) -> Self {
        let mut store = Store::new(pre.engine(), host);
        store.limiter(|host| &mut host.limiter);
        store.set_hostcall_fuel(max_argument_bytes(limits));
        Self {
            store,
            guest: Guest::New(Box::new(pre.clone())),
            fuel_per_call: limits.fuel_per_call,
            max_result_bytes: limits.host_call_bytes as usize,
        }
    }

    /// Calls the guest while its store holds the context, and takes the context back.
    fn call<T>(
        &mut self,
        context: Context,
        call: impl FnOnce(&Device, &mut Store<Host>) -> wasmtime::Result<T>,
    ) -> (Context, Result<T, Trap>) {
        self.store.data_mut().context = Some(context);
        let outcome =
            self.guest.ready(&mut self.store, self.fuel_per_call, |pre, store| pre.instantiate(store));
        let outcome = outcome.and_then(|guest| {
            set_call_budget(&mut self.store, self.fuel_per_call)?;
            call(guest, &mut self.store)
        });
        let outcome = outcome.map_err(|error| trap_from_error(&error, self.store.data(), self.fuel_per_call));
        let host = self.store.data_mut();
        host.flush_output();
        match host.context.take() {
            Some(context) => (context, outcome),
            // Only the line above takes the context out of the store.
            None => unreachable!("the context stays in the store during a call"),
        }
    }
}

impl Behaviour for Instance {
    fn handle(&mut self, event: Event, context: Context) -> (Context, Result<(), Trap>) {
        let limit = self.max_result_bytes;
        let event = context.event_of_behaviour(event);
        let (mut context, outcome) = self.call(context, |guest, store| dispatch(guest, store, event, limit));
        let outcome = match outcome {
            Ok(Outcome::Done) => Ok(()),
            Ok(Outcome::Refused(reason)) => Err(refused(reason, limit)),
            Ok(Outcome::Answered(ticket, response)) => {
                context.http_respond(ticket, response);
                Ok(())
            }
            Err(trap) => Err(trap),
        };
        (context, outcome)
    }

    fn snapshot(&mut self, context: Context) -> (Context, Result<Vec<u8>, Trap>) {
        let (context, outcome) =
            self.call(context, |guest, store| guest.wasmote_device_behaviour().call_snapshot(store));
        let limit = self.max_result_bytes;
        let outcome = outcome.and_then(|saved| saved.map_err(|reason| refused(reason, limit)));
        (context, outcome.and_then(|saved| check_snapshot(saved, limit)))
    }

    fn restore(&mut self, saved: &[u8], context: Context) -> (Context, Result<(), Trap>) {
        let (context, outcome) =
            self.call(context, |guest, store| guest.wasmote_device_behaviour().call_restore(store, saved));
        let limit = self.max_result_bytes;
        (context, outcome.and_then(|result| result.map_err(|reason| refused(reason, limit))))
    }

    /// The budgets of a call are set before it, so what is missing of them is its cost.
    fn last_cost(&self) -> Option<CallCost> {
        let host = self.store.data();
        Some(CallCost {
            fuel: self.fuel_per_call.saturating_sub(self.store.get_fuel().ok()?),
            host_fuel: self.fuel_per_call.saturating_sub(host.fuel),
            memory_bytes: host.limiter.used() as u64,
        })
    }
}

enum Outcome {
    Done,
    Refused(String),
    Answered(u64, wasmote_sim::http::HttpResponse),
}

/// Bytes that the arguments of one host call may have: all that fits into the memory of the guest. The imports
/// have smaller limits of their own, and report them to the guest as errors.
pub(crate) fn max_argument_bytes(limits: &Limits) -> usize {
    usize::try_from(limits.memory_bytes.max(limits.host_call_bytes.into())).unwrap_or(usize::MAX)
}

/// A refusal with the guest's reason, cut after this many bytes.
pub(crate) fn refused(mut reason: String, limit: usize) -> Trap {
    reason.truncate(reason.floor_char_boundary(limit));
    Trap::new(TrapKind::Refused, reason)
}

fn check_snapshot(saved: Vec<u8>, limit: usize) -> Result<Vec<u8>, Trap> {
    match saved.len() {
        length if length > limit => {
            let message = format!(
                "the snapshot has {length} bytes, and the limit is {limit} (--limit host_call_bytes)"
            );
            Err(Trap::new(TrapKind::Refused, message))
        }
        _ => Ok(saved),
    }
}

fn dispatch(
    guest: &Device,
    store: &mut Store<Host>,
    event: Event,
    limit: usize,
) -> wasmtime::Result<Outcome> {
    let guest = guest.wasmote_device_behaviour();
    match event {
        Event::Started(cause) => {
            let started = guest.call_start(store, convert::cause_to_wit(cause))?;
            return Ok(started.map_or_else(Outcome::Refused, |()| Outcome::Done));
        }
        Event::Message(message) => guest.call_on_message(store, &convert::message_to_wit(message))?,
        Event::Timer(token) => guest.call_on_timer(store, token)?,
        Event::Connection(change) => guest.call_on_connection(store, &convert::change_to_wit(change))?,
        Event::HttpRequest(ticket, request) => {
            let response = guest.call_on_http_request(store, &convert::request_to_wit(request))?;
            return Ok(Outcome::Answered(ticket, convert::response_from_wit(response, limit)));
        }
        Event::HttpReply(id, reply) => {
            let reply = convert::reply_to_wit(reply);
            guest.call_on_http_reply(store, id, reply.as_ref())?;
        }
        Event::Stopping(reason) => guest.call_stop(store, convert::reason_to_wit(reason))?,
    }
    Ok(Outcome::Done)
}

/// Sets fuel, budget for host calls, and deadline of the next call. Only Winch code checks the deadline.
pub(crate) fn set_call_budget(store: &mut Store<Host>, fuel: u64) -> wasmtime::Result<()> {
    store.set_epoch_deadline(CALL_TIMEOUT_TICKS);
    store.data_mut().set_fuel(fuel);
    store.set_fuel(fuel)
}

/// Words of the error of wasmtime for arguments beyond [`max_argument_bytes`]; the error has no public type.
const TOO_MANY_ARGUMENT_BYTES: &str = "fuel allocated for hostcalls has been exhausted";

/// Converts the error of a call into a trap with a reason for users.
pub(crate) fn trap_from_error(error: &wasmtime::Error, host: &Host, fuel: u64) -> Trap {
    use wasmtime::Trap as Wasm;
    let code = error.downcast_ref::<Wasm>();
    // Fault models have no such flags.
    let is_behaviour = host.model_context.is_none();
    let more_fuel = match is_behaviour {
        true => format!("; --limit fuel_per_call={} allows more", with_room_to_grow(fuel)),
        false => String::new(),
    };
    if code == Some(&Wasm::OutOfFuel) {
        let message =
            format!("one call used more than {fuel} units of fuel, as an endless loop does{more_fuel}");
        return Trap::new(TrapKind::OutOfFuel, message);
    }
    if let Some(HostFuelExhausted(import)) = error.downcast_ref() {
        let message = format!(
            "the host calls of one call used more than {fuel} units of fuel, as an endless loop does; the last was \
             `{import}`{more_fuel}"
        );
        return Trap::new(TrapKind::OutOfFuel, message);
    }
    if code == Some(&Wasm::Interrupt) {
        let message = format!("one call went on for {} s, as an endless loop does", CALL_TIMEOUT.as_secs());
        return Trap::new(TrapKind::OutOfTime, message);
    }
    if let Some(wanted) = host.limiter.refused_bytes {
        let limit = host.limiter.limit();
        let mut message = format!("it asked for {wanted} bytes of memory and may have {limit}");
        if is_behaviour {
            let enough = with_room_to_grow(wanted as u64);
            message += &format!("; --limit memory_bytes={enough} allows more");
        }
        return Trap::new(TrapKind::OutOfMemory, message);
    }
    if code.is_none() && error.root_cause().to_string().contains(TOO_MANY_ARGUMENT_BYTES) {
        let message = "the arguments of one host call have more bytes than its memory may have";
        return Trap::new(TrapKind::Trapped, message);
    }
    let message = match code {
        Some(Wasm::UnreachableCodeReached) => "a panic or an explicit trap".to_owned(),
        Some(other) => other.to_string(),
        None => format!("{:#}", error.root_cause()),
    };
    let words = host.last_words().map(|words| format!("; it wrote: {words}")).unwrap_or_default();
    Trap::new(TrapKind::Trapped, message + &words)
}

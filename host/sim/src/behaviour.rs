//! Behaviours: the program of a device.

use std::fmt;
use std::sync::Arc;

use wasmote_mqtt::device_id::Identity;

use crate::context::Context;
use crate::event::Event;
use crate::layout::Layout;

/// A behaviour turns events into effects. It never blocks, and has no clock, socket or file: the [`Context`]
/// provides the time and collects effects for the device.
///
/// The context is passed by value, because a sandboxed behaviour must move it into the store of its imports.
/// It is always returned, even after a trap. After an error the instance is not called again.
///
/// A closure is a behaviour too, for short test doubles:
///
/// ```
/// use wasmote_sim::{behaviour::Behaviour, context::Context, event::Event};
///
/// let mut echo = |event: Event, context: &mut Context| {
///     if let Event::Message(message) = event {
///         let _ = context.publish(message);
///     }
///     Ok(())
/// };
/// fn takes(_: &mut dyn Behaviour) {}
/// takes(&mut echo);
/// ```
pub trait Behaviour: Send {
    /// Handles one event.
    fn handle(&mut self, event: Event, context: Context) -> (Context, Result<(), Trap>);

    /// State for the next version of the behaviour.
    fn snapshot(&mut self, context: Context) -> (Context, Result<Vec<u8>, Trap>) {
        (context, Err(Trap::unsupported("snapshot")))
    }

    /// Restores the state of another version.
    fn restore(&mut self, saved: &[u8], context: Context) -> (Context, Result<(), Trap>) {
        let _ = saved;
        (context, Err(Trap::unsupported("restore")))
    }

    /// What the last call cost, for measurements; `None` if that is not counted.
    fn last_cost(&self) -> Option<CallCost> {
        None
    }
}

/// Cost of one call of a behaviour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CallCost {
    /// Fuel of its own instructions.
    pub fuel: u64,
    /// Fuel of its calls to the host.
    pub host_fuel: u64,
    /// Bytes of linear memory that the instance has after it.
    pub memory_bytes: u64,
}

impl<F> Behaviour for F
where
    F: FnMut(Event, &mut Context) -> Result<(), Trap> + Send,
{
    fn handle(&mut self, event: Event, mut context: Context) -> (Context, Result<(), Trap>) {
        let outcome = self(event, &mut context);
        (context, outcome)
    }
}

/// Creates instances of one behaviour. A device requests a new instance after each crash.
pub trait BehaviourFactory: Send + Sync {
    /// Creates an instance for this device.
    fn instantiate(&self, identity: &Identity) -> Result<Box<dyn Behaviour>, Trap>;

    /// Name of the behaviour, such as `heartbeat`.
    fn name(&self) -> &str;

    /// Layout of the messages of its instances; `None` if they are published as they are.
    fn layout(&self) -> Option<Arc<Layout>> {
        None
    }

    /// Version of the behaviour.
    fn version(&self) -> Version {
        Version { name: self.name().into(), sha256: "".into() }
    }
}

/// Version of a behaviour. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// Name of the behaviour.
    pub name: Arc<str>,
    /// SHA-256 of the component in hexadecimal; empty for a closure.
    pub sha256: Arc<str>,
}

impl Version {
    /// Prefix of the hash, for display.
    pub fn short(&self) -> &str {
        self.sha256.get(..12).unwrap_or(&self.sha256)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.sha256.is_empty() {
            true => f.write_str(&self.name),
            false => write!(f, "{}@{}", self.name, self.short()),
        }
    }
}

/// Failure that ends an instance.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind}: {message}")]
pub struct Trap {
    /// Kind of the failure.
    pub kind: TrapKind,
    /// Details; the guest's own text if it gave one.
    pub message: String,
}

/// Kinds of failures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, thiserror::Error)]
pub enum TrapKind {
    /// The behaviour refused: `start` its configuration, or `restore` the snapshot of another version. A
    /// retry would fail in the same way. The instance is intact.
    #[error("refused to start")]
    Refused,
    /// The guest trapped: a panic, an access out of bounds, a division by zero...
    #[error("trapped")]
    Trapped,
    /// One call exceeded the fuel limit, for example in an endless loop.
    #[error("ran out of fuel")]
    OutOfFuel,
    /// One call exceeded the time limit. It applies only in real time, to code from the fast compiler.
    #[error("took too long")]
    OutOfTime,
    /// The instance exceeded the memory limit.
    #[error("ran out of memory")]
    OutOfMemory,
    /// The host could not create or call the instance.
    #[error("could not run")]
    Host,
}

impl TrapKind {
    /// Short name for metrics and events.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Trapped => "trapped",
            Self::OutOfFuel => "out_of_fuel",
            Self::OutOfTime => "out_of_time",
            Self::OutOfMemory => "out_of_memory",
            Self::Host => "host",
        }
    }
}

impl Trap {
    /// A trap of a kind, with details.
    pub fn new(kind: TrapKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    fn unsupported(what: &str) -> Self {
        Self::new(TrapKind::Refused, format!("this behaviour has no {what}"))
    }
}

//! The mind of a device, as the device sees it.

use std::fmt;
use std::sync::Arc;

use crate::context::Context;
use crate::event::Event;
use wasmote_mqtt::device_id::Identity;

/// A behaviour turns events into effects. It never waits, and sees no clock, socket or file: time comes
/// with the [`Context`], and effects are left there for the device to carry out.
///
/// The context is lent by value, because a sandboxed behaviour has to move it to where its imports find
/// it; it always comes back, even from a trap. After an error the instance is not called again.
///
/// A closure is a behaviour too, which keeps test doubles to a line:
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
    /// Deal with one event.
    fn handle(&mut self, event: Event, context: Context) -> (Context, Result<(), Trap>);

    /// Everything that a later version has to know.
    fn snapshot(&mut self, context: Context) -> (Context, Result<Vec<u8>, Trap>) {
        (context, Err(Trap::unsupported("snapshot")))
    }

    /// Take over what another version saved.
    fn restore(&mut self, saved: &[u8], context: Context) -> (Context, Result<(), Trap>) {
        let _ = saved;
        (context, Err(Trap::unsupported("restore")))
    }
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

/// Makes instances of one behaviour; a device asks it again after each crash.
pub trait BehaviourFactory: Send + Sync {
    /// A fresh instance for this device. It has seen no event yet.
    fn instantiate(&self, identity: &Identity) -> Result<Box<dyn Behaviour>, Trap>;

    /// What to call the behaviour, such as `heartbeat`.
    fn name(&self) -> &str;

    /// Which version of it this is.
    fn version(&self) -> Version {
        Version { name: self.name().into(), sha256: "".into() }
    }
}

/// One version of a behaviour. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// The behaviour's name.
    pub name: Arc<str>,
    /// SHA-256 of its component in hexadecimal; empty for one that is no component.
    pub sha256: Arc<str>,
}

impl Version {
    /// The beginning of the hash, enough to tell versions apart.
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

/// Why an instance came to an end by itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind}: {message}")]
pub struct Trap {
    /// What sort of end it was.
    pub kind: TrapKind,
    /// The details in words; the guest's own where it had some.
    pub message: String,
}

/// The sorts of ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, thiserror::Error)]
pub enum TrapKind {
    /// The behaviour said no: `start` to its configuration, `restore` to what another version saved. Another try
    /// would end the same way, and the instance is unharmed.
    #[error("refused to start")]
    Refused,
    /// The guest trapped: a panic, an access out of bounds, a division by zero...
    #[error("trapped")]
    Trapped,
    /// One call used more fuel than allowed, as an endless loop does.
    #[error("ran out of fuel")]
    OutOfFuel,
    /// One call went on for too long. Only code that was compiled in a hurry, in real time, is looked at in this way.
    #[error("took too long")]
    OutOfTime,
    /// The instance asked for more memory than allowed.
    #[error("ran out of memory")]
    OutOfMemory,
    /// The host could not make or call the instance.
    #[error("could not run")]
    Host,
}

impl TrapKind {
    /// A short word for metrics and events.
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
    /// A trap of a kind, with its details.
    pub fn new(kind: TrapKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    fn unsupported(what: &str) -> Self {
        Self::new(TrapKind::Refused, format!("this behaviour has no {what}"))
    }
}

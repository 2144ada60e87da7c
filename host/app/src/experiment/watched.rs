//! A behaviour with somebody looking over its shoulder.
//!
//! The account of a run needs to know of every message when it comes into being and when it reaches a
//! behaviour. Both happen between a device and its behaviour, so that is where this sits; neither notices.

use std::sync::{Arc, Mutex, PoisonError};

use wasmote_sim::behaviour::{Behaviour, Spawn, Trap, Version};
use wasmote_sim::context::{Context, Effect};
use wasmote_sim::device_id::Identity;
use wasmote_sim::event::{Event, StartCause, StopReason};

use super::account::Account;

/// An account that a run's devices share. A run is one thread, so nobody ever waits for it.
#[derive(Clone, Debug)]
pub struct SharedAccount(Arc<Mutex<Account>>);

impl SharedAccount {
    /// Share an account.
    pub fn new(account: Account) -> Self {
        Self(Arc::new(Mutex::new(account)))
    }

    /// Look into it, or write.
    pub fn with<T>(&self, look: impl FnOnce(&mut Account) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Makes watched instances of what can be replaced in mid-run by another behaviour or configuration.
pub struct WatchedSpawn {
    name: String,
    inner: Mutex<Arc<dyn Spawn>>,
    account: SharedAccount,
}

impl WatchedSpawn {
    /// Watch what this makes.
    pub fn new(inner: Arc<dyn Spawn>, account: SharedAccount) -> Self {
        Self { name: inner.name().to_owned(), inner: Mutex::new(inner), account }
    }

    /// Make instances of another from now on.
    pub fn replace(&self, inner: Arc<dyn Spawn>) {
        *self.inner.lock().unwrap_or_else(PoisonError::into_inner) = inner;
    }
}

impl Spawn for WatchedSpawn {
    fn spawn(&self, identity: &Identity) -> Result<Box<dyn Behaviour>, Trap> {
        let spawn = Arc::clone(&self.inner.lock().unwrap_or_else(PoisonError::into_inner));
        let inner = spawn.spawn(identity)?;
        let Some(device) = self.account.with(|account| account.position(&identity.id)) else {
            return Ok(inner);
        };
        Ok(Box::new(Watched { device, inner, account: self.account.clone() }))
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn version(&self) -> Version {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).version()
    }
}

struct Watched {
    device: u32,
    inner: Box<dyn Behaviour>,
    account: SharedAccount,
}

impl Watched {
    /// Enter what is asked for and does happen.
    fn enter(&self, context: &Context, happens: impl Fn(&Effect) -> bool) {
        if context.effects().is_empty() {
            return;
        }
        let (device, now) = (self.device, context.now());
        self.account.with(|account| {
            let effects = context.effects().iter().filter(|effect| happens(effect));
            effects.for_each(|effect| account.asked(device, effect, now));
        });
    }
}

impl Behaviour for Watched {
    fn handle(&mut self, event: Event, context: Context) -> (Context, Result<(), Trap>) {
        let device = self.device;
        if let Event::Message(message) = &event {
            self.account.with(|account| account.receives(device, message, context.now()));
        }
        // What a new version asks for when it starts happens once it has restored. Of what an old one asks for as it
        // leaves, nothing happens but its messages.
        let is_successor = event == Event::Started(StartCause::Swap);
        let leaves = event == Event::Stopping(StopReason::Swap);
        let (context, outcome) = self.inner.handle(event, context);
        // What a trapped instance asked for does not happen.
        if outcome.is_ok() && !is_successor {
            self.enter(&context, |effect| !leaves || matches!(effect, Effect::Publish(_)));
        }
        (context, outcome)
    }

    fn snapshot(&mut self, context: Context) -> (Context, Result<Vec<u8>, Trap>) {
        let (context, outcome) = self.inner.snapshot(context);
        if outcome.is_ok() {
            self.enter(&context, |_| true);
        }
        (context, outcome)
    }

    fn restore(&mut self, saved: &[u8], context: Context) -> (Context, Result<(), Trap>) {
        let (context, outcome) = self.inner.restore(saved, context);
        if outcome.is_ok() {
            self.enter(&context, |_| true);
        }
        (context, outcome)
    }
}

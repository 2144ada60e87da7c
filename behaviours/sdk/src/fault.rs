//! Fault models, which return a verdict for each message on the link between a device and its broker.
//!
//! ```
//! use wasmote_sdk::fault::{FaultModel, Link, Passage, Verdict};
//!
//! /// Drops every message on a topic with this ending.
//! struct DropByTopic {
//!     ending: String,
//! }
//!
//! impl FaultModel for DropByTopic {
//!     fn configure(link: &mut Link) -> Result<Self, String> {
//!         let ending = link.config().text("ending")?;
//!         Ok(DropByTopic { ending: ending.ok_or("configuration: ending: it is missing")? })
//!     }
//!
//!     fn judge(&mut self, _link: &mut Link, passage: &Passage) -> Verdict {
//!         if passage.topic.ends_with(&self.ending) { Verdict::Drop } else { Verdict::Pass }
//!     }
//! }
//! # wasmote_sdk::export_fault_model!(DropByTopic);
//! # use wasmote_sdk::bench::Lane;
//! # let mut lane = Lane::<DropByTopic>::with(1, r#"{"ending": "/heartbeat"}"#);
//! # assert_eq!(lane.out("wasmote/a/heartbeat", "x"), Verdict::Drop);
//! # assert_eq!(lane.out("wasmote/a/state", "x"), Verdict::Pass);
//! ```

use crate::Config;
use crate::config::Identity;
use crate::host::HostHandle;
use crate::imports::Level;
use std::fmt;
use std::time::Duration;

pub use crate::bindings::fault::exports::wasmote::device::fault_model::{
    Copies, Direction, Hold, Origin, Passage, Verdict,
};

/// A fault model for the link of one device. Both directions share one instance.
pub trait FaultModel: Sized {
    /// Creates the model from its configuration. The user sees an error unchanged.
    fn configure(link: &mut Link) -> Result<Self, String>;

    /// Handles a configuration change during the run, for example in a ramp. Creates a new model by default;
    /// a model with state should keep it.
    fn reconfigure(&mut self, link: &mut Link) -> Result<(), String> {
        *self = Self::configure(link)?;
        Ok(())
    }

    /// Returns the verdict for a message.
    fn judge(&mut self, link: &mut Link, passage: &Passage) -> Verdict;
}

/// The link of the model: its device, the configuration and random numbers of the fault, and the log.
pub struct Link {
    identity: Identity,
    host: HostHandle,
}

impl Link {
    #[cfg_attr(all(not(target_arch = "wasm32"), not(feature = "bench")), allow(dead_code))]
    pub(crate) fn new(host: HostHandle) -> Self {
        Link { identity: host.whoami(), host }
    }

    pub(crate) fn host(&self) -> &HostHandle {
        &self.host
    }

    /// Id of the device; `check` while the host only validates a configuration.
    pub fn device(&self) -> &str {
        &self.identity.id
    }

    /// Group of the device.
    pub fn group(&self) -> &str {
        &self.identity.group
    }

    /// Configuration of the fault.
    pub fn config(&self) -> Config<'_> {
        Config::new(&self.host)
    }

    /// Logs details for debugging the model.
    pub fn debug(&self, text: impl fmt::Display) {
        self.host.log(Level::Debug, &text.to_string());
    }

    /// Logs normal activity.
    pub fn info(&self, text: impl fmt::Display) {
        self.host.log(Level::Info, &text.to_string());
    }

    /// Logs an unexpected event.
    pub fn warn(&self, text: impl fmt::Display) {
        self.host.log(Level::Warn, &text.to_string());
    }
}

/// Constructors with durations.
impl Verdict {
    /// Delays the message by this time.
    pub fn delayed(by: Duration) -> Self {
        if by.is_zero() { Verdict::Pass } else { Verdict::Delay(nanoseconds(by)) }
    }

    /// Sends additional copies at this interval.
    pub fn duplicated(count: u32, apart: Duration) -> Self {
        Verdict::Duplicate(Copies { count, apart: nanoseconds(apart) })
    }

    /// Holds the message back until this many others have overtaken it, for a limited time.
    pub fn held_back(others: u32, at_most: Duration) -> Self {
        Verdict::HoldBack(Hold { others, at_most: nanoseconds(at_most) })
    }
}

impl Passage {
    /// Time since the start of the run.
    pub fn since_start(&self) -> Duration {
        Duration::from_nanos(self.now)
    }

    /// Size of topic and payload in bytes.
    pub fn size(&self) -> usize {
        self.topic.len() + self.payload.len()
    }
}

fn nanoseconds(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

/// The model of a component instance, called by the code of `export_fault_model!`.
#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
pub mod instance {
    use super::{FaultModel, Link, Passage, Verdict};
    use std::cell::RefCell;

    /// Holds the model after `configure`. Earlier calls have no effect.
    pub struct Instance<M>(RefCell<Option<(M, Link)>>);

    impl<M: FaultModel> Instance<M> {
        pub const fn new() -> Self {
            Instance(RefCell::new(None))
        }

        pub fn configure(&self) -> Result<(), String> {
            if let Some((model, link)) = self.0.borrow_mut().as_mut() {
                return model.reconfigure(link);
            }
            crate::guest::report_panics();
            let mut link = Link::new(crate::host::HostHandle);
            let model = M::configure(&mut link)?;
            *self.0.borrow_mut() = Some((model, link));
            Ok(())
        }

        pub fn judge(&self, passage: Passage) -> Verdict {
            match self.0.borrow_mut().as_mut() {
                Some((model, link)) => model.judge(link, &passage),
                None => Verdict::Pass,
            }
        }
    }
}

/// Exports a type that implements [`FaultModel`] as a component. Use it once per crate, and not together with
/// `export!`. Native builds export nothing, so the same crate can be tested natively.
#[macro_export]
macro_rules! export_fault_model {
    ($model:ty) => {
        // Native builds only check that the type implements the trait.
        #[cfg(not(target_arch = "wasm32"))]
        const _: fn(&mut $crate::fault::Link) -> Result<$model, String> =
            <$model as $crate::fault::FaultModel>::configure;

        #[cfg(target_arch = "wasm32")]
        const _: () = {
            use $crate::bindings::fault::exports::wasmote::device::fault_model as exported;
            use $crate::fault::instance::Instance;

            thread_local! {
                static INSTANCE: Instance<$model> = const { Instance::new() };
            }

            struct Component;

            impl exported::Guest for Component {
                fn configure() -> Result<(), String> {
                    INSTANCE.with(|instance| instance.configure())
                }
                fn judge(passage: exported::Passage) -> exported::Verdict {
                    INSTANCE.with(|instance| instance.judge(passage))
                }
            }

    $crate::bindings::fault::export_fault!(Component with_types_in $crate::bindings::fault);
        };
    };
}

//! Models of what goes wrong: they judge each message on the link between a device and its broker.
//!
//! ```
//! use wasmote_sdk::fault::{FaultModel, Link, Passage, Verdict};
//!
//! /// Loses every message on a topic that ends so.
//! struct Deaf {
//!     ending: String,
//! }
//!
//! impl FaultModel for Deaf {
//!     fn configure(link: &mut Link) -> Result<Self, String> {
//!         let ending = link.config().text("ending")?;
//!         Ok(Deaf { ending: ending.ok_or("configuration: ending: it is missing")? })
//!     }
//!
//!     fn judge(&mut self, _link: &mut Link, passage: &Passage) -> Verdict {
//!         if passage.topic.ends_with(&self.ending) { Verdict::Drop } else { Verdict::Pass }
//!     }
//! }
//! # wasmote_sdk::export_fault_model!(Deaf);
//! # use wasmote_sdk::bench::Lane;
//! # let mut lane = Lane::<Deaf>::with(1, r#"{"ending": "/heartbeat"}"#);
//! # assert_eq!(lane.out("wasmote/a/heartbeat", "x"), Verdict::Drop);
//! # assert_eq!(lane.out("wasmote/a/state", "x"), Verdict::Pass);
//! ```

use crate::Config;
use crate::host::{Host, HostHandle, Identity, Level};
use std::fmt;
use std::time::Duration;

pub use crate::bindings::fault::exports::wasmote::device::fault_model::{
    Copies, Direction, Hold, Origin, Passage, Verdict,
};

/// A model of what goes wrong on one device's link. What it remembers is its own; both ways share it.
pub trait FaultModel: Sized {
    /// Make the model: read its configuration. An error is shown to the user as it is.
    fn configure(link: &mut Link) -> Result<Self, String>;

    /// The configuration has changed while the run goes on, as in a ramp. Starts from the beginning unless
    /// overridden; a model with a memory keeps it.
    fn reconfigure(&mut self, link: &mut Link) -> Result<(), String> {
        *self = Self::configure(link)?;
        Ok(())
    }

    /// Judge a message.
    fn judge(&mut self, link: &mut Link, passage: &Passage) -> Verdict;
}

/// The link that is judged: whose it is, the fault's configuration and random numbers, and a voice.
pub struct Link {
    identity: Identity,
    host: HostHandle,
}

impl Link {
    pub(crate) fn new(host: HostHandle) -> Self {
        Link { identity: host.whoami(), host }
    }

    pub(crate) fn host(&self) -> &HostHandle {
        &self.host
    }

    /// The device at its end. `check` where a configuration is only tried.
    pub fn device(&self) -> &str {
        &self.identity.id
    }

    /// The group of that device.
    pub fn group(&self) -> &str {
        &self.identity.group
    }

    /// The fault's configuration.
    pub fn config(&self) -> Config<'_> {
        Config::new(&self.host)
    }

    /// A line for whoever looks for a fault in the model.
    pub fn debug(&self, text: impl fmt::Display) {
        self.host.log(Level::Debug, &text.to_string());
    }

    /// A line about what happens.
    pub fn info(&self, text: impl fmt::Display) {
        self.host.log(Level::Info, &text.to_string());
    }

    /// A line about what is out of the ordinary.
    pub fn warn(&self, text: impl fmt::Display) {
        self.host.log(Level::Warn, &text.to_string());
    }
}

/// Verdicts with durations.
impl Verdict {
    /// It goes on later by this much.
    pub fn delayed(by: Duration) -> Self {
        if by.is_zero() { Verdict::Pass } else { Verdict::Delay(nanoseconds(by)) }
    }

    /// Copies go beside it, each so long after the one before.
    pub fn duplicated(count: u32, apart: Duration) -> Self {
        Verdict::Duplicate(Copies { count, apart: nanoseconds(apart) })
    }

    /// It is held back until so many others have gone past it, and at most for so long.
    pub fn held_back(others: u32, at_most: Duration) -> Self {
        Verdict::HoldBack(Hold { others, at_most: nanoseconds(at_most) })
    }
}

impl Passage {
    /// Since the run began.
    pub fn since_start(&self) -> Duration {
        Duration::from_nanos(self.now)
    }

    /// Bytes of topic and payload.
    pub fn size(&self) -> usize {
        self.topic.len() + self.payload.len()
    }
}

fn nanoseconds(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

/// The one model of a component instance, called by what `export_fault_model!` generates.
#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
pub mod instance {
    use super::{FaultModel, Link, Passage, Verdict};
    use std::cell::RefCell;

    /// Holds the model from `configure` on. Calls before that are not the host's way; they do nothing.
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

/// Make the component's exports of a type that implements [`FaultModel`]. Once per crate, and not beside
/// `export!`. Outside Wasm it exports nothing, so the same crate can be tested natively.
#[macro_export]
macro_rules! export_fault_model {
    ($model:ty) => {
        // Outside Wasm nothing calls it, but it has to be a model all the same.
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

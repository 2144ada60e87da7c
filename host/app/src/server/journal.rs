//! What users change over HTTP, for whoever keeps a record of it.

use wasmote_live::fleet::Order;
use wasmote_sim::http::HttpRequest;
use wasmote_sim::message::Message;

use super::faults::book::Scope;
use crate::fault_set::FaultSet;

/// One change. Devices go by their position.
#[derive(Clone, Debug)]
pub enum Edit {
    /// A scope has other faults; `None` for those that it inherits, and for the fleet those of the beginning.
    Faults(Scope, Option<FaultSet>),
    /// A device was switched.
    Power(usize, Order),
    /// A device was made to publish.
    Publish(usize, Message),
    /// A device's behaviour was asked for something that may have changed it.
    Ask(usize, HttpRequest),
    /// All devices of a behaviour, by its name, have another version of it, by the SHA-256 of its component.
    Swap(String, String),
}

/// Keeps a record of what users change.
pub trait Journal: Send + Sync {
    /// This is about to happen, or has just happened.
    fn enter(&self, edit: Edit);
}

/// Nobody keeps a record.
impl Journal for () {
    fn enter(&self, _edit: Edit) {}
}

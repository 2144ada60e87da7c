//! A fleet in many processes as one: every pod is asked for its status and metrics, and they are added up.
//!
//! * [`target`]: who is to be asked; addresses that were given, or pods that [`kubectl`](crate::kubectl) finds.
//! * [`fetch`]: all of them at one time, with patience for those that do not answer.
//! * [`send`]: the same for what changes something. [`pod_metrics`]: what one of them says. [`buckets`]: distributions, which are merged bucket by bucket.
//! * [`aggregate`]: all together. [`table`]: for people.

pub mod aggregate;
pub mod buckets;
pub mod fetch;
pub mod pod_metrics;
pub mod send;
pub mod table;
pub mod target;

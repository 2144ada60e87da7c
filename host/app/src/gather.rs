//! A fleet in many processes as one: every pod is asked for its status and metrics, and they are added up.
//!
//! * [`target`]: who is to be asked; addresses that were given, or pods that [`kubectl`](crate::kubectl) finds.
//! * [`ask`]: all of them at one time, with patience for those that do not answer.
//! * [`tell`]: the same for what changes something. [`answer`]: what one of them says. [`buckets`]: distributions, which are merged bucket by bucket.
//! * [`total`]: all together. [`table`]: for people.

pub mod answer;
pub mod ask;
pub mod buckets;
pub mod table;
pub mod target;
pub mod tell;
pub mod total;

//! Queries and requests to many processes that together run one fleet. Their answers are added up.
//!
//! * [`target`]: addresses given by the user, or pods that [`kubectl`](crate::kubectl) finds.
//! * [`fetch`]: queries all processes concurrently, each with a timeout. [`send`]: the same for requests that change
//!   something.
//! * [`pod_metrics`]: the answer of one process. [`aggregate`]: sums over all. [`table`]: text output.

pub mod aggregate;
pub mod fetch;
pub mod pod_metrics;
pub mod send;
pub mod table;
pub mod target;

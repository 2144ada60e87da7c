//! Queries and requests to the processes of one fleet, with sums over their responses.
//!
//! * [`target`]: addresses from the user, or pods found by [`kubectl`](crate::kubectl).
//! * [`fetch`]: concurrent queries, each with a timeout. [`send`]: the same for requests that change something.
//! * [`pod_metrics`]: response of one process. [`aggregate`]: sums over all processes. [`table`]: text output.

pub mod aggregate;
pub mod fetch;
pub mod pod_metrics;
pub mod send;
pub mod table;
pub mod target;

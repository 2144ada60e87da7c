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

use reqwest::Client;
use wasmote_fleet::http_access::{HttpToken, TOKEN_HEADER};

/// HTTP client for processes of a fleet, which sends their token if there is one.
pub fn client(token: Option<&HttpToken>) -> Result<Client, String> {
    match token {
        Some(token) => wasmote_live::http::client_with_secret(TOKEN_HEADER, token.reveal()),
        None => wasmote_live::http::client(),
    }
}

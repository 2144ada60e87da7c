//! Accept loop of the API, with limits of the connections and of the time that a client may take.
//!
//! * A connection beyond the limit gets only the probes, so that clients who hold all connections do not make Kubernetes
//!   restart the pod.
//! * [`socket`]: the stream of a connection, which closes when a client does not read.

mod socket;

use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::io::{Error, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use axum::response::{IntoResponse, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;
use tower::ServiceExt;
use wasmote_fleet::logging::RateLimit;

use super::error::ApiError;
use super::guard::{Ends, is_probe};
use super::refusal::{Counters, Refusal};
use super::{HEADER_COUNT, HEADER_LIMIT, REQUEST_TIMEOUT};
use socket::Socket;

/// Delay before accepting again after an error of the system.
const ACCEPT_BACKOFF: Duration = Duration::from_secs(1);
/// Minimum interval between warnings about such errors, and about refused connections.
const WARNING_INTERVAL: Duration = Duration::from_secs(60);
/// The `errno` of "Too many open files".
const EMFILE: i32 = 24;
/// Further connections for probes when the limit is reached.
const PROBE_CONNECTIONS: usize = 16;
/// Those of one address.
const PROBE_CONNECTIONS_PER_ADDRESS: usize = 4;
/// Timeout of the header on such a connection.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

/// Serves connections until the process ends. Needs the maximum number of connections.
pub(super) async fn serve(listener: TcpListener, router: Router, limit: usize, counters: Arc<Counters>) {
    let open = Arc::new(OpenConnections { limit, counters, table: Mutex::default() });
    let mut warning_limit = RateLimit::every(WARNING_INTERVAL);
    let mut full_limit = RateLimit::every(WARNING_INTERVAL);
    loop {
        let (stream, client) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(problem) if is_client_error(&problem) => continue,
            Err(problem) => {
                if warning_limit.is_due() {
                    tracing::warn!("the HTTP API cannot accept connections: {problem}{}", advice(&problem));
                }
                sleep(ACCEPT_BACKOFF).await;
                continue;
            }
        };
        let Some(slot) = OpenConnections::take(&open, client.ip().to_canonical()) else {
            open.counters.refused(Refusal::Connections);
            continue;
        };
        if slot.only_probes && full_limit.is_due() {
            tracing::warn!("the HTTP API refuses connections: {limit} are open, or one address has too many");
        }
        tokio::spawn(serve_connection(stream, client, slot, router.clone()));
    }
}

/// Serves one connection to its end.
async fn serve_connection(stream: TcpStream, client: SocketAddr, slot: Slot, router: Router) {
    // Nagle's algorithm would delay small responses.
    let _ = stream.set_nodelay(true);
    let host = stream.local_addr().unwrap_or(client);
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(if slot.only_probes { PROBE_TIMEOUT } else { REQUEST_TIMEOUT })
        .keep_alive(!slot.only_probes)
        .max_headers(HEADER_COUNT)
        .max_header_size(HEADER_LIMIT)
        .max_buf_size(HEADER_LIMIT)
        .writev(false);
    let only_probes = slot.only_probes;
    let counters = Arc::clone(&slot.open.counters);
    let refused_counters = Arc::clone(&counters);
    let service = service_fn(move |mut request: Request<Incoming>| {
        if only_probes && !is_probe(request.method(), request.uri()) {
            refused_counters.refused(Refusal::Connections);
            return boxed(async { Ok(too_many_connections()) });
        }
        request.extensions_mut().insert(Ends { client, host });
        boxed(router.clone().oneshot(request.map(Body::new)))
    });
    let mut connection = http.serve_connection(TokioIo::new(Socket::new(stream)), service);
    let ended = poll_fn(|cx| connection.poll_without_shutdown(cx)).await;
    let parts = connection.into_parts();
    let mut socket = parts.io.into_inner();
    if socket.has_stalled() {
        counters.refused(Refusal::ResponseTime);
        return;
    }
    if let Err(problem) = ended
        && let Some(error) = refused_header(&problem, !parts.read_buf.is_empty())
    {
        counters.refused(error.refusal().unwrap_or(Refusal::Malformed));
        socket.write_error(&error).await;
    }
    socket.close().await;
}

type BoxedResponse = Pin<Box<dyn Future<Output = Result<Response, std::convert::Infallible>> + Send>>;

fn boxed(
    response: impl Future<Output = Result<Response, std::convert::Infallible>> + Send + 'static,
) -> BoxedResponse {
    Box::pin(response)
}

fn too_many_connections() -> Response {
    let problem = "this host has too many connections, or too many from this address; close some, or raise the limit with \
        --http-connections";
    ApiError::refused(Refusal::Connections, StatusCode::SERVICE_UNAVAILABLE, "connection", problem.to_owned())
        .into_response()
}

/// The error of a request whose header cannot be read. `has_begun` is false for a connection that has sent nothing of it.
fn refused_header(problem: &hyper::Error, has_begun: bool) -> Option<ApiError> {
    let error = |refusal, status, text: String| Some(ApiError::refused(refusal, status, "header", text));
    if problem.is_parse_too_large() {
        let text = format!(
            "the header exceeds {HEADER_LIMIT} bytes or {HEADER_COUNT} fields; send fewer or shorter headers"
        );
        return error(Refusal::HeaderSize, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, text);
    }
    if problem.is_parse() {
        let text = "the request is no HTTP/1.1; send it with an HTTP client".to_owned();
        return error(Refusal::Malformed, StatusCode::BAD_REQUEST, text);
    }
    if problem.is_timeout() && has_begun {
        let text = format!("the header did not arrive within {} s", REQUEST_TIMEOUT.as_secs());
        return error(Refusal::HeaderTime, StatusCode::REQUEST_TIMEOUT, text);
    }
    None
}

/// Connections that are open, by the client's address.
struct OpenConnections {
    limit: usize,
    counters: Arc<Counters>,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    usual: Group,
    probes: Group,
}

/// Connections of one kind.
#[derive(Default)]
struct Group {
    total: usize,
    by_address: HashMap<IpAddr, usize>,
}

impl Group {
    fn take(&mut self, address: IpAddr, limit: usize, per_address: usize) -> bool {
        let own = self.by_address.get(&address).copied().unwrap_or_default();
        let fits = self.total < limit && own < per_address;
        if fits {
            self.total += 1;
            self.by_address.insert(address, own + 1);
        }
        fits
    }

    fn give_back(&mut self, address: IpAddr) {
        self.total -= 1;
        if let Some(own) = self.by_address.get_mut(&address) {
            *own -= 1;
            if *own == 0 {
                self.by_address.remove(&address);
            }
        }
    }
}

/// The right to one connection, given back on drop.
struct Slot {
    open: Arc<OpenConnections>,
    address: IpAddr,
    /// True if only probes are answered on this connection.
    only_probes: bool,
}

impl OpenConnections {
    /// A slot for a connection of this address, unless those for probes are taken as well.
    fn take(open: &Arc<Self>, address: IpAddr) -> Option<Slot> {
        let mut table = open.table.lock().unwrap_or_else(PoisonError::into_inner);
        // One address leaves room for others.
        let per_address = (open.limit * 3 / 4).max(1);
        let only_probes = match table.usual.take(address, open.limit, per_address) {
            true => false,
            false if table.probes.take(address, PROBE_CONNECTIONS, PROBE_CONNECTIONS_PER_ADDRESS) => true,
            false => return None,
        };
        open.counters.connected();
        Some(Slot { open: Arc::clone(open), address, only_probes })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut table = self.open.table.lock().unwrap_or_else(PoisonError::into_inner);
        if self.only_probes {
            table.probes.give_back(self.address)
        } else {
            table.usual.give_back(self.address)
        }
        self.open.counters.disconnected();
    }
}

fn is_client_error(problem: &Error) -> bool {
    use ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(problem.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

fn advice(problem: &Error) -> &'static str {
    match problem.raw_os_error() {
        Some(EMFILE) if cfg!(unix) => "; raise the limit (`ulimit -n`), or run fewer devices",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn one_address_leaves_connections_to_others_and_probes_have_their_own() {
        let counters = Arc::new(Counters::default());
        let open = Arc::new(OpenConnections { limit: 8, counters, table: Mutex::default() });
        let [greedy, modest] = [1, 2].map(|last| IpAddr::V4(Ipv4Addr::new(10, 0, 0, last)));
        let mut taken: Vec<Slot> =
            std::iter::from_fn(|| OpenConnections::take(&open, greedy)).take(100).collect();
        assert_eq!(taken.iter().filter(|slot| !slot.only_probes).count(), 6);
        assert_eq!(taken.len(), 6 + PROBE_CONNECTIONS_PER_ADDRESS);
        let others: Vec<Slot> = std::iter::from_fn(|| OpenConnections::take(&open, modest)).take(3).collect();
        assert_eq!(others.iter().map(|slot| slot.only_probes).collect::<Vec<_>>(), [false, false, true]);
        assert_eq!(open.counters.snapshot().connections, 13);
        taken.retain(|slot| slot.only_probes);
        assert!(OpenConnections::take(&open, greedy).is_some_and(|slot| !slot.only_probes));
        drop((taken, others));
        assert_eq!(open.counters.snapshot().connections, 0);
        assert!(open.table.lock().unwrap().usual.by_address.is_empty());
    }
}

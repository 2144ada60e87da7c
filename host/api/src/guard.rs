//! Checks of every request before its handler: rate, host, origin, and token.
//!
//! A browser sends the requests of foreign pages with its user's access to the network. Two headers tell them apart:
//! `Origin` names the page that sends a request, and `Host` names the server as the page does. A page whose name resolves
//! to this machine (DNS rebinding) has a matching `Origin`, but that name is not one of the names of this host.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, HOST, HeaderName, HeaderValue, ORIGIN, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use wasmote_fleet::http_access::{HostCheck, HttpAccess, HttpToken, TOKEN_HEADER};

use super::error::ApiError;
use super::rates::Rates;
use super::refusal::{Counters, Refusal};
use super::{PATH_LIMIT, PROBES};

/// Header in which a browser says how the page relates to the server.
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// Headers of proxies. Their client is somewhere else.
const PROXY_HEADERS: [&str; 4] = ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-uri"];

/// Both ends of the connection that a request came over.
#[derive(Clone, Copy, Debug)]
pub struct Ends {
    /// Address of the client.
    pub client: SocketAddr,
    /// Address of this host.
    pub host: SocketAddr,
}

impl Ends {
    /// The client's address, with IPv4 addresses in their own form.
    pub fn client_ip(&self) -> IpAddr {
        self.client.ip().to_canonical()
    }

    /// Whether both ends are on this machine.
    fn is_local(&self) -> bool {
        self.client_ip().is_loopback() || self.client_ip() == self.host.ip().to_canonical()
    }
}

/// The checks and what they need.
pub(super) struct Guard {
    pub access: HttpAccess,
    pub rates: Rates,
    pub counters: Arc<Counters>,
}

impl Guard {
    pub(super) fn new(access: HttpAccess, counters: Arc<Counters>) -> Self {
        Self { rates: Rates::new(access.rate), access, counters }
    }

    fn check(&self, request: &Request) -> Result<(), ApiError> {
        let (method, uri, headers) = (request.method(), request.uri(), request.headers());
        if is_probe(method, uri) {
            // A probe has the address of a pod as its host, tells nothing, and must always be answered.
            return Ok(());
        }
        let ends = request.extensions().get::<Ends>();
        if let Some(ends) = ends
            && !self.rates.allow(ends.client_ip())
        {
            let problem = format!(
                "one address may send {} requests per second; wait, or raise the limit with --http-rate",
                self.access.rate
            );
            return Err(ApiError::refused(Refusal::Rate, StatusCode::TOO_MANY_REQUESTS, "rate", problem));
        }
        let path = uri.path_and_query().map_or(0, |path| path.as_str().len());
        if path > PATH_LIMIT {
            let problem = format!("path and query have {path} bytes and the limit is {PATH_LIMIT}");
            return Err(ApiError::refused(Refusal::HeaderSize, StatusCode::URI_TOO_LONG, "path", problem));
        }
        let is_change = !method.is_safe();
        let token = self.access.token.as_ref();
        let has_token = token.is_some_and(|token| sent_tokens(headers).any(|sent| token.matches(sent)));
        self.check_host(request, is_change, has_token)?;
        if is_change {
            check_origin(headers)?;
        }
        if has_token || !(is_change || self.access.private) {
            return Ok(());
        }
        let (what, needs) = if is_change { ("changes", "need") } else { ("reading", "needs") };
        if token.is_some() {
            let problem = format!(
                "{what} {needs} the token of this host: send it as `Authorization: Bearer TOKEN` or as `{TOKEN_HEADER}: TOKEN`; \
                 `wasmote` reads it from WASMOTE_HTTP_TOKEN or --http-token-file"
            );
            return Err(ApiError::refused(
                Refusal::Token,
                StatusCode::UNAUTHORIZED,
                "authorization",
                problem,
            ));
        }
        let is_local =
            ends.is_some_and(Ends::is_local) && !PROXY_HEADERS.iter().any(|name| headers.contains_key(*name));
        if is_local || self.access.open {
            return Ok(());
        }
        let problem = format!(
            "this host has no token, so it accepts {what} only from its own machine, without a proxy; start it with \
             --http-token-file FILE (`wasmote token` makes one) and send the token, or start it with --http-open"
        );
        Err(ApiError::refused(Refusal::Remote, StatusCode::FORBIDDEN, "authorization", problem))
    }

    /// Checks the name in `Host`. A client that has the token is not a foreign page, so it may use any name.
    fn check_host(&self, request: &Request, is_change: bool, has_token: bool) -> Result<(), ApiError> {
        let bad = |problem: &str| {
            Err(ApiError::refused(Refusal::Malformed, StatusCode::BAD_REQUEST, "host", problem.to_owned()))
        };
        let mut hosts = request.headers().get_all(HOST).iter();
        let header = hosts.next();
        if hosts.next().is_some() {
            return bad("the request has several Host headers; send one");
        }
        // An absolute target takes precedence over the header [RFC 9112, 3.2.2].
        let host = match (request.uri().authority(), header) {
            (Some(authority), _) => Some(authority.as_str()),
            (None, Some(header)) => match header.to_str() {
                Ok(host) => Some(host),
                Err(_) => return bad("the Host header is no text"),
            },
            (None, None) => None,
        };
        let Some(host) = host else {
            // Only HTTP/1.0 knows no Host. Browsers never use it.
            return match request.version() {
                axum::http::Version::HTTP_10 | axum::http::Version::HTTP_09 => Ok(()),
                _ => bad("the request has no Host header; send one, such as localhost"),
            };
        };
        match self.access.hosts.check(host) {
            HostCheck::Known => Ok(()),
            HostCheck::Invalid => bad("the Host header is no name or address with an optional port"),
            _ if has_token => Ok(()),
            HostCheck::OnlyForReading if !is_change => Ok(()),
            HostCheck::OnlyForReading | HostCheck::Unknown => {
                let problem = "this host is not known by this name, which a page in a browser might have chosen; use an \
                    IP address or localhost, or start the host with --http-host NAME";
                let error = ApiError::refused(
                    Refusal::Host,
                    StatusCode::MISDIRECTED_REQUEST,
                    "host",
                    problem.to_owned(),
                );
                Err(error.found(host))
            }
        }
    }
}

/// Lets a request pass, or answers it.
pub(super) async fn check(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    guard.counters.requested();
    let mut response = match guard.check(&request) {
        Ok(()) => next.run(request).await,
        Err(error) => error.into_response(),
    };
    if let Some(refusal) = response.extensions().get::<Refusal>() {
        guard.counters.refused(*refusal);
    }
    response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

pub(super) fn is_probe(method: &Method, uri: &Uri) -> bool {
    (method == Method::GET || method == Method::HEAD) && PROBES.contains(&uri.path())
}

/// Refuses requests from pages of other hosts. Programs other than browsers send none of these headers.
fn check_origin(headers: &HeaderMap) -> Result<(), ApiError> {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let problem = "cross-origin requests are read-only; send this request from outside a browser";
    let refused = |found: String| {
        Err(ApiError::refused(Refusal::Origin, StatusCode::FORBIDDEN, "origin", problem.to_owned())
            .found(found))
    };
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    for origin in headers.get_all(ORIGIN).iter().map(text) {
        let is_same = origin
            .split_once("://")
            .zip(host)
            .is_some_and(|((_, origin_host), host)| origin_host.eq_ignore_ascii_case(host));
        if !is_same {
            return refused(origin);
        }
    }
    match headers.get(FETCH_SITE).map(text) {
        Some(site) if site != "same-origin" && site != "none" => refused(site),
        _ => Ok(()),
    }
}

/// The tokens in a request.
fn sent_tokens(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    let bearers = headers.get_all(AUTHORIZATION).iter().filter_map(bearer);
    headers.get_all(TOKEN_HEADER).iter().map(HeaderValue::as_bytes).chain(bearers)
}

/// The token of `Bearer TOKEN` [RFC 6750, 2.1]. The name of the scheme is in any case [RFC 9110, 11.1].
fn bearer(value: &HeaderValue) -> Option<&[u8]> {
    let (scheme, token) = value.as_bytes().split_at_checked("Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then_some(token.trim_ascii())
}

/// Whether a header holds this host's token, which no behaviour and no log may get.
pub(super) fn is_secret(token: Option<&HttpToken>, name: &HeaderName, value: &HeaderValue) -> bool {
    let holds = |token: &HttpToken| bearer(value).is_some_and(|sent| token.matches(sent));
    name.as_str() == TOKEN_HEADER || *name == AUTHORIZATION && token.is_some_and(holds)
}

//! Bounded HTTP requests to registries and servers of components.
//!
//! Redirects are followed here and not by the client, so that each hop is checked: it never leaves TLS, it goes only to hosts
//! that may be asked, and credentials stay with the host that they are for.

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue, LOCATION};
use reqwest::{Client, Method, Response, StatusCode};
use url::{Host, Url};
use wasmote_live::http::{client, downloading_client, error_chain};

use crate::error::FetchError;

/// Most redirects of one request.
const MAX_REDIRECTS: usize = 5;
/// Bytes of an error's body that are read for its words.
const MAX_ERROR_BYTES: usize = 8 << 10;

/// What may be asked, and how.
#[derive(Clone, Debug, Default)]
pub(crate) struct Policy {
    /// Hosts that may be asked without TLS, in addition to this machine.
    pub plain_http: Vec<String>,
    /// The only hosts that may be asked; `None` for all.
    pub hosts: Option<Vec<String>>,
}

impl Policy {
    /// Checks that a URL may be asked.
    pub fn check(&self, url: &Url) -> Result<(), FetchError> {
        let host = authority(url);
        if let Some(hosts) = &self.hosts
            && !is_listed(hosts, url)
        {
            return Err(FetchError::Host { host });
        }
        match url.scheme() {
            "https" => Ok(()),
            "http" if is_loopback(url) || is_listed(&self.plain_http, url) => Ok(()),
            "http" => Err(FetchError::PlainHttp { host }),
            other => Err(FetchError::Network(format!("`{other}` is not http or https"))),
        }
    }

    /// URL of a registry's API.
    pub fn registry(&self, registry: &str) -> Result<Url, FetchError> {
        let host = if registry == "docker.io" { "registry-1.docker.io" } else { registry };
        let parse = |scheme: &str| {
            Url::parse(&format!("{scheme}://{host}/v2/"))
                .map_err(|problem| FetchError::Network(problem.to_string()))
        };
        let plain = parse("http")?;
        match is_loopback(&plain) || is_listed(&self.plain_http, &plain) {
            true => Ok(plain),
            false => parse("https"),
        }
    }
}

/// Host and port as users write them, without the port that the scheme has anyway.
pub(crate) fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// True if a list has the host, for all its ports or for this one.
fn is_listed(hosts: &[String], url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let port = url.port_or_known_default().unwrap_or_default();
    let with_port = format!("{host}:{port}");
    hosts.iter().any(|listed| listed.eq_ignore_ascii_case(host) || listed.eq_ignore_ascii_case(&with_port))
}

/// True for `localhost` and loopback addresses.
fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// A URL without its query, which may be secret.
pub(crate) fn shown(url: &Url) -> String {
    url.as_str().split(['?', '#']).next().unwrap_or_default().to_owned()
}

/// One request.
pub(crate) struct Request {
    pub method: Method,
    pub url: Url,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Request {
    pub fn get(url: Url) -> Self {
        Self { method: Method::GET, url, headers: HeaderMap::new(), body: Vec::new() }
    }

    /// Adds a secret header, if there is one. It goes to no other host.
    pub fn authorized(mut self, authorization: Option<&HeaderValue>) -> Self {
        if let Some(value) = authorization {
            self.headers.insert(AUTHORIZATION, value.clone());
        }
        self
    }
}

/// HTTP client that follows a [`Policy`].
#[derive(Clone)]
pub(crate) struct Http {
    /// For this machine, which no proxy can reach.
    direct: Client,
    client: Client,
    pub policy: Policy,
}

impl Http {
    pub fn new(policy: Policy) -> Result<Self, FetchError> {
        let (direct, client) = (client(), downloading_client());
        Ok(Self {
            direct: direct.map_err(FetchError::Network)?,
            client: client.map_err(FetchError::Network)?,
            policy,
        })
    }

    /// Sends a request and follows its redirects, if it is one that reads.
    pub async fn send(&self, mut request: Request) -> Result<Response, FetchError> {
        for _ in 0..=MAX_REDIRECTS {
            self.policy.check(&request.url)?;
            let response = self.send_once(&request).await?;
            let reads = matches!(request.method, Method::GET | Method::HEAD);
            if !reads || !is_redirect(response.status()) {
                return Ok(response);
            }
            let next = target(&request.url, &response)?;
            if authority(&next) != authority(&request.url) || next.scheme() != request.url.scheme() {
                request.headers.remove(AUTHORIZATION);
            }
            request.url = next;
        }
        let problem = format!("there are more than {MAX_REDIRECTS} in a row");
        Err(FetchError::Redirect { from: shown(&request.url), problem })
    }

    async fn send_once(&self, request: &Request) -> Result<Response, FetchError> {
        let client = if is_loopback(&request.url) { &self.direct } else { &self.client };
        let sent = client
            .request(request.method.clone(), request.url.clone())
            .headers(request.headers.clone())
            .body(request.body.clone())
            .send()
            .await;
        sent.map_err(|error| network(&error.without_url(), &request.url))
    }
}

fn network(error: &reqwest::Error, url: &Url) -> FetchError {
    FetchError::Network(format!("`{}` cannot be reached: {}", authority(url), error_chain(error)))
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// Where a response redirects to.
fn target(from: &Url, response: &Response) -> Result<Url, FetchError> {
    let refused = |problem: String| FetchError::Redirect { from: shown(from), problem };
    let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
    let location = location.ok_or_else(|| refused("it has no target".to_owned()))?;
    let next = from.join(location).map_err(|problem| refused(format!("its target is no URL: {problem}")))?;
    match (from.scheme(), next.scheme()) {
        (_, "https") | ("http", "http") => Ok(next),
        ("https", "http") => Err(refused(format!("it leads from https to http, to `{}`", authority(&next)))),
        (_, other) => Err(refused(format!("it leads to `{other}:`"))),
    }
}

/// Reads a body of at most `limit` bytes.
pub(crate) async fn body(
    mut response: Response,
    what: &'static str,
    limit: usize,
) -> Result<Vec<u8>, FetchError> {
    let too_large = || FetchError::TooLarge { what, limit };
    if response.content_length().is_some_and(|length| length > limit as u64) {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    loop {
        let chunk = response.chunk().await;
        let chunk = chunk.map_err(|error| {
            FetchError::Network(format!("the {what} ends early: {}", error_chain(&error.without_url())))
        })?;
        let Some(chunk) = chunk else { return Ok(bytes) };
        if bytes.len() + chunk.len() > limit {
            return Err(too_large());
        }
        bytes.extend_from_slice(&chunk);
    }
}

/// The words of an error response, on one line: those of a registry, or the beginning of a text.
pub(crate) async fn words(response: Response) -> String {
    let reason = response.status().canonical_reason().unwrap_or("no reason given");
    let Ok(bytes) = body(response, "error", MAX_ERROR_BYTES).await else { return reason.to_owned() };
    let parsed: Option<serde_json::Value> = serde_json::from_slice(&bytes).ok();
    let errors = parsed.as_ref().and_then(|value| value.get("errors")?.as_array());
    let texts = errors.into_iter().flatten().filter_map(|error| {
        let text =
            |field: &str| error.get(field).and_then(serde_json::Value::as_str).filter(|it| !it.is_empty());
        text("message").or_else(|| text("code"))
    });
    let texts: Vec<String> = texts.map(printable).collect();
    if texts.is_empty() { reason.to_owned() } else { texts.join("; ") }
}

/// A text of a server without control characters, and not too long for a line.
fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn without_tls_only_this_machine_and_listed_hosts_are_asked() {
        let policy = Policy { plain_http: vec!["lab:5000".into(), "[fd00::1]".into()], hosts: None };
        for allowed in [
            "https://host/b",
            "http://localhost/b",
            "http://127.0.0.2:99/b",
            "http://[::1]/b",
            "http://lab:5000/b",
            "http://LAB:5000/b",
            "http://[fd00::1]:7/b",
        ] {
            policy.check(&url(allowed)).unwrap_or_else(|problem| panic!("{allowed}: {problem}"));
        }
        for refused in ["http://host/b", "http://lab/b", "http://localhost.example/b", "http://127.example/b"]
        {
            let problem = policy.check(&url(refused)).unwrap_err().to_string();
            assert!(problem.contains("--plain-http"), "{refused}: {problem}");
        }
        assert!(policy.check(&url("file:///etc/passwd")).is_err());
        assert_eq!(policy.registry("lab:5000").unwrap().as_str(), "http://lab:5000/v2/");
        assert_eq!(policy.registry("ghcr.io").unwrap().as_str(), "https://ghcr.io/v2/");
        assert_eq!(policy.registry("docker.io").unwrap().as_str(), "https://registry-1.docker.io/v2/");
    }

    #[test]
    fn on_behalf_of_a_client_only_listed_hosts_are_asked() {
        let policy =
            Policy { plain_http: Vec::new(), hosts: Some(vec!["ghcr.io".into(), "localhost:5000".into()]) };
        assert!(policy.check(&url("https://ghcr.io/v2/")).is_ok());
        assert!(policy.check(&url("http://localhost:5000/v2/")).is_ok());
        for refused in ["http://localhost:5001/", "https://ghcr.io.example/", "http://169.254.169.254/"] {
            let problem = policy.check(&url(refused)).unwrap_err().to_string();
            assert!(problem.contains("--http-fetch-from"), "{refused}: {problem}");
        }
    }
}

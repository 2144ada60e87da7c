//! `http`: outbound requests to allowed hosts.

use std::time::Duration;

use url::Url;
use wasmote_sim::context::HttpRefusal;

use crate::bindings::wasmote::device::http::{Host as Http, SendError};
use crate::bindings::wasmote::device::types::HttpRequest;
use crate::convert;
use crate::cost::{self, PER_ENTRY};
use crate::host::Host;

/// Allowed methods.
const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

impl Http for Host {
    fn send(&mut self, request: HttpRequest, timeout: u64) -> wasmtime::Result<Result<u64, SendError>> {
        let headers = request.headers.iter().map(|header| header.name.len() + header.value.len());
        // Parsing a URL costs far more than copying it; the body is only moved.
        let parsed = request.method.len() + request.url.len() + headers.sum::<usize>();
        self.charge(&cost::HTTP_SEND, parsed)?;
        let copied = request.body.len() as u64 + PER_ENTRY * request.headers.len() as u64;
        self.charge_units(&cost::HTTP_SEND, copied)?;
        let request = convert::request_from_wit(request);
        if let Err(refused) = check(&request.method, &request.url, &self.allow_hosts) {
            return Ok(Err(refused));
        }
        let limit = self.context()?.limits().host_call_bytes as usize;
        if parsed > limit {
            let reason = format!("method, URL and headers have {parsed} bytes, and the limit is {limit}");
            return Ok(Err(SendError::Invalid(reason)));
        }
        let sent = self.context()?.http_send(request, Duration::from_nanos(timeout));
        Ok(sent.map_err(|refused| match refused {
            HttpRefusal::TooMany(most) => SendError::TooMany(most),
            HttpRefusal::BodyTooLarge(limit) => SendError::BodyTooLarge(limit),
        }))
    }
}

fn check(method: &str, url: &str, allowed: &[String]) -> Result<(), SendError> {
    if !METHODS.contains(&method) {
        let reason = format!("`{method}` is not among {}", METHODS.join(", "));
        return Err(SendError::Invalid(reason));
    }
    let url = Url::parse(url).map_err(|reason| SendError::Invalid(format!("`{url}`: {reason}")))?;
    let (host, port) = match (url.scheme(), url.host_str(), url.port_or_known_default()) {
        ("http" | "https", Some(host), Some(port)) => (host, port),
        _ => return Err(SendError::Invalid(format!("`{url}` is no http or https URL"))),
    };
    match allowed.iter().any(|rule| rule_matches(rule, host, port)) {
        true => Ok(()),
        false => Err(SendError::Denied(host.to_owned())),
    }
}

/// True if an allow-list rule matches a host: by name, or as `*.example.org` by a parent domain; with any
/// port, unless the rule has one.
fn rule_matches(rule: &str, host: &str, port: u16) -> bool {
    let (name, allowed_port) = match rule.rsplit_once(':') {
        Some((name, digits)) => match digits.parse::<u16>() {
            Ok(allowed) => (name, allowed),
            // An IPv6 address without a port.
            Err(_) => (rule, port),
        },
        None => (rule, port),
    };
    allowed_port == port && host_matches(name, host)
}

fn host_matches(rule: &str, host: &str) -> bool {
    match rule.strip_prefix("*.") {
        Some(parent) => host
            .to_ascii_lowercase()
            .strip_suffix(&parent.to_ascii_lowercase())
            .is_some_and(|below| below.ends_with('.')),
        None => rule.eq_ignore_ascii_case(host),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_url(url: &str) -> Result<(), SendError> {
        check("GET", url, &["api.example.org".to_owned(), "*.test".to_owned(), "127.0.0.1:8080".to_owned()])
    }

    #[test]
    fn only_hosts_on_the_list_are_reached() {
        assert!(check_url("https://API.example.org:8443/x").is_ok());
        assert!(check_url("http://deep.below.test/").is_ok());
        assert!(check_url("http://127.0.0.1:8080/x").is_ok());
        for outside in [
            "http://example.org/",
            "http://api.example.org.evil.net/",
            "http://api.example.org@evil.net/",
            "http://test/",
            "http://eviltest/",
            "http://127.0.0.1/",
            "http://127.0.0.1:8081/",
        ] {
            assert!(matches!(check_url(outside), Err(SendError::Denied(_))), "{outside}");
        }
    }

    #[test]
    fn invalid_urls_are_rejected() {
        for wrong in ["file:///etc/passwd", "api.example.org", "", "http://"] {
            assert!(matches!(check_url(wrong), Err(SendError::Invalid(_))), "{wrong}");
        }
        assert!(matches!(check("SMILE", "http://a/", &[]), Err(SendError::Invalid(_))));
    }
}

//! Targets of queries and requests.

/// A process of a fleet, or a pod whose process is not running.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Name of the pod, or the address.
    pub name: String,
    /// URL of the API, without a trailing slash; or the reason why the API is unreachable.
    pub url: Result<String, String>,
}

impl Target {
    /// Parses an address: `http://host:port`, with or without the scheme.
    pub fn parse(text: &str) -> Result<Self, String> {
        let invalid = |why: &str| {
            Err(format!("`{text}` is not an address: {why}; write it like http://localhost:5000"))
        };
        let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
        if !matches!(scheme, "http" | "https") {
            return invalid("use http or https");
        }
        let rest = rest.trim_end_matches('/');
        if rest.is_empty() || rest.contains(char::is_whitespace) || rest.contains(['?', '#', '@']) {
            return invalid("give a host, and optionally a port and a path");
        }
        Ok(Self { name: rest.to_owned(), url: Ok(format!("{scheme}://{rest}")) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_omit_the_scheme() {
        let url = |text: &str| Target::parse(text).map(|target| target.url.unwrap());
        assert_eq!(url("http://a:8080/").unwrap(), "http://a:8080");
        assert_eq!(url("localhost:5000").unwrap(), "http://localhost:5000");
        for invalid in ["", "http://", "ftp://a", "http://a b", "http://me@a"] {
            assert!(url(invalid).unwrap_err().contains("http://localhost:5000"), "{invalid}");
        }
    }
}

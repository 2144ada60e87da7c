//! Who is to be asked.

/// A process, or a pod that has none to be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The pod, or the address.
    pub name: String,
    /// Where its API is, without a slash at the end; or why it cannot be asked.
    pub url: Result<String, String>,
}

impl Target {
    /// An address as people write it: `http://host:port`, or without the scheme.
    pub fn parse(text: &str) -> Result<Self, String> {
        let invalid =
            |why: &str| Err(format!("`{text}` is no address: {why}; write it like http://localhost:5000"));
        let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
        if !matches!(scheme, "http" | "https") {
            return invalid("only http and https are spoken here");
        }
        let rest = rest.trim_end_matches('/');
        if rest.is_empty() || rest.contains(char::is_whitespace) || rest.contains(['?', '#', '@']) {
            return invalid("it needs a host, and no more than a port and a path");
        }
        Ok(Self { name: rest.to_owned(), url: Ok(format!("{scheme}://{rest}")) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_be_abbreviated() {
        let url = |text: &str| Target::parse(text).map(|target| target.url.unwrap());
        assert_eq!(url("http://a:8080/").unwrap(), "http://a:8080");
        assert_eq!(url("localhost:5000").unwrap(), "http://localhost:5000");
        for invalid in ["", "http://", "ftp://a", "http://a b", "http://me@a"] {
            assert!(url(invalid).unwrap_err().contains("http://localhost:5000"), "{invalid}");
        }
    }
}

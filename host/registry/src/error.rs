//! Reasons why a component is not fetched or published.

use crate::digest::Digest;
use crate::reference::InvalidReference;

/// Error of a registry, a server or a signature. Each text ends with what can be done.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The text is no reference.
    #[error(transparent)]
    Reference(#[from] InvalidReference),
    /// The client of the HTTP API may not make this host ask that one.
    #[error(
        "over HTTP this host fetches nothing from `{host}`; start it with --http-fetch-from {host} to allow it"
    )]
    Host {
        /// The host.
        host: String,
    },
    /// Nothing is fetched here.
    #[error("only local files are read here, and nothing is fetched from registries and URLs")]
    Offline,
    /// The connection would not be encrypted.
    #[error(
        "`{host}` would be asked without TLS, which only `localhost` is by default; use https, or allow it with \
         --plain-http {host}"
    )]
    PlainHttp {
        /// The host.
        host: String,
    },
    /// A redirect is not followed.
    #[error("the redirect from `{from}` is not followed: {problem}")]
    Redirect {
        /// The URL that redirects, without its query.
        from: String,
        /// The reason.
        problem: String,
    },
    /// The server has no such thing.
    #[error("{host} has no {what}: {detail}")]
    NotFound {
        /// The server.
        host: String,
        /// What was asked for.
        what: String,
        /// The server's words, and advice.
        detail: String,
    },
    /// The server wants other credentials, or any.
    #[error("{host} refuses access: {problem}")]
    Access {
        /// The server.
        host: String,
        /// The reason and its remedy.
        problem: String,
    },
    /// The server answered with an unexpected status.
    #[error("{host} answered with status {status}: {detail}")]
    Status {
        /// The server.
        host: String,
        /// The status.
        status: u16,
        /// The server's words.
        detail: String,
    },
    /// The answer has more bytes than it may have.
    #[error("the {what} has more than {limit} bytes")]
    TooLarge {
        /// What was read.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// It took too long.
    #[error("it took more than {seconds} s; allow more with --download-time")]
    Time {
        /// The limit in seconds.
        seconds: u64,
    },
    /// The network failed.
    #[error("{0}")]
    Network(String),
    /// The bytes are other ones than were asked for.
    #[error(
        "the {what} has the digest {found}, and {wanted} is needed: it has changed, or somebody changed it"
    )]
    Digest {
        /// What was read.
        what: &'static str,
        /// The digest that it must have.
        wanted: Digest,
        /// The digest that it has.
        found: Digest,
    },
    /// The artefact is no component.
    #[error("{0}")]
    Artefact(String),
    /// The signature is missing or wrong.
    #[error(transparent)]
    Signature(#[from] SignatureError),
}

/// A signature is missing or wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// There is none.
    #[error(
        "it has no signature, and --behaviour-key demands one: sign the unpacked component with `minisign -Sm FILE`, and put \
         the signature {expected}"
    )]
    Missing {
        /// Where it is expected.
        expected: String,
    },
    /// It is none.
    #[error("its signature cannot be read: {0}; `minisign -Sm FILE` makes one")]
    Malformed(String),
    /// It is not by the key, or not for these bytes.
    #[error("its signature is not by the key of --behaviour-key for these bytes: {0}")]
    Wrong(String),
}

//! References to components that are not on this machine.

use std::fmt;

use url::Url;

use crate::digest::Digest;

/// Separator of a name and the digest that pins it.
const PIN: &str = "@sha256:";
/// Most bytes of a repository's name (OCI distribution specification).
const MAX_REPOSITORY: usize = 255;
/// Most bytes of a tag.
const MAX_TAG: usize = 128;

/// A reference to a component.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reference {
    /// An artefact in a registry.
    Oci(OciReference),
    /// A file at a URL.
    Url {
        /// Where it is.
        url: Url,
        /// SHA-256 of the component, unpacked.
        pin: Option<Digest>,
    },
}

/// An artefact in a registry of the OCI distribution specification.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct OciReference {
    /// Host and port, such as `localhost:5000`.
    pub registry: String,
    /// The repository, such as `team/sensor`.
    pub repository: String,
    /// The tag; with a digest it is only a name.
    pub tag: Option<String>,
    /// Digest of the manifest, which pins the artefact.
    pub digest: Option<Digest>,
}

/// A text is no reference.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}`: {problem}")]
pub struct InvalidReference {
    /// The text, without its query, which may be secret.
    text: String,
    problem: String,
}

/// True if the text has the form `SCHEME://…`, so that it is no path.
pub fn has_scheme(text: &str) -> bool {
    text.split_once("://").is_some_and(|(scheme, _)| {
        scheme.len() > 1 && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
    })
}

/// Splits `name@sha256:…` into the name and the digest.
///
/// # Errors
/// What follows `@sha256:` is no digest.
pub fn split_pin(text: &str) -> Result<(&str, Option<Digest>), String> {
    match text.rsplit_once(PIN) {
        None => Ok((text, None)),
        Some((name, digits)) => Ok((name, Some(digits.parse()?))),
    }
}

impl Reference {
    /// Parses `oci://…`, `https://…` or `http://…`.
    ///
    /// # Errors
    /// The text is no reference. The error says what one looks like.
    pub fn parse(text: &str) -> Result<Self, InvalidReference> {
        let invalid = |problem: String| InvalidReference { text: redacted(text), problem };
        let scheme = text.split_once("://").map_or("", |(scheme, _)| scheme).to_ascii_lowercase();
        match scheme.as_str() {
            "oci" => OciReference::parse(&text["oci://".len()..]).map(Self::Oci).map_err(invalid),
            "https" | "http" => {
                let (text, pin) = split_pin(text).map_err(invalid)?;
                let url = Url::parse(text).map_err(|problem| invalid(format!("it is no URL: {problem}")))?;
                if url.host_str().is_none_or(str::is_empty) {
                    return Err(invalid("it has no host".to_owned()));
                }
                if !url.username().is_empty() || url.password().is_some() {
                    let problem = "a URL with a user name or a password would be shown in logs and results; leave them out";
                    return Err(invalid(problem.to_owned()));
                }
                Ok(Self::Url { url, pin })
            }
            "docker" | "registry" => Err(invalid("write `oci://` for a registry".to_owned())),
            "file" => Err(invalid("write a file as a path, without `file://`".to_owned())),
            other => Err(invalid(format!(
                "components come from `oci://REGISTRY/NAME:TAG`, `https://…`, files and folders, not from `{other}://`"
            ))),
        }
    }

    /// The last part of its path, without the extension of a component.
    pub fn name(&self) -> String {
        let last = match self {
            Self::Oci(OciReference { repository, .. }) => repository.rsplit('/').next(),
            Self::Url { url, .. } => {
                url.path_segments().and_then(|mut parts| parts.rfind(|part| !part.is_empty()))
            }
        };
        let last = last.unwrap_or_default();
        let stem = [".wasm", ".wasm.gz"].iter().find_map(|extension| last.strip_suffix(extension));
        stem.unwrap_or(last).to_owned()
    }

    /// The digest that it demands, if any: that of the manifest in a registry, or else that of the component.
    pub fn digest(&self) -> Option<&Digest> {
        match self {
            Self::Oci(OciReference { digest, .. }) | Self::Url { pin: digest, .. } => digest.as_ref(),
        }
    }

    /// The whole text, which [`Reference::parse`] reads. Messages use `Display`, which leaves out a query.
    pub fn text(&self) -> String {
        match self {
            Self::Oci(_) => self.to_string(),
            Self::Url { url, pin } => format!("{url}{}", pin_text(pin.as_ref())),
        }
    }
}

/// The end of a reference that pins it.
fn pin_text(pin: Option<&Digest>) -> String {
    pin.map(|digest| format!("@{digest}")).unwrap_or_default()
}

/// A text without a query or user information, which may be secret.
fn redacted(text: &str) -> String {
    let text = text.split('?').next().unwrap_or_default();
    match text.split_once("://") {
        Some((scheme, rest)) => {
            let host = rest.split('/').next().unwrap_or_default();
            match host.rsplit_once('@').filter(|_| !host.contains(PIN)) {
                Some((user, _)) => format!("{scheme}://…{}", &rest[user.len()..]),
                None => text.to_owned(),
            }
        }
        None => text.to_owned(),
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Oci(reference) => reference.fmt(f),
            Self::Url { url, pin } => {
                let query = if url.query().is_some() { "?…" } else { "" };
                let shown = url.as_str().split(['?', '#']).next().unwrap_or_default();
                write!(f, "{shown}{query}{}", pin_text(pin.as_ref()))
            }
        }
    }
}

impl OciReference {
    /// Tag of a reference without a tag and without a digest.
    pub const DEFAULT_TAG: &str = "latest";

    /// Parses `REGISTRY/NAME[:TAG][@sha256:…]`.
    fn parse(text: &str) -> Result<Self, String> {
        const FORM: &str = "write oci://REGISTRY/NAME:TAG or oci://REGISTRY/NAME@sha256:…";
        let (name, digest) = split_pin(text)?;
        if let Some((_, unknown)) = name.split_once('@') {
            return Err(format!("`@{unknown}` is no digest that is supported; {FORM}"));
        }
        let (registry, path) =
            name.split_once('/').ok_or_else(|| format!("it names no repository; {FORM}"))?;
        let is_host = |c: char| c.is_ascii_alphanumeric() || ".-:[]".contains(c);
        let parsed = Url::parse(&format!("https://{registry}/"));
        if registry.is_empty() || !registry.chars().all(is_host) || parsed.is_err() {
            return Err(format!("`{registry}` is no host of a registry; {FORM}"));
        }
        let (repository, tag) = match path.rsplit_once(':') {
            Some((repository, tag)) => (repository, Some(tag)),
            None => (path, None),
        };
        let is_part = |part: &str| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte))
                && part.starts_with(|c: char| c.is_ascii_alphanumeric())
                && part.ends_with(|c: char| c.is_ascii_alphanumeric())
        };
        if repository.len() > MAX_REPOSITORY || !repository.split('/').all(is_part) {
            return Err(format!(
                "`{repository}` is no repository: its parts have lower-case letters, digits and `._-`; {FORM}"
            ));
        }
        let is_tag = |tag: &str| {
            (1..=MAX_TAG).contains(&tag.len())
                && tag.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
                && !tag.starts_with(['.', '-'])
        };
        if let Some(tag) = tag.filter(|tag| !is_tag(tag)) {
            return Err(format!(
                "`{tag}` is no tag: one has up to {MAX_TAG} letters, digits and `._-`; {FORM}"
            ));
        }
        let repository = match (registry, repository.contains('/')) {
            // Docker Hub keeps names without an owner here.
            ("docker.io", false) => format!("library/{repository}"),
            _ => repository.to_owned(),
        };
        let tag = tag.or(digest.is_none().then_some(Self::DEFAULT_TAG)).map(str::to_owned);
        Ok(Self { registry: registry.to_ascii_lowercase(), repository, tag, digest })
    }

    /// The digest or the tag, as a registry's URLs have it.
    pub(crate) fn version(&self) -> String {
        match &self.digest {
            Some(digest) => digest.to_string(),
            None => self.tag.as_deref().unwrap_or(Self::DEFAULT_TAG).to_owned(),
        }
    }

    /// The same artefact, pinned.
    #[must_use]
    pub fn pinned(&self, digest: Digest) -> Self {
        Self { digest: Some(digest), ..self.clone() }
    }
}

impl fmt::Display for OciReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "oci://{}/{}", self.registry, self.repository)?;
        match (&self.tag, &self.digest) {
            (Some(tag), _) => write!(f, ":{tag}")?,
            (None, Some(_)) => {}
            (None, None) => write!(f, ":{}", Self::DEFAULT_TAG)?,
        }
        f.write_str(&pin_text(self.digest.as_ref()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash() -> String {
        format!("sha256:{}", "ab".repeat(32))
    }

    #[test]
    fn references_have_a_name_a_version_and_a_text_that_is_read_again() {
        let pinned = format!("oci://localhost:5000/team/sensor:2@{}", hash());
        for (text, name, shown) in [
            ("oci://ghcr.io/team/sensor:1.2", "sensor", "oci://ghcr.io/team/sensor:1.2"),
            ("oci://[::1]:5000/sensor", "sensor", "oci://[::1]:5000/sensor:latest"),
            ("oci://docker.io/sensor:1", "sensor", "oci://docker.io/library/sensor:1"),
            (pinned.as_str(), "sensor", pinned.as_str()),
            ("https://host.example/a/b.wasm.gz?token=secret", "b", "https://host.example/a/b.wasm.gz?…"),
            ("http://127.0.0.1:80/lamp.wasm", "lamp", "http://127.0.0.1/lamp.wasm"),
        ] {
            let reference = Reference::parse(text).unwrap();
            assert_eq!((reference.name().as_str(), reference.to_string().as_str()), (name, shown));
            assert_eq!(Reference::parse(&reference.text()).unwrap(), reference);
        }
        let url = format!("https://host/b.wasm@{}", hash().to_ascii_uppercase().replace("SHA256", "sha256"));
        assert_eq!(Reference::parse(&url).unwrap().digest().unwrap().to_string(), hash());
    }

    #[test]
    fn a_text_that_is_no_reference_is_refused_with_the_form_of_one() {
        for (text, problem) in [
            ("oci://localhost:5000", "it names no repository"),
            ("oci:///sensor", "is no host of a registry"),
            ("oci://host/Sensor:1", "lower-case letters"),
            ("oci://host/../sensor", "is no repository"),
            ("oci://host/sensor:-1", "is no tag"),
            ("oci://host/sensor@sha256:abc", "64 hexadecimal digits"),
            ("oci://host/sensor@sha512:abc", "no digest that is supported"),
            ("https://", "it is no URL"),
            ("https://me:secret@host/b.wasm", "would be shown in logs"),
            ("file:///etc/passwd", "write a file as a path"),
            ("ftp://host/b.wasm", "not from `ftp://`"),
            ("docker://host/b", "write `oci://`"),
        ] {
            let message = Reference::parse(text).unwrap_err().to_string();
            assert!(message.contains(problem), "{text}: {message}");
            assert!(!message.contains("secret"), "{message}");
        }
    }

    #[test]
    fn paths_are_no_references() {
        for path in ["./b.wasm", "sensor", "C://b", "a b://c", "://b"] {
            assert!(!has_scheme(path), "{path}");
        }
        assert_eq!(split_pin("./b.wasm").unwrap(), ("./b.wasm", None));
        assert!(split_pin(&format!("./b.wasm@{}", hash())).unwrap().1.is_some());
        assert!(split_pin("./b.wasm@sha256:12").is_err());
    }
}

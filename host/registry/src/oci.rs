//! Protocol of registries (OCI distribution specification 1.1): access, manifests and blobs.

use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderValue, WWW_AUTHENTICATE};
use reqwest::{Response, StatusCode};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use url::Url;

use crate::digest::Digest;
use crate::docker_config::{self, Credentials};
use crate::error::FetchError;
use crate::http::{Http, Request, authority, body, words};
use crate::reference::OciReference;

/// Type of the manifest of an artefact.
pub(crate) const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
/// Type of the configuration of a component.
pub(crate) const CONFIG_TYPE: &str = "application/vnd.wasm.config.v0+json";
/// Type of the layer that is the component.
pub(crate) const LAYER_TYPE: &str = "application/wasm";
/// Type of the layer that older tools write.
const OLD_LAYER_TYPE: &str = "application/vnd.wasm.content.layer.v1+wasm";
/// Most bytes of a manifest.
pub(crate) const MAX_MANIFEST: usize = 1 << 20;
/// Most bytes of the answer of a token server.
const MAX_TOKEN: usize = 64 << 10;

/// Manifest of an artefact.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Manifest {
    pub schema_version: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    pub config: Descriptor,
    #[serde(default)]
    pub layers: Vec<Descriptor>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// A blob that a manifest names.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Descriptor {
    pub media_type: String,
    pub digest: String,
    pub size: u64,
}

/// A blob with its checked digest.
pub(crate) struct Layer {
    pub digest: Digest,
    pub size: u64,
}

impl Manifest {
    /// Parses a manifest. Other things that registries keep under a name are named in the error.
    pub fn parse(bytes: &[u8]) -> Result<Self, FetchError> {
        let value: serde_json::Value = serde_json::from_slice(bytes)
            .map_err(|problem| FetchError::Artefact(format!("the manifest is no JSON: {problem}")))?;
        if value.get("manifests").is_some() {
            let problem = "it is an index of images for several platforms, not a component; give the digest of the component";
            return Err(FetchError::Artefact(problem.to_owned()));
        }
        serde_json::from_value(value).map_err(|problem| {
            FetchError::Artefact(format!("the manifest is none of an artefact: {problem}"))
        })
    }

    /// The layer that is the component.
    pub fn component(&self) -> Result<Layer, FetchError> {
        let is_component =
            |layer: &&Descriptor| [LAYER_TYPE, OLD_LAYER_TYPE].contains(&layer.media_type.as_str());
        let mut components = self.layers.iter().filter(is_component);
        let (first, second) = (components.next(), components.next());
        match (first, second) {
            (Some(layer), None) => {
                let digest = layer.digest.parse().map_err(FetchError::Artefact)?;
                Ok(Layer { digest, size: layer.size })
            }
            (Some(_), Some(_)) => {
                Err(FetchError::Artefact("it has several components, and one is needed".to_owned()))
            }
            (None, _) => {
                let found: Vec<&str> = self.layers.iter().map(|layer| layer.media_type.as_str()).collect();
                let found = if found.is_empty() { "none".to_owned() } else { found.join(", ") };
                Err(FetchError::Artefact(format!(
                    "it is no component: a layer of type {LAYER_TYPE} is needed, and it has {found}; publish one with \
                     `wasmote behaviours push FILE oci://…`"
                )))
            }
        }
    }
}

/// A repository of a registry, with the access that it has given.
pub(crate) struct Repository<'a> {
    http: &'a Http,
    base: Url,
    /// The registry as users write it, for messages and credentials.
    registry: String,
    name: String,
    /// What is to be done: `pull`, or `pull,push`.
    actions: &'static str,
    authorization: Option<HeaderValue>,
}

impl<'a> Repository<'a> {
    pub fn new(http: &'a Http, reference: &OciReference, actions: &'static str) -> Result<Self, FetchError> {
        Ok(Self {
            http,
            base: http.policy.registry(&reference.registry)?,
            registry: reference.registry.clone(),
            name: reference.repository.clone(),
            actions,
            authorization: None,
        })
    }

    /// URL of a part of the repository, such as `manifests/latest`.
    pub fn url(&self, part: &str) -> Result<Url, FetchError> {
        let joined = self.base.join(&format!("{}/{part}", self.name));
        joined.map_err(|problem| FetchError::Network(problem.to_string()))
    }

    /// The bytes of a manifest.
    pub async fn manifest(&mut self, version: &str) -> Result<Vec<u8>, FetchError> {
        let mut request = Request::get(self.url(&format!("manifests/{version}"))?);
        // An index is asked for, too, so that the error can say that it is one.
        let accept = format!(
            "{MANIFEST_TYPE}, application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.index.v1+json"
        );
        insert(&mut request, ACCEPT, &accept)?;
        let response = self.send(request).await?;
        let response =
            self.expect(response, &[StatusCode::OK], &format!("artefact {}:{version}", self.name)).await?;
        body(response, "manifest", MAX_MANIFEST).await
    }

    /// The bytes of a blob, of at most `limit`.
    pub async fn blob(&mut self, digest: &Digest, limit: usize) -> Result<Vec<u8>, FetchError> {
        let request = Request::get(self.url(&format!("blobs/{digest}"))?);
        let response = self.send(request).await?;
        let response = self.expect(response, &[StatusCode::OK], &format!("blob {digest}")).await?;
        body(response, "component", limit).await
    }

    /// The response if it has one of these statuses; otherwise what the registry says.
    pub async fn expect(
        &self,
        response: Response,
        statuses: &[StatusCode],
        what: &str,
    ) -> Result<Response, FetchError> {
        if statuses.contains(&response.status()) {
            return Ok(response);
        }
        let (host, status) = (self.registry.clone(), response.status());
        let detail = words(response).await;
        Err(match status {
            StatusCode::NOT_FOUND => FetchError::NotFound { host, what: what.to_owned(), detail },
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                FetchError::Access { host, problem: format!("{detail} (status {})", status.as_u16()) }
            }
            _ => FetchError::Status { host, status: status.as_u16(), detail },
        })
    }

    /// Sends a request, with access that the registry asks for.
    pub async fn send(&mut self, request: Request) -> Result<Response, FetchError> {
        let again = Request {
            method: request.method.clone(),
            url: request.url.clone(),
            headers: request.headers.clone(),
            body: request.body.clone(),
        };
        let response = self.http.send(request.authorized(self.authorization.as_ref())).await?;
        if response.status() != StatusCode::UNAUTHORIZED || self.authorization.is_some() {
            return Ok(response);
        }
        let challenge = response.headers().get(WWW_AUTHENTICATE).and_then(|value| value.to_str().ok());
        let challenge =
            Challenge::parse(challenge.unwrap_or_default()).ok_or_else(|| FetchError::Access {
                host: self.registry.clone(),
                problem: "it asks for neither a password nor a token".to_owned(),
            })?;
        self.authorization = Some(self.authorize(&challenge).await?);
        self.http.send(again.authorized(self.authorization.as_ref())).await
    }

    async fn authorize(&self, challenge: &Challenge) -> Result<HeaderValue, FetchError> {
        let refused = |problem: String| FetchError::Access { host: self.registry.clone(), problem };
        let credentials = docker_config::find(&self.registry).map_err(refused)?;
        let text = match challenge {
            Challenge::Basic => {
                let credentials = credentials.ok_or_else(|| refused(self.login_advice()))?;
                credentials.basic()
            }
            Challenge::Bearer { realm, service, scope } => {
                let token =
                    self.token(realm, service.as_deref(), scope.as_deref(), credentials.as_ref()).await?;
                format!("Bearer {token}")
            }
        };
        secret(&text).ok_or_else(|| refused("the credentials cannot be sent in a header".to_owned()))
    }

    fn login_advice(&self) -> String {
        let file = docker_config::path()
            .map_or_else(|| "Docker's configuration".to_owned(), |path| format!("`{}`", path.display()));
        format!(
            "it wants a password, and {file} has none for it; `docker login {}` enters one",
            self.registry
        )
    }

    /// Asks the token server of the registry.
    async fn token(
        &self,
        realm: &str,
        service: Option<&str>,
        scope: Option<&str>,
        credentials: Option<&Credentials>,
    ) -> Result<String, FetchError> {
        let refused = |problem: String| FetchError::Access { host: self.registry.clone(), problem };
        let mut url = Url::parse(realm)
            .map_err(|problem| refused(format!("its token server `{realm}` is no URL: {problem}")))?;
        if self.base.scheme() == "https" && url.scheme() != "https" {
            return Err(refused(format!("its token server `{}` has no TLS", authority(&url))));
        }
        let needed = format!("repository:{}:{}", self.name, self.actions);
        {
            let mut query = url.query_pairs_mut();
            if let Some(service) = service {
                query.append_pair("service", service);
            }
            // The scope of a challenge to a read may be too narrow for what follows.
            let scope = scope.filter(|_| self.actions == "pull").unwrap_or(&needed);
            query.append_pair("scope", scope);
        }
        let host = authority(&url);
        let authorization = credentials.and_then(|credentials| secret(&credentials.basic()));
        let response = self.http.send(Request::get(url).authorized(authorization.as_ref())).await?;
        let status = response.status();
        if status != StatusCode::OK {
            let advice =
                if credentials.is_none() { format!("; {}", self.login_advice()) } else { String::new() };
            let words = words(response).await;
            return Err(refused(format!(
                "its token server {host} answered with status {}: {words}{advice}",
                status.as_u16()
            )));
        }
        let answer = body(response, "token", MAX_TOKEN).await?;
        let answer: Token = serde_json::from_slice(&answer).map_err(|_| {
            refused(format!("its token server {host} answered with something that is no token"))
        })?;
        answer
            .token
            .or(answer.access_token)
            .ok_or_else(|| refused(format!("its token server {host} gave no token")))
    }
}

/// Answer of a token server.
#[derive(Deserialize)]
struct Token {
    token: Option<String>,
    access_token: Option<String>,
}

/// A header value that logs do not show.
fn secret(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Sets a header of a request.
pub(crate) fn insert(
    request: &mut Request,
    name: reqwest::header::HeaderName,
    value: &str,
) -> Result<(), FetchError> {
    let value = HeaderValue::from_str(value).map_err(|problem| FetchError::Network(problem.to_string()))?;
    request.headers.insert(name, value);
    Ok(())
}

/// Sets the type of a request's body.
pub(crate) fn content_type(request: &mut Request, value: &str) -> Result<(), FetchError> {
    insert(request, CONTENT_TYPE, value)
}

/// What a registry wants before it answers.
#[derive(Debug, PartialEq, Eq)]
enum Challenge {
    Basic,
    Bearer { realm: String, service: Option<String>, scope: Option<String> },
}

impl Challenge {
    /// Parses `WWW-Authenticate` (RFC 9110, 11.6.1), of which registries use `NAME key="value",…`.
    fn parse(header: &str) -> Option<Self> {
        let (scheme, parameters) = header.trim().split_once(' ').unwrap_or((header.trim(), ""));
        match scheme.to_ascii_lowercase().as_str() {
            "basic" => Some(Self::Basic),
            "bearer" => {
                let mut found = parameters_of(parameters);
                let realm = found.remove("realm")?;
                Some(Self::Bearer { realm, service: found.remove("service"), scope: found.remove("scope") })
            }
            _ => None,
        }
    }
}

/// Parameters of a challenge. Quoted values may contain commas.
fn parameters_of(text: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut rest = text;
    while let Some((name, after)) = rest.split_once('=') {
        let name = name.trim_matches([',', ' ']).to_ascii_lowercase();
        let (value, next) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => after.split_once(',').unwrap_or((after, "")),
        };
        found.insert(name, value.trim().to_owned());
        rest = next;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_parsed_and_unknown_ones_are_none() {
        let bearer =
            r#"Bearer realm="https://auth.example/token",service="r",scope="repository:a/b:pull,push""#;
        let parsed = Challenge::parse(bearer).unwrap();
        let (realm, service) = ("https://auth.example/token".to_owned(), Some("r".to_owned()));
        assert_eq!(
            parsed,
            Challenge::Bearer { realm, service, scope: Some("repository:a/b:pull,push".to_owned()) }
        );
        assert_eq!(Challenge::parse("Basic realm=\"x\""), Some(Challenge::Basic));
        let bare = Challenge::parse("bearer realm=https://a, service=b");
        let (realm, service) = ("https://a".to_owned(), Some("b".to_owned()));
        assert_eq!(bare, Some(Challenge::Bearer { realm, service, scope: None }));
        for none in ["", "Digest realm=\"x\"", "Bearer", "Bearer service=\"x\"", "Bearer realm=\""] {
            assert!(
                Challenge::parse(none)
                    .is_none_or(|it| matches!(it, Challenge::Bearer { realm, .. } if realm.is_empty())),
                "{none}"
            );
        }
    }

    #[test]
    fn a_manifest_without_a_component_says_what_it_has() {
        let layer = |media_type: &str| {
            format!(
                "{{\"mediaType\": \"{media_type}\", \"digest\": \"sha256:{}\", \"size\": 1}}",
                "a".repeat(64)
            )
        };
        let manifest = |layers: &[&str]| {
            let layers: Vec<String> = layers.iter().map(|media_type| layer(media_type)).collect();
            let text = format!(
                "{{\"schemaVersion\": 2, \"config\": {}, \"layers\": [{}]}}",
                layer("x"),
                layers.join(",")
            );
            Manifest::parse(text.as_bytes()).unwrap().component().map(|layer| layer.size)
        };
        assert_eq!(manifest(&["x/y", LAYER_TYPE]).unwrap(), 1);
        assert_eq!(manifest(&[OLD_LAYER_TYPE]).unwrap(), 1);
        for (layers, words) in [
            (
                &["application/vnd.oci.image.layer.v1.tar+gzip"][..],
                "it has application/vnd.oci.image.layer.v1.tar+gzip",
            ),
            (&[], "it has none"),
            (&[LAYER_TYPE, LAYER_TYPE], "several components"),
        ] {
            let problem = manifest(layers).unwrap_err().to_string();
            assert!(problem.contains(words), "{problem}");
        }
        let index = Manifest::parse(br#"{"schemaVersion": 2, "manifests": []}"#).unwrap_err().to_string();
        assert!(index.contains("an index of images"), "{index}");
        assert!(Manifest::parse(b"<html>").unwrap_err().to_string().contains("no JSON"));
    }
}

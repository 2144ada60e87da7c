//! Publishing of components in a registry, as CNCF's artefact for WebAssembly.

use std::collections::BTreeMap;

use reqwest::header::LOCATION;
use reqwest::{Method, StatusCode};
use serde_json::json;
use url::Url;

use crate::digest::Digest;
use crate::error::FetchError;
use crate::fetcher::Fetcher;
use crate::http::Request;
use crate::oci::{CONFIG_TYPE, Descriptor, LAYER_TYPE, MANIFEST_TYPE, Manifest, Repository, content_type};
use crate::reference::OciReference;
use crate::signature;

/// Creation time in the artefact: the same component is the same artefact at any time.
const CREATED: &str = "1970-01-01T00:00:00Z";

/// A component to publish.
#[derive(Clone, Debug)]
pub struct Publication {
    /// Its bytes, unpacked.
    pub bytes: Vec<u8>,
    /// Its name, for the title of the layer.
    pub name: String,
    /// Interfaces that it imports.
    pub imports: Vec<String>,
    /// Interfaces that it exports.
    pub exports: Vec<String>,
    /// Its signature, if there is one.
    pub signature: Option<String>,
}

impl Fetcher {
    /// Publishes a component. Returns the reference with the digest of its manifest.
    ///
    /// # Errors
    /// The registry refuses it, or cannot be reached.
    pub fn push(
        &self,
        publication: &Publication,
        reference: &OciReference,
    ) -> Result<OciReference, FetchError> {
        self.blocking(self.timed(self.publish(publication, reference)))
    }

    async fn publish(
        &self,
        publication: &Publication,
        reference: &OciReference,
    ) -> Result<OciReference, FetchError> {
        let http = self.http(None)?;
        let mut repository = Repository::new(&http, reference, "pull,push")?;
        let layer = Digest::of(&publication.bytes);
        let config = json!({
            "created": CREATED,
            "architecture": "wasm",
            "os": "wasip2",
            "layerDigests": [layer.to_string()],
            "component": {"imports": publication.imports, "exports": publication.exports, "target": null},
        });
        let config = config.to_string().into_bytes();
        let descriptor = |media_type: &str, bytes: &[u8]| Descriptor {
            media_type: media_type.to_owned(),
            digest: Digest::of(bytes).to_string(),
            size: bytes.len() as u64,
        };
        let mut annotations =
            BTreeMap::from([("org.opencontainers.image.title".to_owned(), publication.name.clone())]);
        annotations
            .extend(publication.signature.clone().map(|text| (signature::ANNOTATION.to_owned(), text)));
        let manifest = Manifest {
            schema_version: 2,
            media_type: Some(MANIFEST_TYPE.to_owned()),
            config: descriptor(CONFIG_TYPE, &config),
            layers: vec![descriptor(LAYER_TYPE, &publication.bytes)],
            annotations,
        };
        upload(&mut repository, &publication.bytes).await?;
        upload(&mut repository, &config).await?;
        let manifest =
            serde_json::to_vec(&manifest).map_err(|problem| FetchError::Artefact(problem.to_string()))?;
        let digest = Digest::of(&manifest);
        let mut request = Request {
            method: Method::PUT,
            body: manifest,
            ..Request::get(repository.url(&format!("manifests/{}", reference.version()))?)
        };
        content_type(&mut request, MANIFEST_TYPE)?;
        let response = repository.send(request).await?;
        repository
            .expect(response, &[StatusCode::CREATED, StatusCode::OK], "repository of this name")
            .await?;
        Ok(reference.pinned(digest))
    }
}

/// Uploads a blob that the registry does not have yet.
async fn upload(repository: &mut Repository<'_>, bytes: &[u8]) -> Result<(), FetchError> {
    let digest = Digest::of(bytes);
    let head = Request { method: Method::HEAD, ..Request::get(repository.url(&format!("blobs/{digest}"))?) };
    if repository.send(head).await?.status() == StatusCode::OK {
        return Ok(());
    }
    let url = repository.url("blobs/uploads/")?;
    let begin = Request { method: Method::POST, ..Request::get(url.clone()) };
    let response = repository.send(begin).await?;
    let response = repository.expect(response, &[StatusCode::ACCEPTED], "repository of this name").await?;
    let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
    let location =
        location.ok_or_else(|| FetchError::Artefact("the registry names no place for uploads".to_owned()))?;
    let mut request = Request {
        method: Method::PUT,
        body: bytes.to_vec(),
        ..Request::get(target(&url, location, &digest)?)
    };
    content_type(&mut request, "application/octet-stream")?;
    let response = repository.send(request).await?;
    repository.expect(response, &[StatusCode::CREATED], "place for uploads").await?;
    Ok(())
}

/// URL of an upload. It stays with the registry, which gets the credentials.
fn target(registry: &Url, location: &str, digest: &Digest) -> Result<Url, FetchError> {
    let joined = registry.join(location);
    let mut url = joined
        .map_err(|problem| FetchError::Artefact(format!("the place for uploads is no URL: {problem}")))?;
    if url.host() != registry.host() {
        let problem = format!("it wants uploads on another host, `{}`", url.host_str().unwrap_or_default());
        return Err(FetchError::Artefact(problem));
    }
    // A registry behind a proxy with TLS may not know of it.
    if registry.scheme() == "https" && url.set_scheme("https").is_err() {
        return Err(FetchError::Artefact("the place for uploads has no TLS".to_owned()));
    }
    url.query_pairs_mut().append_pair("digest", &digest.to_string());
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uploads_stay_with_the_registry() {
        let registry = Url::parse("https://r.example/v2/a/blobs/uploads/").unwrap();
        let digest = Digest::of(b"");
        let of = |location| target(&registry, location, &digest).map(|url| url.to_string());
        let expected =
            format!("https://r.example/v2/a/u?state=1&digest={}", digest.to_string().replace(':', "%3A"));
        assert_eq!(of("/v2/a/u?state=1").unwrap(), expected);
        assert_eq!(of("http://r.example/v2/a/u?state=1").unwrap(), expected);
        assert!(of("https://evil.example/v2/").unwrap_err().to_string().contains("another host"));
    }
}

//! Fetches components: size, time and hosts are bounded, and the digest and the signature are checked.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reqwest::StatusCode;
use url::Url;

use crate::cache::Cache;
use crate::digest::Digest;
use crate::error::FetchError;
use crate::http::{Http, Policy, Request, authority, body, words};
use crate::oci::{self, Manifest, Repository};
use crate::reference::{OciReference, Reference};
use crate::signature::{self, BehaviourKey};

/// Most bytes of a component, packed or not. One in Python has 18 MB.
pub const MAX_BYTES: usize = 32 << 20;
/// Time for one component by default.
pub const DEFAULT_TIME: Duration = Duration::from_secs(120);

/// Options of a [`Fetcher`].
#[derive(Clone, Debug)]
pub struct FetchOptions {
    /// Folder of downloads; `None` to keep none.
    pub downloads: Option<PathBuf>,
    /// Hosts that may be asked without TLS, in addition to this machine.
    pub plain_http: Vec<String>,
    /// The key by which components must be signed.
    pub key: Option<BehaviourKey>,
    /// Time for one component.
    pub time: Duration,
    /// Whether nothing may be fetched, as where only local files are read.
    pub offline: bool,
}

impl Default for FetchOptions {
    fn default() -> Self {
        Self { downloads: None, plain_http: Vec::new(), key: None, time: DEFAULT_TIME, offline: false }
    }
}

/// A component as the registry or the server has it.
#[derive(Clone)]
pub struct Fetched {
    /// Its bytes, which may be packed.
    pub bytes: Vec<u8>,
    /// The reference with the digest that it has now: that of the manifest, or else that of the bytes.
    pub resolved: String,
    /// Its signature, if a key is demanded and there is one.
    pub signature: Option<String>,
}

/// Fetches components. Clones share what they have fetched.
#[derive(Clone)]
pub struct Fetcher {
    options: Arc<FetchOptions>,
    /// What each reference was when it was first fetched, so that a run uses one version of it.
    known: Arc<Mutex<BTreeMap<String, Digest>>>,
}

impl Fetcher {
    /// A fetcher with these options.
    pub fn new(options: FetchOptions) -> Self {
        Self { options: Arc::new(options), known: Arc::default() }
    }

    /// The key by which components must be signed.
    pub fn key(&self) -> Option<&BehaviourKey> {
        self.options.key.as_ref()
    }

    /// Fetches a component. The same reference is the same component for as long as this fetcher exists.
    ///
    /// # Errors
    /// The component cannot be fetched, or is not the one that the reference names.
    pub fn fetch(&self, reference: &Reference) -> Result<Fetched, FetchError> {
        let known = self.known().get(&reference.text()).cloned();
        let (fetched, digest) = self.blocking(self.run(reference, known.as_ref(), None))?;
        if self.known().insert(reference.text(), digest).is_none() {
            tracing::info!("{reference} is {} ({} bytes)", fetched.resolved, fetched.bytes.len());
        }
        Ok(fetched)
    }

    /// Fetches what a reference names now, on behalf of a client that may have only these hosts asked.
    ///
    /// # Errors
    /// The same as of [`Fetcher::fetch`], or a host that is not listed.
    pub async fn fetch_from(&self, reference: &Reference, hosts: &[String]) -> Result<Fetched, FetchError> {
        let (fetched, _) = self.run(reference, None, Some(hosts.to_vec())).await?;
        tracing::info!("{reference} is {} ({} bytes)", fetched.resolved, fetched.bytes.len());
        Ok(fetched)
    }

    /// The references that were fetched, with their digests.
    pub fn resolved(&self, reference: &Reference) -> Option<String> {
        let digest = self.known().get(&reference.text()).cloned()?;
        Some(resolved(reference, &digest))
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<String, Digest>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs a request to its end on a thread of its own, so that callers may be anywhere, also in a runtime.
    pub(crate) fn blocking<T: Send>(
        &self,
        request: impl Future<Output = Result<T, FetchError>> + Send,
    ) -> Result<T, FetchError> {
        let run = || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.map_err(|problem| FetchError::Network(problem.to_string()))?.block_on(request)
        };
        std::thread::scope(|scope| {
            scope.spawn(run).join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    pub(crate) fn http(&self, hosts: Option<Vec<String>>) -> Result<Http, FetchError> {
        Http::new(Policy { plain_http: self.options.plain_http.clone(), hosts })
    }

    /// A request within the time that one component has.
    pub(crate) async fn timed<T>(
        &self,
        request: impl Future<Output = Result<T, FetchError>>,
    ) -> Result<T, FetchError> {
        let late = |_| FetchError::Time { seconds: self.options.time.as_secs() };
        tokio::time::timeout(self.options.time, request).await.map_err(late)?
    }

    async fn run(
        &self,
        reference: &Reference,
        known: Option<&Digest>,
        hosts: Option<Vec<String>>,
    ) -> Result<(Fetched, Digest), FetchError> {
        if self.options.offline {
            return Err(FetchError::Offline);
        }
        let http = self.http(hosts)?;
        self.timed(async {
            match reference {
                Reference::Oci(artefact) => self.pull(&http, artefact, known).await,
                Reference::Url { url, .. } => self.download(&http, reference, url, known).await,
            }
        })
        .await
    }

    async fn pull(
        &self,
        http: &Http,
        reference: &OciReference,
        known: Option<&Digest>,
    ) -> Result<(Fetched, Digest), FetchError> {
        let pinned = known.or(reference.digest.as_ref());
        let reference = pinned.map_or_else(|| reference.clone(), |digest| reference.pinned(digest.clone()));
        let mut repository = Repository::new(http, &reference, "pull")?;
        // Also for what is cached: a client must not learn what is in the cache from hosts that it may not have asked.
        http.policy.check(&repository.url("")?)?;
        let (manifest, digest) =
            match reference.digest.as_ref().and_then(|digest| self.cached(digest, oci::MAX_MANIFEST)) {
                Some(found) => found,
                None => {
                    let manifest = repository.manifest(&reference.version()).await?;
                    self.checked("manifest", manifest, reference.digest.as_ref())?
                }
            };
        let parsed = Manifest::parse(&manifest)?;
        let layer = parsed.component()?;
        let limit = MAX_BYTES;
        if layer.size > limit as u64 {
            return Err(FetchError::TooLarge { what: "component", limit });
        }
        let bytes = match self.cached(&layer.digest, limit) {
            Some((bytes, _)) => bytes,
            None => {
                let bytes = repository.blob(&layer.digest, limit).await?;
                self.checked("component", bytes, Some(&layer.digest))?.0
            }
        };
        let signature = parsed.annotations.get(signature::ANNOTATION).cloned();
        let resolved = reference.pinned(digest.clone()).to_string();
        Ok((Fetched { bytes, resolved, signature }, digest))
    }

    async fn download(
        &self,
        http: &Http,
        reference: &Reference,
        url: &Url,
        known: Option<&Digest>,
    ) -> Result<(Fetched, Digest), FetchError> {
        http.policy.check(url)?;
        let limit = MAX_BYTES;
        // The pin is that of the unpacked component, and only a component that is not packed is found by it.
        let (bytes, digest) = match known.or(reference.digest()).and_then(|digest| self.cached(digest, limit))
        {
            Some(found) => found,
            None => {
                let bytes = get(http, url.clone(), "component", limit).await?;
                self.checked("component", bytes, known)?
            }
        };
        let signature = match self.options.key.is_some() {
            true => {
                let mut signature_path = url.clone();
                signature_path.set_path(&format!("{}{}", url.path(), signature::EXTENSION));
                match get(http, signature_path, "signature", signature::MAX_BYTES).await {
                    Ok(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
                    Err(FetchError::NotFound { .. }) => None,
                    Err(problem) => return Err(problem),
                }
            }
            false => None,
        };
        Ok((Fetched { bytes, resolved: resolved(reference, &digest), signature }, digest))
    }

    fn cached(&self, digest: &Digest, limit: usize) -> Option<(Vec<u8>, Digest)> {
        let cache = Cache::new(self.options.downloads.clone()?);
        Some((cache.get(digest, limit)?, digest.clone()))
    }

    /// Checks the digest of downloaded bytes, and keeps them.
    fn checked(
        &self,
        what: &'static str,
        bytes: Vec<u8>,
        wanted: Option<&Digest>,
    ) -> Result<(Vec<u8>, Digest), FetchError> {
        let found = Digest::of(&bytes);
        if let Some(wanted) = wanted.filter(|wanted| **wanted != found) {
            return Err(FetchError::Digest { what, wanted: wanted.clone(), found });
        }
        if let Some(dir) = &self.options.downloads {
            Cache::new(dir.clone()).put(&found, &bytes);
        }
        Ok((bytes, found))
    }
}

impl Default for Fetcher {
    /// A fetcher that reads local files and fetches nothing.
    fn default() -> Self {
        Self::new(FetchOptions { offline: true, ..FetchOptions::default() })
    }
}

impl fmt::Debug for Fetcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetcher").field("options", &self.options).finish_non_exhaustive()
    }
}

/// The text of a reference with the digest of its component. A URL gets the digest of the bytes that it serves, which may be
/// compressed; such a digest cannot be used as a pin.
fn resolved(reference: &Reference, digest: &Digest) -> String {
    match reference {
        Reference::Oci(artefact) => artefact.pinned(digest.clone()).to_string(),
        Reference::Url { .. } => format!("{reference} ({digest})"),
    }
}

/// Gets the bytes of a URL.
async fn get(http: &Http, url: Url, what: &'static str, limit: usize) -> Result<Vec<u8>, FetchError> {
    let (host, path) = (authority(&url), url.path().to_owned());
    let response = http.send(Request::get(url)).await?;
    let status = response.status();
    match status {
        StatusCode::OK => body(response, what, limit).await,
        StatusCode::NOT_FOUND | StatusCode::GONE => {
            Err(FetchError::NotFound { host, what: format!("`{path}`"), detail: words(response).await })
        }
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            let problem = format!(
                "{} (status {}); components behind a password come from a registry, with `docker login`",
                words(response).await,
                status.as_u16()
            );
            Err(FetchError::Access { host, problem })
        }
        _ => Err(FetchError::Status { host, status: status.as_u16(), detail: words(response).await }),
    }
}

//! Source of a behaviour: a built-in name, a file, a folder, an artefact in a registry or a URL. Any of them can end with the
//! digest that it must have: `name@sha256:…`.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use wasmote_engine::sha256::sha256;
use wasmote_mqtt::device_id::is_name;
use wasmote_registry::digest::Digest;
use wasmote_registry::error::{FetchError, SignatureError};
use wasmote_registry::fetcher::{Fetched, Fetcher};
use wasmote_registry::reference::{InvalidReference, Reference, has_scheme, split_pin};
use wasmote_registry::signature;

use crate::builtins;
use crate::component_file::{self, ComponentFileError};
use crate::regular_file;
use crate::suggest::did_you_mean;

/// A resolved source.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// A component in this binary, by name.
    Builtin(String),
    /// A file.
    File(PathBuf),
    /// A folder, such as a mounted ConfigMap, and the component file that was chosen in it.
    Folder {
        /// The folder.
        folder: PathBuf,
        /// The file, as chosen by [`choose_component`].
        file: PathBuf,
    },
    /// A component in a registry or at a URL.
    Remote(Reference),
    /// A source whose component must have this digest.
    Pinned {
        /// The source, which has no digest of its own.
        source: Box<Self>,
        /// SHA-256 of the component, unpacked.
        digest: Digest,
    },
}

/// Error of finding or reading a behaviour.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The text is neither a built-in name nor a path.
    #[error("there is no behaviour `{name}`: it is no file or folder, and no built-in one ({builtin}){hint}")]
    Unknown {
        /// The text.
        name: String,
        /// The built-in names.
        builtin: String,
        /// The nearest name, as a question.
        hint: String,
    },
    /// The folder contains no component.
    #[error("the folder `{}` contains no `.wasm` file; put one there, or name a file", .0.display())]
    Empty(PathBuf),
    /// The folder contains several components.
    #[error("the folder `{}` contains several `.wasm` files ({names}) and none is named `behaviour.wasm`; name one of them",
        folder.display())]
    Ambiguous {
        /// The folder.
        folder: PathBuf,
        /// Names of the components.
        names: String,
    },
    /// The file system returned an error.
    #[error("cannot read `{}`: {problem}", path.display())]
    Unreadable {
        /// The file or folder.
        path: PathBuf,
        /// The error.
        problem: io::Error,
    },
    /// The file is too large, or invalid gzip.
    #[error("cannot use `{}`: {problem}", path.display())]
    ComponentFile {
        /// The file.
        path: PathBuf,
        /// The reason.
        problem: ComponentFileError,
    },
    /// The text names no place of a component.
    #[error(transparent)]
    Reference(#[from] InvalidReference),
    /// What follows `@sha256:` is no digest.
    #[error("`{name}`: {problem}")]
    Pin {
        /// The text.
        name: String,
        /// The reason.
        problem: String,
    },
    /// A registry or a server does not give the component.
    #[error("cannot use `{reference}`: {problem}")]
    Fetch {
        /// The reference.
        reference: String,
        /// The reason.
        problem: FetchError,
    },
    /// What a registry or a server gives is too large, or invalid gzip.
    #[error("cannot use `{reference}`: {problem}")]
    Content {
        /// The reference.
        reference: String,
        /// The reason.
        problem: ComponentFileError,
    },
    /// The signature is missing or wrong.
    #[error("cannot use `{name}`: {problem}")]
    Signature {
        /// The file or the reference.
        name: String,
        /// The reason.
        problem: SignatureError,
    },
    /// The component has another digest than it must have.
    #[error("cannot use `{name}`: its SHA-256 is {found}, and {wanted} is needed")]
    Pinned {
        /// The source.
        name: String,
        /// The SHA-256 that it must have.
        wanted: String,
        /// The SHA-256 that it has.
        found: String,
    },
}

/// Name of the preferred component in a folder with several, without extension.
const DEFAULT_NAME: &str = "behaviour";

/// File extensions of components, plain and compressed, in order of preference. The content decides whether a file is
/// decompressed.
const EXTENSIONS: [&str; 2] = [".wasm", ".wasm.gz"];

impl Source {
    /// The text that names it in a plan or on the command line, without the digest that a group has as its own field.
    pub fn text(&self) -> String {
        match self {
            Self::Builtin(name) => name.clone(),
            Self::File(path) | Self::Folder { folder: path, .. } => path.display().to_string(),
            Self::Remote(reference) => reference.text(),
            Self::Pinned { source, .. } => source.text(),
        }
    }

    /// Resolves a built-in name, a path, which is relative to `folder`, or a reference.
    pub fn find(name: &str, folder: &Path) -> Result<Self, SourceError> {
        if has_scheme(name) {
            return Ok(Self::Remote(Reference::parse(name)?));
        }
        let split = split_pin(name).map_err(|problem| SourceError::Pin { name: name.into(), problem });
        match split? {
            (name, None) => Self::find_here(name, folder),
            (name, Some(digest)) => Ok(Self::find_here(name, folder)?.pinned(digest)),
        }
    }

    fn find_here(name: &str, folder: &Path) -> Result<Self, SourceError> {
        if builtins::find(name).is_some() {
            return Ok(Self::Builtin(name.into()));
        }
        let path = folder.join(name);
        if path.is_dir() {
            return choose_component(&path).map(|file| Self::Folder { folder: path, file });
        }
        if path.exists() {
            return match regular_file::check(&path) {
                Ok(()) => Ok(Self::File(path)),
                Err(problem) => Err(SourceError::Unreadable { path, problem }),
            };
        }
        let names: Vec<_> = builtins::all().map(|builtin| builtin.name).collect();
        let hint = did_you_mean(name, names.iter().copied());
        Err(SourceError::Unknown { name: name.into(), builtin: names.join(", "), hint })
    }

    /// The source of a file that a flag names: a path, or a reference.
    pub fn of_file(path: &Path) -> Result<Self, SourceError> {
        let Some(text) = path.to_str() else { return Ok(Self::File(path.to_owned())) };
        if has_scheme(text) {
            return Ok(Self::Remote(Reference::parse(text)?));
        }
        match split_pin(text).map_err(|problem| SourceError::Pin { name: text.into(), problem })? {
            (_, None) => Ok(Self::File(path.to_owned())),
            (file, Some(digest)) => Ok(Self::File(file.into()).pinned(digest)),
        }
    }

    /// The same source, whose component must have this digest.
    #[must_use]
    pub fn pinned(self, digest: Digest) -> Self {
        match self.pin() {
            Some(_) => self,
            None => Self::Pinned { source: Box::new(self), digest },
        }
    }

    /// SHA-256 that the component must have, in hexadecimal. The digest of an artefact in a registry is that of its manifest,
    /// so it is not this one.
    pub fn pin(&self) -> Option<&str> {
        match self {
            Self::Pinned { digest, .. } | Self::Remote(Reference::Url { pin: Some(digest), .. }) => {
                Some(digest.hex())
            }
            Self::Builtin(_) | Self::File(_) | Self::Folder { .. } | Self::Remote(_) => None,
        }
    }

    /// True if the component can never change: it has a digest, in a registry that of the manifest.
    pub fn is_fixed(&self) -> bool {
        match self {
            Self::Remote(reference) => reference.digest().is_some(),
            _ => self.pin().is_some(),
        }
    }

    /// The source without the digest that its component must have.
    pub fn unpinned(&self) -> &Self {
        match self {
            Self::Pinned { source, .. } => source.unpinned(),
            _ => self,
        }
    }

    /// The name, if it is a built-in behaviour.
    pub fn builtin(&self) -> Option<&str> {
        match self.unpinned() {
            Self::Builtin(name) => Some(name),
            _ => None,
        }
    }

    /// Name of the behaviour: the built-in name, or the last part of the path without its extension.
    pub fn name(&self) -> String {
        let stem = match self.unpinned() {
            Self::Builtin(name) => return name.clone(),
            Self::File(path) | Self::Folder { file: path, .. } => component_name(path),
            Self::Remote(reference) => reference.name(),
            Self::Pinned { .. } => String::new(),
        };
        let legal = |c: char| if is_name(c.encode_utf8(&mut [0; 4])) { c } else { '-' };
        let name: String = stem.chars().map(legal).take(64).collect();
        if name.is_empty() { "behaviour".into() } else { name }
    }

    /// The built-in name, the path or the reference, for messages.
    pub fn display_name(&self) -> String {
        match self {
            Self::Builtin(name) => name.clone(),
            Self::File(path) | Self::Folder { file: path, .. } => path.display().to_string(),
            Self::Remote(reference) => reference.to_string(),
            Self::Pinned { source, .. } => source.display_name(),
        }
    }

    /// The component's file; `None` for a built-in behaviour and for a reference.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::Builtin(_) | Self::Remote(_) => None,
            Self::File(path) | Self::Folder { file: path, .. } => Some(path),
            Self::Pinned { source, .. } => source.file(),
        }
    }

    /// The origin of the component as descriptions have it: that of a reference has the digest that was found.
    pub fn described(&self, fetcher: &Fetcher) -> String {
        match self.unpinned() {
            Self::Remote(reference) => fetcher.resolved(reference).unwrap_or_else(|| reference.to_string()),
            source => source.to_string(),
        }
    }

    /// Reads the component's bytes, decompressed. They have the digest that the source demands, and the signature that the
    /// fetcher's key demands.
    pub fn read(&self, fetcher: &Fetcher) -> Result<Vec<u8>, SourceError> {
        let bytes = match self {
            Self::Builtin(name) => builtins::find(name).map(|it| it.bytes.to_vec()).unwrap_or_default(),
            Self::File(path) | Self::Folder { file: path, .. } => {
                let bytes = component_file::read(path).map_err(|problem| match problem {
                    ComponentFileError::Unreadable(problem) => {
                        SourceError::Unreadable { path: path.clone(), problem }
                    }
                    problem => SourceError::ComponentFile { path: path.clone(), problem },
                })?;
                check_file(&bytes, path, fetcher)?;
                bytes
            }
            Self::Remote(reference) => fetch(reference, fetcher)?,
            Self::Pinned { source, .. } => source.read(fetcher)?,
        };
        match self.pin() {
            Some(wanted) if sha256(&bytes) != wanted => Err(SourceError::Pinned {
                name: self.display_name(),
                wanted: wanted.to_owned(),
                found: sha256(&bytes),
            }),
            _ => Ok(bytes),
        }
    }
}

/// Checks the signature in the file beside a component, if a key is demanded.
pub fn check_file(bytes: &[u8], path: &Path, fetcher: &Fetcher) -> Result<(), SourceError> {
    let Some(key) = fetcher.key() else { return Ok(()) };
    let signature_path = signature_file(path);
    let text = regular_file::read_text(&signature_path).ok();
    let expected = format!("into `{}`", signature_path.display());
    let checked = key.check(bytes, text.as_deref(), &expected);
    checked.map_err(|problem| SourceError::Signature { name: path.display().to_string(), problem })
}

/// The file that holds the signature of a component's file.
pub fn signature_file(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(signature::EXTENSION);
    name.into()
}

fn fetch(reference: &Reference, fetcher: &Fetcher) -> Result<Vec<u8>, SourceError> {
    let fetched = fetcher.fetch(reference);
    let fetched =
        fetched.map_err(|problem| SourceError::Fetch { reference: reference.to_string(), problem })?;
    unpack(reference, fetched, fetcher)
}

/// The component in what a registry or a server has sent, with a checked signature.
pub fn unpack(reference: &Reference, fetched: Fetched, fetcher: &Fetcher) -> Result<Vec<u8>, SourceError> {
    let bytes = component_file::decompress(fetched.bytes)
        .map_err(|problem| SourceError::Content { reference: reference.to_string(), problem })?;
    if let Some(key) = fetcher.key() {
        let expected = match reference {
            Reference::Oci(_) => {
                format!(
                    "beside the file, where `wasmote behaviours push` takes it for the annotation {}",
                    signature::ANNOTATION
                )
            }
            Reference::Url { .. } => format!("at the same URL with {}", signature::EXTENSION),
        };
        key.check(&bytes, fetched.signature.as_deref(), &expected)
            .map_err(|problem| SourceError::Signature { name: reference.to_string(), problem })?;
    }
    Ok(bytes)
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Builtin(_) => f.write_str("built-in"),
            Self::File(path) | Self::Folder { file: path, .. } => path.display().fmt(f),
            Self::Remote(reference) => reference.fmt(f),
            Self::Pinned { source, .. } => source.fmt(f),
        }
    }
}

/// Chooses the component of a folder, with the same result at start and while the folder is watched:
///
/// 1. `behaviour.wasm`, else `behaviour.wasm.gz`.
/// 2. The only component. `NAME.wasm` and `NAME.wasm.gz` count as one component, and `NAME.wasm` is chosen: a ConfigMap has
///    both if an earlier version of this program wrote the compressed one and `kubectl create configmap` the other.
pub fn choose_component(folder: &Path) -> Result<PathBuf, SourceError> {
    let mut files = list_components(folder)?;
    files.sort_by_key(|file| {
        let name = component_name(file);
        // Of a plain and a compressed file with one name, the plain one comes first, because its name is shorter.
        (name != DEFAULT_NAME, name, file.as_os_str().len())
    });
    let Some(first) = files.first() else { return Err(SourceError::Empty(folder.into())) };
    let name = component_name(first);
    if name != DEFAULT_NAME && files.iter().any(|file| component_name(file) != name) {
        let names = files.iter().filter_map(|file| file.file_name()?.to_str()).collect::<Vec<_>>();
        return Err(SourceError::Ambiguous { folder: folder.into(), names: names.join(", ") });
    }
    Ok(first.clone())
}

/// Name of a component file without its extension.
fn component_name(path: &Path) -> String {
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    let stem = EXTENSIONS.iter().find_map(|extension| file.strip_suffix(extension));
    stem.map_or_else(|| path.file_stem().unwrap_or_default().to_string_lossy().into_owned(), str::to_owned)
}

/// The component files of a folder, sorted by name, without hidden ones.
pub fn list_components(folder: &Path) -> Result<Vec<PathBuf>, SourceError> {
    let unreadable = |problem| SourceError::Unreadable { path: folder.into(), problem };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let is_component =
            !name.starts_with('.') && EXTENSIONS.iter().any(|extension| name.ends_with(extension));
        if is_component && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            std::fs::write(folder.path().join(file), b"\0asm").unwrap();
        }
        folder
    }

    #[test]
    fn a_folder_resolves_to_its_only_component_or_the_default_file() {
        let one = folder(&["thermostat.wasm", "README.md", ".hidden.wasm"]);
        assert_eq!(Source::find(".", one.path()).unwrap().name(), "thermostat");
        let several = folder(&["a.wasm", "behaviour.wasm", "z.wasm"]);
        assert_eq!(Source::find(".", several.path()).unwrap().name(), "behaviour");
        let ambiguous = folder(&["a.wasm", "z.wasm"]);
        let problem = Source::find(".", ambiguous.path()).unwrap_err().to_string();
        assert!(problem.contains("(a.wasm, z.wasm)"), "{problem}");
        assert!(matches!(Source::find(".", folder(&[]).path()), Err(SourceError::Empty(_))));
    }

    #[test]
    fn a_plain_and_a_compressed_file_with_one_name_are_one_component() {
        let both = folder(&["sensor.wasm.gz", "sensor.wasm"]);
        assert_eq!(choose_component(both.path()).unwrap(), both.path().join("sensor.wasm"));
        let default = folder(&["behaviour.wasm.gz", "sensor.wasm", "sensor.wasm.gz"]);
        assert_eq!(choose_component(default.path()).unwrap(), default.path().join("behaviour.wasm.gz"));
        let others = folder(&["a.wasm.gz", "a.wasm", "b.wasm.gz"]);
        let problem = choose_component(others.path()).unwrap_err().to_string();
        assert!(problem.contains("(a.wasm, a.wasm.gz, b.wasm.gz)"), "{problem}");
    }

    #[test]
    fn a_file_name_is_sanitized_for_a_group_name() {
        let odd = folder(&["my device.wasm"]);
        let source = Source::find("my device.wasm", odd.path()).unwrap();
        assert_eq!(source.name(), "my-device");
        assert_eq!(Source::find(".", folder(&["lamp.wasm.gz"]).path()).unwrap().name(), "lamp");
        assert_eq!(source.read(&Fetcher::default()).unwrap(), b"\0asm");
    }

    #[test]
    fn a_digest_pins_a_built_in_behaviour_a_file_and_a_folder() {
        let one = folder(&["lamp.wasm"]);
        let (right, wrong) = (sha256(b"\0asm"), "0".repeat(64));
        let heartbeat = sha256(builtins::find("heartbeat").expect("`make behaviours` was run").bytes);
        for (name, right) in [("lamp.wasm", &right), (".", &right), ("heartbeat", &heartbeat)] {
            let source = Source::find(&format!("{name}@sha256:{right}"), one.path()).unwrap();
            assert_eq!((source.pin(), source.is_fixed()), (Some(right.as_str()), true));
            source.read(&Fetcher::default()).unwrap();
            let source = Source::find(&format!("{name}@sha256:{wrong}"), one.path()).unwrap();
            let problem = source.read(&Fetcher::default()).unwrap_err().to_string();
            assert!(problem.contains(right.as_str()) && problem.contains(&wrong), "{problem}");
            let problem = Source::find(&format!("{name}@sha256:12"), one.path()).unwrap_err().to_string();
            assert!(problem.contains("64 hexadecimal digits"), "{problem}");
        }
        assert_eq!(Source::find(&format!("lamp.wasm@sha256:{right}"), one.path()).unwrap().name(), "lamp");
    }

    #[test]
    fn a_reference_has_a_name_and_is_not_fetched_when_it_is_found() {
        let source = Source::find("oci://localhost:1/team/lamp:2", Path::new("/nowhere")).unwrap();
        assert_eq!((source.name().as_str(), source.file(), source.is_fixed()), ("lamp", None, false));
        assert!(matches!(
            source.read(&Fetcher::default()),
            Err(SourceError::Fetch { problem: FetchError::Offline, .. })
        ));
        let online = Fetcher::new(wasmote_registry::fetcher::FetchOptions::default());
        let problem = source.read(&online).unwrap_err().to_string();
        assert!(
            problem
                .starts_with("cannot use `oci://localhost:1/team/lamp:2`: `localhost:1` cannot be reached"),
            "{problem}"
        );
        let problem = Source::find("file:///etc/passwd", Path::new("")).unwrap_err().to_string();
        assert!(problem.contains("write a file as a path"), "{problem}");
    }

    #[test]
    fn with_a_key_a_file_needs_a_signature_beside_it() {
        let (key, signature) = (signature_parts::KEY, signature_parts::SIGNATURE);
        let key = wasmote_registry::signature::BehaviourKey::parse(key);
        let options = wasmote_registry::fetcher::FetchOptions { key, ..Default::default() };
        let fetcher = Fetcher::new(options);
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("lamp.wasm", "component");
        let read = || Source::find("lamp.wasm", folder.path()).unwrap().read(&fetcher);
        let problem = read().unwrap_err().to_string();
        assert!(
            problem.contains("it has no signature") && problem.contains("lamp.wasm.minisig"),
            "{problem}"
        );
        write("lamp.wasm.minisig", signature);
        read().unwrap();
        write("lamp.wasm", "another component");
        assert!(read().unwrap_err().to_string().contains("not by the key"));
        assert!(Source::Builtin("heartbeat".into()).read(&fetcher).is_ok(), "it is part of the program");
    }

    /// Made by minisign 0.11 for the text `component`.
    mod signature_parts {
        pub const KEY: &str = "RWTgPPpE/nFX63+bfAZTeVqWODmYkOFCZSB7WMbVGXLkk60rTcbdWOJE";
        pub const SIGNATURE: &str = "untrusted comment: signature from minisign secret key\n\
            RUTgPPpE/nFX6wALj3Af6v47/F5CM4ByZ82eCXIqFmpwKjSe9dbQRHJuN3k69BtFPk93rkKwPlTDF5+6tebelRDzT4yaJZd9Hgo=\n\
            trusted comment: timestamp:1796085374\tfile:c\thashed\n\
            eq+vot6UCGXUxeqM4BhOtzy6oAOwJy3Fp1Gi6ijqEIZagEXqkbDe33Alo5YXCxNsLEmHMe3KDPQ9weTVsPQeDA==";
    }

    #[test]
    fn an_unknown_name_lists_the_builtin_ones_and_guesses() {
        let problem = Source::find("hartbeat", Path::new(".")).unwrap_err().to_string();
        assert!(problem.contains("heartbeat, sensor, routing, aggregator, replay"), "{problem}");
        assert!(problem.ends_with("did you mean `heartbeat`?"), "{problem}");
    }
}

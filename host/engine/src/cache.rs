//! On-disk cache of compiled components.
//!
//! The runtime executes cached machine code without checking it, so a process that can write a cache file can
//! do everything this process can. A file is loaded only if this program wrote it and no other user could
//! have modified it since:
//!
//! * The directory and the file belong to the user of this process, and no other user may write to them. The
//!   program's own cache has mode 0700 and 0600; it is a subdirectory of the configured directory, which may
//!   be open to all, as an emptyDir is. Precompiled code in a container image may also belong to root, who
//!   owns the program as well. Symlinks are rejected. All checks run on the open file descriptor, so the file
//!   cannot be exchanged between check and read.
//! * The header contains the SHA-256 of the source component and of the code. Truncated, damaged or renamed
//!   files are rejected.
//! * wasmtime rejects code of another wasmtime version, other settings or a processor with other features.
//!
//! A rejected file is compiled again, with a warning that names the reason, and replaced. The checks do not
//! protect from root or from other processes of the same user, who control this process anyway. The header
//! has a hash and not a MAC, because the key would have to be stored where the same user can read it.
//!
//! * `private_dir`: directories and files that only this user can write. `artefact`: the file format.
//!   `native_code`: compilation and the only deserialization of machine code.

mod artefact;
pub(crate) mod native_code;
#[cfg(unix)]
mod private_dir;
#[cfg(not(unix))]
#[path = "cache/private_dir_unsupported.rs"]
mod private_dir;

use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::compile_process::CompileProcess;
use crate::compiler::{Compiler, Compilers};
use crate::error::LoadError;
use crate::progress;
use crate::sha256::hex;
use artefact::{Artefact, ArtefactError};
pub use private_dir::TrustError;
use private_dir::{Owner, PrivateDir};

/// Directories of the code cache. Without any, nothing is cached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cache {
    /// Directory of precompiled code, written by [`Engine::precompile`](crate::Engine::precompile). Read-only.
    pub precompiled: Option<PathBuf>,
    /// Directory for the code that this program compiles.
    pub dir: Option<PathBuf>,
    /// Most bytes in it; 48 MiB by default, because the volume of a pod has 64 MiB, and a pod that exceeds it is evicted.
    pub max_bytes: Option<u64>,
    /// Whether the directory is the default of this program, and not a choice of the user, who would want to know that it
    /// cannot be used.
    pub is_default: bool,
}

/// Origin of a component's machine code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Origin {
    /// Compiled by this process.
    #[default]
    Compiled,
    /// Loaded from the cache of an earlier start.
    Cached,
    /// Loaded from the precompiled code.
    Precompiled,
}

/// Reason why cached code was not loaded, or new code not stored. The component was compiled instead.
#[derive(Debug, thiserror::Error)]
pub enum CacheWarning {
    /// The file is not trusted, because another user could have written it.
    #[error("`{}` is not trusted and was compiled anew: {reason}", path.display())]
    Untrusted {
        /// The file or directory.
        path: PathBuf,
        /// The failed check.
        reason: TrustError,
    },
    /// The file is damaged, or belongs to another component.
    #[error("`{}` was compiled anew: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The failed check.
        reason: ArtefactError,
    },
    /// The code was compiled by another wasmtime version, with other settings or for another processor.
    #[error("`{}` was compiled anew: {reason}", path.display())]
    Incompatible {
        /// The file.
        path: PathBuf,
        /// The difference, as wasmtime reports it.
        reason: String,
    },
    /// The quick compiler does not support the component.
    #[error(
        "it could not be compiled quickly and was compiled with optimisation, which takes longer: {reason}"
    )]
    QuickCompileFailed {
        /// The error of the quick compiler.
        reason: LoadError,
    },
    /// The compiled code could not be stored.
    #[error("the compiled code cannot be kept in `{}`: {reason}", path.display())]
    NotStored {
        /// The directory.
        path: PathBuf,
        /// The I/O error.
        reason: io::Error,
    },
}

/// A compiled component with the origin of its code and the compiler that runs it.
pub(crate) struct Loaded<'e> {
    pub(crate) component: wasmtime::component::Component,
    pub(crate) compiler: &'e Compiler,
    pub(crate) origin: Origin,
    pub(crate) warnings: Vec<CacheWarning>,
}

/// Maximum number of files in the cache; the oldest are evicted.
const MAX_CACHE_FILES: usize = 32;
/// Maximum number of bytes in the cache by default.
const MAX_CACHE_BYTES: u64 = 48 << 20;

impl Cache {
    /// Loads a component from the cache, or compiles and stores it.
    pub(crate) fn load<'e>(
        &self,
        compilers: &'e Compilers,
        process: &CompileProcess,
        name: &str,
        bytes: &[u8],
    ) -> Result<Loaded<'e>, LoadError> {
        let sha256: [u8; 32] = Sha256::digest(bytes).into();
        let mut warnings = Vec::new();
        for Candidate { origin, owner, folder, name, compiler } in self.candidates(compilers, &sha256) {
            match load_file(compiler, &folder, owner, &name, &sha256) {
                Ok(Some(component)) => {
                    if origin == Origin::Cached {
                        note_use(&folder.join(&name));
                    }
                    return Ok(Loaded { component, compiler, origin, warnings });
                }
                Ok(None) => {}
                Err(warning) => warnings.push(warning),
            }
        }
        let compiling = progress::begin(name, bytes.len());
        let (component, compiler) = compile(compilers, process, bytes, &mut warnings)?;
        drop(compiling);
        let max_bytes = self.max_bytes.unwrap_or(MAX_CACHE_BYTES);
        if let Some(dir) = &self.dir
            && let Err(reason) = store_file(compiler, dir, max_bytes, &component, &sha256)
            && !self.is_default
        {
            warnings.push(CacheWarning::NotStored { path: dir.clone(), reason });
        }
        Ok(Loaded { component, compiler, origin: Origin::Compiled, warnings })
    }

    /// Cache files of a component, the fastest code first.
    fn candidates<'e>(&self, compilers: &'e Compilers, sha256: &[u8; 32]) -> Vec<Candidate<'e>> {
        let precompiled = self.precompiled.iter().map(|folder| Candidate {
            origin: Origin::Precompiled,
            owner: Owner::UserOrRoot,
            folder: folder.clone(),
            name: precompiled_file_name(sha256),
            compiler: &compilers.optimising,
        });
        let dir = self.dir.iter().flat_map(|dir| {
            compilers.all().map(|compiler| Candidate {
                origin: Origin::Cached,
                owner: Owner::User,
                folder: user_dir(dir),
                name: cache_file_name(compiler, sha256),
                compiler,
            })
        });
        precompiled.chain(dir).collect()
    }
}

/// A possible cache file and the compiler that runs it.
struct Candidate<'e> {
    origin: Origin,
    owner: Owner,
    folder: PathBuf,
    name: String,
    compiler: &'e Compiler,
}

/// Compiles with the quick compiler if there is one and it supports the component, else with the optimising
/// one.
fn compile<'e>(
    compilers: &'e Compilers,
    process: &CompileProcess,
    bytes: &[u8],
    warnings: &mut Vec<CacheWarning>,
) -> Result<(wasmtime::component::Component, &'e Compiler), LoadError> {
    let quick = compilers.quick.as_ref().map(|quick| (native_code::compile(process, quick, bytes), quick));
    let reason = match quick {
        Some((Ok(component), quick)) => return Ok((component, quick)),
        // The optimising compiler needs even more.
        Some((Err(reason), _)) if reason.is_limit_of_compilation() => return Err(reason),
        Some((Err(reason), _)) => Some(reason),
        None => None,
    };
    let component = native_code::compile(process, &compilers.optimising, bytes)?;
    warnings.extend(reason.map(|reason| CacheWarning::QuickCompileFailed { reason }));
    Ok((component, &compilers.optimising))
}

/// Compiled code in a folder, for [`Cache::precompiled`] on this machine or another.
#[derive(Debug)]
pub struct Precompiled {
    /// The file.
    pub path: PathBuf,
    /// True if the file was there and is kept.
    pub up_to_date: bool,
    /// Reason why the file that was there was replaced.
    pub warning: Option<CacheWarning>,
}

/// Compiles a component for all processors of this architecture and writes the code to a folder, unless a file with usable
/// code of the component is there.
pub(crate) fn precompile(
    compiler: &Compiler,
    process: &CompileProcess,
    bytes: &[u8],
    folder: &Path,
) -> Result<Precompiled, PrecompileError> {
    let opened = PrivateDir::create_readable(folder)?;
    let opened = opened.map_err(|reason| PrecompileError::Folder { path: folder.to_owned(), reason })?;
    let sha256: [u8; 32] = Sha256::digest(bytes).into();
    let name = precompiled_file_name(&sha256);
    let path = folder.join(&name);
    let load = || load_file(compiler, folder, Owner::UserOrRoot, &name, &sha256);
    let warning = match load() {
        Ok(Some(_)) => return Ok(Precompiled { path, up_to_date: true, warning: None }),
        Ok(None) => None,
        Err(warning) => Some(warning),
    };
    let code = native_code::compile_portably(process, bytes)?;
    opened.write_readable(&name, &Artefact { component: sha256, code: &code }.encode())?;
    drop(code);
    match load() {
        Ok(Some(_)) => Ok(Precompiled { path, up_to_date: false, warning }),
        Ok(None) => Err(io::Error::from(io::ErrorKind::NotFound).into()),
        Err(reason) => Err(PrecompileError::Unusable(reason)),
    }
}

/// Reason why a component could not be precompiled.
#[derive(Debug, thiserror::Error)]
pub enum PrecompileError {
    /// The file is not a valid component.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// wasmtime cannot compile for this architecture.
    #[error(transparent)]
    Engine(#[from] crate::error::EngineError),
    /// An I/O error.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Other users may write to the folder, so `wasmote run` would not use the code.
    #[error(
        "no program will use code in `{}`: {reason}; name a new folder below it, or `chmod go-w` it",
        path.display()
    )]
    Folder {
        /// The folder.
        path: PathBuf,
        /// The failed check.
        reason: TrustError,
    },
    /// The code that was written cannot be loaded.
    #[error("the code that was written cannot be used: {0}")]
    Unusable(CacheWarning),
}

/// Loads the code of a file. `None` if the file does not exist.
fn load_file(
    compiler: &Compiler,
    folder: &Path,
    owner: Owner,
    name: &str,
    sha256: &[u8; 32],
) -> Result<Option<wasmtime::component::Component>, CacheWarning> {
    let path = folder.join(name);
    let untrusted = |path: &Path| {
        let path = path.to_owned();
        move |reason| CacheWarning::Untrusted { path, reason }
    };
    let Some(opened) = PrivateDir::open(folder, owner).map_err(untrusted(folder))? else { return Ok(None) };
    let Some(file) = opened.read(name, owner).map_err(untrusted(&path))? else { return Ok(None) };
    let code = artefact::verify(file, sha256)
        .map_err(|reason| CacheWarning::Damaged { path: path.clone(), reason })?;
    let component = native_code::deserialize(compiler, &code);
    component.map(Some).map_err(|reason| CacheWarning::Incompatible { path, reason: format!("{reason:#}") })
}

fn store_file(
    compiler: &Compiler,
    dir: &Path,
    max_bytes: u64,
    component: &wasmtime::component::Component,
    sha256: &[u8; 32],
) -> io::Result<()> {
    let code = component.serialize().map_err(io::Error::other)?;
    let folder = user_dir(dir);
    let artefact = Artefact { component: *sha256, code: &code }.encode();
    let opened = PrivateDir::create(dir, &folder)?;
    evict_oldest(&folder, artefact.len() as u64, max_bytes)?;
    opened.write(&cache_file_name(compiler, sha256), &artefact)
}

/// Deletes the files that were not used for the longest time until a file of this size fits. A file of more than half of the
/// cache displaces no other, so that one large component does not make all others be compiled again.
fn evict_oldest(folder: &Path, bytes: u64, max_bytes: u64) -> io::Result<()> {
    let Some(mut available) = max_bytes.checked_sub(bytes) else {
        return Err(io::Error::other(format!(
            "it has {bytes} bytes, and the cache holds at most {max_bytes}; `--cache-size` allows more"
        )));
    };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        files.push((metadata.modified()?, entry.path(), metadata.len()));
    }
    let used: u64 = files.iter().map(|(_, _, bytes)| bytes).sum();
    if bytes > max_bytes / 2 && used > available {
        return Err(io::Error::other(format!(
            "it has {bytes} bytes, more than half of the {max_bytes} of the cache, and would displace others; \
             `--cache-size` allows more"
        )));
    }
    files.sort();
    let mut retain = true;
    for (index, (_, path, bytes)) in files.into_iter().rev().enumerate() {
        let left = available.checked_sub(bytes);
        retain &= left.is_some() && index + 1 < MAX_CACHE_FILES;
        match left {
            Some(left) if retain => available = left,
            _ => std::fs::remove_file(path)?,
        }
    }
    Ok(())
}

/// Notes that a file is in use, so that others are deleted before it. A file that cannot be changed is precompiled code.
fn note_use(path: &Path) {
    if let Ok(file) = std::fs::File::open(path) {
        let _ = file.set_modified(std::time::SystemTime::now());
    }
}

/// The private subdirectory of this user, in a directory that other users may share.
fn user_dir(dir: &Path) -> PathBuf {
    dir.join(format!("wasmote-{}", private_dir::user()))
}

fn cache_file_name(compiler: &Compiler, sha256: &[u8; 32]) -> String {
    let mut hasher = Sha256Hasher(Sha256::new());
    std::hash::Hash::hash(&compiler.wasmtime.precompile_compatibility_hash(), &mut hasher);
    let compatible: [u8; 32] = hasher.0.finalize().into();
    format!("{}-{}.cwasm", hex(sha256), hex(&compatible[..8]))
}

fn precompiled_file_name(sha256: &[u8; 32]) -> String {
    format!("{}-{}.cwasm", hex(sha256), std::env::consts::ARCH)
}

/// SHA-256 as a [`Hasher`](std::hash::Hasher), for a compatibility hash that is the same in every process.
struct Sha256Hasher(Sha256);

impl std::hash::Hasher for Sha256Hasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        0
    }
}

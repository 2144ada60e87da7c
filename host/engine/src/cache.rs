//! Compiled components, kept from one start to the next.
//!
//! Compiled code is run as it is: whoever can write it can do whatever this process can. So only such bytes are
//! taken as this program wrote itself, where nobody else could have touched them since:
//!
//! * The folder and the file belong to this process's user, and nobody else may write to them (the program's own
//!   cache is 0700 and 0600, in a folder of its own within the one that is named, which may be open to all as an
//!   emptyDir is). For code that came with the program, in a container's image, root may own them too, as it owns
//!   the program. Neither may be a symlink. All of this is asked of the opened file, so that nothing can be
//!   exchanged between the question and the reading.
//! * The file says of which component it is, by SHA-256, and what its own SHA-256 is: a file that was cut short,
//!   damaged or renamed is not taken.
//! * wasmtime itself refuses what another version of it, other settings or a processor with other features made.
//!
//! Whatever is not taken is compiled anew, with a word why, and replaced. What this does not protect from is
//! another process of the same user, or root: these can do what they like to this process anyway. A hash rather
//! than a MAC stands in the file, as a key would have to lie where the same user can read it.
//!
//! * `private_dir`: folders and files that are ours alone. `artefact`: what is in a file. `native_code`: the one step from
//!   bytes to code.

mod artefact;
mod native_code;
#[cfg(unix)]
mod private_dir;
#[cfg(not(unix))]
#[path = "cache/private_dir_unsupported.rs"]
mod private_dir;

use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::compiler::Compiler;
use crate::engine::Engine;
use crate::error::LoadError;
use artefact::{Artefact, ArtefactError};
pub use private_dir::TrustError;
use private_dir::{Owner, PrivateDir};

/// Where compiled components are looked for and kept. Without folders nothing is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cache {
    /// What came with the program, as [`precompile`] wrote it. Nothing is written there.
    pub precompiled: Option<PathBuf>,
    /// Where this program keeps what it compiles.
    pub dir: Option<PathBuf>,
}

/// Where a component's code came from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Origin {
    /// It was compiled.
    #[default]
    Compiled,
    /// It was compiled at an earlier start.
    Cached,
    /// It came with the program.
    Precompiled,
}

/// Why compiled code was not taken, or not kept. The component was compiled instead.
#[derive(Debug, thiserror::Error)]
pub enum CacheWarning {
    /// Somebody else could have written it.
    #[error("`{}` is not trusted and was compiled anew: {reason}", path.display())]
    Untrusted {
        /// The file or folder.
        path: PathBuf,
        /// Whom it could be from.
        reason: TrustError,
    },
    /// It is damaged, or of another component.
    #[error("`{}` was compiled anew: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: ArtefactError,
    },
    /// Another wasmtime, other settings or another processor.
    #[error("`{}` was compiled anew: {reason}", path.display())]
    Incompatible {
        /// The file.
        path: PathBuf,
        /// The difference.
        reason: String,
    },
    /// The quick compiler does not know all that the component uses.
    #[error("it could not be compiled quickly, and was compiled in full, which takes longer: {reason}")]
    QuickCompileFailed {
        /// What it does not know, or what is wrong.
        reason: LoadError,
    },
    /// What was compiled could not be kept.
    #[error("what was compiled cannot be kept in `{}`: {reason}", path.display())]
    NotStored {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        reason: io::Error,
    },
}

/// A component, with where its code came from, and what runs it.
pub(crate) struct Loaded<'e> {
    pub(crate) component: wasmtime::component::Component,
    pub(crate) compiler: &'e Compiler,
    pub(crate) origin: Origin,
    pub(crate) warnings: Vec<CacheWarning>,
}

/// Files that the program keeps at most; older ones go.
const MAX_CACHE_FILES: usize = 32;
/// What they may take together, in bytes. Pods have 64 MiB for it, and a pod that takes more is evicted.
const MAX_CACHE_BYTES: u64 = 48 << 20;

impl Cache {
    /// A component from its bytes: compiled before, or compiled now and kept.
    pub(crate) fn load<'e>(&self, engine: &'e Engine, bytes: &[u8]) -> Result<Loaded<'e>, LoadError> {
        let sha256: [u8; 32] = Sha256::digest(bytes).into();
        let mut warnings = Vec::new();
        for Candidate { origin, owner, folder, name, compiler } in self.candidates(engine, &sha256) {
            match load_file(compiler, &folder, owner, &name, &sha256) {
                Ok(Some(component)) => return Ok(Loaded { component, compiler, origin, warnings }),
                Ok(None) => {}
                Err(warning) => warnings.push(warning),
            }
        }
        let (component, compiler) = compile(engine, bytes, &mut warnings)?;
        if let Some(dir) = &self.dir
            && let Err(reason) = store_file(compiler, dir, &component, &sha256)
        {
            warnings.push(CacheWarning::NotStored { path: dir.clone(), reason });
        }
        Ok(Loaded { component, compiler, origin: Origin::Compiled, warnings })
    }

    /// Where a component's code may lie, what runs fastest first.
    fn candidates<'e>(&self, engine: &'e Engine, sha256: &[u8; 32]) -> Vec<Candidate<'e>> {
        let precompiled = self.precompiled.iter().map(|folder| Candidate {
            origin: Origin::Precompiled,
            owner: Owner::UserOrRoot,
            folder: folder.clone(),
            name: precompiled_file_name(sha256),
            compiler: &engine.optimising,
        });
        let dir = self.dir.iter().flat_map(|dir| {
            engine.compilers().map(|compiler| Candidate {
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

/// Where code may lie, and what runs it.
struct Candidate<'e> {
    origin: Origin,
    owner: Owner,
    folder: PathBuf,
    name: String,
    compiler: &'e Compiler,
}

/// By the quick compiler, where there is one and it can.
fn compile<'e>(
    engine: &'e Engine,
    bytes: &[u8],
    warnings: &mut Vec<CacheWarning>,
) -> Result<(wasmtime::component::Component, &'e Compiler), LoadError> {
    let quick = engine.quick.as_ref().map(|quick| (native_code::compile(quick, bytes), quick));
    let reason = match quick {
        Some((Ok(component), quick)) => return Ok((component, quick)),
        Some((Err(reason), _)) => Some(reason),
        None => None,
    };
    let component = native_code::compile(&engine.optimising, bytes)?;
    warnings.extend(reason.map(|reason| CacheWarning::QuickCompileFailed { reason }));
    Ok((component, &engine.optimising))
}

/// Compile a component for every processor of this kind, and write what comes of it to a folder that
/// [`Cache::precompiled`] can name, on this machine or another.
pub fn precompile(bytes: &[u8], folder: &Path) -> Result<PathBuf, PrecompileError> {
    let code = native_code::compile_portably(bytes)?;
    let sha256: [u8; 32] = Sha256::digest(bytes).into();
    let path = folder.join(precompiled_file_name(&sha256));
    std::fs::create_dir_all(folder)?;
    std::fs::write(&path, Artefact { component: sha256, code: &code }.encode())?;
    Ok(path)
}

/// Why nothing was compiled ahead.
#[derive(Debug, thiserror::Error)]
pub enum PrecompileError {
    /// It is no component.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// There is no engine for processors of this kind.
    #[error(transparent)]
    Engine(#[from] crate::error::EngineError),
    /// The file system said no.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// The code in a file, if there is one.
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
    component: &wasmtime::component::Component,
    sha256: &[u8; 32],
) -> io::Result<()> {
    let code = component.serialize().map_err(io::Error::other)?;
    let folder = user_dir(dir);
    let artefact = Artefact { component: *sha256, code: &code }.encode();
    let opened = PrivateDir::create(dir, &folder)?;
    evict_oldest(&folder, artefact.len() as u64)?;
    opened.write(&cache_file_name(compiler, sha256), &artefact)
}

/// Forget the oldest, so that one more file fits.
fn evict_oldest(folder: &Path, bytes: u64) -> io::Result<()> {
    let Some(mut available) = MAX_CACHE_BYTES.checked_sub(bytes) else {
        return Err(io::Error::other(format!("it has {bytes} bytes, and {MAX_CACHE_BYTES} are kept in all")));
    };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        files.push((metadata.modified()?, entry.path(), metadata.len()));
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

/// Ours alone, within a folder that may be everybody's.
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

fn hex(bytes: &[u8]) -> String {
    crate::component::hex(bytes)
}

/// What wasmtime wants to be told by its hash, as a name that is the same in every process.
struct Sha256Hasher(Sha256);

impl std::hash::Hasher for Sha256Hasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        0
    }
}

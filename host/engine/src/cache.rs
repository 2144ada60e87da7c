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
//! * `place`: folders and files that are ours alone. `artefact`: what is in a file. `trusted`: the one step from
//!   bytes to code.

mod artefact;
#[cfg(unix)]
mod place;
#[cfg(not(unix))]
#[path = "cache/no_place.rs"]
mod place;
mod trusted;

use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::backend::Backend;
use crate::engine::Engine;
use crate::error::LoadError;
use artefact::{Artefact, ArtefactError};
pub use place::Distrust;
use place::{Folder, Owner};

/// Where compiled components are looked for and kept. Without folders nothing is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cache {
    /// What came with the program, as [`precompile`] wrote it. Nothing is written there.
    pub shipped: Option<PathBuf>,
    /// Where this program keeps what it compiles.
    pub own: Option<PathBuf>,
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
    Shipped,
}

/// Why compiled code was not taken, or not kept. The component was compiled instead.
#[derive(Debug, thiserror::Error)]
pub enum CacheProblem {
    /// Somebody else could have written it.
    #[error("`{}` is not trusted and was compiled anew: {why}", path.display())]
    Distrusted {
        /// The file or folder.
        path: PathBuf,
        /// Whom it could be from.
        why: Distrust,
    },
    /// It is damaged, or of another component.
    #[error("`{}` was compiled anew: {why}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: ArtefactError,
    },
    /// Another wasmtime, other settings or another processor.
    #[error("`{}` was compiled anew: {why}", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// The difference.
        why: String,
    },
    /// The quick compiler does not know all that the component uses.
    #[error("it could not be compiled quickly, and was compiled in full, which takes longer: {why}")]
    NotQuick {
        /// What it does not know, or what is wrong.
        why: LoadError,
    },
    /// What was compiled could not be kept.
    #[error("what was compiled cannot be kept in `{}`: {why}", path.display())]
    NotKept {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        why: io::Error,
    },
}

/// A component, with where its code came from, and what runs it.
pub(crate) struct Found<'e> {
    pub(crate) component: wasmtime::component::Component,
    pub(crate) backend: &'e Backend,
    pub(crate) origin: Origin,
    pub(crate) problems: Vec<CacheProblem>,
}

/// Files that the program keeps at most; older ones go.
const KEPT: usize = 32;
/// What they may take together, in bytes. Pods have 64 MiB for it, and a pod that takes more is evicted.
const KEPT_BYTES: u64 = 48 << 20;

impl Cache {
    /// A component from its bytes: compiled before, or compiled now and kept.
    pub(crate) fn load<'e>(&self, engine: &'e Engine, bytes: &[u8]) -> Result<Found<'e>, LoadError> {
        let sha256: [u8; 32] = Sha256::digest(bytes).into();
        let mut problems = Vec::new();
        for Place { origin, owner, folder, name, backend } in self.places(engine, &sha256) {
            match take(backend, &folder, owner, &name, &sha256) {
                Ok(Some(component)) => return Ok(Found { component, backend, origin, problems }),
                Ok(None) => {}
                Err(problem) => problems.push(problem),
            }
        }
        let (component, backend) = compile(engine, bytes, &mut problems)?;
        if let Some(own) = &self.own
            && let Err(why) = keep(backend, own, &component, &sha256)
        {
            problems.push(CacheProblem::NotKept { path: own.clone(), why });
        }
        Ok(Found { component, backend, origin: Origin::Compiled, problems })
    }

    /// Where a component's code may lie, what runs fastest first.
    fn places<'e>(&self, engine: &'e Engine, sha256: &[u8; 32]) -> Vec<Place<'e>> {
        let shipped = self.shipped.iter().map(|folder| Place {
            origin: Origin::Shipped,
            owner: Owner::UsOrRoot,
            folder: folder.clone(),
            name: shipped_name(sha256),
            backend: &engine.optimising,
        });
        let own = self.own.iter().flat_map(|own| {
            engine.backends().map(|backend| Place {
                origin: Origin::Cached,
                owner: Owner::Us,
                folder: own_folder(own),
                name: own_name(backend, sha256),
                backend,
            })
        });
        shipped.chain(own).collect()
    }
}

/// Where code may lie, and what runs it.
struct Place<'e> {
    origin: Origin,
    owner: Owner,
    folder: PathBuf,
    name: String,
    backend: &'e Backend,
}

/// By the quick compiler, where there is one and it can.
fn compile<'e>(
    engine: &'e Engine,
    bytes: &[u8],
    problems: &mut Vec<CacheProblem>,
) -> Result<(wasmtime::component::Component, &'e Backend), LoadError> {
    let quick = engine.quick.as_ref().map(|quick| (trusted::compile(quick, bytes), quick));
    let why = match quick {
        Some((Ok(component), quick)) => return Ok((component, quick)),
        Some((Err(why), _)) => Some(why),
        None => None,
    };
    let component = trusted::compile(&engine.optimising, bytes)?;
    problems.extend(why.map(|why| CacheProblem::NotQuick { why }));
    Ok((component, &engine.optimising))
}

/// Compile a component for every processor of this kind, and write what comes of it to a folder that
/// [`Cache::shipped`] can name, on this machine or another.
pub fn precompile(bytes: &[u8], folder: &Path) -> Result<PathBuf, PrecompileError> {
    let code = trusted::compile_portably(bytes)?;
    let sha256: [u8; 32] = Sha256::digest(bytes).into();
    let path = folder.join(shipped_name(&sha256));
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
fn take(
    backend: &Backend,
    folder: &Path,
    owner: Owner,
    name: &str,
    sha256: &[u8; 32],
) -> Result<Option<wasmtime::component::Component>, CacheProblem> {
    let path = folder.join(name);
    let distrusted = |path: &Path| {
        let path = path.to_owned();
        move |why| CacheProblem::Distrusted { path, why }
    };
    let Some(opened) = Folder::open(folder, owner).map_err(distrusted(folder))? else { return Ok(None) };
    let Some(file) = opened.read(name, owner).map_err(distrusted(&path))? else { return Ok(None) };
    let code =
        artefact::verify(file, sha256).map_err(|why| CacheProblem::Damaged { path: path.clone(), why })?;
    let component = trusted::deserialize(backend, &code);
    component.map(Some).map_err(|why| CacheProblem::Foreign { path, why: format!("{why:#}") })
}

fn keep(
    backend: &Backend,
    own: &Path,
    component: &wasmtime::component::Component,
    sha256: &[u8; 32],
) -> io::Result<()> {
    let code = component.serialize().map_err(io::Error::other)?;
    let folder = own_folder(own);
    let artefact = Artefact { component: *sha256, code: &code }.encode();
    let opened = Folder::make(own, &folder)?;
    make_room(&folder, artefact.len() as u64)?;
    opened.write(&own_name(backend, sha256), &artefact)
}

/// Forget the oldest, so that one more file fits.
fn make_room(folder: &Path, bytes: u64) -> io::Result<()> {
    let Some(mut room) = KEPT_BYTES.checked_sub(bytes) else {
        return Err(io::Error::other(format!("it has {bytes} bytes, and {KEPT_BYTES} are kept in all")));
    };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        files.push((metadata.modified()?, entry.path(), metadata.len()));
    }
    files.sort();
    let mut is_kept = true;
    for (place, (_, path, bytes)) in files.into_iter().rev().enumerate() {
        let left = room.checked_sub(bytes);
        is_kept &= left.is_some() && place + 1 < KEPT;
        match left {
            Some(left) if is_kept => room = left,
            _ => std::fs::remove_file(path)?,
        }
    }
    Ok(())
}

/// Ours alone, within a folder that may be everybody's.
fn own_folder(own: &Path) -> PathBuf {
    own.join(format!("wasmote-{}", place::user()))
}

fn own_name(backend: &Backend, sha256: &[u8; 32]) -> String {
    let mut hasher = Hashing(Sha256::new());
    std::hash::Hash::hash(&backend.wasmtime.precompile_compatibility_hash(), &mut hasher);
    let compatible: [u8; 32] = hasher.0.finalize().into();
    format!("{}-{}.cwasm", hex(sha256), hex(&compatible[..8]))
}

fn shipped_name(sha256: &[u8; 32]) -> String {
    format!("{}-{}.cwasm", hex(sha256), std::env::consts::ARCH)
}

fn hex(bytes: &[u8]) -> String {
    crate::component::hex(bytes)
}

/// What wasmtime wants to be told by its hash, as a name that is the same in every process.
struct Hashing(Sha256);

impl std::hash::Hasher for Hashing {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        0
    }
}

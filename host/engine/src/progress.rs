//! Observation of compilations, which take many seconds for components with an interpreter inside.

use std::any::Any;
use std::sync::OnceLock;

/// A compilation that begins.
#[derive(Clone, Debug)]
pub struct Compilation {
    /// Name of the component.
    pub name: String,
    /// Size of its file.
    pub bytes: usize,
}

/// What an observer returns; it is dropped when the compilation ends.
pub type Observation = Box<dyn Any + Send>;

static OBSERVER: OnceLock<fn(Compilation) -> Observation> = OnceLock::new();

/// Makes an observer see all later compilations of this process. Only the first call counts.
pub fn observe(observer: fn(Compilation) -> Observation) {
    let _ = OBSERVER.set(observer);
}

/// Tells the observer that a compilation begins.
pub(crate) fn begin(name: &str, bytes: usize) -> Option<Observation> {
    let observer = OBSERVER.get()?;
    Some(observer(Compilation { name: name.to_owned(), bytes }))
}

//! Fault-model components: how names are resolved, and the loaded components, each once.
//!
//! A fault document names a component in its field `file`: a built-in model, a name from `--fault-model`, or a file
//! relative to the document. Documents that arrive over HTTP can use only these names, and the files that were loaded at
//! the start of the run: the host opens no file on behalf of an HTTP client.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use wasmote_engine::{Engine, EngineError, FaultModel};
use wasmote_registry::fetcher::Fetcher;
use wasmote_registry::reference::{has_scheme, split_pin};
use wasmote_sim::faults::component::{FaultModelFactory, Library};
use wasmote_sim::limits::Limits;

use crate::builtins;
use crate::source::Source;
use crate::suggest::did_you_mean;

/// Fault-model components. Clones share the loaded ones.
#[derive(Clone, Default)]
pub struct FaultModels {
    named: Arc<BTreeMap<String, PathBuf>>,
    /// Reads the components, and those of the behaviours beside them.
    fetcher: Fetcher,
    shared: Arc<SharedState>,
}

#[derive(Default)]
struct SharedState {
    /// Created when the first model is loaded, because most runs have none.
    engine: OnceLock<Result<Engine, EngineError>>,
    loaded: Mutex<Loaded>,
}

#[derive(Default)]
struct Loaded {
    models: BTreeMap<Source, FaultModel>,
    /// Names and paths as documents write them.
    by_name: BTreeMap<String, Source>,
}

impl FaultModels {
    /// Models with these names for files, as flags give them.
    pub fn named(named: BTreeMap<String, PathBuf>) -> Self {
        Self { named: Arc::new(named), ..Self::default() }
    }

    /// The same names, read by this fetcher.
    #[must_use]
    pub fn with_fetcher(self, fetcher: Fetcher) -> Self {
        Self { fetcher, ..self }
    }

    /// Reads components for the whole run: those of behaviours, too.
    pub fn fetcher(&self) -> &Fetcher {
        &self.fetcher
    }

    /// Names from flags, and of built-in models.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.named.keys().map(String::as_str).chain(builtins::fault_models().map(|builtin| builtin.name))
    }

    /// Loads the models that flags name, so that an error in them is found at the start.
    pub fn load_named(&self) -> Result<(), (String, String)> {
        let no_folder = Path::new("");
        self.named.keys().try_for_each(|name| {
            self.load(name, no_folder).map(drop).map_err(|problem| (name.clone(), problem))
        })
    }

    /// Library for documents whose files are relative to a folder.
    pub fn in_folder<'a>(&'a self, folder: &'a Path) -> FolderLibrary<'a> {
        FolderLibrary { models: self, folder }
    }

    /// Library for documents from HTTP clients: names, and models that are loaded already.
    pub fn without_files(&self) -> WithoutFiles<'_> {
        WithoutFiles(self)
    }

    /// The models loaded so far, with their sources.
    pub fn loaded(&self) -> Vec<(Source, FaultModel)> {
        self.lock().models.iter().map(|(source, model)| (source.clone(), model.clone())).collect()
    }

    /// Resolves the name of a model.
    pub fn source(&self, name: &str, folder: &Path) -> Result<Source, String> {
        if let Some(file) = self.named.get(name) {
            return Source::of_file(file).map_err(|problem| problem.to_string());
        }
        if builtins::fault_models().any(|builtin| builtin.name == name) {
            return Ok(Source::Builtin(name.into()));
        }
        if has_scheme(name) {
            return Source::of_file(Path::new(name)).map_err(|problem| problem.to_string());
        }
        let (file, digest) = split_pin(name)?;
        let path = folder.join(file);
        if path.is_file() {
            let source = Source::File(path);
            return Ok(digest.into_iter().fold(source, Source::pinned));
        }
        Err(format!("there is no file `{}`, and {}", path.display(), self.unknown_model(name)))
    }

    /// Rewrites a name from a document for another folder; `to` is the path from there to the document's folder.
    pub fn rebase(&self, name: &str, to: &Path) -> String {
        match self.names().any(|known| known == name) || has_scheme(name) {
            true => name.to_owned(),
            false => to.join(name).display().to_string(),
        }
    }

    fn unknown_model(&self, name: &str) -> String {
        let known = self.names().collect::<Vec<_>>().join("`, `");
        let word = Path::new(name).file_name().unwrap_or_default().to_string_lossy();
        format!("no model has this name; known are `{known}`{}", did_you_mean(&word, self.names()))
    }

    fn load(&self, name: &str, folder: &Path) -> Result<FaultModel, String> {
        let source = self.source(name, folder)?;
        let mut loaded = self.lock();
        loaded.by_name.entry(name.to_owned()).or_insert_with(|| source.clone());
        if let Some(model) = loaded.models.get(&source) {
            return Ok(model.clone());
        }
        let engine = self.shared.engine.get_or_init(Engine::new).as_ref().map_err(ToString::to_string)?;
        let bytes = source.read(&self.fetcher).map_err(|problem| problem.to_string())?;
        let model = engine
            .load_fault_model(&source.name(), &bytes, Arc::new(Limits::default()))
            .map_err(|problem| format!("`{}` cannot be used: {problem}", source.display_name()))?;
        loaded.models.insert(source, model.clone());
        Ok(model)
    }

    fn lock(&self) -> MutexGuard<'_, Loaded> {
        self.shared.loaded.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for FaultModels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.lock().models.keys()).finish()
    }
}

/// Library of names and of files relative to a folder.
#[derive(Clone, Copy, Debug)]
pub struct FolderLibrary<'a> {
    models: &'a FaultModels,
    folder: &'a Path,
}

impl Library for FolderLibrary<'_> {
    fn find(&self, name: &str) -> Result<Arc<dyn FaultModelFactory>, String> {
        Ok(Arc::new(self.models.load(name, self.folder)?))
    }
}

/// Library of names and of models that are loaded already.
#[derive(Clone, Copy, Debug)]
pub struct WithoutFiles<'a>(&'a FaultModels);

impl Library for WithoutFiles<'_> {
    fn find(&self, name: &str) -> Result<Arc<dyn FaultModelFactory>, String> {
        let Self(models) = self;
        let known = {
            let loaded = models.lock();
            loaded.by_name.get(name).and_then(|source| loaded.models.get(source)).cloned()
        };
        if let Some(model) = known {
            return Ok(Arc::new(model));
        }
        if models.names().any(|known| known == name) {
            return Ok(Arc::new(models.load(name, Path::new(""))?));
        }
        Err(format!(
            "{}; over HTTP no file is opened, so start the host with --fault-model NAME=FILE and give the name",
            models.unknown_model(name)
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(found: Result<Arc<dyn FaultModelFactory>, String>) -> String {
        found.err().expect("the name is refused")
    }

    #[test]
    fn a_model_is_found_by_a_built_in_name_a_given_one_or_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let bytes = builtins::find("rain-fade").expect("`make behaviours` was run").bytes;
        std::fs::write(folder.path().join("mine.wasm"), bytes).unwrap();
        let named = [("storm".to_owned(), folder.path().join("mine.wasm"))];
        let models = FaultModels::named(named.into());
        let library = models.in_folder(folder.path());
        for (name, model_name) in [("rain-fade", "rain-fade"), ("storm", "mine"), ("mine.wasm", "mine")] {
            assert_eq!(library.find(name).ok().unwrap().name(), model_name);
        }
        assert_eq!(models.loaded().len(), 2, "one file is loaded once under all its names");
        let message = refusal(library.find("rainfade"));
        assert!(
            message.contains("rainfade`, and no model has this name") && message.contains("`storm`"),
            "{message}"
        );
        assert!(message.ends_with("did you mean `rain-fade`?"), "{message}");
    }

    #[test]
    fn over_http_no_file_is_opened_but_loaded_models_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("mine.wasm");
        std::fs::write(&file, builtins::find("rain-fade").expect("`make behaviours` was run").bytes).unwrap();
        let models = FaultModels::default();
        let path = file.display().to_string();
        let message = refusal(models.without_files().find(&path));
        assert!(
            message.contains("no file is opened") && message.contains("--fault-model NAME=FILE"),
            "{message}"
        );
        assert!(models.without_files().find("rain-fade").is_ok());
        // A document that was loaded at the start can be sent back unchanged.
        models.in_folder(folder.path()).find("mine.wasm").ok().unwrap();
        assert!(models.without_files().find("mine.wasm").is_ok());
        assert!(models.without_files().find(&path).is_err());
    }

    #[test]
    fn a_file_of_another_kind_is_an_error_that_names_the_kind() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("b.wasm"), builtins::find("heartbeat").unwrap().bytes).unwrap();
        std::fs::write(folder.path().join("n.wasm"), "hello").unwrap();
        let models = FaultModels::default();
        let library = models.in_folder(folder.path());
        assert!(refusal(library.find("b.wasm")).contains("it is a behaviour, not a fault model"));
        assert!(refusal(library.find("n.wasm")).contains("this is no WebAssembly"));
    }
}

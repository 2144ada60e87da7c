//! Changes of a project's sources.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::bench::history;
use crate::manifest::Project;

/// Folders that hold results of builds and other people's code.
const LEFT_OUT: [&str; 6] = ["target", "build", "node_modules", "results", "__pycache__", "zig-out"];
/// Most files that are watched.
const MAX_FILES: usize = 20_000;

/// Sizes and modification times of the sources, by path.
pub type Stamps = BTreeMap<PathBuf, (u64, Option<SystemTime>)>;

/// The present stamps of a project's sources: of the files that the manifest names as `watch`, or of all but hidden ones and
/// results of builds.
pub fn stamps(project: &Project) -> io::Result<Stamps> {
    let mut stamps = Stamps::new();
    let artefacts = [project.folder.join(&project.manifest.artefact), project.component()];
    match project.manifest.watch.is_empty() {
        true => add_folder(&project.folder, &artefacts, &mut stamps)?,
        false => {
            for path in &project.manifest.watch {
                let path = project.folder.join(path);
                if path.is_dir() {
                    add_folder(&path, &artefacts, &mut stamps)?;
                } else {
                    add_file(&path, &mut stamps)?;
                }
            }
        }
    }
    Ok(stamps)
}

fn add_folder(folder: &Path, artefacts: &[PathBuf], stamps: &mut Stamps) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with('.') || LEFT_OUT.contains(&name.as_str()) || name == history::FILE {
            continue;
        }
        if path.is_dir() && !path.is_symlink() {
            add_folder(&path, artefacts, stamps)?;
        } else if !artefacts.contains(&path) {
            add_file(&path, stamps)?;
        }
    }
    Ok(())
}

fn add_file(path: &Path, stamps: &mut Stamps) -> io::Result<()> {
    match fs::metadata(path) {
        Ok(metadata) => drop(stamps.insert(path.to_owned(), (metadata.len(), metadata.modified().ok()))),
        // It is about to be replaced, as editors do.
        Err(problem) if problem.kind() == io::ErrorKind::NotFound => {}
        Err(problem) => return Err(problem),
    }
    match stamps.len() > MAX_FILES {
        true => Err(io::Error::other(format!(
            "the project has more than {MAX_FILES} files; name those with its sources as `watch` in wasmote.toml"
        ))),
        false => Ok(()),
    }
}

/// The first changed path, relative to the project, for messages.
pub fn changed(before: &Stamps, now: &Stamps, project: &Path) -> Option<String> {
    let differs = |(path, stamp): &(&PathBuf, &(u64, Option<SystemTime>))| before.get(*path) != Some(stamp);
    let new = now.iter().find(differs).map(|(path, _)| path);
    let path = new.or_else(|| before.keys().find(|path| !now.contains_key(*path)))?;
    Some(path.strip_prefix(project).unwrap_or(path).display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::{FILE, Manifest};

    #[test]
    fn sources_are_watched_and_results_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let text = "name = \"a\"\nbuild = [\"make\"]\nartefact = \"a.wasm\"\n";
        let mut project =
            Project { folder: folder.path().to_owned(), manifest: Manifest::parse(text, FILE).unwrap() };
        for file in
            ["src/lib.rs", "target/x", ".git/x", "build/a.wasm", "a.wasm", "bench.ndjson", "wit/a.wit"]
        {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "1").unwrap();
        }
        let before = stamps(&project).unwrap();
        let names: Vec<_> = before.keys().map(|path| path.strip_prefix(folder.path()).unwrap()).collect();
        assert_eq!(names, [Path::new("src/lib.rs"), Path::new("wit/a.wit")]);
        fs::write(folder.path().join("target/x"), "22").unwrap();
        assert_eq!(changed(&before, &stamps(&project).unwrap(), folder.path()), None);
        fs::write(folder.path().join("src/lib.rs"), "22").unwrap();
        let now = stamps(&project).unwrap();
        assert_eq!(changed(&before, &now, folder.path()).as_deref(), Some("src/lib.rs"));
        fs::remove_file(folder.path().join("wit/a.wit")).unwrap();
        let later = stamps(&project).unwrap();
        assert_eq!(changed(&now, &later, folder.path()).as_deref(), Some("wit/a.wit"));
        project.manifest.watch = vec!["src".into()];
        assert_eq!(stamps(&project).unwrap().len(), 1);
    }
}

//! New projects.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::language::Language;
use crate::manifest::{Kind, check_name};
use crate::templates::{self, Values};
use crate::toolchain::Missing;

/// Files of a project by their paths in it.
pub type Files = BTreeMap<String, Cow<'static, [u8]>>;

/// Reason why a project was not made.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// The name or the language cannot be used.
    #[error("{setting}: {problem}")]
    Invalid {
        /// The argument.
        setting: &'static str,
        /// The reason, with a remedy.
        problem: String,
    },
    /// The folder has files already.
    #[error("the folder `{}` exists and is not empty; choose another one with --folder DIR", .0.display())]
    NotEmpty(PathBuf),
    /// Tools are missing.
    #[error("{}", missing_tools(language, missing))]
    Missing {
        /// The language.
        language: String,
        /// The tools.
        missing: Vec<Missing>,
    },
    /// The system refused to write.
    #[error("cannot write `{}`: {problem}", path.display())]
    Unwritable {
        /// The file or folder.
        path: PathBuf,
        /// The error of the system.
        problem: io::Error,
    },
}

/// The tools that are missing, each with the commands that install it.
pub fn list_missing(missing: &[Missing]) -> String {
    let each = |Missing { what, install }: &Missing| {
        format!("{what} (install it with `{}`)", install.join("`, or with `"))
    };
    missing.iter().map(each).collect::<Vec<_>>().join("; ")
}

fn missing_tools(language: &str, missing: &[Missing]) -> String {
    format!(
        "a project in {language} needs tools that are not here: {}; --without-tools writes it without them",
        list_missing(missing)
    )
}

/// The needs of a language that are not met.
pub fn missing(language: &Language, project: Option<&Path>) -> Vec<Missing> {
    language.needs.iter().filter_map(|need| need.check(project).err()).collect()
}

/// The files of a project with this name.
pub fn files(language: &Language, kind: Kind, name: &str) -> Files {
    let values = Values::of(name);
    let mut files = Files::new();
    for (from, to) in language.folders(kind) {
        files.extend(templates::below(&from).map(|(path, bytes)| {
            let path =
                if path.is_empty() { to.trim_end_matches('/').to_owned() } else { format!("{to}{path}") };
            // Only templates have placeholders.
            match from.starts_with("templates/") {
                true => values.file(&path, bytes),
                false => (path, Cow::Borrowed(bytes)),
            }
        }));
    }
    files
}

/// Checks the name of a project.
pub fn check(name: &str, language: &Language) -> Result<(), CreateError> {
    let invalid = |problem| CreateError::Invalid { setting: "NAME", problem };
    check_name(name).map_err(invalid)?;
    match language.reserved.iter().any(|reserved| reserved == name) {
        true => Err(invalid(format!("`{name}` has a meaning in {}; choose another name", language.title))),
        false => Ok(()),
    }
}

/// Writes a project into a folder that is empty or does not exist. The folder appears with all its files, or not at all.
pub fn write(folder: &Path, files: &Files) -> Result<(), CreateError> {
    let failed = |path: &Path, problem| CreateError::Unwritable { path: path.to_owned(), problem };
    match fs::read_dir(folder) {
        Ok(entries) => {
            if entries.count() > 0 {
                return Err(CreateError::NotEmpty(folder.to_owned()));
            }
        }
        Err(problem) if problem.kind() == io::ErrorKind::NotFound => {}
        Err(problem) => return Err(failed(folder, problem)),
    }
    let mut partial = folder.as_os_str().to_owned();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    let written = write_all(&partial, files)
        .and_then(|()| fs::rename(&partial, folder).map_err(|problem| failed(folder, problem)));
    if written.is_err() {
        // The first error is the one to report.
        let _ = fs::remove_dir_all(&partial);
    }
    written
}

fn write_all(folder: &Path, files: &Files) -> Result<(), CreateError> {
    for (name, bytes) in files {
        let path = folder.join(name);
        let parent = path.parent().unwrap_or(folder);
        fs::create_dir_all(parent)
            .and_then(|()| fs::write(&path, bytes))
            .map_err(|problem| CreateError::Unwritable { path, problem })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some_files() -> Files {
        Files::from([("a/b.txt".to_owned(), Cow::Borrowed(&b"x"[..]))])
    }

    #[test]
    fn a_folder_with_files_is_left_alone() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("p");
        write(&folder, &some_files()).unwrap();
        assert_eq!(fs::read(folder.join("a/b.txt")).unwrap(), b"x");
        assert!(matches!(write(&folder, &some_files()), Err(CreateError::NotEmpty(_))));
        let empty = root.path().join("empty");
        fs::create_dir(&empty).unwrap();
        write(&empty, &some_files()).unwrap();
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 2, "no partial folder stays");
    }

    #[test]
    fn an_unwritable_place_is_named() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("file"), "").unwrap();
        let problem = write(&root.path().join("file/p"), &some_files()).unwrap_err().to_string();
        assert!(problem.starts_with("cannot write `"), "{problem}");
    }

    #[test]
    fn missing_tools_come_with_their_commands() {
        let missing =
            vec![Missing { what: "zig".into(), install: vec!["pip install z".into(), "apt".into()] }];
        let error = CreateError::Missing { language: "C".into(), missing }.to_string();
        assert_eq!(
            error,
            "a project in C needs tools that are not here: zig (install it with `pip install z`, or with `apt`); --without-tools \
             writes it without them"
        );
    }
}

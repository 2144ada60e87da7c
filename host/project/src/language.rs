//! Languages of projects: one folder in `templates/` each, described by its `template.toml`.

use serde::Deserialize;
use wasmote_fleet::document::{self, DocumentError, Format};
use wasmote_fleet::suggest::did_you_mean;

use crate::manifest::Kind;
use crate::templates;
use crate::toolchain::Need;

/// A language, as its `template.toml` describes it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Language {
    /// Name on the command line; the name of the folder.
    #[serde(skip)]
    pub name: String,
    /// Name for people, such as `JavaScript`.
    pub title: String,
    /// Tools that a project needs.
    #[serde(rename = "need")]
    pub needs: Vec<Need>,
    /// Embedded files outside of the folder that a project gets. All projects get `wit`.
    #[serde(default)]
    pub copy: Vec<Copy>,
    /// Commands of the project besides those of this program, with what they do.
    #[serde(default)]
    pub commands: Vec<ProjectCommand>,
    /// Names that a project cannot have, because they have a meaning in the language.
    #[serde(default)]
    pub reserved: Vec<String>,
}

/// Embedded files that a project gets.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Copy {
    /// The embedded path.
    pub from: String,
    /// The path in the project.
    pub to: String,
}

/// A command that `wasmote new` shows at the end.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProjectCommand {
    /// The command line.
    pub run: String,
    /// What it does.
    pub about: String,
}

impl Language {
    /// Finds a language by its name. The error lists the known ones.
    pub fn find(name: &str) -> Result<Self, String> {
        let known = templates::languages();
        if !known.contains(&name) {
            let hint = did_you_mean(name, known.iter().copied());
            return Err(format!("there is no template for `{name}`; there are {}{hint}", known.join(", ")));
        }
        Self::read(name).map_err(|problem| problem.to_string())
    }

    /// Whether the language has a template for this kind of project; the error names one that has.
    pub fn supports(&self, kind: Kind) -> Result<(), String> {
        let has_template =
            |name: &str| templates::below(&format!("templates/{name}/{}", kind.folder())).next().is_some();
        if has_template(&self.name) {
            return Ok(());
        }
        let others: Vec<_> = templates::languages().into_iter().filter(|name| has_template(name)).collect();
        Err(format!("there is no template for it in {}; there is one in {}", self.title, others.join(", ")))
    }

    fn read(name: &str) -> Result<Self, DocumentError> {
        let path = format!("templates/{name}/template.toml");
        let text = templates::text(&path).unwrap_or_default();
        let language: Self = document::parse(text, Format::Toml).map_err(|problem| problem.in_file(path))?;
        Ok(Self { name: name.to_owned(), ..language })
    }

    /// The embedded folders of a project of this kind, with their places in it; a later one replaces files of an earlier
    /// one.
    pub fn folders(&self, kind: Kind) -> Vec<(String, String)> {
        let own = |folder: &str, part: &str| (format!("templates/{folder}/{part}"), String::new());
        let mut folders = vec![
            ("wit".to_owned(), "wit/".to_owned()),
            own(templates::COMMON, "both"),
            own(templates::COMMON, kind.folder()),
        ];
        folders.extend(self.copy.iter().map(|copy| (copy.from.clone(), format!("{}/", copy.to))));
        folders.extend([own(&self.name, "both"), own(&self.name, kind.folder())]);
        folders
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::create;
    use crate::manifest::Manifest;

    /// Each language has a valid description, and the files of both kinds of projects, without forgotten placeholders.
    #[test]
    fn every_language_makes_whole_projects() {
        for name in templates::languages() {
            let language = Language::find(name).unwrap();
            assert!(!language.needs.is_empty(), "{name}: the tools are missing");
            assert_eq!(language.supports(Kind::Behaviour), Ok(()), "{name}");
            assert!(name != "rust" || language.supports(Kind::FaultModel).is_ok());
            let kinds = [Kind::Behaviour, Kind::FaultModel].into_iter();
            for kind in kinds.filter(|kind| language.supports(*kind).is_ok()) {
                let files = create::files(&language, kind, "my-lamp");
                let text = |path: &str| {
                    let bytes =
                        files.get(path).unwrap_or_else(|| panic!("{name}, {kind:?}: {path} is missing"));
                    String::from_utf8(bytes.to_vec()).unwrap()
                };
                let manifest = Manifest::parse(&text("wasmote.toml"), "wasmote.toml").unwrap();
                assert_eq!((manifest.name.as_str(), manifest.kind), ("my-lamp", kind), "{name}");
                assert_eq!(manifest.language.as_deref(), Some(name));
                assert!(text("README.md").contains("wasmote test"), "{name}");
                assert!(text("wit/worlds.wit").contains("world device"), "{name}");
                assert!(
                    files.keys().any(|path| path.starts_with("tests/") && path.ends_with(".toml")),
                    "{name}"
                );
                for (path, bytes) in &files {
                    let forgotten = ["@{name", "@{ident", "@{Type", "@{version"];
                    let text = String::from_utf8_lossy(bytes);
                    assert!(!forgotten.iter().any(|it| text.contains(it)), "{name}, {kind:?}: {path}");
                }
            }
        }
    }

    #[test]
    fn an_unknown_language_lists_the_known_ones() {
        let problem = Language::find("rusty").unwrap_err();
        assert!(problem.starts_with("there is no template for `rusty`; there are "), "{problem}");
        assert!(problem.ends_with("; did you mean `rust`?"), "{problem}");
    }
}

//! Embedded files of projects, and the rendering of their placeholders.

use std::borrow::Cow;

/// An embedded file: its path, such as `templates/rust/template.toml`, and its bytes.
pub type EmbeddedFile = (&'static str, &'static [u8]);

static FILES: &[EmbeddedFile] = include!(concat!(env!("OUT_DIR"), "/files.rs"));

/// Ending of a template that must not have its own name here, such as `Cargo.toml`, which Cargo would read.
const SUFFIX: &str = ".in";

/// The embedded files below a path, with their paths relative to it; or the file itself, with an empty path.
pub fn below(path: &str) -> impl Iterator<Item = EmbeddedFile> {
    FILES.iter().filter_map(move |(name, bytes)| {
        let rest = name.strip_prefix(path)?;
        match rest.strip_prefix('/') {
            Some(rest) => Some((rest, *bytes)),
            None if rest.is_empty() => Some(("", *bytes)),
            None => None,
        }
    })
}

/// The text of an embedded file.
pub fn text(path: &str) -> Option<&'static str> {
    let (_, bytes) = FILES.iter().find(|(name, _)| *name == path)?;
    std::str::from_utf8(bytes).ok()
}

/// Names of the folders below `templates/`, without the one that all languages share.
pub fn languages() -> Vec<&'static str> {
    let mut names: Vec<&str> =
        below("templates").filter_map(|(path, _)| Some(path.split_once('/')?.0)).collect();
    names.retain(|name| *name != COMMON);
    names.sort_unstable();
    names.dedup();
    names
}

/// The folder with the files that projects of all languages get.
pub const COMMON: &str = "common";

/// Values of the placeholders in templates.
#[derive(Clone, Debug)]
pub struct Values {
    /// Placeholders and what replaces them.
    pairs: [(&'static str, String); 4],
}

impl Values {
    /// The values of a project with this name.
    pub fn of(name: &str) -> Self {
        let capitalised = |word: &str| {
            let mut letters = word.chars();
            letters
                .next()
                .map(|first| first.to_ascii_uppercase())
                .into_iter()
                .chain(letters)
                .collect::<String>()
        };
        Self {
            pairs: [
                ("@{name}", name.to_owned()),
                ("@{ident}", name.replace('-', "_")),
                ("@{Type}", name.split('-').map(capitalised).collect()),
                ("@{version}", env!("CARGO_PKG_VERSION").to_owned()),
            ],
        }
    }

    /// The text with the placeholders replaced.
    pub fn fill(&self, text: &str) -> String {
        self.pairs.iter().fold(text.to_owned(), |text, (placeholder, value)| text.replace(placeholder, value))
    }

    /// The path and the bytes of a file of the project. A file that is not text has no placeholders.
    pub fn file(&self, path: &str, bytes: &'static [u8]) -> (String, Cow<'static, [u8]>) {
        let path = self.fill(path.strip_suffix(SUFFIX).unwrap_or(path));
        let filled = std::str::from_utf8(bytes).map(|text| Cow::Owned(self.fill(text).into_bytes()));
        (path, filled.unwrap_or(Cow::Borrowed(bytes)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_replaced_in_paths_and_texts() {
        let (path, bytes) =
            Values::of("my-lamp").file("src/@{ident}.rs.in", b"struct @{Type}; // @{name} {x}");
        assert_eq!((path.as_str(), &*bytes), ("src/my_lamp.rs", &b"struct MyLamp; // my-lamp {x}"[..]));
        let (path, bytes) = Values::of("a").file("a.bin", b"\xff@{name}");
        assert_eq!((path.as_str(), &*bytes), ("a.bin", &b"\xff@{name}"[..]));
    }

    #[test]
    fn the_bench_of_the_sdk_stays_here() {
        let sdk: Vec<_> = below("sdk").map(|(path, _)| path).collect();
        assert!(sdk.contains(&"lib.rs") && sdk.contains(&"json/parse.rs"), "{sdk:?}");
        assert!(!sdk.iter().any(|path| path.starts_with("bench")), "{sdk:?}");
        assert!(below("wit").any(|(path, _)| path == "worlds.wit"));
        assert!(languages().contains(&"rust") && !languages().contains(&COMMON));
    }
}

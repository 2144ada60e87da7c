//! Whether a page and its plots are those that this version makes of the results beside them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::error::Error;
use super::html;
use super::results::Results;

/// The one line of a page that has the folder's name, which may be another by now.
const NAMES_FOLDER: &str = "wasmote experiment verify ";

/// The files of a report that this version would not write. One that is not there is none of them.
///
/// # Errors
/// A file of the results is missing or malformed.
pub fn stale_files(dir: &Path) -> Result<Vec<String>, Error> {
    let results = Results::read(dir)?;
    let (page, figures) = html::page(&results);
    let mut expected = BTreeMap::from([(PathBuf::from("report.html"), page)]);
    for figure in &figures {
        let file = Path::new("plots").join(figure.drawing.name).with_extension("svg");
        expected.insert(file, figure.drawing.standalone());
    }
    let drawn = std::fs::read_dir(dir.join("plots")).into_iter().flatten().flatten();
    let drawn = drawn.map(|entry| Path::new("plots").join(entry.file_name()));
    let present: Vec<PathBuf> = [PathBuf::from("report.html")].into_iter().chain(drawn).collect();
    let differs = |file: &&PathBuf| match (std::fs::read(dir.join(file)), expected.get(*file)) {
        (Err(_), _) => false,
        (Ok(found), Some(expected)) => !is_same(&String::from_utf8_lossy(&found), expected),
        (Ok(_), None) => file.extension().is_some_and(|extension| extension == "svg"),
    };
    let describe = |file: &PathBuf| {
        format!(
            "{}: it is not what this version makes of these results; `wasmote experiment report` makes it again",
            file.display()
        )
    };
    Ok(present.iter().filter(differs).map(describe).collect())
}

fn is_same(found: &str, expected: &str) -> bool {
    let lines = |text: &str| {
        let lines = text.split('\n').filter(|line| !line.contains(NAMES_FOLDER));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    lines(found) == lines(expected)
}

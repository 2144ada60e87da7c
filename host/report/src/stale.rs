//! Detection of pages and plots that differ from those that this version writes for the same results.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::error::Error;
use super::html;
use super::results::Results;

/// Text of the only line of a page that contains the folder's name. The line is ignored, because the folder may have been
/// renamed.
const NAMES_FOLDER: &str = "wasmote experiment verify ";

/// Lists the files of a report that this version would write differently or not at all. Missing files are not listed.
///
/// # Errors
/// A file of the results is missing or malformed.
pub fn stale_files(dir: &Path) -> Result<Vec<String>, Error> {
    let results = Results::read(dir)?;
    let (page, figures) = html::page(&results);
    let mut expected = BTreeMap::from([(PathBuf::from("report.html"), page)]);
    expected.extend(crate::replay_page(&results)?.map(|page| (PathBuf::from(crate::REPLAY), page)));
    for figure in &figures {
        let file = Path::new("plots").join(figure.drawing.name).with_extension("svg");
        expected.insert(file, figure.drawing.standalone());
    }
    let drawn = std::fs::read_dir(dir.join("plots")).into_iter().flatten().flatten();
    let drawn = drawn.map(|entry| Path::new("plots").join(entry.file_name()));
    let present: Vec<PathBuf> =
        ["report.html", crate::REPLAY].map(PathBuf::from).into_iter().chain(drawn).collect();
    let differs = |file: &&PathBuf| match (std::fs::read(dir.join(file)), expected.get(*file)) {
        (Err(_), _) => false,
        (Ok(found), Some(expected)) => !is_same(&String::from_utf8_lossy(&found), expected),
        (Ok(_), None) => file.extension().is_some_and(|extension| extension == "svg"),
    };
    let describe = |file: &PathBuf| {
        format!(
            "{}: it is not what this version makes of these results; `wasmote experiment report` writes it again",
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

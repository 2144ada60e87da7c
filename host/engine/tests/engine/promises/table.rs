//! The table of promises: every sentence of `wit/` stands in it, with the tests that hold it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use crate::guests::repository;

/// Mark of a sentence that only describes, and promises nothing that a test could hold.
const DESCRIPTION: &str = "description";

/// The sentences of the documentation of `wit/`, as `interface: sentence`.
fn sentences() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(repository().join("wit")).expect("wit/ is there") {
        let path = entry.expect("wit/ can be read").path();
        let file = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).expect("WIT is text");
        let lines =
            text.lines().map(|line| line.trim().strip_prefix("///").map(str::trim).unwrap_or_default());
        let mut paragraph = String::new();
        for line in lines.chain([""]) {
            if line.is_empty() {
                found.extend(split(&paragraph).into_iter().map(|sentence| format!("{file}: {sentence}")));
                paragraph.clear();
            } else {
                paragraph = format!("{paragraph} {line}").trim().to_owned();
            }
        }
    }
    found
}

/// Splits a paragraph after each full stop that a capital letter or code follows.
fn split(paragraph: &str) -> Vec<String> {
    let mut found = vec![String::new()];
    for word in paragraph.split_whitespace() {
        let last = found.last_mut().expect("one sentence at least");
        let begins = word.starts_with(|c: char| c.is_ascii_uppercase() || c == '`');
        if last.ends_with('.') && begins {
            found.push(word.to_owned());
        } else {
            *last = format!("{last} {word}").trim().to_owned();
        }
    }
    found.retain(|sentence| !sentence.is_empty());
    found
}

/// The table: sentences with the names of their tests.
fn table() -> BTreeMap<&'static str, Vec<&'static str>> {
    let mut sentence = "";
    let mut found = BTreeMap::new();
    for line in include_str!("table.txt").lines().filter(|line| !line.starts_with('#')) {
        match line.strip_prefix("  ") {
            None => sentence = line,
            Some(tests) => drop(found.insert(sentence, tests.split(", ").collect())),
        }
    }
    found
}

/// All names of functions in the sources of tests.
fn test_names(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).expect("the folder can be read") {
        let path = entry.expect("the folder can be read").path();
        if path.is_dir() && path.file_name().is_some_and(|name| name != "target") {
            test_names(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).expect("sources are text");
            let names = text.split("fn ").skip(1).filter_map(|rest| rest.split_once('('));
            found.extend(names.map(|(name, _)| name.to_owned()));
        }
    }
}

#[test]
fn every_sentence_of_the_interface_has_its_tests() {
    let (sentences, table) = (sentences(), table());
    assert!(sentences.len() > 200, "{}", sentences.len());
    let listed: BTreeSet<String> = table.keys().map(ToString::to_string).collect();
    let missing: Vec<_> = sentences.difference(&listed).collect();
    assert!(missing.is_empty(), "add to table.txt, with the tests of the sentence: {missing:#?}");
    let gone: Vec<_> = listed.difference(&sentences).collect();
    assert!(gone.is_empty(), "no longer in wit/, remove from table.txt: {gone:#?}");
    let mut known = BTreeSet::from([DESCRIPTION.to_owned()]);
    for folder in ["host", "behaviours"] {
        test_names(&repository().join(folder), &mut known);
    }
    let unknown: Vec<_> = table.values().flatten().filter(|test| !known.contains(**test)).collect();
    assert!(unknown.is_empty(), "there are no tests with these names: {unknown:#?}");
}

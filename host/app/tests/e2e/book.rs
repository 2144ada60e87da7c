//! The documentation: links and summary of the book, generated chapters, and code blocks, which are run.
//!
//! A block of shell commands is run unless the line before it is a comment: `<!-- not run: REASON -->` leaves it out, and
//! `<!-- background: REASON -->` starts it and leaves it running for the blocks that follow. To write the generated chapters:
//! `make reference`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use crate::guests::repository;
use crate::lines::DEFAULT_TIMEOUT;
use crate::mosquitto::free_port;
use crate::reference;

/// All pages of the book, and the README, by their path in the repository.
fn pages() -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![repository().join("docs")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                found.insert(path.clone(), fs::read_to_string(path).expect("text"));
            }
        }
    }
    let readme = repository().join("README.md");
    found.insert(readme.clone(), fs::read_to_string(readme).expect("text"));
    found
}

/// A page without its code blocks.
fn prose(text: &str) -> String {
    let mut is_code = false;
    let lines = text.lines().filter(|line| {
        let fence = line.trim_start().starts_with("```");
        is_code ^= fence;
        !is_code && !fence
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Targets of the links of a page.
fn links(text: &str) -> Vec<String> {
    let prose = prose(text);
    let parts = prose.split("](").skip(1);
    parts.filter_map(|part| Some(part.split_once(')')?.0.to_owned())).collect()
}

/// Identifier of a heading, as mdBook and code hosts make it.
fn identifier(heading: &str) -> String {
    let lower = heading.trim().to_lowercase();
    let kept = lower.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[test]
fn every_link_of_the_documentation_leads_somewhere() {
    let pages = pages();
    let mut broken = Vec::new();
    for (path, text) in &pages {
        for link in links(text).iter().filter(|link| !link.contains("://") && !link.starts_with("mailto:")) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = match file.is_empty() {
                true => path.clone(),
                false => path.parent().expect("a folder").join(file),
            };
            let Ok(target) = target.canonicalize() else {
                broken.push(format!("{}: {link}", path.display()));
                continue;
            };
            let headings = |text: &str| {
                prose(text)
                    .lines()
                    .filter(|line| line.starts_with('#'))
                    .map(|line| identifier(line.trim_start_matches('#')))
                    .collect::<BTreeSet<_>>()
            };
            let known = pages.iter().find(|(page, _)| page.canonicalize().ok().as_ref() == Some(&target));
            if let Some((_, page)) = known.filter(|_| !anchor.is_empty())
                && !headings(page).contains(anchor)
            {
                broken.push(format!("{}: {link}", path.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn the_summary_has_every_page_once_and_nothing_else() {
    let docs = repository().join("docs");
    let summary = fs::read_to_string(docs.join("SUMMARY.md")).expect("text");
    let listed = links(&summary);
    let unique: BTreeSet<&String> = listed.iter().collect();
    assert_eq!(listed.len(), unique.len(), "a page is listed twice");
    let relative = |path: &Path| path.strip_prefix(&docs).ok().map(|path| path.display().to_string());
    let present: BTreeSet<String> =
        pages().keys().filter_map(|path| relative(path)).filter(|path| path != "SUMMARY.md").collect();
    assert_eq!(listed.into_iter().collect::<BTreeSet<_>>(), present);
    assert!(fs::read_to_string(docs.join("book.toml")).expect("text").contains("src = \".\""));
}

#[test]
fn the_reference_chapters_are_those_of_the_code() {
    let folder = repository().join("docs/reference");
    let update = std::env::var_os("WASMOTE_UPDATE").is_some();
    let chapters = reference::chapters();
    for (name, wanted) in &chapters {
        if update {
            fs::create_dir_all(&folder).expect("a folder");
            fs::write(folder.join(name), wanted).expect("a file");
        }
        let found = fs::read_to_string(folder.join(name)).unwrap_or_default();
        let differing = found.lines().zip(wanted.lines()).find(|(found, wanted)| found != wanted);
        assert!(found == *wanted, "docs/reference/{name} is old: `make reference` writes it; {differing:?}");
    }
    let present = fs::read_dir(folder).expect("a folder").count();
    assert_eq!(present, chapters.len(), "a chapter is there that nothing writes");
}

/// A block of shell commands.
struct Block {
    line: usize,
    code: String,
    /// Word and reason of the comment before it.
    note: Option<(String, String)>,
}

fn blocks(text: &str) -> Vec<Block> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        if lines[at].trim_start().starts_with("```") {
            let end = (at + 1..lines.len()).find(|end| lines[*end].trim() == "```").expect("the block ends");
            if lines[at].trim() == "```sh" {
                let before = at.checked_sub(1).map_or("", |before| lines[before].trim());
                let note = before.strip_prefix("<!-- ").and_then(|rest| rest.strip_suffix(" -->"));
                let note = note.and_then(|note| note.split_once(": "));
                let note = note.map(|(word, reason)| (word.to_owned(), reason.to_owned()));
                found.push(Block { line: at + 1, code: lines[at + 1..end].join("\n"), note });
            }
            at = end;
        }
        at += 1;
    }
    found
}

/// A shell in an empty folder in which the program is called `wasmote` and listens on a port of its own.
struct Terminal {
    folder: tempfile::TempDir,
    port: u16,
    background: Vec<Child>,
}

impl Terminal {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join("bin")).expect("a folder");
        fs::create_dir(folder.path().join("work")).expect("a folder");
        let program = folder.path().join("bin/wasmote");
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_wasmote"), program).expect("a link");
        Self { folder, port: free_port(), background: Vec::new() }
    }

    fn command(&self, code: &str) -> Command {
        let path = std::env::var("PATH").unwrap_or_default();
        let mut command = Command::new("bash");
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("WASMOTE_")) {
            command.env_remove(name);
        }
        let code = code.replace("http://localhost:5000", &format!("http://localhost:{}", self.port));
        command
            .arg("-euo")
            .arg("pipefail")
            .arg("-c")
            .arg(code)
            .current_dir(self.folder.path().join("work"))
            .env("PATH", format!("{}:{path}", self.folder.path().join("bin").display()))
            .env("HOME", self.folder.path())
            .env("WASMOTE_HTTP", format!("127.0.0.1:{}", self.port))
            .stdin(Stdio::null());
        command
    }

    fn run(&self, what: &str, code: &str) {
        // The port of the fleet in the background is taken; other runs take a free one.
        let mut command = self.command(code);
        if !self.background.is_empty() {
            command.env("WASMOTE_HTTP", "127.0.0.1:0");
        }
        let output = command.output().expect("bash is there");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(
            output.status.success(),
            "{what}: {}\n{}{}",
            output.status,
            text(&output.stdout),
            text(&output.stderr)
        );
    }

    fn start(&mut self, what: &str, code: &str) {
        self.stop();
        let child = self.command(&format!("exec {code}")).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        self.background.push(child.expect("bash is there"));
        let end = Instant::now() + DEFAULT_TIMEOUT;
        let url = format!("http://localhost:{}/readyz", self.port);
        while !Command::new("curl")
            .args(["-s", "-f", "-o", "/dev/null", &url])
            .status()
            .expect("curl is there")
            .success()
        {
            assert!(Instant::now() < end, "{what}: the fleet is not ready");
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    }

    fn stop(&mut self) {
        for mut child in self.background.drain(..) {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Words of one command of a shell, up to a comment, a pipe or the next command. Quotes are removed.
fn words(line: &str) -> Vec<Vec<String>> {
    let (mut commands, mut words, mut word, mut quote) = (Vec::new(), Vec::new(), None::<String>, None);
    for c in line.chars().chain([' ']) {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some(_), c) => word.get_or_insert_default().push(c),
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, '#') if word.is_none() => break,
            (None, '|' | ';' | '&' | '>' | '<' | '(' | ')') => {
                words.extend(word.take());
                commands.push(std::mem::take(&mut words));
            }
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (None, c) => word.get_or_insert_default().push(c),
        }
    }
    commands.push(words);
    commands
}

/// Checks that the program knows the subcommands and flags of a block that is not run. Values may be placeholders.
fn check_commands(what: &str, code: &str) {
    use clap::error::ErrorKind;
    for line in code.replace("\\\n", " ").lines() {
        for command in
            words(line).into_iter().filter(|words| words.first().is_some_and(|word| word == "wasmote"))
        {
            if let Err(problem) = wasmote::cli::command().try_get_matches_from(&command) {
                let unknown =
                    [ErrorKind::UnknownArgument, ErrorKind::InvalidSubcommand, ErrorKind::ArgumentConflict];
                assert!(!unknown.contains(&problem.kind()), "{what}: {command:?}: {problem}");
            }
        }
    }
}

#[test]
fn every_block_of_commands_is_run_or_says_why_not() {
    let mut left_out = Vec::new();
    let mut run = 0;
    for (path, text) in pages() {
        let relative = path.strip_prefix(repository()).expect("in the repository").display().to_string();
        let mut terminal = None;
        for Block { line, code, note } in blocks(&text) {
            let what = format!("{relative}:{line}");
            match note.as_ref().map(|(word, reason)| (word.as_str(), reason.trim())) {
                Some(("not run", reason)) => {
                    assert!(reason.split_whitespace().count() >= 3, "{what}: `{reason}` is no reason");
                    check_commands(&what, &code);
                    left_out.push(format!("{what}: {reason}"));
                }
                Some(("background", _)) => terminal.get_or_insert_with(Terminal::new).start(&what, &code),
                Some((word, _)) => panic!("{what}: `{word}` is unknown; use `not run` or `background`"),
                None => {
                    terminal.get_or_insert_with(Terminal::new).run(&what, &code);
                    run += 1;
                }
            }
        }
    }
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{run} blocks were run; {} were not:\n{}", left_out.len(), left_out.join("\n"));
    assert!(run >= 14, "only {run} blocks were run");
}

//! Golden traces: the trace of a run as text, compared with that of an earlier run.

use std::fs;
use std::io;
use std::path::Path;

use super::trace::Trace;

/// Lines of a difference that are shown.
const MAX_LINES: usize = 40;
/// Equal lines before and after a difference that are shown.
const CONTEXT: usize = 2;
/// Largest product of the lines of both sides that are compared line by line.
const MAX_COMPARED: usize = 4_000_000;

/// Outcome of the comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Golden {
    /// The traces are equal.
    Equal,
    /// An update was requested, and the file was written: it had other lines, or did not exist.
    Written,
    /// The file of the golden trace does not exist.
    Missing,
    /// The traces differ: lines of the file begin with `-`, those of this run with `+`.
    Differs(Vec<String>),
}

/// The trace of a group's devices as text, or of all devices.
pub fn render(trace: &Trace, group: Option<&str>) -> String {
    let of_group = |name: &str| group.is_none_or(|group| group == name);
    let entries =
        trace.entries.iter().filter(|entry| entry.what.is_of_behaviour() && of_group(&entry.device.group));
    let lines = entries.map(|entry| format!("{entry}\n"));
    let head =
        "# What the devices get (<) and do (>), and what ends them (!): `wasmote test --update` writes it.\n";
    std::iter::once(head.to_owned()).chain(lines).collect()
}

/// Compares a trace with the file, or writes the file.
pub fn compare(path: &Path, trace: &str, update: bool) -> io::Result<Golden> {
    let old = match fs::read_to_string(path) {
        Ok(old) => Some(old.replace("\r\n", "\n")),
        Err(problem) if problem.kind() == io::ErrorKind::NotFound => None,
        Err(problem) => return Err(problem),
    };
    match old {
        Some(old) if old == trace => Ok(Golden::Equal),
        _ if update => {
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder)?;
            }
            fs::write(path, trace)?;
            Ok(Golden::Written)
        }
        None => Ok(Golden::Missing),
        Some(old) => Ok(Golden::Differs(difference(
            &old.lines().collect::<Vec<_>>(),
            &trace.lines().collect::<Vec<_>>(),
        ))),
    }
}

/// The difference of two texts by lines, with some equal lines around it.
pub fn difference(old: &[&str], new: &[&str]) -> Vec<String> {
    let start = old.iter().zip(new).take_while(|(old, new)| old == new).count();
    let (old_rest, new_rest) = (&old[start..], &new[start..]);
    let end = old_rest.iter().rev().zip(new_rest.iter().rev()).take_while(|(old, new)| old == new).count();
    let (old_part, new_part) = (&old_rest[..old_rest.len() - end], &new_rest[..new_rest.len() - end]);
    let equal = |lines: &[&str]| lines.iter().map(|line| format!("  {line}")).collect::<Vec<_>>();
    let mut lines = equal(&old[start.saturating_sub(CONTEXT)..start]);
    lines.extend(changes(old_part, new_part));
    let after = &old_rest[old_rest.len() - end..];
    lines.extend(equal(&after[..after.len().min(CONTEXT)]));
    if lines.len() > MAX_LINES {
        let more = lines.len() - MAX_LINES;
        lines.truncate(MAX_LINES);
        lines.push(format!("  … and {more} more lines"));
    }
    lines
}

/// The lines that only one side has, with a longest common subsequence between them.
fn changes(old: &[&str], new: &[&str]) -> Vec<String> {
    let (removed, added) = (|line: &&str| format!("- {line}"), |line: &&str| format!("+ {line}"));
    if old.len().saturating_mul(new.len()) > MAX_COMPARED {
        return old.iter().map(removed).chain(new.iter().map(added)).collect();
    }
    let width = new.len() + 1;
    let mut common = vec![0_u32; (old.len() + 1) * width];
    for at in (0..old.len()).rev() {
        for other in (0..new.len()).rev() {
            common[at * width + other] = match old[at] == new[other] {
                true => common[(at + 1) * width + other + 1] + 1,
                false => common[(at + 1) * width + other].max(common[at * width + other + 1]),
            };
        }
    }
    let (mut at, mut other, mut lines) = (0, 0, Vec::new());
    while at < old.len() || other < new.len() {
        if at < old.len() && other < new.len() && old[at] == new[other] {
            lines.push(format!("  {}", old[at]));
            (at, other) = (at + 1, other + 1);
        } else if other == new.len()
            || (at < old.len() && common[(at + 1) * width + other] >= common[at * width + other + 1])
        {
            lines.push(removed(&old[at]));
            at += 1;
        } else {
            lines.push(added(&new[other]));
            other += 1;
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_shows_the_changed_lines_with_those_around_them() {
        let old = ["a", "b", "c", "d", "e", "f", "g"];
        let new = ["a", "b", "c", "x", "e", "y", "f", "g"];
        assert_eq!(difference(&old, &new), ["  b", "  c", "- d", "+ x", "  e", "+ y", "  f", "  g"]);
        assert_eq!(difference(&["a"], &[]), ["- a"]);
        let many: Vec<String> = (0..100).map(|line| line.to_string()).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let lines = difference(&[], &many);
        assert_eq!((lines.len(), lines.last().unwrap().as_str()), (41, "  … and 60 more lines"));
    }

    #[test]
    fn a_file_is_written_only_on_request() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("golden/a.trace");
        assert_eq!(compare(&file, "a\n", false).unwrap(), Golden::Missing);
        assert_eq!(compare(&file, "a\n", true).unwrap(), Golden::Written);
        assert_eq!(compare(&file, "a\n", false).unwrap(), Golden::Equal);
        assert_eq!(compare(&file, "b\n", false).unwrap(), Golden::Differs(vec!["- a".into(), "+ b".into()]));
        assert_eq!(fs::read_to_string(&file).unwrap(), "a\n");
    }
}

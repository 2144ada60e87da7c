//! Suggestions for misspelt names.

/// End of an error message about an unknown name in braces: the nearest known name, or all.
pub(super) fn known_names<'a>(found: &str, known: impl Iterator<Item = &'a str> + Clone) -> String {
    suggestion(found, known, |name| format!("`{{{name}}}`"))
}

/// The same for a name without braces.
pub(super) fn known_words<'a>(found: &str, known: impl Iterator<Item = &'a str> + Clone) -> String {
    suggestion(found, known, |name| format!("`{name}`"))
}

fn suggestion<'a>(
    found: &str,
    known: impl Iterator<Item = &'a str> + Clone,
    quoted: impl Fn(&str) -> String,
) -> String {
    let nearest = known.clone().map(|name| (distance(found, name), name)).min();
    match nearest {
        Some((edits, name)) if edits <= tolerated(found) => {
            format!("; did you mean {}?", quoted(name))
        }
        None => String::new(),
        Some(_) => format!("; known are {}", known.map(quoted).collect::<Vec<_>>().join(", ")),
    }
}

/// Number of edits between a misspelt name and the known one: two swapped letters are two edits.
fn tolerated(found: &str) -> usize {
    let letters = found.chars().count();
    (letters / 3).max(if letters > 3 { 2 } else { 1 })
}

/// Number of insertions, deletions and replacements between two words.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().take(64).collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (line, letter) in one.chars().take(64).enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], line + 1);
        for (column, wanted) in other.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != *wanted);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[other.len()]
}

//! Texts with placeholders in braces, such as `plant/{line}/up`.

use std::fmt::Write as _;

/// A text with placeholders. `{{` and `}}` stand for braces.
#[derive(Clone, Debug)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Clone, Debug)]
enum Part {
    Text(String),
    /// Position among the names.
    Name(usize),
}

impl Template {
    /// Parses a template whose placeholders are among these names. The error names what was found, and the nearest name.
    pub fn parse(text: &str, names: &[&str]) -> Result<Self, String> {
        let (mut parts, mut literal, mut rest) = (Vec::new(), String::new(), text);
        while let Some(at) = rest.find(['{', '}']) {
            literal.push_str(rest.get(..at).unwrap_or_default());
            let brace = rest.get(at..=at).unwrap_or_default();
            let after = rest.get(at + 1..).unwrap_or_default();
            if let Some(after) = after.strip_prefix(brace) {
                literal.push_str(brace);
                rest = after;
                continue;
            }
            let Some((name, after)) = after.split_once('}').filter(|_| brace == "{") else {
                return Err(format!(
                    "`{text}`: a brace without its counterpart; write it twice for the character"
                ));
            };
            let Some(position) = names.iter().position(|known| *known == name) else {
                return Err(format!(
                    "`{text}`: there is no placeholder `{{{name}}}`{}",
                    suggestion(name, names)
                ));
            };
            if !literal.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut literal)));
            }
            parts.push(Part::Name(position));
            rest = after;
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            parts.push(Part::Text(literal));
        }
        Ok(Template { parts })
    }

    /// The text with the value of each name, by its position among the names.
    pub fn expand<'v>(&self, value: impl Fn(usize) -> std::borrow::Cow<'v, str>) -> String {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Text(literal) => text.push_str(literal),
                Part::Name(position) => text.push_str(&value(*position)),
            }
        }
        text
    }
}

/// End of an error message about an unknown name: the nearest known one, or all.
pub fn suggestion(found: &str, known: &[&str]) -> String {
    let nearest = known.iter().map(|name| (distance(found, name), name)).min();
    if let Some((edits, name)) = nearest
        && edits <= (found.len() / 3).max(if found.len() > 3 { 2 } else { 1 })
    {
        return format!("; did you mean `{name}`?");
    }
    let mut text = String::from("; known are ");
    for (position, name) in known.iter().enumerate() {
        let comma = if position > 0 { ", " } else { "" };
        let _ = write!(text, "{comma}`{name}`");
    }
    text
}

/// Number of insertions, deletions and replacements between two words.
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (line, letter) in one.bytes().take(64).enumerate() {
        let mut diagonal = line;
        let mut left = line + 1;
        for (place, wanted) in row.iter_mut().skip(1).zip(other.bytes()) {
            let replaced = diagonal + usize::from(letter != wanted);
            diagonal = *place;
            left = replaced.min(diagonal + 1).min(left + 1);
            *place = left;
        }
        if let Some(first) = row.first_mut() {
            *first = line + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{Template, suggestion};

    #[test]
    fn a_template_is_expanded() {
        let template = Template::parse("a/{x}/{{{y}}}{x}", &["x", "y"]).unwrap();
        assert_eq!(template.expand(|name| ["1", "two"][name].into()), "a/1/{two}1");
        assert_eq!(Template::parse("", &[]).unwrap().expand(|_| "".into()), "");
    }

    #[test]
    fn an_unknown_placeholder_is_named_with_the_nearest() {
        let problem = |text: &str| Template::parse(text, &["device", "line"]).unwrap_err();
        assert_eq!(
            problem("{devise}"),
            "`{devise}`: there is no placeholder `{devise}`; did you mean `device`?"
        );
        assert!(problem("{temperature}").ends_with("known are `device`, `line`"));
        for text in ["{line", "line}", "{", "a{b"] {
            assert!(problem(text).contains("a brace without its counterpart"), "{text}");
        }
        assert_eq!(suggestion("x", &["kitten"]), "; known are `kitten`");
    }
}

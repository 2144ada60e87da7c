//! Templates of topics: levels with placeholders.

use super::LayoutError;
use super::nearest::known_names;

/// Values that a topic has for one device or link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Placeholder {
    Device,
    /// MQTT client identifier of the device.
    ClientId,
    Group,
    /// Position in the group, with at least this many digits.
    Index(usize),
    /// The other end of a link.
    To,
    /// Name of the topic, such as `telemetry`.
    Name,
}

/// Names of the placeholders, for errors.
pub(super) const NAMES: [&str; 7] = ["root", "device", "client_id", "group", "index", "to", "name"];

#[derive(Clone, Debug, PartialEq)]
enum Part {
    Text(String),
    Hole(Placeholder),
}

#[derive(Clone, Debug, PartialEq)]
enum Level {
    /// All levels of the fleet's root.
    Root,
    Parts(Vec<Part>),
}

/// A topic with placeholders.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Template {
    levels: Vec<Level>,
}

/// Values of placeholders; `None` if they are not known.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Values {
    pub(super) device: Option<String>,
    pub(super) client_id: Option<String>,
    pub(super) group: Option<String>,
    pub(super) index: Option<String>,
    pub(super) to: Option<String>,
    pub(super) name: Option<String>,
}

impl Values {
    fn get(&self, placeholder: Placeholder) -> Option<&str> {
        match placeholder {
            Placeholder::Device => self.device.as_deref(),
            Placeholder::ClientId => self.client_id.as_deref(),
            Placeholder::Group => self.group.as_deref(),
            Placeholder::Index(_) => self.index.as_deref(),
            Placeholder::To => self.to.as_deref(),
            Placeholder::Name => self.name.as_deref(),
        }
    }

    fn slot(&mut self, placeholder: Placeholder) -> &mut Option<String> {
        match placeholder {
            Placeholder::Device => &mut self.device,
            Placeholder::ClientId => &mut self.client_id,
            Placeholder::Group => &mut self.group,
            Placeholder::Index(_) => &mut self.index,
            Placeholder::To => &mut self.to,
            Placeholder::Name => &mut self.name,
        }
    }

    /// Enters a value. False if another one is known.
    fn enter(&mut self, placeholder: Placeholder, value: &str) -> bool {
        let value = match placeholder {
            Placeholder::Index(_) if value.bytes().all(|byte| byte.is_ascii_digit()) => {
                let digits = value.trim_start_matches('0');
                if digits.is_empty() { "0" } else { digits }
            }
            Placeholder::Index(_) => return false,
            _ => value,
        };
        let slot = self.slot(placeholder);
        match slot {
            Some(known) => known == value,
            None => {
                *slot = Some(value.to_owned());
                true
            }
        }
    }
}

/// Wildcard for one level.
const ANY: &str = "+";

impl Template {
    /// Parses a template. `field` is its path in the configuration.
    pub(super) fn parse(text: &str, field: &str) -> Result<Self, LayoutError> {
        let error = |problem: String| LayoutError::at(field, format!("`{text}`: {problem}"));
        let mut levels = Vec::new();
        for level in text.split('/') {
            let parts = parse_level(level).map_err(error)?;
            levels.push(match parts {
                None => Level::Root,
                Some(parts) => Level::Parts(parts),
            });
        }
        let template = Self { levels };
        if text.is_empty() {
            return Err(error("a topic has at least one character".into()));
        }
        match text.chars().find(|c| matches!(c, '+' | '#' | '\0')) {
            Some('\0') => Err(error("a topic contains no NUL".into())),
            Some(wildcard) => Err(error(format!(
                "a topic contains no wildcard, and `{wildcard}` is one; where a behaviour subscribes for several devices, \
                 the placeholders become wildcards"
            ))),
            None => Ok(template),
        }
    }

    /// Whether it contains a placeholder, however many digits it has.
    pub(super) fn has(&self, wanted: Placeholder) -> bool {
        let same = |found: &Placeholder| std::mem::discriminant(found) == std::mem::discriminant(&wanted);
        self.holes().any(|found| same(&found))
    }

    fn holes(&self) -> impl Iterator<Item = Placeholder> + '_ {
        let parts = self.levels.iter().flat_map(|level| match level {
            Level::Root => &[][..],
            Level::Parts(parts) => parts,
        });
        parts.filter_map(|part| match part {
            Part::Hole(placeholder) => Some(*placeholder),
            Part::Text(_) => None,
        })
    }

    /// Number of characters outside of placeholders. Of two templates that match a topic, the one with more is more
    /// specific.
    pub(super) fn literal_length(&self) -> usize {
        let length = |level: &Level| match level {
            Level::Root => 1,
            Level::Parts(parts) => parts
                .iter()
                .map(|part| match part {
                    Part::Text(text) => text.len(),
                    Part::Hole(_) => 0,
                })
                .sum(),
        };
        self.levels.iter().map(length).sum()
    }

    /// The topic, or the filter if a value is not known or a wildcard: a level with such a value is the wildcard `+`.
    pub(super) fn expand(&self, root: &str, values: &Values) -> String {
        let mut topic = String::new();
        for (position, level) in self.levels.iter().enumerate() {
            if position > 0 {
                topic.push('/');
            }
            match level {
                Level::Root => topic.push_str(root),
                Level::Parts(parts) => match expand_level(parts, values) {
                    Some(text) => topic.push_str(&text),
                    None => topic.push_str(ANY),
                },
            }
        }
        topic
    }

    /// The values of the placeholders in a topic or filter, in addition to those that are known; `None` if the topic does
    /// not match.
    pub(super) fn matches(&self, root: &str, topic: &str, known: &Values) -> Option<Values> {
        let mut values = known.clone();
        let mut rest = Some(topic);
        for (position, level) in self.levels.iter().enumerate() {
            let text = rest?;
            match level {
                Level::Root => {
                    let after = text.strip_prefix(root)?;
                    rest = if after.is_empty() { None } else { Some(after.strip_prefix('/')?) };
                }
                Level::Parts(parts) => {
                    // The name of a topic may have several levels.
                    let is_open =
                        parts == &[Part::Hole(Placeholder::Name)] && position + 1 == self.levels.len();
                    let (first, after) = match text.split_once('/') {
                        Some((first, after)) if !is_open => (first, Some(after)),
                        _ => (text, None),
                    };
                    match_level(parts, first, &mut values)?;
                    rest = after;
                }
            }
        }
        rest.is_none().then_some(values)
    }
}

/// Parts of a level; `None` for the root.
fn parse_level(level: &str) -> Result<Option<Vec<Part>>, String> {
    if level == "{root}" {
        return Ok(None);
    }
    let mut parts = Vec::new();
    for piece in pieces(level)? {
        match piece {
            Piece::Text(text) => parts.push(Part::Text(text)),
            Piece::Hole("root") => {
                return Err("`{root}` is one or more whole levels, so it stands alone in its level".into());
            }
            Piece::Hole(name) => {
                if matches!(parts.last(), Some(Part::Hole(_))) {
                    return Err(format!(
                        "`{{{name}}}` follows another placeholder directly; put text or a `/` between them"
                    ));
                }
                parts.push(Part::Hole(placeholder(name)?));
            }
        }
    }
    Ok(Some(parts))
}

/// A piece of a template.
pub(super) enum Piece<'t> {
    Text(String),
    /// Name in braces.
    Hole(&'t str),
}

/// Splits a template into its pieces. `{{` and `}}` stand for braces.
pub(super) fn pieces(template: &str) -> Result<Vec<Piece<'_>>, String> {
    let (mut pieces, mut text, mut rest) = (Vec::new(), String::new(), template);
    while let Some(at) = rest.find(['{', '}']) {
        text.push_str(&rest[..at]);
        let brace = &rest[at..=at];
        let after = &rest[at + 1..];
        if let Some(after) = after.strip_prefix(brace) {
            text.push_str(brace);
            rest = after;
            continue;
        }
        if brace == "}" {
            return Err(format!(
                "a `}}` has no `{{` before it; write `}}}}` for the character, at byte {at}"
            ));
        }
        let Some((name, after)) = after.split_once('}') else {
            return Err(format!("the `{{` before `{after}` is not closed; write `{{{{` for the character"));
        };
        if !text.is_empty() {
            pieces.push(Piece::Text(std::mem::take(&mut text)));
        }
        pieces.push(Piece::Hole(name));
        rest = after;
    }
    text.push_str(rest);
    if !text.is_empty() {
        pieces.push(Piece::Text(text));
    }
    Ok(pieces)
}

fn placeholder(text: &str) -> Result<Placeholder, String> {
    let (name, format) = text.split_once(':').map_or((text, None), |(name, format)| (name, Some(format)));
    let found = match name {
        "device" => Placeholder::Device,
        "client_id" => Placeholder::ClientId,
        "group" => Placeholder::Group,
        "index" => Placeholder::Index(0),
        "to" => Placeholder::To,
        "name" => Placeholder::Name,
        _ => {
            return Err(format!(
                "there is no placeholder `{{{name}}}`{}",
                known_names(name, NAMES.iter().copied())
            ));
        }
    };
    let Some(format) = format else { return Ok(found) };
    let digits =
        format.strip_prefix('0').and_then(|digits| digits.parse().ok()).filter(|it| (1..=20).contains(it));
    match (found, digits) {
        (Placeholder::Index(_), Some(digits)) => Ok(Placeholder::Index(digits)),
        (Placeholder::Index(_), None) => {
            Err(format!("`{{{text}}}`: expected a number of digits from `{{index:01}}` to `{{index:020}}`"))
        }
        _ => Err(format!("`{{{text}}}`: only `{{index}}` has a number of digits, as in `{{index:06}}`")),
    }
}

fn expand_level(parts: &[Part], values: &Values) -> Option<String> {
    let mut level = String::new();
    for part in parts {
        match part {
            Part::Text(text) => level.push_str(text),
            Part::Hole(placeholder) => {
                let value = values.get(*placeholder).filter(|value| *value != ANY)?;
                match placeholder {
                    Placeholder::Index(digits) => level.push_str(&format!("{value:0>digits$}")),
                    _ => level.push_str(value),
                }
            }
        }
    }
    Some(level)
}

/// Matches one level. A placeholder before text ends at the first occurrence of that text; the last text of a level is its
/// end.
fn match_level(parts: &[Part], level: &str, values: &mut Values) -> Option<()> {
    let mut rest = level;
    let mut hole: Option<Placeholder> = None;
    for (position, part) in parts.iter().enumerate() {
        match part {
            Part::Hole(placeholder) => hole = Some(*placeholder),
            Part::Text(text) => {
                let at = match hole {
                    None => 0,
                    Some(_) if position + 1 == parts.len() => rest.len().checked_sub(text.len())?,
                    Some(_) => rest.find(text.as_str())?,
                };
                let after = rest.get(at..)?.strip_prefix(text.as_str())?;
                if let Some(placeholder) = hole.take()
                    && (at == 0 || !values.enter(placeholder, &rest[..at]))
                {
                    return None;
                }
                rest = after;
            }
        }
    }
    match hole {
        Some(placeholder) => (!rest.is_empty() && values.enter(placeholder, rest)).then_some(()),
        None => rest.is_empty().then_some(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(text: &str) -> Template {
        Template::parse(text, "layout.topic").unwrap()
    }

    fn values(device: &str, group: &str, index: &str) -> Values {
        let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        Values {
            device: some(device),
            client_id: None,
            group: some(group),
            index: some(index),
            to: None,
            name: some("telemetry"),
        }
    }

    #[test]
    fn a_template_is_expanded_and_matched() {
        let own = values("pump-3", "pumps", "3");
        for (text, topic) in [
            ("plant/{group}/{device}/up", "plant/pumps/pump-3/up"),
            ("/{device}", "/pump-3"),
            ("$aws/rules/ingest/{device}/{name}", "$aws/rules/ingest/pump-3/telemetry"),
            ("{root}/{index:06}/x", "a/b/000003/x"),
            ("s{index}-{device}.{group}", "s3-pump-3.pumps"),
            ("{{{device}}}", "{pump-3}"),
            ("v1//", "v1//"),
        ] {
            let template = template(text);
            assert_eq!(template.expand("a/b", &own), topic, "{text}");
            let found = template.matches("a/b", topic, &Values::default());
            let found = found.unwrap_or_else(|| panic!("{text} does not match {topic}"));
            assert_eq!(template.expand("a/b", &Values { ..found }), topic, "{text}");
        }
        let any = values("+", "", "");
        assert_eq!(template("plant/{group}/dev-{device}/{index}").expand("r", &any), "plant/+/+/+");
    }

    #[test]
    fn a_topic_of_another_form_does_not_match() {
        for (text, topic) in [
            ("plant/{group}/{device}/up", "plant/pumps/pump-3/down"),
            ("plant/{device}", "plant/a/b"),
            ("plant/{device}/up", "plant/up"),
            ("dev-{device}", "dev-"),
            ("{index}/x", "a/x"),
            ("{root}/{device}", "a/bc/d"),
            ("{device}/{device}", "a/b"),
        ] {
            assert_eq!(template(text).matches("a/b", topic, &Values::default()), None, "{text} {topic}");
        }
    }

    #[test]
    fn an_invalid_template_is_refused_in_words() {
        for (text, words) in [
            ("plant/{devise}/up", "there is no placeholder `{devise}`; did you mean `{device}`?"),
            (
                "plant/{site}",
                "there is no placeholder `{site}`; known are `{root}`, `{device}`, `{client_id}`, `{group}`",
            ),
            ("plant/{device", "is not closed"),
            ("plant/device}", "has no `{` before it"),
            ("", "at least one character"),
            ("plant/+/up", "no wildcard"),
            ("plant/#", "no wildcard"),
            ("a\0b", "no NUL"),
            ("x{root}/y", "stands alone"),
            ("{group}{device}", "follows another placeholder"),
            ("{index:abc}", "expected a number of digits"),
            ("{index:6}", "expected a number of digits"),
            ("{device:06}", "only `{index}`"),
            ("{}", "there is no placeholder `{}`"),
        ] {
            let problem = Template::parse(text, "layout.topics.state").unwrap_err().to_string();
            assert!(problem.starts_with("layout.topics.state: "), "{problem}");
            assert!(problem.contains(words), "{text}: {problem}");
        }
    }
}

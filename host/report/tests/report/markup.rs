//! Parser for well-formed markup: elements are nested correctly, attributes are quoted, `<` and `&` are escaped. Report
//! pages are XML except for the doctype.

use std::collections::BTreeMap;

/// All elements with their names and attributes.
#[derive(Debug, Default)]
pub struct Markup {
    pub elements: Vec<(String, BTreeMap<String, String>)>,
}

impl Markup {
    /// Values of an attribute of all elements with this name.
    pub fn values(&self, element: &str, attribute: &str) -> Vec<&str> {
        let named = self.elements.iter().filter(|(name, _)| name == element);
        named.filter_map(|(_, attributes)| attributes.get(attribute).map(String::as_str)).collect()
    }

    /// Number of elements with this name.
    pub fn count(&self, element: &str) -> usize {
        self.elements.iter().filter(|(name, _)| name == element).count()
    }
}

/// Parses a text. The error describes the problem and its place.
pub fn parse(text: &str) -> Result<Markup, String> {
    let mut markup = Markup::default();
    let mut open: Vec<String> = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find('<') {
        text_is_clean(&rest[..start])?;
        rest = &rest[start..];
        let end = rest.find('>').ok_or("a tag has no end")?;
        let tag = &rest[1..end];
        rest = &rest[end + 1..];
        if tag.starts_with('!') || tag.starts_with('?') {
            continue;
        }
        if let Some(name) = tag.strip_prefix('/') {
            match open.pop() {
                Some(last) if last == name => continue,
                last => return Err(format!("</{name}> closes {last:?}")),
            }
        }
        let (tag, closed) = tag.strip_suffix('/').map_or((tag, false), |tag| (tag, true));
        let (name, attributes) = tag.split_once(' ').unwrap_or((tag, ""));
        markup.elements.push((name.to_owned(), attributes_of(attributes)?));
        if closed {
            continue;
        }
        if name == "script" || name == "style" {
            let close = format!("</{name}>");
            let inside = rest.find(&close).ok_or_else(|| format!("<{name}> has no end"))?;
            rest = &rest[inside + close.len()..];
        } else {
            open.push(name.to_owned());
        }
    }
    text_is_clean(rest)?;
    if open.is_empty() { Ok(markup) } else { Err(format!("not closed: {open:?}")) }
}

fn text_is_clean(text: &str) -> Result<(), String> {
    for (at, _) in text.match_indices('&') {
        let entity = text[at + 1..].split(';').next().unwrap_or_default();
        if !["amp", "lt", "gt", "quot", "#39"].contains(&entity) {
            return Err(format!("a stray & before {entity:.20}"));
        }
    }
    if text.contains('>') { Err(format!("a stray > in {text:.60}")) } else { Ok(()) }
}

fn attributes_of(text: &str) -> Result<BTreeMap<String, String>, String> {
    let mut attributes = BTreeMap::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let (name, value) = rest.split_once("=\"").ok_or_else(|| format!("no value: {rest:.40}"))?;
        let (value, after) = value.split_once('"').ok_or_else(|| format!("no end: {rest:.40}"))?;
        text_is_clean(value)?;
        if attributes.insert(name.trim().to_owned(), value.to_owned()).is_some() {
            return Err(format!("{name} stands twice in {text:.60}"));
        }
        rest = after.trim_start();
    }
    Ok(attributes)
}

#[test]
fn malformed_markup_is_rejected() {
    assert!(parse("<a b=\"c\"><d/>x &amp; y</a>").is_ok());
    for wrong in ["<a>", "<a></b>", "<a b=c/>", "<a>x & y</a>", "<a>x > y</a>", "<a b=\"1\" b=\"2\"/>"] {
        assert!(parse(wrong).is_err(), "{wrong}");
    }
}

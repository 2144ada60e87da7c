//! Texts with placeholders, from which each device gets its own value.
//!
//! | placeholder | value |
//! |---|---|
//! | `{index}` | the device's number; `{index:06}` has six digits, `{index:x}` and `{index:08x}` are hexadecimal |
//! | `{mac}` | the device's MAC address; `{mac:-}` with dashes, `{mac:plain}` without separators; `{MAC}` in capitals |
//! | `{name}`, `{client_id}`, `{group}` | as they say |
//! | `{COLUMN}` | the cell of a column of the CSV file |
//!
//! `{{` and `}}` stand for braces.

use super::mac::MacAddress;
use super::table::Row;
use crate::suggest::did_you_mean;

/// Placeholders without the columns of a file.
const PLACEHOLDERS: [&str; 5] = ["index", "mac", "name", "client_id", "group"];
/// Longest padded number.
const MAX_WIDTH: usize = 32;

/// A parsed template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Index { radix: Radix, width: usize },
    Mac { separator: &'static str, capitals: bool },
    Name,
    ClientId,
    Group,
    Column(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Radix {
    Decimal,
    Hex,
    CapitalHex,
}

/// Values of one device for templates.
#[derive(Clone, Copy)]
pub struct Values<'a> {
    /// The device's number.
    pub index: u64,
    /// The device's MAC address; `None` after the last one that exists.
    pub mac: Option<MacAddress>,
    /// The group.
    pub group: &'a str,
    /// The device's name; empty in the template of the name itself.
    pub name: &'a str,
    /// The client id; empty in its own template.
    pub client_id: &'a str,
    /// The row of the CSV file.
    pub row: Option<&'a Row>,
}

/// Whether an error may show parts of a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visibility {
    /// The text may be shown.
    Public,
    /// The text is a secret.
    Secret,
}

impl Template {
    /// Parses a template. `columns` are the columns of the CSV file.
    pub fn parse(text: &str, columns: &[String], visibility: Visibility) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            plain.push_str(&rest[..at]);
            let (brace, after) = rest[at..].split_at(1);
            if let Some(after) = after.strip_prefix(brace) {
                plain.push_str(brace);
                rest = after;
                continue;
            }
            let Some((inside, after)) = after.split_once('}').filter(|_| brace == "{") else {
                return Err(format!(
                    "a `{brace}` has no partner; write `{brace}{brace}` for the character itself"
                ));
            };
            if !plain.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut plain)));
            }
            parts.push(placeholder(inside, columns).map_err(|problem| {
                match visibility {
                    Visibility::Public => problem,
                    Visibility::Secret => {
                        "it has an unknown placeholder; write `{{` and `}}` for braces of the secret itself"
                            .to_owned()
                    }
                }
            })?);
            rest = after;
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        Ok(Self(parts))
    }

    /// Whether every device gets the same text.
    pub fn is_constant(&self) -> bool {
        self.0.iter().all(|part| matches!(part, Part::Text(_) | Part::Group))
    }

    /// Whether it contains the client id.
    pub fn uses_client_id(&self) -> bool {
        self.0.contains(&Part::ClientId)
    }

    /// Whether it contains the name.
    pub fn uses_name(&self) -> bool {
        self.0.contains(&Part::Name)
    }

    /// Positions of the columns that it contains.
    pub fn columns(&self) -> impl Iterator<Item = usize> {
        self.0.iter().filter_map(|part| match part {
            Part::Column(column) => Some(*column),
            _ => None,
        })
    }

    /// The text for one device.
    pub fn render(&self, values: &Values<'_>) -> Result<String, String> {
        let mut text = String::new();
        for part in &self.0 {
            match part {
                Part::Text(plain) => text.push_str(plain),
                Part::Index { radix, width } => text.push_str(&match radix {
                    Radix::Decimal => format!("{:0width$}", values.index),
                    Radix::Hex => format!("{:0width$x}", values.index),
                    Radix::CapitalHex => format!("{:0width$X}", values.index),
                }),
                Part::Mac { separator, capitals } => {
                    let mac = values.mac.ok_or(
                        "there is no MAC address left for it; begin at a lower one with `first_mac`",
                    )?;
                    let mac = mac.format(separator);
                    text.push_str(&if *capitals { mac.to_ascii_uppercase() } else { mac });
                }
                Part::Name => text.push_str(values.name),
                Part::ClientId => text.push_str(values.client_id),
                Part::Group => text.push_str(values.group),
                Part::Column(column) => {
                    text.push_str(values.row.and_then(|row| row.get(*column)).unwrap_or_default())
                }
            }
        }
        Ok(text)
    }
}

fn placeholder(inside: &str, columns: &[String]) -> Result<Part, String> {
    let (name, format) = inside.split_once(':').unwrap_or((inside, ""));
    let wrong_format =
        |examples: &str| Err(format!("`{{{inside}}}` has an unknown format; write it like {examples}"));
    let part = match name {
        "index" => {
            return index(format)
                .map_or_else(|| wrong_format("`{index}`, `{index:06}`, `{index:x}` or `{index:08X}`"), Ok);
        }
        "mac" | "MAC" => {
            let capitals = name == "MAC";
            return match format {
                "" => Ok(Part::Mac { separator: ":", capitals }),
                "-" => Ok(Part::Mac { separator: "-", capitals }),
                "plain" => Ok(Part::Mac { separator: "", capitals }),
                _ => wrong_format("`{mac}`, `{mac:-}`, `{mac:plain}` or `{MAC}`"),
            };
        }
        "name" => Part::Name,
        "client_id" => Part::ClientId,
        "group" => Part::Group,
        _ => match columns.iter().position(|column| column == name) {
            Some(column) => Part::Column(column),
            None => {
                let known: Vec<&str> =
                    PLACEHOLDERS.iter().copied().chain(columns.iter().map(String::as_str)).collect();
                let hint = did_you_mean(name, known.iter().copied());
                let known = known.join("}`, `{");
                return Err(format!("`{{{name}}}` is no placeholder; there are `{{{known}}}`{hint}"));
            }
        },
    };
    if format.is_empty() {
        Ok(part)
    } else {
        Err(format!("`{{{name}}}` takes no format; write `{{{name}}}`"))
    }
}

fn index(format: &str) -> Option<Part> {
    let (width, radix) = match format.as_bytes().last() {
        Some(b'x') => (&format[..format.len() - 1], Radix::Hex),
        Some(b'X') => (&format[..format.len() - 1], Radix::CapitalHex),
        _ => (format, Radix::Decimal),
    };
    let width = match width {
        "" => 0,
        padded => padded.strip_prefix('0')?.parse().ok().filter(|width| (1..=MAX_WIDTH).contains(width))?,
    };
    Some(Part::Index { radix, width })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn render(text: &str) -> String {
        let columns = ["serial".to_owned()];
        let row = Row::for_test(&["SN 9"]);
        let values = Values {
            index: 42,
            mac: MacAddress::default().plus(42),
            group: "pumps",
            name: "pump-42",
            client_id: "p/42",
            row: Some(&row),
        };
        Template::parse(text, &columns, Visibility::Public)
            .and_then(|it| it.render(&values))
            .unwrap_or_else(|problem| problem)
    }

    #[test]
    fn placeholders_have_formats() {
        assert_eq!(render("sn-{index:06}"), "sn-000042");
        assert_eq!(render("{index}|{index:x}|{index:04X}"), "42|2a|002A");
        assert_eq!(
            render("{mac} {mac:-} {mac:plain} {MAC}"),
            "02:00:00:00:00:2a 02-00-00-00-00-2a 02000000002a 02:00:00:00:00:2A"
        );
        assert_eq!(render("{group}/{name}/{client_id}/{serial}"), "pumps/pump-42/p/42/SN 9");
        assert_eq!(render("{{{index}}} ü"), "{42} ü");
    }

    #[test]
    fn a_wrong_placeholder_is_named_with_a_remedy() {
        assert!(render("sn-{idex}").contains("`{idex}` is no placeholder; there are `{index}`, `{mac}`"));
        assert!(render("sn-{idex}").contains("did you mean `index`?"));
        assert!(render("sn-{index:6}").contains("`{index:06}`"), "{}", render("sn-{index:6}"));
        assert!(render("{index:099}").contains("unknown format"));
        assert!(render("{mac:x}").contains("`{mac:plain}`"));
        assert!(render("{name:5}").contains("takes no format"));
        assert!(render("a{b").contains("write `{{`"));
        assert!(render("a}b").contains("write `}}`"));
    }

    #[test]
    fn an_error_about_a_secret_does_not_show_it() {
        for secret in ["hunter{two}", "{hunter", "hunter}"] {
            let problem = Template::parse(secret, &[], Visibility::Secret).unwrap_err();
            assert!(!problem.contains("hunter") && !problem.contains("two"), "{problem}");
        }
    }
}

//! JSON values whose numbers keep their text, so that 64-bit integers and decimals stay exact in every encoding.

/// A JSON value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    /// A number as JSON text.
    Number(String),
    Text(String),
    List(Vec<Value>),
    /// Members in their order.
    Object(Vec<(String, Value)>),
}

/// Maximum depth of nested lists and objects, in both directions.
pub(crate) const MAX_DEPTH: u32 = 64;

impl Value {
    /// The number, or null if it is not finite.
    pub(crate) fn float(number: f64) -> Self {
        match serde_json::Number::from_f64(number) {
            Some(number) => Self::Number(number.to_string()),
            None => Self::Null,
        }
    }

    pub(crate) fn from_json(value: &serde_json::Value) -> Self {
        match value {
            serde_json::Value::Null => Self::Null,
            serde_json::Value::Bool(truth) => Self::Bool(*truth),
            serde_json::Value::Number(number) => Self::Number(number.to_string()),
            serde_json::Value::String(text) => Self::Text(text.clone()),
            serde_json::Value::Array(items) => Self::List(items.iter().map(Self::from_json).collect()),
            serde_json::Value::Object(members) => Self::Object(
                members.iter().map(|(name, value)| (name.clone(), Self::from_json(value))).collect(),
            ),
        }
    }

    /// The member at a path of names and positions with dots between them. A name that contains a dot is found, too.
    pub(crate) fn get(&self, path: &str) -> Option<&Self> {
        match self {
            Self::Object(members) => {
                let member = |name: &str| members.iter().rev().find(|(known, _)| known == name);
                if let Some((_, value)) = member(path) {
                    return Some(value);
                }
                path.match_indices('.').find_map(|(dot, _)| {
                    let (_, value) = member(&path[..dot])?;
                    value.get(&path[dot + 1..])
                })
            }
            Self::List(items) => {
                let (position, rest) =
                    path.split_once('.').map_or((path, None), |(it, rest)| (it, Some(rest)));
                let item = items.get(position.parse::<usize>().ok()?)?;
                rest.map_or(Some(item), |rest| item.get(rest))
            }
            _ => None,
        }
    }

    /// Sets the member at a path of an object, and makes the objects that lead to it.
    pub(crate) fn set(&mut self, path: &str, value: Self) {
        let Self::Object(members) = self else { return };
        let (name, rest) = path.split_once('.').map_or((path, None), |(name, rest)| (name, Some(rest)));
        let at = members.iter().position(|(known, _)| known == name);
        let Some(rest) = rest else {
            match at {
                Some(at) => members[at].1 = value,
                None => members.push((name.to_owned(), value)),
            }
            return;
        };
        let at = at.unwrap_or_else(|| {
            members.push((name.to_owned(), Self::Object(Vec::new())));
            members.len() - 1
        });
        members[at].1.set(rest, value);
    }

    /// The value as a cell of a table or a part of a text: texts without quotes, nothing for null, everything else as
    /// JSON.
    pub(crate) fn plain(&self) -> String {
        match self {
            Self::Null => String::new(),
            Self::Text(text) => text.clone(),
            value => value.json(),
        }
    }

    /// The value as JSON.
    pub(crate) fn json(&self) -> String {
        let mut json = Vec::new();
        self.write(&mut json);
        String::from_utf8(json).unwrap_or_default()
    }

    /// The value of a [plain](Self::plain) text.
    pub(crate) fn from_plain(text: &str) -> Self {
        match text {
            "" => Self::Null,
            "true" => Self::Bool(true),
            "false" => Self::Bool(false),
            _ if is_number(text) => Self::Number(text.to_owned()),
            _ if text.starts_with(['{', '[']) => parse(text).unwrap_or_else(|| Self::Text(text.to_owned())),
            _ => Self::Text(text.to_owned()),
        }
    }

    /// Appends the value as JSON.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let separate = |out: &mut Vec<u8>, position: usize| {
            if position > 0 {
                out.push(b',');
            }
        };
        match self {
            Self::Null => out.extend_from_slice(b"null"),
            Self::Bool(truth) => out.extend_from_slice(if *truth { b"true" } else { b"false" }),
            Self::Number(text) => out.extend_from_slice(text.as_bytes()),
            Self::Text(text) => write_text(out, text),
            Self::List(items) => {
                out.push(b'[');
                for (position, item) in items.iter().enumerate() {
                    separate(out, position);
                    item.write(out);
                }
                out.push(b']');
            }
            Self::Object(members) => {
                out.push(b'{');
                for (position, (name, value)) in members.iter().enumerate() {
                    separate(out, position);
                    write_text(out, name);
                    out.push(b':');
                    value.write(out);
                }
                out.push(b'}');
            }
        }
    }
}

fn write_text(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0..0x20 => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}

/// Parses a JSON text. `None` if it is not valid, or nested too deeply.
pub(crate) fn parse(text: &str) -> Option<Value> {
    let mut parser = Parser { rest: text };
    let value = parser.value(MAX_DEPTH)?;
    parser.skip_space();
    parser.rest.is_empty().then_some(value)
}

/// True if a text is a number of JSON.
pub(crate) fn is_number(text: &str) -> bool {
    let mut parser = Parser { rest: text };
    parser.number().is_some() && parser.rest.is_empty()
}

struct Parser<'t> {
    rest: &'t str,
}

impl<'t> Parser<'t> {
    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
    }

    fn take(&mut self, token: &str) -> Option<()> {
        self.rest = self.rest.strip_prefix(token)?;
        Some(())
    }

    fn value(&mut self, depth: u32) -> Option<Value> {
        self.skip_space();
        Some(match self.rest.as_bytes().first()? {
            b'{' => Value::Object(self.sequence(depth, "{", "}", |parser, depth| {
                parser.skip_space();
                let name = parser.string()?;
                parser.skip_space();
                parser.take(":")?;
                Some((name, parser.value(depth)?))
            })?),
            b'[' => Value::List(self.sequence(depth, "[", "]", Self::value)?),
            b'"' => Value::Text(self.string()?),
            b't' => self.take("true").map(|()| Value::Bool(true))?,
            b'f' => self.take("false").map(|()| Value::Bool(false))?,
            b'n' => self.take("null").map(|()| Value::Null)?,
            _ => Value::Number(self.number()?.to_owned()),
        })
    }

    fn sequence<T>(
        &mut self,
        depth: u32,
        open: &str,
        close: &str,
        item: impl Fn(&mut Self, u32) -> Option<T>,
    ) -> Option<Vec<T>> {
        let depth = depth.checked_sub(1)?;
        self.take(open)?;
        let mut items = Vec::new();
        self.skip_space();
        if self.take(close).is_some() {
            return Some(items);
        }
        loop {
            items.push(item(self, depth)?);
            self.skip_space();
            if self.take(close).is_some() {
                return Some(items);
            }
            self.take(",")?;
        }
    }

    fn string(&mut self) -> Option<String> {
        let quoted = self.rest;
        let text = quoted.strip_prefix('"')?;
        let special = text.find(|c| matches!(c, '"' | '\\' | '\0'..'\x20'))?;
        if text.as_bytes()[special] == b'"' {
            self.rest = &text[special + 1..];
            return Some(text[..special].to_owned());
        }
        // Escapes are rare: serde_json reads a text that has some.
        let mut stream = serde_json::Deserializer::from_str(quoted).into_iter::<String>();
        let text = stream.next()?.ok()?;
        self.rest = quoted.get(stream.byte_offset()..)?;
        Some(text)
    }

    fn number(&mut self) -> Option<&'t str> {
        let bytes = self.rest.as_bytes();
        let digits = |at: usize| bytes[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let mut at = usize::from(bytes.first() == Some(&b'-'));
        let whole = digits(at);
        if whole == 0 || (whole > 1 && bytes[at] == b'0') {
            return None;
        }
        at += whole;
        if bytes.get(at) == Some(&b'.') {
            let fraction = digits(at + 1);
            at += 1 + Some(fraction).filter(|digits| *digits > 0)?;
        }
        if matches!(bytes.get(at), Some(b'e' | b'E')) {
            at += 1 + usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
            at += Some(digits(at)).filter(|digits| *digits > 0)?;
        }
        let (number, rest) = self.rest.split_at(at);
        self.rest = rest;
        Some(number)
    }
}

//! Lexer: splits the text of a check into tokens.

use std::fmt;
use std::time::Duration;

/// A token with its position.
#[derive(Clone, Debug, PartialEq)]
pub struct Token {
    /// Position of its first character in the text, from 0.
    pub at: usize,
    /// The token.
    pub kind: TokenKind,
}

/// Kinds of tokens.
#[derive(Clone, Debug, PartialEq)]
pub enum TokenKind {
    /// A word of letters and underscores.
    Word(String),
    /// A text in quotes.
    Text(String),
    /// A number.
    Number(f64),
    /// A number with a unit of time.
    Duration(Duration),
    /// A path into a JSON payload.
    Path(Vec<Key>),
    /// An operator, a bracket or a comma.
    Symbol(&'static str),
    /// End of the text.
    End,
}

/// One step of a path into JSON.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// Member of an object.
    Name(String),
    /// Element of a list, from 0.
    Index(usize),
}

impl fmt::Display for TokenKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Word(word) => write!(f, "`{word}`"),
            Self::Text(text) => write!(f, "the text \"{text}\""),
            Self::Number(number) => write!(f, "the number {number}"),
            Self::Duration(time) => write!(f, "the time {}", humantime::format_duration(*time)),
            Self::Path(keys) => write!(f, "`{}`", PathText(keys)),
            Self::Symbol(symbol) => write!(f, "`{symbol}`"),
            Self::End => f.write_str("the end of the text"),
        }
    }
}

/// A path in the form in which a check has it.
pub struct PathText<'a>(pub &'a [Key]);

impl fmt::Display for PathText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("$")?;
        self.0.iter().try_for_each(|key| match key {
            Key::Name(name) if name.chars().all(is_name) => write!(f, ".{name}"),
            Key::Name(name) => write!(f, "[\"{name}\"]"),
            Key::Index(index) => write!(f, "[{index}]"),
        })
    }
}

/// Error in the text of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckError {
    /// Position of the first wrong character, from 0.
    pub at: usize,
    /// The problem, and what to write instead.
    pub problem: String,
}

impl CheckError {
    /// The problem with its column and the text from there on.
    pub fn describe(&self, text: &str) -> String {
        let rest: String = text.chars().skip(self.at).take(24).collect();
        let place = match rest.trim().is_empty() {
            true => "at the end".to_owned(),
            false => format!("at column {} (`{}`)", self.at + 1, rest.trim()),
        };
        format!("{place}: {}", self.problem)
    }
}

const SYMBOLS: [&str; 11] = ["==", "!=", "<=", ">=", "<", ">", "(", ")", ",", "+", "-"];

/// Splits a text into tokens; the last one is [`TokenKind::End`].
pub fn tokens(text: &str) -> Result<Vec<Token>, CheckError> {
    let chars: Vec<char> = text.chars().collect();
    let mut lexer = Lexer { chars: &chars, at: 0 };
    let mut tokens = Vec::new();
    loop {
        lexer.skip(char::is_whitespace);
        let at = lexer.at;
        let kind = lexer.token()?;
        let is_end = kind == TokenKind::End;
        tokens.push(Token { at, kind });
        if is_end {
            return Ok(tokens);
        }
    }
}

struct Lexer<'a> {
    chars: &'a [char],
    at: usize,
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

impl Lexer<'_> {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn skip(&mut self, wanted: impl Fn(char) -> bool) {
        while self.peek().is_some_and(&wanted) {
            self.at += 1;
        }
    }

    fn take(&mut self, wanted: impl Fn(char) -> bool) -> String {
        let from = self.at;
        self.skip(wanted);
        self.chars[from..self.at].iter().collect()
    }

    fn token(&mut self) -> Result<TokenKind, CheckError> {
        let Some(first) = self.peek() else { return Ok(TokenKind::End) };
        match first {
            '"' | '\'' => self.text(first).map(TokenKind::Text),
            '$' => self.path().map(TokenKind::Path),
            '0'..='9' => self.number(),
            _ if first.is_ascii_alphabetic() => Ok(TokenKind::Word(self.take(is_name))),
            _ => self.symbol(),
        }
    }

    fn symbol(&mut self) -> Result<TokenKind, CheckError> {
        let at = self.at;
        let starts =
            |symbol: &&&str| symbol.chars().enumerate().all(|(n, c)| self.chars.get(at + n) == Some(&c));
        let Some(symbol) = SYMBOLS.iter().find(starts) else {
            let found = self.chars[at];
            let problem = match found {
                '=' => "write `==` to compare".to_owned(),
                _ => {
                    format!("`{found}` has no meaning here; texts are in quotes, such as \"wasmote/+/state\"")
                }
            };
            return Err(CheckError { at, problem });
        };
        self.at += symbol.len();
        Ok(TokenKind::Symbol(symbol))
    }

    fn text(&mut self, quote: char) -> Result<String, CheckError> {
        let at = self.at;
        self.at += 1;
        let text = self.take(|c| c != quote);
        if self.peek().is_none() {
            return Err(CheckError { at, problem: format!("the text has no closing {quote}") });
        }
        self.at += 1;
        Ok(text)
    }

    fn number(&mut self) -> Result<TokenKind, CheckError> {
        let at = self.at;
        let text = self.take(|c| is_name(c) || c == '.' || c == 'µ');
        if let Ok(number) = text.parse::<f64>() {
            return Ok(TokenKind::Number(number));
        }
        humantime::parse_duration(&text).map(TokenKind::Duration).map_err(|_| CheckError {
            at,
            problem: format!("`{text}` is neither a number nor a time; write a time like 500ms or 1m30s"),
        })
    }

    fn path(&mut self) -> Result<Vec<Key>, CheckError> {
        self.at += 1;
        let mut keys = Vec::new();
        loop {
            let at = self.at;
            match self.peek() {
                Some('.') => {
                    self.at += 1;
                    let name = self.take(is_name);
                    if name.is_empty() {
                        let problem = "a name must follow the point, such as $.token".to_owned();
                        return Err(CheckError { at, problem });
                    }
                    keys.push(Key::Name(name));
                }
                Some('[') => {
                    self.at += 1;
                    let key = match self.peek() {
                        Some(quote @ ('"' | '\'')) => Key::Name(self.text(quote)?),
                        _ => Key::Index(self.take(|c| c.is_ascii_digit()).parse().map_err(|_| {
                            CheckError {
                                at,
                                problem:
                                    "write the position in a list, such as $.path[0], or a name in quotes"
                                        .to_owned(),
                            }
                        })?),
                    };
                    if self.peek() != Some(']') {
                        return Err(CheckError { at: self.at, problem: "a `]` is missing".to_owned() });
                    }
                    self.at += 1;
                    keys.push(key);
                }
                _ => return Ok(keys),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<TokenKind> {
        tokens(text).unwrap().into_iter().map(|token| token.kind).collect()
    }

    #[test]
    fn paths_times_and_texts_are_single_tokens() {
        let name = |name: &str| Key::Name(name.into());
        assert_eq!(
            kinds("$.a[2][\"b c\"] 1m30s 2.5 'x y'"),
            [
                TokenKind::Path(vec![name("a"), Key::Index(2), name("b c")]),
                TokenKind::Duration(Duration::from_secs(90)),
                TokenKind::Number(2.5),
                TokenKind::Text("x y".into()),
                TokenKind::End,
            ]
        );
        assert_eq!(PathText(&[name("a"), Key::Index(2), name("b c")]).to_string(), "$.a[2][\"b c\"]");
    }

    #[test]
    fn an_error_has_the_column_and_the_remedy() {
        let problem = |text: &str| tokens(text).unwrap_err().describe(text);
        assert_eq!(problem("never $.a = 1"), "at column 11 (`= 1`): write `==` to compare");
        assert_eq!(problem("never 'open"), "at column 7 (`'open`): the text has no closing '");
        assert!(problem("within 5x").starts_with("at column 8 (`5x`): `5x` is neither a number nor a time"));
        assert!(problem("$.a[x]").contains("position in a list"));
        assert!(problem("$.").contains("a name must follow"));
    }
}

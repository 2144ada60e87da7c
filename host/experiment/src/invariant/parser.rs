//! Parser of checks.
//!
//! ```text
//! check    = "never" event [ "twice" [ "with" "the" "same" PATH { "," PATH } ] [ "on" "any" "device" ] ]
//!          | "never" state [ "on" N "devices" [ "with" "the" "same" PATH ] ] [ "for" TIME ]
//!          | "always" event "has" condition | "always" state
//!          | [ "after" event "," ] "eventually" "within" TIME ( ["any" "device"] event | state ) [ "unless" event ]
//! event    = ( "publishes" | "receives" | "host" "publishes" ) TOPIC [ "where" condition ]
//!          | "connects" | "disconnects" | "starts" | "stops" | "crashes" | "traps" | "logs" LEVEL
//! state    = "connected" | "running" | "retained" TOPIC test | "last" ( "published" | "received" ) TOPIC test
//!          | "metric" NAME operator NUMBER            and these joined by "and", "or", "not" and brackets
//! test     = "where" condition | operator value
//! condition = comparisons of values, joined by "and", "or", "not" and brackets
//! value    = [ "previous" | "trigger" ] PATH [ ("+" | "-") NUMBER ] | TEXT | NUMBER | true | false | null | device | topic
//! ```

use std::time::Duration;

use serde_json::Value;
use wasmote_fleet::suggest::did_you_mean;
use wasmote_mqtt::topic::{Topic, TopicFilter};
use wasmote_sim::context::LogLevel;

use super::lexer::{CheckError, Key, Token, TokenKind, tokens};
use super::syntax::{
    Comparison, DEVICE, Event, EventKind, Eventually, Goal, Logic, MessageRef, Operand, Operator, Rule,
    StateTest, TopicPattern,
};

/// First words of events.
const EVENTS: [&str; 10] = [
    "publishes",
    "receives",
    "host",
    "connects",
    "disconnects",
    "starts",
    "stops",
    "crashes",
    "traps",
    "logs",
];
/// First words of states.
const STATES: [&str; 6] = ["connected", "running", "retained", "last", "metric", "not"];
const LEVELS: [(&str, LogLevel); 5] = [
    ("trace", LogLevel::Trace),
    ("debug", LogLevel::Debug),
    ("info", LogLevel::Info),
    ("warn", LogLevel::Warn),
    ("error", LogLevel::Error),
];
/// Largest depth of brackets and negations.
const MAX_DEPTH: u32 = 32;

/// Parses the text of a check.
pub fn parse(text: &str) -> Result<Rule, CheckError> {
    let mut parser = Parser { tokens: tokens(text)?, next: 0, depth: 0, refs: Refs::default() };
    let rule = parser.rule()?;
    match parser.peek() {
        TokenKind::End => Ok(rule),
        found => Err(parser.error(format!("expected the end of the check, found {found}"))),
    }
}

/// Messages that a condition may refer to, in addition to its own.
#[derive(Clone, Copy, Default)]
struct Refs {
    previous: bool,
    trigger: bool,
}

struct Parser {
    tokens: Vec<Token>,
    next: usize,
    depth: u32,
    refs: Refs,
}

type Parsed<T> = Result<T, CheckError>;

impl Parser {
    fn peek(&self) -> &TokenKind {
        &self.tokens[self.next.min(self.tokens.len() - 1)].kind
    }

    fn error(&self, problem: impl Into<String>) -> CheckError {
        CheckError { at: self.tokens[self.next.min(self.tokens.len() - 1)].at, problem: problem.into() }
    }

    fn advance(&mut self) -> TokenKind {
        let kind = self.peek().clone();
        self.next += 1;
        kind
    }

    fn word(&self) -> Option<&str> {
        match self.peek() {
            TokenKind::Word(word) => Some(word),
            _ => None,
        }
    }

    fn accept(&mut self, wanted: &str) -> bool {
        let is_next = match self.peek() {
            TokenKind::Word(word) => word == wanted,
            TokenKind::Symbol(symbol) => *symbol == wanted,
            _ => false,
        };
        self.next += usize::from(is_next);
        is_next
    }

    fn expect(&mut self, wanted: &str) -> Parsed<()> {
        match self.accept(wanted) {
            true => Ok(()),
            false => Err(self.unexpected(&format!("`{wanted}`"), &[wanted])),
        }
    }

    fn expect_words(&mut self, words: &[&str]) -> Parsed<()> {
        words.iter().try_for_each(|word| self.expect(word))
    }

    fn unexpected(&self, wanted: &str, known: &[&str]) -> CheckError {
        let hint = self.word().map(|word| did_you_mean(word, known.iter().copied())).unwrap_or_default();
        self.error(format!("expected {wanted}, found {}{hint}", self.peek()))
    }

    fn rule(&mut self) -> Parsed<Rule> {
        const FIRST: [&str; 4] = ["never", "always", "eventually", "after"];
        match self.word() {
            Some("never") => {
                self.next += 1;
                if self.is_event()? { self.never_event() } else { self.never_state() }
            }
            Some("always") => {
                self.next += 1;
                self.always()
            }
            Some("after") => {
                self.next += 1;
                let trigger = self.event()?;
                self.expect(",")?;
                self.eventually(Some(trigger))
            }
            Some("eventually") => self.eventually(None),
            _ => Err(self.unexpected("`never`, `always`, `eventually within` or `after`", &FIRST)),
        }
    }

    /// Whether an event follows, and not a state.
    fn is_event(&self) -> Parsed<bool> {
        match self.word() {
            Some(word) if EVENTS.contains(&word) => Ok(true),
            Some(word) if !STATES.contains(&word) => {
                let wanted =
                    format!("an event (`{}`) or a state (`{}`)", EVENTS.join("`, `"), STATES.join("`, `"));
                Err(self.unexpected(&wanted, &[&EVENTS[..], &STATES[..]].concat()))
            }
            _ => Ok(false),
        }
    }

    fn never_event(&mut self) -> Parsed<Rule> {
        self.refs.previous = true;
        let event = self.event()?;
        if !self.accept("twice") {
            return Ok(Rule::NeverEvent(event));
        }
        let mut keys = Vec::new();
        if self.accept("with") {
            self.expect_words(&["the", "same"])?;
            keys.push(self.path()?);
            while self.accept(",") {
                keys.push(self.path()?);
            }
        }
        let any_device = self.accept("on");
        if any_device {
            self.expect_words(&["any", "device"])?;
        }
        Ok(Rule::NeverTwice { event, keys, any_device })
    }

    fn never_state(&mut self) -> Parsed<Rule> {
        let at = self.next;
        let state = self.state()?;
        let (mut devices, mut same) = (1, None);
        if self.accept("on") {
            devices = self.count()?;
            self.expect("devices")?;
            if self.accept("with") {
                self.expect_words(&["the", "same"])?;
                same = Some(self.path()?);
                if !refers_to_message(&state) {
                    let problem = "`with the same` needs a `last published` or `last received` in the state";
                    return Err(CheckError { at: self.tokens[at].at, problem: problem.to_owned() });
                }
            }
        }
        let lasting = if self.accept("for") { self.duration()? } else { Duration::ZERO };
        Ok(Rule::NeverState { state, devices, same, lasting })
    }

    fn always(&mut self) -> Parsed<Rule> {
        if self.is_event()? {
            let event = self.event()?;
            self.expect("has")?;
            self.refs.previous = true;
            return Ok(Rule::AlwaysEvent(event, self.condition()?));
        }
        let state = Logic::Not(Box::new(self.state()?));
        Ok(Rule::NeverState { state, devices: 1, same: None, lasting: Duration::ZERO })
    }

    fn eventually(&mut self, trigger: Option<Event>) -> Parsed<Rule> {
        self.expect_words(&["eventually", "within"])?;
        let within = self.duration()?;
        self.refs.trigger = trigger.is_some();
        let any = self.accept("any");
        if any {
            self.expect("device")?;
        }
        let goal = match any || self.is_event()? {
            true => Goal::Event(self.event()?, any),
            false => Goal::State(self.state()?),
        };
        let unless = if self.accept("unless") { Some(self.event()?) } else { None };
        Ok(Rule::Eventually(Box::new(Eventually { trigger, within, goal, unless })))
    }

    fn count(&mut self) -> Parsed<u32> {
        match self.peek() {
            TokenKind::Number(number) if number.fract() == 0.0 && (2.0..=1e6).contains(number) => {
                let count = *number as u32;
                self.next += 1;
                Ok(count)
            }
            found => Err(self.error(format!("expected a number of devices from 2 on, found {found}"))),
        }
    }

    fn duration(&mut self) -> Parsed<Duration> {
        match self.peek() {
            TokenKind::Duration(time) => {
                let time = *time;
                self.next += 1;
                Ok(time)
            }
            found => Err(self.error(format!("expected a time such as 5s, found {found}"))),
        }
    }

    fn path(&mut self) -> Parsed<Vec<Key>> {
        match self.peek() {
            TokenKind::Path(keys) => {
                let keys = keys.clone();
                self.next += 1;
                Ok(keys)
            }
            found => Err(self.error(format!("expected a path into the payload such as $.id, found {found}"))),
        }
    }

    /// A topic in quotes; without wildcards if `single`.
    fn topic(&mut self, single: bool) -> Parsed<TopicPattern> {
        let TokenKind::Text(text) = self.peek().clone() else {
            return Err(self.error(format!("expected a topic in quotes, found {}", self.peek())));
        };
        let example = text.replace(DEVICE, "device");
        if single {
            if let Err(problem) = Topic::new(example.as_str()) {
                return Err(self.error(format!("\"{text}\" is no topic of one message: {problem}")));
            }
        } else if let Err(problem) = TopicFilter::new(example.as_str()) {
            return Err(self.error(format!("\"{text}\" is no topic filter: {problem}")));
        }
        self.next += 1;
        let fixed = if text.contains(DEVICE) { None } else { TopicFilter::new(text.as_str()).ok() };
        Ok(TopicPattern { text, fixed })
    }

    fn event(&mut self) -> Parsed<Event> {
        let plain = |kind| Event { kind, condition: None };
        let wanted = "an event (`publishes`, `receives`, `host publishes`, `connects`, `disconnects`, `starts`, `stops`, \
             `crashes`, `traps` or `logs`)";
        let kind = match self.word() {
            Some("publishes") => {
                self.next += 1;
                EventKind::Publishes(self.topic(false)?)
            }
            Some("receives") => {
                self.next += 1;
                EventKind::Receives(self.topic(false)?)
            }
            Some("host") => {
                self.next += 1;
                self.expect("publishes")?;
                EventKind::HostPublishes(self.topic(false)?)
            }
            Some("logs") => {
                self.next += 1;
                let names = LEVELS.map(|(name, _)| name);
                let level = LEVELS.iter().find(|(name, _)| self.word() == Some(name));
                let Some((_, level)) = level else {
                    return Err(self.unexpected("a level such as `error`", &names));
                };
                self.next += 1;
                return Ok(plain(EventKind::Logs(*level)));
            }
            Some(word) => {
                let kind = match word {
                    "connects" => EventKind::Connects,
                    "disconnects" => EventKind::Disconnects,
                    "starts" => EventKind::Starts,
                    "stops" => EventKind::Stops,
                    "crashes" => EventKind::Crashes,
                    "traps" => EventKind::Traps,
                    _ => return Err(self.unexpected(wanted, &EVENTS)),
                };
                self.next += 1;
                return Ok(plain(kind));
            }
            None => return Err(self.unexpected(wanted, &EVENTS)),
        };
        let condition = if self.accept("where") { Some(self.condition()?) } else { None };
        Ok(Event { kind, condition })
    }

    fn state(&mut self) -> Parsed<Logic<StateTest>> {
        self.any_of(Self::state_test)
    }

    fn condition(&mut self) -> Parsed<Logic<Comparison>> {
        self.any_of(Self::comparison)
    }

    /// Parts joined by `or`, of parts joined by `and`.
    fn any_of<T>(&mut self, part: fn(&mut Self) -> Parsed<T>) -> Parsed<Logic<T>> {
        let mut parts = vec![self.all_of(part)?];
        while self.accept("or") {
            parts.push(self.all_of(part)?);
        }
        Ok(single_or(parts, Logic::Any))
    }

    fn all_of<T>(&mut self, part: fn(&mut Self) -> Parsed<T>) -> Parsed<Logic<T>> {
        let mut parts = vec![self.unary(part)?];
        while self.accept("and") {
            parts.push(self.unary(part)?);
        }
        Ok(single_or(parts, Logic::All))
    }

    fn unary<T>(&mut self, part: fn(&mut Self) -> Parsed<T>) -> Parsed<Logic<T>> {
        if self.depth >= MAX_DEPTH {
            return Err(self.error(format!("brackets and `not` are nested more than {MAX_DEPTH} deep")));
        }
        self.depth += 1;
        let inner = if self.accept("not") {
            Logic::Not(Box::new(self.unary(part)?))
        } else if self.accept("(") {
            let inner = self.any_of(part)?;
            self.expect(")")?;
            inner
        } else {
            Logic::Is(part(self)?)
        };
        self.depth -= 1;
        Ok(inner)
    }

    fn state_test(&mut self) -> Parsed<StateTest> {
        let wanted =
            "a state (`connected`, `running`, `retained`, `last published`, `last received` or `metric`)";
        match self.word() {
            Some("connected") => {
                self.next += 1;
                Ok(StateTest::Connected)
            }
            Some("running") => {
                self.next += 1;
                Ok(StateTest::Running)
            }
            Some("retained") => {
                self.next += 1;
                Ok(StateTest::Retained(self.topic(true)?, self.message_test()?))
            }
            Some("last") => {
                self.next += 1;
                let is_published = self.accept("published");
                if !is_published {
                    self.expect("received")?;
                }
                let (topic, test) = (self.topic(false)?, self.message_test()?);
                Ok(if is_published {
                    StateTest::LastPublished(topic, test)
                } else {
                    StateTest::LastReceived(topic, test)
                })
            }
            Some("metric") => {
                self.next += 1;
                self.metric()
            }
            _ => Err(self.unexpected(wanted, &STATES)),
        }
    }

    fn metric(&mut self) -> Parsed<StateTest> {
        let name = match self.peek().clone() {
            TokenKind::Word(name) | TokenKind::Text(name) => name,
            found => return Err(self.error(format!("expected the name of a metric, found {found}"))),
        };
        self.next += 1;
        let operator = self.operator()?;
        let sign = if self.accept("-") { -1.0 } else { 1.0 };
        match *self.peek() {
            TokenKind::Number(number) if operator != Operator::Contains => {
                self.next += 1;
                Ok(StateTest::Metric(name, operator, sign * number))
            }
            _ => Err(self.error(format!("a metric compares with a number, found {}", self.peek()))),
        }
    }

    /// `where CONDITION`, or `OPERATOR VALUE` for the whole payload.
    fn message_test(&mut self) -> Parsed<Logic<Comparison>> {
        if self.accept("where") {
            // The condition of a state ends at the next `and`, which joins states: several comparisons need brackets.
            return self.unary(Self::comparison);
        }
        let operator = self.operator()?;
        let left = Operand::Path(MessageRef::This, Vec::new(), 0.0);
        self.compare(left, operator).map(Logic::Is)
    }

    fn operator(&mut self) -> Parsed<Operator> {
        let operator = match self.peek() {
            TokenKind::Symbol("==") => Operator::Equal,
            TokenKind::Symbol("!=") => Operator::NotEqual,
            TokenKind::Symbol("<") => Operator::Less,
            TokenKind::Symbol("<=") => Operator::AtMost,
            TokenKind::Symbol(">") => Operator::More,
            TokenKind::Symbol(">=") => Operator::AtLeast,
            TokenKind::Word(word) if word == "contains" => Operator::Contains,
            found => {
                let problem = format!("expected ==, !=, <, <=, >, >= or `contains`, found {found}");
                return Err(self.error(problem));
            }
        };
        self.next += 1;
        Ok(operator)
    }

    fn comparison(&mut self) -> Parsed<Comparison> {
        let left = self.operand()?;
        let operator = self.operator()?;
        self.compare(left, operator)
    }

    fn compare(&mut self, left: Operand, operator: Operator) -> Parsed<Comparison> {
        let at = self.next;
        let right = self.operand()?;
        for operand in [&left, &right] {
            let is_number = match operand {
                Operand::Constant(value) => value.is_number(),
                Operand::Device | Operand::Topic => false,
                Operand::Path(..) => true,
            };
            if operator.is_order() && !is_number {
                let problem = format!("`{operator}` compares numbers, and {operand} is none; use == or !=");
                return Err(CheckError { at: self.tokens[at].at, problem });
            }
        }
        Ok(Comparison { left, operator, right })
    }

    fn operand(&mut self) -> Parsed<Operand> {
        let wanted = "a value: a path such as $.id, a text in quotes, a number, `true`, `false`, `null`, `device` or `topic`";
        const WORDS: [&str; 7] = ["previous", "trigger", "true", "false", "null", "device", "topic"];
        let message = match self.word() {
            Some("previous") => MessageRef::Previous,
            Some("trigger") => MessageRef::Trigger,
            _ => MessageRef::This,
        };
        if message != MessageRef::This {
            let is_known = match message {
                MessageRef::Previous => self.refs.previous,
                _ => self.refs.trigger,
            };
            if !is_known {
                let problem = match message {
                    MessageRef::Previous => {
                        "`previous` is known only in rules about one event: `never EVENT` and `always EVENT has`"
                    }
                    _ => "`trigger` is known only behind `after EVENT, eventually within TIME`",
                };
                return Err(self.error(problem));
            }
            self.next += 1;
        }
        if message != MessageRef::This || matches!(self.peek(), TokenKind::Path(_)) {
            let keys = self.path()?;
            let sign = match self.peek() {
                TokenKind::Symbol("+") => 1.0,
                TokenKind::Symbol("-") => -1.0,
                _ => return Ok(Operand::Path(message, keys, 0.0)),
            };
            self.next += 1;
            let TokenKind::Number(number) = *self.peek() else {
                return Err(self.error(format!("expected a number, found {}", self.peek())));
            };
            self.next += 1;
            return Ok(Operand::Path(message, keys, sign * number));
        }
        let value = match self.peek().clone() {
            TokenKind::Text(text) => Value::from(text),
            TokenKind::Number(number) => Value::from(number),
            TokenKind::Symbol("-") => {
                self.next += 1;
                let TokenKind::Number(number) = *self.peek() else {
                    return Err(self.error(format!("expected a number, found {}", self.peek())));
                };
                Value::from(-number)
            }
            TokenKind::Word(word) => match word.as_str() {
                "true" => Value::from(true),
                "false" => Value::from(false),
                "null" => Value::Null,
                "device" | "topic" => {
                    self.advance();
                    return Ok(if word == "device" { Operand::Device } else { Operand::Topic });
                }
                _ => return Err(self.unexpected(wanted, &WORDS)),
            },
            _ => return Err(self.unexpected(wanted, &WORDS)),
        };
        self.next += 1;
        Ok(Operand::Constant(value))
    }
}

fn single_or<T>(mut parts: Vec<Logic<T>>, join: fn(Vec<Logic<T>>) -> Logic<T>) -> Logic<T> {
    match parts.len() {
        1 => parts.remove(0),
        _ => join(parts),
    }
}

fn refers_to_message(state: &Logic<StateTest>) -> bool {
    let mut found = false;
    state.each(&mut |test| {
        found |= matches!(test, StateTest::LastPublished(..) | StateTest::LastReceived(..));
    });
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str) -> String {
        parse(text).unwrap_err().describe(text)
    }

    #[test]
    fn every_form_of_a_check_is_read() {
        for text in [
            "never traps",
            "never logs error",
            "never publishes \"wasmote/+/forward\" where $.hops > 8",
            "never publishes \"wasmote/{device}/done\" twice with the same $.id",
            "never receives 'a/#' twice with the same $.a, $.b on any device",
            "always publishes \"wasmote/+/count\" has $.n >= previous $.n + 1 or previous $.n == null",
            "always connected",
            "always metric queue_depth <= 100",
            "never running and last published \"wasmote/+/lock\" where $.held == true on 2 devices",
            "never last published \"a\" where ($.x == 1 and $.y != \"z\") on 3 devices with the same $.token for 10ms",
            "never connected and retained \"wasmote/{device}/state\" == \"offline\" for 5s",
            "eventually within 30s connected",
            "after connects, eventually within 5s retained \"wasmote/{device}/state\" == \"online\" unless disconnects",
            "after host publishes \"wasmote/+/cmd\", eventually within 2s any device publishes \"+/+/ack\" where $.id == trigger $.id",
            "never publishes \"a\" where not ($.path contains device) and topic == 'a'",
        ] {
            assert!(parse(text).is_ok(), "{text}: {}", problem(text));
        }
    }

    #[test]
    fn errors_name_the_column_what_was_found_and_the_nearest_word() {
        for (text, expected) in [
            (
                "nevr traps",
                "at column 1 (`nevr traps`): expected `never`, `always`, `eventually within` or `after`, \
                found `nevr`; did you mean `never`?",
            ),
            ("never publishs \"a\"", "did you mean"),
            ("never publishes a", "at column 17 (`a`): expected a topic in quotes, found `a`"),
            ("never publishes \"a/#/b\"", "is no topic filter"),
            ("never retained \"a/+\" == 1", "is no topic of one message"),
            ("never publishes \"a\" where $.n < \"x\"", "`<` compares numbers, and \"x\" is none"),
            ("eventually within connected", "expected a time such as 5s, found `connected`"),
            ("eventually within 5s connected or", "at the end: expected a state"),
            ("after connects eventually within 5s connected", "expected `,`, found `eventually`"),
            ("never connected on 1 devices", "expected a number of devices from 2 on"),
            ("never connected on 2 devices with the same $.x", "needs a `last published`"),
            ("never publishes \"a\" where trigger $.x == 1", "`trigger` is known only behind `after"),
            (
                "after connects, eventually within 1s publishes \"a\" where previous $.x == 1",
                "`previous` is known only",
            ),
            ("never logs fatal", "expected a level such as `error`"),
            ("always metric m == \"x\"", "a metric compares with a number"),
            ("never traps now", "expected the end of the check, found `now`"),
            ("", "at the end: expected"),
        ] {
            let found = problem(text);
            assert!(found.contains(expected), "{text}: {found}");
        }
        let deep = format!("never {}connected", "(".repeat(40));
        assert!(problem(&deep).contains("nested more than 32 deep"));
    }
}

//! Layout of a device's messages: topics and payloads as a back end expects them, in place of those of the behaviour.
//!
//! A behaviour publishes and receives JSON below `<root>/<device>/`. The layout replaces topic and payload of each message
//! on its way out, and does the opposite for received messages, so that behaviours in any language have layouts without
//! code of their own. Faults, the ledger and the broker see the messages as they are on the wire.
//!
//! * `template`: templates of topics. `payload`: encodings of payloads, with the conversions of a `field` and of a `time`.
//! * `value`: JSON with exact numbers. `binary`: CBOR and MessagePack. `nearest`: suggestions for misspelt names.

mod binary;
mod field;
mod nearest;
mod payload;
mod template;
#[cfg(test)]
mod tests;
mod time;
mod value;

use std::fmt;

use serde_json::{Map, Value};
use wasmote_mqtt::device_id::Identity;
use wasmote_mqtt::message::Message;
use wasmote_mqtt::time::WallTime;
use wasmote_mqtt::topic::{Topic, TopicFilter};

use payload::{Payload, Surroundings};
use template::{Placeholder, Template, Values};

/// Exact numbers and times, for tables of data.
pub(crate) mod exact {
    pub(crate) use super::time::scaled;
    pub(crate) use super::value::{Value, is_number, parse};
}

/// Key of the layout in the configuration of a behaviour. The host reads it, and the behaviour does not see it.
pub const CONFIG_KEY: &str = "layout";

/// Name of the topics of links between devices, which have two devices.
const LINK: &str = "link";

const MEMBERS: [&str; 4] = ["topic", "topics", "payload", "payloads"];

/// Topics of a behaviour: their names, and the fields of their messages.
pub type KnownTopics = &'static [(&'static str, &'static [&'static str])];

/// An error in a layout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayoutError {
    /// Path of the field in the configuration, such as `layout.topics.state`.
    pub field: String,
    /// The value found, the reason, and known names.
    pub problem: String,
}

impl LayoutError {
    fn at(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { field: field.into(), problem: problem.into() }
    }
}

impl fmt::Display for LayoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.problem)
    }
}

impl std::error::Error for LayoutError {}

/// Layout of the messages of a group.
#[derive(Clone, Debug, PartialEq)]
pub struct Layout {
    /// Topics that the layout names.
    named: Vec<NamedTopic>,
    /// Template of all other topics of a device.
    topic: Option<Template>,
    /// Layout of all other payloads.
    payload: Option<Payload>,
}

/// Topic that the layout names.
#[derive(Clone, Debug, PartialEq)]
struct NamedTopic {
    name: String,
    /// The topic of the behaviour.
    own: Template,
    /// The topic on the wire; that of the behaviour, unless it is given.
    wire: Option<Template>,
    payload: Option<Payload>,
}

/// A subscription by which a received message gets its topic back.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    topic: TopicOf,
    /// The values that the behaviour's filter gives: its own name, or `+`.
    asked: Values,
}

/// Topic of a layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TopicOf {
    /// Position among the named topics.
    Named(usize),
    /// One of the others.
    Other,
}

/// A message that the layout cannot write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LayoutRefusal {
    /// The topic is invalid, with the reason.
    Topic(String),
    /// The payload exceeds the limit.
    TooLarge,
}

impl Layout {
    /// Takes the layout out of a configuration. `known` are the topics of the behaviour, if they are known.
    pub fn take(
        config: &mut Map<String, Value>,
        known: Option<KnownTopics>,
    ) -> Result<Option<Self>, LayoutError> {
        config.remove(CONFIG_KEY).map(|value| Self::read(&value, known)).transpose()
    }

    /// Reads a layout.
    pub fn read(value: &Value, known: Option<KnownTopics>) -> Result<Self, LayoutError> {
        let members = check_members(value, CONFIG_KEY, &MEMBERS)?;
        let at = |name: &str| format!("{CONFIG_KEY}.{name}");
        let mut named = Vec::new();
        if let Some(topics) = members.get("topics") {
            for (name, text) in object(topics, &at("topics"))? {
                let at = format!("{}.{name}", at("topics"));
                check_name(name, &at, known)?;
                let text = member_text(text, &at)?;
                let wire = Template::parse(text, &at)?;
                if name == LINK && !(wire.has(Placeholder::Device) && wire.has(Placeholder::To)) {
                    let problem = format!(
                        "`{text}`: the topic of a link needs `{{device}}` and `{{to}}`, its two ends"
                    );
                    return Err(LayoutError::at(at, problem));
                }
                if name != LINK && wire.has(Placeholder::To) {
                    return Err(LayoutError::at(at, format!("`{text}`: only the topic `link` has `{{to}}`")));
                }
                named.push(NamedTopic {
                    own: own(name, &at)?,
                    name: name.clone(),
                    wire: Some(wire),
                    payload: None,
                });
            }
        }
        if let Some(payloads) = members.get("payloads") {
            for (name, value) in object(payloads, &at("payloads"))? {
                let at = format!("{}.{name}", at("payloads"));
                check_name(name, &at, known)?;
                let fields = known.and_then(|known| known.iter().find(|(known, _)| known == name));
                let payload = Payload::read(value, &at, false, fields.map(|(_, fields)| *fields))?;
                match named.iter_mut().find(|topic| topic.name == *name) {
                    Some(topic) => topic.payload = Some(payload),
                    None => named.push(NamedTopic {
                        own: own(name, &at)?,
                        name: name.clone(),
                        wire: None,
                        payload: Some(payload),
                    }),
                }
            }
        }
        let topic = match members.get("topic") {
            None => None,
            Some(text) => {
                let text = member_text(text, &at("topic"))?;
                let template = Template::parse(text, &at("topic"))?;
                if !template.has(Placeholder::Name) {
                    let problem = format!(
                        "`{text}`: it stands for several topics, so it needs `{{name}}`, such as `telemetry`"
                    );
                    return Err(LayoutError::at(at("topic"), problem));
                }
                Some(template)
            }
        };
        let payload = members.get("payload");
        let payload = payload.map(|value| Payload::read(value, &at("payload"), true, None)).transpose()?;
        Ok(Self { named, topic, payload })
    }

    /// Whether the payloads of a behaviour are written anew.
    pub fn has_payloads(&self) -> bool {
        self.payload.is_some() || self.named.iter().any(|topic| topic.payload.is_some())
    }

    /// The message on the wire for a message of the behaviour.
    pub fn outbound(
        &self,
        mut message: Message,
        identity: &Identity,
        wall: WallTime,
        limit: usize,
    ) -> Result<Message, LayoutRefusal> {
        let found = self.find(message.topic.as_str(), identity);
        let own_topic = message.topic.clone();
        if let Some((topic, values)) = &found
            && let Some(wire) = self.wire(*topic)
        {
            // The device publishes the message, so client identifier, group and index are its own.
            let values = Values {
                client_id: Some(identity.client_id().to_owned()),
                group: Some(identity.group.to_string()),
                index: Some(identity.index.to_string()),
                ..values.clone()
            };
            let text = wire.expand(&identity.topic_root, &values);
            message.topic = Topic::new(text).map_err(|invalid| LayoutRefusal::Topic(invalid.to_string()))?;
        }
        let payload = match found.map(|(topic, _)| topic) {
            Some(TopicOf::Named(at)) => {
                self.named[at].payload.as_ref().or_else(|| self.default_for(&message))
            }
            Some(TopicOf::Other) | None => self.default_for(&message),
        };
        if let Some(payload) = payload {
            let around = Surroundings {
                device: identity.id.as_str(),
                group: &identity.group,
                index: identity.index,
                topic: own_topic.as_str(),
                wall: wall.as_nanos(),
                limit,
            };
            let encoded = payload.encode(&message.payload, &around).ok_or(LayoutRefusal::TooLarge)?;
            message.payload = encoded.into();
        }
        Ok(message)
    }

    /// The layout of all other payloads, if this one is a JSON object. Others, such as `online`, stay as they are.
    fn default_for(&self, message: &Message) -> Option<&Payload> {
        let first = message.payload.iter().find(|byte| !byte.is_ascii_whitespace());
        self.payload.as_ref().filter(|_| first == Some(&b'{'))
    }

    /// The filter on the wire for a filter of the behaviour, and the route back; `None` if the layout does not change its
    /// messages.
    pub fn filter(&self, filter: &TopicFilter, identity: &Identity) -> Option<(TopicFilter, Route)> {
        let (topic, values) = self.find(filter.as_str(), identity)?;
        let wire = match self.wire(topic) {
            None => filter.clone(),
            Some(wire) => {
                let is_own = values.device.as_deref() == Some(identity.id.as_str());
                let known = |text: String| Some(text).filter(|_| is_own);
                let all = Values {
                    client_id: known(identity.client_id().to_owned()),
                    group: known(identity.group.to_string()),
                    index: known(identity.index.to_string()),
                    ..values.clone()
                };
                TopicFilter::new(wire.expand(&identity.topic_root, &all)).ok()?
            }
        };
        Some((wire, Route { topic, asked: values }))
    }

    /// Whether two filters are the same on the wire although the behaviour tells their messages apart.
    pub fn collide(&self, one: &Route, other: &Route) -> bool {
        one.topic != other.topic || one.asked.name != other.asked.name
    }

    /// Name of a route's topic, for errors.
    pub fn name_of<'a>(&'a self, route: &'a Route) -> &'a str {
        match route.topic {
            TopicOf::Named(at) => &self.named[at].name,
            TopicOf::Other => route.asked.name.as_deref().unwrap_or("topic"),
        }
    }

    /// The message of the behaviour for a received one. Of several routes that match, the most specific one counts.
    pub fn inbound<'r>(
        &self,
        mut message: Message,
        identity: &Identity,
        routes: impl Iterator<Item = &'r Route>,
    ) -> Message {
        let root = &identity.topic_root;
        let matching = routes.filter_map(|route| {
            let mut known = route.asked.clone();
            // A wildcard stands for any device.
            known.device.take_if(|device| *device == "+");
            let template = match (self.wire(route.topic), route.topic) {
                (Some(wire), _) => wire,
                (None, TopicOf::Named(at)) => &self.named[at].own,
                // `find` returns other topics only if they have a template.
                (None, TopicOf::Other) => return None,
            };
            let values = template.matches(root, message.topic.as_str(), &known)?;
            Some((template.literal_length(), route.topic, values))
        });
        let found = matching.reduce(|best, next| if next.0 > best.0 { next } else { best });
        let Some((_, topic, mut values)) = found else { return self.inbound_payload(message, None).0 };
        let named = match topic {
            TopicOf::Named(at) => Some(&self.named[at]),
            TopicOf::Other => None,
        };
        let device;
        (message, device) = self.inbound_payload(message, named.and_then(|topic| topic.payload.as_ref()));
        if self.wire(topic).is_some() {
            // If the topic does not name the device, the message may.
            if values.device.is_none() {
                values.device = device
                    .or_else(|| sender(&message))
                    .filter(|device| is_level(device))
                    .or(Some("unknown".into()));
            }
            let name = values.name.clone().unwrap_or_default();
            let own = match named {
                Some(topic) => topic.own.expand(root, &values),
                None => format!("{root}/{}/{name}", values.device.unwrap_or_default()),
            };
            if let Ok(own) = Topic::new(own) {
                message.topic = own;
            }
        }
        message
    }

    /// The message with its payload as the behaviour expects it, and the device that the payload names.
    fn inbound_payload(&self, mut message: Message, payload: Option<&Payload>) -> (Message, Option<String>) {
        let decoded = match payload {
            Some(payload) => payload.decode(&message.payload),
            // The layout of all other payloads writes only objects.
            None => {
                let decoded = self.payload.as_ref().and_then(|payload| payload.decode(&message.payload));
                decoded.filter(|(payload, _)| payload.first() == Some(&b'{'))
            }
        };
        let Some((payload, device)) = decoded else { return (message, None) };
        message.payload = payload.into();
        (message, device)
    }

    fn wire(&self, topic: TopicOf) -> Option<&Template> {
        match topic {
            TopicOf::Named(at) => match &self.named[at].wire {
                None if self.named[at].name != LINK => self.topic.as_ref(),
                wire => wire.as_ref(),
            },
            TopicOf::Other => self.topic.as_ref(),
        }
    }

    /// The topic of the layout for a topic or filter of the behaviour, with the values in it.
    fn find(&self, topic: &str, identity: &Identity) -> Option<(TopicOf, Values)> {
        let root = &identity.topic_root;
        for (at, named) in self.named.iter().enumerate() {
            let known = Values { name: Some(named.name.clone()), ..Values::default() };
            if let Some(values) = named.own.matches(root, topic, &known) {
                return Some((TopicOf::Named(at), values));
            }
        }
        self.topic.as_ref()?;
        let below = topic.strip_prefix(&**root)?.strip_prefix('/')?;
        let own = below.strip_prefix(identity.id.as_str()).and_then(|rest| rest.strip_prefix('/'));
        let (device, name) = match own {
            Some(name) => (identity.id.as_str(), name),
            None => below.split_once('/').filter(|(device, _)| *device != LINK)?,
        };
        if name.contains(['+', '#']) {
            return None;
        }
        let values = Values { device: Some(device.into()), name: Some(name.into()), ..Values::default() };
        Some((TopicOf::Other, values))
    }
}

/// The device that a report names.
fn sender(message: &Message) -> Option<String> {
    let report = value::parse(str::from_utf8(&message.payload).ok()?)?;
    match report.get("device") {
        Some(value::Value::Text(device)) => Some(device.clone()),
        _ => None,
    }
}

/// Whether a text can be a level of a topic.
fn is_level(text: &str) -> bool {
    !text.is_empty() && !text.contains(['/', '+', '#', '\0'])
}

/// Topic of a behaviour by its name: the levels after the device, or a whole topic with placeholders.
fn own(name: &str, at: &str) -> Result<Template, LayoutError> {
    let text = match name {
        LINK => "{root}/link/{device}/{to}".to_owned(),
        _ if name.contains('{') => name.to_owned(),
        _ => format!("{{root}}/{{device}}/{name}"),
    };
    Template::parse(&text, at)
}

fn check_name(name: &str, at: &str, known: Option<KnownTopics>) -> Result<(), LayoutError> {
    let Some(known) = known else { return Ok(()) };
    let names = known.iter().map(|(name, _)| *name);
    if names.clone().any(|known| known == name) {
        return Ok(());
    }
    let hint = nearest::known_words(name, names);
    Err(LayoutError::at(at, format!("the behaviour has no topic `{name}`{hint}")))
}

/// The members of an object, whose names must be known.
fn check_members<'v>(
    value: &'v Value,
    at: &str,
    known: &[&str],
) -> Result<&'v Map<String, Value>, LayoutError> {
    let members = object(value, at)?;
    match members.keys().find(|name| !known.contains(&name.as_str())) {
        None => Ok(members),
        Some(name) => {
            let hint = nearest::known_words(name, known.iter().copied());
            Err(LayoutError::at(format!("{at}.{name}"), format!("there is no such field{hint}")))
        }
    }
}

fn object<'v>(value: &'v Value, at: &str) -> Result<&'v Map<String, Value>, LayoutError> {
    value.as_object().ok_or_else(|| wrong_type(at, "an object", value))
}

fn member_text<'v>(value: &'v Value, at: &str) -> Result<&'v str, LayoutError> {
    value.as_str().ok_or_else(|| wrong_type(at, "a text", value))
}

fn wrong_type(at: &str, expected: &str, found: &Value) -> LayoutError {
    const MAX_FOUND_CHARS: usize = 100;
    let found: String = found.to_string().chars().take(MAX_FOUND_CHARS).collect();
    LayoutError::at(at, format!("expected {expected}, found {found}"))
}

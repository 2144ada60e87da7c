//! MQTT 5.

mod properties;

use std::sync::Arc;
use std::time::Duration;

use rumqttc::{
    AsyncClient, Broker, ClientError, ConnectionError, Event, EventLoop, LastWill, MqttOptions, Outgoing,
    Packet, PublishNoticeError, PublishOptions, PublishResult, StateError, SubscribeNoticeError,
    TlsConfiguration, Transport,
};
use wasmote_mqtt::device_id::DeviceId;
use wasmote_mqtt::message::{Message, Qos, Will};
use wasmote_mqtt::topic::{Topic, TopicFilter};

use super::outlet::Handle;
use super::under_way::{Fate, Outcome};
use super::{
    BATCH, CONNECT_TIMEOUT, INFLIGHT, Incident, Loss, MAX_PACKET_SIZE, Recipe, Unsent, from_library,
    log_refused_subscription, to_library,
};
use crate::{origin, reason_text};

pub(crate) struct Session {
    recipe: Recipe,
    client: AsyncClient,
    events: EventLoop,
    /// Whether the broker may have a session that this one's state belongs to.
    resumable: bool,
    /// Largest packet that the broker takes.
    largest: u32,
}

impl super::Session for Session {
    fn new(recipe: Recipe) -> Self {
        let options = options(&recipe, None, true);
        let (client, mut events) = AsyncClient::builder(options).capacity(recipe.capacity()).build();
        // It has room for 128 events from the start, and hardly ever holds ten.
        events.state.events.shrink_to_fit();
        Self { recipe, client, events, resumable: false, largest: u32::MAX }
    }

    fn prepare(&mut self, will: Option<&Will>) {
        let clean = !self.resumable || self.recipe.network.options.session_expiry.is_zero();
        self.events.options = options(&self.recipe, will, clean);
    }

    async fn poll(&mut self) -> Result<Incident, Loss> {
        match self.events.poll().await {
            Ok(Event::Incoming(Packet::Publish(publish))) => Ok(self.delivered(publish)),
            Ok(Event::Incoming(Packet::ConnAck(answer))) => {
                self.resumable = true;
                let allowed = answer.properties.and_then(|properties| properties.max_packet_size);
                self.largest = allowed.unwrap_or(u32::MAX);
                Ok(Incident::Connected { session_present: answer.session_present })
            }
            Ok(Event::Outgoing(Outgoing::Subscribe(_))) => Ok(Incident::Asked),
            Ok(Event::Outgoing(Outgoing::Disconnect)) => Ok(Incident::Left),
            Ok(_) => Ok(Incident::Other),
            Err(error) => {
                Err(Loss { reason: reason(&error, &self.recipe.network.address()), usable: usable(&error) })
            }
        }
    }

    fn cut(&mut self) {
        self.events.clean();
    }

    fn outlet(&self) -> super::Outlet {
        let (client, largest) = (self.client.clone(), self.largest);
        super::Outlet::new(Handle::V5(Outlet { client, largest }))
    }
}

impl Session {
    fn delivered(&self, publish: rumqttc::Publish) -> Incident {
        let topic = String::from_utf8(publish.topic.into()).ok().and_then(|name| Topic::new(name).ok());
        let Some(topic) = topic else {
            tracing::warn!(device = %self.recipe.device, "a message with an invalid topic arrived");
            return Incident::Other;
        };
        let mut message = Message::new(topic, publish.payload)
            .with_qos(from_library(publish.qos))
            .with_retain(publish.retain);
        if let Some(properties) = publish.properties {
            properties::take(properties, &mut message);
        }
        if message.origin.is_none() {
            message.origin = origin::from_payload(&message.payload, self.recipe.network.clock.now().wall);
        }
        Incident::Delivered(message)
    }
}

fn options(recipe: &Recipe, will: Option<&Will>, clean: bool) -> MqttOptions {
    let network = &recipe.network;
    let broker = Broker::tcp(network.broker.host.clone(), network.broker.port);
    let mut options = MqttOptions::new(recipe.device.as_str(), broker);
    options.set_keep_alive(recipe.keepalive_seconds());
    options.set_clean_start(clean);
    let expiry = u32::try_from(network.options.session_expiry.as_secs()).unwrap_or(u32::MAX);
    options.set_session_expiry_interval((expiry > 0).then_some(expiry));
    options.set_max_packet_size(Some(MAX_PACKET_SIZE));
    options.set_connect_timeout(CONNECT_TIMEOUT);
    options.set_outgoing_inflight_upper_limit(INFLIGHT);
    options.set_max_request_batch(BATCH);
    match (&network.options.username, &network.options.password) {
        (Some(username), password) => {
            options.set_credentials(username, password.clone().unwrap_or_default());
        }
        (None, Some(password)) => {
            options.set_password(password.clone());
        }
        (None, None) => {}
    }
    if let Some(config) = network.tls() {
        options.set_transport(Transport::tls_with_config(TlsConfiguration::Rustls(config)));
    }
    if let Some(will) = will {
        options.set_last_will(last_will(will));
    }
    // The library would join host and port into one text, which no IPv6 address survives.
    let (line, network, number) = (recipe.line.clone(), Arc::clone(network), recipe.number);
    options.set_socket_connector(move |_, _| {
        let (line, network) = (line.clone(), Arc::clone(&network));
        async move { Ok(line.attach(network.connect(number).await?)) }
    });
    options
}

fn last_will(will: &Will) -> LastWill {
    let message = &will.message;
    LastWill::new(
        message.topic.as_str(),
        message.payload.clone(),
        to_library(message.qos),
        message.retain,
        properties::of_will(will),
    )
}

fn reason(error: &ConnectionError, address: &str) -> String {
    match error {
        ConnectionError::ConnectionRefused(code) => reason_text::connection_refused(code),
        ConnectionError::Timeout(_) => reason_text::connect_timed_out(address),
        ConnectionError::Io(error) => reason_text::io_error(address, error),
        ConnectionError::Tls(error) => reason_text::tls_error(address, error),
        ConnectionError::MqttState(StateError::ConnectionAborted) => reason_text::CONNECTION_CLOSED.into(),
        ConnectionError::MqttState(StateError::AwaitPingResp) => reason_text::KEEPALIVE_TIMED_OUT.into(),
        ConnectionError::MqttState(StateError::Deserialization(rumqttc::Error::Io(error))) => {
            reason_text::io_error(address, error)
        }
        ConnectionError::MqttState(StateError::ServerDisconnect { reason_code, reason_string }) => {
            reason_text::server_disconnected(reason_code, reason_string.as_deref())
        }
        other => other.to_string(),
    }
}

/// After an error of the protocol the library's state is not to be trusted: some would come back for ever.
fn usable(error: &ConnectionError) -> bool {
    use ConnectionError as Error;
    use StateError as State;
    matches!(
        error,
        Error::Timeout(_)
            | Error::Io(_)
            | Error::Tls(_)
            | Error::ConnectionRefused(_)
            | Error::MqttState(
                State::ConnectionAborted
                    | State::AwaitPingResp
                    | State::Io(_)
                    | State::ServerDisconnect { .. }
                    | State::Deserialization(rumqttc::Error::Io(_))
            )
    )
}

fn unsent(error: &ClientError) -> Unsent {
    match error {
        ClientError::RequestChannelDisconnected(_) => Unsent::Gone,
        _ => Unsent::Refused,
    }
}

fn fate(told: &Result<PublishResult, PublishNoticeError>) -> Fate {
    match told {
        Ok(_) => Fate::Taken,
        Err(PublishNoticeError::RetainNotSupported) => Fate::Refused,
        Err(_) => Fate::Lost,
    }
}

#[derive(Debug)]
pub(crate) struct Outlet {
    client: AsyncClient,
    largest: u32,
}

impl Outlet {
    pub(super) fn publish(&self, message: &Message) -> Result<Outcome, Unsent> {
        let properties = properties::of(message);
        if properties::packet_size(message, &properties) > self.largest as usize {
            tracing::warn!(topic = %message.topic, largest = self.largest, "the broker takes no message so large");
            return Err(Unsent::Refused);
        }
        let mut options = PublishOptions::new(to_library(message.qos)).retain(message.retain);
        options = options.properties(properties);
        let sent = self.client.try_publish_tracked(message.topic.as_str(), message.payload.clone(), options);
        let notice = sent.map_err(|error| unsent(&error))?;
        Ok(Box::pin(async { fate(&notice.wait_async().await) }))
    }

    pub(super) fn subscribe(&self, device: &DeviceId, filter: &TopicFilter, qos: Qos) -> Result<(), Unsent> {
        let asked = self.client.try_subscribe_tracked(filter.as_str(), to_library(qos));
        let answer = asked.map_err(|error| unsent(&error))?;
        let (device, filter) = (device.clone(), filter.clone());
        tokio::spawn(async move {
            let answer = answer.wait_completion_async().await;
            if let Err(SubscribeNoticeError::V5SubAckFailure(codes)) = answer {
                let why: Vec<_> = codes.iter().map(reason_text::humanize).collect();
                log_refused_subscription(&device, &filter, &why.join(", "));
            }
        });
        Ok(())
    }

    pub(super) fn unsubscribe(&self, filter: &TopicFilter) -> Result<(), Unsent> {
        self.client.try_unsubscribe(filter.as_str()).map_err(|error| unsent(&error))
    }

    pub(super) fn leave(&self, within: Duration) {
        if self.client.try_disconnect_with_timeout(within).is_err() {
            let _ = self.client.try_disconnect_now();
        }
    }
}

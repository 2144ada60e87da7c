//! MQTT 3.1.1. It has no properties: a message's stamp is what its behaviour wrote into the payload.

use std::sync::Arc;
use std::time::Duration;

use rumqttc_v4::{
    AsyncClient, Broker, ClientError, ConnectionError, Event, EventLoop, LastWill, MqttOptions,
    NetworkOptions, Outgoing, Packet, PublishNoticeError, PublishOptions, PublishResult, StateError,
    SubscribeNoticeError, TlsConfiguration, Transport,
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
}

impl super::Session for Session {
    fn new(recipe: Recipe) -> Self {
        let options = options(&recipe, None);
        let (client, mut events) = AsyncClient::builder(options).capacity(recipe.capacity()).build();
        events.set_network_options(network_options());
        // It has room for 128 events from the start, and hardly ever holds ten.
        events.state.events.shrink_to_fit();
        Self { recipe, client, events }
    }

    fn prepare(&mut self, will: Option<&Will>) {
        self.events.mqtt_options = options(&self.recipe, will);
    }

    async fn poll(&mut self) -> Result<Incident, Loss> {
        match self.events.poll().await {
            Ok(Event::Incoming(Packet::Publish(publish))) => Ok(self.delivered(publish)),
            Ok(Event::Incoming(Packet::ConnAck(answer))) => {
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
        super::Outlet::new(Handle::V4(Outlet { client: self.client.clone() }))
    }
}

impl Session {
    fn delivered(&self, publish: rumqttc_v4::Publish) -> Incident {
        let topic = String::from_utf8(publish.topic.into()).ok().and_then(|name| Topic::new(name).ok());
        let Some(topic) = topic else {
            tracing::warn!(device = %self.recipe.device, "a message with an invalid topic arrived");
            return Incident::Other;
        };
        let mut message = Message::new(topic, publish.payload)
            .with_qos(from_library(publish.qos))
            .with_retain(publish.retain);
        message.origin = origin::from_payload(&message.payload, self.recipe.network.clock.now().wall);
        Incident::Delivered(message)
    }
}

fn options(recipe: &Recipe, will: Option<&Will>) -> MqttOptions {
    let network = &recipe.network;
    let broker = Broker::tcp(network.broker.host.clone(), network.broker.port);
    let mut options = MqttOptions::new(recipe.device.as_str(), broker);
    options.set_keep_alive(recipe.keepalive_seconds());
    options.set_clean_session(network.options.session_expiry.is_zero());
    options.set_max_packet_size(MAX_PACKET_SIZE as usize, MAX_PACKET_SIZE as usize);
    options.set_inflight(INFLIGHT);
    options.set_max_request_batch(BATCH);
    // 3.1.1 allows no password without a user name [MQTT-3.1.2-22].
    if let Some(username) = &network.options.username {
        options.set_credentials(username, network.options.password.clone().unwrap_or_default());
    }
    if let Some(config) = network.tls() {
        options.set_transport(Transport::tls_with_config(TlsConfiguration::Rustls(config)));
    }
    if let Some(Will { message, .. }) = will {
        let qos = to_library(message.qos);
        let will = LastWill::new(message.topic.as_str(), message.payload.clone(), qos, message.retain);
        options.set_last_will(will);
    }
    // The library would join host and port into one text, which no IPv6 address survives.
    let (line, network, number) = (recipe.line.clone(), Arc::clone(network), recipe.number);
    options.set_socket_connector(move |_, _| {
        let (line, network) = (line.clone(), Arc::clone(&network));
        async move { Ok(line.attach(network.connect(number).await?)) }
    });
    options
}

fn network_options() -> NetworkOptions {
    let mut options = NetworkOptions::new();
    options.set_connection_timeout(CONNECT_TIMEOUT.as_secs());
    options
}

fn reason(error: &ConnectionError, address: &str) -> String {
    match error {
        ConnectionError::ConnectionRefused(code) => reason_text::connection_refused(code),
        ConnectionError::NetworkTimeout => reason_text::connect_timed_out(address),
        ConnectionError::Io(error) => reason_text::io_error(address, error),
        ConnectionError::Tls(error) => reason_text::tls_error(address, error),
        ConnectionError::MqttState(StateError::ConnectionAborted) => reason_text::CONNECTION_CLOSED.into(),
        ConnectionError::MqttState(StateError::AwaitPingResp) => reason_text::KEEPALIVE_TIMED_OUT.into(),
        ConnectionError::MqttState(StateError::Deserialization(rumqttc_v4::Error::Io(error))) => {
            reason_text::io_error(address, error)
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
        Error::NetworkTimeout
            | Error::FlushTimeout
            | Error::Io(_)
            | Error::Tls(_)
            | Error::ConnectionRefused(_)
            | Error::MqttState(
                State::ConnectionAborted
                    | State::AwaitPingResp
                    | State::Io(_)
                    | State::Deserialization(rumqttc_v4::Error::Io(_))
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
        Err(_) => Fate::Lost,
    }
}

#[derive(Debug)]
pub(crate) struct Outlet {
    client: AsyncClient,
}

impl Outlet {
    pub(super) fn publish(&self, message: &Message) -> Result<Outcome, Unsent> {
        let options = PublishOptions::new(to_library(message.qos)).retain(message.retain);
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
            if let Err(SubscribeNoticeError::V4SubAckFailure(_)) = answer {
                log_refused_subscription(&device, &filter, "not allowed, or the filter is not supported");
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

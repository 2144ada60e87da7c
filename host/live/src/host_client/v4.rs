//! The library for MQTT 3.1.1.

use rumqttc_v4::{
    AsyncClient, Broker, ClientError, ConnectionError, Event, MqttOptions, NetworkOptions, Outgoing, Packet,
    PublishOptions, QoS, StateError, TlsConfiguration, TlsError, Transport,
};
use wasmote_mqtt::message::Qos;

use super::dialer::HostDialer;
use super::stream;
use super::{
    CONNECT_TIMEOUT, Cause, ConnectionLost, Delivery, EventLoop, HostConnection, HostMessage,
    MAX_PACKET_SIZE, Notice, Progress, PublishError, QUEUE, keep_alive,
};
use crate::reason_text;
use crate::tls::TlsClient;
use crate::tls::sessions::DeviceSessions;

pub(super) struct Events {
    events: rumqttc_v4::EventLoop,
    dialer: HostDialer,
}

pub(super) fn open(
    connection: HostConnection,
    tls: Option<TlsClient>,
    dialer: HostDialer,
) -> (AsyncClient, Events) {
    let mut network = NetworkOptions::new();
    network.set_connection_timeout(CONNECT_TIMEOUT.as_secs());
    let (client, mut events) =
        AsyncClient::builder(options(connection, tls, dialer.clone())).capacity(QUEUE).build();
    events.set_network_options(network);
    (client, Events { events, dialer })
}

fn options(connection: HostConnection, tls: Option<TlsClient>, dialer: HostDialer) -> MqttOptions {
    let HostConnection { broker, options, client_id, .. } = connection;
    // The library takes the server name of TLS from the host, which the connector below does not use.
    let host = tls.as_ref().map_or(broker.host, TlsClient::server_name);
    let mut out = MqttOptions::new(client_id, Broker::tcp(host, broker.port));
    out.set_keep_alive(keep_alive(&options));
    out.set_clean_session(true);
    out.set_max_packet_size(MAX_PACKET_SIZE as usize, MAX_PACKET_SIZE as usize);
    match (&options.username, &options.password) {
        (Some(username), Some(password)) => {
            out.set_credentials(username, password.to_string());
        }
        (Some(username), None) => {
            out.set_username(username);
        }
        // 3.1.1 allows no password without a user name [MQTT-3.1.2-22], which the configuration checks.
        (None, _) => {}
    }
    if let Some(tls) = tls {
        out.set_transport(Transport::tls_with_config(TlsConfiguration::Rustls(
            tls.config_for(&mut DeviceSessions::default()),
        )));
    }
    // The library would join host and port with a colon, which is ambiguous for IPv6 addresses.
    out.set_socket_connector(move |_, _| {
        let dialer = dialer.clone();
        async move { stream::connect(dialer).await }
    });
    out
}

impl EventLoop for Events {
    async fn poll(&mut self) -> Result<Progress, ConnectionLost> {
        match self.events.poll().await {
            Ok(Event::Incoming(Packet::ConnAck(_))) => {
                self.dialer.accepted();
                Ok(Progress::Connected(None))
            }
            Ok(Event::Outgoing(Outgoing::Disconnect)) => Ok(Progress::Disconnected),
            Ok(_) => Ok(Progress::Other),
            Err(error) => Err(cause(&error).lost(&self.dialer)),
        }
    }
}

/// What the library says about the end of a connection.
fn cause(error: &ConnectionError) -> Cause<'_> {
    match error {
        ConnectionError::ConnectionRefused(code) => Cause::Refused(reason_text::connection_refused(code)),
        ConnectionError::NetworkTimeout => Cause::TimedOut,
        ConnectionError::MqttState(StateError::ConnectionAborted) => Cause::Closed,
        ConnectionError::MqttState(StateError::AwaitPingResp) => Cause::NoPong,
        ConnectionError::Tls(TlsError::Io(error)) => Cause::Tls(error),
        // The library does not name the error inside as its source.
        ConnectionError::MqttState(StateError::Deserialization(error)) => Cause::Malformed(error),
        other => Cause::Other(other),
    }
}

pub(super) fn publish(client: &AsyncClient, message: &HostMessage) -> Result<Notice, PublishError> {
    let qos = match message.qos {
        Qos::AtMostOnce => QoS::AtMostOnce,
        Qos::AtLeastOnce => QoS::AtLeastOnce,
        Qos::ExactlyOnce => QoS::ExactlyOnce,
    };
    let options = PublishOptions::new(qos).retain(message.retain);
    match client.try_publish_tracked(message.topic.as_str(), message.payload.clone(), options) {
        Ok(notice) => Ok(Box::pin(async {
            match notice.wait_async().await {
                Ok(_) => Delivery::Done,
                Err(_) => Delivery::Lost,
            }
        })),
        Err(ClientError::RequestChannelFull(_)) => Err(PublishError::QueueFull),
        Err(_) => Err(PublishError::Rejected),
    }
}

//! MQTT connections of the host itself: they publish messages of the host and check that a broker responds.
//!
//! Devices use [another client](wasmote_mqtt::client), which also runs in virtual time and supports faults.
//! The host needs neither, so its connections use a library, `rumqttc`. It checks the same broker with an
//! implementation that shares no code with the devices' client.
//!
//! * `v4`, `v5`: the library for MQTT 3.1.1 and for MQTT 5, one crate for each. `dialer`: its TCP connections.
//!   `stream`: its byte streams, also in a WebSocket.
//!
//! # Use of the library
//!
//! * One task polls a connection and does nothing else. A poll is never cancelled, since the library does not
//!   promise cancel safety. The task publishes nothing, since it would wait for capacity in a queue that only
//!   it empties.
//! * Publishing never waits: a message goes into the library's queue, or is refused if that is full.
//! * Sessions end with their connection, and the library then forgets messages that were not acknowledged.
//!   One task per message waits for the acknowledgement and hands the message to the library again if it was
//!   lost.

mod dialer;
mod stream;
mod v4;
mod v5;

use std::error::Error;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep, timeout, timeout_at};
use wasmote_mqtt::message::Qos;
use wasmote_mqtt::protocol::Protocol;
use wasmote_mqtt::topic::Topic;

use crate::broker_state::RetainedTopics;
use crate::config::{BrokerUrl, ConnectionOptions};
use crate::reason_text;
use crate::tls::{TlsClient, TlsError};
use dialer::HostDialer;

/// Longest time of one connection attempt: host name, TCP connection to one of the broker's addresses, TLS
/// handshake and CONNACK.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);
/// First pause before the next connection attempt, and pause before a message is handed to the library again.
const RETRY: Duration = Duration::from_millis(500);
/// Longest pause before the next connection attempt; the pause doubles until a connection has stood for as long.
const MAX_RETRY: Duration = Duration::from_secs(30);
/// Longest time to send DISCONNECT.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// Capacity of the library's queue, in messages.
const QUEUE: usize = 1_000;
/// Maximum size of a received packet, in bytes.
const MAX_PACKET_SIZE: u32 = 16 << 20;

/// Parameters of a connection of the host.
#[derive(Clone, Debug)]
pub struct HostConnection {
    /// The broker.
    pub broker: BrokerUrl,
    /// Connection options, as for devices. The session always ends with the connection.
    pub options: ConnectionOptions,
    /// The protocol version.
    pub protocol: Protocol,
    /// The client identifier.
    pub client_id: String,
}

/// A message that the host publishes.
#[derive(Clone, Debug)]
pub struct HostMessage {
    /// Topic of the message.
    pub topic: Topic,
    /// Payload of the message.
    pub payload: Bytes,
    /// QoS level.
    pub qos: Qos,
    /// Whether the broker retains the message.
    pub retain: bool,
}

impl HostMessage {
    /// Message that clears the retained message of a topic [MQTT-3.3.1-6].
    pub(crate) fn clearing(topic: Topic) -> Self {
        Self { topic, payload: Bytes::new(), qos: Qos::AtLeastOnce, retain: true }
    }
}

/// Reason that a message cannot be published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// The queue of the library is full.
    #[error("the host's queue of {QUEUE} messages to the broker is full")]
    QueueFull,
    /// The message exceeds the broker's maximum packet size [MQTT-3.1.2-24].
    #[error("the message exceeds the broker's maximum packet size")]
    TooLarge,
    /// The topic or the QoS level is invalid, or the connection has ended.
    #[error("the topic or QoS is invalid, or the host's connection has ended")]
    Rejected,
}

/// Answer of a broker to a connection attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BrokerAnswer {
    /// The broker accepted the connection.
    Accepted,
    /// The broker refused the connection, or closed it without an answer; with a readable reason.
    Refused(String),
}

/// State of the connection.
#[derive(Clone, Debug)]
enum Link {
    /// Not connected, with the reason if it is known.
    Down(Option<String>),
    /// Connected, with the broker's maximum packet size.
    Up(Option<u32>),
}

/// Client of the library, for one protocol version.
#[derive(Clone, Debug)]
enum Library {
    V4(rumqttc_v4::AsyncClient),
    V5(rumqttc::AsyncClient),
}

/// Outcome of a published message.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Delivery {
    /// Written at QoS 0, acknowledged at QoS 1 and 2.
    Done,
    /// Lost with its connection.
    Lost,
    /// Refused by the broker, and why.
    Refused(String),
}

type Notice = Pin<Box<dyn Future<Output = Delivery> + Send>>;

/// Progress of a connection that is polled.
enum Progress {
    /// CONNACK has arrived, with the broker's maximum packet size.
    Connected(Option<u32>),
    /// DISCONNECT is sent.
    Disconnected,
    Other,
}

/// Failure of a connection or of an attempt to connect.
struct ConnectionLost {
    /// Readable reason.
    reason: String,
    /// True if the broker was reached and ended the connection.
    by_broker: bool,
}

/// What the library says about the end of a connection, for both protocol versions.
enum Cause<'a> {
    /// The broker refused CONNECT, with this text.
    Refused(String),
    /// The broker sent DISCONNECT, with this text.
    Disconnected(String),
    /// The connection attempt took too long.
    TimedOut,
    /// The broker closed the connection.
    Closed,
    /// The broker did not answer a ping.
    NoPong,
    /// An I/O error of TLS.
    Tls(&'a io::Error),
    /// The broker sent bytes that are not MQTT, or TCP failed.
    Malformed(&'a (dyn Error + 'static)),
    Other(&'a (dyn Error + 'static)),
}

impl Cause<'_> {
    fn lost(self, dialer: &HostDialer) -> ConnectionLost {
        let is_closed = matches!(self, Self::Closed);
        let by_broker = is_closed || matches!(self, Self::Refused(_) | Self::Disconnected(_));
        if !by_broker || is_closed {
            let known = if matches!(self, Self::Tls(_)) { None } else { dialer.reason(is_closed) };
            if let Some(reason) = known {
                return ConnectionLost { reason, by_broker };
            }
        }
        let address = dialer.address();
        let reason = match self {
            Self::Refused(text) | Self::Disconnected(text) => reason_text::at(&address, text),
            Self::TimedOut => dialer.no_answer(CONNECT_TIMEOUT),
            Self::Closed => reason_text::closed(&address),
            Self::NoPong => reason_text::no_pong(&address),
            Self::Tls(error) => reason_text::tls_io(&address, error),
            Self::Malformed(error) => match reason_text::inner(&address, error) {
                Some(text) => text,
                None => reason_text::violated(&address, error),
            },
            Self::Other(error) => reason_text::library(&address, error),
        };
        ConnectionLost { reason, by_broker }
    }
}

/// The library's event loop, for one protocol version.
trait EventLoop: Send + 'static {
    /// Connects if the connection is down; otherwise reads and writes until the next event.
    fn poll(&mut self) -> impl Future<Output = Result<Progress, ConnectionLost>> + Send;
}

/// Connection of the host. It reconnects after every loss and ends when it is dropped.
#[derive(Debug)]
pub struct HostClient {
    library: Library,
    link: watch::Receiver<Link>,
    polling: JoinHandle<()>,
    deliveries: JoinSet<()>,
    dialer: HostDialer,
    /// Retained messages to be cleared at the end.
    retained: RetainedTopics,
}

impl HostClient {
    /// Starts to connect. Call it within a Tokio runtime.
    pub fn start(connection: HostConnection) -> Result<Self, TlsError> {
        let (tls, dialer) = dialer_of(&connection)?;
        let (link_sender, link) = watch::channel(Link::Down(None));
        let retained = RetainedTopics::new(connection.options.clean_up.clone());
        let (library, polling) = match connection.protocol {
            Protocol::V4 => {
                let (client, events) = v4::open(connection, tls, dialer.clone());
                (Library::V4(client), tokio::spawn(poll(events, link_sender)))
            }
            Protocol::V5 => {
                let (client, events) = v5::open(connection, tls, dialer.clone());
                (Library::V5(client), tokio::spawn(poll(events, link_sender)))
            }
        };
        Ok(Self { library, link, polling, deliveries: JoinSet::new(), dialer, retained })
    }

    /// Waits for the connection. The error is a readable reason.
    pub async fn connected(&self, within: Duration) -> Result<(), String> {
        let mut link = self.link.clone();
        let connected = timeout(within, link.wait_for(|link| matches!(link, Link::Up(_)))).await;
        if matches!(connected, Ok(Ok(_))) {
            return Ok(());
        }
        match &*self.link.borrow() {
            Link::Down(Some(reason)) => Err(reason.clone()),
            _ => Err(self.dialer.no_answer(within)),
        }
    }

    /// Waits for the outcome of the first connection attempt. The error is a readable reason.
    pub(crate) async fn first_attempt(&self, within: Duration) -> Result<(), String> {
        let mut link = self.link.clone();
        // The state of the link tells below whether there was an outcome in time.
        let _ = timeout(within, link.wait_for(|link| !matches!(link, Link::Down(None)))).await;
        self.connected(Duration::ZERO).await.map_err(|problem| match &*link.borrow() {
            Link::Down(None) => self.dialer.no_answer(within),
            _ => problem,
        })
    }

    /// Publishes a message. Messages wait for the first connection, and at QoS 1 and 2 they survive a
    /// reconnect.
    pub fn publish(&mut self, message: HostMessage) -> Result<(), PublishError> {
        while self.deliveries.try_join_next().is_some() {}
        if let Link::Up(Some(largest)) = *self.link.borrow() {
            const HEADERS: usize = 16;
            let size = HEADERS + message.topic.as_str().len() + message.payload.len();
            if size > largest as usize {
                return Err(PublishError::TooLarge);
            }
        }
        let notice = self.library.publish(&message)?;
        if message.retain {
            self.retained.record(&message.topic, message.payload.is_empty());
        }
        self.deliveries.spawn(deliver(self.library.clone(), message, notice));
        Ok(())
    }

    /// Waits until every message is acknowledged, and disconnects. Gives up after `grace`. Returns the number
    /// of messages that were not acknowledged.
    pub async fn close(mut self, grace: Duration) -> usize {
        let deadline = Instant::now() + grace;
        // If the queue is full, the topic keeps its message: the host's own messages have precedence.
        for topic in self.retained.take().0 {
            let _ = self.publish(HostMessage::clearing(topic));
        }
        let delivered = async { while self.deliveries.join_next().await.is_some() {} };
        let _ = timeout_at(deadline, delivered).await;
        self.library.disconnect();
        let _ = timeout(DISCONNECT_TIMEOUT, &mut self.polling).await;
        self.deliveries.len()
    }
}

impl Drop for HostClient {
    fn drop(&mut self) {
        self.polling.abort();
    }
}

impl Library {
    fn publish(&self, message: &HostMessage) -> Result<Notice, PublishError> {
        match self {
            Self::V4(client) => v4::publish(client, message),
            Self::V5(client) => v5::publish(client, message),
        }
    }

    /// Sends DISCONNECT ahead of queued messages.
    fn disconnect(&self) {
        // A failure means that the connection has ended.
        match self {
            Self::V4(client) => drop(client.try_disconnect_now()),
            Self::V5(client) => drop(client.try_disconnect_now()),
        }
    }
}

/// Connects to a broker once, and disconnects. The error is a readable reason why no broker was reached.
pub async fn check(connection: HostConnection, within: Duration) -> Result<BrokerAnswer, String> {
    let (tls, dialer) = dialer_of(&connection).map_err(|error| error.to_string())?;
    let answered = match connection.protocol {
        Protocol::V4 => {
            let (client, events) = v4::open(connection, tls, dialer.clone());
            timeout(within, first_answer(events, Library::V4(client))).await
        }
        Protocol::V5 => {
            let (client, events) = v5::open(connection, tls, dialer.clone());
            timeout(within, first_answer(events, Library::V5(client))).await
        }
    };
    match answered {
        Ok(Ok(())) => Ok(BrokerAnswer::Accepted),
        Ok(Err(lost)) if lost.by_broker => Ok(BrokerAnswer::Refused(lost.reason)),
        Ok(Err(lost)) => Err(lost.reason),
        Err(_) => Err(dialer.no_answer(within)),
    }
}

async fn first_answer(mut events: impl EventLoop, library: Library) -> Result<(), ConnectionLost> {
    while !matches!(events.poll().await?, Progress::Connected(_)) {}
    library.disconnect();
    let disconnected =
        async { while matches!(events.poll().await, Ok(Progress::Other | Progress::Connected(_))) {} };
    let _ = timeout(DISCONNECT_TIMEOUT, disconnected).await;
    Ok(())
}

/// Polls a connection until DISCONNECT is sent, and reconnects after every loss.
async fn poll(mut events: impl EventLoop, link: watch::Sender<Link>) {
    let (mut pause, mut up_since) = (RETRY, None::<Instant>);
    loop {
        match events.poll().await {
            Ok(Progress::Connected(largest)) => {
                up_since = Some(Instant::now());
                link.send_replace(Link::Up(largest));
            }
            Ok(Progress::Disconnected) => return,
            Ok(Progress::Other) => {}
            Err(lost) => {
                let was_up = matches!(*link.borrow(), Link::Up(_));
                if was_up {
                    tracing::warn!("the host's own MQTT connection was lost: {}", lost.reason);
                }
                link.send_replace(Link::Down(Some(lost.reason)));
                if up_since.take().is_some_and(|since| since.elapsed() >= MAX_RETRY) {
                    pause = RETRY;
                }
                sleep(pause).await;
                pause = (2 * pause).min(MAX_RETRY);
            }
        }
    }
}

/// Waits for the delivery of a message and publishes it again if it was lost at QoS 1 or 2.
async fn deliver(library: Library, message: HostMessage, mut notice: Notice) {
    loop {
        match notice.await {
            Delivery::Lost if message.qos > Qos::AtMostOnce => {}
            Delivery::Lost => {
                tracing::warn!(topic = %message.topic, "a message of the host was lost at QoS 0")
            }
            Delivery::Refused(why) => {
                return tracing::warn!(topic = %message.topic, "the broker refused a message of the host: {why}");
            }
            Delivery::Done => return,
        }
        if message.qos == Qos::AtMostOnce {
            return;
        }
        notice = loop {
            sleep(RETRY).await;
            match library.publish(&message) {
                Ok(notice) => break notice,
                Err(PublishError::QueueFull) => {}
                Err(_) => return,
            }
        };
    }
}

/// TLS of the library, and its dialer, which has TLS below WebSocket.
fn dialer_of(connection: &HostConnection) -> Result<(Option<TlsClient>, HostDialer), TlsError> {
    let HostConnection { broker, options, .. } = connection;
    let tls = TlsClient::for_broker(broker, options)?;
    let (of_library, of_dialer) = if broker.websocket.is_some() { (None, tls) } else { (tls, None) };
    Ok((of_library, HostDialer::new(broker, options, of_dialer)))
}

fn keep_alive(options: &ConnectionOptions) -> u16 {
    // 5 s is the library's minimum.
    u16::try_from(options.keepalive.as_secs()).unwrap_or(u16::MAX).max(5)
}

//! MQTT connections of the host itself: for what it publishes in its own name, and to check that a broker answers.
//!
//! Devices have [a client of their own](wasmote_mqtt::client), which also runs in virtual time and which faults can
//! reach. The host needs none of that, so its connections use a library, `rumqttc`. It is the same broker, seen through
//! an implementation that shares no code with the devices'.
//!
//! * `v4`, `v5`: the library for MQTT 3.1.1 and for MQTT 5. It has one crate for each.
//!
//! # Use of the library
//!
//! * One task polls a connection and does nothing else. A poll is never cancelled, as the library does not promise that
//!   nothing is lost then; and the task publishes nothing, since it would wait for room in a queue that only it empties.
//! * Publishing never waits: a message goes into the library's queue, or is refused if that is full.
//! * A session ends with its connection here, and with it the library forgets messages that were not acknowledged. A
//!   task for each message waits for its acknowledgement, and hands it to the library again.

mod v4;
mod v5;

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep, timeout, timeout_at};
use wasmote_mqtt::message::Qos;
use wasmote_mqtt::protocol::Protocol;
use wasmote_mqtt::topic::Topic;

use crate::config::{BrokerUrl, ConnectionOptions};
use crate::reason_text;
use crate::tls::{TlsClient, TlsError};

/// Longest that one attempt to connect may take, CONNACK included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Pause before the next attempt to connect, and before a message is handed to the library again.
const RETRY: Duration = Duration::from_millis(500);
/// Longest that a DISCONNECT may take.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// Messages that may wait in the library.
const QUEUE: usize = 1_000;
/// Largest packet that is accepted, in bytes.
const MAX_PACKET_SIZE: u32 = 16 << 20;

/// Parameters of a connection of the host.
#[derive(Clone, Debug)]
pub struct HostConnection {
    /// The broker.
    pub broker: BrokerUrl,
    /// As for devices. The session always ends with the connection.
    pub options: ConnectionOptions,
    /// The protocol version.
    pub protocol: Protocol,
    /// The client identifier.
    pub client_id: String,
}

/// A message that the host publishes.
#[derive(Clone, Debug)]
pub struct HostMessage {
    /// Where to.
    pub topic: Topic,
    /// The content.
    pub payload: Bytes,
    /// At which level.
    pub qos: Qos,
    /// Whether the broker keeps it.
    pub retain: bool,
}

/// A message cannot be published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// As many messages wait for the broker as may.
    #[error("{QUEUE} messages of the host already wait for the broker")]
    QueueFull,
    /// It is larger than the broker allows [MQTT-3.1.2-24].
    #[error("the broker takes no message so large")]
    TooLarge,
    /// The topic or the level is not possible, or the connection has ended.
    #[error("the connection of the host does not take it")]
    Rejected,
}

/// Answer of a broker to an attempt to connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BrokerAnswer {
    /// It accepted the connection.
    Accepted,
    /// It speaks MQTT, or closed the connection without a word: why, for people.
    Refused(String),
}

/// State of the connection.
#[derive(Clone, Debug)]
enum Link {
    /// Not connected yet, or any more, and why, if that is known.
    Down(Option<String>),
    /// Connected, with the largest packet that the broker takes.
    Up(Option<u32>),
}

/// The library's end for publishing, for one protocol version.
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
    /// CONNACK has arrived, with the largest packet that the broker takes.
    Connected(Option<u32>),
    /// DISCONNECT is sent.
    Disconnected,
    Other,
}

/// The connection could not be made, or is gone.
struct ConnectionLost {
    /// Why, for people.
    reason: String,
    /// The broker was reached, and ended the connection itself.
    by_broker: bool,
}

/// The library's event loop, for one protocol version.
trait EventLoop: Send + 'static {
    /// Connect if there is no connection; otherwise read and write until something happens.
    fn poll(&mut self) -> impl Future<Output = Result<Progress, ConnectionLost>> + Send;
}

/// A connection of the host, which is made again whenever it breaks. It ends when this is dropped.
#[derive(Debug)]
pub struct HostClient {
    library: Library,
    link: watch::Receiver<Link>,
    polling: JoinHandle<()>,
    deliveries: JoinSet<()>,
    address: String,
}

impl HostClient {
    /// Begin to connect. Call it within a Tokio runtime.
    pub fn start(connection: HostConnection) -> Result<Self, TlsError> {
        let tls = tls_of(&connection)?;
        let (teller, link) = watch::channel(Link::Down(None));
        let address = connection.broker.address();
        let (library, polling) = match connection.protocol {
            Protocol::V4 => {
                let (client, events) = v4::open(connection, tls);
                (Library::V4(client), tokio::spawn(poll(events, teller)))
            }
            Protocol::V5 => {
                let (client, events) = v5::open(connection, tls);
                (Library::V5(client), tokio::spawn(poll(events, teller)))
            }
        };
        Ok(Self { library, link, polling, deliveries: JoinSet::new(), address })
    }

    /// Wait for the connection. The error says why there is none yet.
    pub async fn connected(&self, within: Duration) -> Result<(), String> {
        let mut link = self.link.clone();
        let connected = timeout(within, link.wait_for(|link| matches!(link, Link::Up(_)))).await;
        if matches!(connected, Ok(Ok(_))) {
            return Ok(());
        }
        match &*self.link.borrow() {
            Link::Down(Some(reason)) => Err(reason.clone()),
            _ => Err(reason_text::no_answer(&self.address, within)),
        }
    }

    /// Publish. Messages wait for a connection that does not exist yet, and at QoS 1 and 2 they outlive its end.
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
        self.deliveries.spawn(deliver(self.library.clone(), message, notice));
        Ok(())
    }

    /// Wait until every message is acknowledged, and disconnect. Gives up after `grace`. Returns how many messages
    /// were not acknowledged.
    pub async fn close(mut self, grace: Duration) -> usize {
        let deadline = Instant::now() + grace;
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

    /// Send DISCONNECT before anything that still waits.
    fn disconnect(&self) {
        // If it fails, the connection has ended.
        match self {
            Self::V4(client) => drop(client.try_disconnect_now()),
            Self::V5(client) => drop(client.try_disconnect_now()),
        }
    }
}

/// Connect to a broker once, and disconnect. The error says why no broker was reached, for people.
pub async fn check(connection: HostConnection, within: Duration) -> Result<BrokerAnswer, String> {
    let address = connection.broker.address();
    let tls = tls_of(&connection).map_err(|error| error.to_string())?;
    let answered = match connection.protocol {
        Protocol::V4 => {
            let (client, events) = v4::open(connection, tls);
            timeout(within, first_answer(events, Library::V4(client))).await
        }
        Protocol::V5 => {
            let (client, events) = v5::open(connection, tls);
            timeout(within, first_answer(events, Library::V5(client))).await
        }
    };
    match answered {
        Ok(Ok(())) => Ok(BrokerAnswer::Accepted),
        Ok(Err(lost)) if lost.by_broker => Ok(BrokerAnswer::Refused(lost.reason)),
        Ok(Err(lost)) => Err(lost.reason),
        Err(_) => Err(reason_text::no_answer(&address, within)),
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

/// Poll a connection until it is told to disconnect, and make it again whenever it breaks.
async fn poll(mut events: impl EventLoop, link: watch::Sender<Link>) {
    loop {
        match events.poll().await {
            Ok(Progress::Connected(largest)) => drop(link.send_replace(Link::Up(largest))),
            Ok(Progress::Disconnected) => return,
            Ok(Progress::Other) => {}
            Err(lost) => {
                let was_up = matches!(*link.borrow(), Link::Up(_));
                if was_up {
                    tracing::warn!("the connection of the host itself broke: {}", lost.reason);
                }
                link.send_replace(Link::Down(Some(lost.reason)));
                sleep(RETRY).await;
            }
        }
    }
}

/// See to it that a message is delivered.
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

fn tls_of(connection: &HostConnection) -> Result<Option<TlsClient>, TlsError> {
    let HostConnection { broker, options, .. } = connection;
    broker.tls.then(|| TlsClient::new(&broker.host, options.tls.as_deref())).transpose()
}

fn keep_alive(options: &ConnectionOptions) -> u16 {
    // The library takes no less.
    u16::try_from(options.keepalive.as_secs()).unwrap_or(u16::MAX).max(5)
}

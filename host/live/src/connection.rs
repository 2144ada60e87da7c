//! One MQTT connection of the library's: the task that owns it and alone turns it.
//!
//! The library's `poll` is never cancelled while its connection is to live on: its future stays pinned
//! and is raced against the shard's commands. A silence is that future not being polled, and nothing
//! else: the socket stays open, nothing is read, written or kept alive, and the broker has to find out.
//!
//! * [`Network`]: what all connections of a fleet share.
//! * [`Command`] comes from the shard, [`ShardEvent`] goes to it.
//! * `turn`: one connection from the attempt to its end.

mod turn;

use std::io;
use std::sync::Arc;

use rustls::ClientConfig;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use wasmote_mqtt::client::DisconnectMode;
use wasmote_mqtt::message::{Message, Will};
use wasmote_sim::device::Input;
use wasmote_sim::http::{HttpFailure, HttpResponse};

use crate::client::{Loss, Outlet, Recipe, Session, UnderWay};
use crate::clock::Clock;
use crate::config::{BrokerUrl, ConnectionOptions};
use crate::dial;
use crate::socket::CLOSE_TIMEOUT;
use crate::tls::{TlsError, client_config};

/// Attempts to connect at one time, over the fleet. More would overrun a broker's backlog, and each lost
/// SYN costs a second.
pub(crate) const MAX_DIALS: usize = 256;

/// What all connections of a fleet share.
#[derive(Debug)]
pub(crate) struct Network {
    pub(crate) broker: BrokerUrl,
    pub(crate) options: ConnectionOptions,
    pub(crate) clock: Clock,
    tls: Result<Option<Arc<ClientConfig>>, TlsError>,
    attempts: Arc<Semaphore>,
}

impl Network {
    /// Certificates are read once. If they are no good, every attempt to connect says so.
    pub(crate) fn new(broker: BrokerUrl, options: ConnectionOptions, clock: Clock) -> Self {
        let tls = broker.tls.then(|| client_config(options.tls.as_deref())).transpose();
        Self { broker, options, clock, tls, attempts: Arc::new(Semaphore::new(MAX_DIALS)) }
    }

    /// Connect the device with this number to the broker.
    pub(crate) async fn connect(&self, device: u32) -> io::Result<TcpStream> {
        dial::connect(&self.broker, &self.options.sources, device).await
    }

    /// TLS, if it is spoken.
    pub(crate) fn tls(&self) -> Option<Arc<ClientConfig>> {
        self.tls.as_ref().ok().cloned().flatten()
    }

    /// The broker's address, for people.
    pub(crate) fn address(&self) -> String {
        match self.broker.host.contains(':') {
            true => format!("[{}]:{}", self.broker.host, self.broker.port),
            false => format!("{}:{}", self.broker.host, self.broker.port),
        }
    }
}

/// From the shard to a connection.
pub(crate) enum Command {
    /// Try once to connect. The number tells this attempt, and the connection that comes of it, from
    /// others.
    Connect(Option<Will>, u64),
    /// End the connection. With the messages under way the session ends too: after a clean farewell
    /// nothing goes on. The farewell waits for them, and those that did not make it are told of.
    Disconnect(DisconnectMode, Option<UnderWay>),
    /// Stop turning.
    Silence,
    /// Turn again.
    Resume,
}

/// From a connection, or from an outbound request, to the shard. The number is that of `Connect`.
pub(crate) enum ShardEvent {
    /// The connection is up. Messages go in here until it is down.
    Connected {
        /// Of the attempt.
        attempt: u64,
        /// Whether the broker still had the session.
        session_present: bool,
        /// The way in.
        outlet: Outlet,
    },
    /// A subscription is written.
    Asked(u64),
    /// The connection outlived a silence.
    Resumed(u64),
    /// The connection could not be made, or is gone, and why.
    Disconnected(u64, String),
    /// The connection was ended as the shard wanted. What has come of messages is to be asked now; what
    /// came of those that the farewell waited for is told here.
    Ended(Vec<Input>),
    /// A message arrived.
    Delivered(Message),
    /// An outbound HTTP request is answered.
    HttpReply(u64, Result<HttpResponse, HttpFailure>),
    /// An attempt to connect a device's own client over TCP has come to its end. The number is that of its
    /// connection.
    Dialled(u32, io::Result<TcpStream>),
    /// Such a client's connection is closed after its farewell.
    Closed,
    /// Whoever sent it wants to know when all news before it were heard.
    Barrier(oneshot::Sender<()>),
}

/// ShardEvent, and the device within the shard that it is for.
pub(crate) type ShardEventSender = mpsc::Sender<(u32, ShardEvent)>;

/// The task that owns a device's connections, one after the other.
pub(crate) struct SessionTask<S> {
    pub(crate) recipe: Recipe,
    pub(crate) commands: mpsc::UnboundedReceiver<Command>,
    pub(crate) event_sender: ShardEventSender,
    /// Dropped when the task ends, which is what a shutdown waits for.
    pub(crate) alive: Option<mpsc::Sender<()>>,
    /// What outlives a connection, for the next to go on with.
    pub(crate) session: Option<S>,
    pub(crate) silent: bool,
}

/// How a connection came to its end.
enum Ending {
    /// By itself.
    Lost(Loss),
    /// It was cut.
    Cut,
    /// With a DISCONNECT packet.
    Left,
    /// The shard is gone.
    Orphaned,
}

/// The next attempt, if it was asked for while the last connection was still ending.
type Next = Option<(Option<Will>, u64)>;

/// What is left of a connection.
struct End {
    next: Next,
    /// What the farewell waited for.
    under_way: Option<UnderWay>,
}

impl<S: Session> SessionTask<S> {
    /// Until the shard lets go of its end.
    pub(crate) async fn run(mut self) {
        let mut next = None;
        loop {
            if let Some((will, attempt)) = next.take() {
                next = match self.live(will, attempt).await {
                    Some(next) => next,
                    None => break,
                };
                continue;
            }
            match self.commands.recv().await {
                Some(Command::Connect(will, attempt)) => next = Some((will, attempt)),
                Some(Command::Silence) => self.silent = true,
                Some(Command::Resume) => self.silent = false,
                Some(Command::Disconnect(_, under_way)) => {
                    if self.end_session(under_way).await.is_none() {
                        break;
                    }
                }
                None => break,
            }
        }
        drop(self.alive);
    }

    /// One connection, from the attempt to the end. `None` when there will be no other.
    async fn live(&mut self, will: Option<Will>, attempt: u64) -> Option<Next> {
        if let Err(error) = &self.recipe.network.tls {
            let reason = error.to_string();
            tell(&self.event_sender, self.recipe.number, ShardEvent::Disconnected(attempt, reason)).await?;
            return Some(None);
        }
        let mut session = self.session.take().unwrap_or_else(|| S::new(self.recipe.clone()));
        session.prepare(will.as_ref());
        let (ending, end) = self.turn(&mut session, attempt).await;
        match ending {
            Ending::Lost(loss) => {
                self.keep(session, loss.usable);
                tell(&self.event_sender, self.recipe.number, ShardEvent::Disconnected(attempt, loss.reason))
                    .await?;
            }
            Ending::Cut => {
                self.keep(session, true);
                self.end_session(end.under_way).await?;
            }
            Ending::Left => {
                drop(session);
                self.end_session(end.under_way).await?;
                self.recipe.line.close_after_peer(CLOSE_TIMEOUT).await;
            }
            Ending::Orphaned => return None,
        }
        Some(end.next)
    }

    /// The shard wanted an end. If it gave the messages under way with it, no session goes on.
    async fn end_session(&mut self, under_way: Option<UnderWay>) -> Option<()> {
        let mut lost = Vec::new();
        if let Some(mut under_way) = under_way {
            self.session = None;
            lost = under_way.take_all();
        }
        tell(&self.event_sender, self.recipe.number, ShardEvent::Ended(lost)).await
    }

    /// Keep a session that the broker may keep too. Otherwise its state would only be thrown away at the
    /// next CONNACK.
    fn keep(&mut self, mut session: S, usable: bool) {
        if usable && !self.recipe.network.options.session_expiry.is_zero() {
            session.cut();
            self.session = Some(session);
        }
        self.recipe.line.detach();
    }
}

/// `None` when there is nobody to tell. Waits when the shard is behind, which holds up the connection and,
/// by way of TCP, the broker. The connection is not turned meanwhile, so that a silence that comes
/// then is kept at once, and obeyed before the next turn.
async fn tell(event_sender: &ShardEventSender, slot: u32, news: ShardEvent) -> Option<()> {
    event_sender.send((slot, news)).await.ok()
}

/// Leave to try, while many others do.
async fn admitted(network: &Network) -> Option<OwnedSemaphorePermit> {
    Arc::clone(&network.attempts).acquire_owned().await.ok()
}

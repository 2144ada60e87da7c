//! TCP connections to a broker, or to a proxy in front of it: choice of source and destination addresses, and fail-over
//! between them.
//!
//! A connection is identified by both addresses and both ports, and a system has some 28,000 ephemeral ports
//! for each pair of addresses. A larger fleet needs several addresses: source addresses from the
//! configuration, or several addresses behind the broker's host name. Devices are spread over all pairs.
//!
//! # Fail-over
//!
//! An address may not answer at all, not even with a refusal. Attempts at the addresses of a host name
//! therefore overlap as RFC 8305 describes (Happy Eyeballs): the families alternate, the next attempt begins
//! [`ATTEMPT_DELAY`] after the last one or as soon as that fails, and the first connection wins. A broker that
//! accepts TCP and then sends nothing is noticed only at the timeout of CONNACK; the next attempt of that device begins at
//! another address.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use socket2::SockRef;
use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};

use crate::config::{BrokerUrl, ConnectionOptions, ProxyKind, ProxyUrl, bracketed};
use crate::{interface, proxy};

/// Time after which the next address is tried while earlier attempts continue (RFC 8305, section 5).
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);
/// Longest time of the attempts at all addresses. The last one still has at least three quarters of it.
const ATTEMPTS_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest time to resolve the broker's host name.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(5);
/// Time for which the devices of a fleet share the addresses of one look-up.
const LOOKUP_VALIDITY: Duration = Duration::from_secs(1);
/// Total size of the kernel's buffers for the bytes that the brokers of a fleet have not acknowledged. Left alone, Linux lets
/// each connection to a slow broker keep 4 MiB, until the memory for TCP is used up and all connections of the machine, also
/// those of a broker on it, are slowed down to a fraction of their rate. Bytes that wait in the processor's cache also cost
/// a broker on the same machine less than those in memory.
const SEND_BUFFERS: usize = 8 << 20;
/// Largest and smallest such buffer of a connection.
const MAX_SEND_BUFFER: usize = 256 << 10;
const MIN_SEND_BUFFER: usize = 16 << 10;
/// Maximum number of addresses that one call tries. Each takes a file descriptor.
const MAX_ADDRESSES: usize = 8;

/// Destination with the source address to connect from; without one the system chooses it.
pub(crate) type AddressPair = (SocketAddr, Option<IpAddr>);

/// Opens TCP connections to one broker.
#[derive(Debug)]
pub(crate) struct Dialer {
    broker: BrokerUrl,
    /// Proxy that is dialled instead of the broker.
    proxy: Option<ProxyUrl>,
    /// Number of tunnels so far, which decides the address of the broker that the next one asks for.
    tunnels: AtomicUsize,
    sources: Vec<IpAddr>,
    interface: Option<Arc<str>>,
    /// Addresses that replace those of the host name, unless empty.
    fixed: Vec<SocketAddr>,
    /// Size of the kernel's buffer for unacknowledged bytes of a connection.
    send_buffer: usize,
    /// Last look-up. While one is in progress, other devices wait for its result: a resolver that does not
    /// answer holds one thread and not one per device.
    lookup: Mutex<Option<(Instant, Vec<SocketAddr>)>>,
}

impl Dialer {
    pub(crate) fn new(broker: &BrokerUrl, options: &ConnectionOptions) -> Self {
        Self {
            broker: broker.clone(),
            proxy: options.proxy.clone(),
            tunnels: AtomicUsize::new(0),
            sources: options.sources.clone(),
            interface: options.interface.as_deref().map(Arc::from),
            // They are the broker's, and not the proxy's.
            fixed: if options.proxy.is_some() { Vec::new() } else { options.broker_addresses.clone() },
            send_buffer: MAX_SEND_BUFFER,
            lookup: Mutex::new(None),
        }
    }

    /// The dialer for this number of connections, which share the memory for their kernel buffers.
    pub(crate) fn for_connections(self, connections: usize) -> Self {
        let send_buffer = (SEND_BUFFERS / connections.max(1)).clamp(MIN_SEND_BUFFER, MAX_SEND_BUFFER);
        Self { send_buffer, ..self }
    }

    /// Connects the device with this number, after `retries` attempts that reached no MQTT connection.
    pub(crate) async fn connect(&self, device: u32, retries: u32) -> io::Result<TcpStream> {
        self.race(self.address_pairs(device, retries).await?).await
    }

    /// Pairs of addresses for the next attempt of this device, in order.
    pub(crate) async fn address_pairs(&self, device: u32, retries: u32) -> io::Result<Vec<AddressPair>> {
        let resolved = self.resolve().await?;
        if resolved.is_empty() {
            return Err(io::Error::new(io::ErrorKind::NotFound, "the host name resolves to no address"));
        }
        let pairs = address_pairs(&resolved, &self.sources, device as usize, retries as usize);
        if pairs.is_empty() {
            let problem =
                "no source address is of the same family (IPv4 or IPv6) as an address of the broker";
            return Err(io::Error::new(io::ErrorKind::AddrNotAvailable, problem));
        }
        Ok(pairs)
    }

    /// Addresses of the proxy, or else of the broker.
    async fn resolve(&self) -> io::Result<Vec<SocketAddr>> {
        if !self.fixed.is_empty() {
            return Ok(self.fixed.clone());
        }
        let (host, port) = match &self.proxy {
            Some(proxy) => (&proxy.host, &proxy.port),
            None => (&self.broker.host, &self.broker.port),
        };
        if let Ok(address) = host.parse() {
            return Ok(vec![SocketAddr::new(address, *port)]);
        }
        let look_up = async {
            let mut last = self.lookup.lock().await;
            if let Some((at, addresses)) = &*last
                && at.elapsed() < LOOKUP_VALIDITY
            {
                return Ok(addresses.clone());
            }
            let addresses: Vec<_> = lookup_host((host.as_str(), *port)).await?.collect();
            *last = Some((Instant::now(), addresses.clone()));
            Ok(addresses)
        };
        timeout(LOOKUP_TIMEOUT, look_up).await.unwrap_or_else(|_| {
            let seconds = LOOKUP_TIMEOUT.as_secs();
            let problem = format!("the system did not resolve the host name within {seconds} s");
            Err(io::Error::new(io::ErrorKind::TimedOut, problem))
        })
    }

    /// Tries these addresses in order, with overlap. The error names each address that failed.
    pub(crate) async fn race(&self, pairs: Vec<AddressPair>) -> io::Result<TcpStream> {
        let raced = race(pairs, self.interface.as_ref()).await;
        let mut stream = raced.map_err(|failures| self.failure(failures))?;
        // Nagle's algorithm would delay small messages until earlier ones are acknowledged, which distorts
        // latency.
        stream.set_nodelay(true)?;
        // A system that refuses the size uses its own.
        let _ = SockRef::from(&stream).set_send_buffer_size(self.send_buffer);
        if let Some(proxy) = &self.proxy {
            let host = self.tunnel_end(proxy).await?;
            let opened = proxy::open(&mut stream, proxy, &host, self.broker.port).await;
            opened.map_err(io::Error::other)?;
        }
        Ok(stream)
    }

    /// Host that a tunnel leads to: the broker's name, or one of its addresses if the proxy is not to resolve it.
    async fn tunnel_end(&self, proxy: &ProxyUrl) -> io::Result<String> {
        let BrokerUrl { host, port, .. } = &self.broker;
        if proxy.kind != ProxyKind::Socks5 || host.parse::<IpAddr>().is_ok() {
            return Ok(host.clone());
        }
        let addresses: Vec<_> = match timeout(LOOKUP_TIMEOUT, lookup_host((host.as_str(), *port))).await {
            Ok(found) => found?.collect(),
            Err(_) => {
                return Err(io::Error::other(
                    "the system did not resolve the host name of the broker in time",
                ));
            }
        };
        let number = self.tunnels.fetch_add(1, Ordering::Relaxed);
        let address = addresses.get(number % addresses.len().max(1));
        let none = || io::Error::other("the host name of the broker resolves to no address");
        address.map(|address| address.ip().to_string()).ok_or_else(none)
    }

    fn failure(&self, failures: Vec<(IpAddr, io::Error)>) -> io::Error {
        match &self.proxy {
            None => self.broker_failure(failures),
            Some(_) => {
                let texts: Vec<_> = failures.iter().map(|(_, error)| error.to_string()).collect();
                io::Error::other(format!("the proxy cannot be reached: {}", texts.join("; ")))
            }
        }
    }

    fn broker_failure(&self, mut failures: Vec<(IpAddr, io::Error)>) -> io::Error {
        if let [(address, _)] = &failures[..]
            && self.broker.is_at(*address)
            && let Some((_, error)) = failures.pop()
        {
            return error;
        }
        let kind = failures.last().map_or(io::ErrorKind::NotFound, |(_, error)| error.kind());
        let text =
            |(address, error): &(IpAddr, io::Error)| format!("{}: {error}", bracketed(&address.to_string()));
        let texts: Vec<_> = failures.iter().map(text).collect();
        io::Error::new(kind, texts.join("; "))
    }
}

/// Pairs of destination and source addresses, in the order of attempts: families alternate, beginning with
/// the one that the resolver prefers (RFC 8305, section 4), and within a family each device starts at another
/// pair. If sources are configured but none is of a family, addresses of that family are skipped. After
/// attempts in vain the order begins with addresses that were not first before.
fn address_pairs(to: &[SocketAddr], sources: &[IpAddr], device: usize, retries: usize) -> Vec<AddressPair> {
    let preferred = to.first().is_some_and(SocketAddr::is_ipv4);
    let (first, second): (Vec<_>, Vec<_>) = to.iter().copied().partition(|to| to.is_ipv4() == preferred);
    let [first, second] = [first, second].map(|mut to| {
        let addresses = to.len().max(1);
        to.rotate_left(device % addresses);
        let number = device / addresses;
        let is_ipv4 = to.first().is_some_and(SocketAddr::is_ipv4);
        let same_family: Vec<_> = sources.iter().copied().filter(|from| from.is_ipv4() == is_ipv4).collect();
        let from = (!same_family.is_empty()).then(|| same_family[number % same_family.len()]);
        let is_reachable = sources.is_empty() || from.is_some();
        to.into_iter().filter(move |_| is_reachable).map(move |to| (to, from))
    });
    let mut pairs = alternate(first, second);
    let tried_at_once = if pairs.len() > MAX_ADDRESSES { MAX_ADDRESSES } else { 1 };
    let length = pairs.len().max(1);
    pairs.rotate_left((retries % length) * tried_at_once % length);
    pairs.truncate(MAX_ADDRESSES);
    pairs
}

fn alternate<T>(mut first: impl Iterator<Item = T>, mut second: impl Iterator<Item = T>) -> Vec<T> {
    let mut all = Vec::new();
    loop {
        let before = all.len();
        all.extend(first.next());
        all.extend(second.next());
        if all.len() == before {
            return all;
        }
    }
}

/// Tries addresses with overlap. Returns the first connection, or the failure of each address.
async fn race(
    pairs: Vec<AddressPair>,
    interface: Option<&Arc<str>>,
) -> Result<TcpStream, Vec<(IpAddr, io::Error)>> {
    let deadline = Instant::now() + ATTEMPTS_TIMEOUT;
    let mut waiting = pairs.into_iter();
    // Dropping the set ends attempts that another one has overtaken.
    let mut attempts = JoinSet::new();
    let mut open = Vec::new();
    let mut failures = Vec::new();
    loop {
        if let Some((to, from)) = waiting.next() {
            open.push(to.ip());
            let interface = interface.cloned();
            attempts.spawn(async move { (to.ip(), connect_from(to, from, interface.as_deref()).await) });
        } else if attempts.is_empty() {
            return Err(failures);
        }
        let next_attempt = if waiting.len() > 0 { Instant::now() + ATTEMPT_DELAY } else { deadline };
        match timeout_at(next_attempt, attempts.join_next()).await {
            Ok(Some(Ok((_, Ok(stream))))) => return Ok(stream),
            Ok(Some(Ok((address, Err(error))))) => {
                open.retain(|other| *other != address);
                failures.push((address, error));
            }
            // An attempt that panicked is reported at the deadline, as one without an answer.
            Ok(Some(Err(_)) | None) => {}
            Err(_) if Instant::now() >= deadline => {
                let seconds = ATTEMPTS_TIMEOUT.as_secs();
                failures.extend(open.into_iter().map(|address| {
                    let problem = format!("no answer within {seconds} s");
                    (address, io::Error::new(io::ErrorKind::TimedOut, problem))
                }));
                return Err(failures);
            }
            Err(_) => {}
        }
    }
}

async fn connect_from(
    to: SocketAddr,
    from: Option<IpAddr>,
    interface: Option<&str>,
) -> io::Result<TcpStream> {
    let socket = if to.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if let Some(interface) = interface {
        interface::bind(&socket, interface)?;
    }
    if let Some(from) = from {
        let unusable = |error: io::Error| {
            let text = format!("cannot connect from the source address {from}: {error}");
            io::Error::new(error.kind(), text)
        };
        socket.bind(SocketAddr::new(from, 0)).map_err(unusable)?;
    }
    socket.connect(to).await
}

#[cfg(test)]
#[path = "../tests/live/support/silent.rs"]
mod silent;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use tokio::net::TcpListener;

    use super::silent::Silent;
    use super::*;

    fn addresses<T: std::str::FromStr<Err: std::fmt::Debug>>(texts: &[&str]) -> Vec<T> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn devices_are_spread_over_all_address_pairs() {
        let to = addresses(&["10.0.0.1:1883", "10.0.0.2:1883"]);
        let from = addresses(&["10.0.1.1", "10.0.1.2", "10.0.1.3", "::1"]);
        let first = |device| address_pairs(&to, &from, device, 0)[0];
        let pairs: BTreeSet<_> = (0..6).map(first).collect();
        assert_eq!(pairs.len(), 6, "{pairs:?}");
        assert_eq!(first(6), first(0));
        // A device tries the other addresses if its first one does not answer.
        assert_eq!(
            address_pairs(&to, &from, 3, 0).into_iter().map(|(to, _)| to).collect::<BTreeSet<_>>(),
            to.into_iter().collect()
        );
    }

    #[test]
    fn the_other_address_family_comes_second_and_needs_a_matching_source() {
        let to = addresses::<SocketAddr>(&["[::1]:1883", "127.0.0.1:1883"]);
        let tried = |sources: &[IpAddr]| {
            let pairs = address_pairs(&to, sources, 1, 0);
            pairs.into_iter().map(|(to, _)| to.is_ipv4()).collect::<Vec<_>>()
        };
        assert_eq!(tried(&[]), [false, true]);
        assert_eq!(tried(&addresses(&["127.0.0.2"])), [true]);
    }

    #[test]
    fn the_address_families_alternate() {
        let to = addresses(&["[::1]:1", "[::2]:1", "[::3]:1", "127.0.0.1:1"]);
        let order: Vec<_> = address_pairs(&to, &[], 0, 0).into_iter().map(|(to, _)| to).collect();
        assert_eq!(order, addresses(&["[::1]:1", "127.0.0.1:1", "[::2]:1", "[::3]:1"]));
    }

    #[test]
    fn a_retry_begins_at_another_address_and_reaches_all_of_them() {
        let few = addresses(&["10.0.0.1:1", "10.0.0.2:1"]);
        let first = |retries| address_pairs(&few, &[], 0, retries)[0].0;
        assert_eq!([first(0), first(1), first(2)], [few[0], few[1], few[0]]);
        let many: Vec<SocketAddr> = (1..=20).map(|host| ([10, 0, 0, host], 1883).into()).collect();
        let tried: BTreeSet<_> = (0..3).flat_map(|retries| address_pairs(&many, &[], 0, retries)).collect();
        assert_eq!(tried.len(), many.len());
        assert_eq!(address_pairs(&many, &[], 0, usize::MAX).len(), MAX_ADDRESSES);
    }

    async fn refusing() -> SocketAddr {
        TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
    }

    fn unbound(to: &[SocketAddr]) -> Vec<AddressPair> {
        to.iter().map(|to| (*to, None)).collect()
    }

    #[tokio::test]
    async fn connections_share_the_memory_for_their_send_buffers() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let url = BrokerUrl::mqtt("127.0.0.1", port);
        for (connections, size) in [(0, 256 << 10), (32, 256 << 10), (256, 32 << 10), (1_000_000, 16 << 10)] {
            let dialer = Dialer::new(&url, &ConnectionOptions::plain(Duration::from_secs(10)));
            let dialer = dialer.for_connections(connections);
            assert_eq!(dialer.send_buffer, size, "{connections}");
            let stream = dialer.connect(0, 0).await.unwrap();
            // Linux doubles the size for its own data, and has a maximum.
            let found = SockRef::from(&stream).send_buffer_size().unwrap();
            assert!((16 << 10..=2 * size).contains(&found), "{found} for {size}");
        }
    }

    #[tokio::test]
    async fn a_silent_address_delays_the_next_one_by_a_quarter_of_a_second() {
        let silent = Silent::start().await;
        let dead = silent.address;
        for family in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = TcpListener::bind(family).await else { continue };
            let alive = listener.local_addr().unwrap();
            let began = Instant::now();
            let stream = race(unbound(&[dead, dead, alive]), None).await.unwrap();
            assert_eq!(stream.peer_addr().unwrap(), alive);
            let took = began.elapsed();
            assert!((2 * ATTEMPT_DELAY..ATTEMPTS_TIMEOUT / 2).contains(&took), "{took:?}");
        }
    }

    #[tokio::test]
    async fn a_refused_attempt_starts_the_next_one_at_once() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let alive = listener.local_addr().unwrap();
        let refused: Vec<_> = [refusing().await, refusing().await, refusing().await, alive].into();
        let began = Instant::now();
        assert_eq!(race(unbound(&refused), None).await.unwrap().peer_addr().unwrap(), alive);
        assert!(began.elapsed() < 3 * ATTEMPT_DELAY, "{:?}", began.elapsed());
    }

    #[tokio::test]
    async fn the_error_names_each_address_with_its_own_reason() {
        let silent = Silent::start().await;
        let dead = silent.address;
        let url = BrokerUrl::mqtt("broker.example", 1883);
        let options = ConnectionOptions::plain(Duration::from_secs(10));
        let refused = SocketAddr::new("127.0.0.2".parse().unwrap(), refusing().await.port());
        let options = ConnectionOptions {
            broker_addresses: vec![dead, refused, "[::1]:1".parse().unwrap()],
            ..options
        };
        let began = Instant::now();
        let error = Dialer::new(&url, &options).connect(0, 0).await.unwrap_err().to_string();
        for part in ["127.0.0.1: no answer within 10 s", "127.0.0.2: Connection refused", "[::1]: "] {
            assert!(error.contains(part), "{part}: {error}");
        }
        assert!(began.elapsed() < ATTEMPTS_TIMEOUT * 3 / 2, "{:?}", began.elapsed());
    }

    #[tokio::test]
    async fn an_ip_address_in_the_url_is_not_repeated_in_the_error() {
        let address = refusing().await;
        let url = BrokerUrl::mqtt(address.ip().to_string(), address.port());
        let dialer = Dialer::new(&url, &ConnectionOptions::plain(Duration::from_secs(10)));
        let error = dialer.connect(0, 0).await.unwrap_err();
        assert_eq!(error.to_string(), "Connection refused (os error 111)");
    }
}

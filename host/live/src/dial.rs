//! Choice of source and destination addresses for TCP connections.
//!
//! A connection is identified by both addresses and both ports, and a system has some 28,000 ephemeral ports
//! for each pair of addresses. A larger fleet needs several addresses: source addresses from the
//! configuration, or several addresses behind the broker's host name. Devices are spread over all pairs.

use std::io;
use std::net::{IpAddr, SocketAddr};

use tokio::net::{TcpSocket, TcpStream, lookup_host};

use crate::config::BrokerUrl;

/// Connects the device with this number.
pub(crate) async fn connect(broker: &BrokerUrl, sources: &[IpAddr], device: u32) -> io::Result<TcpStream> {
    let resolved: Vec<_> = lookup_host((broker.host.as_str(), broker.port)).await?.collect();
    let mut last_error = io::Error::new(io::ErrorKind::NotFound, "the host name resolves to no address");
    for (to, from) in address_pairs(&resolved, sources, device as usize) {
        match connect_from(to, from).await {
            Ok(stream) => {
                // Nagle's algorithm would delay small messages until earlier ones are acknowledged, which
                // distorts latency.
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Err(error) => last_error = error,
        }
    }
    Err(last_error)
}

/// Pairs of destination and source addresses, in the order of attempts. The address family that the resolver
/// prefers comes first, and within a family each device starts at another pair. If sources are configured but
/// none is of a family, addresses of that family are skipped.
fn address_pairs(
    to: &[SocketAddr],
    sources: &[IpAddr],
    device: usize,
) -> impl Iterator<Item = (SocketAddr, Option<IpAddr>)> {
    let preferred = to.first().is_some_and(SocketAddr::is_ipv4);
    let (first, second): (Vec<_>, Vec<_>) = to.iter().copied().partition(|to| to.is_ipv4() == preferred);
    let families = [first, second].map(|mut to| {
        let addresses = to.len().max(1);
        to.rotate_left(device % addresses);
        (to, device / addresses)
    });
    families.into_iter().flat_map(move |(to, number)| {
        let same_family: Vec<_> = match to.first() {
            Some(to) => sources.iter().copied().filter(|from| from.is_ipv4() == to.is_ipv4()).collect(),
            None => Vec::new(),
        };
        let from = (!same_family.is_empty()).then(|| same_family[number % same_family.len()]);
        let is_reachable = sources.is_empty() || from.is_some();
        to.into_iter().filter(move |_| is_reachable).map(move |to| (to, from))
    })
}

async fn connect_from(to: SocketAddr, from: Option<IpAddr>) -> io::Result<TcpStream> {
    let socket = if to.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
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
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn addresses<T: std::str::FromStr<Err: std::fmt::Debug>>(texts: &[&str]) -> Vec<T> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn devices_are_spread_over_all_address_pairs() {
        let to = addresses(&["10.0.0.1:1883", "10.0.0.2:1883"]);
        let from = addresses(&["10.0.1.1", "10.0.1.2", "10.0.1.3", "::1"]);
        let first = |device| address_pairs(&to, &from, device).next().unwrap();
        let pairs: BTreeSet<_> = (0..6).map(first).collect();
        assert_eq!(pairs.len(), 6, "{pairs:?}");
        assert_eq!(first(6), first(0));
        // A device tries the other addresses if its first one does not answer.
        assert_eq!(
            address_pairs(&to, &from, 3).map(|(to, _)| to).collect::<BTreeSet<_>>(),
            to.into_iter().collect()
        );
    }

    #[test]
    fn the_other_address_family_comes_second_and_needs_a_matching_source() {
        let to = addresses::<SocketAddr>(&["[::1]:1883", "127.0.0.1:1883"]);
        let tried = |sources: &[IpAddr]| {
            address_pairs(&to, sources, 1).map(|(to, _)| to.is_ipv4()).collect::<Vec<_>>()
        };
        assert_eq!(tried(&[]), [false, true]);
        assert_eq!(tried(&addresses(&["127.0.0.2"])), [true]);
    }
}

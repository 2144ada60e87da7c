//! Rate of requests from each address, as token buckets.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// Maximum number of addresses with a bucket of their own. The other addresses share one.
const MAX_ADDRESSES: usize = 1_024;
/// Seconds of the rate that a client may use at once.
const BURST_S: f64 = 2.0;

/// The buckets.
pub(super) struct Rates {
    rate: f64,
    buckets: Mutex<HashMap<IpAddr, Bucket>>,
}

/// Requests that an address may send at a time.
#[derive(Clone, Copy)]
struct Bucket {
    left: f64,
    at: Instant,
}

impl Rates {
    pub(super) fn new(rate: f64) -> Self {
        Self { rate, buckets: Mutex::default() }
    }

    /// Whether an address may send a request now.
    pub(super) fn allow(&self, address: IpAddr) -> bool {
        self.allow_at(address, Instant::now())
    }

    fn allow_at(&self, address: IpAddr, now: Instant) -> bool {
        let burst = (self.rate * BURST_S).max(1.0);
        let refilled = |bucket: &Bucket| {
            (bucket.left + now.duration_since(bucket.at).as_secs_f64() * self.rate).min(burst)
        };
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let mut network = network(address);
        if !buckets.contains_key(&network) && buckets.len() >= MAX_ADDRESSES {
            // A full bucket is the same as none.
            buckets.retain(|_, bucket| refilled(bucket) < burst);
            if buckets.len() >= MAX_ADDRESSES {
                network = Ipv6Addr::UNSPECIFIED.into();
            }
        }
        let bucket = buckets.entry(network).or_insert(Bucket { left: burst, at: now });
        *bucket = Bucket { left: refilled(bucket), at: now };
        let is_allowed = bucket.left >= 1.0;
        if is_allowed {
            bucket.left -= 1.0;
        }
        is_allowed
    }
}

/// The network of an address: one client often has all IPv6 addresses with the same first 64 bits.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64 | 1).into(),
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::time::Duration;

    use super::*;

    #[test]
    fn an_address_has_its_rate_whatever_others_send() {
        let (rates, start) = (Rates::new(10.0), Instant::now());
        let [greedy, modest] = [1, 2].map(|last| IpAddr::V4(Ipv4Addr::new(10, 0, 0, last)));
        let allowed = (0..1_000).filter(|_| rates.allow_at(greedy, start)).count();
        assert_eq!(allowed, 20);
        assert!(rates.allow_at(modest, start));
        let later = start + Duration::from_secs(1);
        assert_eq!((0..1_000).filter(|_| rates.allow_at(greedy, later)).count(), 10);
    }

    #[test]
    fn a_slow_rate_still_allows_single_requests() {
        let (rates, start) = (Rates::new(0.1), Instant::now());
        let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
        assert!(rates.allow_at(address, start) && !rates.allow_at(address, start));
        assert!(rates.allow_at(address, start + Duration::from_secs(10)));
    }

    #[test]
    fn the_table_is_bounded_and_networks_share_a_bucket() {
        let (rates, start) = (Rates::new(1.0), Instant::now());
        for number in 0..10_000_u32 {
            rates.allow_at(IpAddr::V4(Ipv4Addr::from_bits(number)), start);
        }
        assert!(rates.buckets.lock().unwrap().len() <= MAX_ADDRESSES + 1);
        let rates = Rates::new(1.0);
        let own = |last: u16| IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 1, 0, 0, 0, last));
        assert_eq!((0..100).filter(|last| rates.allow_at(own(*last), start)).count(), 2);
        assert!(rates.allow_at(IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 2, 0, 0, 0, 1)), start));
    }
}

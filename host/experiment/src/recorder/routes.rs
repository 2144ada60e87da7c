//! Routes of devices, parsed from the logs of their behaviours.
//!
//! A behaviour that forwards messages reports a route by a line in its log, at any level:
//!
//! ```text
//! route to <destination>: next is <device>, <n> hops
//! no route to <destination>
//! ```
//!
//! A route is in force until the behaviour reports another one, or the device stops.

use std::collections::BTreeMap;

use wasmote_mqtt::time::Time;
use wasmote_sim::notice::DeviceNotice;

/// All route changes of a run, in the order in which they were reported.
#[derive(Clone, Debug, Default)]
pub struct Routes {
    changes: Vec<RouteChange>,
    current: BTreeMap<(u32, String), Route>,
}

/// Change of a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteChange {
    /// Time of the change.
    pub at: Time,
    /// Position of the device.
    pub device: u32,
    /// Destination of the route.
    pub destination: String,
    /// The new route; `None` if the route is gone.
    pub route: Option<Route>,
}

/// Route of a device to a destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Next hop, under the name that the behaviour uses.
    pub next_hop: String,
    /// Number of hops to the destination.
    pub hops: u32,
}

impl Routes {
    pub(super) fn notice(&mut self, device: u32, now: Time, notice: &DeviceNotice) {
        match notice {
            DeviceNotice::Log(_, text) => {
                if let Some((destination, route)) = parse_route(text) {
                    self.set(device, now, destination, route);
                }
            }
            DeviceNotice::Stopped(_)
            | DeviceNotice::Trapped(..)
            | DeviceNotice::Crashed(_)
            | DeviceNotice::Died(..) => {
                let of_device = (device, String::new())..(device + 1, String::new());
                let lost: Vec<String> =
                    self.current.range(of_device).map(|((_, destination), _)| destination.clone()).collect();
                lost.iter().for_each(|destination| self.set(device, now, destination, None));
            }
            _ => {}
        }
    }

    fn set(&mut self, device: u32, at: Time, destination: &str, route: Option<Route>) {
        let key = (device, destination.to_owned());
        if self.current.get(&key) == route.as_ref() {
            return;
        }
        match &route {
            Some(route) => drop(self.current.insert(key, route.clone())),
            None => drop(self.current.remove(&key)),
        }
        self.changes.push(RouteChange { at, device, destination: destination.to_owned(), route });
    }

    /// All changes.
    pub fn iter(&self) -> impl Iterator<Item = &RouteChange> {
        self.changes.iter()
    }

    /// Whether no behaviour reported a route.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }
}

/// Parses a log line that reports a route into the destination and the route.
fn parse_route(line: &str) -> Option<(&str, Option<Route>)> {
    if let Some(destination) = line.strip_prefix("no route to ") {
        return Some((destination, None));
    }
    let (destination, route) = line.strip_prefix("route to ")?.split_once(": next is ")?;
    let (next_hop, hops) = route.split_once(", ")?;
    let hops = hops.strip_suffix(" hops").or(hops.strip_suffix(" hop"))?.parse().ok()?;
    Some((destination, Some(Route { next_hop: next_hop.to_owned(), hops })))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use wasmote_sim::context::LogLevel;

    use super::*;

    #[test]
    fn a_route_holds_until_another_is_logged_or_the_device_goes_off() {
        let mut routes = Routes::default();
        let mut log = |device, text: &str| {
            routes.notice(device, Time::ZERO, &DeviceNotice::Log(LogLevel::Info, text.to_owned()));
        };
        log(1, "route to sink: next is n-0, 1 hop");
        log(1, "route to sink: next is n-0, 1 hop");
        log(1, "route to sink: next is n-2, 3 hops");
        log(2, "no route to sink");
        log(2, "route to somewhere else is blocked");
        routes.notice(1, Time::ZERO, &DeviceNotice::Crashed(Duration::ZERO));
        let found: Vec<_> =
            routes.iter().map(|it| it.route.as_ref().map(|route| (&*route.next_hop, route.hops))).collect();
        assert_eq!(found, [Some(("n-0", 1)), Some(("n-2", 3)), None]);
        assert!(routes.current.is_empty());
    }
}

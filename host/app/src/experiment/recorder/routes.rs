//! Which way devices send, as far as their behaviours tell it.
//!
//! A behaviour that carries messages for others tells of a route by a line in its log, at any level:
//!
//! ```text
//! route to <destination>: next is <device>, <n> hops
//! no route to <destination>
//! ```
//!
//! What it has told holds until it tells otherwise, or the device goes off.

use std::collections::BTreeMap;

use wasmote_sim::action::Notice;
use wasmote_sim::time::Time;

/// All changes of routes in a run, in the order in which they were told.
#[derive(Clone, Debug, Default)]
pub struct Routes {
    changes: Vec<Change>,
    present: BTreeMap<(u32, String), Way>,
}

/// Another route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// When.
    pub at: Time,
    /// Position of the device.
    pub device: u32,
    /// Where the route leads.
    pub destination: String,
    /// The way; `None` when there is none any more.
    pub way: Option<Way>,
}

/// How a device sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    /// To whom, as the behaviour calls it.
    pub next_hop: String,
    /// How far the destination is then.
    pub hops: u32,
}

impl Routes {
    pub(super) fn notice(&mut self, device: u32, now: Time, notice: &Notice) {
        match notice {
            Notice::Log(_, text) => {
                if let Some((destination, way)) = told(text) {
                    self.set(device, now, destination, way);
                }
            }
            Notice::Stopped(_) | Notice::Trapped(..) | Notice::Crashed(_) | Notice::Died(..) => {
                let of_device = (device, String::new())..(device + 1, String::new());
                let lost: Vec<String> =
                    self.present.range(of_device).map(|((_, destination), _)| destination.clone()).collect();
                lost.iter().for_each(|destination| self.set(device, now, destination, None));
            }
            _ => {}
        }
    }

    fn set(&mut self, device: u32, at: Time, destination: &str, way: Option<Way>) {
        let key = (device, destination.to_owned());
        if self.present.get(&key) == way.as_ref() {
            return;
        }
        match &way {
            Some(way) => drop(self.present.insert(key, way.clone())),
            None => drop(self.present.remove(&key)),
        }
        self.changes.push(Change { at, device, destination: destination.to_owned(), way });
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Change> {
        self.changes.iter()
    }

    /// Whether nobody told of any.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }
}

/// What a line of a log tells of a route, if it does.
fn told(line: &str) -> Option<(&str, Option<Way>)> {
    if let Some(destination) = line.strip_prefix("no route to ") {
        return Some((destination, None));
    }
    let (destination, way) = line.strip_prefix("route to ")?.split_once(": next is ")?;
    let (next_hop, hops) = way.split_once(", ")?;
    let hops = hops.strip_suffix(" hops").or(hops.strip_suffix(" hop"))?.parse().ok()?;
    Some((destination, Some(Way { next_hop: next_hop.to_owned(), hops })))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use wasmote_sim::context::LogLevel;

    #[test]
    fn a_route_holds_until_another_is_told_or_the_device_goes_off() {
        let mut routes = Routes::default();
        let mut log = |device, text: &str| {
            routes.notice(device, Time::ZERO, &Notice::Log(LogLevel::Info, text.to_owned()));
        };
        log(1, "route to sink: next is n-0, 1 hop");
        log(1, "route to sink: next is n-0, 1 hop");
        log(1, "route to sink: next is n-2, 3 hops");
        log(2, "no route to sink");
        log(2, "route to somewhere else is blocked");
        routes.notice(1, Time::ZERO, &Notice::Crashed(Duration::ZERO));
        let told: Vec<_> =
            routes.iter().map(|it| it.way.as_ref().map(|way| (&*way.next_hop, way.hops))).collect();
        assert_eq!(told, [Some(("n-0", 1)), Some(("n-2", 3)), None]);
        assert!(routes.present.is_empty());
    }
}

//! Subscribers of one topic filter.

use std::collections::{BTreeMap, VecDeque};

use super::Match;
use crate::broker::session::SessionKey;
use crate::filter_tree::Leaf;
use crate::message::Qos;

/// Granted subscription options.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::broker) struct Grant {
    pub(in crate::broker) qos: Qos,
    pub(in crate::broker) no_local: bool,
    pub(in crate::broker) retain_as_published: bool,
    pub(in crate::broker) identifier: Option<u32>,
}

#[derive(Debug, Default)]
pub(super) struct Subscribers {
    direct: BTreeMap<SessionKey, Grant>,
    shared: Vec<Group>,
}

/// Members of a shared subscription, the next one first.
#[derive(Debug)]
struct Group {
    name: Box<str>,
    members: VecDeque<(SessionKey, Grant)>,
}

impl Leaf for Subscribers {
    fn is_empty(&self) -> bool {
        self.direct.is_empty() && self.shared.is_empty()
    }
}

impl Subscribers {
    pub(super) fn insert(&mut self, group: Option<&str>, session: SessionKey, grant: Grant) -> bool {
        match group {
            None => self.direct.insert(session, grant).is_none(),
            Some(name) => self.group(name).insert(session, grant),
        }
    }

    fn group(&mut self, name: &str) -> &mut Group {
        let at = self.shared.iter().position(|group| *group.name == *name).unwrap_or_else(|| {
            self.shared.push(Group { name: name.into(), members: VecDeque::new() });
            self.shared.len() - 1
        });
        &mut self.shared[at]
    }

    pub(super) fn remove(&mut self, group: Option<&str>, session: SessionKey) -> bool {
        let Some(name) = group else { return self.direct.remove(&session).is_some() };
        let Some(at) = self.shared.iter().position(|group| *group.name == *name) else { return false };
        let members = &mut self.shared[at].members;
        let before = members.len();
        members.retain(|(member, _)| *member != session);
        let removed = members.len() < before;
        if members.is_empty() {
            self.shared.remove(at);
        }
        removed
    }

    /// Selects all individual subscribers, and one member of every group.
    pub(super) fn select(&mut self, found: &mut Vec<Match>) {
        let direct = self.direct.iter();
        found.extend(direct.map(|(&session, &grant)| Match { session, grant, shared: false }));
        for group in &mut self.shared {
            // As in Mosquitto, turns follow the order of subscribing, and disconnected members keep their
            // turn.
            group.members.rotate_left(1);
            if let Some(&(session, grant)) = group.members.back() {
                found.push(Match { session, grant, shared: true });
            }
        }
    }
}

impl Group {
    fn insert(&mut self, session: SessionKey, grant: Grant) -> bool {
        match self.members.iter_mut().find(|(member, _)| *member == session) {
            Some(member) => {
                member.1 = grant;
                false
            }
            None => {
                self.members.push_back((session, grant));
                true
            }
        }
    }
}

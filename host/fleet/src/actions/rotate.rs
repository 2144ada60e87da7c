//! `rotate` and `expire`: devices get other credentials and connect again with them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wasmote_live::credentials::DeviceCredentials;
use wasmote_mqtt::device_id::{DeviceId, Identity};
use wasmote_sim::faults::span::Span;

use super::TimelineAction;
use super::check::{Occasion, PlanState, Planned};
use super::disconnect::Disconnect;
use super::problem::{Problem, at};
use super::selector::{Devices, Selection, Selector};
use super::step::Step;
use super::target::{ApplyResult, Target};
use crate::config::Group;
use crate::config::identity::IdentityProblem;
use crate::config::identity::credentials::{CredentialRules, validity_problem};
use crate::config::identity::names::GroupNames;
use crate::config::identity::options::IdentityOptions;

/// Time for which the devices are disconnected by default.
const RECONNECT: Duration = Duration::from_secs(1);

/// Gives devices of a group other credentials, and breaks their connections.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("not" = {"required": ["share", "count"]}))]
pub struct Rotate {
    /// The group.
    pub group: String,
    /// Only devices whose names match one of these; `*` stands for any sequence of characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub devices: Option<Vec<String>>,
    /// Share of the matching devices that is chosen by the seed; from 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1))]
    pub share: Option<f64>,
    /// Number of the matching devices that are chosen by the seed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
    /// The new credentials, as in `[group.identity]`. By default the group's own files are read again.
    #[serde(default, skip_serializing)]
    pub identity: Option<IdentityOptions>,
    /// Time for which the devices stay disconnected; 1 s by default.
    #[serde(default, rename = "for", skip_serializing_if = "Option::is_none")]
    pub lasting: Option<Span>,
}

/// The same with certificates that have expired.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Expire(pub Rotate);

impl TimelineAction for Rotate {
    fn check(&self, occasion: Occasion, plan: &PlanState<'_>) -> Result<Vec<Planned>, Problem> {
        self.planned("rotate", occasion, plan)
    }
}

impl TimelineAction for Expire {
    fn check(&self, occasion: Occasion, plan: &PlanState<'_>) -> Result<Vec<Planned>, Problem> {
        self.0.planned(EXPIRE, occasion, plan)
    }
}

const EXPIRE: &str = "expire";

impl Rotate {
    fn planned(
        &self,
        action: &'static str,
        occasion: Occasion,
        plan: &PlanState<'_>,
    ) -> Result<Vec<Planned>, Problem> {
        plan.check_group(&self.group).map_err(|problem| at(&format!("{action}.group"), problem))?;
        let Some(group) = plan.groups.get(&self.group) else { return Ok(Vec::new()) };
        let selector = Selector {
            group: Some(self.group.clone()),
            devices: self.devices.clone(),
            share: self.share,
            count: self.count,
        };
        let selection = plan.selection(occasion, action, &selector)?;
        let rules = self
            .rules(action, group, plan)
            .map_err(|(field, problem)| at(&format!("{action}.{field}"), problem))?;
        let mut loaded = HashMap::new();
        if let (Some(rules), Some(_)) = (&rules, &self.identity) {
            for index in 0..group.count {
                let new = load(rules, index, action)
                    .map_err(|problem| at(&format!("{action}.identity"), problem))?;
                loaded.insert(index, Arc::new(new));
            }
        }
        let lasting = self.lasting.unwrap_or(Span(RECONNECT));
        let Selector { group, devices, share, count } = selector;
        let reconnect = Disconnect { group, devices, share, count, lasting };
        let step = ReplaceCredentials { action, selection, rules, loaded };
        let mut steps = vec![Planned::ready(occasion.at, step)];
        steps.extend(reconnect.check(occasion, plan)?);
        Ok(steps)
    }

    /// The rules for the new credentials; `None` if the plan comes from results, which contain no credentials.
    fn rules(
        &self,
        action: &str,
        group: &Group,
        plan: &PlanState<'_>,
    ) -> Result<Option<Arc<CredentialRules>>, (&'static str, String)> {
        let Some(identity) = &self.identity else {
            let missing = || {
                let problem = format!(
                    "group `{}` has no files to read again; write the new credentials as `identity`",
                    group.name
                );
                ("group", problem)
            };
            return group.credentials.clone().map(Some).ok_or_else(missing);
        };
        if identity.is_empty() {
            return Ok(None);
        }
        let invalid = |error: IdentityProblem| ("identity", error.to_string());
        let mut options = identity.clone().in_folder(plan.folder);
        if let Some(field) = options.naming_field() {
            return Err((
                "identity",
                format!("`{field}` names devices, and these have their names already; leave it out"),
            ));
        }
        if action == EXPIRE {
            options.allow_expired = Some(true);
        }
        let names = names(&options, group).map_err(invalid)?;
        match CredentialRules::new(&options, &names, plan.needs_username, Arc::default()).map_err(invalid)? {
            Some(rules) => Ok(Some(Arc::new(rules))),
            None => Err((
                "identity",
                "it has no credentials; write `certificate` and `key`, `folder` or `file`".to_owned(),
            )),
        }
    }
}

/// The names of a group, with the CSV file of the new credentials.
fn names(options: &IdentityOptions, group: &Group) -> Result<Arc<GroupNames>, IdentityProblem> {
    let names = match &group.names {
        Some(names) => GroupNames::clone(names),
        None => GroupNames::new(&IdentityOptions::default(), &group.name, group.device_prefix(None), None)?,
    };
    names.with_table(options.file.as_deref()).map(Arc::new)
}

fn load(rules: &CredentialRules, index: u32, action: &str) -> Result<DeviceCredentials, String> {
    let (name, credentials) = rules.load(index).map_err(|error| error.to_string())?;
    let is_expired =
        |certificate| validity_problem(certificate).is_some_and(|problem| problem.starts_with("expired"));
    match &credentials.certificate {
        Some(certificate) if action == EXPIRE && !is_expired(certificate) => Err(format!(
            "the certificate of device `{}` has not expired; `wasmote certificates devices --expired` makes one that has",
            name.id
        )),
        _ => Ok(credentials),
    }
}

/// Its debug form shows no credentials.
#[derive(Debug)]
struct ReplaceCredentials {
    action: &'static str,
    selection: Selection,
    rules: Option<Arc<CredentialRules>>,
    /// Credentials that were read before the run, by position in the group.
    loaded: HashMap<u32, Arc<DeviceCredentials>>,
}

impl ReplaceCredentials {
    /// The new credentials of a device. What cannot be read during a run changes nothing.
    fn of(&self, identity: &Identity) -> Option<Arc<DeviceCredentials>> {
        if let Some(loaded) = self.loaded.get(&identity.index) {
            return Some(Arc::clone(loaded));
        }
        let rules = self.rules.as_ref()?;
        match load(rules, identity.index, self.action) {
            Ok(credentials) => Some(Arc::new(credentials)),
            Err(problem) => {
                let device: &DeviceId = &identity.id;
                tracing::warn!(%device, "{}: {problem}; the device keeps its credentials", self.action);
                None
            }
        }
    }
}

impl Step for ReplaceCredentials {
    fn name(&self) -> &'static str {
        self.action
    }

    fn describe(&self) -> Vec<String> {
        vec![self.selection.describe()]
    }

    fn affected(&self, devices: Devices<'_>) -> Option<usize> {
        Some(self.selection.resolve(devices).len())
    }

    fn apply(&self, target: &mut dyn Target) -> ApplyResult {
        let devices = self.selection.resolve(target.devices());
        devices
            .into_iter()
            .try_for_each(|device| target.set_credentials(device, &|identity: &Identity| self.of(identity)))
    }
}

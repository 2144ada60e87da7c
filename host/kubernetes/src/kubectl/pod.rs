//! Pods from the output of `kubectl get pods --output json`.

use std::collections::BTreeMap;

use serde::Deserialize;

/// State of a pod at one time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pod {
    /// Name of the pod.
    pub name: String,
    /// Namespace of the pod.
    pub namespace: String,
    /// Labels of the pod.
    pub labels: BTreeMap<String, String>,
    /// True if the pod is ready.
    pub ready: bool,
    /// True if a container is running.
    pub running: bool,
    /// Number of container restarts.
    pub restarts: u64,
    /// True if the pod is being deleted.
    pub terminating: bool,
    /// Reason from Kubernetes why the pod is not ready.
    pub reason: String,
}

#[derive(Deserialize)]
struct List {
    items: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    metadata: Metadata,
    #[serde(default)]
    status: Status,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    name: String,
    #[serde(default)]
    namespace: String,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    deletion_timestamp: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Status {
    phase: String,
    reason: Option<String>,
    message: Option<String>,
    conditions: Vec<Condition>,
    container_statuses: Vec<Container>,
}

#[derive(Deserialize)]
struct Condition {
    r#type: String,
    status: String,
    reason: Option<String>,
    message: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Container {
    #[serde(default)]
    restart_count: u64,
    #[serde(default)]
    state: BTreeMap<String, ContainerState>,
    #[serde(default)]
    last_state: BTreeMap<String, ContainerState>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ContainerState {
    reason: Option<String>,
    message: Option<String>,
    exit_code: Option<i64>,
}

impl Pod {
    /// Parses a list of pods.
    pub fn list(json: &[u8]) -> Result<Vec<Self>, serde_json::Error> {
        let list: List = serde_json::from_slice(json)?;
        let mut pods: Vec<Self> = list.items.into_iter().map(Self::from).collect();
        pods.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Ok(pods)
    }

    /// Device group of the pod, from its label.
    pub fn instance(&self) -> &str {
        self.labels.get("app.kubernetes.io/instance").map_or("", String::as_str)
    }
}

impl From<Item> for Pod {
    fn from(item: Item) -> Self {
        let Item { metadata, status } = item;
        let is = |name: &str| status.conditions.iter().any(|it| it.r#type == name && it.status == "True");
        Self {
            ready: is("Ready"),
            running: status
                .container_statuses
                .iter()
                .any(|container| container.state.contains_key("running")),
            restarts: status.container_statuses.iter().map(|container| container.restart_count).sum(),
            terminating: metadata.deletion_timestamp.is_some(),
            reason: not_ready_reason(&status),
            name: metadata.name,
            namespace: metadata.namespace,
            labels: metadata.labels,
        }
    }
}

/// Reason why a pod is not ready: the state of its containers, else an unmet condition, else the pod's own reason.
fn not_ready_reason(status: &Status) -> String {
    let mut all: Vec<String> = Vec::new();
    for container in &status.container_statuses {
        for state in ["waiting", "terminated"] {
            all.extend(container.state.get(state).map(ContainerState::text));
        }
        all.extend(
            container.last_state.get("terminated").map(|state| format!("last ended with {}", state.text())),
        );
    }
    if all.is_empty() {
        let unmet = status.conditions.iter().find(|it| it.status == "False" && it.message.is_some());
        all.extend(unmet.map(|it| reason_and_message(it.reason.as_deref(), it.message.as_deref())));
    }
    if all.is_empty() && (status.reason.is_some() || status.message.is_some()) {
        all.push(reason_and_message(status.reason.as_deref(), status.message.as_deref()));
    }
    if all.is_empty() { status.phase.clone() } else { all.join("; ") }
}

impl ContainerState {
    fn text(&self) -> String {
        let text = reason_and_message(self.reason.as_deref(), self.message.as_deref());
        match self.exit_code {
            Some(code) => format!("exit code {code} ({text})"),
            None => text,
        }
    }
}

fn reason_and_message(reason: Option<&str>, message: Option<&str>) -> String {
    match (reason, message) {
        (Some(reason), Some(message)) => format!("{reason}: {message}"),
        (Some(one), None) | (None, Some(one)) => one.to_owned(),
        (None, None) => "no reason given".into(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(status: serde_json::Value) -> Pod {
        let list = json!({"items": [{"metadata": {"name": "iot-a-0", "labels": {"app.kubernetes.io/instance": "a"}},
            "status": status}]});
        Pod::list(list.to_string().as_bytes()).unwrap().remove(0)
    }

    #[test]
    fn an_unready_pod_has_a_reason() {
        let waiting = pod(json!({"phase": "Pending", "containerStatuses": [{"restartCount": 0,
            "state": {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}}]}));
        assert_eq!((waiting.ready, waiting.reason.as_str()), (false, "ImagePullBackOff: no such image"));
        let crashed = pod(json!({"phase": "Running", "containerStatuses": [{"restartCount": 3,
            "state": {"waiting": {"reason": "CrashLoopBackOff"}},
            "lastState": {"terminated": {"reason": "Error", "exitCode": 1}}}]}));
        assert_eq!(crashed.reason, "CrashLoopBackOff; last ended with exit code 1 (Error)");
        assert_eq!(crashed.restarts, 3);
        let unscheduled =
            pod(json!({"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False",
            "reason": "Unschedulable", "message": "0/1 nodes are available: 1 Insufficient cpu."}]}));
        assert_eq!(unscheduled.reason, "Unschedulable: 0/1 nodes are available: 1 Insufficient cpu.");
        assert_eq!(pod(json!({"phase": "Pending"})).reason, "Pending");
    }

    #[test]
    fn a_ready_pod_has_a_group() {
        let ready = pod(json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}],
            "containerStatuses": [{"restartCount": 0, "state": {"running": {}}}]}));
        assert!(ready.ready && ready.running && !ready.terminating);
        assert_eq!(ready.instance(), "a");
    }
}

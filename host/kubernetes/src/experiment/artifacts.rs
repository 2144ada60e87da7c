//! Logs and final metrics, collected from the pods before they are deleted.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use reqwest::Client;
use serde_json::json;
use tokio::runtime::Runtime;
use wasmote_experiment::ExperimentError;
use wasmote_fleet::printable::Printable;
use wasmote_results::{pretty_json, write_atomically};

use super::deployment::FLEET_SELECTOR;
use crate::fleet_query::fetch::fetch_json;
use crate::kubectl::Kubectl;
use crate::kubectl::pod::Pod;
use crate::kubectl::proxy::Proxy;
use crate::manifests::workload::APP;

/// Collects artifacts into a run's folder. A failure is reported and does not stop the collection of the rest.
pub struct ArtifactCollector<'a> {
    kubectl: &'a Kubectl,
    folder: &'a Path,
}

/// Maximum number of logs fetched concurrently.
const MAX_CONCURRENT: usize = 8;
/// Timeout of a pod's final metrics.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Start of a complete pod log. The kubelet discards the start of a long log.
const LOG_START: &str = "wasmote ";

impl<'a> ArtifactCollector<'a> {
    /// Creates a collector for this folder.
    pub fn new(kubectl: &'a Kubectl, folder: &'a Path) -> Self {
        Self { kubectl, folder }
    }

    /// Collects the logs of all pods and of the broker. Returns descriptions of missing logs.
    pub fn logs(&self) -> Result<Vec<String>, ExperimentError> {
        let pods = match self.kubectl.pods(FLEET_SELECTOR) {
            Ok(pods) => pods,
            Err(problem) => return Ok(vec![format!("all logs: {problem}")]),
        };
        let (next, missing) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
        let written: io::Result<()> = std::thread::scope(|scope| {
            let work = || -> io::Result<()> {
                while let Some(pod) = pods.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Some(problem) = self.log(pod)? {
                        missing.lock().unwrap_or_else(PoisonError::into_inner).push(problem);
                    }
                }
                Ok(())
            };
            let workers: Vec<_> = (0..MAX_CONCURRENT.min(pods.len())).map(|_| scope.spawn(work)).collect();
            workers.into_iter().try_for_each(|worker| match worker.join() {
                Ok(outcome) => outcome,
                Err(panic) => std::panic::resume_unwind(panic),
            })
        });
        written.map_err(ExperimentError::writing(&self.folder.join("logs").display()))?;
        let mut missing = missing.into_inner().unwrap_or_else(PoisonError::into_inner);
        missing.sort_unstable();
        Ok(missing)
    }

    /// Collects the log of a pod. Returns a description of the missing part, if any.
    fn log(&self, pod: &Pod) -> io::Result<Option<String>> {
        let is_device = pod.labels.get("app").is_some_and(|app| app == APP);
        let path = if is_device { format!("logs/{}.log", pod.name) } else { "broker.log".to_owned() };
        if pod.restarts > 0
            && let Ok(previous) = self.kubectl.run(&["logs", &pod.name, "--previous"])
        {
            write_atomically(
                &self.folder.join(format!("logs/{}.previous.log", pod.name)),
                &plain_lines(&previous),
            )?;
        }
        let log = match self.kubectl.run(&["logs", &pod.name]) {
            Ok(log) => plain_lines(&log),
            Err(problem) => return Ok(Some(format!("log of {}: {problem}", pod.name))),
        };
        write_atomically(&self.folder.join(path), &log)?;
        Ok(match log.as_slice() {
            [] => Some(format!("log of {}: it is empty", pod.name)),
            log if is_device && !has_log_start(log) => {
                Some(format!("the beginning of the log of {}: the cluster has thrown it away", pod.name))
            }
            _ => None,
        })
    }

    /// Collects the responses of `/status` and `/metrics` of all pods of the fleet. Returns descriptions of
    /// missing ones.
    pub fn pod_metrics(
        &self,
        proxy: &Proxy,
        client: &Client,
        runtime: &Runtime,
    ) -> Result<Vec<String>, ExperimentError> {
        let pods = match self.kubectl.pods(&format!("app={APP}")) {
            Ok(pods) => pods,
            Err(problem) => return Ok(vec![format!("last metrics of all pods: {problem}")]),
        };
        let mut missing = Vec::new();
        for pod in &pods {
            let url = proxy.pod_url(pod);
            let both = async {
                let status = fetch_json(client, &format!("{url}/status")).await?;
                let metrics = fetch_json(client, &format!("{url}/metrics")).await?;
                Ok::<_, String>(json!({"pod": pod.name, "status": status, "metrics": metrics}))
            };
            let answer = runtime.block_on(async { tokio::time::timeout(REQUEST_TIMEOUT, both).await });
            match answer.unwrap_or_else(|_| Err("no answer in time".to_owned())) {
                Ok(answer) => {
                    let path = self.folder.join(format!("pods/{}.json", pod.name));
                    write_atomically(&path, pretty_json(&answer).as_bytes())
                        .map_err(ExperimentError::writing(&path.display()))?;
                }
                Err(problem) => missing.push(format!("last metrics of {}: {problem}", pod.name)),
            }
        }
        Ok(missing)
    }
}

/// Converts CRLF to LF, because the broker has a terminal as its stdout, and makes other control characters visible.
fn plain_lines(log: &[u8]) -> Vec<u8> {
    let log = String::from_utf8_lossy(log);
    let mut plain = String::with_capacity(log.len());
    for line in log.split_inclusive('\n') {
        let (text, end) = line.strip_suffix('\n').map_or((line, ""), |text| (text, "\n"));
        plain.push_str(&Printable(text.strip_suffix('\r').unwrap_or(text)).to_string());
        plain.push_str(end);
    }
    plain.into_bytes()
}

fn has_log_start(log: &[u8]) -> bool {
    let first = log.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let first = String::from_utf8_lossy(first);
    first.starts_with(LOG_START) || first.contains("wasmote starts")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn collected_logs_have_visible_controls_and_the_lines_of_the_pod() {
        let log = b"one \x1b[2J\r\ntwo\0\rforged\nthree";
        assert_eq!(plain_lines(log), b"one \\x1b[2J\ntwo\\x00\\rforged\nthree");
    }
}

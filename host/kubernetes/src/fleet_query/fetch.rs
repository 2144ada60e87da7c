//! Concurrent queries of all processes. Each query has its own timeout, so an unresponsive process does not delay
//! others.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Client;
use serde::Serialize;
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use wasmote_live::http::error_chain;

use super::pod_metrics::PodMetrics;
use super::target::Target;

/// Result of a query of one process.
#[derive(Clone, Debug, Serialize)]
pub struct QueryResult {
    /// Name of the pod, or the address.
    pub name: String,
    /// The response, or the reason of the failure.
    #[serde(serialize_with = "flatten")]
    pub answer: Result<PodMetrics, String>,
}

fn flatten<S: serde::Serializer>(
    answer: &Result<PodMetrics, String>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match answer {
        Ok(answer) => answer.serialize(serializer),
        Err(problem) => std::collections::BTreeMap::from([("unreachable", problem)]).serialize(serializer),
    }
}

/// Maximum number of concurrent requests.
const MAX_CONCURRENT: usize = 32;
/// Maximum size of a response, enough for several thousand metrics.
const MAX_RESPONSE_BYTES: usize = 16 << 20;

/// Queries all targets. The results have the order of the targets.
pub async fn fetch_all(client: &Client, targets: &[Target], timeout: Duration) -> Vec<QueryResult> {
    let permits = Arc::new(Semaphore::new(MAX_CONCURRENT));
    let mut requests = JoinSet::new();
    for (position, target) in targets.iter().cloned().enumerate() {
        let (client, permits) = (client.clone(), Arc::clone(&permits));
        requests.spawn(async move {
            let _permit = permits.acquire().await;
            (position, fetch_one(&client, target, timeout).await)
        });
    }
    let mut results: Vec<_> = requests.join_all().await;
    results.sort_unstable_by_key(|(position, _)| *position);
    results.into_iter().map(|(_, result)| result).collect()
}

async fn fetch_one(client: &Client, target: Target, timeout: Duration) -> QueryResult {
    let answer = match &target.url {
        Ok(url) => match tokio::time::timeout(timeout, fetch_pod_metrics(client, url)).await {
            Ok(answer) => answer,
            Err(_) => Err(format!("no answer within {}", humantime::format_duration(timeout))),
        },
        Err(problem) => Err(problem.clone()),
    };
    QueryResult { name: target.name, answer }
}

async fn fetch_pod_metrics(client: &Client, url: &str) -> Result<PodMetrics, String> {
    let status = fetch_json(client, &format!("{url}/status")).await?;
    let metrics = fetch_json(client, &format!("{url}/metrics")).await?;
    PodMetrics::new(&status, &metrics)
        .map_err(|problem| format!("its response is not that of this version of wasmote: {problem}"))
}

/// Fetches a URL as JSON.
pub async fn fetch_json(client: &Client, url: &str) -> Result<Value, String> {
    let request = client.get(url).header("accept", "application/json");
    let mut response = request.send().await.map_err(|problem| error_chain(&problem))?;
    let status = response.status();
    let mut body = Vec::new();
    while let Some(part) = response.chunk().await.map_err(|problem| error_chain(&problem))? {
        if body.len() + part.len() > MAX_RESPONSE_BYTES {
            return Err(format!("its response exceeds {} MiB", MAX_RESPONSE_BYTES >> 20));
        }
        body.extend_from_slice(&part);
    }
    if !status.is_success() {
        let excerpt: String = String::from_utf8_lossy(&body).trim().chars().take(200).collect();
        return Err(format!("it answers {status}: {excerpt}"));
    }
    serde_json::from_slice(&body).map_err(|problem| format!("its response is not JSON: {problem}"))
}

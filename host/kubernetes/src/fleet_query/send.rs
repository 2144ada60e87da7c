//! Requests that change something, sent to many processes concurrently.

use std::sync::Arc;
use std::time::Duration;

use reqwest::{Client, Method};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use wasmote_fleet::actions::pods::RequestBody;
use wasmote_live::http::error_chain;

/// A request to a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodRequest {
    /// Name of the target process or pod.
    pub to: String,
    /// The HTTP method.
    pub method: Method,
    /// The path in the target's API.
    pub path: String,
    /// The body, if any.
    pub body: Option<RequestBody>,
}

/// Maximum number of concurrent requests.
const MAX_CONCURRENT: usize = 32;

/// Sends all requests and returns the failed ones, each with the reason.
pub async fn send_all(
    client: &Client,
    requests: Vec<PodRequest>,
    url: impl Fn(&str) -> Result<String, String>,
    timeout: Duration,
) -> Vec<(PodRequest, String)> {
    let permits = Arc::new(Semaphore::new(MAX_CONCURRENT));
    let mut pending = JoinSet::new();
    let mut failed = Vec::new();
    for request in requests {
        let url = match url(&request.to) {
            Ok(url) => url,
            Err(problem) => {
                failed.push((request, problem));
                continue;
            }
        };
        let (client, permits) = (client.clone(), Arc::clone(&permits));
        pending.spawn(async move {
            let _permit = permits.acquire().await;
            let done = tokio::time::timeout(timeout, send_one(&client, &url, &request)).await;
            let late = || Err(format!("no answer within {}", humantime::format_duration(timeout)));
            (done.unwrap_or_else(|_| late()), request)
        });
    }
    let done = pending.join_all().await;
    failed.extend(done.into_iter().filter_map(|(done, request)| Some((request, done.err()?))));
    failed
}

async fn send_one(client: &Client, url: &str, request: &PodRequest) -> Result<(), String> {
    let mut http_request = client.request(request.method.clone(), format!("{url}{}", request.path));
    if let Some(body) = &request.body {
        let headers = body.headers.iter();
        http_request =
            headers.fold(http_request, |http_request, (name, value)| http_request.header(name, value));
        http_request = http_request.body(body.bytes.clone());
    }
    let answer = http_request.send().await.map_err(|problem| error_chain(&problem))?;
    let status = answer.status();
    if status.is_success() {
        return Ok(());
    }
    let excerpt: String = answer.text().await.unwrap_or_default().trim().chars().take(200).collect();
    Err(format!("it answers {status}: {excerpt}"))
}

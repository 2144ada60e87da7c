//! All processes are asked at one time, and one that does not answer holds up nobody.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Client;
use serde::Serialize;
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use wasmote_live::http::chain;

use super::answer::Answer;
use super::target::Target;

/// A process with what it said.
#[derive(Clone, Debug, Serialize)]
pub struct Asked {
    /// The pod, or the address.
    pub name: String,
    /// Its answer, or why there is none.
    #[serde(serialize_with = "flat")]
    pub answer: Result<Answer, String>,
}

fn flat<S: serde::Serializer>(answer: &Result<Answer, String>, serializer: S) -> Result<S::Ok, S::Error> {
    match answer {
        Ok(answer) => answer.serialize(serializer),
        Err(problem) => std::collections::BTreeMap::from([("unreachable", problem)]).serialize(serializer),
    }
}

/// Requests at one time.
const AT_ONCE: usize = 32;
/// Largest answer that is read; a few thousand names of metrics fit.
const LARGEST: usize = 16 << 20;

/// Ask all of them. The answers are in the order of the targets.
pub async fn ask(client: &Client, targets: &[Target], patience: Duration) -> Vec<Asked> {
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut asking = JoinSet::new();
    for (position, target) in targets.iter().cloned().enumerate() {
        let (client, places) = (client.clone(), Arc::clone(&places));
        asking.spawn(async move {
            let _place = places.acquire().await;
            (position, one(&client, target, patience).await)
        });
    }
    let mut asked: Vec<_> = asking.join_all().await;
    asked.sort_unstable_by_key(|(position, _)| *position);
    asked.into_iter().map(|(_, asked)| asked).collect()
}

async fn one(client: &Client, target: Target, patience: Duration) -> Asked {
    let answer = match &target.url {
        Ok(url) => match tokio::time::timeout(patience, both(client, url)).await {
            Ok(answer) => answer,
            Err(_) => Err(format!("no answer within {}", humantime::format_duration(patience))),
        },
        Err(problem) => Err(problem.clone()),
    };
    Asked { name: target.name, answer }
}

async fn both(client: &Client, url: &str) -> Result<Answer, String> {
    let status = fetch(client, &format!("{url}/status")).await?;
    let metrics = fetch(client, &format!("{url}/metrics")).await?;
    Answer::new(&status, &metrics)
        .map_err(|problem| format!("it answers as no wasmote of this version does: {problem}"))
}

/// Get something as JSON.
pub async fn fetch(client: &Client, url: &str) -> Result<Value, String> {
    let request = client.get(url).header("accept", "application/json");
    let mut response = request.send().await.map_err(|problem| chain(&problem))?;
    let status = response.status();
    let mut body = Vec::new();
    while let Some(part) = response.chunk().await.map_err(|problem| chain(&problem))? {
        if body.len() + part.len() > LARGEST {
            return Err(format!("its answer has more than {} MiB", LARGEST >> 20));
        }
        body.extend_from_slice(&part);
    }
    if !status.is_success() {
        let told: String = String::from_utf8_lossy(&body).trim().chars().take(200).collect();
        return Err(format!("it answers {status}: {told}"));
    }
    serde_json::from_slice(&body).map_err(|problem| format!("its answer is no JSON: {problem}"))
}

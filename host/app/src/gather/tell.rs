//! Requests that change something, made to many processes at one time.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use reqwest::{Client, Method};
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use wasmote_live::http::chain;

/// What a process is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// The process, or the pod.
    pub to: String,
    /// How.
    pub method: Method,
    /// What, by its API.
    pub path: String,
    /// With this.
    pub body: Option<Body>,
}

/// What goes with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    /// Names and values, what it is of among them.
    pub headers: Vec<(String, String)>,
    /// As it goes over the wire.
    pub bytes: Bytes,
}

impl Body {
    /// A document.
    pub fn json(value: &Value) -> Self {
        let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        Self { headers, bytes: value.to_string().into() }
    }
}

/// Requests at one time.
const AT_ONCE: usize = 32;

/// Give all of them. Those that came to nothing are answered, each with the reason.
pub async fn tell(
    client: &Client,
    orders: Vec<Order>,
    url: impl Fn(&str) -> Result<String, String>,
    patience: Duration,
) -> Vec<(Order, String)> {
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut under_way = JoinSet::new();
    let mut failed = Vec::new();
    for order in orders {
        let url = match url(&order.to) {
            Ok(url) => url,
            Err(problem) => {
                failed.push((order, problem));
                continue;
            }
        };
        let (client, places) = (client.clone(), Arc::clone(&places));
        under_way.spawn(async move {
            let _place = places.acquire().await;
            let done = tokio::time::timeout(patience, give(&client, &url, &order)).await;
            let late = || Err(format!("no answer within {}", humantime::format_duration(patience)));
            (done.unwrap_or_else(|_| late()), order)
        });
    }
    let done = under_way.join_all().await;
    failed.extend(done.into_iter().filter_map(|(done, order)| Some((order, done.err()?))));
    failed
}

async fn give(client: &Client, url: &str, order: &Order) -> Result<(), String> {
    let mut request = client.request(order.method.clone(), format!("{url}{}", order.path));
    if let Some(body) = &order.body {
        let named = body.headers.iter();
        request = named.fold(request, |request, (name, value)| request.header(name, value));
        request = request.body(body.bytes.clone());
    }
    let answer = request.send().await.map_err(|problem| chain(&problem))?;
    let status = answer.status();
    if status.is_success() {
        return Ok(());
    }
    let told: String = answer.text().await.unwrap_or_default().trim().chars().take(200).collect();
    Err(format!("it answers {status}: {told}"))
}

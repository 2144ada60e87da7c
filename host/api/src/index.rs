//! `GET /`: a list of all endpoints as text.

use super::endpoint::{Endpoint, get};

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        get("/", index).summary("A list of all endpoints, in plain text").response_as::<String>("text/plain"),
    ]
}

async fn index() -> String {
    let version = env!("CARGO_PKG_VERSION");
    let mut page = format!("wasmote {version}: a fleet of simulated devices\n\n");
    for endpoint in super::endpoints().iter().filter(|endpoint| !endpoint.summary.is_empty()) {
        let method =
            if endpoint.methods.len() > 1 { "ANY".into() } else { endpoint.methods[0].to_uppercase() };
        page.push_str(&format!("{method:6} {:27} {}\n", endpoint.documented_path(), endpoint.summary));
    }
    page
}

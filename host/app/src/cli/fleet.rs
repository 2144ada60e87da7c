//! `wasmote fleet`: the totals of many pods or processes as one fleet.

use std::io::{IsTerminal, stdout};
use std::path::Path;
use std::time::Duration;

use anyhow::anyhow;
use clap::Args as ClapArgs;
use serde_json::{Value, json};
use tokio::time::sleep;
use wasmote_fleet::config::options::subset::{ClientToken, Subset};
use wasmote_fleet::config::resolve::http;
use wasmote_fleet::config::values::DurationValue;
use wasmote_fleet::signals::Signals;
use wasmote_fleet::term::{CLEAR_SCREEN, json_to_stdout, to_stderr, to_stdout};
use wasmote_kubernetes::fleet_query;
use wasmote_kubernetes::fleet_query::aggregate::FleetTotals;
use wasmote_kubernetes::fleet_query::fetch::{QueryResult, fetch_all};
use wasmote_kubernetes::fleet_query::table::table;
use wasmote_kubernetes::fleet_query::target::Target;
use wasmote_kubernetes::kubectl::proxy::Proxy;
use wasmote_kubernetes::kubectl::{Cluster, Kubectl, KubectlError};
use wasmote_kubernetes::manifests::workload::APP;

use super::Failure;
use crate::exit::Exit;

/// Help text before the flags.
pub const EXAMPLES: &str = "\
Examples:
  wasmote fleet                                  the pods of kubectl's context
  wasmote fleet --namespace lab --watch
  wasmote fleet http://a:8080 http://b:8080      any processes
  wasmote fleet --http-token-file token          of hosts that run with --http-private
  wasmote fleet --json | jq .total.latency_seconds";

/// Help text after the flags.
pub const NOTES: &str = "\
Pods are queried through kubectl, which needs the permissions `get pods` and `get pods/proxy`. \
Histograms are merged bucket by bucket; quantiles are those of the merged buckets.

Exit codes: 0 all pods have answered; 1 some have not, which the table shows, or there are none; 2 usage.";

/// Arguments of `wasmote fleet`.
#[derive(ClapArgs, Clone, Debug)]
pub struct Args {
    /// Addresses of `wasmote run --http` [default: the pods that kubectl finds]
    #[arg(value_name = "URL", value_parser = Target::parse)]
    urls: Vec<Target>,
    #[command(flatten)]
    cluster: Cluster,
    /// Labels of the pods
    #[arg(short = 'l', long, value_name = "LABELS", default_value_t = format!("app={APP}"), help_heading = "Kubernetes")]
    selector: String,
    /// Repeat the query, every 2 s by default
    #[arg(short, long, value_name = "TIME", num_args = 0..=1, default_missing_value = "2s", require_equals = true)]
    watch: Option<DurationValue>,
    /// Longest time to wait for an answer
    #[arg(long, value_name = "TIME", default_value = "10s")]
    timeout: DurationValue,
    /// Print JSON; with --watch, one object for each line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    token: Subset<ClientToken>,
}

/// Queries the fleet and shows the result.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    if !args.urls.is_empty() && (args.cluster.context.is_some() || args.cluster.namespace.is_some()) {
        let problem = anyhow!("--context and --namespace are for pods; leave them out, or the addresses");
        return Err(Failure::usage(problem));
    }
    let signals = Signals::listen().map_err(Failure::failed)?;
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::failed)?;
    runtime.block_on(run_queries(args, signals))
}

async fn run_queries(args: &Args, mut signals: Signals) -> Result<Exit, Failure> {
    let token = http::token(&args.token, Path::new("")).map_err(Failure::usage)?;
    let client = fleet_query::client(token.as_ref()).map_err(|problem| Failure::failed(anyhow!(problem)))?;
    let kubectl = Kubectl::new(args.cluster.clone());
    // Started once, so that a configuration error is reported at once and not in every round.
    let proxy = args.urls.is_empty().then(|| Proxy::start(&kubectl)).transpose().map_err(Failure::failed)?;
    loop {
        let found = targets(args, &kubectl, proxy.as_ref());
        let results = tokio::select! {
            results = async { Ok::<_, KubectlError>(fetch_all(&client, &found?, args.timeout.0).await) } => results,
            () = signals.first() => return Ok(Exit::Interrupted),
        };
        let results = results.map_err(Failure::failed)?;
        let total = FleetTotals::of(&results);
        show(args, &results, &total);
        let Some(DurationValue(pause)) = args.watch else { return Ok(verdict(args, &total)) };
        tokio::select! {
            () = sleep(pause.max(Duration::from_millis(100))) => {}
            // A signal is the regular end of --watch.
            () = signals.first() => return Ok(Exit::Done),
        }
    }
}

fn targets(args: &Args, kubectl: &Kubectl, proxy: Option<&Proxy>) -> Result<Vec<Target>, KubectlError> {
    let Some(proxy) = proxy else { return Ok(args.urls.clone()) };
    let pods = kubectl.pods(&args.selector)?;
    let target = |pod: &wasmote_kubernetes::kubectl::pod::Pod| Target {
        name: pod.name.clone(),
        url: if pod.running { Ok(proxy.pod_url(pod)) } else { Err(pod.reason.clone()) },
    };
    Ok(pods.iter().filter(|pod| !pod.terminating).map(target).collect())
}

fn show(args: &Args, results: &[QueryResult], total: &FleetTotals) {
    if args.json {
        let whole = json!({"pods": results.iter().map(pod).collect::<Vec<_>>(), "total": total});
        match args.watch {
            Some(_) => json_to_stdout(whole),
            None => json_to_stdout(format_args!("{whole:#}")),
        }
        return;
    }
    // On a terminal, each table replaces the one before.
    let clear_screen = if args.watch.is_some() && stdout().is_terminal() { CLEAR_SCREEN } else { "" };
    to_stdout(format_args!("{clear_screen}{}", table(results, total).trim_end()));
}

/// The answer of a pod with its name as a further field, instead of nested.
fn pod(result: &QueryResult) -> Value {
    let mut pod = json!(result);
    let answer = pod.as_object_mut().and_then(|pod| pod.remove("answer"));
    if let (Some(Value::Object(answer)), Some(pod)) = (answer, pod.as_object_mut()) {
        pod.extend(answer);
    }
    pod
}

fn verdict(args: &Args, total: &FleetTotals) -> Exit {
    if total.asked == 0 {
        let selector = &args.selector;
        to_stderr(format_args!(
            "no pods have the labels {selector}; see `kubectl get pods --all-namespaces --selector {selector}`"
        ));
        return Exit::Failed;
    }
    if total.answered == total.asked { Exit::Done } else { Exit::Failed }
}

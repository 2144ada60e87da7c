//! Checks of programs: the Wasm engine in this one, the toolchains of languages, and kubectl.

use std::time::Instant;

use wasmote_engine::cache::Cache;
use wasmote_engine::compile_process::{CompileLimits, CompileProcess};
use wasmote_engine::{CompileMode, Engine};
use wasmote_fleet::builtins;
use wasmote_kubernetes::kubectl::{Cluster, Kubectl, KubectlError};
use wasmote_project::language::Language;
use wasmote_project::templates;

use super::Finding;

/// Time for a request to a cluster.
const REQUEST_TIMEOUT: &str = "--request-timeout=10s";

/// Compiles a built-in behaviour in a process of its own, as a run does.
pub fn engine() -> Finding {
    let began = Instant::now();
    let process = CompileProcess::with_limits(CompileLimits::default());
    let engine = match Engine::with_compile_process(CompileMode::Quick, Cache::default(), process) {
        Ok(engine) => engine,
        Err(problem) => {
            let fix = "run on a processor and a system that wasmtime supports, and allow executable memory (SELinux, seccomp)";
            return Finding::failed("wasm engine", problem.to_string(), fix);
        }
    };
    let heartbeat = builtins::find("heartbeat").map(|builtin| builtin.bytes).unwrap_or_default();
    match engine.load("heartbeat", heartbeat) {
        Ok(_) => Finding::ok(
            "wasm engine",
            format!("it compiled a behaviour in {} ms", began.elapsed().as_millis()),
        ),
        Err(problem) => {
            let fix =
                "allow this program to start itself and to use executable memory, or raise --compile-memory";
            Finding::failed("wasm engine", problem.to_string(), fix)
        }
    }
}

/// The toolchains of all languages that `wasmote new` knows; those that were asked for must be there.
pub fn toolchains(asked: &[String]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for name in asked.iter().map(String::as_str).filter(|name| !templates::languages().contains(name)) {
        let fix = format!("known are {}", templates::languages().join(", "));
        findings.push(Finding::failed("toolchain", format!("there is no language `{name}`"), fix));
    }
    for name in templates::languages() {
        let Ok(language) = Language::find(name) else { continue };
        let missing: Vec<_> = language.needs.iter().filter_map(|need| need.check(None).err()).collect();
        let is_asked = asked.iter().any(|asked| asked == name);
        if missing.is_empty() {
            findings
                .push(Finding::ok("toolchain", format!("{}: everything for it is there", language.title)));
        }
        findings.extend(missing.into_iter().map(|missing| {
            let found = format!("{}: {} is missing", language.title, missing.what);
            Finding::problem(is_asked, "toolchain", found, missing.install.join("   or   "))
        }));
    }
    findings
}

/// kubectl and its context. The cluster is contacted only if it was asked for.
pub fn kubernetes(cluster: &Cluster, asked: bool) -> Vec<Finding> {
    let kubectl = Kubectl::new(cluster.clone());
    if let Err(problem) = kubectl.run(&["version", "--client"]) {
        let fix = "install kubectl (https://kubernetes.io/docs/tasks/tools/); only fleets and experiments on a cluster need it";
        return vec![Finding::problem(asked, "kubectl", reason(&problem), fix)];
    }
    let mut findings = vec![Finding::ok("kubectl", "it is there")];
    let context = match &cluster.context {
        Some(context) => Ok(context.clone().into_bytes()),
        None => kubectl.run(&["config", "current-context"]),
    };
    let context = match context {
        Ok(name) => String::from_utf8_lossy(&name).trim().to_owned(),
        Err(problem) => {
            let fix = "choose a context: `kubectl config use-context NAME`, or --context NAME";
            findings.push(Finding::problem(asked, "kubectl context", reason(&problem), fix));
            return findings;
        }
    };
    if !asked {
        let found = format!("`{context}`; --kubernetes checks whether it can be used");
        findings.push(Finding::ok("kubectl context", found));
        return findings;
    }
    findings.push(match kubectl.run(&["get", "--raw", "/version", REQUEST_TIMEOUT]) {
        Ok(_) => Finding::ok("cluster", format!("the cluster of `{context}` answers")),
        Err(problem) => {
            let fix = "check the cluster and the network: `kubectl cluster-info`";
            findings.push(Finding::failed("cluster", reason(&problem), fix));
            return findings;
        }
    });
    let needed = [
        ("create", "deployments.apps", "deploy a fleet"),
        ("create", "configmaps", "mount behaviours and faults"),
        ("get", "pods", "find the pods of a fleet"),
        ("get", "pods/proxy", "query the pods of a fleet"),
    ];
    for (verb, resource, purpose) in needed {
        findings.push(match kubectl.run(&["auth", "can-i", verb, resource, REQUEST_TIMEOUT]) {
            Ok(_) => Finding::ok("permissions", format!("you may {verb} {resource}, to {purpose}")),
            Err(problem) => {
                let found = format!("you may not {verb} {resource}, to {purpose}: {}", reason(&problem));
                let fix = "ask for a Role with this permission, or use another --namespace";
                Finding::failed("permissions", found, fix)
            }
        });
    }
    findings
}

/// The words of kubectl, or why it was not started.
fn reason(problem: &KubectlError) -> String {
    match problem {
        KubectlError::Missing(problem) => format!("kubectl cannot be started: {problem}"),
        problem => problem.to_string(),
    }
}

//! The user's own `kubectl`, with the user's own context and rights. Nothing here speaks with a cluster itself.
//!
//! * [`pod`]: what it tells of pods. [`proxy`]: the way to the API of each.

pub mod pod;
pub mod proxy;

use std::io::{self, Write};
use std::process::{Child, Command, Output, Stdio};

use clap::Args as ClapArgs;

use pod::Pod;

/// The cluster, as `kubectl` takes it.
#[derive(ClapArgs, Clone, Debug, Default)]
pub struct Cluster {
    /// Context of kubectl [default: its current one]
    #[arg(long, value_name = "NAME", help_heading = "Kubernetes")]
    pub context: Option<String>,
    /// Namespace [default: that of the context]
    #[arg(long, value_name = "NAME", help_heading = "Kubernetes")]
    pub namespace: Option<crate::manifests::name::Name>,
}

/// A `kubectl` to call.
#[derive(Clone, Debug)]
pub struct Kubectl {
    cluster: Cluster,
}

/// A call that came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum KubectlError {
    /// There is no such program.
    #[error(
        "kubectl cannot be started: {0}; install it (https://kubernetes.io/docs/tasks/tools/), and see that \
         `kubectl get pods` works"
    )]
    Missing(#[source] io::Error),
    /// It said no.
    #[error("`kubectl {arguments}` failed: {stderr}")]
    Failed {
        /// What was asked.
        arguments: String,
        /// What it wrote.
        stderr: String,
    },
    /// It answered something else than is known of it.
    #[error("`kubectl {arguments}` answered something unexpected: {problem}")]
    Unexpected {
        /// What was asked.
        arguments: String,
        /// What is wrong with the answer.
        problem: String,
    },
}

/// Bytes of a complaint that anybody would read.
const MAX_STDERR_CHARS: usize = 2_000;

impl Kubectl {
    /// For this cluster.
    pub fn new(cluster: Cluster) -> Self {
        Self { cluster }
    }

    /// A call that is not made yet. It is in a process group of its own: a Ctrl-C is for us, and we decide what
    /// becomes of it.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("kubectl");
        if let Some(context) = &self.cluster.context {
            command.arg(format!("--context={context}"));
        }
        if let Some(namespace) = &self.cluster.namespace {
            command.arg(format!("--namespace={namespace}"));
        }
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Call it, and wait for what it prints.
    pub fn run(&self, arguments: &[&str]) -> Result<Vec<u8>, KubectlError> {
        let output = self.command(arguments).output().map_err(KubectlError::Missing)?;
        stdout_of(arguments, output)
    }

    /// Call it with something to read.
    pub fn run_with_input(&self, arguments: &[&str], input: &[u8]) -> Result<Vec<u8>, KubectlError> {
        let mut child =
            self.command(arguments).stdin(Stdio::piped()).spawn().map_err(KubectlError::Missing)?;
        let pipe = child.stdin.take();
        // It may answer before it has read all, and would wait for us to read that.
        let output = std::thread::scope(|scope| {
            scope.spawn(move || pipe.map(|mut pipe| pipe.write_all(input)));
            child.wait_with_output()
        });
        stdout_of(arguments, output.map_err(KubectlError::Missing)?)
    }

    /// Start it, and let it run.
    fn spawn(&self, arguments: &[&str]) -> Result<Child, KubectlError> {
        self.command(arguments).stderr(Stdio::inherit()).spawn().map_err(KubectlError::Missing)
    }

    /// The pods with these labels, by name.
    pub fn pods(&self, selector: &str) -> Result<Vec<Pod>, KubectlError> {
        let arguments = ["get", "pods", "--selector", selector, "--output", "json"];
        let json = self.run(&arguments)?;
        Pod::list(&json).map_err(|problem| KubectlError::Unexpected {
            arguments: arguments.join(" "),
            problem: problem.to_string(),
        })
    }
}

fn stdout_of(arguments: &[&str], output: Output) -> Result<Vec<u8>, KubectlError> {
    if output.status.success() {
        return Ok(output.stdout);
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    let stderr: String = stderr.trim().chars().take(MAX_STDERR_CHARS).collect();
    let stderr = if stderr.is_empty() { output.status.to_string() } else { stderr };
    Err(KubectlError::Failed { arguments: arguments.join(" "), stderr })
}

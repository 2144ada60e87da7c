//! Calls of the user's `kubectl`, with the user's context and permissions. All access to a cluster goes through it.
//!
//! * [`pod`]: state of pods. [`proxy`]: access to the API of each pod. [`background`]: processes that open a port.

pub mod background;
pub mod pod;
pub mod proxy;

use std::io::{self, Write};
use std::process::{Child, Command, Output, Stdio};

use clap::Args as ClapArgs;

use pod::Pod;

/// Options of `kubectl` that select a cluster and a namespace.
#[derive(ClapArgs, Clone, Debug, Default)]
pub struct Cluster {
    /// Context of kubectl [default: the current context]
    #[arg(long, value_name = "NAME", help_heading = "Kubernetes")]
    pub context: Option<String>,
    /// Namespace [default: that of the context]
    #[arg(long, value_name = "NAME", help_heading = "Kubernetes")]
    pub namespace: Option<crate::manifests::name::Name>,
}

/// Runs `kubectl` for a cluster.
#[derive(Clone, Debug)]
pub struct Kubectl {
    cluster: Cluster,
}

/// Error of a `kubectl` call.
#[derive(Debug, thiserror::Error)]
pub enum KubectlError {
    /// The program cannot be started.
    #[error(
        "kubectl cannot be started: {0}; install it (https://kubernetes.io/docs/tasks/tools/), and check that \
         `kubectl get pods` works"
    )]
    Missing(#[source] io::Error),
    /// The call failed.
    #[error("`kubectl {arguments}` failed: {stderr}")]
    Failed {
        /// Arguments of the call.
        arguments: String,
        /// Text on stderr.
        stderr: String,
    },
    /// The output could not be parsed.
    #[error("`kubectl {arguments}` printed unexpected output: {problem}")]
    Unexpected {
        /// Arguments of the call.
        arguments: String,
        /// Problem with the output.
        problem: String,
    },
}

/// Maximum length of stderr in an error, in characters.
const MAX_STDERR_CHARS: usize = 2_000;

impl Kubectl {
    /// Creates a runner for this cluster.
    pub fn new(cluster: Cluster) -> Self {
        Self { cluster }
    }

    /// Prepares a call. It gets its own process group, so that Ctrl-C reaches only this process, which then
    /// decides when `kubectl` ends.
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

    /// Runs `kubectl` and returns its stdout.
    pub fn run(&self, arguments: &[&str]) -> Result<Vec<u8>, KubectlError> {
        let output = self.command(arguments).output().map_err(KubectlError::Missing)?;
        stdout_of(arguments, output)
    }

    /// Runs `kubectl` with this stdin and returns its stdout.
    pub fn run_with_input(&self, arguments: &[&str], input: &[u8]) -> Result<Vec<u8>, KubectlError> {
        stdout_of(arguments, self.output_with_input(arguments, input)?)
    }

    /// Runs `kubectl` with this stdin. Returns its stdout even if it failed: the names of the objects that it created
    /// before the failure.
    pub fn run_with_partial_output(
        &self,
        arguments: &[&str],
        input: &[u8],
    ) -> (Vec<u8>, Result<(), KubectlError>) {
        match self.output_with_input(arguments, input) {
            Ok(output) => (output.stdout.clone(), stdout_of(arguments, output).map(drop)),
            Err(problem) => (Vec::new(), Err(problem)),
        }
    }

    fn output_with_input(&self, arguments: &[&str], input: &[u8]) -> Result<Output, KubectlError> {
        let mut child =
            self.command(arguments).stdin(Stdio::piped()).spawn().map_err(KubectlError::Missing)?;
        let pipe = child.stdin.take();
        // stdin is written in a thread, because `kubectl` may fill its stdout before it has read all input.
        let output = std::thread::scope(|scope| {
            scope.spawn(move || pipe.map(|mut pipe| pipe.write_all(input)));
            child.wait_with_output()
        });
        output.map_err(KubectlError::Missing)
    }

    /// Starts `kubectl` in the background.
    fn spawn(&self, arguments: &[&str]) -> Result<Child, KubectlError> {
        self.command(arguments).stderr(Stdio::inherit()).spawn().map_err(KubectlError::Missing)
    }

    /// Lists the pods that match a label selector, sorted by name.
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

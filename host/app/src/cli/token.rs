//! `wasmote token`: a new token for the HTTP API.

use std::path::PathBuf;

use anyhow::anyhow;
use clap::Args as ClapArgs;
use wasmote_fleet::http_access::HttpToken;
use wasmote_fleet::term::to_stdout;

use super::Failure;
use crate::exit::Exit;

/// Help text before the flags.
pub const EXAMPLES: &str = "\
Examples:
  wasmote token --out token && wasmote run --http 0.0.0.0:5000 --http-token-file token
  curl -X POST -H \"Authorization: Bearer $(cat token)\" http://host:5000/devices/heartbeat-0/crash
  kubectl create secret generic wasmote-http --from-literal=token=\"$(wasmote token)\"";

/// Help text after the flags.
pub const NOTES: &str = "\
A token has 256 random bits. It is shown nowhere else: not in logs, results, manifests or answers of the API. To replace it, \
write another file and start the host again.

Exit codes: 0 done; 1 the file exists or cannot be written; 2 usage.";

/// Arguments of `wasmote token`.
#[derive(ClapArgs, Clone, Debug)]
pub struct Args {
    /// Write the token to a new file that only you can read, instead of printing it
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Draws a token, and prints or writes it.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    let token = HttpToken::generate().map_err(Failure::failed)?;
    match &args.out {
        None => to_stdout(token.reveal()),
        Some(file) => token.write_new(file).map_err(|problem| {
            Failure::failed(anyhow!(
                "--out: `{}` cannot be written: {problem}; name a file that does not exist yet",
                file.display()
            ))
        })?,
    }
    Ok(Exit::Done)
}

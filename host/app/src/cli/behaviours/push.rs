//! `wasmote behaviours push FILE oci://REGISTRY/NAME:TAG`

use std::path::Path;

use anyhow::anyhow;
use wasmote_engine::{Engine, Inspection};
use wasmote_fleet::config::options::subset::{Components, Subset};
use wasmote_fleet::config::resolve::fetch::fetcher_of_flags;
use wasmote_fleet::regular_file;
use wasmote_fleet::source::{Source, signature_file};
use wasmote_fleet::term::{json_to_stdout, to_stderr, to_stdout};
use wasmote_registry::push::Publication;
use wasmote_registry::reference::Reference;

use crate::cli::Failure;
use crate::exit::Exit;

/// Help text before the flags.
pub const EXAMPLES: &str = "\
Examples:
  wasmote behaviours push ./my.wasm oci://ghcr.io/team/my:1.0
  wasmote behaviours push ./my.wasm oci://localhost:5000/my:latest
  minisign -Sm my.wasm && wasmote behaviours push ./my.wasm oci://ghcr.io/team/my:1.1";

/// Help text after the flags.
pub const NOTES: &str = "\
The artefact is the one of the CNCF for WebAssembly, which `wkg` and other tools read, too. The signature in FILE.minisig \
becomes an annotation of it. Passwords come from Docker's configuration, as `docker login` writes it.

Exit codes: 0 published; 1 the component or the registry refuses; 2 usage.";

/// Arguments of `wasmote behaviours push`.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// A .wasm file, a folder with one, or a built-in behaviour or fault model
    #[arg(value_name = "FILE")]
    behaviour: String,
    /// Where it is published: oci://REGISTRY/NAME:TAG
    #[arg(value_name = "REFERENCE")]
    to: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    components: Subset<Components>,
}

/// Publishes the component.
pub fn run(args: &Args, engine: &Engine) -> Result<Exit, Failure> {
    let reference = match Reference::parse(&args.to).map_err(Failure::usage)? {
        Reference::Oci(reference) if reference.digest.is_none() => reference,
        Reference::Oci(_) => {
            return Err(Failure::usage(anyhow!(
                "`{}`: the registry computes the digest; give only a tag",
                args.to
            )));
        }
        Reference::Url { .. } => {
            return Err(Failure::usage(anyhow!(
                "`{}` is no registry; write oci://REGISTRY/NAME:TAG",
                args.to
            )));
        }
    };
    let source = Source::find(&args.behaviour, Path::new("")).map_err(Failure::usage)?;
    let fetcher = fetcher_of_flags(&args.components).map_err(Failure::usage)?;
    let bytes = source.read(&fetcher).map_err(Failure::failed)?;
    // What cannot be run is not published.
    let inspection = engine.inspect(&source.name(), &bytes);
    let inspection =
        inspection.map_err(|problem| Failure::failed(anyhow!("`{}`: {problem}", source.display_name())))?;
    let Inspection { name, imports, exports, sha256, .. } = inspection;
    let signature = source.file().and_then(|file| regular_file::read_text(&signature_file(file)).ok());
    let is_signed = signature.is_some();
    let publication = Publication { bytes, name: format!("{name}.wasm"), imports, exports, signature };
    let published = fetcher.push(&publication, &reference);
    let published = published.map_err(|problem| Failure::failed(anyhow!("`{reference}`: {problem}")))?;
    match args.json {
        true => json_to_stdout(serde_json::json!({
            "reference": published.to_string(),
            "digest": published.digest.as_ref().map(ToString::to_string),
            "sha256": sha256,
            "signed": is_signed,
        })),
        false => {
            to_stdout(&published);
            let note = if is_signed {
                "with its signature"
            } else {
                "without a signature: there is no FILE.minisig"
            };
            to_stderr(format_args!("published {note}"));
        }
    }
    Ok(Exit::Done)
}

//! The reference chapters of the documentation, made from the code.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use clap::Command;
use serde_json::Value;
use wasmote::cli::command;
use wasmote::schema::File;
use wasmote::settings;
use wasmote_fleet::metrics::accept::MetricsFormat;
use wasmote_fleet::metrics::{HttpCounts, Snapshot, openmetrics};

use crate::guests::repository;

/// First line of every chapter.
const NOTE: &str = "<!-- Written by `make reference` from the code; changes here are lost. -->\n\n";

/// All chapters by their file names.
pub fn chapters() -> BTreeMap<&'static str, String> {
    let chapters = [
        ("cli.md", cli()),
        ("configuration.md", configuration()),
        ("http.md", http()),
        ("faults.md", faults()),
        ("metrics.md", metrics()),
        ("results.md", results(&repository())),
        ("wit.md", wit(&repository())),
    ];
    chapters.into_iter().map(|(name, text)| (name, format!("{NOTE}{}\n", text.trim_end()))).collect()
}

/// A text in one cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").split_whitespace().collect::<Vec<_>>().join(" ")
}

fn cli() -> String {
    let mut text = "# Command line\n\nThe help of every subcommand, as `--help` shows it.\n".to_owned();
    let mut root = command().term_width(110);
    root.build();
    sections(&mut root, &mut text);
    text
}

fn sections(command: &mut Command, text: &mut String) {
    let name = command.get_bin_name().unwrap_or("wasmote").to_owned();
    let help = command.clone().term_width(110).render_long_help().to_string();
    let help: Vec<&str> = help.lines().map(str::trim_end).collect();
    let _ = write!(text, "\n## `{name}`\n\n```text\n{}\n```\n", help.join("\n").trim_end());
    for verb in command.get_subcommands_mut().filter(|verb| verb.get_name() != "help" && !verb.is_hide_set())
    {
        sections(verb, text);
    }
}

fn configuration() -> String {
    let mut text = "# Configuration\n\n\
        Every option of `wasmote run`: its flag, its environment variable, and its field in a file. A flag takes precedence over \
        the variable, then over the file, then over the default. `wasmote config show --origin` shows the values of a run.\n\n\
        | flag | variable | field of a file | meaning |\n|---|---|---|---|\n"
        .to_owned();
    for option in settings::command().get_arguments().filter(|option| option.get_id() != "help") {
        let flag = match option.get_long() {
            Some(long) => format!("`--{long}`"),
            None => format!("`{}`", option.get_id().as_str().to_uppercase()),
        };
        let variable = option.get_env().and_then(|name| name.to_str()).unwrap_or_default();
        let field = settings::field_of(option.get_id().as_str())
            .map_or_else(String::new, |field| format!("`{field}`"));
        let help =
            option.get_long_help().or_else(|| option.get_help()).map(ToString::to_string).unwrap_or_default();
        let _ = writeln!(text, "| {flag} | `{variable}` | {field} | {} |", cell(&help));
    }
    text.push_str(
        "\n## Groups in a file\n\nEach `[[group]]` table describes devices with one behaviour.\n\n",
    );
    let schema = File::Fleet.schema();
    fields_table(&schema, &schema["$defs"]["GroupEntry"], &mut text);
    text.push_str("\n## Limits of a device\n\nNames for `--limit` and `limits`; `docs/limits.md` says what happens beyond them.\n\n");
    fields_table(&schema, &schema["$defs"]["Limits"], &mut text);
    text.push_str(
        "\n## Limits of the embedded broker\n\nNames for `--broker-limit` and `broker_limits`.\n\n",
    );
    fields_table(&schema, &schema["$defs"]["BrokerLimits"], &mut text);
    text
}

/// A table of the fields of an object.
fn fields_table(root: &Value, object: &Value, text: &mut String) {
    text.push_str("| field | type | default | meaning |\n|---|---|---|---|\n");
    let required: Vec<&str> =
        object["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    for (name, field) in object["properties"].as_object().into_iter().flatten() {
        let target = resolved(root, field);
        let about =
            field["description"].as_str().or_else(|| target["description"].as_str()).unwrap_or_default();
        let default = match (&field["default"], required.contains(&name.as_str())) {
            (_, true) => "required".to_owned(),
            (Value::Null, false) => String::new(),
            (value, false) => format!("`{value}`"),
        };
        let _ =
            writeln!(text, "| `{name}` | {} | {} | {} |", type_of(root, target), cell(&default), cell(about));
    }
}

fn resolved<'a>(root: &'a Value, value: &'a Value) -> &'a Value {
    let path = value["$ref"].as_str().and_then(|reference| reference.strip_prefix('#'));
    path.and_then(|path| root.pointer(path)).unwrap_or(value)
}

fn type_of(root: &Value, value: &Value) -> String {
    let value = resolved(root, value);
    if let Some(choices) = value["enum"].as_array() {
        return cell(&choices.iter().map(|choice| format!("`{choice}`")).collect::<Vec<_>>().join(", "));
    }
    if let Some(constant) = value.get("const") {
        return format!("`{constant}`");
    }
    match &value["type"] {
        Value::String(name) if name == "array" => format!("list of {}", type_of(root, &value["items"])),
        Value::String(name) => name.clone(),
        Value::Array(names) => names.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or "),
        _ => {
            let choices = ["oneOf", "anyOf"].iter().find_map(|keyword| value[*keyword].as_array());
            let mut names: Vec<String> =
                choices.into_iter().flatten().map(|choice| type_of(root, choice)).collect();
            names.dedup();
            if names.is_empty() { "any".to_owned() } else { names.join(" or ") }
        }
    }
}

fn faults() -> String {
    let schema = File::Faults.schema();
    let mut text = "# Fields of faults\n\n\
        The fields of every kind of fault. [Faults](../faults.md) explains them; `wasmote schema faults` prints the schema for \
        editors.\n"
        .to_owned();
    let fault = &schema["$defs"]["Fault"];
    for kind in fault["oneOf"].as_array().into_iter().flatten() {
        let kind = resolved(&schema, kind);
        let name = kind["properties"]["kind"]["const"].as_str().unwrap_or_default();
        let about = kind["description"].as_str().unwrap_or_default();
        let _ = write!(text, "\n## `{name}`\n\n{about}\n\n");
        fields_table(&schema, kind, &mut text);
    }
    if fault["properties"].is_object() {
        text.push_str("\n## Fields of all kinds\n\n");
        fields_table(&schema, fault, &mut text);
    }
    text
}

fn http() -> String {
    let document = wasmote_api::openapi::document_of_all();
    let mut text = "# HTTP API\n\n\
        Every endpoint of a running host. `GET /openapi.json` has the types of all fields, and [Access](../http.md) says who may use \
        which.\n"
        .to_owned();
    for (path, methods) in document["paths"].as_object().into_iter().flatten() {
        for (method, operation) in methods.as_object().into_iter().flatten() {
            let about = operation["summary"].as_str().unwrap_or_default();
            let _ = write!(text, "\n## `{} {path}`\n\n{about}.\n", method.to_uppercase());
            let parameters: Vec<&Value> = operation["parameters"].as_array().into_iter().flatten().collect();
            if !parameters.is_empty() {
                text.push_str("\n| parameter | in | meaning |\n|---|---|---|\n");
            }
            for parameter in parameters {
                let about =
                    parameter["description"].as_str().or_else(|| parameter["schema"]["description"].as_str());
                let (name, place) = (parameter["name"].as_str(), parameter["in"].as_str());
                let _ = writeln!(
                    text,
                    "| `{}` | {} | {} |",
                    name.unwrap_or_default(),
                    place.unwrap_or_default(),
                    cell(about.unwrap_or_default())
                );
            }
            text.push_str("\n| status | meaning |\n|---|---|\n");
            for (status, response) in operation["responses"].as_object().into_iter().flatten() {
                let _ = writeln!(
                    text,
                    "| {status} | {} |",
                    cell(response["description"].as_str().unwrap_or_default())
                );
            }
        }
    }
    text
}

fn metrics() -> String {
    let mut snapshot = Snapshot { is_fleet: true, http: Some(HttpCounts::default()), ..Snapshot::default() };
    snapshot.totals.broker = Some(wasmote_live::broker::BrokerReport::default());
    let written = openmetrics::write(&snapshot, MetricsFormat::Text);
    let mut text = "# Metrics\n\n\
        The metrics of `GET /metrics` in the formats of Prometheus and OpenMetrics; the same counts are there in JSON. Metrics of \
        behaviours come in addition, with the names that they choose.\n\n| metric | type | meaning |\n|---|---|---|\n"
        .to_owned();
    let mut about = BTreeMap::new();
    for line in written.lines() {
        if let Some((name, help)) = line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' ')) {
            about.insert(name.to_owned(), help.to_owned());
        }
    }
    for line in written.lines() {
        if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            let help = about.get(name).map(String::as_str).unwrap_or_default();
            let _ = writeln!(text, "| `{name}` | {kind} | {} |", cell(help));
        }
    }
    text
}

/// The types of results files, from the source with its comments.
fn results(root: &Path) -> String {
    let mut text = "# Files of results\n\n\
        The columns and fields of the files in a results folder. [Experiments](../experiments.md) explains them.\n"
        .to_owned();
    for file in
        ["tables.rs", "manifest.rs", "summary.rs", "ledger.rs", "lines.rs", "journeys.rs", "topology.rs"]
    {
        let source = fs::read_to_string(root.join("host/results/src").join(file)).expect("a source file");
        let source = source.split("#[cfg(test)]").next().unwrap_or_default();
        structs(source, &mut text);
    }
    text
}

/// Public structs of a source file, with the comments of their fields.
fn structs(source: &str, text: &mut String) {
    let (mut comment, mut is_inside) = (String::new(), false);
    for line in source.lines() {
        let trimmed = line.trim();
        if let Some(words) = trimmed.strip_prefix("///") {
            comment.push_str(words);
        } else if let Some(rest) = trimmed.strip_prefix("pub struct ").filter(|rest| rest.ends_with('{')) {
            let name = rest.split(['<', ' ', '{']).next().unwrap_or_default();
            let _ = write!(
                text,
                "\n## {name}\n\n{}\n\n| field | type | meaning |\n|---|---|---|\n",
                comment.trim()
            );
            (comment, is_inside) = (String::new(), true);
        } else if let Some((name, kind)) =
            trimmed.strip_prefix("pub ").and_then(|rest| rest.split_once(": ")).filter(|_| is_inside)
        {
            let kind = kind.trim_end_matches(',');
            let _ = writeln!(text, "| `{name}` | `{}` | {} |", kind.replace('|', "\\|"), cell(&comment));
            comment.clear();
        } else if !trimmed.starts_with("#[") {
            is_inside = is_inside && trimmed != "}";
            comment.clear();
        }
    }
}

fn wit(root: &Path) -> String {
    let entries = fs::read_dir(root.join("wit")).expect("a folder");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    let mut text = "# Guest interface\n\n\
        The WIT of behaviours and fault models, file by file. `make wit-package` writes it as a package for `wkg`.\n"
        .to_owned();
    for file in files.iter().filter(|file| file.extension().is_some_and(|extension| extension == "wit")) {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let _ = write!(
            text,
            "\n## `{name}`\n\n```wit\n{}\n```\n",
            fs::read_to_string(file).expect("text").trim_end()
        );
    }
    text
}

//! Tools that a project needs, and the check whether a machine has them.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;

/// A tool that a project needs.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Need {
    /// Name of the tool, with its purpose.
    pub name: String,
    /// Commands of which one must succeed, each as a list of program and arguments.
    #[serde(default)]
    pub any: Vec<Vec<String>>,
    /// A target of the Rust compiler, in place of `any`.
    #[serde(default)]
    pub rust_target: Option<String>,
    /// Lowest version, compared with the first number with a dot that the command prints.
    #[serde(default)]
    pub at_least: Option<String>,
    /// Commands that install it; any one of them is enough.
    pub install: Vec<String>,
}

/// A need that is not met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// The tool, and what was found.
    pub what: String,
    /// Commands that install it; any one of them is enough.
    pub install: Vec<String>,
}

impl Need {
    /// Looks for the tool. Tools in a folder of the project are found, too.
    pub fn check(&self, project: Option<&Path>) -> Result<(), Missing> {
        let missing = |what: String| Missing { what, install: self.install.clone() };
        if let Some(target) = &self.rust_target {
            return match has_rust_target(target) {
                true => Ok(()),
                false => Err(missing(self.name.clone())),
            };
        }
        let Some(output) = self.any.iter().find_map(|command| output_of(command, project)) else {
            return Err(missing(self.name.clone()));
        };
        match (&self.at_least, version_in(&output)) {
            (Some(wanted), Some(found)) if numbers(found) < numbers(wanted) => Err(missing(format!(
                "{}: version {found} is there, and {wanted} or later is needed",
                self.name
            ))),
            _ => Ok(()),
        }
    }
}

/// The search path of commands: folders of tools in the project, then that of the environment.
pub fn search_path(project: &Path) -> Option<std::ffi::OsString> {
    let own = ["node_modules/.bin", ".venv/bin"].map(|folder| project.join(folder));
    let inherited = std::env::var_os("PATH").unwrap_or_default();
    let inherited: Vec<PathBuf> = std::env::split_paths(&inherited).collect();
    std::env::join_paths(own.into_iter().chain(inherited)).ok()
}

/// What a command prints, if it can be run and succeeds.
fn output_of(command: &[String], project: Option<&Path>) -> Option<String> {
    let (program, arguments) = command.split_first()?;
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null());
    if let Some(path) = project.and_then(search_path) {
        command.env("PATH", path);
    }
    let output = command.output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

fn has_rust_target(target: &str) -> bool {
    let command = ["rustc", "--print", "target-libdir", "--target", target].map(str::to_owned);
    output_of(&command, None).is_some_and(|folder| Path::new(folder.trim()).is_dir())
}

/// The first number with a dot in a text, such as `1.95.0` in `cargo 1.95.0 (f2d3ce0bd)`.
fn version_in(text: &str) -> Option<&str> {
    let is_part = |c: char| c.is_ascii_digit() || c == '.';
    let words = text.split(|c: char| !is_part(c));
    words.map(|word| word.trim_matches('.')).find(|word| word.contains('.'))
}

fn numbers(version: &str) -> Vec<u64> {
    version.split('.').map(|number| number.parse().unwrap_or(u64::MAX)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn need(any: &[&[&str]], at_least: Option<&str>) -> Need {
        Need {
            name: "a tool".into(),
            any: any.iter().map(|command| command.iter().map(|word| (*word).to_owned()).collect()).collect(),
            rust_target: None,
            at_least: at_least.map(str::to_owned),
            install: vec!["install it".into()],
        }
    }

    #[test]
    fn one_of_several_commands_is_enough() {
        assert_eq!(need(&[&["no-such-program-here"], &["sh", "-c", "true"]], None).check(None), Ok(()));
        let missing =
            need(&[&["no-such-program-here"], &["sh", "-c", "false"]], None).check(None).unwrap_err();
        assert_eq!(missing, Missing { what: "a tool".into(), install: vec!["install it".into()] });
    }

    #[test]
    fn an_old_version_is_missing_and_says_what_was_found() {
        let prints =
            |version: &str| ["sh", "-c", &format!("echo tool {version} x")].map(str::to_owned).to_vec();
        let need = |found: &str, wanted| Need { any: vec![prints(found)], ..need(&[], Some(wanted)) };
        assert_eq!(need("1.95.0", "1.95").check(None), Ok(()));
        assert_eq!(need("1.100.0", "1.95").check(None), Ok(()));
        let what = need("v1.9.3", "1.95").check(None).unwrap_err().what;
        assert_eq!(what, "a tool: version 1.9.3 is there, and 1.95 or later is needed");
    }

    #[test]
    fn tools_of_the_project_are_found() {
        let project = tempfile::tempdir().unwrap();
        let bin = project.path().join("node_modules/.bin");
        std::fs::create_dir_all(&bin).unwrap();
        std::os::unix::fs::symlink("/bin/sh", bin.join("only-here")).unwrap();
        let need = need(&[&["only-here", "-c", "true"]], None);
        assert!(need.check(None).is_err());
        assert_eq!(need.check(Some(project.path())), Ok(()));
    }
}

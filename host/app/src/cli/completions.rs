//! `wasmote completions SHELL` and `wasmote man`: files for shells and for `man`, from the declarations of the command line.

use std::path::PathBuf;

use anyhow::anyhow;
use clap::{Args as ClapArgs, Command, ValueEnum};
use clap_complete::Shell;
use wasmote_fleet::term::to_stdout;

use super::Failure;
use crate::exit::Exit;

const NAME: &str = "wasmote";

/// Help text before the flags of `wasmote completions`.
pub const EXAMPLES: &str = "\
Examples:
  wasmote completions bash > ~/.local/share/bash-completion/completions/wasmote
  wasmote completions zsh > ~/.zfunc/_wasmote               # a folder of fpath
  wasmote completions fish > ~/.config/fish/completions/wasmote.fish
  wasmote completions powershell >> $PROFILE";

/// Help text before the flags of `wasmote man`.
pub const MAN_EXAMPLES: &str = "\
Examples:
  wasmote man --out ~/.local/share/man/man1 && man wasmote-run
  wasmote man | man -l -";

/// A shell.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum ShellName {
    /// Bash
    Bash,
    /// Zsh
    Zsh,
    /// Fish
    Fish,
    /// PowerShell
    #[value(name = "powershell")]
    PowerShell,
}

/// Arguments of `wasmote completions`.
#[derive(ClapArgs, Clone, Copy, Debug)]
pub struct Args {
    /// The shell
    shell: ShellName,
}

/// Arguments of `wasmote man`.
#[derive(ClapArgs, Clone, Debug)]
pub struct ManArgs {
    /// Folder for one page of each subcommand; it is created if it is missing [default: the main page goes to stdout]
    #[arg(short, long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Prints the completions of a shell.
pub fn run(args: Args, mut command: Command) -> Result<Exit, Failure> {
    let shell = match args.shell {
        ShellName::Bash => Shell::Bash,
        ShellName::Zsh => Shell::Zsh,
        ShellName::Fish => Shell::Fish,
        ShellName::PowerShell => Shell::PowerShell,
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, NAME, &mut script);
    to_stdout(String::from_utf8_lossy(&script).trim_end());
    Ok(Exit::Done)
}

/// Writes the manual pages, or prints the main one.
pub fn man(args: &ManArgs, command: Command) -> Result<Exit, Failure> {
    let Some(folder) = &args.out else {
        let mut page = Vec::new();
        clap_mangen::Man::new(command).render(&mut page).map_err(Failure::failed)?;
        to_stdout(String::from_utf8_lossy(&page).trim_end());
        return Ok(Exit::Done);
    };
    let written = std::fs::create_dir_all(folder).and_then(|()| clap_mangen::generate_to(command, folder));
    written.map_err(|problem| Failure::failed(anyhow!("--out: `{}`: {problem}", folder.display())))?;
    Ok(Exit::Done)
}

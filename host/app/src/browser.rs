//! Opens a page in the user's browser.

use std::process::{Command, Stdio};

/// The program that opens an address, and its arguments before the address.
const OPENER: (&str, &[&str]) = if cfg!(target_os = "macos") {
    ("open", &[])
} else if cfg!(windows) {
    ("rundll32", &["url.dll,FileProtocolHandler"])
} else {
    ("xdg-open", &[])
};

/// Opens an address. A machine without a browser gets a warning, and everything else goes on.
pub fn open(url: &str) {
    let (program, arguments) = OPENER;
    let started = Command::new(program)
        .args(arguments)
        .arg(url)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    match started {
        // The browser may run for longer than this program, so a thread waits for it.
        Ok(mut child) => drop(std::thread::spawn(move || child.wait())),
        Err(problem) => {
            tracing::warn!("cannot open a browser with `{program}`: {problem}; open {url} yourself")
        }
    }
}

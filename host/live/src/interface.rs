//! Network interface that connections leave through.

use std::io;

use tokio::net::TcpSocket;

/// Checks that a connection can be bound to the interface with this name. The error is a readable reason with a remedy.
pub fn check(name: &str) -> Result<(), String> {
    let bound = TcpSocket::new_v4().and_then(|socket| bind(&socket, name));
    bound.map_err(|error| error.to_string())
}

/// Binds a socket to an interface.
pub(crate) fn bind(socket: &TcpSocket, name: &str) -> io::Result<()> {
    bind_device(socket, name).map_err(|error| io::Error::new(error.kind(), problem(name, &error)))
}

#[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
fn bind_device(socket: &TcpSocket, name: &str) -> io::Result<()> {
    // The system removes the binding for an empty name, and truncates a long one.
    if name.is_empty() || name.len() > MAX_NAME || name.contains('\0') {
        return Err(io::Error::from_raw_os_error(NO_SUCH_DEVICE));
    }
    socket.bind_device(Some(name.as_bytes()))
}

#[cfg(not(any(target_os = "android", target_os = "fuchsia", target_os = "linux")))]
fn bind_device(_: &TcpSocket, _: &str) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Maximum length of a name on Linux.
const MAX_NAME: usize = 15;
/// ENODEV of Linux.
const NO_SUCH_DEVICE: i32 = 19;

fn problem(name: &str, error: &io::Error) -> String {
    let name = name.escape_debug();
    match error.kind() {
        _ if error.raw_os_error() == Some(NO_SUCH_DEVICE) => {
            format!("this machine has no network interface `{name}`{}", known())
        }
        io::ErrorKind::PermissionDenied => {
            format!(
                "the system does not permit connections through the interface `{name}` ({error}); it needs CAP_NET_RAW"
            )
        }
        io::ErrorKind::Unsupported => {
            format!(
                "this system cannot bind a connection to the interface `{name}`; name an address of it with --source-address"
            )
        }
        _ => format!("no connection through the interface `{name}`: {error}"),
    }
}

/// Names of the interfaces, as the rest of a sentence.
fn known() -> String {
    let Ok(entries) = std::fs::read_dir("/sys/class/net") else { return String::new() };
    let mut names: Vec<_> =
        entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort_unstable();
    if names.is_empty() { String::new() } else { format!("; it has {}", names.join(", ")) }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_interface_is_named_with_those_that_exist() {
        for name in ["wasmote-no-such", "", "a-name-that-is-longer-than-any-interface", "lo\0x"] {
            let problem = check(name).unwrap_err();
            assert!(problem.starts_with("this machine has no network interface `"), "{name}: {problem}");
            assert!(problem.contains("; it has ") && problem.contains("lo"), "{problem}");
        }
        assert_eq!(check("lo"), Ok(()));
    }
}

//! `wasi:cli` and `wasi:filesystem`: a process without environment, arguments, files or a terminal.

use terminal_input::TerminalInput;
use terminal_output::TerminalOutput;
use types::Descriptor;
use wasmtime::component::Resource;

use super::bindings::wasi::cli::{
    environment, exit, stderr, stdin, stdout, terminal_input, terminal_output, terminal_stderr,
    terminal_stdin, terminal_stdout,
};
use super::bindings::wasi::filesystem::{preopens, types};
use super::bindings::wasi::io::streams::{InputStream, OutputStream};
use super::streams::{STDERR, STDOUT};
use crate::cost;
use crate::host::Host;

impl environment::Host for Host {
    fn get_environment(&mut self) -> wasmtime::Result<Vec<(String, String)>> {
        self.charge(&cost::WASI, 0)?;
        Ok(Vec::new())
    }

    fn get_arguments(&mut self) -> wasmtime::Result<Vec<String>> {
        self.charge(&cost::WASI, 0)?;
        Ok(Vec::new())
    }

    fn initial_cwd(&mut self) -> wasmtime::Result<Option<String>> {
        self.charge(&cost::WASI, 0)?;
        Ok(None)
    }
}

impl exit::Host for Host {
    fn exit(&mut self, status: Result<(), ()>) -> wasmtime::Result<()> {
        let how = if status.is_ok() { "success" } else { "failure" };
        Err(wasmtime::format_err!("it called exit with {how}; a component has to return from its functions"))
    }
}

impl stdin::Host for Host {
    fn get_stdin(&mut self) -> wasmtime::Result<Resource<InputStream>> {
        self.charge(&cost::WASI, 0)?;
        self.own(0)
    }
}

impl stdout::Host for Host {
    fn get_stdout(&mut self) -> wasmtime::Result<Resource<OutputStream>> {
        self.charge(&cost::WASI, 0)?;
        self.own(STDOUT)
    }
}

impl stderr::Host for Host {
    fn get_stderr(&mut self) -> wasmtime::Result<Resource<OutputStream>> {
        self.charge(&cost::WASI, 0)?;
        self.own(STDERR)
    }
}

impl types::Host for Host {}

impl types::HostDescriptor for Host {
    fn drop(&mut self, _descriptor: Resource<Descriptor>) -> wasmtime::Result<()> {
        self.charge(&cost::WASI, 0)?;
        self.resource_dropped();
        Ok(())
    }
}

impl preopens::Host for Host {
    fn get_directories(&mut self) -> wasmtime::Result<Vec<(Resource<Descriptor>, String)>> {
        self.charge(&cost::WASI, 0)?;
        Ok(Vec::new())
    }
}

impl terminal_input::Host for Host {}

impl terminal_input::HostTerminalInput for Host {
    fn drop(&mut self, _terminal: Resource<TerminalInput>) -> wasmtime::Result<()> {
        self.charge(&cost::WASI, 0)?;
        self.resource_dropped();
        Ok(())
    }
}

impl terminal_output::Host for Host {}

impl terminal_output::HostTerminalOutput for Host {
    fn drop(&mut self, _terminal: Resource<TerminalOutput>) -> wasmtime::Result<()> {
        self.charge(&cost::WASI, 0)?;
        self.resource_dropped();
        Ok(())
    }
}

impl terminal_stdin::Host for Host {
    fn get_terminal_stdin(&mut self) -> wasmtime::Result<Option<Resource<TerminalInput>>> {
        self.charge(&cost::WASI, 0)?;
        Ok(None)
    }
}

impl terminal_stdout::Host for Host {
    fn get_terminal_stdout(&mut self) -> wasmtime::Result<Option<Resource<TerminalOutput>>> {
        self.charge(&cost::WASI, 0)?;
        Ok(None)
    }
}

impl terminal_stderr::Host for Host {
    fn get_terminal_stderr(&mut self) -> wasmtime::Result<Option<Resource<TerminalOutput>>> {
        self.charge(&cost::WASI, 0)?;
        Ok(None)
    }
}

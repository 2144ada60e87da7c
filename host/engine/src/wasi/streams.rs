//! `wasi:io`: an empty standard input, output to the log, and polling that returns at once.

use error::Error;
use poll::Pollable;
use streams::{InputStream, OutputStream, StreamError};
use wasmtime::component::Resource;

use super::bindings::wasi::io::{error, poll, streams};
use super::output::Sink;
use crate::cost::{self, PER_ENTRY};
use crate::host::Host;

/// Maximum number of bytes of one write.
const WRITE_BYTES: u64 = 4096;

/// Representations of the standard streams, the only streams of a guest.
pub(super) const STDOUT: u32 = 1;
pub(super) const STDERR: u32 = 2;

type StreamResult<T> = wasmtime::Result<Result<T, StreamError>>;

impl error::Host for Host {}

impl error::HostError for Host {
    fn to_debug_string(&mut self, _error: Resource<Error>) -> wasmtime::Result<String> {
        self.charge(&cost::WASI, 0)?;
        Ok("a simulated device has no such stream".to_owned())
    }

    fn drop(&mut self, _error: Resource<Error>) -> wasmtime::Result<()> {
        self.charge(&cost::WASI, 0)?;
        self.resource_dropped();
        Ok(())
    }
}

impl poll::Host for Host {
    /// Reports all pollables as ready.
    fn poll(&mut self, pollables: Vec<Resource<Pollable>>) -> wasmtime::Result<Vec<u32>> {
        self.charge(&cost::WASI, 0)?;
        self.charge_units(&cost::WASI, PER_ENTRY * pollables.len() as u64)?;
        Ok((0..).take(pollables.len()).collect())
    }
}

impl poll::HostPollable for Host {
    fn ready(&mut self, _pollable: Resource<Pollable>) -> wasmtime::Result<bool> {
        self.charge(&cost::WASI, 0)?;
        Ok(true)
    }

    fn block(&mut self, _pollable: Resource<Pollable>) -> wasmtime::Result<()> {
        self.charge(&cost::WASI, 0)?;
        Ok(())
    }

    fn drop(&mut self, _pollable: Resource<Pollable>) -> wasmtime::Result<()> {
        self.charge(&cost::WASI, 0)?;
        self.resource_dropped();
        Ok(())
    }
}

impl streams::Host for Host {}

impl streams::HostInputStream for Host {
    fn read(&mut self, _stream: Resource<InputStream>, _len: u64) -> StreamResult<Vec<u8>> {
        self.charge(&cost::WASI, 0)?;
        Ok(Err(StreamError::Closed))
    }

    fn blocking_read(&mut self, stream: Resource<InputStream>, len: u64) -> StreamResult<Vec<u8>> {
        self.read(stream, len)
    }

    fn subscribe(&mut self, _stream: Resource<InputStream>) -> wasmtime::Result<Resource<Pollable>> {
        self.charge(&cost::WASI, 0)?;
        self.own(0)
    }

    fn drop(&mut self, _stream: Resource<InputStream>) -> wasmtime::Result<()> {
        self.charge(&cost::WASI, 0)?;
        self.resource_dropped();
        Ok(())
    }
}

impl streams::HostOutputStream for Host {
    fn check_write(&mut self, _stream: Resource<OutputStream>) -> StreamResult<u64> {
        self.charge(&cost::WASI, 0)?;
        Ok(Ok(WRITE_BYTES))
    }

    fn write(&mut self, stream: Resource<OutputStream>, contents: Vec<u8>) -> StreamResult<()> {
        self.charge(&cost::WASI_WRITE, contents.len())?;
        let sink = if stream.rep() == STDERR { Sink::Stderr } else { Sink::Stdout };
        if let Some(output) = &mut self.wasi {
            output.write(sink, &contents);
        }
        Ok(Ok(()))
    }

    fn blocking_write_and_flush(
        &mut self,
        stream: Resource<OutputStream>,
        contents: Vec<u8>,
    ) -> StreamResult<()> {
        self.write(stream, contents)
    }

    fn flush(&mut self, _stream: Resource<OutputStream>) -> StreamResult<()> {
        self.charge(&cost::WASI, 0)?;
        Ok(Ok(()))
    }

    fn blocking_flush(&mut self, stream: Resource<OutputStream>) -> StreamResult<()> {
        self.flush(stream)
    }

    fn subscribe(&mut self, _stream: Resource<OutputStream>) -> wasmtime::Result<Resource<Pollable>> {
        self.charge(&cost::WASI, 0)?;
        self.own(0)
    }

    fn drop(&mut self, _stream: Resource<OutputStream>) -> wasmtime::Result<()> {
        self.charge(&cost::WASI, 0)?;
        self.resource_dropped();
        Ok(())
    }
}

//! Number of WASI resources that an instance holds. The host keeps a handle for each, so that it limits their number: a
//! guest that subscribes to the clock and never drops what it gets would use up the memory of the host.

use wasmtime::component::Resource;

use crate::host::Host;

/// Most resources of an instance.
const MAX_RESOURCES: u32 = 10_000;

impl Host {
    /// Counts a resource that the guest gets.
    pub(super) fn resource_created(&mut self) -> wasmtime::Result<()> {
        if self.wasi_resources >= MAX_RESOURCES {
            return Err(wasmtime::format_err!(
                "it holds {MAX_RESOURCES} resources of WASI, such as streams and pollables, which is the limit; drop \
                 those that are done with"
            ));
        }
        self.wasi_resources += 1;
        Ok(())
    }

    /// Counts a resource that the guest has dropped.
    pub(super) fn resource_dropped(&mut self) {
        self.wasi_resources = self.wasi_resources.saturating_sub(1);
    }

    /// A resource for the guest.
    pub(super) fn own<T: 'static>(&mut self, representation: u32) -> wasmtime::Result<Resource<T>> {
        self.resource_created()?;
        Ok(Resource::new_own(representation))
    }
}

//! Interface between a device and its host.
//!
//! A component calls its imports, which `wit/` documents; a natively compiled test calls the bench, which answers by
//! the simulator. A native build without the bench has no host: each function panics. [`HostHandle`] is fixed at compile
//! time, so that a component imports only the functions that it calls. Each interface of `wit/` has one module that declares its functions by `imports!`:
//! `config`, `data` and `random`, and the modules in `imports/`.

#[cfg(target_arch = "wasm32")]
pub(crate) use crate::bindings::wasmote::device as wit;

#[cfg(all(not(target_arch = "wasm32"), feature = "bench"))]
pub(crate) use crate::bench::NativeHost as HostHandle;

/// Handle of the host in a component. The imports are global, so it has no data.
#[cfg(any(target_arch = "wasm32", not(feature = "bench")))]
pub struct HostHandle;

/// End of a native test that called the host, in a build without the bench.
#[cfg(all(not(target_arch = "wasm32"), not(feature = "bench")))]
pub(crate) fn no_host(function: &str) -> ! {
    panic!(
        "`{function}` needs a host, and a native unit test has none: test functions without a device here, and the \
         whole behaviour by `wasmote test`"
    )
}

/// Declares functions of [`HostHandle`]: the import that a component calls, the signature, and the answer of the bench,
/// in which `host` is the handle. Times are in nanoseconds, as in `wit/`.
macro_rules! imports {
    ($($interface:ident::$import:ident => fn $name:ident($host:ident $(, $argument:ident: $type:ty)*)
        $(-> $result:ty)? $answer:block)+) => {
        #[cfg(target_arch = "wasm32")]
        impl $crate::host::HostHandle {
            $(pub(crate) fn $name(&self, $($argument: $type),*) $(-> $result)? {
                $crate::host::wit::$interface::$import($($argument),*)
            })+
        }

        #[cfg(all(not(target_arch = "wasm32"), feature = "bench"))]
        impl $crate::host::HostHandle {
            $(pub(crate) fn $name(&self, $($argument: $type),*) $(-> $result)? {
                let $host = self;
                $answer
            })+
        }

        #[cfg(all(not(target_arch = "wasm32"), not(feature = "bench")))]
        #[allow(dead_code)]
        impl $crate::host::HostHandle {
            $(pub(crate) fn $name(&self, $(_: $type),*) $(-> $result)? {
                $crate::host::no_host(stringify!($name))
            })+
        }
    };
}

pub(crate) use imports;

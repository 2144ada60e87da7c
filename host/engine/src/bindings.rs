//! Bindings generated from `wit/`: the `device` world, and the `fault` world with the interfaces that both
//! share.

wasmtime::component::bindgen!({
    path: "../../wit",
    world: "device",
    imports: { default: trappable },
});

/// Bindings of the `fault` world.
pub(crate) mod fault {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "fault",
        imports: { default: trappable },
        with: {
            "wasmote:device/types": super::wasmote::device::types,
            "wasmote:device/random": super::wasmote::device::random,
            "wasmote:device/config": super::wasmote::device::config,
            "wasmote:device/log": super::wasmote::device::log,
        },
    });
}

//! The one `bindgen!`: `wit/` as Rust.

wasmtime::component::bindgen!({
    path: "../../wit",
    world: "device",
    imports: { default: trappable },
});

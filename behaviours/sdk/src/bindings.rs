//! Bindings generated from `wit/`.
//!
//! Behaviours do not need them: [`crate::Device`] wraps the imports and `export!` the exports. For fault
//! models, [`crate::fault::Link`] and `export_fault_model!` do.

wit_bindgen::generate!({
    path: "../../wit",
    world: "device",
    pub_export_macro: true,
    additional_derives: [PartialEq],
});

/// Bindings of the `fault` world. Interfaces that both worlds share have the same types.
pub mod fault {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "fault",
        pub_export_macro: true,
        export_macro_name: "export_fault",
        additional_derives: [PartialEq],
        with: {
            "wasmote:device/types@0.1.0": crate::bindings::wasmote::device::types,
            "wasmote:device/random@0.1.0": crate::bindings::wasmote::device::random,
            "wasmote:device/config@0.1.0": crate::bindings::wasmote::device::config,
            "wasmote:device/log@0.1.0": crate::bindings::wasmote::device::log,
        },
    });
}

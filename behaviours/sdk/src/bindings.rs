//! What `wit/` says, as Rust: the only place where bindings are generated.
//!
//! A behaviour needs nothing from here; [`crate::Device`] speaks for it and `export!` listens for it. Nor does a
//! fault model, with [`crate::fault::Link`] and `export_fault_model!`.

wit_bindgen::generate!({
    path: "../../wit",
    world: "device",
    pub_export_macro: true,
    additional_derives: [PartialEq],
});

/// The world of fault models. What it shares with that of devices is the same in Rust.
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

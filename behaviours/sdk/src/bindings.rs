//! What `wit/` says, as Rust: the only place where bindings are generated.
//!
//! A behaviour needs nothing from here; [`crate::Device`] speaks for it and `export!` listens for it.

wit_bindgen::generate!({
    path: "../../wit",
    world: "device",
    pub_export_macro: true,
    additional_derives: [PartialEq],
});

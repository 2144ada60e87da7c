//! The package of the guest interface for registries of WIT.

use std::fs;

use wit_parser::Resolve;
use wit_parser::decoding::{DecodedWasm, decode};

use crate::guests::repository;

#[path = "../../examples/wit_package.rs"]
#[allow(dead_code, reason = "the example has a function `main`")]
mod example;

#[test]
fn the_package_has_every_interface_and_world_of_the_wit() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = example::write(folder.path()).expect("wit/ is valid");
    // The layout of local registries of wkg.
    assert_eq!(file, folder.path().join("wasmote/device/0.1.0.wasm"));
    let decoded = decode(&fs::read(file).expect("the package")).expect("a valid package");
    let DecodedWasm::WitPackage(found, package) = decoded else { panic!("it is a component") };
    let mut source = Resolve::default();
    let (wanted, _) = source.push_path(repository().join("wit")).expect("wit/ is valid");
    let names = |resolve: &Resolve, package| {
        let package = &resolve.packages[package];
        let interfaces = package.interfaces.iter().map(|(name, id)| {
            let functions: Vec<&String> = resolve.interfaces[*id].functions.keys().collect();
            format!("{name}: {functions:?}")
        });
        let worlds = package.worlds.keys().cloned();
        interfaces.chain(worlds).collect::<std::collections::BTreeSet<String>>()
    };
    assert_eq!(found.packages[package].name, source.packages[wanted].name);
    assert_eq!(names(&found, package), names(&source, wanted));
    assert!(names(&found, package).len() > 10);
}

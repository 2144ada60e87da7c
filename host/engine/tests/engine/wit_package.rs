//! The package of the guest interface for registries of WIT.

use std::fs;
use std::path::{Path, PathBuf};

use wit_parser::Resolve;
use wit_parser::decoding::{DecodedWasm, decode};

use crate::guests::repository;

/// Writes the package below a folder, in the layout of local registries of `wkg`: `NAMESPACE/NAME/VERSION.wasm`.
fn write(out: &Path) -> PathBuf {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_path(repository().join("wit")).expect("wit/ is valid");
    let name = &resolve.packages[package].name;
    let version = name.version.as_ref().expect("the package has a version");
    let file = out.join(&name.namespace).join(&name.name).join(format!("{version}.wasm"));
    fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
    fs::write(&file, wit_component::encode(&resolve, package).expect("it can be encoded")).expect("a file");
    file
}

#[test]
fn the_package_has_every_interface_and_world_of_the_wit() {
    let folder = tempfile::tempdir().expect("a folder");
    // `make wit-package` names the folder to keep.
    let kept = std::env::var_os("WASMOTE_WIT_REGISTRY").map(PathBuf::from);
    let folder = kept.as_deref().unwrap_or(folder.path());
    let file = write(folder);
    assert_eq!(file, folder.join("wasmote/device/0.1.0.wasm"));
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

//! A subset of kustomize for `deploy/`: resources, components, strategic merge patches with a target, generated
//! ConfigMaps, images. Tests cannot rely on an installed kustomize, because distributions package old versions.
//! With a new one, `overlays` checks that it renders the same.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::command::read;

/// Renders the objects that `kubectl kustomize FOLDER` prints.
pub fn render(folder: &Path) -> Vec<Value> {
    let mut objects = Vec::new();
    build(folder, &mut objects);
    objects
}

fn build(folder: &Path, objects: &mut Vec<Value>) {
    let file = folder.join("kustomization.yaml");
    let text = fs::read_to_string(&file).unwrap_or_else(|problem| panic!("{}: {problem}", file.display()));
    let [kustomization] = &read(&text)[..] else { panic!("{}: one document", file.display()) };
    let fields = kustomization.as_object().unwrap();
    // Unknown fields would be silently ignored otherwise.
    const KNOWN: [&str; 7] =
        ["apiVersion", "kind", "resources", "components", "patches", "configMapGenerator", "images"];
    for field in fields.keys() {
        assert!(KNOWN.contains(&field.as_str()), "{}: the tests do not support {field}", file.display());
    }
    let list = |field: &str| fields.get(field).and_then(Value::as_array).cloned().unwrap_or_default();
    for resource in list("resources") {
        let path = folder.join(resource.as_str().unwrap());
        if path.is_dir() {
            build(&path, objects);
        } else {
            objects.extend(read(&fs::read_to_string(&path).unwrap_or_else(|_| panic!("{}", path.display()))));
        }
    }
    for component in list("components") {
        build(&folder.join(component.as_str().unwrap()), objects);
    }
    objects.extend(list("configMapGenerator").iter().map(|generator| config_map(folder, generator)));
    for patch in list("patches") {
        apply(folder, &patch, objects);
    }
    for image in list("images") {
        set_image(&image, objects);
    }
}

fn config_map(folder: &Path, generator: &Value) -> Value {
    let mut data = serde_json::Map::new();
    for file in generator["files"].as_array().unwrap() {
        let name = file.as_str().unwrap();
        data.insert(name.to_owned(), fs::read_to_string(folder.join(name)).unwrap().into());
    }
    assert_eq!(generator["options"]["disableNameSuffixHash"], true, "names with hashes are not supported");
    let metadata = json!({"name": generator["name"], "labels": generator["options"]["labels"]});
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})
}

fn apply(folder: &Path, patch: &Value, objects: &mut [Value]) {
    let path = folder.join(patch["path"].as_str().unwrap());
    let [text] = &read(&fs::read_to_string(path).unwrap())[..] else { panic!("one patch") };
    let target = &patch["target"];
    let (label, wanted) = target["labelSelector"].as_str().unwrap().split_once('=').unwrap();
    for object in objects {
        if object["kind"] == target["kind"] && object["metadata"]["labels"][label] == wanted {
            merge(object, &json!({"spec": text["spec"]}), "");
        }
    }
}

/// Field that identifies the entries of a list.
fn key_of(field: &str) -> Option<&'static str> {
    Some(match field {
        "containers" | "env" | "volumes" => "name",
        "volumeMounts" => "mountPath",
        "ports" => "containerPort",
        _ => return None,
    })
}

fn merge(into: &mut Value, patch: &Value, field: &str) {
    match (into, patch) {
        (Value::Object(into), Value::Object(patch)) => {
            for (field, value) in patch {
                merge(into.entry(field).or_insert(Value::Null), value, field);
            }
        }
        (Value::Array(into), Value::Array(patch)) if key_of(field).is_some() => {
            let key = key_of(field).unwrap();
            for value in patch {
                match into.iter_mut().find(|known| known[key] == value[key]) {
                    Some(known) => merge(known, value, ""),
                    None => into.push(value.clone()),
                }
            }
        }
        (into, patch) => *into = patch.clone(),
    }
}

fn set_image(image: &Value, objects: &mut [Value]) {
    let new = format!("{}:{}", image["newName"].as_str().unwrap(), image["newTag"].as_str().unwrap());
    for object in objects {
        let containers = object.pointer_mut("/spec/template/spec/containers").and_then(Value::as_array_mut);
        for container in containers.into_iter().flatten() {
            let name = container["image"].as_str().unwrap().split(':').next().unwrap().to_owned();
            if name == image["name"].as_str().unwrap() {
                container["image"] = new.clone().into();
            }
        }
    }
}

//! Memory of pods: limits that suffice, and init containers for components that take much memory to compile.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::command::{call, container, named, read, rendered, variable};
use crate::schema::assert_valid;

/// A folder with a component that has so many functions.
fn component(functions: usize) -> (tempfile::TempDir, PathBuf) {
    let access = "(i32.store (i32.const 5000) (i32.mul (i32.load (i32.const 5004)) (i32.const 3)))";
    let function = format!("(func {})", access.repeat(10));
    let text = format!("(component (core module (memory 1) {}))", function.repeat(functions));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("large.wasm");
    std::fs::write(&file, wat::parse_str(text).unwrap()).unwrap();
    (folder, file)
}

fn stderr(output: &std::process::Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn mebibytes(amount: &Value) -> u64 {
    amount.as_str().unwrap().strip_suffix("Mi").unwrap().parse().unwrap()
}

#[test]
fn a_component_too_large_for_its_pod_is_compiled_by_an_init_container() {
    let (_folder, file) = component(20_000);
    let file = file.to_str().unwrap();
    for options in [&[][..], &["--stable-names"], &["--cpu", "2"]] {
        let output = call(&[&["--behaviour", file][..], options].concat());
        assert!(output.status.success(), "{}", stderr(&output));
        let text = stderr(&output);
        for words in
            ["compiling the behaviour of group `large` takes about ", "--compile-memory", "--behaviour-image"]
        {
            assert!(text.contains(words), "{text}");
        }
        let objects = read(&String::from_utf8(output.stdout).unwrap());
        let kind = if options == ["--stable-names"] { "StatefulSet" } else { "Deployment" };
        let workload = named(&objects, kind, "iot-large");
        assert_valid(&objects, "a large component");
        let pod = &workload["spec"]["template"]["spec"];
        let compile = &pod["initContainers"][0];
        let args: Vec<&str> = compile["args"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        assert_eq!(args[..5], ["behaviours", "precompile", "/behaviours", "--out", "/compiled/code"]);
        // Compiling 20,000 functions takes about 200 MiB, and the compiler may use three quarters of the memory of a pod.
        let limit = mebibytes(&compile["resources"]["limits"]["memory"]);
        assert!((200..600).contains(&limit), "{limit}");
        assert_eq!(
            compile["resources"]["requests"]["memory"],
            container(workload)["resources"]["requests"]["memory"],
            "it fits the same nodes"
        );
        assert_eq!(compile["securityContext"], container(workload)["securityContext"]);
        assert_eq!(variable(workload, "WASMOTE_PRECOMPILED").unwrap()["value"], "/compiled/code");
        let volume = pod["volumes"].as_array().unwrap().iter().find(|volume| volume["name"] == "compiled");
        assert!(mebibytes(&volume.unwrap()["emptyDir"]["sizeLimit"]) >= 32);
        assert!(mebibytes(&container(workload)["resources"]["limits"]["memory"]) < limit);
    }
}

#[test]
fn small_components_are_compiled_by_their_pods() {
    for behaviour in ["heartbeat", "sensor", "routing", "aggregator"] {
        for cpu in ["100m", "1"] {
            let output = call(&["--behaviour", behaviour, "--cpu", cpu]);
            assert!(!stderr(&output).contains("MiB"), "{}", stderr(&output));
            let objects = read(&String::from_utf8(output.stdout).unwrap());
            let workload = named(&objects, "Deployment", &format!("iot-{behaviour}"));
            assert!(workload["spec"]["template"]["spec"].get("initContainers").is_none(), "{behaviour}");
            assert_eq!(container(workload)["resources"]["limits"]["memory"], "64Mi");
        }
    }
}

#[test]
fn the_limit_of_the_init_container_is_that_of_the_user_unless_it_is_too_low() {
    let (_folder, file) = component(20_000);
    let file = file.to_str().unwrap();
    let objects = rendered(&["--behaviour", file, "--compile-memory", "2Gi"]);
    let workload = named(&objects, "Deployment", "iot-large");
    let compile = &workload["spec"]["template"]["spec"]["initContainers"][0];
    assert_eq!(compile["resources"]["limits"], json!({"cpu": "1", "memory": "2Gi"}));
    let refused = call(&["--behaviour", file, "--compile-memory", "100Mi"]);
    assert_eq!(refused.status.code(), Some(1));
    let text = stderr(&refused);
    assert!(
        text.contains("--compile-memory: compiling the behaviour") && text.contains("100Mi are too few"),
        "{text}"
    );
    // Also on request, for a component that does not need it.
    let objects = rendered(&["--compile-memory", "128Mi"]);
    let workload = named(&objects, "Deployment", "iot-heartbeat");
    assert_eq!(workload["spec"]["template"]["spec"]["initContainers"][0]["name"], "compile");
    assert_eq!(call(&["--built-in", "--compile-memory", "128Mi"]).status.code(), Some(2));
}

#[test]
fn pods_of_many_devices_get_more_memory_or_a_warning() {
    let output = call(&["--behaviour", "sensor", "--devices", "400", "--replicas", "2"]);
    let text = stderr(&output);
    assert!(text.contains("for its 400 devices") && text.contains("--memory sets another"), "{text}");
    let objects = read(&String::from_utf8(output.stdout).unwrap());
    let limits = &container(named(&objects, "Deployment", "iot-sensor"))["resources"]["limits"];
    assert!((96..160).contains(&mebibytes(&limits["memory"])), "{limits}");
    for (memory, devices) in [("64Mi", "400"), ("16Mi", "1")] {
        let text = stderr(&call(&["--devices", devices, "--memory", memory]));
        assert!(text.contains(&format!("is killed beyond {memory}: use --memory ")), "{text}");
    }
    assert!(!stderr(&call(&["--devices", "100"])).contains("MiB"));
}

/// An image with a behaviour has the compiled code beside it.
#[test]
fn an_image_with_a_behaviour_may_have_its_compiled_code() {
    let objects = rendered(&["--behaviour-image", "me/behaviour:1"]);
    let workload = named(&objects, "Deployment", "iot-heartbeat");
    assert_eq!(variable(workload, "WASMOTE_PRECOMPILED").unwrap()["value"], "/behaviours/precompiled");
    let mount = container(workload)["volumeMounts"][0].clone();
    assert_eq!((&mount["mountPath"], &mount["name"]), (&json!("/behaviours"), &json!("behaviour")));
    assert!(workload["spec"]["template"]["spec"].get("initContainers").is_none());
    assert!(variable(named(&rendered(&[]), "Deployment", "iot-heartbeat"), "WASMOTE_PRECOMPILED").is_none());
}

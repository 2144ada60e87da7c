//! The pods of a device group, with their volumes and their Service.

use wasmote_engine::CompileMode;

use super::fleet::{
    BEHAVIOUR_FOLDER, FAULTS_FILE, FAULTS_FOLDER, FleetManifests, MountedComponent, PodGroup,
};
use super::memory::compile_mode;
use super::objects::{ObjectIdentity, container_security, object, pod_security, service_port};
use super::options::{BehaviourMount, DeployOptions, TokenSecret};
use super::yaml::Map;

/// The label `app` of all devices.
pub const APP: &str = "iot-device";
/// User id of the image.
const USER: u32 = 65_532;
/// Port of the API.
pub const PORT: u32 = 5_000;
/// Name of the API's port.
pub const PORT_NAME: &str = "http";
/// Folder of compiled code in pods.
const CACHE_FOLDER: &str = "/cache";
/// Size limit of that folder. It is above the program's own limit, because Kubernetes evicts a pod that exceeds it.
const CACHE_SIZE: &str = "64Mi";
/// Volume of the init container, and the folder in it with the code that it compiles. The folder belongs to the pod's user
/// alone, while all may write to the volume.
const COMPILED_FOLDER: &str = "/compiled";
const COMPILED_CODE: &str = "/compiled/code";
/// Folder with compiled code in an image with a behaviour.
const IMAGE_CODE: &str = "/behaviours/precompiled";
/// Limit of the process that compiles in the init container, which is above that of the container.
const MAX_COMPILE_MEMORY: &str = "64GiB";
/// Folder of the broker's CA in pods.
const AUTHORITY_FOLDER: &str = "/broker";

/// Key of the token in its Secret.
const TOKEN_KEY: &str = "token";

/// Identity of the objects of a group.
pub fn identity(group: &str, options: &DeployOptions) -> ObjectIdentity {
    ObjectIdentity {
        app: APP,
        name: "wasmote",
        instance: group.to_owned(),
        component: "device",
        version: Some(env!("CARGO_PKG_VERSION")),
        namespace: options.namespace.clone(),
    }
}

/// The ConfigMap of a component.
pub fn component(component: &MountedComponent, options: &DeployOptions) -> Map {
    let name = component.name.as_str();
    let identity = identity(name.strip_prefix("behaviour-").unwrap_or(name), options);
    let metadata = identity
        .metadata(name)
        .with("annotations", Map::new().with("wasmote/sha256", component.sha256.as_str()));
    let data = Map::new().with(component.file.as_str(), component.compressed.base64());
    object("v1", "ConfigMap", metadata).with("binaryData", data)
}

/// The ConfigMap of a group's faults file, if it has one.
pub fn faults(group: &PodGroup, options: &DeployOptions) -> Option<Map> {
    let file = group.faults.as_ref()?;
    let metadata = identity(group.instance.as_str(), options).metadata(&faults_name(group));
    Some(object("v1", "ConfigMap", metadata).with("data", Map::new().with(FAULTS_FILE, file.json.as_str())))
}

fn faults_name(group: &PodGroup) -> String {
    format!("{}-faults", group.name)
}

/// The headless Service of a group.
pub fn service(group: &PodGroup, options: &DeployOptions) -> Map {
    let identity = identity(group.instance.as_str(), options);
    let spec = Map::new()
        .with_comment("Headless: gives the pods DNS names, without load balancing.", "clusterIP", "None")
        .with_comment("Pods get a DNS name before they are ready.", "publishNotReadyAddresses", true)
        .with("selector", identity.selector())
        .with("ports", vec![service_port(PORT_NAME, PORT)]);
    object("v1", "Service", identity.metadata(group.name.as_str())).with("spec", spec)
}

/// The Deployment or StatefulSet of a group.
pub fn pods(group: &PodGroup, fleet: &FleetManifests) -> Map {
    let options = &fleet.options;
    let identity = identity(group.instance.as_str(), options);
    let kind = if options.stable_names { "StatefulSet" } else { "Deployment" };
    let mut spec = Map::new().with("replicas", group.replicas);
    if options.stable_names {
        spec = spec
            .with("serviceName", group.name.as_str())
            .with_comment("Pods start in parallel.", "podManagementPolicy", "Parallel")
            .with_comment(
                "Shards are numbered from 1, and devices from 0: pod 1 has device 0.",
                "ordinals",
                Map::new().with("start", 1_u32),
            );
    }
    let mut annotations = Map::new()
        .with("prometheus.io/scrape", "true")
        .with("prometheus.io/port", PORT.to_string())
        .with("prometheus.io/path", "/metrics");
    if let Some(faults) = &group.faults {
        annotations = annotations.with_comment(
            "A change of the faults replaces the pods; use PUT /faults to change them in running pods.",
            "wasmote/faults-sha256",
            faults.sha256.as_str(),
        );
    }
    let template = Map::new()
        .with("metadata", Map::new().with("labels", identity.labels()).with("annotations", annotations))
        .with("spec", pod(group, fleet));
    spec =
        spec.with("selector", Map::new().with("matchLabels", identity.selector())).with("template", template);
    object("apps/v1", kind, identity.metadata(group.name.as_str())).with("spec", spec)
}

fn pod(group: &PodGroup, fleet: &FleetManifests) -> Map {
    Map::new()
        .with("automountServiceAccountToken", false)
        .with_comment(
            "Without this, a Service named `wasmote` would set WASMOTE_* variables.",
            "enableServiceLinks",
            false,
        )
        .with_comment(
            "Longer than the shutdown of the devices, including their last messages.",
            "terminationGracePeriodSeconds",
            15_u32,
        )
        .with("securityContext", pod_security(USER))
        .with_some("initContainers", compile_container(group, fleet).map(|container| vec![container]))
        .with("containers", vec![container(group, fleet)])
        .with_some("volumes", Some(volumes(group, fleet)).filter(|volumes| !volumes.is_empty()))
}

fn container(group: &PodGroup, fleet: &FleetManifests) -> Map {
    let options = &fleet.options;
    let probe = |path: &str| Map::new().with("path", path).with("port", PORT_NAME);
    let amounts = |cpu: &str| Map::new().with("cpu", cpu).with("memory", group.memory.limit.as_str());
    let cpu = options.cpu.as_str();
    Map::new()
        .with("name", "device")
        .with("image", options.image.as_str())
        .with("imagePullPolicy", options.pull_policy.as_str())
        .with("args", vec!["run", group.behaviour.as_str()])
        .with("env", environment(group, fleet))
        .with("ports", vec![Map::new().with("name", PORT_NAME).with("containerPort", PORT)])
        .with_comment(
            "Liveness probes only the process: a silence or a lost broker is part of the simulation and must\n\
             not restart the pod.",
            "livenessProbe",
            Map::new()
                .with("httpGet", probe("/healthz"))
                .with("periodSeconds", 20_u32)
                .with_comment("Answers may be slow with a tenth of a processor.", "timeoutSeconds", 5_u32)
                .with("failureThreshold", 6_u32),
        )
        .with_comment(
            "Ready after each device has been connected once.",
            "readinessProbe",
            Map::new()
                .with("httpGet", probe("/readyz"))
                .with("periodSeconds", 5_u32)
                .with("timeoutSeconds", 5_u32),
        )
        .with("resources", Map::new().with("requests", amounts(cpu_request(options))).with("limits", amounts(cpu)))
        .with("securityContext", container_security())
        .with_some("volumeMounts", Some(mounts(group, fleet)).filter(|mounts| !mounts.is_empty()))
}

/// The request covers an idle device, so that many fit on a node.
fn cpu_request(options: &DeployOptions) -> &str {
    if options.cpu.value() < 0.01 { options.cpu.as_str() } else { "10m" }
}

/// The init container that compiles the behaviour, if the pod's own memory does not suffice.
fn compile_container(group: &PodGroup, fleet: &FleetManifests) -> Option<Map> {
    let (options, compile) = (&fleet.options, group.memory.compile.as_ref()?);
    let amounts = |cpu: &str, memory: &str| Map::new().with("cpu", cpu).with("memory", memory);
    let mount = |name: &str, path: &str| Map::new().with("name", name).with("mountPath", path);
    let arguments =
        ["behaviours", "precompile", BEHAVIOUR_FOLDER, "--out", COMPILED_CODE, "--compile-time", "30m"];
    let limits = Map::new()
        .with_comment(
            "Compiling takes more memory than running. The request stays that of the pod, so that it fits the same nodes.",
            "requests",
            amounts(cpu_request(options), group.memory.limit.as_str()),
        )
        .with("limits", amounts(compile.cpu.as_str(), compile.memory.as_str()));
    let container = Map::new()
        .with("name", "compile")
        .with("image", options.image.as_str())
        .with("imagePullPolicy", options.pull_policy.as_str())
        .with("args", arguments.to_vec())
        .with(
            "env",
            vec![Map::new().with("name", "WASMOTE_COMPILE_MEMORY").with("value", MAX_COMPILE_MEMORY)],
        )
        .with("resources", limits)
        .with("securityContext", container_security())
        .with(
            "volumeMounts",
            vec![
                mount("behaviour", BEHAVIOUR_FOLDER).with("readOnly", true),
                mount("compiled", COMPILED_FOLDER),
            ],
        );
    Some(container)
}

fn environment(group: &PodGroup, fleet: &FleetManifests) -> Vec<Map> {
    let options = &fleet.options;
    let plain = |name: &str, value: &str| Map::new().with("name", name).with("value", value);
    let field = |name: &str, path: &str| {
        let from = Map::new().with("fieldRef", Map::new().with("fieldPath", path));
        Map::new().with("name", name).with("valueFrom", from)
    };
    let secret = |name: &str, secret: &str, key: &str| {
        let from = Map::new().with("name", secret).with("key", key);
        Map::new().with("name", name).with("valueFrom", Map::new().with("secretKeyRef", from))
    };
    let mut all: Vec<Map> = if options.stable_names {
        let share = format!("$(POD_INDEX)/{}", group.replicas);
        vec![
            field("POD_INDEX", "metadata.labels['apps.kubernetes.io/pod-index']"),
            plain("WASMOTE_SHARD", &share),
        ]
    } else {
        vec![field("WASMOTE_DEVICE_ID", "metadata.name")]
    };
    all.push(plain("WASMOTE_BROKER", &options.broker.url));
    if let Some(credentials) = &options.broker.credentials {
        all.push(secret("WASMOTE_BROKER_USER", credentials.as_str(), "username"));
        all.push(secret("WASMOTE_BROKER_PASSWORD", credentials.as_str(), "password"));
    }
    if let Some(proxy) = &options.broker.proxy {
        all.push(secret("WASMOTE_PROXY", proxy.as_str(), "url"));
    }
    if let Some(headers) = &options.broker.headers {
        all.push(secret("WASMOTE_WS_HEADER", headers.as_str(), "headers"));
    }
    if options.broker.authority.is_some() {
        all.push(plain("WASMOTE_CA", &format!("{AUTHORITY_FOLDER}/ca.crt")));
    }
    all.push(plain("WASMOTE_HTTP", &format!("0.0.0.0:{PORT}")));
    all.push(
        Map::new()
            .with_comment(
                "Requests through a Service or the API server name that as their host, so reading is allowed under every\n\
                 name.",
                "name",
                "WASMOTE_HTTP_HOST",
            )
            .with("value", "*"),
    );
    all.push(http_token(&options.http_token));
    if group.config_map.is_some() {
        all.push(plain("WASMOTE_WATCH", "true"));
    }
    if group.is_mounted() {
        all.push(plain("WASMOTE_CACHE", CACHE_FOLDER));
        if group.memory.compile.is_some() {
            all.push(plain("WASMOTE_PRECOMPILED", COMPILED_CODE));
        } else if matches!(options.behaviour, BehaviourMount::Volume(_)) {
            all.push(plain("WASMOTE_PRECOMPILED", IMAGE_CODE));
        }
        if compile_mode(&options.cpu) == CompileMode::Quick {
            all.push(plain("WASMOTE_COMPILE", "quick"));
        }
    }
    all.extend(group.env.iter().chain(&fleet.common_env).map(|(name, value)| plain(name, value)));
    all
}

/// The token of the API, from its Secret.
fn http_token(secret: &TokenSecret) -> Map {
    let mut from = Map::new().with("name", secret.name().as_str()).with("key", TOKEN_KEY);
    if matches!(secret, TokenSecret::Optional(_)) {
        from = from.with("optional", true);
    }
    let comment = format!(
        "Without this Secret, the API accepts changes only from the pod itself, as through `kubectl port-forward`:\n\
         kubectl create secret generic {} --from-literal={TOKEN_KEY}=\"$(wasmote token)\"",
        secret.name()
    );
    Map::new()
        .with_comment(&comment, "name", "WASMOTE_HTTP_TOKEN")
        .with("valueFrom", Map::new().with("secretKeyRef", from))
}

/// The Secret of the token, if it is deployed with the fleet.
pub fn token_secret(options: &DeployOptions) -> Option<Map> {
    let token = options.http_token.token()?;
    let name = options.http_token.name().as_str();
    let metadata = identity(name, options).metadata(name);
    let data = Map::new().with(TOKEN_KEY, token.reveal());
    Some(object("v1", "Secret", metadata).with("type", "Opaque").with("stringData", data))
}

fn mounts(group: &PodGroup, fleet: &FleetManifests) -> Vec<Map> {
    let mount = |name: &str, path: &str| Map::new().with("name", name).with("mountPath", path);
    let mut all = Vec::new();
    if group.is_mounted() {
        let folder = Map::new().with_comment(
            "The whole folder: a mount with subPath would not get updates.",
            "name",
            "behaviour",
        );
        all.push(folder.with("mountPath", BEHAVIOUR_FOLDER).with("readOnly", true));
        all.push(mount("cache", CACHE_FOLDER));
    }
    if group.memory.compile.is_some() {
        all.push(mount("compiled", COMPILED_FOLDER).with("readOnly", true));
    }
    if group.faults.is_some() {
        all.push(mount("faults", FAULTS_FOLDER).with("readOnly", true));
    }
    if fleet.options.broker.authority.is_some() {
        all.push(mount("broker-authority", AUTHORITY_FOLDER).with("readOnly", true));
    }
    all
}

fn volumes(group: &PodGroup, fleet: &FleetManifests) -> Vec<Map> {
    let volume = |name: &str, kind: &str, source: Map| Map::new().with("name", name).with(kind, source);
    let named = |name: &str| Map::new().with("name", name);
    let mut all = Vec::new();
    match (&fleet.options.behaviour, &group.config_map) {
        (BehaviourMount::Volume(image), _) => {
            let image = Map::new().with("reference", image.as_str()).with("pullPolicy", "IfNotPresent");
            all.push(volume("behaviour", "image", image));
        }
        (_, Some(config_map)) => all.push(volume("behaviour", "configMap", named(config_map.as_str()))),
        _ => {}
    }
    if group.is_mounted() {
        let cache = Map::new().with("name", "cache").with_comment(
            "Compiled code for restarts of the container. On the node's disk, because memory would count\n\
             against the pod's limit.",
            "emptyDir",
            Map::new().with("sizeLimit", CACHE_SIZE),
        );
        all.push(cache);
    }
    if let Some(compile) = &group.memory.compile {
        all.push(volume("compiled", "emptyDir", Map::new().with("sizeLimit", compile.volume.as_str())));
    }
    if group.faults.is_some() {
        all.push(volume("faults", "configMap", named(&faults_name(group))));
    }
    if let Some(authority) = &fleet.options.broker.authority {
        let only = vec![Map::new().with("key", "ca.crt").with("path", "ca.crt")];
        let secret = Map::new().with("secretName", authority.as_str()).with("items", only);
        all.push(volume("broker-authority", "secret", secret));
    }
    all
}

//! Objects of Mosquitto on a cluster, or the address of another broker.

use super::name::Name;
use super::objects::{ObjectIdentity, container_security, object, pod_security, service_port};
use super::yaml::Map;

/// Name of Mosquitto's objects, including its Service.
pub const NAME: &str = "mqtt-broker";
/// Secret with the broker's certificate `tls.crt`, its key `tls.key`, and the signing CA `ca.crt`.
pub const TLS_SECRET: &str = "mqtt-broker-tls";
/// Secret with Mosquitto's password file `passwords`.
pub const USERS_SECRET: &str = "mqtt-broker-users";
/// Secret with `username` and `password` of the devices.
pub const CREDENTIALS_SECRET: &str = "mqtt-credentials";

/// The broker of the devices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerEndpoint {
    /// True if Mosquitto is deployed on the cluster.
    pub deployed: bool,
    /// URL, as for `--broker`.
    pub url: String,
    /// Secret with `username` and `password` of the devices.
    pub credentials: Option<Name>,
    /// Secret with `ca.crt`, the CA that devices trust.
    pub authority: Option<Name>,
    /// Secret with the `headers` of the WebSocket handshake, one on each line.
    pub headers: Option<Name>,
    /// Secret with the `url` of a proxy.
    pub proxy: Option<Name>,
}

impl BrokerEndpoint {
    /// Mosquitto on the cluster: without authentication, or with TLS and passwords.
    pub fn mosquitto(tls: bool) -> Self {
        let secret = |name: &str| tls.then(|| Name::sanitized(name)).flatten();
        Self {
            deployed: true,
            url: if tls { format!("mqtts://{NAME}:8883") } else { format!("mqtt://{NAME}:1883") },
            credentials: secret(CREDENTIALS_SECRET),
            authority: secret(TLS_SECRET),
            headers: None,
            proxy: None,
        }
    }

    /// True if the broker uses TLS.
    pub fn is_secured(&self) -> bool {
        self.url.starts_with("mqtts://") || self.url.starts_with("wss://")
    }
}

const OPEN_CONF: &str = "\
# Without a listener, Mosquitto 2 accepts connections only from its pod.
listener 1883
allow_anonymous true
";

const SECURED_CONF: &str = "\
listener 8883
certfile /mosquitto/tls/tls.crt
keyfile /mosquitto/tls/tls.key
# Clients need a user name and a password.
allow_anonymous false
password_file /mosquitto/users/passwords
";

const COMMON_CONF: &str = "\
# Log to stdout for `kubectl logs`, with connections and timeouts.
log_dest stdout
log_type error
log_type warning
log_type notice
log_type information
connection_messages true
log_timestamp_format %Y-%m-%dT%H:%M:%S
# Send small packets at once, because batching would distort latency.
set_tcp_nodelay true
persistence false
";

/// Mosquitto's configuration.
pub fn configuration(secured: bool) -> String {
    format!("{}{COMMON_CONF}", if secured { SECURED_CONF } else { OPEN_CONF })
}

/// ConfigMap, Deployment and Service of Mosquitto.
pub fn objects(namespace: Option<&Name>, secured: bool) -> Vec<Map> {
    let identity = ObjectIdentity {
        app: NAME,
        name: "mosquitto",
        instance: NAME.into(),
        component: "broker",
        version: None,
        namespace: namespace.cloned(),
    };
    let (port_name, port) = if secured { ("mqtts", 8883_u32) } else { ("mqtt", 1883) };
    let config = object("v1", "ConfigMap", identity.metadata(NAME))
        .with("data", Map::new().with("mosquitto.conf", configuration(secured)));
    let selector = identity.selector();
    let deployment = object("apps/v1", "Deployment", identity.metadata(NAME)).with(
        "spec",
        Map::new()
            .with("replicas", 1_u32)
            .with_comment(
                "Two brokers behind one Service would split the fleet.",
                "strategy",
                Map::new().with("type", "Recreate"),
            )
            .with("selector", Map::new().with("matchLabels", selector.clone()))
            .with(
                "template",
                Map::new()
                    .with("metadata", Map::new().with("labels", identity.labels()))
                    .with("spec", pod(secured, port_name, port)),
            ),
    );
    let service = object("v1", "Service", identity.metadata(NAME)).with(
        "spec",
        Map::new().with("selector", selector).with("ports", vec![service_port(port_name, port)]),
    );
    vec![config, deployment, service]
}

fn pod(secured: bool, port_name: &str, port: u32) -> Map {
    let mounted =
        |name: &str, path: &str| Map::new().with("name", name).with("mountPath", path).with("readOnly", true);
    let mut mounts = vec![mounted("config", "/mosquitto/config")];
    let mut volumes =
        vec![Map::new().with("name", "config").with("configMap", Map::new().with("name", NAME))];
    if secured {
        mounts.push(mounted("tls", "/mosquitto/tls"));
        mounts.push(mounted("users", "/mosquitto/users"));
        volumes.push(secret("tls", TLS_SECRET));
        volumes.push(secret("users", USERS_SECRET));
    }
    let container = Map::new()
        .with("name", "mosquitto")
        .with("image", "eclipse-mosquitto:2")
        .with("args", vec!["mosquitto", "-c", "/mosquitto/config/mosquitto.conf"])
        .with_comment(
            "Mosquitto buffers some thousand bytes of log, unless stdout is a terminal.",
            "tty",
            true,
        )
        .with("ports", vec![Map::new().with("name", port_name).with("containerPort", port)])
        .with_comment(
            "Looks for the listening socket (state 0A) in the tables of the kernel: a probe that connects adds two lines to\n\
             the log each time, and an error with TLS. Kubernetes restarts the container when Mosquitto ends.",
            "readinessProbe",
            Map::new().with("exec", Map::new().with("command", listening(port))).with("periodSeconds", 5_u32),
        )
        .with(
            "resources",
            Map::new()
                .with("requests", Map::new().with("cpu", "100m").with("memory", "64Mi"))
                .with("limits", Map::new().with("memory", "256Mi")),
        )
        .with("securityContext", container_security())
        .with("volumeMounts", mounts);
    Map::new()
        .with("automountServiceAccountToken", false)
        .with("securityContext", pod_security(1883))
        .with("containers", vec![container])
        .with("volumes", volumes)
}

/// Command that succeeds if a socket listens on this port, over IPv4 or IPv6.
fn listening(port: u32) -> Vec<String> {
    let pattern = format!(":{port:04X} 0*:0000 0A");
    ["grep", "-qs", &pattern, "/proc/net/tcp", "/proc/net/tcp6"].map(str::to_owned).to_vec()
}

/// Volume of a Secret. Mosquitto requires that only its user and group can read the files.
fn secret(name: &str, secret: &str) -> Map {
    Map::new().with("name", name).with(
        "secret",
        Map::new().with("secretName", secret).with_comment(
            "0440: readable only by the user and group.",
            "defaultMode",
            0o440_u32,
        ),
    )
}

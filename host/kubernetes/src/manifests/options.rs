//! Options of a deployment: namespace, image, limits, names and Secrets.

use wasmote_fleet::http_access::HttpToken;

use super::broker::BrokerEndpoint;
use super::name::{Image, Name, PullPolicy, Quantity};

/// Options of a deployment, except those of the devices themselves.
#[derive(Clone, Debug)]
pub struct DeployOptions {
    /// Namespace of every object; `None` for the namespace of `kubectl`.
    pub namespace: Option<Name>,
    /// Image of this program.
    pub image: Image,
    /// Policy by which the image is pulled.
    pub pull_policy: PullPolicy,
    /// Devices in each pod.
    pub devices_per_pod: u32,
    /// True if pods and devices have stable names, such as `sensor-0` and `sensor-1`, and know each other.
    pub stable_names: bool,
    /// Memory limit of a pod; by default what its devices need, and at least 64Mi.
    pub memory: Option<Quantity>,
    /// Memory limit of the init container that compiles a mounted behaviour. By default there is one only for behaviours that
    /// the pod's own memory does not suffice to compile.
    pub compile_memory: Option<Quantity>,
    /// Processor limit of a pod.
    pub cpu: Quantity,
    /// Source of the behaviour in pods.
    pub behaviour: BehaviourMount,
    /// The broker.
    pub broker: BrokerEndpoint,
    /// True if all pods have the same seed; otherwise each pod draws its own.
    pub same_seed: bool,
    /// True if a ConfigMap's name contains a hash of the behaviour, so that it differs from one that the user made.
    pub hashed_config_maps: bool,
    /// Secret with the token of the pods' API.
    pub http_token: TokenSecret,
}

/// The Secret that holds the token of the pods' API, under the key `token`.
#[derive(Clone, Debug)]
pub enum TokenSecret {
    /// Secret of the user. Without it, the API of a pod accepts changes only from the pod itself.
    Optional(Name),
    /// Secret that is deployed with the fleet.
    Deployed(Name, HttpToken),
}

impl TokenSecret {
    /// Name of the Secret.
    pub fn name(&self) -> &Name {
        match self {
            Self::Optional(name) | Self::Deployed(name, _) => name,
        }
    }

    /// The token, unless it is only the user's.
    pub fn token(&self) -> Option<&HttpToken> {
        match self {
            Self::Optional(_) => None,
            Self::Deployed(_, token) => Some(token),
        }
    }
}

/// Source of a behaviour in pods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BehaviourMount {
    /// A ConfigMap, mounted as a folder.
    ConfigMap,
    /// The program's own image, compiled ahead; for built-in behaviours.
    Program,
    /// A separate image with the component at its root, mounted as a volume.
    Volume(Image),
}

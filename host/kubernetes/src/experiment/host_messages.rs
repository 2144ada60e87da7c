//! Messages of the host in a run on a cluster: they go to the broker through `kubectl port-forward`.

use std::time::Duration;

use tokio::runtime::Runtime;
use wasmote_fleet::config::Settings;
use wasmote_live::config::BrokerUrl;
use wasmote_live::host_client::{HostClient, HostConnection, HostMessage};
use wasmote_mqtt::message::Message;

use crate::kubectl::background::Background;
use crate::kubectl::{Kubectl, KubectlError};
use crate::manifests::broker;

/// Client identifier of the host, as in runs in one process.
const HOST: &str = "wasmote-host";
/// Timeout of a connection to the broker, and of the acknowledgement of a message.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The way from the host to the broker.
pub struct HostMessages<'a> {
    forward: Background,
    settings: &'a Settings,
}

impl<'a> HostMessages<'a> {
    /// Opens a port on this machine that leads to the broker.
    pub fn open(kubectl: &Kubectl, settings: &'a Settings) -> Result<Self, KubectlError> {
        let service = format!("service/{}", broker::NAME);
        // "Forwarding from 127.0.0.1:40123 -> 1883"
        let forward =
            Background::start(kubectl, &["port-forward", "--address=127.0.0.1", &service, ":1883"])?;
        Ok(Self { forward, settings })
    }

    /// Publishes a message over a connection of its own. The error is a readable reason.
    pub fn publish(&self, runtime: &Runtime, message: Message) -> Result<(), String> {
        let Some((host, port)) = self.forward.address.rsplit_once(':') else {
            return Err(format!("`{}` is no address", self.forward.address));
        };
        let port = port.parse().map_err(|_| format!("`{port}` is no port"))?;
        let connection = HostConnection {
            broker: BrokerUrl::mqtt(host, port),
            options: self.settings.connection.clone(),
            protocol: self.settings.protocol,
            client_id: HOST.to_owned(),
        };
        let Message { topic, payload, qos, retain, .. } = message;
        runtime.block_on(async {
            let mut client = HostClient::start(connection).map_err(|problem| problem.to_string())?;
            client.connected(TIMEOUT).await?;
            let message = HostMessage { topic, payload, qos, retain };
            client.publish(message).map_err(|problem| problem.to_string())?;
            match client.close(TIMEOUT).await {
                0 => Ok(()),
                _ => Err("the broker did not acknowledge the message".to_owned()),
            }
        })
    }
}

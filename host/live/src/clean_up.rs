//! Removal of the retained messages of a fleet at an external broker.
//!
//! Sessions are discarded by the MQTT clients of the devices themselves. Retained messages are recorded when they
//! are passed to a connection, and cleared over a connection of the host once all devices have stopped: before
//! that, other devices of the fleet may still need them.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use wasmote_mqtt::topic::Topic;

use crate::broker_state::{Leftovers, RetainedTopics};
use crate::host_client::{HostClient, HostConnection, HostMessage, PublishError};

/// Clears retained messages over a connection of the host, and logs what may have stayed.
pub(crate) async fn clear(connection: HostConnection, leftovers: Leftovers, within: Duration) {
    let Leftovers { topics, missed, sessions } = leftovers;
    if sessions > 0 {
        tracing::warn!(
            "the sessions of {sessions} devices may have stayed at the broker: the devices could not connect or \
             disconnect at the end"
        );
    }
    if missed > 0 {
        tracing::warn!(
            "{missed} retained messages stay at the broker: the record of their topics is limited to {} MiB",
            RetainedTopics::MAX_BYTES >> 20
        );
    }
    if topics.is_empty() {
        return;
    }
    let count = topics.len();
    match publish_all(connection, topics, within).await {
        Ok(0) => tracing::info!("cleared {count} retained messages of this run at the broker"),
        Ok(left) => tracing::warn!(
            "{left} of {count} retained messages of this run may have stayed at the broker: it did not acknowledge \
             their removal within {} s",
            within.as_secs()
        ),
        Err(problem) => {
            tracing::warn!("{count} retained messages of this run stay at the broker: {problem}")
        }
    }
}

/// Returns the number of topics that may not be clear.
async fn publish_all(
    connection: HostConnection,
    topics: BTreeSet<Topic>,
    within: Duration,
) -> Result<usize, String> {
    let deadline = Instant::now() + within;
    let mut client = HostClient::start(connection).map_err(|problem| problem.to_string())?;
    client.first_attempt(within).await?;
    let mut refused = 0;
    for topic in topics {
        loop {
            match client.publish(HostMessage::clearing(topic.clone())) {
                Ok(()) => break,
                Err(PublishError::QueueFull) if Instant::now() < deadline => {
                    sleep(Duration::from_millis(5)).await;
                }
                Err(_) => {
                    refused += 1;
                    break;
                }
            }
        }
    }
    Ok(refused + client.close(deadline.saturating_duration_since(Instant::now())).await)
}

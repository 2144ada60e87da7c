//! Files of JSON lines, which grow during a run: `events.ndjson` and `chain.ndjson`.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The type of a line of a file of JSON lines.
pub trait LineFile: Serialize {
    /// Name of the file.
    const FILE: &'static str;
}

/// Writes one line.
pub fn write_line<T: LineFile>(out: &mut impl Write, line: &T) -> io::Result<()> {
    serde_json::to_writer(&mut *out, line)?;
    out.write_all(b"\n")
}

/// Reads the lines of a file in a folder, up to the first that is damaged. A missing file has no lines.
pub fn read_lines<T: LineFile + DeserializeOwned>(folder: &Path) -> io::Result<Vec<T>> {
    let Ok(file) = File::open(folder.join(T::FILE)) else { return Ok(Vec::new()) };
    let lines = BufReader::new(file).lines();
    lines.map_while(|line| line.map(|line| serde_json::from_str(&line).ok()).transpose()).collect()
}

/// `events.ndjson`: one event of a device, of the broker, of the host or of a user. A field that an event does not have
/// is left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventLine<'a> {
    /// Number of the step in the run's chain of steps.
    pub step: u64,
    /// Time, in seconds.
    pub t_s: f64,
    /// Name of the device.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<Cow<'a, str>>,
    /// Group of the device.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<Cow<'a, str>>,
    /// Kind of the event, such as `connected` or `fault_began`.
    pub kind: Cow<'a, str>,
    /// The event as a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<Cow<'a, str>>,
    /// Topic of an MQTT message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topic: Option<Cow<'a, str>>,
    /// Beginning of the payload of an MQTT message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload: Option<Cow<'a, str>>,
    /// Latency of an MQTT message, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_s: Option<f64>,
    /// Id of a fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<Cow<'a, str>>,
    /// Kind of a broker's fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault_kind: Option<Cow<'a, str>>,
    /// Reason of a drop, a stop or a refusal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Cow<'a, str>>,
    /// Seconds until a fault ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ends_after_s: Option<f64>,
    /// Seconds until the device connects or starts again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub again_after_s: Option<f64>,
    /// Time at which a broker's fault ends, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until_s: Option<f64>,
    /// Version of the behaviour that runs after a swap.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<Cow<'a, str>>,
    /// Length of the payload; given if `payload` is not all of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload_bytes: Option<u64>,
    /// The payload in Base64, at most the first 4 KiB; given if `payload` is not all of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload_base64: Option<Cow<'a, str>>,
    /// Id of an MQTT message, `<device>/<number>`, as in `journeys.ndjson`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_id: Option<Cow<'a, str>>,
}

impl LineFile for EventLine<'_> {
    const FILE: &'static str = "events.ndjson";
}

/// `chain.ndjson`: the digest of a run after a number of steps. Only runs in virtual time have the file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Steps so far.
    pub step: u64,
    /// Time of the last of them, in seconds.
    pub t_s: f64,
    /// Digest of all of them, in hexadecimal.
    pub digest: String,
}

impl LineFile for Checkpoint {
    const FILE: &'static str = "chain.ndjson";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_that_an_event_lacks_are_left_out_and_read_back_as_none() {
        let event = EventLine {
            step: 3,
            t_s: 1.5,
            kind: "edited".into(),
            message: Some("m".into()),
            ..EventLine::default()
        };
        let mut bytes = Vec::new();
        write_line(&mut bytes, &event).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        assert_eq!(text, "{\"step\":3,\"t_s\":1.5,\"kind\":\"edited\",\"message\":\"m\"}\n");
        assert_eq!(serde_json::from_str::<EventLine<'static>>(&text).unwrap(), event);
    }

    #[test]
    fn lines_are_read_up_to_a_damaged_one() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read_lines::<Checkpoint>(folder.path()).unwrap(), []);
        let line = "{\"step\":1000,\"t_s\":2.0,\"digest\":\"ab\"}\n";
        std::fs::write(folder.path().join(Checkpoint::FILE), format!("{line}{{\"st")).unwrap();
        assert_eq!(read_lines::<Checkpoint>(folder.path()).unwrap().len(), 1);
    }
}

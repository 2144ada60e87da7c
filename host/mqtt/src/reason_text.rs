//! MQTT reason codes as words.

/// Converts a reason code to words, such as `bad user name password` for `BadUserNamePassword`.
pub fn humanize(code: impl std::fmt::Debug) -> String {
    let mut words = String::new();
    for letter in format!("{code:?}").chars() {
        if letter.is_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.extend(letter.to_lowercase());
    }
    words.replace("qo s", "QoS")
}

/// Text for a refused CONNECT.
pub fn connection_refused(code: impl std::fmt::Debug) -> String {
    let why = match humanize(code) {
        why if why == "bad user name password" || why == "bad username or password" => {
            "bad user name or password".to_owned()
        }
        why => why,
    };
    format!("the broker refused the connection: {why}")
}

/// Cause and remedy of a session that another connection took over [MQTT-3.1.4-3].
pub(crate) const DOUBLED_CLIENT_ID: &str = "; another client uses the same client id, such as a second fleet with the \
    same names; give the devices other names with --group or --device-id";

/// Text for a connection that the broker, not for the first time, closed soon after it had accepted it, without saying
/// why.
pub(crate) fn ended_early(reason: &str) -> String {
    format!(
        "{reason} again soon after it had accepted it; another client may use the same client id, such as a second \
         fleet with the same names (--group or --device-id gives others), or the broker does not take a message or a \
         subscription of this device"
    )
}

/// Text for a DISCONNECT from the broker, with its Reason String if there is one [MQTT-3.14.2.2.3].
pub fn server_disconnected(code: impl std::fmt::Debug, reason: Option<&str>) -> String {
    let reason = reason.map(|text| format!(" ({text})")).unwrap_or_default();
    format!("the broker ended the connection: {}{reason}", humanize(code))
}

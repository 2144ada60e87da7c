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

/// Text for a DISCONNECT from the broker, with its Reason String if there is one [MQTT-3.14.2.2.3].
pub fn server_disconnected(code: impl std::fmt::Debug, reason: Option<&str>) -> String {
    let reason = reason.map(|text| format!(" ({text})")).unwrap_or_default();
    format!("the broker ended the connection: {}{reason}", humanize(code))
}

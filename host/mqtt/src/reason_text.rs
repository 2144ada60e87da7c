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

/// Names the broker's address in a text that begins with `the broker`.
pub fn at(address: &str, text: String) -> String {
    match text.strip_prefix("the broker ") {
        Some(rest) => format!("{address} {rest}"),
        None => text,
    }
}

/// Text for a refused CONNECT, with its remedy.
pub fn connection_refused(code: impl std::fmt::Debug) -> String {
    let why = match humanize(code).as_str() {
        "bad user name password" | "bad username or password" => "bad user name or password".to_owned(),
        "refused protocol version" => "unsupported protocol version".to_owned(),
        "bad client id" => "client identifier not valid".to_owned(),
        why => why.to_owned(),
    };
    format!("the broker refused the connection: {why}; {}", remedy(&why))
}

/// What a user can do about a refused CONNECT.
fn remedy(why: &str) -> &'static str {
    match why {
        "bad user name or password" | "not authorized" => {
            "check --broker-user and --broker-password, and the broker's rules for this client"
        }
        "unsupported protocol version" => "try the other version: --mqtt 3.1.1 or --mqtt 5",
        "client identifier not valid" => "give the devices other names with --group or --device-id",
        "server unavailable" | "service unavailable" | "server busy" | "server shutting down" => {
            "the broker runs, but takes no clients now; its log says why"
        }
        "banned" => "the broker's administrator has to admit this client",
        "bad authentication method" => "the broker wants enhanced authentication, which is not supported",
        "packet too large"
        | "topic name invalid"
        | "payload format invalid"
        | "retain not supported"
        | "QoS not supported" => "the broker does not take the device's will",
        "quota exceeded" => "the broker's limits of clients or sessions are reached",
        "connection rate exceeded" => "start the devices more slowly, with --ramp",
        "use another server" | "server moved" => "name the other broker with --broker",
        _ => "the broker's log may say more",
    }
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

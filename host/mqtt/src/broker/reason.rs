//! Reason codes [MQTT-2.4].

/// Reason codes of PUBACK, PUBREC, PUBREL and PUBCOMP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AckReason {
    /// 0x00
    #[default]
    Success,
    /// 0x10: accepted, without a matching subscription.
    NoMatchingSubscribers,
    /// 0x80: the receiver refuses the message.
    Unspecified,
    /// 0x87: the client may not publish on this topic.
    NotAuthorized,
    /// 0x92: the packet identifier is not in use.
    PacketIdNotFound,
    /// 0x97: the message is to be retained and exceeds a limit of the broker.
    QuotaExceeded,
    /// 0x95: the packet exceeds the client's maximum packet size [MQTT-3.1.2-25]. Reported by the transport;
    /// not on the wire.
    PacketTooLarge,
    /// Any other error, with its code on the wire. Only received.
    Other(u8),
}

impl AckReason {
    /// Reason of a received packet. All codes below 0x80 are success.
    pub const fn from_code(code: u8) -> Self {
        match code {
            ..0x80 => Self::Success,
            0x80 => Self::Unspecified,
            0x87 => Self::NotAuthorized,
            0x92 => Self::PacketIdNotFound,
            0x97 => Self::QuotaExceeded,
            code => Self::Other(code),
        }
    }

    /// Reason code on the wire.
    pub const fn code(self) -> u8 {
        match self {
            Self::Success => 0x00,
            Self::NoMatchingSubscribers => 0x10,
            Self::Unspecified => 0x80,
            Self::NotAuthorized => 0x87,
            Self::PacketIdNotFound => 0x92,
            Self::QuotaExceeded => 0x97,
            Self::PacketTooLarge => 0x95,
            Self::Other(code) => code,
        }
    }

    /// Whether the code is an error, which ends the exchange.
    pub const fn is_error(self) -> bool {
        self.code() >= 0x80
    }
}

/// Reason for which the broker closes a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CloseReason {
    /// 0x81: the bytes are not a valid packet.
    #[error("malformed packet")]
    MalformedPacket,
    /// 0x82: the packet violates the protocol.
    #[error("protocol error")]
    ProtocolError,
    /// 0x8B: the broker is shutting down.
    #[error("the broker is shutting down")]
    ShuttingDown,
    /// 0x8D: no packet within one and a half times the keepalive.
    #[error("keepalive timed out")]
    KeepAliveTimeout,
    /// 0x8E: another connection uses the same client identifier.
    #[error("another connection took the session over")]
    SessionTakenOver,
    /// 0x90: a publication with an invalid topic name.
    #[error("topic name invalid")]
    TopicNameInvalid,
    /// 0x93: more messages in flight than the receive maximum of the broker.
    #[error("receive maximum exceeded")]
    ReceiveMaximumExceeded,
    /// 0x94: a topic alias, although the broker announced a maximum of zero.
    #[error("topic alias invalid")]
    TopicAliasInvalid,
    /// 0x95: a packet larger than the broker's maximum.
    #[error("packet too large")]
    PacketTooLarge,
    /// 0x97: the client exceeds a limit of the broker.
    #[error("quota exceeded")]
    QuotaExceeded,
}

impl CloseReason {
    /// Reason code on the wire.
    pub const fn code(self) -> u8 {
        match self {
            Self::MalformedPacket => 0x81,
            Self::ProtocolError => 0x82,
            Self::ShuttingDown => 0x8B,
            Self::KeepAliveTimeout => 0x8D,
            Self::SessionTakenOver => 0x8E,
            Self::TopicNameInvalid => 0x90,
            Self::ReceiveMaximumExceeded => 0x93,
            Self::TopicAliasInvalid => 0x94,
            Self::PacketTooLarge => 0x95,
            Self::QuotaExceeded => 0x97,
        }
    }
}

/// Reason for which a connection is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectRefusal {
    /// 0x81: the bytes are not a valid packet.
    #[error("malformed packet")]
    MalformedPacket,
    /// 0x82: the packet violates the protocol.
    #[error("protocol error")]
    ProtocolError,
    /// 0x84, on 3.1.1 0x01: neither MQTT 3.1.1 nor MQTT 5.
    #[error("only MQTT 3.1.1 and 5 are supported")]
    UnsupportedProtocolVersion,
    /// 0x85, on 3.1.1 0x02: a persistent session needs a client identifier there [MQTT-3.1.3-8 of 3.1.1].
    #[error("a client without an identifier cannot have a lasting session on MQTT 3.1.1")]
    ClientIdInvalid,
    /// 0x88, on 3.1.1 0x03: the broker is not available.
    #[error("there is no broker")]
    Unavailable,
    /// 0x8C: the broker supports no authentication methods.
    #[error("authentication methods are not supported")]
    BadAuthenticationMethod,
    /// 0x90: a will with an invalid topic name.
    #[error("the will's topic name is invalid")]
    TopicNameInvalid,
    /// 0x95: a packet larger than the broker's maximum.
    #[error("packet too large")]
    PacketTooLarge,
    /// 0x97, on 3.1.1 0x03: the sessions and wills take as many bytes as the broker may store.
    #[error("the broker's store of sessions and wills is full")]
    QuotaExceeded,
}

impl ConnectRefusal {
    /// Reason code on the wire of MQTT 5.
    pub const fn code(self) -> u8 {
        match self {
            Self::MalformedPacket => 0x81,
            Self::ProtocolError => 0x82,
            Self::UnsupportedProtocolVersion => 0x84,
            Self::ClientIdInvalid => 0x85,
            Self::Unavailable => 0x88,
            Self::BadAuthenticationMethod => 0x8C,
            Self::TopicNameInvalid => 0x90,
            Self::PacketTooLarge => 0x95,
            Self::QuotaExceeded => 0x97,
        }
    }
}

impl ConnectRefusal {
    /// Reason code on the wire of MQTT 3.1.1, if that version has one.
    pub const fn code_of_v4(self) -> Option<u8> {
        match self {
            Self::UnsupportedProtocolVersion => Some(1),
            Self::ClientIdInvalid => Some(2),
            Self::Unavailable | Self::QuotaExceeded => Some(3),
            _ => None,
        }
    }
}

/// Error code of UNSUBACK on MQTT 5. This broker uses none; other brokers do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnsubscribeRefusal(pub u8);

/// Reason for which a subscription is refused. This broker uses few of them; other brokers use more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubscribeRefusal {
    /// 0x80: the only code of 3.1.1.
    #[error("not allowed, or the filter is not supported")]
    Unspecified,
    /// 0x83
    #[error("implementation-specific error")]
    ImplementationSpecific,
    /// 0x87
    #[error("not authorized")]
    NotAuthorized,
    /// 0x8F: too many levels, or a shared subscription without a group name or a filter.
    #[error("topic filter invalid")]
    TopicFilterInvalid,
    /// 0x91
    #[error("packet identifier in use")]
    PacketIdInUse,
    /// 0x97
    #[error("quota exceeded")]
    QuotaExceeded,
    /// 0x9E
    #[error("shared subscriptions are not supported")]
    SharedNotSupported,
    /// 0xA1
    #[error("subscription identifiers are not supported")]
    IdentifiersNotSupported,
    /// 0xA2
    #[error("wildcards are not supported")]
    WildcardsNotSupported,
}

impl SubscribeRefusal {
    /// Reason code on the wire of MQTT 5; 3.1.1 uses 0x80 for all.
    pub const fn code(self) -> u8 {
        match self {
            Self::Unspecified => 0x80,
            Self::ImplementationSpecific => 0x83,
            Self::NotAuthorized => 0x87,
            Self::TopicFilterInvalid => 0x8F,
            Self::PacketIdInUse => 0x91,
            Self::QuotaExceeded => 0x97,
            Self::SharedNotSupported => 0x9E,
            Self::IdentifiersNotSupported => 0xA1,
            Self::WildcardsNotSupported => 0xA2,
        }
    }
}

//! Reason codes [MQTT-2.4].

/// How a step in the exchange of a message went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AckReason {
    /// 0x00
    #[default]
    Success,
    /// 0x10: taken, though nobody wanted it.
    NoMatchingSubscribers,
    /// 0x80: the receiver does not take the message.
    Unspecified,
    /// 0x87: the client may not publish there.
    NotAuthorized,
    /// 0x92: no message has this identifier.
    PacketIdNotFound,
    /// 0x95: the client's door could not send it, as it takes no packet so large [MQTT-3.1.2-25]. Not on
    /// the wire.
    PacketTooLarge,
}

impl AckReason {
    /// The code on the wire.
    pub const fn code(self) -> u8 {
        match self {
            Self::Success => 0x00,
            Self::NoMatchingSubscribers => 0x10,
            Self::Unspecified => 0x80,
            Self::NotAuthorized => 0x87,
            Self::PacketIdNotFound => 0x92,
            Self::PacketTooLarge => 0x95,
        }
    }

    /// Whether the exchange ends here.
    pub const fn is_error(self) -> bool {
        self.code() >= 0x80
    }
}

/// Why the broker ends a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CloseReason {
    /// 0x81: bytes that are no packet.
    #[error("malformed packet")]
    MalformedPacket,
    /// 0x82: something that the protocol does not allow.
    #[error("protocol error")]
    ProtocolError,
    /// 0x8B: the broker ends.
    #[error("the broker is shutting down")]
    ShuttingDown,
    /// 0x8D: nothing was heard for one and a half times the keepalive.
    #[error("keepalive timed out")]
    KeepAliveTimeout,
    /// 0x8E: another connection uses the same client id.
    #[error("another connection took the session over")]
    SessionTakenOver,
    /// 0x90: a message on a topic that there cannot be.
    #[error("topic name invalid")]
    TopicNameInvalid,
    /// 0x93: more messages under way than the broker said it takes.
    #[error("receive maximum exceeded")]
    ReceiveMaximumExceeded,
    /// 0x94: a topic alias, where the broker said that it knows none.
    #[error("topic alias invalid")]
    TopicAliasInvalid,
    /// 0x95: more bytes in one packet than the broker takes.
    #[error("packet too large")]
    PacketTooLarge,
}

impl CloseReason {
    /// The code on the wire.
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
        }
    }
}

/// Why a connection is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectRefusal {
    /// 0x81: bytes that are no packet.
    #[error("malformed packet")]
    MalformedPacket,
    /// 0x82: something that the protocol does not allow.
    #[error("protocol error")]
    ProtocolError,
    /// 0x84, on 3.1.1 0x01: neither MQTT 3.1.1 nor MQTT 5.
    #[error("only MQTT 3.1.1 and 5 are spoken here")]
    UnsupportedProtocolVersion,
    /// 0x85, on 3.1.1 0x02: a lasting session needs a name there [MQTT-3.1.3-8 of 3.1.1].
    #[error("a client without an identifier cannot have a lasting session on MQTT 3.1.1")]
    ClientIdInvalid,
    /// 0x88, on 3.1.1 0x03: the broker is not there now.
    #[error("there is no broker")]
    Unavailable,
    /// 0x8C: the broker knows no way of authentication.
    #[error("there is no such authentication method here")]
    BadAuthenticationMethod,
    /// 0x90: a will on a topic that there cannot be.
    #[error("the will's topic name is invalid")]
    TopicNameInvalid,
    /// 0x95: more bytes than the broker takes.
    #[error("packet too large")]
    PacketTooLarge,
}

impl ConnectRefusal {
    /// The code on the wire of MQTT 5.
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
        }
    }
}

/// Why a subscription is refused. The broker here knows but one reason; other brokers know more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubscribeRefusal {
    /// 0x80: all that 3.1.1 says.
    #[error("not allowed, or the filter is not supported")]
    Unspecified,
    /// 0x83
    #[error("not as this broker works")]
    ImplementationSpecific,
    /// 0x87
    #[error("not authorized")]
    NotAuthorized,
    /// 0x8F: too many levels, or a shared subscription without a name or a filter.
    #[error("the topic filter cannot be used")]
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
    /// The code on the wire of MQTT 5; 3.1.1 says 0x80 for all.
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

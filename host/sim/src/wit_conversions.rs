//! Conversions between the types of `wit/` and those of this crate.
//!
//! The engine and the SDK generate bindings of their own, so the Rust types of `wit/` exist twice. [`wit_conversions!`]
//! declares the conversions for either of them.
//!
//! [`wit_conversions!`]: crate::wit_conversions

/// Declares the conversions for bindings: `wit` is the name of the module of the interface `types`, and `exported` that
/// of the interface `behaviour`.
#[macro_export]
macro_rules! wit_conversions {
    ($wit:ident, $exported:ident) => {
        pub(crate) fn qos_from_wit(qos: $wit::Qos) -> wasmote_mqtt::message::Qos {
            match qos {
                $wit::Qos::AtMostOnce => wasmote_mqtt::message::Qos::AtMostOnce,
                $wit::Qos::AtLeastOnce => wasmote_mqtt::message::Qos::AtLeastOnce,
                $wit::Qos::ExactlyOnce => wasmote_mqtt::message::Qos::ExactlyOnce,
            }
        }

        pub(crate) fn qos_to_wit(qos: wasmote_mqtt::message::Qos) -> $wit::Qos {
            match qos {
                wasmote_mqtt::message::Qos::AtMostOnce => $wit::Qos::AtMostOnce,
                wasmote_mqtt::message::Qos::AtLeastOnce => $wit::Qos::AtLeastOnce,
                wasmote_mqtt::message::Qos::ExactlyOnce => $wit::Qos::ExactlyOnce,
            }
        }

        pub(crate) fn message_to_wit(message: wasmote_mqtt::message::Message) -> $wit::Message {
            $wit::Message {
                topic: message.topic.as_str().to_owned(),
                payload: message.payload.into(),
                qos: qos_to_wit(message.qos),
                retain: message.retain,
                properties: message.properties.map(|properties| properties_to_wit(*properties)),
            }
        }

        /// Converts properties, without the user properties that are reserved for the host.
        fn properties_to_wit(properties: wasmote_mqtt::message::Properties) -> $wit::MessageProperties {
            let user = properties.user.into_iter();
            let user = user.filter(|(name, _)| !name.starts_with(wasmote_mqtt::origin::RESERVED_PREFIX));
            $wit::MessageProperties {
                content_type: properties.content_type,
                response_topic: properties.response_topic.map(|topic| topic.as_str().to_owned()),
                correlation_data: properties.correlation_data.map(Into::into),
                message_expiry: properties.message_expiry,
                user_properties: user.map(|(name, value)| $wit::UserProperty { name, value }).collect(),
            }
        }

        /// Converts properties, without the user properties that are reserved for the host.
        pub(crate) fn properties_from_wit(
            properties: $wit::MessageProperties,
        ) -> Result<wasmote_mqtt::message::Properties, wasmote_mqtt::topic::InvalidTopic> {
            let user = properties.user_properties.into_iter();
            let user = user.filter(|pair| !pair.name.starts_with(wasmote_mqtt::origin::RESERVED_PREFIX));
            Ok(wasmote_mqtt::message::Properties {
                is_text: false,
                content_type: properties.content_type,
                response_topic: properties.response_topic.map(wasmote_mqtt::topic::Topic::new).transpose()?,
                correlation_data: properties.correlation_data.map(Into::into),
                message_expiry: properties.message_expiry,
                user: user.map(|pair| (pair.name, pair.value)).collect(),
            })
        }

        fn headers_to_wit(headers: Vec<(String, String)>) -> Vec<$wit::HttpHeader> {
            headers.into_iter().map(|(name, value)| $wit::HttpHeader { name, value }).collect()
        }

        fn headers_from_wit(headers: Vec<$wit::HttpHeader>) -> Vec<(String, String)> {
            headers.into_iter().map(|header| (header.name.to_ascii_lowercase(), header.value)).collect()
        }

        pub(crate) fn request_to_wit(request: $crate::http::HttpRequest) -> $wit::HttpRequest {
            $wit::HttpRequest {
                method: request.method,
                url: request.url,
                headers: headers_to_wit(request.headers),
                body: request.body.into(),
            }
        }

        pub(crate) fn request_from_wit(request: $wit::HttpRequest) -> $crate::http::HttpRequest {
            $crate::http::HttpRequest {
                method: request.method.to_ascii_uppercase(),
                url: request.url,
                headers: headers_from_wit(request.headers),
                body: request.body.into(),
            }
        }

        pub(crate) fn response_to_wit(response: $crate::http::HttpResponse) -> $wit::HttpResponse {
            $wit::HttpResponse {
                status: response.status,
                headers: headers_to_wit(response.headers),
                body: response.body.into(),
            }
        }

        /// Converts the response of a guest. A response with a status outside of 100 to 599, or with more bytes of
        /// headers and body than the limit, becomes one with status 500.
        pub(crate) fn response_from_wit(
            response: $wit::HttpResponse,
            limit: usize,
        ) -> $crate::http::HttpResponse {
            if !(100..=599).contains(&response.status) {
                let text = format!("the behaviour answered with the status {}\n", response.status);
                return $crate::http::HttpResponse::text(500, text);
            }
            let headers = response.headers.iter().map(|header| header.name.len() + header.value.len());
            let bytes = headers.sum::<usize>() + response.body.len();
            if bytes > limit {
                let text = format!("the behaviour answered with {bytes} bytes, and its limit is {limit}\n");
                return $crate::http::HttpResponse::text(500, text);
            }
            $crate::http::HttpResponse {
                status: response.status,
                headers: headers_from_wit(response.headers),
                body: response.body.into(),
            }
        }

        pub(crate) fn reply_to_wit(
            reply: Result<$crate::http::HttpResponse, $crate::http::HttpFailure>,
        ) -> Result<$wit::HttpResponse, $wit::HttpFailure> {
            reply.map(response_to_wit).map_err(|failure| match failure {
                $crate::http::HttpFailure::TimedOut => $wit::HttpFailure::TimedOut,
                $crate::http::HttpFailure::Unreachable(reason) => $wit::HttpFailure::Unreachable(reason),
                $crate::http::HttpFailure::TooLarge(limit) => $wit::HttpFailure::TooLarge(limit),
            })
        }

        pub(crate) fn cause_to_wit(cause: $crate::event::StartCause) -> $exported::StartCause {
            match cause {
                $crate::event::StartCause::PowerOn => $exported::StartCause::PowerOn,
                $crate::event::StartCause::Restart => $exported::StartCause::Restart,
                $crate::event::StartCause::Swap => $exported::StartCause::Swap,
            }
        }

        pub(crate) fn reason_to_wit(reason: $crate::event::StopReason) -> $exported::StopReason {
            match reason {
                $crate::event::StopReason::Requested => $exported::StopReason::Requested,
                $crate::event::StopReason::Shutdown => $exported::StopReason::Shutdown,
                $crate::event::StopReason::Swap => $exported::StopReason::Swap,
            }
        }

        pub(crate) fn change_to_wit(change: $crate::event::ConnectionChange) -> $exported::ConnectionChange {
            match change {
                $crate::event::ConnectionChange::Up { session_present } => {
                    $exported::ConnectionChange::Up(session_present)
                }
                $crate::event::ConnectionChange::Down(reason) => $exported::ConnectionChange::Down(reason),
            }
        }
    };
}

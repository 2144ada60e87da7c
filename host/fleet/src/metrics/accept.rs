//! Content negotiation of metrics [RFC 9110, 12.5.1].

/// Formats of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricsFormat {
    /// JSON.
    Json,
    /// OpenMetrics 1.0, which Prometheus prefers.
    OpenMetrics,
    /// The older text format of Prometheus.
    Text,
}

impl MetricsFormat {
    /// All formats, the preferred one first when weights are equal.
    const ALL: [Self; 3] = [Self::Json, Self::OpenMetrics, Self::Text];

    /// Value of the response's Content-Type header.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
        }
    }

    fn media_type(self) -> (&'static str, &'static str) {
        match self {
            Self::Json => ("application", "json"),
            Self::OpenMetrics => ("application", "openmetrics-text"),
            Self::Text => ("text", "plain"),
        }
    }

    /// Weight of this format in an Accept header: that of the most specific range that matches.
    fn weight(self, accept: &str) -> f64 {
        let matching = accept.split(',').filter_map(|range| self.match_range(range));
        matching.max_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1))).map_or(0.0, |(_, weight)| weight)
    }

    /// Specificity and weight of a range; `None` if it does not match this format.
    fn match_range(self, range: &str) -> Option<(u8, f64)> {
        let mut parts = range.split(';').map(str::trim);
        let (kind, subtype) = parts.next()?.split_once('/')?;
        let (own_kind, own_subtype) = self.media_type();
        let specificity = match (kind, subtype) {
            ("*", "*") => 0,
            (kind, "*") if kind.eq_ignore_ascii_case(own_kind) => 1,
            (kind, subtype)
                if kind.eq_ignore_ascii_case(own_kind) && subtype.eq_ignore_ascii_case(own_subtype) =>
            {
                2
            }
            _ => return None,
        };
        let mut weights = parts.filter_map(|parameter| {
            let (name, value) = parameter.split_once('=')?;
            name.trim().eq_ignore_ascii_case("q").then(|| value.trim().parse().unwrap_or(0.0))
        });
        let weight: f64 = weights.next_back().unwrap_or(1.0);
        Some((specificity, if weight.is_finite() { weight.clamp(0.0, 1.0) } else { 0.0 }))
    }
}

/// The format with the highest weight in an Accept header; JSON if weights are equal or no format is acceptable.
pub fn negotiate(accept: &str) -> MetricsFormat {
    let mut best = (MetricsFormat::Json, MetricsFormat::Json.weight(accept));
    for format in MetricsFormat::ALL {
        let weight = format.weight(accept);
        if weight > best.1 {
            best = (format, weight);
        }
    }
    best.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_the_default() {
        let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
        for accept in ["", "*/*", "application/json", "application/*", browser, "image/png", "nonsense"] {
            assert_eq!(negotiate(accept), MetricsFormat::Json, "{accept}");
        }
    }

    #[test]
    fn text_is_for_clients_that_name_it() {
        assert_eq!(negotiate("application/openmetrics-text"), MetricsFormat::OpenMetrics);
        assert_eq!(negotiate("Text/Plain"), MetricsFormat::Text);
        assert_eq!(negotiate("text/*, */*;q=0.1"), MetricsFormat::Text);
    }

    #[test]
    fn weights_decide_and_the_most_specific_range_has_the_weight() {
        let prometheus = "application/openmetrics-text;version=1.0.0;q=0.5,\
                          application/openmetrics-text;version=0.0.1;q=0.4,\
                          text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        assert_eq!(negotiate(prometheus), MetricsFormat::OpenMetrics);
        assert_eq!(negotiate("application/json;q=0.2, text/plain;q=0.9"), MetricsFormat::Text);
        assert_eq!(negotiate("application/openmetrics-text;q=0, */*"), MetricsFormat::Json);
        assert_eq!(negotiate("application/json;q=0, */*"), MetricsFormat::OpenMetrics);
        assert_eq!(negotiate("text/plain;q=0.5, application/json;q=0.5"), MetricsFormat::Json);
    }
}

//! What a client would rather read [RFC 9110, 12.5.1].

/// The forms that metrics come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// For programs and people.
    Json,
    /// OpenMetrics 1.0, which Prometheus prefers.
    OpenMetrics,
    /// The older text format of Prometheus.
    Text,
}

impl Form {
    /// In the order in which they are taken when a client does not mind.
    const ALL: [Self; 3] = [Self::Json, Self::OpenMetrics, Self::Text];

    /// As the answer names it.
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

    /// How much an Accept header wants this form: the weight of what fits it most closely.
    fn weight(self, accept: &str) -> f64 {
        let fits = accept.split(',').filter_map(|range| self.fit(range));
        fits.max_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1))).map_or(0.0, |(_, weight)| weight)
    }

    /// How closely a range fits this form, and its weight.
    fn fit(self, range: &str) -> Option<(u8, f64)> {
        let mut parts = range.split(';').map(str::trim);
        let (kind, subtype) = parts.next()?.split_once('/')?;
        let (own_kind, own_subtype) = self.media_type();
        let closeness = match (kind, subtype) {
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
        Some((closeness, if weight.is_finite() { weight.clamp(0.0, 1.0) } else { 0.0 }))
    }
}

/// The form to answer in: what is wanted most, and JSON where the client does not mind or wants nothing
/// that there is.
pub fn negotiate(accept: &str) -> Form {
    let mut best = (Form::Json, Form::Json.weight(accept));
    for form in Form::ALL {
        let weight = form.weight(accept);
        if weight > best.1 {
            best = (form, weight);
        }
    }
    best.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_for_those_who_do_not_mind() {
        let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
        for accept in ["", "*/*", "application/json", "application/*", browser, "image/png", "nonsense"] {
            assert_eq!(negotiate(accept), Form::Json, "{accept}");
        }
    }

    #[test]
    fn text_is_for_those_who_name_it() {
        assert_eq!(negotiate("application/openmetrics-text"), Form::OpenMetrics);
        assert_eq!(negotiate("Text/Plain"), Form::Text);
        assert_eq!(negotiate("text/*, */*;q=0.1"), Form::Text);
    }

    #[test]
    fn weights_decide_and_the_closest_range_has_the_weight() {
        let prometheus = "application/openmetrics-text;version=1.0.0;q=0.5,\
                          application/openmetrics-text;version=0.0.1;q=0.4,\
                          text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        assert_eq!(negotiate(prometheus), Form::OpenMetrics);
        assert_eq!(negotiate("application/json;q=0.2, text/plain;q=0.9"), Form::Text);
        assert_eq!(negotiate("application/openmetrics-text;q=0, */*"), Form::Json);
        assert_eq!(negotiate("application/json;q=0, */*"), Form::OpenMetrics);
        assert_eq!(negotiate("text/plain;q=0.5, application/json;q=0.5"), Form::Json);
    }
}

//! An endpoint of the API: method, path, handler, and the types for the OpenAPI document.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::handler::Handler;
use axum::routing::{self, MethodFilter, MethodRouter};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};
use wasmote_fleet::http_access::HttpAccess;

use super::error::ErrorBody;
use super::{Api, BODY_LIMIT, HEADER_COUNT, HEADER_LIMIT, PATH_LIMIT, PROBES, REQUEST_TIMEOUT};

/// Generates the schema of a type.
type SchemaFn = fn(&mut SchemaGenerator) -> Schema;

/// An endpoint with its documentation.
pub struct Endpoint {
    /// HTTP methods in lower case, as in OpenAPI; several for an endpoint that accepts every method.
    pub methods: &'static [&'static str],
    /// Path with its parameters in braces.
    pub path: &'static str,
    /// The handler.
    pub handler: MethodRouter<Arc<Api>>,
    /// Summary for the documentation; empty for an alternative path of a documented endpoint.
    pub summary: &'static str,
    query: Option<SchemaFn>,
    /// Content types of the request body, each with a schema unless it is binary.
    body: Vec<(&'static str, Option<SchemaFn>)>,
    /// Content types of the response.
    responses: Vec<(&'static str, SchemaFn)>,
    errors: Vec<(u16, &'static str)>,
    /// Errors whose response is plain text.
    text_errors: Vec<(u16, &'static str)>,
    /// True if the response may have any status, as that of a behaviour.
    any_status: bool,
    body_limit: usize,
}

impl Endpoint {
    fn new(methods: &'static [&'static str], path: &'static str, handler: MethodRouter<Arc<Api>>) -> Self {
        let (body, responses, errors, text_errors) = Default::default();
        Self {
            methods,
            path,
            handler,
            summary: "",
            query: None,
            body,
            responses,
            errors,
            text_errors,
            any_status: false,
            body_limit: BODY_LIMIT,
        }
    }

    /// Sets the summary.
    pub fn summary(self, summary: &'static str) -> Self {
        Self { summary, ..self }
    }

    /// Sets the maximum body size.
    pub fn body_limit(self, bytes: usize) -> Self {
        Self { handler: self.handler.layer(DefaultBodyLimit::max(bytes)), body_limit: bytes, ..self }
    }

    /// Documents the parameters of the query: the fields of `T`.
    pub fn query<T: JsonSchema>(self) -> Self {
        Self { query: Some(T::json_schema), ..self }
    }

    /// Documents a body of type `T`, in these content types.
    pub fn body<T: JsonSchema>(mut self, types: &[&'static str]) -> Self {
        self.body.extend(types.iter().map(|it| (*it, Some(SchemaGenerator::subschema_for::<T> as SchemaFn))));
        self
    }

    /// Documents a binary body, in these content types.
    pub fn binary_body(mut self, types: &[&'static str]) -> Self {
        self.body.extend(types.iter().map(|it| (*it, None)));
        self
    }

    /// Documents a JSON response of type `T`.
    pub fn response<T: JsonSchema>(self) -> Self {
        self.response_as::<T>("application/json")
    }

    /// Documents a response of type `T` in another content type.
    pub fn response_as<T: JsonSchema>(mut self, content_type: &'static str) -> Self {
        self.responses.push((content_type, SchemaGenerator::subschema_for::<T>));
        self
    }

    /// Documents an error and its cause.
    pub fn error(mut self, status: u16, when: &'static str) -> Self {
        self.errors.push((status, when));
        self
    }

    /// Documents an error whose response is plain text.
    pub fn text_error(mut self, status: u16, when: &'static str) -> Self {
        self.text_errors.push((status, when));
        self
    }

    /// Documents that the response may have any status and content.
    pub fn any_status(self) -> Self {
        Self { any_status: true, ..self }
    }

    /// Whether it is a probe, which is always answered.
    fn is_probe(&self) -> bool {
        PROBES.contains(&self.path)
    }

    /// Errors of the API as a whole, before the handler of this method.
    fn common_errors(&self, method: &str, access: &HttpAccess) -> Vec<(u16, String)> {
        let mut all = vec![
            (408, format!("The header did not arrive within {} s", REQUEST_TIMEOUT.as_secs())),
            (431, format!("The header exceeds {HEADER_LIMIT} bytes or {HEADER_COUNT} fields")),
        ];
        if self.is_probe() {
            return all;
        }
        let per_address = access.connections * 3 / 4;
        all.extend([
            (400, "The request is not valid HTTP/1.1, or its Host header is not a valid name".to_owned()),
            (414, format!("Path and query exceed {PATH_LIMIT} bytes")),
            (421, "This host is not known by the name in the Host header".to_owned()),
            (429, format!("One address sent more than {} requests per second", access.rate)),
            (
                503,
                format!(
                    "More than {} connections, or {per_address} of one address, are open; or the fleet stops",
                    access.connections
                ),
            ),
        ]);
        let is_change = is_change(method);
        if is_change || access.private {
            let refused = match access.token {
                Some(_) => (401, "The token is absent or wrong".to_owned()),
                None => (403, "There is no token, and the client is on another machine".to_owned()),
            };
            all.push(refused);
        }
        if is_change {
            all.push((403, "A page of another origin sent the request, or there is no token".to_owned()));
        }
        if is_change && (!self.body.is_empty() || self.any_status) {
            let seconds = REQUEST_TIMEOUT.as_secs();
            all.push((408, format!("The header, or the body, did not arrive within {seconds} s")));
            all.push((413, format!("The body exceeds {} bytes", self.body_limit)));
        }
        all
    }

    /// The path in OpenAPI notation.
    pub fn documented_path(&self) -> String {
        self.path.replace("{*", "{")
    }

    /// The OpenAPI operation of one method. Named schemas are stored in the generator.
    pub fn operation(&self, method: &str, access: &HttpAccess, generator: &mut SchemaGenerator) -> Value {
        let mut content = Map::new();
        for (content_type, schema) in &self.responses {
            content.insert((*content_type).to_owned(), json!({"schema": schema(generator)}));
        }
        let mut responses = json!({"200": {"description": "Done", "content": content}});
        let own = self.errors.iter().map(|(status, when)| (*status, (*when).to_owned()));
        let mut texts: BTreeMap<u16, Vec<String>> = BTreeMap::new();
        for (status, when) in own.chain(self.common_errors(method, access)) {
            let texts = texts.entry(status).or_default();
            if !texts.contains(&when) {
                texts.push(when);
            }
        }
        for (status, when) in texts {
            // A behaviour may use the same status with any content.
            let content = match self.any_status {
                true => json!({"*/*": {}}),
                false => json!({"application/json": {"schema": generator.subschema_for::<ErrorBody>()}}),
            };
            let mut response = json!({"description": when.join(", or: "), "content": content});
            if let Some((header, description)) = error_header(status) {
                let header_schema = json!({"description": description, "schema": {"type": "string"}});
                response["headers"] = json!({header: header_schema});
            }
            responses[status.to_string()] = response;
        }
        for (status, when) in &self.text_errors {
            let content = json!({"text/plain": {"schema": generator.subschema_for::<String>()}});
            responses[status.to_string()] = json!({"description": when, "content": content});
        }
        if self.any_status {
            responses["default"] =
                json!({"description": "The behaviour's own response", "content": {"*/*": {}}});
        }
        let mut operation = json!({"summary": self.summary, "responses": responses});
        if access.token.is_some() && !self.is_probe() && (is_change(method) || access.private) {
            operation["security"] = json!([{"bearer": []}, {"token": []}]);
        }
        let mut parameters = path_parameters(self.path);
        if let Some(query) = self.query {
            parameters.extend(query_parameters(query(generator).to_value()));
        }
        if !parameters.is_empty() {
            operation["parameters"] = parameters.into();
        }
        if !self.body.is_empty() {
            let media_type = |schema: &Option<SchemaFn>, generator: &mut SchemaGenerator| match schema {
                Some(schema) => json!({"schema": schema(generator)}),
                // A body in bytes [OpenAPI 3.1.0, 4.8.14.2].
                None => json!({"schema": {"type": "string", "contentMediaType": "application/wasm"}}),
            };
            let content: Map<_, _> = self
                .body
                .iter()
                .map(|(content_type, schema)| ((*content_type).to_owned(), media_type(schema, generator)))
                .collect();
            let description = format!("At most {} bytes", self.body_limit);
            operation["requestBody"] =
                json!({"required": true, "description": description, "content": content});
        }
        operation
    }
}

/// Whether a method changes something.
fn is_change(method: &str) -> bool {
    !matches!(method, "get" | "head" | "options")
}

/// Header of an error response that says how to go on.
fn error_header(status: u16) -> Option<(&'static str, &'static str)> {
    match status {
        401 => Some(("WWW-Authenticate", "The scheme of the token")),
        429 | 503 => Some(("Retry-After", "Seconds to wait")),
        _ => None,
    }
}

fn path_parameters(path: &str) -> Vec<Value> {
    let names = path.split(['{', '}']).skip(1).step_by(2).map(|name| name.trim_start_matches('*'));
    names
        .map(|name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string", "minLength": 1}}))
        .collect()
}

/// Query parameters from the schema of the struct that deserializes them. All are optional.
fn query_parameters(mut schema: Value) -> Vec<Value> {
    let Some(properties) = schema["properties"].as_object_mut() else { return Vec::new() };
    let parameters = std::mem::take(properties).into_iter().map(|(name, mut schema)| {
        let description = schema.as_object_mut().and_then(|schema| schema.remove("description"));
        json!({"name": name, "in": "query", "description": description, "schema": without_null(schema)})
    });
    parameters.collect()
}

/// Removes null from the schema of an optional field, because a query cannot contain null.
fn without_null(mut schema: Value) -> Value {
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = &types[..] {
            schema["type"] = only.clone();
        }
    }
    match schema["anyOf"].as_array() {
        Some(choices) => choices.iter().find(|choice| choice["type"] != "null").cloned().unwrap_or_default(),
        None => schema,
    }
}

macro_rules! methods {
    ($($name:ident $method:literal;)*) => {$(
        #[doc = concat!("An endpoint that accepts ", $method, ".")]
        pub fn $name<H, T>(path: &'static str, handler: H) -> Endpoint
        where
            H: Handler<T, Arc<Api>>,
            T: 'static,
        {
            Endpoint::new(&[$method], path, routing::$name(handler))
        }
    )*};
}

methods! {
    get "get";
    post "post";
    put "put";
    delete "delete";
}

/// An endpoint that accepts every usual method; TRACE would only show a request to its sender.
pub fn any<H, T>(path: &'static str, handler: H) -> Endpoint
where
    H: Handler<T, Arc<Api>>,
    T: 'static,
{
    let methods = [
        MethodFilter::POST,
        MethodFilter::PUT,
        MethodFilter::PATCH,
        MethodFilter::DELETE,
        MethodFilter::OPTIONS,
        MethodFilter::HEAD,
    ];
    let all = methods.into_iter().fold(MethodFilter::GET, MethodFilter::or);
    Endpoint::new(&["get", "post", "put", "patch", "delete", "options"], path, routing::on(all, handler))
}

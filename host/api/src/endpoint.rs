//! An endpoint of the API: method, path, handler, and the types for the OpenAPI document.

use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::handler::Handler;
use axum::routing::{self, MethodRouter};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::Api;
use super::error::ErrorBody;

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
}

impl Endpoint {
    fn new(methods: &'static [&'static str], path: &'static str, handler: MethodRouter<Arc<Api>>) -> Self {
        let (body, responses, errors) = Default::default();
        Self { methods, path, handler, summary: "", query: None, body, responses, errors }
    }

    /// Sets the summary.
    pub fn summary(self, summary: &'static str) -> Self {
        Self { summary, ..self }
    }

    /// Sets the maximum body size.
    pub fn body_limit(self, bytes: usize) -> Self {
        Self { handler: self.handler.layer(DefaultBodyLimit::max(bytes)), ..self }
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

    /// The path in OpenAPI notation.
    pub fn documented_path(&self) -> String {
        self.path.replace("{*", "{")
    }

    /// The OpenAPI operation. Named schemas are stored in the generator.
    pub fn operation(&self, generator: &mut SchemaGenerator) -> Value {
        let mut content = Map::new();
        for (content_type, schema) in &self.responses {
            content.insert((*content_type).to_owned(), json!({"schema": schema(generator)}));
        }
        let mut responses = json!({"200": {"description": "Done", "content": content}});
        for (status, when) in &self.errors {
            let content = json!({"application/json": {"schema": generator.subschema_for::<ErrorBody>()}});
            responses[status.to_string()] = json!({"description": when, "content": content});
        }
        let mut operation = json!({"summary": self.summary, "responses": responses});
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
                None => json!({}),
            };
            let content: Map<_, _> = self
                .body
                .iter()
                .map(|(content_type, schema)| ((*content_type).to_owned(), media_type(schema, generator)))
                .collect();
            operation["requestBody"] = json!({"required": true, "content": content});
        }
        operation
    }
}

fn path_parameters(path: &str) -> Vec<Value> {
    let names = path.split(['{', '}']).skip(1).step_by(2).map(|name| name.trim_start_matches('*'));
    names
        .map(|name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}}))
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

/// An endpoint that accepts every method.
pub fn any<H, T>(path: &'static str, handler: H) -> Endpoint
where
    H: Handler<T, Arc<Api>>,
    T: 'static,
{
    Endpoint::new(&["get", "post", "put", "patch", "delete"], path, routing::any(handler))
}

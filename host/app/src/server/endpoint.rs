//! One row of the API: a method, a path, who answers, and how the OpenAPI document describes it.

use axum::extract::DefaultBodyLimit;
use axum::handler::Handler;
use axum::routing::{self, MethodRouter};
use serde_json::{Map, Value, json};

use super::Api;
use std::sync::Arc;

/// An endpoint with its documentation.
pub struct Endpoint {
    /// In lower case, as OpenAPI writes it; several for one that takes all.
    pub methods: &'static [&'static str],
    /// With `{names}` for what varies.
    pub path: &'static str,
    /// Who answers.
    pub handler: MethodRouter<Arc<Api>>,
    /// What it does; empty for another spelling of an endpoint that is documented elsewhere.
    pub summary: &'static str,
    parameters: Vec<Value>,
    body: Option<Value>,
    responses: Map<String, Value>,
}

impl Endpoint {
    fn new(methods: &'static [&'static str], path: &'static str, handler: MethodRouter<Arc<Api>>) -> Self {
        let names = path.split(['{', '}']).skip(1).step_by(2).map(|name| name.trim_start_matches('*'));
        let parameters = names
            .map(|name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}}));
        let parameters = parameters.collect();
        Self { methods, path, handler, summary: "", parameters, body: None, responses: Map::new() }
    }

    /// What it does.
    pub fn summary(self, summary: &'static str) -> Self {
        Self { summary, ..self }
    }

    /// Take larger bodies than others do.
    pub fn body_limit(self, bytes: usize) -> Self {
        Self { handler: self.handler.layer(DefaultBodyLimit::max(bytes)), ..self }
    }

    /// A parameter in the query.
    pub fn query(mut self, name: &str, schema: Value, description: &str) -> Self {
        self.parameters
            .push(json!({"name": name, "in": "query", "description": description, "schema": schema}));
        self
    }

    /// What it reads, by content type and the schema's name.
    pub fn body(mut self, types: &[&str], schema: &str) -> Self {
        let content: Map<_, _> =
            types.iter().map(|it| ((*it).to_owned(), json!({"schema": schema_ref(schema)}))).collect();
        self.body = Some(json!({"required": true, "content": content}));
        self
    }

    /// That it reads bytes, by content type.
    pub fn binary_body(mut self, types: &[&str]) -> Self {
        let content: Map<_, _> = types.iter().map(|it| ((*it).to_owned(), json!({}))).collect();
        self.body = Some(json!({"required": true, "content": content}));
        self
    }

    /// What it answers with, by the schema's name.
    pub fn response(self, schema: &str) -> Self {
        self.response_as("application/json", schema_ref(schema))
    }

    /// What it answers with, in another form.
    pub fn response_as(mut self, content_type: &str, schema: Value) -> Self {
        let response =
            self.responses.entry("200").or_insert_with(|| json!({"description": "Done", "content": {}}));
        response["content"][content_type] = json!({"schema": schema});
        self
    }

    /// A refusal, and when it comes.
    pub fn error(mut self, status: u16, when: &str) -> Self {
        let content = json!({"application/json": {"schema": schema_ref("Error")}});
        self.responses.insert(status.to_string(), json!({"description": when, "content": content}));
        self
    }

    /// The path as OpenAPI writes it.
    pub fn documented_path(&self) -> String {
        self.path.replace("{*", "{")
    }

    /// The operation as OpenAPI describes it.
    pub fn operation(&self) -> Value {
        let mut operation = json!({"summary": self.summary, "responses": self.responses});
        if !self.parameters.is_empty() {
            operation["parameters"] = json!(self.parameters);
        }
        if let Some(body) = &self.body {
            operation["requestBody"] = body.clone();
        }
        operation
    }
}

fn schema_ref(schema: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{schema}")})
}

/// A text, as a schema.
pub fn text() -> Value {
    json!({"type": "string"})
}

macro_rules! methods {
    ($($name:ident $method:literal;)*) => {$(
        #[doc = concat!("An endpoint that takes ", $method, ".")]
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

/// An endpoint that takes every method.
pub fn any<H, T>(path: &'static str, handler: H) -> Endpoint
where
    H: Handler<T, Arc<Api>>,
    T: 'static,
{
    Endpoint::new(&["get", "post", "put", "patch", "delete"], path, routing::any(handler))
}

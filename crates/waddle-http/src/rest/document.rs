//! The OpenAPI 3.1 document: what the handlers say of themselves, and what holds for all of them, written once here:
//! errors, headers, path parameters, how to log in.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::{Rules, Scope};
use crate::App;

/// The document as it is served, and the rules that it says.
#[derive(Debug, Clone)]
pub struct Document {
    /// JSON.
    pub text: Bytes,
    /// What each operation asks of its caller.
    pub rules: Arc<Rules>,
}

/// What names in paths mean.
const PARAMETERS: &[(&str, &str)] = &[
    ("w", "A waddle: slug or identifier."),
    ("c", "A channel: slug or identifier."),
    ("who", "A person: localpart, address, DID or handle."),
    ("code", "The code of an invite."),
    ("id", "An identifier, as lists give it."),
    ("name", "A name."),
    ("d", "A device: name or identifier."),
    ("bot", "A bot's identifier."),
    ("category", "A category's identifier."),
    ("emoji", "An emoji, percent-encoded."),
    ("group", "A small group's identifier."),
    ("letter", "A dead letter's identifier."),
    ("relation", "What is given or denied in the channel."),
    ("request", "A request's identifier."),
    ("role", "A role's identifier."),
    ("token", "A token's identifier."),
    ("whom", "A person, as anywhere, or a role."),
];

/// Errors of every operation, by status.
fn problems(operation: &Value, path: &str, method: &str) -> Vec<(&'static str, &'static str)> {
    let has_body = operation.get("requestBody").is_some();
    let creates = method == "post" && operation["responses"].get("201").is_some();
    let needs_login = operation["security"]
        .as_array()
        .is_none_or(|ways| !ways.iter().any(|w| w == &json!({})));
    let mut all = vec![
        (
            "400",
            "The request cannot be read: a parameter or header of another shape.",
        ),
        ("408", "The request took too long."),
        ("429", "Too many requests: wait for `Retry-After` seconds."),
        ("500", "The server made an error."),
        (
            "503",
            "The server cannot do this now: wait for `Retry-After` seconds.",
        ),
    ];
    if needs_login {
        all.push(("401", "Nobody is logged in, or the token ended."));
        all.push((
            "403",
            "No right, a scope that the token lacks, or a waddle that one may not see, whether it exists or not.",
        ));
    }
    if path.contains('{') || needs_login {
        all.push(("404", "It is not there, for those who may know."));
    }
    if method != "get" {
        all.push((
            "409",
            "It is taken, a bound is reached, or the same request is under way.",
        ));
        all.push(("410", "It ended."));
    }
    if matches!(method, "put" | "patch" | "delete") {
        all.push(("412", "`If-Match` does not hold: it was changed meanwhile."));
    }
    if has_body || creates {
        all.push(("413", "The body is too large."));
    }
    if has_body || creates || needs_login {
        all.push((
            "422",
            "A value is not allowed, or the `Idempotency-Key` was used for another request.",
        ));
    }
    if has_body {
        all.push(("415", "The body is not `application/json`."));
    }
    all
}

/// Adds to every operation what all of them have, and gives it an identifier of its own.
fn complete(path: &str, method: &str, operation: &mut Map<String, Value>) {
    let tag = operation["tags"][0].as_str().unwrap_or("other").to_owned();
    if let Some(name) = operation["operationId"].as_str() {
        operation["operationId"] = format!("{tag}_{name}").into();
    }
    // a login does whatever a token may do
    if let Some(ways) = operation.get_mut("security").and_then(Value::as_array_mut)
        && ways.iter().any(|w| w.get("token").is_some())
    {
        ways.push(json!({ "session": [] }));
    }
    if !operation.contains_key("security") {
        operation.insert("security".into(), json!([{ "session": [] }]));
    }
    let errors = problems(&Value::Object(operation.clone()), path, method);
    let creates = method == "post" && operation["responses"].get("201").is_some();

    let mut parameters = match operation.remove("parameters") {
        Some(Value::Array(given)) => given,
        _ => Vec::new(),
    };
    // what is both inferred and written is said once
    let mut said = HashSet::new();
    parameters.retain(|p| said.insert((p["name"].to_string(), p["in"].to_string())));
    for name in path.split('{').skip(1).filter_map(|p| p.split('}').next()) {
        let about = PARAMETERS
            .iter()
            .find(|(n, _)| *n == name)
            .map_or("", |(_, a)| *a);
        let one = json!({
            "name": name, "in": "path", "required": true, "description": about,
            "schema": { "type": "string", "minLength": 1, "maxLength": 512 },
        });
        match parameters
            .iter_mut()
            .find(|p| p["name"] == name && p["in"] == "path")
        {
            Some(there) if there["description"].is_null() => *there = one,
            Some(_) => {}
            None => parameters.push(one),
        }
    }
    let header = |name: &str, about: &str| {
        json!({
            "name": name, "in": "header", "required": false, "description": about,
            "schema": { "type": "string", "maxLength": 255 },
        })
    };
    if creates {
        parameters.push(header(
            "Idempotency-Key",
            "1 to 255 visible characters: the same request with the same key is done once; its answer is kept for 24 h.",
        ));
    }
    if matches!(method, "put" | "patch" | "delete") {
        parameters.push(header(
            "If-Match",
            "The `ETag` that `GET` gave here: done only where it is still that.",
        ));
    }
    let mut responses = match operation.remove("responses") {
        Some(Value::Object(given)) => given,
        _ => Map::new(),
    };
    if method == "get"
        && let Some(ok) = responses.get_mut("200").filter(|ok| {
            ["application/json", "image/png"]
                .iter()
                .any(|kind| ok["content"].get(kind).is_some())
        })
    {
        ok["headers"]["ETag"] = json!({ "description": "Of this content.", "schema": { "type": "string" } });
        parameters.push(header(
            "If-None-Match",
            "The `ETag` that one has: 304 where it is still that.",
        ));
        responses.insert(
            "304".into(),
            json!({ "description": "It is still what one has." }),
        );
    }
    if let Some(made) = responses.get_mut("201") {
        made["headers"]["Location"] =
            json!({ "description": "Where it is.", "schema": { "type": "string" } });
    }
    for (status, about) in errors {
        responses.entry(status).or_insert_with(|| {
            json!({
                "description": about,
                "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } },
            })
        });
    }
    operation.insert("parameters".into(), parameters.into());
    operation.insert("responses".into(), responses.into());
}

/// Operations of one name within a tag are told apart by the last word of their paths.
fn tell_apart(path: &str, operation: &mut Value) {
    let word = path
        .rsplit('/')
        .find(|part| !part.starts_with('{'))
        .unwrap_or_default();
    let name = operation["operationId"].as_str().unwrap_or_default();
    operation["operationId"] = format!("{name}_{}", word.replace(['-', '.'], "_")).into();
}

/// Makes the whole document of what the handlers say.
pub fn finish(spoken: &utoipa::openapi::OpenApi, public_url: &str) -> Document {
    let mut doc = serde_json::to_value(spoken).unwrap_or_default();
    doc["openapi"] = "3.1.0".into();
    doc["info"] = json!({
        "title": "Waddle",
        "version": env!("CARGO_PKG_VERSION"),
        "description": "Waddles, channels, messages and all around them. Errors are problem documents (RFC 9457). \
            Lists are read by `cursor` and `limit`; `next` is the cursor of the next page, or null. \
            Times are RFC 3339 in UTC.",
        "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
    });
    doc["servers"] = json!([{ "url": public_url.trim_end_matches('/') }]);
    let mut named: HashMap<String, usize> = HashMap::new();
    for (path, item) in doc["paths"].as_object_mut().into_iter().flatten() {
        for (method, operation) in item.as_object_mut().into_iter().flatten() {
            if let Some(operation) = operation.as_object_mut() {
                complete(path, method, operation);
                *named.entry(operation["operationId"].to_string()).or_default() += 1;
            }
        }
    }
    for (path, item) in doc["paths"].as_object_mut().into_iter().flatten() {
        for (_, operation) in item.as_object_mut().into_iter().flatten() {
            if named
                .get(&operation["operationId"].to_string())
                .is_some_and(|n| *n > 1)
            {
                tell_apart(path, operation);
            }
        }
    }
    let scopes: Vec<String> = Scope::ALL
        .iter()
        .map(|(_, word, about)| format!("`{word}`: {about}"))
        .collect();
    doc["components"]["securitySchemes"] = json!({
        "session": {
            "type": "http", "scheme": "bearer",
            "description": "The access token of a login (`POST /auth/session`), or its cookie; with the cookie a change needs `X-CSRF-Token`.",
        },
        "token": {
            "type": "http", "scheme": "bearer",
            "description": format!("A personal access token. Scopes: {}.", scopes.join("; ")),
        },
    });
    doc["components"]["schemas"]["Problem"] = json!({
        "type": "object", "description": "An error (RFC 9457).",
        "required": ["type", "title", "status", "detail"],
        "properties": {
            "type": { "type": "string", "description": "`urn:waddle:problem:` and a word for programs." },
            "title": { "type": "string" },
            "status": { "type": "integer", "minimum": 400, "maximum": 599 },
            "detail": { "type": "string", "description": "What happened and what to do." },
        },
    });
    Document {
        rules: Arc::new(Rules::of(&doc)),
        text: Bytes::from(doc.to_string()),
    }
}

/// `GET /api/v1/openapi.json`, for any origin.
pub async fn serve(State(app): State<App>) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    (headers, app.document.text.clone()).into_response()
}

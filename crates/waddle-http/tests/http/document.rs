//! The OpenAPI document: it is whole, every route is in it, and what it says holds for every operation.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::support::{Setup, open, open_with};
use serde_json::Value;

/// What is no API: pages, style, doors of other protocols, and OAuth, which describes itself (RFC 8414).
const BESIDE: &[&str] = &[
    "/",
    "/login",
    "/invite/{code}",
    "/api",
    "/api.js",
    "/style.css",
    "/api/v1/openapi.json",
    "/.well-known/oauth-authorization-server",
    "/oauth/register",
    "/oauth/authorize",
    "/oauth/consent/{id}",
    "/oauth/token",
    "/oauth/revoke",
    "/xmpp-websocket",
    "/mqtt",
    "/http-bind",
    "/upload/{id}/{name}",
    "/robots.txt",
    "/sitemap.xml",
];

async fn document(t: &Setup) -> Value {
    let answer = t.get("/api/v1/openapi.json").send().await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), "application/json");
    answer.json()
}

/// Path, method and operation of each.
fn operations(document: &Value) -> Vec<(String, String, Value)> {
    let mut all = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            all.push((path.clone(), method.clone(), operation.clone()));
        }
    }
    all
}

/// Paths in the router's own words.
fn routes(t: &Setup) -> BTreeSet<String> {
    let shown = format!("{:?}", t.router);
    shown
        .split('"')
        .filter(|s| s.starts_with('/') && !s.contains(' '))
        .map(str::to_owned)
        .collect()
}

#[tokio::test]
async fn every_route_is_in_the_document() {
    let t = open().await;
    let document = document(&t).await;
    let said: BTreeSet<String> = operations(&document).into_iter().map(|(p, ..)| p).collect();
    let routes = routes(&t);
    assert!(routes.contains("/api/v1/waddles/{w}"), "{routes:?}");
    let silent: Vec<&String> = routes
        .iter()
        .filter(|r| !said.contains(*r) && !said.contains(&format!("/api/v1{r}")))
        .filter(|r| {
            !BESIDE.contains(&r.as_str()) && !r.starts_with("/archive") && !r.contains("axum_fallback")
        })
        .collect();
    assert!(silent.is_empty(), "not in the document: {silent:?}");
    for path in &said {
        assert!(routes.contains(path), "{path} is in the document alone");
    }
}

#[tokio::test]
async fn the_document_is_whole() {
    let t = open().await;
    let document = document(&t).await;
    assert_eq!(document["openapi"], "3.1.0");
    let mut ids = HashMap::new();
    for (path, method, op) in operations(&document) {
        let at = format!("{method} {path}");
        let id = op["operationId"]
            .as_str()
            .unwrap_or_else(|| panic!("{at}"))
            .to_owned();
        assert_eq!(ids.insert(id.clone(), at.clone()), None, "{id}");
        assert!(op["summary"].as_str().is_some_and(|s| !s.is_empty()), "{at}");
        assert!(op["security"].as_array().is_some_and(|s| !s.is_empty()), "{at}");
        let good = op["responses"].as_object().unwrap();
        assert!(
            good.keys()
                .any(|s| s.starts_with('2') || s == "303" || s == "101"),
            "{at}"
        );
        let asks = op["security"] != serde_json::json!([{}]);
        if asks {
            for status in ["401", "403", "429"] {
                let schema =
                    &op["responses"][status]["content"]["application/problem+json"]["schema"]["$ref"];
                assert_eq!(schema, "#/components/schemas/Problem", "{at} {status}");
            }
        }
        for name in path.split('{').skip(1).map(|p| p.split('}').next().unwrap()) {
            let told = op["parameters"].as_array().into_iter().flatten();
            let told = told.filter(|p| p["in"] == "path" && p["name"] == name);
            let about: Vec<&Value> = told.map(|p| &p["description"]).collect();
            assert_eq!(about.len(), 1, "{at} {name}");
            assert!(
                about[0].as_str().is_some_and(|a| !a.is_empty()),
                "{at}: what is {{{name}}}?"
            );
        }
    }
    // references lead somewhere
    let text = document.to_string();
    for reference in text.split("\"#/components/schemas/").skip(1) {
        let name = reference.split('"').next().unwrap();
        assert!(
            document["components"]["schemas"].get(name).is_some(),
            "there is no schema {name}"
        );
    }
}

#[test]
fn schemas_have_names_of_their_own() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let mut names: HashMap<String, String> = HashMap::new();
    let mut folders = vec![
        format!("{root}/waddle-http/src"),
        format!("{root}/waddle-messages/src"),
        format!("{root}/waddle-community/src"),
    ];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let shown = path.display().to_string();
            if path.is_dir() {
                folders.push(shown);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            for part in text.split("ToSchema").skip(1) {
                let Some(line) = part
                    .lines()
                    .take(6)
                    .find(|l| l.starts_with("pub struct") || l.starts_with("pub enum"))
                else {
                    continue;
                };
                let name = line.split([' ', '{', '(', ';', '<']).nth(2).unwrap().to_owned();
                if let Some(other) = names.insert(name.clone(), shown.clone())
                    && other != shown
                {
                    panic!("two schemas are called {name}: in {other} and {shown}");
                }
            }
        }
    }
    assert!(names.len() > 20, "{names:?}");
}

/// Each operation with tokens of each scope: refused for the lack of a scope exactly where the document says so.
#[tokio::test]
async fn a_token_does_what_its_scopes_say() {
    let t = open_with(|http, _| http.rate_limits = false).await;
    let login = t.person("alice").await;
    let document = document(&t).await;
    let mut asked = 0;
    for scope in ["read", "messages:write", "moderate", "manage", "account", "admin"] {
        let made = t
            .post("/auth/access-tokens")
            .bearer(&login)
            .json(serde_json::json!({ "label": scope, "scopes": [scope] }))
            .send()
            .await;
        assert_eq!(made.status, 201, "{}", made.text);
        let token = made.json()["token"].as_str().unwrap().to_owned();
        for (path, method, op) in operations(&document) {
            let ways = op["security"].as_array().unwrap();
            if ways.iter().any(|w| w == &serde_json::json!({})) {
                continue;
            }
            let scopes: Vec<&str> = ways
                .iter()
                .filter_map(|w| w["token"].as_array())
                .flatten()
                .map(|s| s.as_str().unwrap())
                .collect();
            let may = scopes.contains(&scope);
            // these answers do not end
            if may
                && (path.ends_with("/events")
                    || path.ends_with("/events/ws")
                    || path.ends_with("/interactions"))
            {
                continue;
            }
            let mut place = path.clone();
            while let (Some(from), Some(to)) = (place.find('{'), place.find('}')) {
                place.replace_range(from..=to, "x");
            }
            for place in [place.clone(), place.trim_start_matches("/api/v1").to_owned()] {
                let ask = t.ask(&method.to_uppercase(), &place).bearer(&token);
                let ask = if op.get("requestBody").is_some() {
                    ask.json(serde_json::json!({}))
                } else {
                    ask
                };
                let answer = ask.send().await;
                let kind = if answer.header("content-type") == "application/problem+json" {
                    answer.json()["type"].as_str().unwrap().to_owned()
                } else {
                    String::new()
                };
                let refused = kind.ends_with(":scope") || kind.ends_with(":login-only");
                assert_eq!(
                    refused, !may,
                    "{scope}: {method} {place}: {} {kind}",
                    answer.status
                );
                if kind.ends_with(":scope") {
                    assert!(
                        answer.header("www-authenticate").contains("insufficient_scope"),
                        "{place}"
                    );
                }
                asked += 1;
            }
        }
    }
    assert!(asked > 300, "{asked}");
}

#[tokio::test]
async fn the_page_to_try_it() {
    let t = open().await;
    let page = t.get("/api").send().await;
    assert_eq!(page.status, 200);
    let policy = page.header("content-security-policy");
    assert!(
        policy.contains("default-src 'none'")
            && policy.contains("script-src 'self'")
            && !policy.contains("unsafe"),
        "{policy}"
    );
    assert!(
        !page.text.contains("http://cdn") && !page.text.contains("https://"),
        "nothing from elsewhere"
    );
    let script = t.get("/api.js").send().await;
    assert!(script.header("content-type").starts_with("text/javascript"));
    assert!(!script.text.contains("innerHTML"));
}

/// The API as a page: each operation by its topic, with what it asks for.
fn index(document: &Value) -> String {
    const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];
    let mut topics: BTreeMap<&str, Vec<(&str, usize, String)>> = BTreeMap::new();
    let all = operations(document);
    for (path, method, op) in &all {
        let mut asks: Vec<&str> = Vec::new();
        for way in op["security"].as_array().unwrap() {
            let way = way.as_object().unwrap();
            match way.get("token").and_then(Value::as_array) {
                Some(scopes) => asks.extend(scopes.iter().filter_map(Value::as_str)),
                None if way.is_empty() => asks.push("*anybody*"),
                None => {}
            }
        }
        if asks.is_empty() {
            asks.push("*login*");
        }
        let short = path.strip_prefix("/api/v1").unwrap_or(path);
        let row = format!(
            "| `{} {short}` | {} | {} |\n",
            method.to_uppercase(),
            asks.join(", "),
            op["summary"]
                .as_str()
                .unwrap()
                .trim_end_matches('.')
                .replace('\n', " ")
        );
        let topic = op["tags"][0].as_str().unwrap_or("other");
        let place = METHODS.iter().position(|m| m == method).unwrap_or(METHODS.len());
        topics.entry(topic).or_default().push((short, place, row));
    }
    let mut out = String::from(
        "# HTTP addresses\n\nGenerated from the handlers: `UPDATE=1 cargo test -p waddle-http --test http document`. Bodies and answers \
         are in the OpenAPI document at `/api/v1/openapi.json`, rules for all of them in [`http.md`](http.md). The second \
         column is the scope that a token needs, one of them where there are several; *login*: no token will do.\n",
    );
    for (topic, mut rows) in topics {
        rows.sort();
        out += &format!("\n## {topic}\n| | | |\n|---|---|---|\n");
        out.extend(rows.into_iter().map(|(.., row)| row));
    }
    out
}

#[tokio::test]
async fn the_page_of_addresses_is_the_document() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../specs/api.md");
    let t = open().await;
    let page = index(&document(&t).await);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path, &page).unwrap();
    }
    let found = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        found == page,
        "specs/api.md is old; run UPDATE=1 cargo test -p waddle-http --test http document"
    );
}

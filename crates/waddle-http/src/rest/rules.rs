//! What an address asks of whoever calls it. The rules are read from the OpenAPI document, so that what is written and
//! what is enforced are one thing.

use std::{collections::HashMap, fmt, str::FromStr};

use axum::http::Method;
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

/// What a personal access token may do. None includes another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, ToSchema)]
pub enum Scope {
    /// Read all that the person may read.
    #[serde(rename = "read")]
    Read,
    /// Say, change, react, mark as read.
    #[serde(rename = "messages:write")]
    Messages,
    /// Reports, timeouts, kicks, bans, others' messages.
    #[serde(rename = "moderate")]
    Moderate,
    /// Waddles, channels, roles, members, devices, feeds, webhooks.
    #[serde(rename = "manage")]
    Manage,
    /// The person's own profile, files and settings.
    #[serde(rename = "account")]
    Account,
    /// The server itself, for its admins.
    #[serde(rename = "admin")]
    Admin,
}

impl Scope {
    /// Every one, with its word and what it allows.
    pub const ALL: [(Self, &'static str, &'static str); 6] = [
        (Self::Read, "read", "read what the person may read"),
        (
            Self::Messages,
            "messages:write",
            "say, correct, react, mark as read, in their name",
        ),
        (
            Self::Moderate,
            "moderate",
            "reports, timeouts, kicks, bans, others' messages",
        ),
        (
            Self::Manage,
            "manage",
            "make and change waddles, channels, roles, members, devices, feeds, webhooks",
        ),
        (
            Self::Account,
            "account",
            "change the person's profile, files and settings",
        ),
        (Self::Admin, "admin", "the server itself, for its admins"),
    ];

    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Messages => "messages:write",
            Self::Moderate => "moderate",
            Self::Manage => "manage",
            Self::Account => "account",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Scope {
    type Err = ();
    fn from_str(s: &str) -> Result<Self, ()> {
        let found = Self::ALL.iter().find(|(_, word, _)| *word == s);
        found.map(|(scope, ..)| *scope).ok_or(())
    }
}

/// Who may call an operation at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Need {
    /// Anybody.
    Nothing,
    /// A login of the person: no access token does.
    Session,
    /// A login, or a token with one of these scopes.
    Scope(Vec<Scope>),
}

/// What one operation asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Of the caller.
    pub need: Need,
    /// Whether it makes something: it takes `Idempotency-Key`.
    pub creates: bool,
}

/// The rules of all operations, by method and path template.
#[derive(Debug, Default)]
pub struct Rules(HashMap<Method, HashMap<String, Rule>>);

/// The path that the document has, of one that was asked at the short place.
const PREFIX: &str = "/api/v1";

impl Rules {
    /// Reads them from a finished document.
    pub fn of(document: &Value) -> Self {
        let mut rules = Self::default();
        let paths = document["paths"].as_object().into_iter().flatten();
        for (path, item) in paths {
            for (method, operation) in item.as_object().into_iter().flatten() {
                let Ok(method) = method.to_ascii_uppercase().parse::<Method>() else {
                    continue;
                };
                let rule = Rule {
                    need: need(&operation["security"]),
                    creates: method == Method::POST && operation["responses"].get("201").is_some(),
                };
                let path = path.strip_prefix(PREFIX).unwrap_or(path).to_owned();
                rules.0.entry(method).or_default().insert(path, rule);
            }
        }
        rules
    }

    /// The rule of an operation, by the template that the router matched.
    pub fn get(&self, method: &Method, template: &str) -> Option<&Rule> {
        let method = if *method == Method::HEAD {
            &Method::GET
        } else {
            method
        };
        self.0
            .get(method)?
            .get(template.strip_prefix(PREFIX).unwrap_or(template))
    }
}

fn need(security: &Value) -> Need {
    let Some(ways) = security.as_array() else {
        return Need::Session;
    };
    if ways.is_empty()
        || ways
            .iter()
            .any(|w| w.as_object().is_some_and(serde_json::Map::is_empty))
    {
        return Need::Nothing;
    }
    let words = ways.iter().filter_map(|w| w["token"].as_array()).flatten();
    let scopes: Vec<Scope> = words
        .filter_map(|s| s.as_str().and_then(|s| s.parse().ok()))
        .collect();
    if scopes.is_empty() {
        Need::Session
    } else {
        Need::Scope(scopes)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_document_is_the_rule() {
        let rules = Rules::of(&json!({ "paths": {
            "/api/v1/waddles": {
                "get": { "security": [{ "token": ["read"] }, { "session": [] }], "responses": { "200": {} } },
                "post": { "security": [{ "token": ["manage"] }], "responses": { "201": {} } },
            },
            "/api/v1/tokens": { "get": { "security": [{ "session": [] }], "responses": {} } },
            "/status": { "get": { "security": [{}], "responses": {} } },
            "/other": { "get": { "responses": {} } },
        }}));
        let at = |method: Method, path: &str| rules.get(&method, path).cloned();
        let read = Rule {
            need: Need::Scope(vec![Scope::Read]),
            creates: false,
        };
        assert_eq!(at(Method::GET, "/waddles"), Some(read.clone()));
        assert_eq!(at(Method::HEAD, "/api/v1/waddles"), Some(read));
        assert!(at(Method::POST, "/waddles").unwrap().creates);
        assert_eq!(at(Method::GET, "/tokens").unwrap().need, Need::Session);
        assert_eq!(at(Method::GET, "/status").unwrap().need, Need::Nothing);
        assert_eq!(at(Method::GET, "/other").unwrap().need, Need::Session);
        assert_eq!(at(Method::DELETE, "/waddles"), None);
    }

    #[test]
    fn scopes_have_one_word() {
        for (scope, word, _) in Scope::ALL {
            assert_eq!((word.parse(), scope.as_str()), (Ok(scope), word));
        }
        assert_eq!("Read".parse::<Scope>(), Err(()));
    }
}

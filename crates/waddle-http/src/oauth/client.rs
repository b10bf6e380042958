//! Programs that register themselves (RFC 7591). Nothing is kept: a program's identifier is what it said of itself,
//! with our mark that nobody else can make.

use axum::{
    Json,
    body::Bytes,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use url::{Host, Url};

use super::{OPEN, SCOPE, error};
use crate::App;

/// Places of one program to be sent back to.
const URIS: usize = 5;
/// Bytes of one of them.
const URI: usize = 256;
/// Characters of a program's name.
const NAME: usize = 64;
/// Bytes of an identifier.
const ID: usize = 4096;

/// What a program said of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OauthClient {
    /// Its name, for people.
    #[serde(rename = "n")]
    pub name: String,
    /// Where it may be sent back to.
    #[serde(rename = "r")]
    pub redirect_uris: Vec<String>,
}

/// Whether a program may be sent back to this address: to HTTPS, to the same machine, or to a scheme of its own, which
/// is a domain turned round (RFC 8252 §7).
fn is_allowed(uri: &str) -> bool {
    let Ok(url) = Url::parse(uri) else { return false };
    if uri.len() > URI || url.fragment().is_some() || !url.username().is_empty() || url.password().is_some() {
        return false;
    }
    match url.scheme() {
        "https" => url.host().is_some(),
        "http" => is_loopback(&url),
        own => own.contains('.'),
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(a)) => a.is_loopback(),
        Some(Host::Ipv6(a)) => a.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// Whether a character of a name is seen where it stands: neither control, nor without width, nor turning round what
/// stands by it.
fn is_shown(c: char) -> bool {
    !c.is_control()
        && !matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}')
}

impl OauthClient {
    /// The program of an identifier that was made here.
    pub fn of(app: &App, id: &str) -> Option<Self> {
        let (payload, mark) = id.split_once('.').filter(|_| id.len() <= ID)?;
        let payload = B64.decode(payload).ok()?;
        let mark = B64.decode(mark).ok()?;
        if !app.deps.identity.oauth_mark_fits(&payload, &mark) {
            return None;
        }
        serde_json::from_slice(&payload).ok()
    }

    fn id(&self, app: &App) -> Option<String> {
        let payload = serde_json::to_vec(self).ok()?;
        let mark = app.deps.identity.oauth_mark(&payload);
        Some([&B64.encode(&payload), ".", &B64.encode(mark)].concat())
    }

    /// Whether it registered this address; on the same machine any port will do (RFC 8252 §7.3).
    pub fn has(&self, uri: &str) -> bool {
        let portless = |uri: &str| {
            let mut url = Url::parse(uri).ok().filter(is_loopback)?;
            url.set_port(None).ok()?;
            Some(url)
        };
        self.redirect_uris.iter().any(|r| {
            r == uri || r.starts_with("http:") && portless(r).is_some_and(|r| portless(uri) == Some(r))
        })
    }
}

/// `POST /oauth/register`.
pub async fn register(State(app): State<App>, body: Bytes) -> Response {
    let Ok(asked) = serde_json::from_slice::<Value>(&body) else {
        return error("invalid_client_metadata", "a JSON object is needed");
    };
    let text = |v: &Value| v.as_str().map(str::to_owned);
    let uris: Option<Vec<String>> = asked["redirect_uris"]
        .as_array()
        .filter(|l| !l.is_empty() && l.len() <= URIS)
        .and_then(|l| l.iter().map(text).collect());
    let Some(redirect_uris) = uris.filter(|l| l.iter().all(|u| is_allowed(u))) else {
        return error(
            "invalid_redirect_uri",
            "redirect_uris: one to five addresses with https, on 127.0.0.1, or with a scheme like org.example.app",
        );
    };
    let name = asked["client_name"].as_str().unwrap_or("A chat program");
    let client = OauthClient {
        name: name.chars().filter(|c| is_shown(*c)).take(NAME).collect(),
        redirect_uris,
    };
    let Some(id) = client.id(&app) else {
        return error("invalid_client_metadata", "this cannot be kept");
    };
    let body = json!({
        "client_id": id,
        "client_name": client.name,
        "redirect_uris": client.redirect_uris,
        "token_endpoint_auth_method": "none",
        "grant_types": ["authorization_code"],
        "response_types": ["code"],
        "scope": SCOPE,
    });
    (StatusCode::CREATED, OPEN, Json(body)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_to_be_sent_back_to() {
        for ok in [
            "https://chat.example/back",
            "http://127.0.0.1/back",
            "http://localhost:9999/",
            "http://[::1]/",
            "org.example.app:/back",
        ] {
            assert!(is_allowed(ok), "{ok}");
        }
        for bad in [
            "",
            "x",
            "http://chat.example/",
            "javascript:alert(1)",
            "data:text/html,x",
            "https://a:b@chat.example/",
            "https://chat.example/#x",
        ] {
            assert!(!is_allowed(bad), "{bad}");
        }
        let c = OauthClient {
            name: String::new(),
            redirect_uris: vec!["http://127.0.0.1/back".into(), "https://chat.example/back".into()],
        };
        assert!(c.has("http://127.0.0.1:4711/back") && c.has("https://chat.example/back"));
        assert!(!c.has("http://127.0.0.1:4711/other") && !c.has("https://chat.example:444/back"));
        assert!(!c.has("http://127.0.0.1.evil.example/back"));
    }
}

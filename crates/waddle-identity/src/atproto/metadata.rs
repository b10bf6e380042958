//! Metadata of authorization and resource servers, checked where it comes in (RFC 8414, RFC 9728; ADR 0007).
//!
//! atrium-oauth trusts this metadata: a missing or relative endpoint makes it panic, and an endpoint of another
//! host is called. So what reaches it is complete, and every endpoint lies on the issuer's own origin.

use serde::Deserialize;
use url::Url;

use super::guard::Guard;

/// Where an authorization server's metadata lies.
pub const SERVER_PATH: &str = "/.well-known/oauth-authorization-server";
/// Where a PDS's metadata lies.
pub const RESOURCE_PATH: &str = "/.well-known/oauth-protected-resource";

/// Why metadata is not used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MetadataError {
    /// Not JSON with the fields that ATProto requires.
    #[error("server metadata is not as ATProto requires: {0}")]
    Shape(String),
    /// The issuer is not the server that was asked.
    #[error("the issuer in the server metadata is not the server that was asked")]
    Issuer,
    /// An endpoint is missing, no URL, not https or on another server.
    #[error("{0} in the server metadata is missing or not on the issuer's server")]
    Endpoint(&'static str),
    /// The server cannot do what ATProto requires.
    #[error("the server does not support {0}")]
    Unsupported(&'static str),
}

#[derive(Deserialize)]
struct Server {
    issuer: String,
    authorization_endpoint: Option<String>,
    token_endpoint: Option<String>,
    pushed_authorization_request_endpoint: Option<String>,
    revocation_endpoint: Option<String>,
    introspection_endpoint: Option<String>,
    #[serde(default)]
    dpop_signing_alg_values_supported: Vec<String>,
    #[serde(default)]
    code_challenge_methods_supported: Vec<String>,
    token_endpoint_auth_signing_alg_values_supported: Option<Vec<String>>,
    authorization_response_iss_parameter_supported: Option<bool>,
}

#[derive(Deserialize)]
struct Resource {
    authorization_servers: Option<Vec<String>>,
}

fn has(list: &[String], want: &str) -> bool {
    list.iter().any(|v| v == want)
}

/// Checks the metadata that `asked` answered with.
pub fn check_server(asked: &Url, body: &[u8], guard: Guard) -> Result<(), MetadataError> {
    let m: Server = serde_json::from_slice(body).map_err(|e| MetadataError::Shape(e.to_string()))?;
    let issuer = Url::parse(&m.issuer).map_err(|_| MetadataError::Issuer)?;
    if issuer.origin() != asked.origin()
        || issuer.path() != "/"
        || issuer.query().is_some()
        || m.issuer.ends_with('/')
    {
        return Err(MetadataError::Issuer);
    }
    let endpoint = |name: &'static str, value: &Option<String>, required: bool| match value {
        None if !required => Ok(()),
        None => Err(MetadataError::Endpoint(name)),
        Some(text) => {
            let url = Url::parse(text).map_err(|_| MetadataError::Endpoint(name))?;
            let ok = guard.check(&url).is_ok() && url.origin() == issuer.origin() && url.fragment().is_none();
            // atrium-oauth appends `?…` to the endpoint and parses it with the `http` crate
            if ok && url.query().is_none() && text.parse::<http::Uri>().is_ok_and(|u| u.authority().is_some())
            {
                Ok(())
            } else {
                Err(MetadataError::Endpoint(name))
            }
        }
    };
    endpoint("authorization_endpoint", &m.authorization_endpoint, true)?;
    endpoint("token_endpoint", &m.token_endpoint, true)?;
    endpoint(
        "pushed_authorization_request_endpoint",
        &m.pushed_authorization_request_endpoint,
        true,
    )?;
    endpoint("revocation_endpoint", &m.revocation_endpoint, false)?;
    endpoint("introspection_endpoint", &m.introspection_endpoint, false)?;
    if !has(&m.dpop_signing_alg_values_supported, "ES256")
        || m.dpop_signing_alg_values_supported.len() > 64
        || m.token_endpoint_auth_signing_alg_values_supported
            .is_some_and(|v| v.len() > 64 || !has(&v, "ES256"))
    {
        return Err(MetadataError::Unsupported("ES256"));
    }
    if !has(&m.code_challenge_methods_supported, "S256") {
        return Err(MetadataError::Unsupported("PKCE with S256"));
    }
    if m.authorization_response_iss_parameter_supported != Some(true) {
        return Err(MetadataError::Unsupported(
            "iss in the authorization response (RFC 9207)",
        ));
    }
    Ok(())
}

/// Checks a PDS's metadata: one authorization server, on an address that may be asked.
pub fn check_resource(body: &[u8], guard: Guard) -> Result<(), MetadataError> {
    let m: Resource = serde_json::from_slice(body).map_err(|e| MetadataError::Shape(e.to_string()))?;
    match m.authorization_servers.as_deref() {
        Some([one]) if Url::parse(one).is_ok_and(|u| guard.check(&u).is_ok()) => Ok(()),
        _ => Err(MetadataError::Endpoint("authorization_servers")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn good() -> Value {
        json!({
            "issuer": "https://as.example",
            "authorization_endpoint": "https://as.example/oauth/authorize",
            "token_endpoint": "https://as.example/oauth/token",
            "pushed_authorization_request_endpoint": "https://as.example/oauth/par",
            "revocation_endpoint": "https://as.example/oauth/revoke",
            "dpop_signing_alg_values_supported": ["ES256"],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_signing_alg_values_supported": ["ES256"],
            "authorization_response_iss_parameter_supported": true
        })
    }

    fn check(v: &Value) -> Result<(), MetadataError> {
        let asked = Url::parse("https://as.example/.well-known/oauth-authorization-server").unwrap();
        check_server(&asked, &serde_json::to_vec(v).unwrap(), Guard::https(false))
    }

    #[test]
    fn hostile_servers() {
        assert_eq!(check(&good()), Ok(()));
        let cases: [(&str, Value); 17] = [
            ("issuer", json!("https://other.example")),
            ("issuer", json!("https://as.example/")),
            ("issuer", json!("https://as.example/path")),
            ("authorization_endpoint", json!("javascript:alert(1)//")),
            ("authorization_endpoint", json!("https://evil.example/a")),
            ("authorization_endpoint", json!("https://as.example/a?x=1")),
            ("token_endpoint", json!("http://as.example/token")),
            ("token_endpoint", json!("http://127.0.0.1:2582/x")),
            ("pushed_authorization_request_endpoint", json!("/oauth/par")),
            (
                "pushed_authorization_request_endpoint",
                json!("https://127.0.0.1/par"),
            ),
            ("pushed_authorization_request_endpoint", Value::Null),
            ("revocation_endpoint", json!("data:text/html,x")),
            ("dpop_signing_alg_values_supported", json!(["RS256"])),
            ("dpop_signing_alg_values_supported", json!(vec!["ES256"; 65])),
            ("code_challenge_methods_supported", json!(["plain"])),
            ("authorization_response_iss_parameter_supported", json!(false)),
            ("token_endpoint", json!(7)),
        ];
        for (field, value) in cases {
            let mut m = good();
            m[field] = value.clone();
            assert!(check(&m).is_err(), "{field}: {value}");
        }
        assert!(check(&json!([])).is_err());
    }

    #[test]
    fn resources() {
        let check = |v: Value| check_resource(&serde_json::to_vec(&v).unwrap(), Guard::https(false));
        assert!(
            check(json!({"resource": "https://p.example", "authorization_servers": ["https://as.example"]}))
                .is_ok()
        );
        for bad in [
            json!([]),
            json!(["https://a.example", "https://b.example"]),
            json!(["http://a.example"]),
            json!(["https://10.0.0.1"]),
        ] {
            assert!(check(json!({"resource": "https://p.example", "authorization_servers": bad})).is_err());
        }
    }
}

//! Errors as problem details ([RFC 9457](https://www.rfc-editor.org/rfc/rfc9457)).

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;
use waddle_identity::{Error as IdentityError, LoginError};
use waddle_storage::StorageError;

use crate::{layers::request, rest::Scope};

/// The media type of every error here.
pub const MEDIA_TYPE: &str = "application/problem+json";

const INVALID_TOKEN: &str = "invalid-token";

/// An error as the API answers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The status code.
    pub status: StatusCode,
    /// A short word for programs, the end of the `type`: `urn:waddle:problem:<kind>`.
    pub kind: &'static str,
    /// What happened and what to do, for people.
    pub detail: String,
    /// Seconds to wait.
    pub retry_after: Option<u64>,
    /// The scope that a token lacks.
    pub scope: Option<String>,
}

impl Problem {
    /// A problem of this kind.
    pub fn new(status: StatusCode, kind: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status,
            kind,
            detail: detail.into(),
            retry_after: None,
            scope: None,
        }
    }

    /// 400: the request is wrong.
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad-request", detail)
    }

    /// 401: nobody is logged in.
    pub fn unauthorized() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "unauthorized",
            "log in first: show a session's access token as a bearer, or its cookie",
        )
    }

    /// 401: what was shown as a bearer is none (RFC 6750 §3.1).
    pub fn invalid_token() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            INVALID_TOKEN,
            "this token is unknown, was revoked or has expired: log in again, or make a new one",
        )
    }

    /// 403: also for what somebody may not see, whether it exists or not.
    pub fn forbidden() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "forbidden",
            "you have no right to do this, or there is no such waddle",
        )
    }

    /// 403: the CSRF token is missing or wrong.
    pub fn csrf() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "csrf",
            "a change made with the session cookie needs the header X-CSRF-Token; GET /auth/session tells it",
        )
    }

    /// 403: the token lacks the scope (RFC 6750 §3.1).
    pub fn scope(wanted: &[Scope]) -> Self {
        let words: Vec<&str> = wanted.iter().map(|s| s.as_str()).collect();
        Self {
            scope: Some(words.join(" ")),
            ..Self::new(
                StatusCode::FORBIDDEN,
                "scope",
                format!(
                    "this token lacks the scope {}; make one that has it",
                    words.join(" or ")
                ),
            )
        }
    }

    /// 403: no token does this.
    pub fn login_only() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "login-only",
            "this needs a login of the person; no access token does it",
        )
    }

    /// 404.
    pub fn not_found(what: &str) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "not-found",
            format!("there is no such {what}"),
        )
    }

    /// 422: a value that is not allowed.
    pub fn invalid(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", detail)
    }

    /// 429 with the seconds to wait.
    pub fn too_many(seconds: u64) -> Self {
        Self {
            retry_after: Some(seconds.max(1)),
            ..Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                "rate-limited",
                format!("too many requests; try again in {} s", seconds.max(1)),
            )
        }
    }

    /// 429: an account has as many streams as it may.
    pub fn too_many_streams() -> Self {
        Self {
            retry_after: Some(10),
            ..Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                "too-many-streams",
                "this account has too many event streams; end one",
            )
        }
    }

    fn storage(e: &StorageError) -> Self {
        tracing::error!(error = %e, request = %request(), "storage");
        Self {
            retry_after: Some(5),
            ..Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "storage",
                "the server cannot reach its data now; try again",
            )
        }
    }

    fn internal(e: &dyn std::fmt::Display) -> Self {
        tracing::error!(error = %e, request = %request(), "request failed");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "the server made an error; it is in its log",
        )
    }

    /// The kind of a status that no handler of ours explained.
    pub fn of_status(status: StatusCode, detail: String) -> Self {
        let (kind, text) = match status {
            StatusCode::NOT_FOUND => ("not-found", "there is nothing at this address"),
            StatusCode::METHOD_NOT_ALLOWED => (
                "method-not-allowed",
                "this address does not take this method; see Allow",
            ),
            StatusCode::PAYLOAD_TOO_LARGE => ("too-large", "the request's body is too large"),
            StatusCode::UNSUPPORTED_MEDIA_TYPE => ("media-type", "send application/json"),
            StatusCode::REQUEST_TIMEOUT => ("timeout", "the request took too long"),
            StatusCode::UPGRADE_REQUIRED => ("upgrade-required", "this address speaks WebSocket alone"),
            StatusCode::UNPROCESSABLE_ENTITY => ("invalid", "a value is not allowed"),
            s if s.is_client_error() => ("bad-request", "the request is wrong"),
            _ => ("internal", "the server made an error; it is in its log"),
        };
        // what a framework says about a server's error is not for strangers
        let detail = if detail.is_empty() || status.is_server_error() {
            text.to_owned()
        } else {
            detail
        };
        Self::new(status, kind, detail)
    }
}

impl Problem {
    /// The document.
    pub fn json(&self) -> serde_json::Value {
        json!({
            "type": format!("urn:waddle:problem:{}", self.kind),
            "title": self.status.canonical_reason().unwrap_or("Error"),
            "status": self.status.as_u16(),
            "detail": self.detail,
        })
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut r = Response::new(Body::from(self.json().to_string()));
        *r.status_mut() = self.status;
        let h = r.headers_mut();
        h.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        if self.status == StatusCode::UNAUTHORIZED {
            let challenge = if self.kind == INVALID_TOKEN {
                "Bearer realm=\"waddle\", error=\"invalid_token\""
            } else {
                "Bearer realm=\"waddle\""
            };
            h.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        if let Some(scope) = self.scope {
            let text = format!("Bearer realm=\"waddle\", error=\"insufficient_scope\", scope=\"{scope}\"");
            if let Ok(v) = HeaderValue::from_str(&text) {
                h.insert(header::WWW_AUTHENTICATE, v);
            }
        }
        if let Some(s) = self.retry_after {
            h.insert(header::RETRY_AFTER, HeaderValue::from(s));
        }
        r
    }
}

impl From<waddle_community::Error> for Problem {
    fn from(e: waddle_community::Error) -> Self {
        use waddle_community::Error as E;
        match e {
            E::NotFound(what) => Self::not_found(what),
            E::Forbidden => Self::forbidden(),
            E::Conflict(why) => Self::new(StatusCode::CONFLICT, "conflict", why),
            E::Expired(_) => Self::new(StatusCode::GONE, "expired", e.to_string()),
            E::Limit { .. } => Self::new(StatusCode::CONFLICT, "limit", e.to_string()),
            E::Invalid { .. } => Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", e.to_string()),
            E::Unwritable(why) => Self::invalid(why.to_string()),
            E::Storage(e) => Self::storage(&e),
            other => Self::internal(&other),
        }
    }
}

impl From<StorageError> for Problem {
    fn from(e: StorageError) -> Self {
        Self::storage(&e)
    }
}

impl From<IdentityError> for Problem {
    fn from(e: IdentityError) -> Self {
        use IdentityError as E;
        match &e {
            E::NotFound => Self::not_found("account, token or session"),
            E::NameTaken | E::OnlyOwner(_) => Self::new(StatusCode::CONFLICT, "conflict", e.to_string()),
            E::Community(c) => c.clone().into(),
            E::Name(_) | E::Password | E::DisplayName | E::NotLocal => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", e.to_string())
            }
            E::Storage(s) => Self::storage(s),
            other => Self::internal(other),
        }
    }
}

impl From<LoginError> for Problem {
    fn from(e: LoginError) -> Self {
        let text = e.to_string();
        match e {
            LoginError::NotAuthorized | LoginError::Expired => {
                Self::new(StatusCode::UNAUTHORIZED, "not-authorized", text)
            }
            LoginError::Throttled(wait) => Self {
                detail: text,
                ..Self::too_many(wait.as_secs())
            },
            LoginError::Busy => Self {
                detail: text,
                ..Self::too_many(60)
            },
            LoginError::BadHandle => Self::bad_request(text),
            LoginError::UnknownHandle | LoginError::HandleMismatch => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "handle", text)
            }
            LoginError::Server(_) => Self::new(StatusCode::BAD_GATEWAY, "account-server", text),
            LoginError::Denied
            | LoginError::Disabled
            | LoginError::StateExpired
            | LoginError::OtherBrowser
            | LoginError::OtherAccount
            | LoginError::WrongGrant(_) => Self::new(StatusCode::FORBIDDEN, "login-refused", text),
            LoginError::Internal(IdentityError::Config(why)) => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "login-off", why)
            }
            LoginError::Internal(e) => e.into(),
        }
    }
}

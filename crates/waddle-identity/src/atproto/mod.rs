//! Login with an AT Protocol account, by atrium-oauth behind checks of our own (ADR 0007, `specs/identity.md`).

pub mod client;
pub mod http;
pub mod metadata;
pub mod resolve;
pub mod stores;

use std::{
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use atrium_api::{
    agent::Agent,
    types::string::{Did as AtDid, Handle},
};
use atrium_common::resolver::Resolver;
use atrium_oauth::{AuthorizeOptions, CallbackParams, KnownScope, Scope, store::session::Session};
use futures::FutureExt as _;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;
use url::Url;
use waddle_core::{Did, SharedClock};
pub use waddle_fetch::guard;
use waddle_storage::Db;

use crate::{Error, IdentityConfig, LoginError, keys::Keyring};
use client::Registered;
use http::SafeHttp;
use resolve::{DidDocuments, Handles, normalize_handle};
use stores::{FLOW, Flow, Stores, TRIAL};

/// Longest time for one step of a login, all of its requests together.
const STEP: Duration = Duration::from_secs(25);

/// What the browser brought back to the callback.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Callback {
    /// The authorization code.
    pub code: Option<String>,
    /// Our one-time state.
    pub state: Option<String>,
    /// The issuer (RFC 9207).
    pub iss: Option<String>,
    /// Why there is no code.
    pub error: Option<String>,
}

/// Who signed in, as the network confirms it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proven {
    /// The account.
    pub did: Did,
    /// Its handle, where it holds in both directions.
    pub handle: Option<String>,
}

/// What we put into the flow's state beside atrium's own.
#[derive(Serialize, Deserialize)]
struct AppState {
    /// Who was asked for; another account signing in is refused.
    wanted: Proven,
    /// The browser's cookie value, as the login began.
    browser: String,
}

/// The ATProto side of [`Identity`](crate::Identity).
pub struct Atproto {
    registered: Registered,
    dids: DidDocuments,
    handles: Handles,
    stores: Stores,
    http: Arc<SafeHttp>,
}

/// Runs a step of atrium's: it may panic on what a server answers, and must not hang.
async fn contained<T>(step: impl Future<Output = Result<T, atrium_oauth::Error>>) -> Result<T, LoginError> {
    match tokio::time::timeout(STEP, AssertUnwindSafe(step).catch_unwind()).await {
        Ok(Ok(Ok(value))) => Ok(value),
        Ok(Ok(Err(e))) => Err(LoginError::Server(public_text(&e.to_string()))),
        Ok(Err(_)) => Err(LoginError::Server("its answer could not be used".into())),
        Err(_) => Err(LoginError::Server("it did not answer in time".into())),
    }
}

/// An error's text as a page may show it: bounded, without control characters.
fn public_text(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}

impl Atproto {
    /// Prepares login for `config`'s public URL.
    pub async fn open(
        config: &IdentityConfig,
        db: &Db,
        keys: &Keyring,
        clock: &SharedClock,
    ) -> Result<Self, Error> {
        let limits = &config.limits;
        let http = Arc::new(SafeHttp::new(&config.atproto, limits.identity_answer_bytes)?);
        let stores = Stores::new(
            db.clone(),
            keys.clone(),
            Arc::clone(clock),
            limits.identity_login_minutes,
            limits.identity_logins,
        );
        let registered = client::register(
            &config.public_url,
            &config.atproto,
            &http,
            &stores,
            keys,
            db,
            clock.now(),
        )
        .await?;
        Ok(Self {
            dids: DidDocuments::new(&config.atproto, &http),
            handles: registered.handles(),
            registered,
            stores,
            http,
        })
    }

    /// The client metadata document, for a public client.
    pub fn metadata(&self) -> Option<&serde_json::Value> {
        self.registered.metadata.as_ref()
    }

    /// The client's public keys.
    pub fn jwks(&self) -> &serde_json::Value {
        &self.registered.jwks
    }

    async fn handle_to_did(&self, handle: &Handle) -> Result<AtDid, LoginError> {
        let did = self.handles.resolve(handle).await.map_err(|e| {
            tracing::debug!(handle = handle.as_str(), error = %e, "handle not resolved");
            LoginError::UnknownHandle
        })?;
        Ok(did)
    }

    /// Finds the account that a handle or DID names, and its handle confirmed in both directions.
    pub async fn find(&self, input: &str) -> Result<Proven, LoginError> {
        let work = async {
            let input = normalize_handle(input);
            if input.starts_with("did:") {
                let did: Did = input.parse().map_err(|_| LoginError::BadHandle)?;
                return self.find_did(did).await;
            }
            let handle: Handle = input.parse().map_err(|_| LoginError::BadHandle)?;
            let did = self.handle_to_did(&handle).await?;
            let proven: Did = did.as_str().parse().map_err(|_| LoginError::UnknownHandle)?;
            let doc = self.document(&did).await?;
            let named = format!("at://{}", handle.as_str());
            // a document that names no handle confirms none
            if !doc
                .also_known_as
                .is_some_and(|aka| aka.iter().any(|a| a.eq_ignore_ascii_case(&named)))
            {
                return Err(LoginError::HandleMismatch);
            }
            Ok(Proven {
                did: proven,
                handle: Some(handle.as_str().to_owned()),
            })
        };
        tokio::time::timeout(STEP, work)
            .await
            .unwrap_or_else(|_| Err(LoginError::Server("it did not answer in time".into())))
    }

    async fn document(&self, did: &AtDid) -> Result<atrium_api::did_doc::DidDocument, LoginError> {
        self.dids
            .resolve(did)
            .await
            .map_err(|e| LoginError::Server(public_text(&e.to_string())))
    }

    /// A login by DID does not need a handle; a broken one is not shown.
    async fn find_did(&self, did: Did) -> Result<Proven, LoginError> {
        let at: AtDid = did.as_str().parse().map_err(|_| LoginError::BadHandle)?;
        let doc = self.document(&at).await?;
        let claimed = doc
            .also_known_as
            .unwrap_or_default()
            .iter()
            .find_map(|a| a.strip_prefix("at://").map(str::to_ascii_lowercase))
            .and_then(|h| h.parse::<Handle>().ok());
        let handle = match claimed {
            Some(h) => {
                let back = self.handles.resolve(&h).await;
                back.is_ok_and(|d| d.as_str() == did.as_str())
                    .then(|| h.as_str().to_owned())
            }
            None => None,
        };
        Ok(Proven { did, handle })
    }

    /// Begins a login; the browser goes to the URL returned.
    pub async fn begin(&self, input: &str, browser: &str) -> Result<Url, LoginError> {
        if !self.stores.room().await? {
            return Err(LoginError::Busy);
        }
        let wanted = self.find(input).await?;
        let name = wanted.handle.clone().unwrap_or_else(|| wanted.did.to_string());
        let app = AppState {
            wanted,
            browser: browser.to_owned(),
        };
        let options = AuthorizeOptions {
            state: Some(serde_json::to_string(&app).map_err(|_| Error::Sealed)?),
            scopes: vec![Scope::Known(KnownScope::Atproto)],
            ..Default::default()
        };
        let url = contained(self.registered.client()?.authorize(&name, options)).await?;
        let url = Url::parse(&url).map_err(|_| LoginError::Server("its login page has no address".into()))?;
        // the metadata was checked on its way in; this is the last door before the browser
        self.http
            .guard()
            .check(&url)
            .map_err(|e| LoginError::Server(e.to_string()))?;
        Ok(url)
    }

    /// Completes a login: takes the state, exchanges the code, checks what came back, keeps the tokens.
    pub async fn complete(&self, callback: Callback, browser: &str) -> Result<Proven, LoginError> {
        let state = callback.state.ok_or(LoginError::StateExpired)?;
        if state.len() > 256 {
            return Err(LoginError::StateExpired);
        }
        let taken = self.stores.take(&state).await?.ok_or(LoginError::StateExpired)?;
        let app: AppState = taken
            .app_state
            .as_deref()
            .and_then(|s| serde_json::from_str(s).ok())
            .ok_or(LoginError::StateExpired)?;
        if !bool::from(app.browser.as_bytes().ct_eq(browser.as_bytes())) || browser.is_empty() {
            return Err(LoginError::OtherBrowser);
        }
        match callback.error.as_deref() {
            None => {}
            Some("access_denied") => return Err(LoginError::Denied),
            Some(e) => return Err(LoginError::Server(public_text(e))),
        }
        let (Some(code), Some(iss)) = (callback.code, callback.iss) else {
            return Err(LoginError::Server("the answer has no code or no issuer".into()));
        };
        if iss != taken.iss {
            return Err(LoginError::Server("the answer is of another issuer".into()));
        }
        let flow = Flow::default();
        *flow.state.lock() = Some(taken);
        let params = CallbackParams {
            code,
            state: Some(state),
            iss: Some(iss),
        };
        FLOW.scope(flow, async {
            let client = self.registered.client()?;
            let exchanged = contained(client.callback(params)).await;
            let session = FLOW.with(|f| f.session.lock().clone());
            let verdict = match (exchanged, &session) {
                (Err(e), _) => Err(e),
                (Ok(_), None) => Err(LoginError::Server("no tokens came".into())),
                (Ok(_), Some(s)) => check_grant(s, &app.wanted.did),
            };
            if let (Err(_), Some(s)) = (&verdict, &session) {
                // given back, not kept; atrium calls the server's 200 an error
                let _ = contained(client.revoke(&s.token_set.sub)).await;
            }
            verdict?;
            if let Some(s) = session {
                self.stores.keep(app.wanted.did.as_str(), &s).await?;
            }
            Ok(app.wanted)
        })
        .await
    }

    /// Ends what the account's server granted: revokes there as far as it can be reached, forgets here in any case.
    pub async fn forget(&self, did: &Did) -> Result<(), Error> {
        if let Ok(at) = did.as_str().parse::<AtDid>() {
            // atrium expects a 204 and reports the 200 of real servers as an error
            if let Err(e) = contained(self.registered.client()?.revoke(&at)).await {
                tracing::debug!(error = %e, "revoking at the account's server");
            }
        }
        self.stores.forget(did.as_str()).await
    }

    /// Whether the account's server still honours what it granted: asks it with the kept tokens, which are refreshed if
    /// it rejects them. A grant that is void is forgotten.
    pub async fn still_granted(&self, did: &Did) -> Result<bool, LoginError> {
        let (true, Ok(at)) = (self.holds_tokens(did).await?, did.as_str().parse::<AtDid>()) else {
            return Ok(false);
        };
        let work = async {
            let session = contained(self.registered.client()?.restore(&at)).await?;
            let agent = Agent::new(session);
            let asked = AssertUnwindSafe(agent.api.com.atproto.server.get_session()).catch_unwind();
            match tokio::time::timeout(STEP, asked).await {
                Ok(Ok(Ok(_))) => Ok(true),
                // a refresh that fails is swallowed by atrium-oauth: the answer to it was noted on its way
                _ if TRIAL.with(|void| void.load(Ordering::Relaxed)) => Ok(false),
                Ok(Ok(Err(e))) => Err(LoginError::Server(public_text(&e.to_string()))),
                _ => Err(LoginError::Server("its answer could not be used".into())),
            }
        };
        let granted = TRIAL.scope(AtomicBool::new(false), work).await?;
        if !granted {
            self.stores.forget(did.as_str()).await?;
        }
        Ok(granted)
    }

    /// Whether tokens of this account are kept.
    pub async fn holds_tokens(&self, did: &Did) -> Result<bool, Error> {
        Ok(self.stores.tokens(did.as_str()).await?.is_some())
    }
}

fn check_grant(s: &Session, wanted: &Did) -> Result<(), LoginError> {
    let tokens = &s.token_set;
    if tokens.sub.as_str() != wanted.as_str() {
        return Err(LoginError::OtherAccount);
    }
    let scope = tokens.scope.as_deref().unwrap_or_default();
    if !scope.split(' ').any(|s| s == "atproto") {
        return Err(LoginError::WrongGrant("the scope lacks atproto"));
    }
    // the type's name is private to atrium-oauth; its JSON form is the protocol's
    if serde_json::to_value(&tokens.token_type)
        .ok()
        .as_ref()
        .and_then(|v| v.as_str())
        != Some("DPoP")
    {
        return Err(LoginError::WrongGrant("the token is not bound by DPoP"));
    }
    Ok(())
}

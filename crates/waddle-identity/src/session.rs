//! Sessions of browsers and of our own clients: a random access token, kept as a digest.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use subtle::ConstantTimeEq as _;
use url::Url;
use waddle_core::{Secret, SessionId, Timestamp, UserId};
use waddle_storage::{
    StorageError,
    repo::login_sessions::{LoginSessions, SessionRow},
};

use crate::{
    Account, Callback, CredentialKind, Error, Identity, IdentityEvent, LoginError,
    keys::{digest, random_text},
};

const PREFIX: &str = "wds_";

/// A live session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Its identifier.
    pub id: SessionId,
    /// Whose it is.
    pub account: Account,
    /// When it began.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// A session just made, with the only copy of its access token.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// The session.
    pub session: Session,
    /// What its holder shows: as a bearer, or as a cookie together with the CSRF token.
    pub access_token: Secret,
}

fn with_account(row: SessionRow, account: Account) -> Session {
    Session {
        id: row.id,
        account,
        created_at: row.created_at,
        expires_at: row.expires_at,
    }
}

impl Identity {
    /// Begins a session for an account that has proved who it is.
    pub(crate) async fn begin_session(&self, account: Account) -> Result<NewSession, Error> {
        let access_token = Secret::new(random_text(PREFIX)?);
        let limits = &self.0.config.limits;
        let lasts = Duration::from_secs(86_400 * limits.identity_session_days);
        let expires_at = self.0.clock.now().plus(lasts);
        let (row, ended) = LoginSessions(&self.0.db)
            .add(
                SessionId::new(),
                account.row,
                digest(access_token.expose()),
                expires_at,
                limits.identity_sessions,
            )
            .await?;
        for session in ended {
            self.announce(IdentityEvent::SessionEnded {
                user: account.user.clone(),
                session,
            });
        }
        Ok(NewSession {
            session: with_account(row, account),
            access_token,
        })
    }

    /// Begins a session with the name and password of a local account. A token does not do: it would outlive itself.
    pub async fn login_local(&self, name: &str, password: &Secret) -> Result<NewSession, LoginError> {
        let who = self.verify_plain(name, password).await?;
        if who.kind != CredentialKind::Password {
            return Err(LoginError::NotAuthorized);
        }
        let account = self.by_user(&who.user).await?.ok_or(LoginError::NotAuthorized)?;
        Ok(self.begin_session(account).await?)
    }

    /// Begins a login with a handle or DID: the browser goes to the URL. `browser` is a random value that the same
    /// browser must bring back, from a cookie.
    pub async fn login_begin(&self, handle_or_did: &str, browser: &str) -> Result<Url, LoginError> {
        self.atproto()?.begin(handle_or_did, browser).await
    }

    /// Completes a login with what the browser brought back; makes the account at the first.
    pub async fn login_complete(&self, callback: Callback, browser: &str) -> Result<NewSession, LoginError> {
        let who = self.atproto()?.complete(callback, browser).await?;
        let account = self.account_of(who).await?;
        if account.disabled {
            return Err(LoginError::Disabled);
        }
        Ok(self.begin_session(account).await?)
    }

    /// Whether the server of a Bluesky account still honours what it granted at login; refreshes the tokens if need be.
    /// Where it took the grant back, every login of the account here ends: its sessions, its tokens, its connections.
    pub async fn still_granted(&self, user: &UserId) -> Result<bool, LoginError> {
        let Some(did) = user.as_did() else {
            return Ok(false);
        };
        let atproto = self.atproto()?;
        // Where nothing is kept the account left by itself: there is nothing to take back.
        if !atproto.holds_tokens(&did).await? {
            return Ok(false);
        }
        let granted = atproto.still_granted(&did).await?;
        if !granted {
            tracing::info!(%user, "the account's server took back its grant: its logins end");
            self.end_logins(user).await?;
        }
        Ok(granted)
    }

    /// The live session of an access token.
    pub async fn session_for(&self, access_token: &Secret) -> Result<Option<Session>, Error> {
        if !access_token.expose().starts_with(PREFIX) || access_token.expose().len() > 64 {
            return Ok(None);
        }
        let (key, announced) = (digest(access_token.expose()), self.0.announced.now());
        if let Some(session) = self.0.recent_sessions.get(&key, announced) {
            return Ok(Some(session).filter(|s| s.expires_at > self.now()));
        }
        let found = LoginSessions(&self.0.db).by_digest(key).await?;
        let session = found
            .filter(|(account, _)| !account.disabled)
            .map(|(account, row)| with_account(row, account.into()));
        if let Some(session) = &session {
            self.0.recent_sessions.put(key, announced, session.clone());
        }
        Ok(session)
    }

    /// The value that requests with the session's cookie must bring in a header.
    pub fn csrf_token(&self, session: &Session) -> String {
        B64.encode(self.0.keys.mac("csrf", session.id.to_string().as_bytes()))
    }

    /// Whether `shown` is the session's CSRF token.
    pub fn csrf_fits(&self, session: &Session, shown: &str) -> bool {
        self.csrf_token(session).as_bytes().ct_eq(shown.as_bytes()).into()
    }

    /// Live sessions of a user, the newest first.
    pub async fn sessions(&self, user: &UserId) -> Result<Vec<Session>, Error> {
        let account = self.by_user(user).await?.ok_or(Error::NotFound)?;
        let rows = LoginSessions(&self.0.db).list(account.row, 100).await?;
        Ok(rows
            .into_iter()
            .map(|r| with_account(r, account.clone()))
            .collect())
    }

    /// Ends a session. With the last one of an account its ATProto tokens are given back and forgotten; XMPP tokens
    /// stay until they are revoked or end.
    pub async fn logout(&self, session: &Session) -> Result<(), Error> {
        let left = match LoginSessions(&self.0.db)
            .end(session.account.row, session.id)
            .await
        {
            Err(StorageError::NotFound) => return Err(Error::NotFound),
            other => other?,
        };
        self.announce(IdentityEvent::SessionEnded {
            user: session.account.user.clone(),
            session: session.id,
        });
        if let (0, Some(did), Ok(atproto)) = (left, &session.account.did, self.atproto()) {
            atproto.forget(did).await?;
        }
        Ok(())
    }
}

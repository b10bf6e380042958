//! Tokens that clients log in with again, quickly: FAST ([XEP-0484](https://xmpp.org/extensions/xep-0484.html),
//! ADR 0010).
//!
//! A client is one credential with two places for tokens, the one in use and the one that follows it. It is made with
//! another credential, whose rights it has and with which it goes.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use waddle_core::{Secret, Timestamp, UserId};
use waddle_stanza::sasl::{HtBinding, HtRequest, ht_answer};
use waddle_storage::{
    StorageError,
    repo::fast::{Fast, FastClient, NewFast},
};

use crate::{
    CredentialId, CredentialKind, Error, Identity, IdentityEvent, LoggedIn, LoginError, keys::random_text,
    names::login_name,
};

const PREFIX: &str = "wdf_";
/// A token that is older than this is followed by a new one when it is used.
const ROTATE: Duration = Duration::from_secs(86_400);
/// Longest identifier of a client in bytes; a UUID has 36.
const CLIENT: usize = 64;

/// One login.
#[derive(Debug)]
pub struct FastAttempt<'a> {
    /// What the client sent.
    pub request: &'a HtRequest,
    /// The identifier of its `<user-agent/>`.
    pub client: &'a str,
    /// The mechanism.
    pub mechanism: HtBinding,
    /// The data of its channel binding.
    pub binding: &'a [u8],
    /// How often the client has used the token, if it says so.
    pub count: Option<u32>,
    /// Whether the client is not to log in with it again.
    pub invalidate: bool,
}

/// A client that logged in.
#[derive(Debug, Clone)]
pub struct FastLogin {
    /// Who.
    pub login: LoggedIn,
    /// The server's proof.
    pub answer: Vec<u8>,
    /// Whether it should get a new token.
    pub rotate: bool,
}

/// A token just made: the only time it is shown.
#[derive(Debug, Clone)]
pub struct NewFastToken {
    /// The text to log in with.
    pub token: Secret,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// Where a token is kept, for its encryption.
fn place(user: &UserId, client: &str) -> String {
    format!("fast:{user}:{client}")
}

impl Identity {
    fn fast_lasts(&self) -> Duration {
        Duration::from_secs(86_400 * self.0.config.limits.identity_fast_days.max(1))
    }

    /// A name for a client's resource that is the same each time and tells nobody the client's identifier
    /// (XEP-0386 §3.2.1).
    pub fn stable_resource(&self, user: &UserId, client: &str, tag: &str) -> String {
        let mac = self
            .0
            .keys
            .mac("resource", format!("{user}\n{client}\n{tag}").as_bytes());
        B64.encode(&mac[..9])
    }

    /// Logs a client in with its token. Anything that is wrong is [`LoginError::NotAuthorized`], but for a token that
    /// has merely expired.
    pub async fn fast_login(&self, attempt: FastAttempt<'_>) -> Result<FastLogin, LoginError> {
        let wrong = || LoginError::NotAuthorized;
        let localpart = login_name(&attempt.request.authcid, &self.0.config.domain).ok_or_else(wrong)?;
        if attempt.client.is_empty() || attempt.client.len() > CLIENT {
            return Err(wrong());
        }
        let db = &self.0.db;
        let found = Fast(db).client(localpart, attempt.client.to_owned()).await?;
        let found = found.ok_or_else(wrong)?;
        let place = place(&found.account.user, attempt.client);
        let mut fitting = None;
        for t in &found.tokens {
            // What another key sealed fits nobody.
            let Ok(token) = self.0.keys.open_sealed(&place, &t.sealed) else {
                continue;
            };
            let token = Secret::new(String::from_utf8_lossy(&token).into_owned());
            let fits = attempt.request.fits(&token, attempt.binding);
            if fits && t.mechanism == attempt.mechanism.mechanism() && fitting.is_none() {
                fitting = Some((t, token));
            }
        }
        let (kept, token) = fitting.ok_or_else(wrong)?;
        if !self.may_chat(&found.account.user).await? {
            return Err(wrong());
        }
        let now = self.0.clock.now();
        if kept.expires_at <= now || found.origin_expires_at.is_some_and(|e| e <= now) {
            return Err(LoginError::Expired);
        }
        let used = if attempt.invalidate {
            Fast(db).forget(found.credential).await
        } else {
            Fast(db)
                .used(found.credential, kept.sealed.clone(), attempt.count)
                .await
                .map(|()| Vec::new())
        };
        let gone = match used {
            Err(StorageError::Conflict(_) | StorageError::NotFound) => return Err(wrong()),
            other => other?,
        };
        self.revoked(&found.account.user, gone);
        let left = kept.expires_at.since(now);
        let rotate = !attempt.invalidate && left + ROTATE < self.fast_lasts();
        if rotate && found.account.did.is_some() {
            self.look_at_grant(found.account.user.clone());
        }
        Ok(FastLogin {
            answer: ht_answer(&token, attempt.binding),
            rotate,
            login: logged_in(&found, attempt.invalidate, kept.expires_at),
        })
    }

    /// Asks the server of a Bluesky account, once a day and client, whether it stands by its grant: tokens that follow
    /// each other would outlive it for ever. Nobody waits for the answer.
    fn look_at_grant(&self, user: UserId) {
        let me = self.clone();
        tokio::spawn(async move {
            if let Err(e) = me.still_granted(&user).await {
                tracing::debug!(%user, error = %e, "the account's server could not be asked");
            }
        });
    }

    /// Makes a token for a client that has logged in. The label is for the list of the account's tokens.
    pub async fn issue_fast(
        &self,
        login: &LoggedIn,
        client: &str,
        label: &str,
        mechanism: HtBinding,
    ) -> Result<NewFastToken, Error> {
        let account = self.by_user(&login.user).await?.ok_or(Error::NotFound)?;
        if client.is_empty() || client.len() > CLIENT {
            return Err(Error::NotFound);
        }
        let lasts = self.0.clock.now().plus(self.fast_lasts());
        // What was made with a token ends with it: no program keeps what it was given for longer.
        let ends = login.expires_at.filter(|_| login.kind == CredentialKind::Token);
        let expires_at = ends.map_or(lasts, |e| e.min(lasts));
        let token = Secret::new(random_text(PREFIX)?);
        let sealed = self
            .0
            .keys
            .seal(&place(&login.user, client), token.expose().as_bytes())?;
        let new = NewFast {
            client: client.to_owned(),
            label: label.chars().filter(|c| !c.is_control()).take(64).collect(),
            mechanism: mechanism.mechanism(),
            sealed,
            expires_at,
            origin: login.credential.0,
        };
        let most = self.0.config.limits.identity_tokens;
        let (_, gone) = Fast(&self.0.db).issue(account.row, new, most).await?;
        self.revoked(&login.user, gone);
        Ok(NewFastToken { token, expires_at })
    }

    fn revoked(&self, user: &UserId, gone: Vec<i64>) {
        for old in gone {
            self.announce(IdentityEvent::CredentialRevoked {
                user: user.clone(),
                credential: CredentialId(old),
            });
        }
    }
}

fn logged_in(found: &FastClient, invalidated: bool, expires_at: Timestamp) -> LoggedIn {
    // Where the client's credential is gone the session hangs on what it was made from.
    let credential = if invalidated {
        found.origin
    } else {
        found.credential
    };
    let (kind, expires_at) = if found.from_token {
        (CredentialKind::Token, found.origin_expires_at)
    } else {
        (CredentialKind::Password, Some(expires_at))
    };
    LoggedIn {
        user: found.account.user.clone(),
        localpart: found.account.localpart.clone(),
        credential: CredentialId(credential),
        kind,
        expires_at,
        admin: found.account.admin,
        disabled: found.account.disabled,
    }
}

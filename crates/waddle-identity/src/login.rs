//! Who a user name and a password, token or SCRAM proof belong to.

use std::fmt;

use subtle::ConstantTimeEq as _;
use waddle_core::{Secret, Timestamp, UserId, jid::precis_password};
use waddle_stanza::sasl::{ScramHash, ScramKeys};
use waddle_storage::repo::{
    accounts::AccountRow,
    credentials::{Candidate, Credentials},
};

use crate::{
    Error, Identity, LoginError,
    keys::digest,
    names::login_name,
    scram::{PLAIN_HASH, number},
    token::is_token,
};

/// Which password or token; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CredentialId(pub i64);

impl CredentialId {
    /// None that there is.
    pub const NONE: Self = Self(0);
}

impl fmt::Display for CredentialId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What somebody logged in with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CredentialKind {
    /// The password of a local account.
    Password,
    /// A token issued after login.
    Token,
}

/// Somebody who proved who they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedIn {
    /// The subject of permissions.
    pub user: UserId,
    /// The part before `@` of the JID.
    pub localpart: String,
    /// What they logged in with: when it is revoked, the connection ends.
    pub credential: CredentialId,
    /// Its kind.
    pub kind: CredentialKind,
    /// When it ends for new logins.
    pub expires_at: Option<Timestamp>,
    /// Whether they may administer the server.
    pub admin: bool,
    /// Whether the account is disabled: who looks for a SCRAM proof must refuse the login then.
    pub disabled: bool,
}

/// What a SCRAM server needs for one login (RFC 5802 §3); made up where there is no such user.
#[derive(Clone)]
pub struct ScramLookup {
    /// The salt of the account for this hash.
    pub salt: Vec<u8>,
    /// The iteration count.
    pub iterations: u32,
    /// Live passwords and tokens; the proof may fit any of them. Never empty: a stranger has one that nothing fits.
    pub candidates: Vec<(CredentialId, ScramKeys)>,
    /// The user; none for a stranger.
    pub user: Option<UserId>,
    account: Option<AccountRow>,
    found: Vec<(bool, Option<Timestamp>)>,
}

impl fmt::Debug for ScramLookup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ScramLookup({} candidates)", self.candidates.len())
    }
}

impl ScramLookup {
    /// Who logged in, after the proof fitted the candidate `which`.
    pub fn logged_in(&self, which: usize) -> Result<LoggedIn, LoginError> {
        let account = self.account.as_ref().ok_or(LoginError::NotAuthorized)?;
        let (id, _) = self.candidates.get(which).ok_or(LoginError::NotAuthorized)?;
        let (token, expires_at) = *self.found.get(which).ok_or(LoginError::NotAuthorized)?;
        Ok(logged_in(account, *id, token, expires_at))
    }
}

fn logged_in(account: &AccountRow, id: CredentialId, token: bool, expires_at: Option<Timestamp>) -> LoggedIn {
    LoggedIn {
        user: account.user.clone(),
        localpart: account.localpart.clone(),
        credential: id,
        kind: if token {
            CredentialKind::Token
        } else {
            CredentialKind::Password
        },
        expires_at,
        admin: account.admin,
        disabled: account.disabled,
    }
}

/// Who is disabled is told so after the right secret only.
fn enabled(who: LoggedIn) -> Result<LoggedIn, LoginError> {
    if who.disabled {
        return Err(LoginError::Disabled);
    }
    Ok(who)
}

fn keys_of(c: &Candidate) -> ScramKeys {
    ScramKeys {
        stored_key: c.stored_key.clone(),
        server_key: c.server_key.clone(),
    }
}

impl Identity {
    /// What a SCRAM login of a localpart or bare JID with `hash` needs.
    pub async fn scram_lookup(&self, name: &str, hash: ScramHash) -> Result<ScramLookup, LoginError> {
        let localpart = login_name(name, &self.0.config.domain);
        let found = match &localpart {
            Some(l) => Credentials(&self.0.db).lookup(l.clone(), number(hash)).await?,
            None => None,
        };
        let found = match found {
            Some(f) if !self.may_chat(&f.account.user).await? => None,
            found => found,
        };
        let stranger = || {
            let mut key = self.0.keys.mac("fake-key 1", name.as_bytes()).to_vec();
            key.extend(self.0.keys.mac("fake-key 2", name.as_bytes()));
            key.truncate(hash.len());
            let keys = ScramKeys {
                stored_key: key.clone(),
                server_key: key,
            };
            vec![(CredentialId(0), keys)]
        };
        let Some(found) = found else {
            let fake = self.fake_salt(localpart.as_deref().unwrap_or(name), hash);
            return Ok(ScramLookup {
                salt: fake.salt,
                iterations: fake.iterations,
                candidates: stranger(),
                user: None,
                account: None,
                found: Vec::new(),
            });
        };
        let candidates: Vec<_> = found
            .candidates
            .iter()
            .map(|c| (CredentialId(c.id), keys_of(c)))
            .collect();
        Ok(ScramLookup {
            salt: found.salt.salt,
            iterations: found.salt.iterations,
            candidates: if candidates.is_empty() {
                stranger()
            } else {
                candidates
            },
            user: Some(found.account.user.clone()),
            account: Some(found.account),
            found: found.candidates.iter().map(|c| (c.token, c.expires_at)).collect(),
        })
    }

    /// Who a localpart or bare JID and a password or token belong to.
    ///
    /// A token is found by its digest, without a derivation; a password costs one, also where there is no such user.
    pub async fn verify_plain(&self, name: &str, secret: &Secret) -> Result<LoggedIn, LoginError> {
        let localpart = login_name(name, &self.0.config.domain);
        if is_token(secret.expose()) {
            let who = self.verify_token(secret).await?;
            return if localpart.as_deref() == Some(who.localpart.as_str()) {
                Ok(who)
            } else {
                Err(LoginError::NotAuthorized)
            };
        }
        let found = match &localpart {
            Some(l) => {
                Credentials(&self.0.db)
                    .lookup(l.clone(), number(PLAIN_HASH))
                    .await?
            }
            None => None,
        };
        let salt = match &found {
            Some(f) => f.salt.clone(),
            None => self.fake_salt(localpart.as_deref().unwrap_or(name), PLAIN_HASH),
        };
        let prepared = precis_password(secret.expose()).map(|p| Secret::new(p.into_owned()));
        let keys = self
            .derive_each(prepared.as_ref().unwrap_or(secret), vec![salt])
            .await?;
        let (Some(found), Some((_, keys)), true) = (found, keys.first(), prepared.is_some()) else {
            return Err(LoginError::NotAuthorized);
        };
        let fits = |c: &&Candidate| bool::from(c.stored_key.as_slice().ct_eq(keys.stored_key.as_ref()));
        let fitting = found.candidates.iter().filter(fits).collect::<Vec<_>>();
        match fitting.first() {
            Some(c) => enabled(logged_in(
                &found.account,
                CredentialId(c.id),
                c.token,
                c.expires_at,
            )),
            None => Err(LoginError::NotAuthorized),
        }
    }

    /// Who a token belongs to (OAUTHBEARER, RFC 7628, needs no user name).
    pub async fn verify_token(&self, token: &Secret) -> Result<LoggedIn, LoginError> {
        if !is_token(token.expose()) {
            return Err(LoginError::NotAuthorized);
        }
        let found = Credentials(&self.0.db).by_digest(digest(token.expose())).await?;
        let (account, c) = found.ok_or(LoginError::NotAuthorized)?;
        if !self.may_chat(&account.user).await? {
            return Err(LoginError::NotAuthorized);
        }
        enabled(logged_in(&account, CredentialId(c.id), true, c.expires_at))
    }

    /// Whether a credential was neither revoked nor its account disabled: for those who could have missed the event. Its
    /// end counts for new logins only.
    pub async fn lives(&self, credential: CredentialId) -> Result<bool, Error> {
        Ok(Credentials(&self.0.db).lives(credential.0).await?)
    }
}

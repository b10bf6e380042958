//! XMPP tokens: random texts that log in where a password would, listed, revocable, with an end.

use std::time::Duration;

use waddle_core::{BareJid, Secret, Timestamp, UserId};
use waddle_storage::{
    StorageError,
    repo::credentials::{CredentialRow, Credentials, NewToken},
};

use crate::{
    Account, CredentialId, Error, Identity, IdentityEvent, Session,
    keys::{digest, random_text},
};

/// What every token starts with.
const PREFIX: &str = "wdt_";
/// 256 bits in base64url.
const BODY: usize = 43;

/// Whether a text has the shape of a token.
pub(crate) fn is_token(text: &str) -> bool {
    text.strip_prefix(PREFIX).is_some_and(|b| {
        b.len() == BODY
            && b.bytes()
                .all(|c| c.is_ascii_alphanumeric() || c == b'-' || c == b'_')
    })
}

/// A new token.
pub(crate) fn new_token() -> Result<Secret, Error> {
    Ok(Secret::new(random_text(PREFIX)?))
}

/// A token just made: the only time it is shown.
#[derive(Debug, Clone)]
pub struct IssuedToken {
    /// Its identifier, for revoking.
    pub id: CredentialId,
    /// The text to log in with.
    pub token: Secret,
    /// When it ends for new logins.
    pub expires_at: Timestamp,
    /// Whose it is.
    pub jid: BareJid,
}

/// A token in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenInfo {
    /// Its identifier, for revoking.
    pub id: CredentialId,
    /// What it is for.
    pub label: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends for new logins.
    pub expires_at: Option<Timestamp>,
    /// When it was last used, give or take some minutes.
    pub last_used_at: Option<Timestamp>,
}

impl From<CredentialRow> for TokenInfo {
    fn from(r: CredentialRow) -> Self {
        Self {
            id: CredentialId(r.id),
            label: r.label,
            created_at: r.created_at,
            expires_at: r.expires_at,
            last_used_at: r.last_used_at,
        }
    }
}

impl Identity {
    /// Makes a token for the account of a session. Of more than `identity_tokens` live ones the oldest is revoked.
    pub async fn issue_xmpp_token(&self, session: &Session, label: &str) -> Result<IssuedToken, Error> {
        self.issue_token(&session.account, label).await
    }

    /// Makes a token for an account.
    pub async fn issue_token(&self, account: &Account, label: &str) -> Result<IssuedToken, Error> {
        let limits = &self.0.config.limits;
        let token = Secret::new(random_text(PREFIX)?);
        let salts = Credentials(&self.0.db)
            .salts(account.row, self.new_salts()?)
            .await?;
        let keys = self.derive(&token, salts).await?;
        let expires_at = self
            .0
            .clock
            .now()
            .plus(Duration::from_secs(86_400 * limits.identity_session_days));
        let new = NewToken {
            label: label.chars().filter(|c| !c.is_control()).take(64).collect(),
            digest: digest(token.expose()),
            keys,
            expires_at,
        };
        let (id, evicted) = Credentials(&self.0.db)
            .add_token(account.row, new, limits.identity_tokens)
            .await?;
        for old in evicted {
            self.announce(IdentityEvent::CredentialRevoked {
                user: account.user.clone(),
                credential: CredentialId(old),
            });
        }
        Ok(IssuedToken {
            id: CredentialId(id),
            token,
            expires_at,
            jid: self.jid(&account.localpart)?,
        })
    }

    /// The key of the tokens that name revisions of permissions (`waddle_permissions::ZookieKey`).
    pub fn zookie_key(&self) -> [u8; 32] {
        self.0.keys.mac("zookie", b"1")
    }

    /// A mark under what a program said of itself, so that nothing of it need be kept (RFC 7591).
    pub fn oauth_mark(&self, said: &[u8]) -> [u8; 32] {
        self.0.keys.mac("oauth client", said)
    }

    /// Whether a mark is [`Identity::oauth_mark`]'s; in constant time.
    pub fn oauth_mark_fits(&self, said: &[u8], mark: &[u8]) -> bool {
        use subtle::ConstantTimeEq as _;
        self.oauth_mark(said).ct_eq(mark).into()
    }

    /// Live tokens of a user, the newest first.
    pub async fn tokens(&self, user: &UserId) -> Result<Vec<TokenInfo>, Error> {
        let account = self.by_user(user).await?.ok_or(Error::NotFound)?;
        let limit = self.0.config.limits.identity_tokens;
        let rows = Credentials(&self.0.db).tokens(account.row, limit).await?;
        Ok(rows.into_iter().map(TokenInfo::from).collect())
    }

    /// Revokes a token of a user and ends the connections that logged in with it.
    pub async fn revoke_token(&self, user: &UserId, id: CredentialId) -> Result<(), Error> {
        let account = self.by_user(user).await?.ok_or(Error::NotFound)?;
        match Credentials(&self.0.db).revoke_token(account.row, id.0).await {
            Ok(gone) => {
                for id in gone {
                    self.announce(IdentityEvent::CredentialRevoked {
                        user: user.clone(),
                        credential: CredentialId(id),
                    });
                }
                Ok(())
            }
            Err(StorageError::NotFound) => Err(Error::NotFound),
            Err(e) => Err(e.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shape() {
        let t = random_text(PREFIX).unwrap();
        assert!(is_token(&t) && t.len() == PREFIX.len() + BODY);
        assert_ne!(t, random_text(PREFIX).unwrap());
        for bad in ["", "wdt_", "password", &t[1..], &format!("{t}x")] {
            assert!(!is_token(bad), "{bad}");
        }
    }
}

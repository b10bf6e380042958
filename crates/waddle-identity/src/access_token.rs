//! Personal access tokens: random texts with which a person's programs ask the HTTP API, each for what its scopes say.
//! They log in nowhere else.

use waddle_core::{AccessTokenId, Secret, Timestamp, UserId};
use waddle_storage::{
    StorageError,
    repo::access_tokens::{AccessTokenRow, AccessTokens},
};

use crate::{
    Account, Error, Identity, IdentityEvent,
    keys::{digest, random_text},
};

/// What every token starts with.
const PREFIX: &str = "wdp_";

/// A token in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessToken {
    /// Its identifier, for revoking.
    pub id: AccessTokenId,
    /// What it is for.
    pub label: String,
    /// Words that say what it may do.
    pub scopes: Vec<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
    /// When it was last used, give or take some minutes.
    pub last_used_at: Option<Timestamp>,
}

impl From<AccessTokenRow> for AccessToken {
    fn from(r: AccessTokenRow) -> Self {
        Self {
            id: r.id,
            label: r.label,
            scopes: r.scopes.split_whitespace().map(str::to_owned).collect(),
            created_at: r.created_at,
            expires_at: r.expires_at,
            last_used_at: r.last_used_at,
        }
    }
}

/// A token to be made.
#[derive(Debug, Clone)]
pub struct NewAccessToken {
    /// What it is for: up to 64 characters are kept.
    pub label: String,
    /// Words that say what it may do; none has a space.
    pub scopes: Vec<&'static str>,
    /// When it ends; never where it is left out.
    pub expires_at: Option<Timestamp>,
}

impl Identity {
    /// Makes a token for an account; the text is told this once. Nothing where it has `identity_tokens` already.
    pub async fn create_access_token(
        &self,
        user: &UserId,
        new: NewAccessToken,
    ) -> Result<Option<(AccessToken, Secret)>, Error> {
        let account = self.by_user(user).await?.ok_or(Error::NotFound)?;
        let text = Secret::new(random_text(PREFIX)?);
        let label = new.label.chars().filter(|c| !c.is_control()).take(64).collect();
        let made = AccessTokens(&self.0.db)
            .add(
                account.row,
                AccessTokenId::new(),
                (label, new.scopes.join(" ")),
                digest(text.expose()),
                new.expires_at,
                self.0.config.limits.identity_tokens,
            )
            .await?;
        Ok(made.map(|row| (row.into(), text)))
    }

    /// The live token of a text, and whose it is.
    pub async fn access_token_for(&self, text: &Secret) -> Result<Option<(Account, AccessToken)>, Error> {
        if !text.expose().starts_with(PREFIX) || text.expose().len() > 64 {
            return Ok(None);
        }
        let (key, announced) = (digest(text.expose()), self.0.announced.now());
        if let Some((account, token)) = self.0.recent_tokens.get(&key, announced) {
            let lives = token.expires_at.is_none_or(|end| end > self.now());
            return Ok(lives.then_some((account, token)));
        }
        let found = AccessTokens(&self.0.db).by_digest(key).await?;
        let Some((account, row)) = found.filter(|(account, _)| !account.disabled) else {
            return Ok(None);
        };
        if self.is_due(&row.id.to_string()) {
            let (db, id) = (self.0.db.clone(), row.id);
            tokio::spawn(async move {
                if let Err(error) = AccessTokens(&db).used(id).await {
                    tracing::debug!(%error, "a token's use was not noted");
                }
            });
        }
        let answer: (Account, AccessToken) = (account.into(), row.into());
        self.0.recent_tokens.put(key, announced, answer.clone());
        Ok(Some(answer))
    }

    /// Live tokens of a user, the newest first.
    pub async fn access_tokens(&self, user: &UserId) -> Result<Vec<AccessToken>, Error> {
        let account = self.by_user(user).await?.ok_or(Error::NotFound)?;
        let limit = self.0.config.limits.identity_tokens;
        let rows = AccessTokens(&self.0.db).list(account.row, limit).await?;
        Ok(rows.into_iter().map(AccessToken::from).collect())
    }

    /// Revokes a token of a user and ends the streams that were opened with it.
    pub async fn revoke_access_token(&self, user: &UserId, id: AccessTokenId) -> Result<(), Error> {
        let account = self.by_user(user).await?.ok_or(Error::NotFound)?;
        match AccessTokens(&self.0.db).revoke(account.row, id).await {
            Ok(()) => {
                self.announce(IdentityEvent::AccessTokenRevoked {
                    user: user.clone(),
                    token: id,
                });
                Ok(())
            }
            Err(StorageError::NotFound) => Err(Error::NotFound),
            Err(e) => Err(e.into()),
        }
    }
}

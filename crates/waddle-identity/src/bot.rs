//! Accounts of bots: a localpart that people cannot take, tokens instead of a password (`specs/integrations.md`); and
//! values that others keep encrypted at rest.

use std::time::Duration;

use waddle_community::{Community, Error as CommunityError};
use waddle_core::{BotId, Secret, Slug, Timestamp, UserId};
use waddle_storage::repo::{
    bots::{self, BotRow},
    credentials::{Credentials, NewToken},
};

use crate::{
    Account, CredentialId, Error, Identity, IdentityEvent, IssuedToken, keys::digest, names::BOT_PREFIX,
    token,
};

/// How long a token lasts that was given no end: longer than a server stands.
const FOR_EVER: Duration = Duration::from_secs(36_500 * 86_400);
/// The scope of a bot that may log in over XMPP and MQTT.
const CHAT: &str = "chat";
/// Localparts that are tried.
const NAMES: usize = 50;

/// Who shows a bot's token.
#[derive(Debug, Clone)]
pub struct BotLogin {
    /// The bot's account.
    pub account: Account,
    /// The token.
    pub credential: CredentialId,
    /// What the bot may do.
    pub scopes: Vec<String>,
    /// When the token ends.
    pub expires_at: Option<Timestamp>,
}

impl Identity {
    /// Encrypts a value for the place where it is kept.
    pub fn seal(&self, place: &str, plain: &[u8]) -> Result<Vec<u8>, Error> {
        self.0.keys.seal(place, plain)
    }

    /// Decrypts a text that [`Identity::seal`] made for the same place.
    pub fn unseal(&self, place: &str, sealed: &[u8]) -> Result<Secret, Error> {
        let plain = self.0.keys.open_sealed(place, sealed)?;
        let text = std::str::from_utf8(&plain).map_err(|_| Error::Sealed)?;
        Ok(Secret::new(text))
    }

    /// Makes a bot's account; its localpart is `bot-` and the name, with a number where that is or was another's.
    /// Its waddle, or its person, has at most `max`.
    pub async fn create_bot(&self, mut bot: BotRow, max: usize) -> Result<BotRow, Error> {
        let slug = Slug::from_name(&bot.name).ok_or(Error::Name("no address can be made of it"))?;
        let first = [BOT_PREFIX, slug.as_str()].concat();
        let mut names = vec![first.clone()];
        names.extend((2..NAMES).map(|n| format!("{first}-{n}")));
        let row = bot.clone();
        let made = self.0.db.transact(move |tx| {
            let have = match (&row.waddle, &row.owner) {
                (Some(waddle), _) => bots::of_waddle(tx, *waddle)?.len(),
                (None, Some(owner)) => bots::of_owner(tx, owner)?.len(),
                (None, None) => 0,
            };
            if have >= max {
                return Err(Error::Community(CommunityError::Limit { what: "bots", max }));
            }
            Ok::<_, Error>(bots::insert(tx, &row, &names)?)
        });
        let made = made.await?;
        bot.localpart = made.ok_or(Error::NameTaken)?;
        Ok(bot)
    }

    /// Makes a token of a bot: for HTTP, XMPP and MQTT. Of more than `identity_tokens` live ones the oldest is revoked.
    pub async fn issue_bot_token(
        &self,
        bot: BotId,
        label: &str,
        expires_at: Option<Timestamp>,
    ) -> Result<IssuedToken, Error> {
        let user = UserId::bot(bot);
        let account = self.by_user(&user).await?.ok_or(Error::NotFound)?;
        let secret = token::new_token()?;
        let salts = Credentials(&self.0.db)
            .salts(account.row, self.new_salts()?)
            .await?;
        let keys = self.derive(&secret, salts).await?;
        let never = self.0.clock.now().plus(FOR_EVER);
        let expires_at = expires_at.map_or(never, |at| at.min(never));
        let new = NewToken {
            label: label.chars().filter(|c| !c.is_control()).take(64).collect(),
            digest: digest(secret.expose()),
            keys,
            expires_at,
        };
        let (id, evicted) = Credentials(&self.0.db)
            .add_token(account.row, new, self.0.config.limits.identity_tokens)
            .await?;
        for old in evicted {
            self.announce(IdentityEvent::CredentialRevoked {
                user: user.clone(),
                credential: CredentialId(old),
            });
        }
        Ok(IssuedToken {
            id: CredentialId(id),
            token: secret,
            expires_at,
            jid: self.jid(&account.localpart)?,
        })
    }

    /// The bot whose token this is, and what its scopes let it do over HTTP.
    pub async fn bot_token_for(&self, shown: &Secret) -> Result<Option<BotLogin>, Error> {
        if !token::is_token(shown.expose()) {
            return Ok(None);
        }
        let found = Credentials(&self.0.db).by_digest(digest(shown.expose())).await?;
        let Some((account, credential)) = found.filter(|(a, _)| !a.disabled) else {
            return Ok(None);
        };
        let Some(bot) = account.user.as_bot() else {
            return Ok(None);
        };
        let Some(scopes) = self.bot_scopes(bot).await? else {
            return Ok(None);
        };
        Ok(Some(BotLogin {
            account: account.into(),
            credential: CredentialId(credential.id),
            scopes,
            expires_at: credential.expires_at,
        }))
    }

    /// What a bot may do; nothing where it is at rest, because its owner's account is disabled.
    pub async fn bot_scopes(&self, bot: BotId) -> Result<Option<Vec<String>>, Error> {
        let found = self.0.db.read(move |conn| bots::scopes(conn, bot)).await?;
        Ok(found.map(|scopes| serde_json::from_str(&scopes).unwrap_or_default()))
    }

    /// Whether an account may log in over XMPP and MQTT: a person may, a bot with the scope `chat`.
    pub(crate) async fn may_chat(&self, user: &UserId) -> Result<bool, Error> {
        match user.as_bot() {
            Some(bot) => Ok(self.bot_scopes(bot).await?.iter().flatten().any(|s| s == CHAT)),
            None => Ok(true),
        }
    }

    /// Deletes a bot: out of every waddle, its account gone, every token void and every connection ended.
    pub async fn delete_bot(&self, community: &Community, bot: BotId) -> Result<(), Error> {
        self.delete_account(community, &UserId::bot(bot)).await.map(drop)
    }

    /// Ends every connection of an account, which may log in again where it may.
    pub fn end_connections(&self, user: &UserId) {
        self.announce(IdentityEvent::AccountDisabled { user: user.clone() });
    }
}

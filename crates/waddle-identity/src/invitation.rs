//! Invitations to make an account here, or to become somebody's contact: XEP-0401, XEP-0445, XEP-0379.

use std::time::Duration;

use url::Url;
use waddle_core::{Secret, Timestamp, UserId};
use waddle_storage::{
    StorageError,
    repo::account_invites::{AccountInvites, InviteRow, NewInvite},
};

use crate::{
    Account, Error, Identity,
    keys::{digest, random},
    names::local_name,
};

/// Characters of a token.
const TOKEN: usize = 32;

/// A live invitation, or one that was just used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitation {
    /// Localpart of who invites; none for the server's operator.
    pub inviter: Option<String>,
    /// The name that is kept for the invited.
    pub localpart: Option<String>,
    /// Whether the two become contacts.
    pub contact: bool,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// An invitation just made: the only time its token is shown.
#[derive(Debug, Clone)]
pub struct NewInvitation {
    /// What the invited show.
    pub token: Secret,
    /// The page that says what to do.
    pub url: Url,
    /// When it ends.
    pub expires_at: Timestamp,
}

impl From<InviteRow> for Invitation {
    fn from(r: InviteRow) -> Self {
        Self {
            inviter: r.inviter,
            localpart: r.localpart,
            contact: r.contact,
            expires_at: r.expires_at,
        }
    }
}

impl Invitation {
    /// The address that a client opens (XEP-0379 §3.2, XEP-0445 §3).
    pub fn uri(&self, domain: &str, token: &str) -> String {
        let address = |local: &str| [&escaped(local), "@", domain].concat();
        match (&self.inviter, &self.localpart) {
            (Some(inviter), None) if self.contact => {
                ["xmpp:", &address(inviter), "?roster;preauth=", token, ";ibr=y"].concat()
            }
            (_, Some(name)) => ["xmpp:", &address(name), "?register;preauth=", token].concat(),
            _ => ["xmpp:", domain, "?register;preauth=", token].concat(),
        }
    }
}

/// A localpart as RFC 5122 §2.2 has it.
fn escaped(local: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(local.len());
    for b in local.bytes() {
        if b.is_ascii_alphanumeric() || b"-._~".contains(&b) {
            out.push(char::from(b));
        } else {
            let _ = write!(out, "%{b:02X}");
        }
    }
    out
}

fn is_shaped(token: &str) -> bool {
    token.len() == TOKEN && token.bytes().all(|b| b.is_ascii_hexdigit())
}

impl Identity {
    /// Makes an invitation. `inviter` is a localpart, none for the server's operator; a name is kept for the invited;
    /// `contact` makes the two contacts.
    pub async fn invite(
        &self,
        inviter: Option<&str>,
        name: Option<&str>,
        contact: bool,
    ) -> Result<(Invitation, NewInvitation), Error> {
        let localpart = name.map(local_name).transpose()?;
        let by = match inviter {
            Some(l) => Some(self.by_localpart(l).await?.ok_or(Error::NotFound)?.row),
            None => None,
        };
        let token: String = random::<16>()?
            .iter()
            .flat_map(|b| [b >> 4, b & 15])
            .filter_map(|n| char::from_digit(u32::from(n), 16))
            .collect();
        let limits = &self.0.config.limits;
        let lasts = Duration::from_secs(86_400 * limits.identity_invitation_days.max(1));
        let expires_at = self.0.clock.now().plus(lasts);
        let new = NewInvite {
            digest: digest(&token),
            inviter: by,
            localpart: localpart.clone(),
            contact,
            expires_at,
        };
        // An operator's command line is no account: what is typed there is not limited so closely.
        let most = limits.identity_invitations * if by.is_some() { 1 } else { 100 };
        match AccountInvites(&self.0.db).add(new, most).await {
            Err(StorageError::Constraint(_)) => return Err(Error::Invitations),
            Err(StorageError::Conflict(_)) => return Err(Error::NameTaken),
            other => other?,
        }
        let invitation = Invitation {
            inviter: inviter.map(str::to_owned),
            localpart,
            contact,
            expires_at,
        };
        let mut url = self.0.config.public_url.clone();
        url.set_path(&["/invite/", &token].concat());
        Ok((
            invitation,
            NewInvitation {
                token: Secret::new(token),
                url,
                expires_at,
            },
        ))
    }

    /// The live invitation of a token.
    pub async fn invitation(&self, token: &str) -> Result<Option<Invitation>, Error> {
        if !is_shaped(token) {
            return Ok(None);
        }
        let found = AccountInvites(&self.0.db).get(digest(token)).await?;
        Ok(found.map(Invitation::from))
    }

    /// Uses up an invitation of `inviter` to become a contact of theirs; whether it was one.
    pub async fn accept_contact(&self, token: &str, inviter: &str) -> Result<bool, Error> {
        if !is_shaped(token) {
            return Ok(false);
        }
        let db = AccountInvites(&self.0.db);
        Ok(db.take_contact(digest(token), inviter.to_owned()).await?)
    }

    /// Makes a local account for somebody who asks for one, by an invitation where a token was shown, which is used up.
    pub async fn register(
        &self,
        name: &str,
        password: &Secret,
        token: Option<&str>,
    ) -> Result<(Account, Option<Invitation>), Error> {
        let (localpart, password) = self.new_local(name, password).await?;
        let made = AccountInvites(&self.0.db)
            .register(UserId::local(&localpart), localpart, password, token.map(digest))
            .await;
        match made {
            Ok((row, invite)) => Ok((row.into(), invite.map(Invitation::from))),
            Err(StorageError::Conflict(_)) => Err(Error::NameTaken),
            Err(StorageError::NotFound | StorageError::Constraint(_)) => Err(Error::Invitation),
            Err(e) => Err(e.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let mut i = Invitation {
            inviter: Some("romeo+1".into()),
            localpart: None,
            contact: true,
            expires_at: Timestamp(0),
        };
        assert_eq!(
            i.uri("example.com", "T"),
            "xmpp:romeo%2B1@example.com?roster;preauth=T;ibr=y"
        );
        i.localpart = Some("juliet".into());
        assert_eq!(
            i.uri("example.com", "T"),
            "xmpp:juliet@example.com?register;preauth=T"
        );
        i.localpart = None;
        i.contact = false;
        assert_eq!(i.uri("example.com", "T"), "xmpp:example.com?register;preauth=T");
        assert!(is_shaped(&"a".repeat(32)) && !is_shaped("x") && !is_shaped(&"g".repeat(32)));
    }
}

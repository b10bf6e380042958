//! Accounts: local ones made here, Bluesky ones made at their first login.

use waddle_core::{BareJid, Did, Secret, SessionId, Timestamp, UserId};
use waddle_storage::{
    StorageError,
    repo::{
        accounts::{AccountRow, Accounts, FirstPassword},
        credentials::{Credentials, Ended},
    },
};

use crate::{
    CredentialId, Error, Identity, IdentityEvent, LoginError,
    atproto::{Proven, resolve::normalize_handle},
    names::{display_name, local_name, login_name},
    scram::new_password,
};

/// A person on this server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The subject of permissions.
    pub user: UserId,
    /// The part before `@` of the JID.
    pub localpart: String,
    /// The DID of a Bluesky account.
    pub did: Option<Did>,
    /// Its handle, as last confirmed in both directions.
    pub handle: Option<String>,
    /// The name to show.
    pub display_name: Option<String>,
    /// Whether it may administer the server.
    pub admin: bool,
    /// Whether an administrator disabled it: it cannot log in.
    pub disabled: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// When somebody last logged in with it.
    pub last_login_at: Option<Timestamp>,
    pub(crate) row: i64,
}

impl From<AccountRow> for Account {
    fn from(r: AccountRow) -> Self {
        Self {
            user: r.user,
            localpart: r.localpart,
            did: r.did,
            handle: r.handle,
            display_name: r.display_name,
            admin: r.admin,
            disabled: r.disabled,
            created_at: r.created_at,
            last_login_at: r.last_login_at,
            row: r.id,
        }
    }
}

fn not_found(e: StorageError) -> Error {
    match e {
        StorageError::NotFound => Error::NotFound,
        e => Error::Storage(e),
    }
}

impl Identity {
    /// What a new local account is made of: its name, prepared and free, and the keys of its password.
    pub(crate) async fn new_local(
        &self,
        name: &str,
        password: &Secret,
    ) -> Result<(String, FirstPassword), Error> {
        let localpart = local_name(name)?;
        let password = new_password(password)?;
        if self.by_localpart(&localpart).await?.is_some() {
            return Err(Error::NameTaken);
        }
        let salts = self.new_salts()?;
        let keys = self.derive(&password, salts.clone()).await?;
        Ok((localpart, FirstPassword { salts, keys }))
    }

    /// Makes a local account; the name is prepared, and refused where a DID or a device could get it.
    pub async fn create_local(&self, name: &str, password: &Secret, admin: bool) -> Result<Account, Error> {
        let (localpart, password) = self.new_local(name, password).await?;
        let made = Accounts(&self.0.db)
            .create_local(UserId::local(&localpart), localpart, admin, Some(password))
            .await;
        match made {
            Ok(row) => Ok(row.into()),
            Err(StorageError::Conflict(_)) => Err(Error::NameTaken),
            Err(e) => Err(e.into()),
        }
    }

    /// Sets the password of a local account and ends whatever knew the old one or came from it: its tokens, its
    /// sessions, the connections that logged in with any of them. Answers the new one's identifier.
    pub async fn set_password(&self, user: &UserId, password: &Secret) -> Result<CredentialId, Error> {
        self.set_password_in(user, password, None).await
    }

    /// Like [`Identity::set_password`], from a session, which stays.
    pub async fn set_password_in(
        &self,
        user: &UserId,
        password: &Secret,
        keep: Option<SessionId>,
    ) -> Result<CredentialId, Error> {
        let account = self.by_user(user).await?.ok_or(Error::NotFound)?;
        if account.did.is_some() {
            return Err(Error::NotLocal);
        }
        let password = new_password(password)?;
        let salts = Credentials(&self.0.db)
            .salts(account.row, self.new_salts()?)
            .await?;
        let keys = self.derive(&password, salts).await?;
        let credentials = Credentials(&self.0.db);
        let (new, ended) = credentials.set_password(account.row, keys, keep).await?;
        self.ended(user, ended);
        Ok(CredentialId(new))
    }

    /// Ends every login of an account: whatever it came from is gone.
    pub(crate) async fn end_logins(&self, user: &UserId) -> Result<(), Error> {
        let account = self.by_user(user).await?.ok_or(Error::NotFound)?;
        let ended = Credentials(&self.0.db).end_all(account.row).await?;
        self.ended(user, ended);
        Ok(())
    }

    fn ended(&self, user: &UserId, ended: Ended) {
        for old in ended.credentials {
            self.announce(IdentityEvent::CredentialRevoked {
                user: user.clone(),
                credential: CredentialId(old),
            });
        }
        for session in ended.sessions {
            self.announce(IdentityEvent::SessionEnded {
                user: user.clone(),
                session,
            });
        }
    }

    /// Whether who logged in with `credential` may change the account itself: a password can, a token cannot.
    pub async fn may_change_account(&self, credential: CredentialId) -> Result<bool, Error> {
        Ok(Credentials(&self.0.db).is_token(credential.0).await? == Some(false))
    }

    /// Deletes an account with all of its credentials, sessions and tokens, and ends its connections.
    pub(crate) async fn delete(&self, user: &UserId) -> Result<Account, Error> {
        let account = self.by_user(user).await?.ok_or(Error::NotFound)?;
        if let (Some(did), Ok(atproto)) = (&account.did, self.atproto())
            && atproto.holds_tokens(did).await.unwrap_or(false)
        {
            atproto.forget(did).await?;
        }
        let row = Accounts(&self.0.db)
            .delete(user.clone())
            .await
            .map_err(not_found)?;
        self.announce(IdentityEvent::AccountDeleted { user: user.clone() });
        Ok(row.into())
    }

    /// Gives or takes the right to administer the server.
    pub async fn set_admin(&self, user: &UserId, admin: bool) -> Result<(), Error> {
        Accounts(&self.0.db)
            .set_admin(user.clone(), admin)
            .await
            .map_err(not_found)?;
        self.0.announced.changed();
        Ok(())
    }

    /// Sets the name that an account shows; blank takes it away.
    pub async fn set_display_name(&self, user: &UserId, name: &str) -> Result<(), Error> {
        Accounts(&self.0.db)
            .set_display_name(user.clone(), display_name(name)?)
            .await
            .map_err(not_found)?;
        self.0.announced.changed();
        Ok(())
    }

    /// Disables an account, which ends its connections, or enables it again. It keeps everything that it has.
    pub async fn set_disabled(&self, user: &UserId, disabled: bool) -> Result<(), Error> {
        Accounts(&self.0.db)
            .set_disabled(user.clone(), disabled)
            .await
            .map_err(not_found)?;
        if disabled {
            self.announce(IdentityEvent::AccountDisabled { user: user.clone() });
        }
        Ok(())
    }

    /// The disabled accounts, `limit` of them at the most, and how many there are.
    pub async fn disabled(&self, limit: usize) -> Result<(Vec<Account>, usize), Error> {
        let (rows, count) = Accounts(&self.0.db).disabled(limit).await?;
        Ok((rows.into_iter().map(Account::from).collect(), count))
    }

    /// The accounts that may administer the server, `limit` of them at the most, and how many there are.
    pub async fn admins(&self, limit: usize) -> Result<(Vec<Account>, usize), Error> {
        let (rows, count) = Accounts(&self.0.db).admins(limit).await?;
        Ok((rows.into_iter().map(Account::from).collect(), count))
    }

    /// Makes these users, and nobody else, administrators.
    pub async fn set_admins(&self, users: Vec<UserId>) -> Result<(), Error> {
        Accounts(&self.0.db).set_admins(users).await.map_err(not_found)?;
        self.0.announced.changed();
        Ok(())
    }

    /// Accounts in the order of their localparts, after one.
    pub async fn list(&self, after: Option<&str>, limit: usize) -> Result<Vec<Account>, Error> {
        let rows = Accounts(&self.0.db)
            .list(after.map(str::to_owned), limit.min(1_000))
            .await?;
        Ok(rows.into_iter().map(Account::from).collect())
    }

    /// How many accounts there are.
    pub async fn count(&self) -> Result<usize, Error> {
        Ok(Accounts(&self.0.db).count().await?)
    }

    /// By localpart, prepared.
    pub async fn by_localpart(&self, localpart: &str) -> Result<Option<Account>, Error> {
        Ok(Accounts(&self.0.db)
            .by_localpart(localpart)
            .await?
            .map(Account::from))
    }

    /// By subject.
    pub async fn by_user(&self, user: &UserId) -> Result<Option<Account>, Error> {
        Ok(Accounts(&self.0.db).by_user(user).await?.map(Account::from))
    }

    /// Those of these users who have an account here, in no order.
    pub async fn by_users(&self, users: &[UserId]) -> Result<Vec<Account>, Error> {
        let rows = Accounts(&self.0.db).of_users(users).await?;
        Ok(rows.into_iter().map(Account::from).collect())
    }

    /// By handle of an account that logged in here.
    pub async fn by_handle(&self, handle: &str) -> Result<Option<Account>, Error> {
        Ok(Accounts(&self.0.db)
            .by_handle(&normalize_handle(handle))
            .await?
            .map(Account::from))
    }

    /// The account behind a localpart, bare JID, DID or handle; [`Error::NotFound`] where nobody of that name has an
    /// account here.
    pub async fn resolve_account(&self, name: &str) -> Result<Account, Error> {
        let name = name.trim();
        if let Ok(user) = name.parse::<UserId>() {
            return self.by_user(&user).await?.ok_or(Error::NotFound);
        }
        if let Some(localpart) = login_name(name, &self.0.config.domain)
            && let Some(account) = self.by_localpart(&localpart).await?
        {
            return Ok(account);
        }
        self.by_handle(name).await?.ok_or(Error::NotFound)
    }

    /// The user behind a localpart, bare JID, DID or handle. A DID needs no account here (its owner can be invited before
    /// the first login); another name does.
    pub async fn resolve_name(&self, name: &str) -> Result<UserId, Error> {
        match self.resolve_account(name).await {
            Err(Error::NotFound) => name
                .trim()
                .parse::<Did>()
                .map(|d| UserId::did(&d))
                .map_err(|_| Error::NotFound),
            other => other.map(|a| a.user),
        }
    }

    /// Like [`Identity::resolve_name`], and asks the network about a handle that nobody here has, so that people can be
    /// named before their first login.
    pub async fn resolve_anybody(&self, name: &str) -> Result<UserId, LoginError> {
        match self.resolve_name(name).await {
            Err(Error::NotFound) => {}
            other => return Ok(other?),
        }
        let handle = normalize_handle(name);
        if !handle.contains('.') || handle.contains(['@', '/', ':']) {
            return Err(Error::NotFound.into());
        }
        Ok(UserId::did(&self.atproto()?.find(&handle).await?.did))
    }

    /// The address of a user who has an account here.
    pub async fn jid_of(&self, user: &UserId) -> Result<Option<BareJid>, Error> {
        match self.by_user(user).await? {
            Some(a) => self.jid(&a.localpart).map(Some),
            None => Ok(None),
        }
    }

    /// The account of who signed in with ATProto, made at the first login.
    pub(crate) async fn account_of(&self, who: Proven) -> Result<Account, LoginError> {
        let mut localparts = vec![who.did.localpart(), who.did.localpart_if_taken()];
        // a hash of 32 bits may collide too; the table decides, so any free name will do
        let last = who.did.localpart_if_taken();
        localparts.extend((2..10).map(|n| format!("{last}-{n}")));
        let row = Accounts(&self.0.db)
            .login_did(who.did, who.handle, localparts)
            .await?;
        Ok(row.into())
    }
}

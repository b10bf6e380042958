//! The end of an account: everything of the person goes, in an order that a crash may interrupt anywhere.

use waddle_community::Community;
use waddle_core::UserId;
use waddle_storage::repo::departed;

use crate::{Account, Error, Identity};

impl Identity {
    /// Deletes an account and everything of the person: memberships and roles in waddles, credentials, sessions,
    /// ATProto tokens, roster, message archive, waiting messages, MQTT sessions; live connections end. What they said in
    /// rooms is the rooms'. Their name is given to nobody else, and other people's rosters keep it.
    ///
    /// First the memberships, a waddle at a time: the account still stands, and this can be asked for again. Then the
    /// account with all that is small in one transaction. Then the rest, which the next start takes up after a crash.
    ///
    /// # Errors
    /// [`Error::OnlyOwner`] where waddles would be left without an owner; then nothing has happened.
    pub async fn delete_account(&self, community: &Community, user: &UserId) -> Result<Account, Error> {
        self.by_user(user).await?.ok_or(Error::NotFound)?;
        self.leave_waddles(community, user).await?;
        let gone = self.delete(user).await?;
        // Where somebody added them between the two.
        if let Err(error) = self.leave_waddles(community, user).await {
            tracing::warn!(%user, %error, "a deleted account is still somewhere a member");
        }
        if let Err(error) = departed::clear(&self.0.db).await {
            tracing::warn!(%user, %error, "the rest of a deleted account goes at the next start");
        }
        Ok(gone)
    }

    async fn leave_waddles(&self, community: &Community, user: &UserId) -> Result<(), Error> {
        let stays = community.leave_all(user).await?;
        if stays.is_empty() {
            return Ok(());
        }
        Err(Error::OnlyOwner(
            stays.iter().map(|w| w.slug.to_string()).collect(),
        ))
    }
}

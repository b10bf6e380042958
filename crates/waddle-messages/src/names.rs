//! The names that authors show now, put to what they said: asked of the accounts once for all messages of an answer.

use ahash::{AHashMap, AHashSet};
use waddle_core::UserId;
use waddle_storage::{Db, repo::accounts};

use crate::{MessageView, Result};

/// Names the authors of messages whose user is shown; `server` is the database of the accounts.
pub async fn put<'a>(server: &Db, views: impl IntoIterator<Item = &'a mut MessageView>) -> Result<()> {
    let mut views: Vec<&mut MessageView> = views.into_iter().filter(|v| v.author.user.is_some()).collect();
    let users: AHashSet<UserId> = views.iter().filter_map(|v| v.author.user.clone()).collect();
    if users.is_empty() {
        return Ok(());
    }
    let users: Vec<UserId> = users.into_iter().collect();
    let names = server.read(move |c| accounts::display_names(c, &users)).await?;
    let names: AHashMap<UserId, String> = names.into_iter().collect();
    for view in &mut views {
        let name = view.author.user.as_ref().and_then(|u| names.get(u));
        view.author.display_name = name.cloned();
    }
    Ok(())
}

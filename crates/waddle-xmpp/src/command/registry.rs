//! The commands of this server; what lists or runs them reads [`ALL`].

use super::{
    Access, Asker, Command, Place, admin,
    direct::DirectCommand,
    hats::HatCommand,
    invite::{CreateAccount, Invite},
    moderation::ModCommand,
    slash::Slash,
};

/// All commands, in the order in which menus show them.
pub static ALL: &[&dyn Command] = &[
    &Invite,
    &CreateAccount,
    &admin::ADD_USER,
    &admin::DELETE_USER,
    &admin::DISABLE_USER,
    &admin::REENABLE_USER,
    &admin::END_USER_SESSION,
    &admin::CHANGE_USER_PASSWORD,
    &admin::GET_USER_ROSTER,
    &admin::GET_USER_LASTLOGIN,
    &admin::USER_STATS,
    &admin::EDIT_BLACKLIST,
    &admin::EDIT_WHITELIST,
    &admin::REGISTERED_NUM,
    &admin::DISABLED_NUM,
    &admin::ONLINE_NUM,
    &admin::ACTIVE_NUM,
    &admin::IDLE_NUM,
    &admin::REGISTERED_LIST,
    &admin::DISABLED_LIST,
    &admin::ONLINE_LIST,
    &admin::ACTIVE_LIST,
    &admin::IDLE_LIST,
    &admin::ANNOUNCE,
    &admin::SET_MOTD,
    &admin::EDIT_MOTD,
    &admin::DELETE_MOTD,
    &admin::SET_WELCOME,
    &admin::DELETE_WELCOME,
    &admin::EDIT_ADMIN,
    &admin::RESTART,
    &admin::SHUTDOWN,
    &HatCommand::Create,
    &HatCommand::Destroy,
    &HatCommand::List,
    &HatCommand::Assign,
    &HatCommand::Unassign,
    &HatCommand::ListAssigned,
    &ModCommand::Timeout,
    &ModCommand::EndTimeout,
    &ModCommand::Kick,
    &ModCommand::Ban,
    &ModCommand::Unban,
    &ModCommand::Purge,
    &ModCommand::Reports,
    &ModCommand::Handle,
    &DirectCommand::Policy,
    &DirectCommand::Requests,
    &DirectCommand::MakeGroup,
    &DirectCommand::AddToGroup,
    &DirectCommand::LeaveGroup,
    &Slash,
];

/// Whether somebody may see and run a command here.
pub async fn may(command: &dyn Command, asker: &Asker<'_>) -> bool {
    let access = match command.access() {
        Access::Admins => asker.admin,
        Access::Accounts => {
            matches!(asker.place, Place::Rooms | Place::Spaces) || asker.server.is_local(&asker.session.jid)
        }
    };
    access && command.places().contains(&asker.place) && command.may(asker).await
}

/// The command of that node.
pub fn find(node: &str, place: Place) -> Option<&'static dyn Command> {
    ALL.iter()
        .copied()
        .find(|c| c.node() == node && c.places().contains(&place))
}

/// The commands that somebody may run here.
pub async fn of(asker: &Asker<'_>) -> Vec<&'static dyn Command> {
    let mut out = Vec::new();
    for c in ALL {
        if may(*c, asker).await {
            out.push(*c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn nodes_are_unique_and_named() {
        let nodes: BTreeSet<&str> = ALL.iter().map(|c| c.node()).collect();
        assert_eq!(nodes.len(), ALL.len());
        assert!(ALL.iter().all(|c| !c.name().is_empty() && !c.places().is_empty()));
    }
}

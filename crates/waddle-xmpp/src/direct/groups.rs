//! Small private groups: whom somebody may add to one, and what follows. The rooms are `waddle_muc`'s.

use std::sync::Arc;

use waddle_core::{BareJid, UserId};
use waddle_messages::inbox;
use waddle_muc::{GroupError, NewGroup};
use waddle_stanza::{Class, XmlWriter, ns};
use waddle_storage::repo::{
    accounts,
    archive::ArchiveKey,
    direct::{self, Group, Held, Participant, RequestPolicy},
    messages::{self, Unread},
};

use super::{DirectError, Own, news::What, notice};
use crate::{
    personal::channels,
    rate::Wait,
    router::{Origin, blocks, consent, inbound_now, strangers},
    server::Server,
};

/// A group with everybody in it.
pub type GroupView = (Group, Vec<Participant>);

impl From<GroupError> for DirectError {
    fn from(e: GroupError) -> Self {
        match e {
            GroupError::NotFound => Self::NotFound("group"),
            GroupError::Full { what, max } => Self::Full { what, max },
            GroupError::Name => Self::Invalid("the name has up to 100 characters"),
            _ => Self::Failed,
        }
    }
}

/// What became of somebody who was to be added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Added {
    /// They are in the group.
    In,
    /// They are asked.
    Asked,
}

/// Makes a group. Who takes requests from the maker is in it at once, others are asked.
pub async fn make(
    server: &Arc<Server>,
    own: &Own,
    name: &str,
    people: Vec<BareJid>,
) -> Result<(Group, Vec<(BareJid, Added)>), DirectError> {
    let limits = &server.limits;
    if people.iter().any(|p| p.local().is_none()) {
        return Err(DirectError::Invalid("a group is of people"));
    }
    let others: Vec<BareJid> = people.into_iter().filter(|p| *p != own.bare).collect();
    if others.is_empty() {
        return Err(DirectError::Invalid("a group is of two people at least"));
    }
    let full = |what, max| Err(DirectError::Full { what, max });
    if others.len() >= limits.direct_group_people {
        return full("people in a group", limits.direct_group_people);
    }
    if server.rooms.groups_of(&own.bare).await?.len() >= limits.direct_groups {
        return full("groups of one person", limits.direct_groups);
    }
    let mut welcome: Vec<(Added, BareJid)> = Vec::new();
    for jid in others {
        if welcome.iter().any(|(_, known)| *known == jid) {
            continue;
        }
        welcome.push((ask(server, own, &jid).await?, jid));
    }
    let mut now = vec![own.bare.clone()];
    now.extend(
        welcome
            .iter()
            .filter(|(a, _)| *a == Added::In)
            .map(|(_, j)| j.clone()),
    );
    let new = NewGroup {
        name: name.trim().to_owned(),
        by: own.user.clone(),
        people: now.clone(),
    };
    let group = server.rooms.make_group(new).await?;
    for (added, jid) in &welcome {
        match added {
            Added::In => invite(server, own, &group, jid),
            Added::Asked => put_request(server, own, &group, jid).await?,
        }
    }
    for jid in &now {
        refresh(server, jid).await;
    }
    changed(server, &group.room).await;
    Ok((group, welcome.into_iter().map(|(a, j)| (j, a)).collect()))
}

/// Adds somebody to a group that the asker is in.
pub async fn add(server: &Arc<Server>, own: &Own, room: &str, jid: &BareJid) -> Result<Added, DirectError> {
    let (group, people) = server.rooms.group(room, &own.bare).await?;
    if jid.local().is_none() {
        return Err(DirectError::Invalid("a group is of people"));
    }
    if people.iter().any(|p| p.jid == *jid) {
        return Ok(Added::In);
    }
    if people.len() >= server.limits.direct_group_people {
        return Err(DirectError::Full {
            what: "people in a group",
            max: server.limits.direct_group_people,
        });
    }
    let added = ask(server, own, jid).await?;
    match added {
        Added::In => {
            server.rooms.add_to_group(room, vec![jid.clone()]).await?;
            refresh(server, jid).await;
            changed(server, room).await;
        }
        Added::Asked => put_request(server, own, &group, jid).await?,
    }
    Ok(added)
}

/// Takes somebody out of a group: oneself, or whom one will where one made it.
pub async fn remove(server: &Arc<Server>, own: &Own, room: &str, jid: &BareJid) -> Result<(), DirectError> {
    let (group, people) = server.rooms.group(room, &own.bare).await?;
    if *jid != own.bare && group.made_by != own.user {
        return Err(DirectError::Invalid(
            "only who made the group may take others out",
        ));
    }
    if !people.iter().any(|p| p.jid == *jid) {
        return Err(DirectError::NotFound("person in this group"));
    }
    server.rooms.leave_group(room, jid).await?;
    refresh(server, jid).await;
    if let Some(user) = user_of(server, jid).await {
        server.news.tell(&user, What::LeftGroup(room.to_owned()));
    }
    changed(server, room).await;
    Ok(())
}

/// Gives a group another name. Bookmarks keep the one that they were made with: they are the people's own.
pub async fn rename(server: &Arc<Server>, own: &Own, room: &str, name: &str) -> Result<Group, DirectError> {
    let (group, _) = server.rooms.group(room, &own.bare).await?;
    server.rooms.rename_group(room, name.trim()).await?;
    changed(server, room).await;
    Ok(Group {
        name: name.trim().to_owned(),
        ..group
    })
}

/// How much somebody has not read of each of their groups: what displayed markers (XEP-0333) in the room say, else
/// what was said since they came in.
pub async fn unread(server: &Server, own: &Own, groups: &[GroupView]) -> Result<Vec<Unread>, DirectError> {
    let rooms: Vec<String> = groups.iter().map(|(g, _)| g.room.clone()).collect();
    let (user, me, most) = (own.user.clone(), own.bare.clone(), server.limits.message_unread);
    let counted = server.db.read(move |c| {
        let mut all = Vec::with_capacity(rooms.len());
        for room in rooms {
            let key = ArchiveKey::room(&room);
            let (_, after) = inbox::place_in_group(c, &user, &me, &room)?;
            all.push(messages::unread(c, &key, user.as_str(), after, most)?);
        }
        Ok(all)
    });
    Ok(counted.await?)
}

/// An account that was asked enters a group.
pub(super) async fn enter(server: &Arc<Server>, room: &str, own: &Own) -> Result<(), DirectError> {
    let (name, max) = (room.to_owned(), server.limits.direct_group_people);
    let (me, most) = (own.bare.clone(), server.limits.direct_groups);
    let looked = server
        .db
        .read(move |c| Ok((direct::people(c, &name)?, direct::groups_of(c, &me, most)?.len())));
    let (people, groups) = looked.await?;
    if people.iter().all(|p| p.jid != own.bare) {
        let full = |what, max| Err(DirectError::Full { what, max });
        if people.len() >= max {
            return full("people in a group", max);
        }
        if groups >= most {
            return full("groups of one person", most);
        }
    }
    server.rooms.add_to_group(room, vec![own.bare.clone()]).await?;
    refresh(server, &own.bare).await;
    changed(server, room).await;
    Ok(())
}

/// Whether somebody is in at once or must be asked; an error where they do not want to be.
async fn ask(server: &Arc<Server>, own: &Own, jid: &BareJid) -> Result<Added, DirectError> {
    if !server.is_local(jid.as_jid()) {
        // Their own server decides about the invitation.
        return Ok(Added::In);
    }
    let (server_, from, to) = (server.clone(), own.clone(), jid.clone());
    let owner = jid.local().unwrap_or_default().to_owned();
    blocks::load(server, &owner).await;
    let blocked = server.blocks.between(server, jid.as_jid(), own.bare.as_jid());
    let max = server.limits.direct_groups;
    let welcome = server.db.write(move |tx| {
        let Some(user) = accounts::user_of(tx, &owner)? else {
            return Ok(Welcome::Nobody);
        };
        if blocked {
            return Ok(Welcome::No);
        }
        if let Err(wait) = strangers::meeting(tx, &server_, &from.bare, &to)? {
            return Ok(Welcome::Later(wait));
        }
        if !consent::may_approach(tx, &server_, (&owner, &user), (&from.bare, &from.user))? {
            return Ok(if server_.policies.of(&owner) == RequestPolicy::Nobody {
                Welcome::No
            } else {
                Welcome::Asks
            });
        }
        // Half of the groups that somebody can be in are for those whom they know.
        let groups = direct::groups_of(tx, &to, max)?.len();
        let known = strangers::knows(tx, &owner, &from.bare)? || direct::share_waddle(tx, &user, &from.user)?;
        Ok(match groups {
            n if n >= max => Welcome::Full,
            n if n >= max / 2 && !known => Welcome::Asks,
            _ => Welcome::Yes,
        })
    });
    match welcome.await? {
        Welcome::Yes => Ok(Added::In),
        Welcome::Asks => Ok(Added::Asked),
        Welcome::No => Err(DirectError::Refused(jid.clone())),
        Welcome::Nobody => Err(DirectError::NotFound("person")),
        Welcome::Full => Err(DirectError::Full {
            what: "groups of one person",
            max,
        }),
        Welcome::Later(Wait(seconds)) => Err(DirectError::TooFast(seconds)),
    }
}

/// Whether somebody may be put into a group.
enum Welcome {
    /// At once.
    Yes,
    /// If they agree.
    Asks,
    /// They do not want to be asked.
    No,
    /// There is no such account.
    Nobody,
    /// They are in as many as they can be in.
    Full,
    /// The asker wants too much of people who do not know them.
    Later(Wait),
}

async fn put_request(
    server: &Arc<Server>,
    own: &Own,
    group: &Group,
    jid: &BareJid,
) -> Result<(), DirectError> {
    let (owner, from, room) = (
        jid.local().unwrap_or_default().to_owned(),
        own.bare.clone(),
        group.room.clone(),
    );
    let max = server.limits.direct_requests;
    let asked = server.db.write(move |tx| {
        let at = tx.now();
        direct::ask_into(tx, &owner, &from, &room, at, max)
    });
    match asked.await? {
        Held::First => {
            if let Some(user) = user_of(server, jid).await {
                let asked = What::Asked {
                    owner: jid.local().unwrap_or_default().to_owned(),
                    jid: own.bare.clone(),
                    room: Some(group.room.clone()),
                };
                server.news.tell(&user, asked);
            }
            let text = [
                own.bare.as_str(),
                " would like to add you to the group \u{201c}",
                &group.name,
                "\u{201d}. Run the command \u{201c}Requests to write to me\u{201d} of your account to accept or refuse it.",
            ];
            notice(server, jid, &text.concat());
            Ok(())
        }
        Held::More | Held::Refused => Ok(()),
        Held::Full => Err(DirectError::Full {
            what: "requests that wait for one person",
            max,
        }),
    }
}

/// An invitation from the room, for clients that do not read bookmarks; also how people elsewhere hear of it.
fn invite(server: &Arc<Server>, own: &Own, group: &Group, jid: &BareJid) {
    let Ok(room) = BareJid::new(Some(&group.room), &server.config.muc_domain) else {
        return;
    };
    let mut w = XmlWriter::message();
    w.attr("from", room.as_str()).attr("to", jid.as_str());
    w.open_ns("x", ns::MUC_USER)
        .open("invite")
        .attr("from", own.bare.as_str())
        .close()
        .close();
    if let Ok(stanza) = w.outgoing(Class::Message).to_stanza() {
        inbound_now(server, Origin::elsewhere(room.into()), stanza);
    }
}

/// Brings the bookmarks of an account of this server up to date.
async fn refresh(server: &Arc<Server>, jid: &BareJid) {
    if let Some(user) = user_of(server, jid).await {
        channels::refresh(server, jid, &user).await;
    }
}

/// The account of this server that an address is of.
async fn user_of(server: &Server, jid: &BareJid) -> Option<UserId> {
    if !server.is_local(jid.as_jid()) {
        return None;
    }
    let owner = jid.local().unwrap_or_default().to_owned();
    let found = server.db.read(move |c| accounts::user_of(c, &owner)).await;
    found.ok().flatten()
}

/// Tells those who follow it that a group has other people or another name.
pub(super) async fn changed(server: &Server, room: &str) {
    if !server.news.is_followed() {
        return;
    }
    let (name, domain) = (room.to_owned(), server.config.domain.clone());
    let found = server.db.read(move |c| direct::accounts_in(c, &name, &domain));
    match found.await {
        Ok(users) => users
            .iter()
            .for_each(|user| server.news.tell(user, What::Group(room.to_owned()))),
        Err(error) => tracing::warn!(%error, "a change of a group is not told"),
    }
}

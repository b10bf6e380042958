//! The channels of one's waddles as bookmarks ([XEP-0402](https://xmpp.org/extensions/xep-0402.html)), so that any
//! client finds and joins them: put there once when they become open to somebody, taken away when they no longer are.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use waddle_community::{Channels, Event, Role, Users, Waddle, WaddleAccess};
use waddle_core::{BareJid, RoomName, UserId};
use waddle_pubsub::{Request, Service};
use waddle_stanza::StanzaError;
use waddle_storage::{
    StorageError,
    repo::{direct, offered_bookmarks},
};

use super::bookmarks::{self, Bookmark};
use crate::{server::Server, xep::xep0503};

/// Why the bookmarks of somebody could not be brought up to date.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error(transparent)]
    Community(#[from] waddle_community::Error),
    #[error("{0:?}")]
    PubSub(StanzaError),
}

/// Brings the bookmarks of an account up to date.
pub(crate) async fn refresh(server: &Arc<Server>, bare: &BareJid, user: &UserId) {
    if let Err(e) = try_refresh(server, bare, user).await {
        tracing::error!(error = %e, "bookmarks could not be brought up to date");
    }
}

async fn try_refresh(server: &Arc<Server>, bare: &BareJid, user: &UserId) -> Result<(), Failed> {
    let owner = bare.local().unwrap_or_default().to_owned();
    let (jid, who, community) = (bare.clone(), user.clone(), server.community.clone());
    let most = server.limits.direct_groups;
    // One trip to the database: everybody makes it who logs in.
    let (waddles, groups, offered) = server
        .db
        .read(move |c| {
            Ok((
                community.waddles_within(c, &who)?,
                direct::groups_of(c, &jid, most)?,
                offered_bookmarks::of(c, jid.local().unwrap_or_default())?,
            ))
        })
        .await?;
    let open = open_rooms(server, user, waddles, groups).await?;
    let offered: BTreeSet<String> = offered.into_iter().collect();
    let new: Vec<String> = open.keys().filter(|r| !offered.contains(*r)).cloned().collect();
    let gone: Vec<String> = offered.into_iter().filter(|r| !open.contains_key(r)).collect();
    if new.is_empty() && gone.is_empty() {
        return Ok(());
    }
    let service = Service::Account(bare.clone());
    let here: BTreeSet<String> = bookmarks::ids(server, bare).await.map_err(Failed::PubSub)?;
    let mut requests: Vec<Request> = new
        .iter()
        .filter(|room| !here.contains(*room))
        .filter_map(|room| Some(bookmarks::publication(room, open.get(room)?, None)))
        .collect();
    let ids: Vec<String> = gone.iter().filter(|room| here.contains(*room)).cloned().collect();
    if !ids.is_empty() {
        requests.push(Request::Retract {
            node: bookmarks::NODE.to_owned(),
            ids,
            notify: true,
        });
    }
    if !requests.is_empty() {
        let from = bare.as_jid().clone();
        bookmarks::make_private(server, bare)
            .await
            .map_err(Failed::PubSub)?;
        server
            .pubsub
            .all(service, from, requests)
            .await
            .map_err(Failed::PubSub)?;
    }
    xep0503::turned(server, bare, user, &new, &gone);
    let noted = server
        .db
        .write(move |tx| offered_bookmarks::change(tx, &owner, &new, &gone));
    Ok(noted.await?)
}

/// The channels of their waddles that somebody may join, and their groups, by room address.
async fn open_rooms(
    server: &Arc<Server>,
    user: &UserId,
    waddles: Vec<(Arc<Waddle>, Role)>,
    groups: Vec<direct::Group>,
) -> Result<BTreeMap<String, Bookmark>, Failed> {
    let limits = &server.limits;
    let mut open = BTreeMap::new();
    'waddles: for (waddle, _) in waddles {
        let access = server.community.access(waddle.id).await?;
        let channels = access.visible_channels(user);
        let joined = channels
            .iter()
            .filter(|c| access.channel_allows(c.id, "join", user));
        for (n, channel) in joined.enumerate() {
            if open.len() >= limits.xmpp_channel_bookmarks {
                break 'waddles;
            }
            let name = RoomName::localpart(&waddle.slug, &channel.slug);
            let Ok(room) = BareJid::new(Some(&name), &server.config.muc_domain) else {
                continue;
            };
            let bookmark = Bookmark {
                name: [waddle.name.as_str(), " / ", channel.name.as_str()].concat(),
                autojoin: n < limits.xmpp_autojoin_channels,
                ..Bookmark::default()
            };
            open.insert(room.to_string(), bookmark);
        }
    }
    for group in groups {
        let Ok(room) = BareJid::new(Some(&group.room), &server.config.muc_domain) else {
            continue;
        };
        let name = if group.name.is_empty() {
            "Group".to_owned()
        } else {
            group.name
        };
        let bookmark = Bookmark {
            name,
            autojoin: true,
            ..Bookmark::default()
        };
        open.insert(room.to_string(), bookmark);
    }
    Ok(open)
}

/// Whose bookmarks a change may concern.
enum Concerned {
    These(BTreeSet<UserId>),
    MembersOf(Arc<WaddleAccess>),
    Everybody,
}

impl Concerned {
    fn has(&self, user: &UserId) -> bool {
        match self {
            Self::These(users) => users.contains(user),
            Self::MembersOf(access) => access.is_member(user),
            Self::Everybody => true,
        }
    }
}

/// Follows the changes of waddles, for those who are there; the others hear of them when they come.
pub(crate) async fn watch(server: Arc<Server>) {
    use tokio::sync::broadcast::error::RecvError;
    let mut events = server.community.events();
    loop {
        let event = tokio::select! {
            e = events.recv() => e,
            () = server.stop.cancelled() => return,
        };
        let concerned = match event {
            Ok(
                Event::MemberAdded { user, .. }
                | Event::MemberRemoved { user, .. }
                | Event::MemberChanged { user, .. },
            ) => Concerned::These(BTreeSet::from([user])),
            // Rights that open or close no channel.
            Ok(Event::TuplesChanged {
                channels: Channels::Some(none),
                ..
            }) if none.is_empty() => continue,
            Ok(Event::TuplesChanged {
                users: Users::Some(users),
                ..
            }) => Concerned::These(users.into_iter().collect()),
            Ok(Event::ChannelCreated { channel, .. } | Event::ChannelDeleted { channel, .. }) => {
                match server.community.access(channel.waddle).await {
                    Ok(access) => Concerned::MembersOf(access),
                    Err(_) => continue,
                }
            }
            Ok(Event::TuplesChanged {
                waddle,
                users: Users::All,
                ..
            }) => match server.community.access(waddle).await {
                Ok(access) => Concerned::MembersOf(access),
                Err(_) => continue,
            },
            Ok(Event::WaddleDeleted { .. }) | Err(RecvError::Lagged(_)) => Concerned::Everybody,
            Ok(_) => continue,
            Err(RecvError::Closed) => return,
        };
        let people: BTreeMap<BareJid, UserId> = server
            .sessions
            .all()
            .into_iter()
            .filter(|s| concerned.has(&s.user))
            .map(|s| (s.bare.clone(), s.user.clone()))
            .collect();
        for (bare, user) in people {
            refresh(&server, &bare, &user).await;
        }
    }
}

//! Plays behaviour scripts (`tests/scripts/*.txt`) against real rooms, community and storage; clients are outboxes.
//!
//! A script is lines that begin a step, and indented XML below those that send or receive:
//! - `waddle SLUG of NAME [public]`, `channel SLUG CHANNEL [private|announcement]`,
//!   `member SLUG NAME [ROLE]`, `role SLUG NAME ROLE`, `remove SLUG NAME removed|left|kicked|banned`,
//!   `own role SLUG NAME COLOUR [PERMISSION …]`, `gives SLUG NAME ROLE`, `takes SLUG NAME ROLE`, `topic SLUG CHANNEL: TEXT`,
//!   `audit SLUG ACTION` (somebody has done that), `delete channel SLUG CHANNEL`, `delete waddle SLUG`, `limit NAME N` (first of all), `restart`,
//!   `post SLUG CHANNEL NICK: TEXT`
//! - `NAME connects` (as `name@localhost/name-1`), `NAME/RESOURCE connects`, `NAME disconnects`
//! - `NAME joins ROOM as NICK`: enters and takes everything up to the subject
//! - `NAME sends:` XML; `{to}` is not set by itself
//! - `NAME receives:` the next stanza is like this; `NAME eventually receives:` one of the next is
//! - `NAME receives nothing`

use std::{collections::HashMap, sync::Arc, time::Duration};

use waddle_community::{
    Actor, ChannelChange, ChannelKind, Community, NewChannel, NewRole, NewWaddle, RemovalKind, Role,
    Visibility,
};
use waddle_core::{Jid, Limits, Slug, SystemClock, UserId, WaddleId};
use waddle_muc::{Deps, Inbound, Post, Postman, Rooms, Sender};
use waddle_outbox::Outbox;
use waddle_stanza::{Outgoing, Stanza};
use waddle_storage::{Storage, StorageConfig, repo::accounts::Accounts};

pub mod pattern;

/// How long a client waits for what must come.
const PATIENCE: Duration = Duration::from_secs(10);

/// Delivers to whichever client has the address.
#[derive(Default)]
struct Mail(parking_lot::Mutex<Vec<(Jid, Arc<Outbox<Outgoing>>)>>);

impl Postman for Mail {
    fn deliver(&self, to: &Jid, stanza: Outgoing) {
        for (jid, outbox) in self.0.lock().iter() {
            if jid == to || (to.is_bare() && jid.bare_str() == to.as_str()) {
                let _ = outbox.push(stanza.clone());
            }
        }
    }
}

/// A client of a script.
pub struct Client {
    pub sender: Sender,
    got: std::collections::VecDeque<Outgoing>,
}

impl Client {
    pub async fn next(&mut self) -> Option<Stanza> {
        if self.got.is_empty() {
            tokio::time::timeout(PATIENCE, self.sender.outbox.ready())
                .await
                .ok()?;
            self.sender.outbox.drain_into(&mut self.got);
        }
        Some(self.got.pop_front()?.to_stanza().unwrap())
    }
}

/// The stage.
pub struct World {
    pub rooms: Rooms,
    pub community: Community,
    pub storage: Storage,
    pub clients: HashMap<String, Client>,
    limits: Arc<Limits>,
    mail: Arc<Mail>,
    names: pattern::Names,
    room: String,
    _dir: tempfile::TempDir,
}

impl World {
    pub async fn new(limits: Limits) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let limits = Arc::new(limits);
        let mut config = StorageConfig::new(dir.path());
        config.limits = (*limits).clone();
        let storage = Storage::open(config).await.unwrap();
        let clock = Arc::new(SystemClock);
        let community = Community::open(storage.clone(), clock, limits.clone(), "localhost")
            .await
            .unwrap();
        let mail = Arc::new(Mail::default());
        let rooms = Self::rooms(&storage, &community, &limits, &mail).await;
        Self {
            rooms,
            community,
            storage,
            clients: HashMap::new(),
            limits,
            mail,
            names: HashMap::new(),
            room: String::new(),
            _dir: dir,
        }
    }

    async fn rooms(
        storage: &Storage,
        community: &Community,
        limits: &Arc<Limits>,
        mail: &Arc<Mail>,
    ) -> Rooms {
        let rooms = Rooms::new(Deps {
            storage: storage.clone(),
            community: community.clone(),
            clock: Arc::new(SystemClock),
            limits: limits.clone(),
            domain: "localhost".to_owned(),
        })
        .await
        .unwrap();
        rooms.set_postman(mail.clone());
        rooms
    }

    pub async fn user(&self, name: &str) -> UserId {
        let name = name.to_lowercase();
        let server = self.storage.server();
        let accounts = Accounts(&server);
        if let Some(a) = accounts.by_localpart(&name).await.unwrap() {
            return a.user;
        }
        accounts
            .create_local(UserId::local(&name), name, false, None)
            .await
            .unwrap()
            .user
    }

    pub async fn connect(&mut self, name: &str) {
        let (local, resource) = match name.split_once('/') {
            Some((l, r)) => (l.to_lowercase(), r.to_owned()),
            None => (name.to_lowercase(), format!("{}-1", name.to_lowercase())),
        };
        let user = self.user(&local).await;
        let jid: Jid = format!("{local}@localhost/{resource}").parse().unwrap();
        let outbox = Arc::new(Outbox::new(
            self.limits.xmpp_outbox_stanzas,
            self.limits.xmpp_outbox_bytes,
        ));
        self.mail.0.lock().push((jid.clone(), outbox.clone()));
        let client = Client {
            sender: Sender { jid, user, outbox },
            got: Default::default(),
        };
        self.clients.insert(name.to_owned(), client);
    }

    pub fn send(&mut self, name: &str, xml: &str) {
        let xml = pattern::fill(xml, &self.names);
        let sender = self.clients[name].sender.clone();
        let stanza = pattern::parse(&xml);
        let stamped = stanza
            .head()
            .from(sender.jid.as_str())
            .build()
            .to_stanza()
            .unwrap();
        if let Ok(Some(to)) = stamped.to() {
            to.bare_str().clone_into(&mut self.room);
        }
        self.rooms.route(Inbound {
            stanza: stamped,
            sender,
        });
    }

    pub async fn next(&mut self, name: &str) -> Stanza {
        let client = self.clients.get_mut(name).unwrap();
        client
            .next()
            .await
            .unwrap_or_else(|| panic!("{name} waits in vain"))
    }

    /// Enters a room and takes everything up to the subject.
    pub async fn join(&mut self, name: &str, room: &str, nick: &str) {
        let xml =
            format!("<presence to='{room}/{nick}'><x xmlns='http://jabber.org/protocol/muc'/></presence>");
        self.send(name, &xml);
        loop {
            let s = self.next(name).await;
            assert!(!s.is_type("error"), "{}", text(&s));
            if s.root().has("subject", "jabber:client") && !s.root().has("body", "jabber:client") {
                return;
            }
        }
    }

    fn waddle(&self, slug: &str) -> WaddleId {
        self.community.waddle_by_slug(&slug.parse().unwrap()).unwrap().id
    }

    pub async fn make_waddle(&self, slug: &str, owner: &str, visibility: Visibility) {
        let owner = self.user(owner).await;
        let new = NewWaddle {
            visibility,
            owner: Some(owner),
            ..NewWaddle::new(slug.parse().unwrap(), "Waddle")
        };
        self.community.create_waddle(Actor::System, new).await.unwrap();
    }

    pub async fn add(&self, slug: &str, name: &str, role: Role) {
        let user = self.user(name).await;
        let id = self.waddle(slug);
        self.community
            .add_member(Actor::System, id, &user, role)
            .await
            .unwrap();
    }

    /// The service goes down and comes back.
    pub async fn restart(&mut self) {
        self.rooms.shutdown().await;
        self.rooms = Self::rooms(&self.storage, &self.community, &self.limits, &self.mail).await;
    }

    async fn step(&mut self, line: &str, xml: &str) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["waddle", slug, "of", owner] => self.make_waddle(slug, owner, Visibility::Private).await,
            ["waddle", slug, "of", owner, "public"] => {
                self.make_waddle(slug, owner, Visibility::Public).await;
            }
            ["channel", slug, channel] => self.channel(slug, channel, "").await,
            ["channel", slug, channel, what] => self.channel(slug, channel, what).await,
            ["member", slug, name] => self.add(slug, name, Role::Member).await,
            ["member", slug, name, role] => self.add(slug, name, role.parse().unwrap()).await,
            ["role", slug, name, role] => {
                let (user, id) = (self.user(name).await, self.waddle(slug));
                let role = role.parse().unwrap();
                self.community
                    .set_role(Actor::System, id, &user, role)
                    .await
                    .unwrap();
            }
            ["remove", slug, name, kind] => {
                let (user, id) = (self.user(name).await, self.waddle(slug));
                let kind = match kind {
                    "removed" => RemovalKind::Removed,
                    "left" => RemovalKind::Left,
                    "kicked" => RemovalKind::Kicked,
                    _ => RemovalKind::Banned,
                };
                self.community
                    .remove_member(Actor::System, id, &user, kind, None)
                    .await
                    .unwrap();
            }
            ["delete", "channel", slug, channel] => {
                let id = self.waddle(slug);
                let slug: Slug = channel.parse().unwrap();
                let found = self.community.channel_by_slug(id, &slug).await.unwrap().unwrap();
                self.community
                    .delete_channel(Actor::System, id, found.id)
                    .await
                    .unwrap();
            }
            ["delete", "waddle", slug] => {
                let id = self.waddle(slug);
                self.community.delete_waddle(Actor::System, id).await.unwrap();
            }
            ["own", "role", slug, name, colour, ref permissions @ ..] => {
                let new = NewRole {
                    name: name.to_owned(),
                    colour: Some(colour.to_owned()),
                    permissions: permissions.iter().map(|p| p.parse().unwrap()).collect(),
                };
                let id = self.waddle(slug);
                self.community.create_role(Actor::System, id, new).await.unwrap();
            }
            ["gives" | "takes", slug, name, role] => {
                let (user, id) = (self.user(name).await, self.waddle(slug));
                let roles = self.community.custom_roles(id).await.unwrap();
                let role = roles.iter().find(|r| r.name == role).unwrap().id;
                let given = words[0] == "gives";
                let done = self.community.give_role(Actor::System, id, &user, role, given);
                done.await.unwrap();
            }
            ["topic", slug, channel, ..] => {
                let (_, topic) = line.split_once(": ").unwrap();
                let id = self.waddle(slug);
                let found = self
                    .community
                    .channel_by_slug(id, &channel.trim_end_matches(':').parse().unwrap())
                    .await;
                let change = ChannelChange {
                    topic: Some(topic.to_owned()),
                    ..ChannelChange::default()
                };
                let done =
                    self.community
                        .update_channel(Actor::System, id, found.unwrap().unwrap().id, change);
                done.await.unwrap();
            }
            ["audit", slug, action] => {
                let id = self.waddle(slug);
                let log = self.community.audit(Actor::System, id, None, 100).await.unwrap();
                let found = log.iter().find(|e| e.action == action);
                assert!(found.is_some_and(|e| e.actor.is_some()), "{log:?}");
            }
            ["post", slug, channel, ..] => {
                let (_, rest) = line.split_once(channel).unwrap();
                let (nick, body) = rest.trim().split_once(": ").unwrap();
                let waddle = self.waddle(slug);
                let found = self
                    .community
                    .channel_by_slug(waddle, &channel.parse().unwrap())
                    .await;
                let post = Post {
                    waddle,
                    channel: found.unwrap().unwrap().id,
                    nick: nick.to_owned(),
                    body: body.to_owned(),
                    poster: None,
                };
                self.rooms.post(post).await.unwrap();
            }
            ["restart"] => self.restart().await,
            [name, "connects"] => self.connect(name).await,
            [name, "disconnects"] => {
                let client = self.clients.remove(name).unwrap();
                client.sender.outbox.close();
                self.rooms.session_ended(&client.sender.jid);
            }
            [name, "joins", room, "as", nick] => {
                let room = pattern::fill(room, &self.names);
                self.join(name, &room, nick).await;
            }
            [name, "sends:"] => self.send(name, xml),
            [name, "receives:"] => {
                let came = self.next(name).await;
                let wanted = pattern::parse(&pattern::fill(xml, &self.names));
                let mut names = self.names.clone();
                if let Some(why) = pattern::mismatch(wanted.root(), came.root(), &mut names) {
                    panic!("{why}\n  {}", text(&came));
                }
                self.names = names;
            }
            [name, "eventually", "receives:"] => {
                let wanted = pattern::parse(&pattern::fill(xml, &self.names));
                let mut seen = String::new();
                loop {
                    let client = self.clients.get_mut(name).unwrap();
                    let Some(came) = client.next().await else {
                        panic!("it never came; there were{seen}");
                    };
                    let mut names = self.names.clone();
                    match pattern::mismatch(wanted.root(), came.root(), &mut names) {
                        None => {
                            self.names = names;
                            return;
                        }
                        Some(why) => seen = [seen.as_str(), "\n  ", &text(&came), "\n    ", &why].concat(),
                    }
                }
            }
            [name, "receives", "nothing"] => {
                let room = self.room.clone();
                let ping = format!("<iq type='get' id='sync' to='{room}'><ping xmlns='urn:xmpp:ping'/></iq>");
                self.send(name, &ping);
                let came = self.next(name).await;
                assert!(came.id().as_deref() == Some("sync"), "{}", text(&came));
            }
            _ => panic!("no such step"),
        }
    }

    async fn channel(&self, slug: &str, channel: &str, what: &str) {
        let id = self.waddle(slug);
        let mut new = NewChannel::text(channel.parse().unwrap(), channel);
        new.private = what == "private";
        if what == "announcement" {
            new.kind = ChannelKind::Announcement;
        }
        self.community
            .create_channel(Actor::System, id, new)
            .await
            .unwrap();
    }
}

/// A stanza as text.
pub fn text(s: &Stanza) -> String {
    String::from_utf8_lossy(s.bytes()).into_owned()
}

/// Plays one script from its first line to its last.
pub async fn play(script: &str) {
    let mut limits = Limits::default();
    let mut world = None;
    let mut lines = script.lines().enumerate().peekable();
    while let Some((number, line)) = lines.next() {
        let line = line.trim_end();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        assert!(!line.starts_with(' '), "line {}: XML without a step", number + 1);
        let mut xml = String::new();
        while let Some((_, more)) = lines.next_if(|(_, l)| l.starts_with(' ') || l.is_empty()) {
            xml.push_str(more.trim());
            xml.push(if more.trim().ends_with('>') || more.is_empty() {
                '\n'
            } else {
                ' '
            });
        }
        let xml = xml.replace(">\n", ">");
        if let Some(limit) = line.strip_prefix("limit ") {
            let (name, n) = limit.split_once(' ').unwrap();
            let n: usize = n.parse().unwrap();
            match name {
                "muc_history" => limits.muc_history = n,
                "muc_occupants" => limits.muc_occupants = n,
                "muc_plain_rooms" => limits.muc_plain_rooms = n,
                "muc_presence_occupants" => limits.muc_presence_occupants = n,
                _ => panic!("no such limit"),
            }
            continue;
        }
        if world.is_none() {
            world = Some(World::new(limits.clone()).await);
        }
        let world = world.as_mut().unwrap();
        let step = std::panic::AssertUnwindSafe(world.step(line, &xml));
        if let Err(e) = futures::FutureExt::catch_unwind(step).await {
            let why = e
                .downcast_ref::<String>()
                .cloned()
                .or_else(|| e.downcast_ref::<&str>().map(ToString::to_string))
                .unwrap_or_default();
            panic!("line {}: {line}\n{why}", number + 1);
        }
    }
}

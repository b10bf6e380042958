//! One person's stream: what the hub hands over, checked against the permissions of the moment in which it is told.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{Arc, atomic::Ordering},
};

use axum::http::StatusCode;
use tokio::sync::mpsc;
use waddle_community::{AuditEntry, On, WaddleAccess};
use waddle_core::{BareJid, ChannelId, MessageId, UserId, WaddleId};
use waddle_messages::{MentionKind, MessageView, News, NewsKind};

use super::{
    cursor::Cursor,
    hub::{Item, Said, Seat, look},
    replay::Missed,
    view::{Departure, EventView, StreamEvent, StreamWaddle},
    watch::Watch,
};
use crate::{App, auth::Known, problem::Problem};

/// What somebody must have to be told an event, asked at the moment of telling.
#[derive(Debug, Clone)]
pub enum Need {
    /// Nothing more than to be who they are.
    Nothing,
    /// To belong to the waddle.
    Member(WaddleId),
    /// A relation to the waddle.
    Waddle(WaddleId, &'static str),
    /// A relation to a channel.
    Channel(WaddleId, ChannelId, &'static str),
    /// To be in a small group, by the localpart of its room.
    Group(Arc<str>),
}

/// How the cursor moves with an event.
#[derive(Debug, Clone, Copy)]
pub enum Mark {
    /// Not.
    Stay,
    /// A message was told.
    Message(WaddleId, MessageId),
    /// A line of the audit log was told.
    Line(WaddleId, i64, waddle_core::Timestamp),
    /// A direct message was told.
    Direct(MessageId),
}

/// Something still to be told.
enum Pending {
    /// An event.
    Event(Box<EventView>, Need, Mark),
    /// Something of the past, to be read when its turn comes.
    Past(News),
}

/// What comes next.
pub enum Next {
    /// An event.
    Event(Box<StreamEvent>),
    /// The end, and why.
    End(Problem),
}

/// A stream.
pub struct Stream {
    pub(super) app: App,
    user: UserId,
    /// Their address, by which groups know them.
    pub(super) jid: BareJid,
    watch: Watch,
    pub(super) chosen: Option<HashSet<WaddleId>>,
    pub(super) seat: Seat,
    items: mpsc::Receiver<Item>,
    pub(super) cursor: Cursor,
    /// The last direct message of the replay, which need not be told again.
    pub(super) direct_upto: MessageId,
    /// What the replay covers, and the hub need not tell again.
    covered: HashMap<WaddleId, (MessageId, i64)>,
    /// The channels that the client knows of.
    pub(super) visible: HashMap<WaddleId, HashSet<ChannelId>>,
    pending: VecDeque<Pending>,
    /// How much of it is of the past.
    past: usize,
}

fn ended(kind: &'static str, status: StatusCode, detail: &str) -> Problem {
    Problem::new(status, kind, detail)
}

impl Stream {
    /// Opens one over all waddles of a person or the chosen ones, from now on or behind a cursor.
    pub async fn open(
        app: App,
        known: Known,
        chosen: Option<HashSet<WaddleId>>,
        cursor: Option<Cursor>,
    ) -> Result<Self, Problem> {
        let user = known.account.user.clone();
        let jid = app.deps.identity.jid(&known.account.localpart)?;
        let watch = Watch::new(&app, known);
        let (seat, items) = app.events.enter(&user).ok_or_else(Problem::too_many_streams)?;
        let now = app.deps.identity.now();
        let resumed = cursor.is_some();
        let mut stream = Self {
            cursor: cursor.unwrap_or_else(|| Cursor::at(now)),
            user: user.clone(),
            jid,
            watch,
            app,
            chosen,
            seat,
            items,
            direct_upto: MessageId(0),
            covered: HashMap::new(),
            visible: HashMap::new(),
            pending: VecDeque::new(),
            past: 0,
        };
        stream.begin(&user, resumed).await?;
        Ok(stream)
    }

    /// Whose it is.
    pub(super) fn user(&self) -> &UserId {
        &self.user
    }

    async fn begin(&mut self, user: &UserId, resumed: bool) -> Result<(), Problem> {
        let app = self.app.clone();
        let mut waddles = Vec::new();
        let mut past = Vec::new();
        let mut resets = Vec::new();
        let mut lines = Vec::new();
        // of all waddles together: one request reads no more
        let mut left = app.config.limits.http_stream_replay;
        for (waddle, _) in app.deps.community.waddles_of(user).await? {
            if self.chosen.as_ref().is_some_and(|c| !c.contains(&waddle.id)) {
                continue;
            }
            // first the queue, then the past: nothing falls between
            self.seat.follow(waddle.id).await?;
            let access = app.deps.community.access(waddle.id).await?;
            waddles.push(self.seen(&access));
            if !resumed {
                continue;
            }
            match super::replay::missed(&app, waddle.id, &self.cursor, left).await? {
                Missed::Some(missed) => {
                    left = left.saturating_sub(missed.size());
                    self.covered.insert(waddle.id, missed.upto);
                    past.extend(missed.news);
                    lines.extend(missed.lines.into_iter().map(|l| (waddle.id, l)));
                }
                Missed::TooMuch(upto) => {
                    self.covered.insert(waddle.id, upto);
                    resets.push((waddle.id, upto));
                }
            }
        }
        let ready = EventView::Ready { resumed, waddles };
        self.push(ready, Need::Nothing, Mark::Stay);
        for (waddle_id, (message, _)) in resets {
            let mark = Mark::Message(waddle_id, message);
            self.push(EventView::Reset { waddle_id }, Need::Member(waddle_id), mark);
        }
        past.sort_unstable_by_key(|n| n.id);
        self.pending.extend(past.into_iter().map(Pending::Past));
        for (waddle, line) in lines {
            self.line(waddle, &line);
        }
        if resumed && self.chosen.is_none() {
            self.missed_direct().await?;
        }
        self.past = self.pending.len();
        self.cursor.hold();
        Ok(())
    }

    /// One more of the past was told.
    fn told(&mut self) {
        self.past = self.past.saturating_sub(1);
        if self.past == 0 {
            self.cursor.release();
        }
    }

    /// Tells something in its turn.
    pub(super) fn push(&mut self, event: EventView, need: Need, mark: Mark) {
        self.pending
            .push_back(Pending::Event(Box::new(event), need, mark));
    }

    /// A waddle as the client knows it from now on.
    pub(super) fn seen(&mut self, access: &WaddleAccess) -> StreamWaddle {
        let waddle = access.waddle();
        let channels: Vec<ChannelId> = access
            .visible_channels(self.user())
            .iter()
            .map(|c| c.id)
            .collect();
        self.visible.insert(waddle.id, channels.iter().copied().collect());
        StreamWaddle {
            id: waddle.id,
            slug: waddle.slug.clone(),
            name: waddle.name.clone(),
            channels,
        }
    }

    /// The next event; waits for one. Whole, so that nothing is lost where others are waited for beside it.
    pub async fn advance(mut self) -> (Self, Next) {
        let next = self.next().await;
        (self, next)
    }

    async fn next(&mut self) -> Next {
        loop {
            if let Some(why) = self.watch.ended_already() {
                return Next::End(why);
            }
            if let Some(pending) = self.pending.pop_front() {
                let told = self.tell(pending).await;
                self.told();
                match told {
                    Ok(Some(event)) => return Next::Event(Box::new(event)),
                    Ok(None) => continue,
                    Err(problem) => return Next::End(problem),
                }
            }
            tokio::select! {
                biased;
                why = self.watch.ended() => return Next::End(why),
                item = self.items.recv() => match item {
                    Some(item) => {
                        if let Err(problem) = self.take(item).await {
                            return Next::End(problem);
                        }
                    }
                    None => return Next::End(self.cut_off()),
                },
            }
        }
    }

    fn cut_off(&self) -> Problem {
        if self.seat.ended.missed.load(Ordering::Relaxed) {
            ended(
                "missed",
                StatusCode::SERVICE_UNAVAILABLE,
                "the server missed events; resume from your cursor",
            )
        } else {
            ended(
                "slow-reader",
                StatusCode::SERVICE_UNAVAILABLE,
                "events were read too slowly; resume from your cursor",
            )
        }
    }

    /// A waddle, where it is still there.
    pub(super) async fn access(&self, waddle: WaddleId) -> Result<Option<Arc<WaddleAccess>>, Problem> {
        match self.app.deps.community.access(waddle).await {
            Ok(access) => Ok(Some(access)),
            Err(waddle_community::Error::NotFound(_)) => Ok(None),
            Err(e) => Err(e.into()),
        }
    }

    async fn may(&self, need: &Need) -> Result<bool, Problem> {
        let waddle = match need {
            Need::Nothing => return Ok(true),
            Need::Group(room) => return self.is_in(room).await,
            Need::Member(waddle) | Need::Waddle(waddle, _) | Need::Channel(waddle, ..) => *waddle,
        };
        let Some(access) = self.access(waddle).await? else {
            return Ok(false);
        };
        let user = self.user();
        Ok(access.is_member(user)
            && match need {
                Need::Waddle(_, relation) => access.allows(On::Waddle, relation, user),
                Need::Channel(_, channel, relation) => access.channel_allows(*channel, relation, user),
                Need::Nothing | Need::Member(_) | Need::Group(_) => true,
            })
    }

    /// Tells it if it may be told now.
    async fn tell(&mut self, pending: Pending) -> Result<Option<StreamEvent>, Problem> {
        let (event, need, mark) = match pending {
            Pending::Event(event, need, mark) => (event, need, mark),
            Pending::Past(news) => {
                let need = Need::Channel(news.waddle, news.channel, "join");
                let mark = Mark::Message(news.waddle, news.id);
                let Some(target) = news.kind.target(news.id) else {
                    self.mark(mark);
                    return Ok(None);
                };
                if !self.may(&need).await? {
                    self.mark(mark);
                    return Ok(None);
                }
                let said = look(&self.app.deps.community, news, target).await?;
                (Box::new(self.message(&said)), need, mark)
            }
        };
        // at the moment of telling, whatever was true when it happened
        let may = self.may(&need).await?;
        self.mark(mark);
        Ok(may.then(|| StreamEvent {
            cursor: self.cursor.encode(),
            event: *event,
        }))
    }

    fn mark(&mut self, mark: Mark) {
        match mark {
            Mark::Stay => {}
            Mark::Message(waddle, id) => self.cursor.message(waddle, id),
            Mark::Line(waddle, line, at) => self.cursor.line(waddle, line, at),
            Mark::Direct(id) => self.cursor.message(None, id),
        }
    }

    /// A message's news in the eyes of the one who reads.
    fn message(&self, said: &Said) -> EventView {
        let (waddle_id, channel_id) = (said.news.waddle, said.news.channel);
        let Some(message) = &said.message else {
            return EventView::MessageDeleted {
                waddle_id,
                channel_id,
                message_id: said.news.kind.target(said.news.id).unwrap_or(said.news.id),
            };
        };
        let mentions_me = message.mentions.iter().any(|m| match m.kind {
            MentionKind::User => m.user.as_ref() == Some(self.user()),
            MentionKind::Everyone | MentionKind::Here => true,
        });
        let message = Box::new(self.own(message, &said.reactors));
        match said.news.kind {
            NewsKind::Posted => EventView::MessageCreated {
                waddle_id,
                channel_id,
                mentions_me,
                message,
            },
            NewsKind::Reacted(_) => EventView::MessageReactions {
                waddle_id,
                channel_id,
                message,
            },
            _ => EventView::MessageUpdated {
                waddle_id,
                channel_id,
                message,
            },
        }
    }

    fn own(&self, message: &MessageView, reactors: &[(String, String)]) -> MessageView {
        let mut own = message.clone();
        for reaction in &mut own.reactions {
            reaction.me = reactors
                .iter()
                .any(|(emoji, user)| *emoji == reaction.emoji && user == self.user().as_str());
        }
        own
    }

    /// A line of an audit log that members may know of.
    fn line(&mut self, waddle_id: WaddleId, line: &AuditEntry) {
        let target = || {
            line.target
                .strip_prefix("user:")
                .and_then(|t| t.parse::<UserId>().ok())
        };
        let at = line.at;
        let left = |how| {
            target().map(|user| EventView::MemberLeft {
                waddle_id,
                user,
                how,
                at,
            })
        };
        let event = match line.action.as_str() {
            "member.add" | "member.join" | "join_request.accept" => {
                target().map(|user| EventView::MemberJoined { waddle_id, user, at })
            }
            "invite.accept" => line
                .actor
                .clone()
                .map(|user| EventView::MemberJoined { waddle_id, user, at }),
            "member.role" | "role.give" | "role.take" => {
                target().map(|user| EventView::MemberUpdated { waddle_id, user, at })
            }
            "member.timeout" => target().map(|user| EventView::MemberTimedOut {
                waddle_id,
                user,
                until: line.detail.strip_prefix("until ").and_then(|u| u.parse().ok()),
                at,
            }),
            "member.timeout.end" => target().map(|user| EventView::MemberTimedOut {
                waddle_id,
                user,
                until: None,
                at,
            }),
            "member.leave" => left(Departure::Left),
            "member.remove" => left(Departure::Removed),
            "member.kick" => left(Departure::Kicked),
            "member.ban" => left(Departure::Banned),
            _ => None,
        };
        if let Some(event) = event {
            let mark = Mark::Line(waddle_id, line.id, line.at);
            self.push(event, Need::Member(waddle_id), mark);
        }
    }

    async fn take(&mut self, item: Item) -> Result<(), Problem> {
        match item {
            Item::Said(said) => {
                let News {
                    waddle, channel, id, ..
                } = said.news;
                if self.covered.get(&waddle).is_some_and(|(upto, _)| id <= *upto) {
                    return Ok(());
                }
                let event = self.message(&said);
                self.push(
                    event,
                    Need::Channel(waddle, channel, "join"),
                    Mark::Message(waddle, id),
                );
                Ok(())
            }
            Item::Lines(waddle, lines) => {
                let covered = self.covered.get(&waddle).map_or(i64::MIN, |(_, line)| *line);
                for line in lines.iter().filter(|l| l.id > covered) {
                    self.line(waddle, line);
                }
                Ok(())
            }
            Item::Personal(what) => {
                self.happened(&what);
                Ok(())
            }
            Item::Changed(event) => self.changed(&event).await,
        }
    }
}

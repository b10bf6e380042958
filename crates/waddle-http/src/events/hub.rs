//! One listener for all streams: what happens is read once and handed to those whom it may concern, each through a queue
//! of its own. Who reads too slowly loses the stream, never the server's memory.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, OnceLock, Weak,
        atomic::{AtomicBool, Ordering},
    },
};

use parking_lot::Mutex;
use tokio::sync::{
    broadcast::{
        self,
        error::{RecvError, TryRecvError},
    },
    mpsc,
};
use waddle_community::{AuditEntry, Community, Event};
use waddle_core::{BareJid, MessageId, UserId, WaddleId};
use waddle_messages::{ChannelMessages, MessageView, News, NewsKind, Viewer};
use waddle_muc::{GroupNews, Rooms};
use waddle_storage::repo::audit;
use waddle_xmpp::direct::{Direct, news::DirectNews};

use super::personal::Personal;
use crate::metrics::METRICS;

/// Who reacts to one message is remembered up to here.
const REACTORS: usize = 500;
/// Lines of an audit log that are read at a time.
const LINES: usize = 200;
/// News that are worked on together.
const BATCH: usize = 256;

/// A message's news with all that streams need of it.
#[derive(Debug)]
pub struct Said {
    /// What was done.
    pub news: News,
    /// The message, as a member of the waddle sees it who is nobody in particular; nothing where it is gone.
    pub message: Option<MessageView>,
    /// Who reacts, with what.
    pub reactors: Vec<(String, String)>,
}

/// Something for a stream.
#[derive(Debug, Clone)]
pub enum Item {
    /// Something about a message.
    Said(Arc<Said>),
    /// A change of a waddle.
    Changed(Arc<Event>),
    /// New lines of a waddle's audit log.
    Lines(WaddleId, Arc<Vec<AuditEntry>>),
    /// Something happened to the person beside their waddles.
    Personal(Arc<Personal>),
}

/// Why a stream ended that its client did not end.
#[derive(Debug, Default)]
pub struct Ended {
    /// Its queue was full.
    pub slow: AtomicBool,
    /// The server missed something itself.
    pub missed: AtomicBool,
}

struct Entry {
    user: UserId,
    waddles: HashSet<WaddleId>,
    queue: mpsc::Sender<Item>,
    ended: Arc<Ended>,
}

#[derive(Default)]
struct State {
    next: u64,
    streams: HashMap<u64, Entry>,
    of_waddle: HashMap<WaddleId, HashSet<u64>>,
    of_user: HashMap<UserId, HashSet<u64>>,
    /// The last line of each followed waddle's audit log that was handed out.
    lines: HashMap<WaddleId, i64>,
}

/// The streams that are open.
#[derive(Clone)]
pub struct Hub(Arc<Inner>);

struct Inner {
    community: Community,
    rooms: Option<Rooms>,
    direct: Option<Direct>,
    domain: String,
    most: usize,
    queue: usize,
    state: Mutex<State>,
    started: OnceLock<()>,
}

/// A stream's place in the hub; it is left when this is dropped.
pub struct Seat {
    hub: Hub,
    id: u64,
    /// Why it ended.
    pub ended: Arc<Ended>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.hub.leave(self.id);
        METRICS.streams.add(-1, &[]);
    }
}

impl Seat {
    /// Takes a waddle's events from now on.
    pub async fn follow(&self, waddle: WaddleId) -> Result<(), waddle_community::Error> {
        self.hub.know_line(waddle).await?;
        let mut state = self.hub.0.state.lock();
        if let Some(entry) = state.streams.get_mut(&self.id) {
            entry.waddles.insert(waddle);
            state.of_waddle.entry(waddle).or_default().insert(self.id);
        }
        Ok(())
    }

    /// Takes no more of them.
    pub fn unfollow(&self, waddle: WaddleId) {
        let mut state = self.hub.0.state.lock();
        if let Some(entry) = state.streams.get_mut(&self.id) {
            entry.waddles.remove(&waddle);
        }
        state.forget(waddle, self.id);
    }
}

impl State {
    fn forget(&mut self, waddle: WaddleId, id: u64) {
        if let Some(ids) = self.of_waddle.get_mut(&waddle) {
            ids.remove(&id);
            if ids.is_empty() {
                self.of_waddle.remove(&waddle);
                self.lines.remove(&waddle);
            }
        }
    }

    fn remove(&mut self, id: u64) -> Option<Entry> {
        let entry = self.streams.remove(&id)?;
        for waddle in &entry.waddles {
            self.forget(*waddle, id);
        }
        if let Some(ids) = self.of_user.get_mut(&entry.user) {
            ids.remove(&id);
            if ids.is_empty() {
                self.of_user.remove(&entry.user);
            }
        }
        Some(entry)
    }

    fn hand(&mut self, id: u64, item: Item) {
        let Some(entry) = self.streams.get(&id) else {
            return;
        };
        if entry.queue.try_send(item).is_err() {
            entry.ended.slow.store(true, Ordering::Relaxed);
            self.remove(id);
        }
    }
}

impl Hub {
    /// Over what happens below: of one person so many streams at the `most`, in the `queue` of each so many events.
    pub fn new(
        community: Community,
        rooms: Option<Rooms>,
        direct: Option<Direct>,
        domain: &str,
        (most, queue): (usize, usize),
    ) -> Self {
        Self(Arc::new(Inner {
            community,
            rooms,
            direct,
            domain: domain.to_owned(),
            most,
            queue: queue.max(1),
            state: Mutex::default(),
            started: OnceLock::new(),
        }))
    }

    /// A place for a stream of this person; nothing where they have too many.
    pub fn enter(&self, user: &UserId) -> Option<(Seat, mpsc::Receiver<Item>)> {
        self.0.started.get_or_init(|| {
            let news = self.0.rooms.as_ref().map(Rooms::news);
            tokio::spawn(listen(Arc::downgrade(&self.0), self.0.community.events(), news));
            let direct = self.0.direct.as_ref().map(Direct::news);
            let groups = self.0.rooms.as_ref().map(Rooms::group_news);
            tokio::spawn(follow(Arc::downgrade(&self.0), direct, groups));
        });
        let (queue, items) = mpsc::channel(self.0.queue);
        let mut state = self.0.state.lock();
        if state.of_user.get(user).map_or(0, HashSet::len) >= self.0.most {
            return None;
        }
        let id = state.next;
        state.next += 1;
        let ended = Arc::new(Ended::default());
        let entry = Entry {
            user: user.clone(),
            waddles: HashSet::new(),
            queue,
            ended: Arc::clone(&ended),
        };
        state.streams.insert(id, entry);
        state.of_user.entry(user.clone()).or_default().insert(id);
        METRICS.streams.add(1, &[]);
        let seat = Seat {
            hub: self.clone(),
            id,
            ended,
        };
        Some((seat, items))
    }

    fn leave(&self, id: u64) {
        self.0.state.lock().remove(id);
    }

    /// The communities that it is about.
    pub(super) fn community(&self) -> &Community {
        &self.0.community
    }

    /// The domain of the accounts that streams are of.
    pub(super) fn domain(&self) -> &str {
        &self.0.domain
    }

    /// Whether an address is one of the room service.
    pub(super) fn is_room(&self, jid: &BareJid) -> bool {
        let rooms = self.0.rooms.as_ref();
        rooms.is_some_and(|rooms| rooms.domain() == jid.domain())
    }

    pub(super) fn streams_of(&self, user: &UserId) -> Vec<u64> {
        let state = self.0.state.lock();
        state.of_user.get(user).into_iter().flatten().copied().collect()
    }

    /// Something happened to somebody.
    async fn happened(&self, news: DirectNews) {
        let to = self.streams_of(&news.user);
        if to.is_empty() {
            return;
        }
        match self.personal(&news.user, news.what).await {
            Ok(Some(what)) => self.give(&to, &Item::Personal(Arc::new(what))),
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(%error, "a direct message could not be told to streams");
                self.end(&to);
            }
        }
    }

    /// Something was done in a small group.
    async fn happened_in_group(&self, news: GroupNews) {
        if self.0.state.lock().streams.is_empty() {
            return;
        }
        match self.in_group(news).await {
            Ok(all) => {
                for (to, what) in all {
                    self.give(&to, &Item::Personal(Arc::new(what)));
                }
            }
            Err(error) => {
                tracing::warn!(%error, "a message of a small group could not be told to streams");
                self.missed(None);
            }
        }
    }

    /// These streams missed something.
    fn end(&self, ids: &[u64]) {
        let mut state = self.0.state.lock();
        for id in ids {
            if let Some(entry) = state.remove(*id) {
                entry.ended.missed.store(true, Ordering::Relaxed);
            }
        }
    }

    /// The line from which on a waddle's audit log is handed out.
    async fn know_line(&self, waddle: WaddleId) -> Result<(), waddle_community::Error> {
        if self.0.state.lock().lines.contains_key(&waddle) {
            return Ok(());
        }
        let db = self.0.community.storage().waddle(waddle).await?;
        let last = db.read(|conn| audit::list(conn, None, 1)).await?;
        let last = last.first().map_or(0, |l| l.id);
        self.0.state.lock().lines.entry(waddle).or_insert(last);
        Ok(())
    }

    fn followers(&self, waddle: WaddleId) -> Vec<u64> {
        let state = self.0.state.lock();
        state
            .of_waddle
            .get(&waddle)
            .into_iter()
            .flatten()
            .copied()
            .collect()
    }

    fn give(&self, to: &[u64], item: &Item) {
        let mut state = self.0.state.lock();
        for id in to {
            state.hand(*id, item.clone());
        }
    }

    async fn said(&self, news: News) {
        let Some(target) = news.kind.target(news.id) else {
            return;
        };
        let to = self.followers(news.waddle);
        if to.is_empty() {
            return;
        }
        match look(&self.0.community, news, target).await {
            Ok(said) => self.give(&to, &Item::Said(Arc::new(said))),
            Err(error) => {
                tracing::warn!(%error, "a message could not be told to streams");
                self.missed(Some(news.waddle));
            }
        }
    }

    async fn changed(&self, event: Event) {
        let waddle = event.waddle();
        let mut to = self.followers(waddle);
        if let Event::MemberAdded { user, .. } = &event {
            let state = self.0.state.lock();
            to.extend(state.of_user.get(user).into_iter().flatten());
            to.sort_unstable();
            to.dedup();
        }
        if to.is_empty() {
            return;
        }
        let logged = matches!(
            event,
            Event::MemberAdded { .. }
                | Event::MemberChanged { .. }
                | Event::MemberRemoved { .. }
                | Event::MemberRolesChanged { .. }
                | Event::TimedOut { .. }
                | Event::TimeoutEnded { .. }
        );
        self.give(&to, &Item::Changed(Arc::new(event)));
        if logged {
            self.lines(waddle).await;
        }
    }

    /// Hands out what is new in a waddle's audit log.
    async fn lines(&self, waddle: WaddleId) {
        loop {
            let Some(last) = self.0.state.lock().lines.get(&waddle).copied() else {
                return;
            };
            let read = async {
                let db = self.0.community.storage().waddle(waddle).await?;
                db.read(move |conn| audit::after(conn, last, LINES)).await
            };
            let lines = match read.await {
                Ok(lines) => lines,
                Err(error) => {
                    tracing::warn!(%error, "an audit log could not be told to streams");
                    return self.missed(Some(waddle));
                }
            };
            let Some(newest) = lines.last().map(|l| l.id) else {
                return;
            };
            self.0.state.lock().lines.insert(waddle, newest);
            let more = lines.len() == LINES;
            self.give(&self.followers(waddle), &Item::Lines(waddle, Arc::new(lines)));
            if !more {
                return;
            }
        }
    }

    /// Something was missed: streams of a waddle, or all, end and are resumed from their cursors.
    fn missed(&self, waddle: Option<WaddleId>) {
        let ids: Vec<u64> = match waddle {
            Some(w) => self.followers(w),
            None => self.0.state.lock().streams.keys().copied().collect(),
        };
        self.end(&ids);
    }
}

/// Reads what streams need of a message's news.
pub async fn look(
    community: &Community,
    news: News,
    target: MessageId,
) -> Result<Said, waddle_messages::Error> {
    let messages = ChannelMessages::open(community, news.waddle, news.channel).await?;
    let member = Viewer {
        user: None,
        addresses: true,
    };
    let message = match messages.get(&member, target).await {
        Ok(message) => Some(message),
        Err(waddle_messages::Error::NotFound) => None,
        Err(e) => return Err(e),
    };
    let reactors = match &message {
        Some(m) if !m.reactions.is_empty() => messages.reactors(m.id, None, None, REACTORS).await?,
        _ => Vec::new(),
    };
    let message = message.filter(|_| !matches!(news.kind, NewsKind::Retracted(_)));
    Ok(Said {
        news,
        message,
        reactors: reactors.into_iter().map(|r| (r.emoji, r.user)).collect(),
    })
}

async fn next<T: Clone>(news: &mut Option<broadcast::Receiver<T>>) -> Result<T, RecvError> {
    match news {
        Some(news) => news.recv().await,
        None => std::future::pending().await,
    }
}

impl Hub {
    /// Those of one waddle in their order, waddles beside one another.
    async fn said_all(&self, batch: Vec<News>) {
        let mut by_waddle: HashMap<WaddleId, Vec<News>> = HashMap::new();
        for news in batch {
            by_waddle.entry(news.waddle).or_default().push(news);
        }
        let each = by_waddle.into_values().map(|all| async move {
            for news in all {
                self.said(news).await;
            }
        });
        futures::future::join_all(each).await;
    }
}

/// What has come meanwhile, and whether more was missed.
fn rest_of(news: &mut Option<broadcast::Receiver<News>>, first: News) -> (Vec<News>, bool) {
    let mut batch = vec![first];
    while let Some(news) = news.as_mut().filter(|_| batch.len() < BATCH) {
        match news.try_recv() {
            Ok(n) => batch.push(n),
            Err(TryRecvError::Lagged(_)) => return (batch, true),
            Err(TryRecvError::Empty | TryRecvError::Closed) => break,
        }
    }
    (batch, false)
}

/// Hands out what happens to people and in their groups, each in its order.
async fn follow(
    hub: Weak<Inner>,
    mut direct: Option<broadcast::Receiver<DirectNews>>,
    mut groups: Option<broadcast::Receiver<GroupNews>>,
) {
    loop {
        tokio::select! {
            news = next(&mut direct) => {
                let Some(hub) = hub.upgrade().map(Hub) else { return };
                match news {
                    Ok(news) => hub.happened(news).await,
                    Err(RecvError::Lagged(_)) => hub.missed(None),
                    Err(RecvError::Closed) => return,
                }
            }
            news = next(&mut groups) => {
                let Some(hub) = hub.upgrade().map(Hub) else { return };
                match news {
                    Ok(news) => hub.happened_in_group(news).await,
                    Err(RecvError::Lagged(_)) => hub.missed(None),
                    Err(RecvError::Closed) => return,
                }
            }
        }
    }
}

async fn listen(
    hub: Weak<Inner>,
    mut events: broadcast::Receiver<Event>,
    mut news: Option<broadcast::Receiver<News>>,
) {
    loop {
        tokio::select! {
            n = next(&mut news) => {
                let Some(hub) = hub.upgrade().map(Hub) else { return };
                match n {
                    Ok(n) => {
                        let (batch, missed) = rest_of(&mut news, n);
                        hub.said_all(batch).await;
                        if missed {
                            hub.missed(None);
                        }
                    }
                    Err(RecvError::Lagged(_)) => hub.missed(None),
                    Err(RecvError::Closed) => news = None,
                }
            }
            e = events.recv() => {
                let Some(hub) = hub.upgrade().map(Hub) else { return };
                match e {
                    Ok(e) => hub.changed(e).await,
                    Err(RecvError::Lagged(_)) => hub.missed(None),
                    Err(RecvError::Closed) => return,
                }
            }
        }
    }
}

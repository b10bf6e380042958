//! The room service: which rooms are active, and the way of a stanza to its room.

mod act;
#[cfg(test)]
mod tests;

use std::{
    future::Future,
    sync::{
        Arc, OnceLock, Weak,
        atomic::{AtomicUsize, Ordering},
    },
};

use ahash::AHashSet;
use dashmap::{DashMap, Entry};
use kameo::{
    actor::{ActorId, ActorRef, Spawn as _},
    error::SendError,
    mailbox,
    supervision::RestartPolicy,
};
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore, broadcast, oneshot};
use waddle_core::{BareJid, Jid, RoomName, UserId};
use waddle_messages::News;
use waddle_outbox::Outbox;
use waddle_stanza::{Kind, Outgoing};
use waddle_storage::repo::rooms::PlainRooms;

use crate::{
    actor::{Envelope, RoomActor, Start, Supervisor},
    api::{Arrived, Deps, Figures, Inbound, Post, PostError, Posted, Postman},
    direct::GroupNews,
    error, events,
    hats::{HatAnswer, HatInput, HatRequest},
    metrics, purge,
    room::Room,
    slash::SlashCommands,
    state::{BUSY, Effects, Input},
};

pub use act::{Previewer, Reading};

/// Questions to storage and community that are answered at a time, over all rooms.
const ASIDE: usize = 256;
/// People who add or take a reaction beside one another.
const REACTING: usize = 64;

type Map<K, V> = DashMap<K, V, ahash::RandomState>;

/// The room service. Cheap to clone.
#[derive(Clone)]
pub struct Rooms(Arc<Inner>);

/// An active room.
enum Active {
    /// Its actor is being spawned; these wait for it.
    Starting(Vec<Input>),
    /// It runs.
    Running {
        actor: ActorRef<RoomActor>,
        waiting: Arc<AtomicUsize>,
        occupants: Arc<AtomicUsize>,
    },
}

pub(crate) struct Inner {
    pub deps: Deps,
    /// `muc.<domain>`.
    pub service: BareJid,
    active: Map<Arc<str>, Active>,
    /// The rooms that each session may be in.
    sessions: Map<Jid, AHashSet<Arc<str>>>,
    postman: OnceLock<Arc<dyn Postman>>,
    pub(crate) slash: OnceLock<Arc<dyn SlashCommands>>,
    supervisor: OnceLock<ActorRef<Supervisor>>,
    aside: Arc<Semaphore>,
    occupants: AtomicUsize,
    pub news: broadcast::Sender<News>,
    pub group_news: broadcast::Sender<GroupNews>,
    pub previewer: OnceLock<Arc<dyn Previewer>>,
    pub reading: OnceLock<Reading>,
    /// One reaction more or less of a person at a time: it is made from those that there are.
    reacting: [Mutex<()>; REACTING],
    pub purges: purge::Workers,
}

impl Rooms {
    /// Starts the service: removes what temporary rooms left behind and listens for changes of permissions.
    pub async fn new(deps: Deps) -> Result<Self, crate::LoadError> {
        let server = deps.storage.server();
        PlainRooms(&server).sweep().await?;
        let service = BareJid::new(None, &["muc.", &deps.domain].concat()).map_err(|_| {
            waddle_community::Error::Invalid {
                field: "domain",
                why: "a host name",
            }
        })?;
        let changes = deps.community.events();
        let (news, _) = broadcast::channel(deps.limits.message_news.max(1));
        let (group_news, _) = broadcast::channel(deps.limits.message_news.max(1));
        let inner = Arc::new(Inner {
            deps,
            service,
            active: Map::default(),
            sessions: Map::default(),
            postman: OnceLock::new(),
            slash: OnceLock::new(),
            supervisor: OnceLock::new(),
            aside: Arc::new(Semaphore::new(ASIDE)),
            occupants: AtomicUsize::new(0),
            news,
            group_news,
            previewer: OnceLock::new(),
            reading: OnceLock::new(),
            reacting: std::array::from_fn(|_| Mutex::new(())),
            purges: purge::Workers::default(),
        });
        let supervisor = Supervisor::spawn(Supervisor(Arc::downgrade(&inner)));
        let _ = inner.supervisor.set(supervisor);
        tokio::spawn(events::listen(Arc::downgrade(&inner), changes));
        purge::resume(&inner).await;
        Ok(Self(inner))
    }

    /// Who takes messages for people who are not in a room. Set once, before the first stanza.
    pub fn set_postman(&self, postman: Arc<dyn Postman>) {
        let _ = self.0.postman.set(postman);
    }

    /// Who carries out slash commands. Set once, before the first room.
    pub fn set_slash_commands(&self, slash: Arc<dyn SlashCommands>) {
        let _ = self.0.slash.set(slash);
    }

    /// Who carries out slash commands, if anybody does.
    pub fn slash_commands(&self) -> Option<&Arc<dyn SlashCommands>> {
        self.0.slash.get()
    }

    /// The service's domain, `muc.<domain>`.
    pub fn domain(&self) -> &str {
        self.0.service.as_str()
    }

    /// A stanza for the service, a room or an occupant. Never waits: a room with a full mailbox refuses it with
    /// `resource-constraint` of type `wait`.
    pub fn route(&self, inbound: Inbound) {
        self.0.route(Arrived::new(inbound, None));
    }

    /// Like [`Rooms::route`]; `done` is called when the stanza is dealt with: a message after its commit, anything
    /// else after its effects, what is refused after its refusal. It must be quick; it may run on the way.
    pub fn route_then(&self, inbound: Inbound, done: impl FnOnce() + Send + Sync + 'static) {
        self.0.route(Arrived::new(inbound, Some(Box::new(done))));
    }

    /// A session is over (not merely waiting to be resumed): it leaves all rooms.
    pub fn session_ended(&self, jid: &Jid) {
        if let Some((_, rooms)) = self.0.sessions.remove(jid) {
            for name in rooms {
                self.0.tell(&name, Input::Ended(jid.clone()));
            }
        }
    }

    /// Puts a message of the server itself into a channel; resolves when it is stored and on its way.
    pub async fn post(&self, post: Post) -> Posted {
        let community = &self.0.deps.community;
        let waddle = community.waddle_by_id(post.waddle).ok_or(PostError::NoChannel)?;
        let channel = community.channel(post.waddle, post.channel).await;
        let channel = channel
            .map_err(|_| PostError::Storage)?
            .ok_or(PostError::NoChannel)?;
        let name = RoomName::localpart(&waddle.slug, &channel.slug);
        let (send, receive) = oneshot::channel();
        self.0.send(&name, Input::Post(post, send));
        receive.await.unwrap_or(Err(PostError::Storage))
    }

    /// Lists or changes the hats of a room (XEP-0317); `name` is its localpart.
    pub async fn hats(&self, name: &str, user: UserId, bare: BareJid, request: HatRequest) -> HatAnswer {
        let (reply, answer) = oneshot::channel();
        let input = HatInput {
            user,
            bare,
            request,
            reply,
        };
        self.0.send(name, Input::Hats(input));
        answer.await.unwrap_or_else(|_| Err(error::busy(BUSY)))
    }

    pub(crate) fn deps(&self) -> &Deps {
        &self.0.deps
    }

    /// Hands an input to a room.
    pub(crate) fn send(&self, name: &str, input: Input) {
        self.0.send(name, input);
    }

    /// A room was deleted from outside: whoever is in it hears so, where it is active.
    pub(crate) fn forget_room(&self, name: &str) {
        self.0.tell(name, Input::Claimed);
    }

    /// Figures for the status page.
    pub fn figures(&self) -> Figures {
        Figures {
            active_rooms: self.0.active.len(),
            occupants: self.0.occupants.load(Ordering::Relaxed),
        }
    }

    /// Tells everybody that the service goes down (332) and stops all rooms.
    pub async fn shutdown(&self) {
        let running: Vec<_> = self
            .0
            .active
            .iter()
            .filter_map(|a| match a.value() {
                Active::Running { actor, .. } => Some(actor.clone()),
                Active::Starting(_) => None,
            })
            .collect();
        for actor in &running {
            let _ = actor.stop_gracefully().await;
        }
        for actor in running {
            actor.wait_for_shutdown().await;
        }
        self.0.active.clear();
    }
}

impl std::fmt::Debug for Rooms {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Rooms({}, {} active)", self.domain(), self.0.active.len())
    }
}

impl Inner {
    fn route(self: &Arc<Self>, inbound: Arrived) {
        let Ok(Some(to)) = inbound.stanza.to() else { return };
        let Some(name) = to.local() else {
            return crate::service::route(self, inbound);
        };
        let entering = inbound.stanza.kind() == Kind::Presence
            && to.resource().is_some()
            && inbound.stanza.type_().is_none();
        if entering && !self.note(&inbound.sender.jid, name) {
            let why = error::busy("you are in as many rooms as one client may be in; leave one first");
            return refuse(Input::Stanza(inbound), &why);
        }
        self.send(name, Input::Stanza(inbound));
    }

    /// Remembers that a session may be in a room; `false` if it is in too many.
    fn note(&self, jid: &Jid, name: &str) -> bool {
        let most = self.deps.limits.muc_rooms_per_session;
        let mut rooms = self.sessions.entry(jid.clone()).or_default();
        if rooms.contains(name) {
            return true;
        }
        if rooms.len() >= most {
            // Rooms that it only knocked at, and rooms long left and asleep.
            rooms.retain(|r| self.active.contains_key(r));
        }
        rooms.len() < most && rooms.insert(name.into())
    }

    /// Hands an input to a room, which is started where it does not run.
    pub(crate) fn send(self: &Arc<Self>, name: &str, input: Input) {
        let Err(input) = self.try_running(name, input, false) else {
            return;
        };
        match self.active.entry(name.into()) {
            Entry::Occupied(mut e) => match e.get_mut() {
                Active::Starting(waiting) if waiting.len() < self.deps.limits.muc_pending => {
                    waiting.push(input);
                }
                Active::Starting(_) => {
                    drop(e);
                    metrics::refused();
                    refuse(input, &error::busy(BUSY));
                }
                Active::Running { .. } => {
                    drop(e);
                    if let Err(input) = self.try_running(name, input, false) {
                        refuse(input, &error::busy(BUSY));
                    }
                }
            },
            Entry::Vacant(e) => {
                e.insert(Active::Starting(vec![input]));
                let Ok(jid) = BareJid::new(Some(name), self.service.domain()) else {
                    return;
                };
                tokio::spawn(start(self.clone(), jid));
            }
        }
    }

    /// Tells a room something that must not be lost, if it is active.
    pub(crate) fn tell(self: &Arc<Self>, name: &str, input: Input) {
        let Err(input) = self.try_running(name, input, true) else {
            return;
        };
        if let Some(mut e) = self.active.get_mut(name)
            && let Active::Starting(waiting) = e.value_mut()
        {
            waiting.push(input);
        }
    }

    /// Puts an input into the mailbox of a running room. One that must arrive waits for a place, aside.
    #[expect(
        clippy::result_large_err,
        reason = "what is not taken goes back as it came, without an allocation"
    )]
    fn try_running(&self, name: &str, input: Input, must: bool) -> Result<(), Input> {
        // The guard keeps the room from retiring between the look and the sending.
        let Some(active) = self.active.get(name) else {
            return Err(input);
        };
        let Active::Running { actor, waiting, .. } = active.value() else {
            return Err(input);
        };
        match actor.tell(Envelope::new(input, waiting)).try_send() {
            Ok(()) => Ok(()),
            Err(SendError::MailboxFull(envelope)) if must => {
                let actor = actor.clone();
                tokio::spawn(async move { actor.tell(envelope).send().await.is_ok() });
                Ok(())
            }
            Err(SendError::MailboxFull(envelope)) => {
                drop(active);
                metrics::refused();
                drop(envelope);
                Ok(())
            }
            Err(SendError::ActorNotRunning(envelope) | SendError::ActorRestarting(envelope)) => {
                let id = actor.id();
                drop(active);
                self.give_up(id);
                envelope.take().map_or(Ok(()), Err)
            }
            Err(_) => Ok(()),
        }
    }

    /// Takes a room off the list, unless something waits for it; then its actor may stop.
    pub(crate) fn retire(&self, jid: &BareJid, waiting: &AtomicUsize) -> bool {
        let name = jid.local().unwrap_or_default();
        self.active
            .remove_if(name, |_, _| waiting.load(Ordering::Acquire) == 0)
            .is_some()
    }

    /// Takes a room off the list, whatever waits for it.
    pub(crate) fn strike(&self, jid: &BareJid) {
        self.active.remove(jid.local().unwrap_or_default());
    }

    /// Takes a room off the list whose actor is gone.
    pub(crate) fn give_up(&self, id: ActorId) {
        self.active
            .retain(|_, a| !matches!(a, Active::Running { actor, .. } if actor.id() == id));
    }

    /// Names of active rooms.
    pub(crate) fn names(&self) -> Vec<Arc<str>> {
        self.active.iter().map(|e| e.key().clone()).collect()
    }

    /// How many are in a room now.
    pub(crate) fn occupants_of(&self, name: &str) -> usize {
        match self.active.get(name).as_deref() {
            Some(Active::Running { occupants, .. }) => occupants.load(Ordering::Relaxed),
            _ => 0,
        }
    }

    pub(crate) fn count_occupants(&self, before: usize, now: usize) {
        self.occupants.fetch_add(now, Ordering::Relaxed);
        self.occupants.fetch_sub(before, Ordering::Relaxed);
        metrics::occupants(now as i64 - before as i64);
    }

    /// Who takes what goes out of rooms.
    pub(crate) fn postman(&self) -> Option<&Arc<dyn Postman>> {
        self.postman.get()
    }

    /// A place for a question to storage or community, where there is one.
    pub(crate) fn place(&self) -> Option<OwnedSemaphorePermit> {
        let place = self.aside.clone().try_acquire_owned().ok();
        if place.is_none() {
            tracing::warn!(
                "too much goes on beside the rooms; something that follows from a rule is left out"
            );
        }
        place
    }

    /// Sends to an address that may be nowhere near a room.
    pub(crate) fn outside(&self, to: &Jid, item: Outgoing) {
        match self.postman.get() {
            Some(postman) => postman.deliver(to, item),
            None => tracing::warn!("rooms have no postman; an invitation is lost"),
        }
    }

    /// Answers a request aside, without holding up any room; refused where too many are under way.
    pub(crate) fn aside<F, A>(&self, inbound: Arrived, work: F)
    where
        F: FnOnce(Arc<Arrived>) -> A + Send + 'static,
        A: Future<Output = Vec<Outgoing>> + Send + 'static,
    {
        let Ok(place) = self.aside.clone().try_acquire_owned() else {
            return refuse(Input::Stanza(inbound), &error::busy(BUSY));
        };
        tokio::spawn(async move {
            let outbox: Arc<Outbox<Outgoing>> = inbound.sender.outbox.clone();
            for item in work(Arc::new(inbound)).await {
                // A client that does not take its answer has closed or overflowed; its connection knows.
                let _ = outbox.push(item);
            }
            drop(place);
        });
    }
}

/// Spawns a room's actor and hands it what waits.
async fn start(rooms: Arc<Inner>, jid: BareJid) {
    let waiting = Arc::new(AtomicUsize::new(0));
    let occupants = Arc::new(AtomicUsize::new(0));
    let args = Start {
        jid: jid.clone(),
        rooms: rooms.clone(),
        waiting: waiting.clone(),
        occupants: occupants.clone(),
    };
    let Some(supervisor) = rooms.supervisor.get() else {
        return;
    };
    let places = rooms.deps.limits.muc_pending.max(16) * 2;
    let actor = RoomActor::supervise_with(supervisor, move || args.clone())
        .restart_policy(RestartPolicy::Never)
        .spawn_with_mailbox(mailbox::bounded(places))
        .await;
    let name = jid.local().unwrap_or_default();
    let Some(mut active) = rooms.active.get_mut(name) else {
        return;
    };
    if let Active::Starting(inputs) = active.value_mut() {
        for input in std::mem::take(inputs) {
            // What finds no place is refused.
            let _ = actor.tell(Envelope::new(input, &waiting)).try_send();
        }
        *active = Active::Running {
            actor,
            waiting,
            occupants,
        };
    }
}

/// Answers an input that reaches no room.
pub(crate) fn refuse(input: Input, why: &error::Refusal) {
    let mut fx = Effects::default();
    Room::refuse_input(input, why, &mut fx);
    for d in fx.deliveries {
        let _ = d.outbox.push(d.item);
    }
    for effect in fx.rest {
        match effect {
            crate::state::Effect::Posted(reply, result) => _ = reply.send(result),
            crate::state::Effect::Hats(reply, answer) => _ = reply.send(answer),
            crate::state::Effect::Purged(reply, answer) => _ = reply.send(answer),
            crate::state::Effect::Grouped(reply, answer) => _ = reply.send(answer),
            _ => {}
        }
    }
}

/// The service, while it lives.
pub(crate) type WeakRooms = Weak<Inner>;

//! The handle: what webhooks, bots and commands share.

use std::sync::{Arc, OnceLock};

use waddle_community::Community;
use waddle_core::{BotId, ChannelId, HookId, Limits, SharedClock, Timestamp, UserId, WaddleId};
use waddle_fetch::{FetchConfig, Fetcher};
use waddle_identity::Identity;
use waddle_muc::Rooms;
use waddle_storage::Db;

use crate::{
    Error, Result,
    outgoing::Lines,
    places::Places,
    rate::Buckets,
    slash::{Interactions, Registry},
};

/// Tells a person something that the server stopped or gave up.
pub type Notify = Arc<dyn Fn(&UserId, &str) + Send + Sync>;

/// What webhooks, bots and commands stand on.
#[derive(Clone)]
pub struct HooksDeps {
    /// Waddles and who may do what.
    pub community: Community,
    /// Accounts of bots, keys for secrets at rest.
    pub identity: Identity,
    /// Where messages appear.
    pub rooms: Rooms,
    /// The time.
    pub clock: SharedClock,
    /// Limits.
    pub limits: Arc<Limits>,
    /// How other servers are asked.
    pub fetch: FetchConfig,
}

pub(crate) struct Inner {
    pub deps: HooksDeps,
    pub fetcher: Fetcher,
    pub hook_rates: Buckets<HookId>,
    pub lines: Lines,
    /// Requests to receivers of webhooks.
    pub hook_places: Places,
    /// Requests to bots' addresses.
    pub command_places: Places,
    pub command_rates: Buckets<UserId>,
    pub answer_rates: Buckets<(BotId, ChannelId)>,
    pub interactions: Interactions,
    pub registry: Registry,
    pub notify: OnceLock<Notify>,
}

/// Webhooks, bots and commands. Cheap to clone.
#[derive(Clone)]
pub struct Hooks(pub(crate) Arc<Inner>);

impl Hooks {
    /// Opens them and takes up what outgoing webhooks were at.
    pub async fn start(mut deps: HooksDeps) -> Result<Self> {
        deps.fetch.timeout = std::time::Duration::from_secs(deps.limits.hook_seconds);
        deps.fetch.body_bytes = 65_536;
        deps.fetch.overlong = waddle_fetch::Overlong::Cut;
        let fetcher = Fetcher::new(deps.fetch.clone())
            .map_err(|_| Error::Internal("the HTTP client could not be made"))?;
        let this = Self(Arc::new(Inner {
            fetcher,
            hook_rates: Buckets::new(deps.limits.hook_rate),
            lines: Lines::default(),
            hook_places: Places::new(deps.limits.hook_requests, deps.limits.hook_requests_per_waddle),
            command_places: Places::new(
                deps.limits.command_requests,
                deps.limits.command_requests_per_waddle,
            ),
            command_rates: Buckets::new(deps.limits.command_rate),
            answer_rates: Buckets::new(deps.limits.message_rate),
            interactions: Interactions::default(),
            registry: Registry::default(),
            notify: OnceLock::new(),
            deps,
        }));
        this.listen();
        this.resume().await?;
        this.look_at_bots();
        Ok(this)
    }

    /// Who tells people that a webhook was stopped. Set once.
    pub fn set_notify(&self, notify: Notify) {
        let _ = self.0.notify.set(notify);
    }

    /// Ends what is under way; what was not delivered is taken up at the next start.
    pub fn close(&self) {
        // first who would take a place that is refused for a failure of its receiver
        self.0.lines.close();
        self.0.hook_places.close();
        self.0.command_places.close();
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.0.deps.clock.now()
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.0.deps.limits
    }

    pub(crate) fn community(&self) -> &Community {
        &self.0.deps.community
    }

    pub(crate) fn server_db(&self) -> Db {
        self.0.deps.community.storage().server()
    }

    pub(crate) async fn waddle_db(&self, waddle: WaddleId) -> Result<Db> {
        if self.community().waddle_by_id(waddle).is_none() {
            return Err(Error::NotFound("waddle"));
        }
        Ok(self.community().storage().waddle(waddle).await?)
    }
}

impl std::fmt::Debug for Hooks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hooks")
    }
}

//! What a request sees of the database: nodes, and what somebody is to them.

use waddle_core::{BareJid, Jid, Limits, Timestamp};
use waddle_storage::{
    Conn,
    repo::{
        pubsub::{self as repo, Node},
        roster::{self, FROM},
    },
};

use crate::{
    access::{self, Standing},
    affiliation::Affiliation,
    config::{Access, Config, OrMax},
    error::{self, Result},
    event::Recipient,
    options::Options,
    service::Service,
};

/// A request's look at the database.
pub(crate) struct View<'a> {
    pub conn: &'a Conn,
    pub limits: &'a Limits,
    pub service: &'a Service,
    pub from: &'a Jid,
}

/// A node with its configuration read.
#[derive(Debug, Clone)]
pub(crate) struct Open {
    pub node: Node,
    pub config: Config,
}

impl Open {
    pub fn of(node: Node) -> Self {
        let config = Config::from_stored(&node.config);
        Self { node, config }
    }

    /// Items from then on are there.
    pub fn since(&self, now: Timestamp) -> Timestamp {
        match self.config.item_expire {
            OrMax::Max => Timestamp(0),
            OrMax::Is(seconds) => now.minus(std::time::Duration::from_secs(seconds.into())),
        }
    }
}

impl View<'_> {
    pub fn who(&self) -> BareJid {
        self.from.bare()
    }

    /// The node, or why there is none.
    pub fn open(&self, name: &str) -> Result<Open> {
        self.find(name)?.ok_or_else(error::not_found)
    }

    /// The node if it is there; it is an error to ask for one that has moved (§6.1.3.11).
    pub fn find(&self, name: &str) -> Result<Option<Open>> {
        if let Some(node) = repo::node(self.conn, self.service.key(), name)? {
            return Ok(Some(Open::of(node)));
        }
        match repo::moved(self.conn, self.service.key(), name)? {
            Some(uri) => Err(waddle_stanza::StanzaError::new(waddle_stanza::Condition::Gone)
                .of_type(waddle_stanza::ErrorType::Modify)
                .address(uri)
                .into()),
            None => Ok(None),
        }
    }

    /// What somebody's affiliation is.
    pub fn affiliation(&self, node: &Node, who: &BareJid) -> Result<Affiliation> {
        if self.service.is_of(who) {
            return Ok(Affiliation::Owner);
        }
        let word = repo::affiliation(self.conn, node.id, who)?;
        Ok(word.and_then(|w| Affiliation::from_name(&w)).unwrap_or_default())
    }

    /// Who owns the node.
    pub fn owners(&self, node: &Node) -> Result<Vec<BareJid>> {
        if let Some(account) = self.service.account() {
            return Ok(vec![account.clone()]);
        }
        let all = repo::affiliations(self.conn, node.id)?;
        Ok(all
            .into_iter()
            .filter(|(_, a)| a == Affiliation::Owner.name())
            .map(|(j, _)| j)
            .collect())
    }

    /// What somebody is to the node.
    pub fn standing(&self, open: &Open, who: &BareJid) -> Result<Standing> {
        let mut standing = Standing {
            affiliation: self.affiliation(&open.node, who)?,
            ..Standing::default()
        };
        if matches!(standing.affiliation, Affiliation::Owner | Affiliation::Outcast) {
            return Ok(standing);
        }
        standing.subscribed = repo::subscriptions_by(self.conn, open.node.id, who)?
            .iter()
            .any(|s| !s.pending);
        if matches!(open.config.access_model, Access::Presence | Access::Roster) {
            for owner in self.owners(&open.node)? {
                if owner.domain() != self.domain() {
                    continue;
                }
                let (presence, groups) = repo::standing(self.conn, owner.local().unwrap_or_default(), who)?;
                standing.presence |= presence;
                standing.in_group |= groups
                    .iter()
                    .any(|g| open.config.roster_groups_allowed.contains(g));
            }
        }
        Ok(standing)
    }

    /// The domain of the accounts here.
    pub fn domain(&self) -> &str {
        let host = self.service.address().domain();
        match self.service {
            Service::Account(_) => host,
            Service::Host(_) => host.split_once('.').map_or(host, |(_, d)| d),
        }
    }

    /// What the sender is to the node.
    pub fn mine(&self, open: &Open) -> Result<Standing> {
        self.standing(open, &self.who())
    }

    /// The node, for its owners only.
    pub fn owned(&self, name: &str) -> Result<Open> {
        let open = self.open(name)?;
        if self.affiliation(&open.node, &self.who())? == Affiliation::Owner {
            Ok(open)
        } else {
            Err(error::forbidden())
        }
    }

    /// Everybody who gets notifications of the node.
    pub fn recipients(&self, open: &Open) -> Result<Vec<Recipient>> {
        let mut out = Vec::new();
        if let Some(account) = self.service.account() {
            out.push(Recipient::Contact(account.clone()));
            out.extend(self.contacts(open, account)?.into_iter().map(Recipient::Contact));
        }
        let checked = matches!(open.config.access_model, Access::Presence | Access::Roster);
        for s in repo::subscriptions(self.conn, open.node.id)? {
            if s.pending {
                continue;
            }
            let who = s.jid.bare();
            if checked && access::retrieve(&open.config, self.standing(open, &who)?).is_err() {
                continue;
            }
            out.push(Recipient::Subscriber(s.jid, Options::from_stored(&s.options)));
        }
        Ok(out)
    }

    /// The contacts of an account that may get what the node says without having subscribed (§9.1).
    fn contacts(&self, open: &Open, account: &BareJid) -> Result<Vec<BareJid>> {
        let name = account.local().unwrap_or_default();
        let mut contacts = match open.config.access_model {
            Access::Open | Access::Presence => roster::subscribed(self.conn, name, FROM)?,
            Access::Roster => roster::all(self.conn, name)?
                .into_iter()
                .filter(|c| {
                    c.from()
                        && c.groups
                            .iter()
                            .any(|g| open.config.roster_groups_allowed.contains(g))
                })
                .map(|c| c.jid)
                .collect(),
            Access::Authorize => Vec::new(),
            Access::Whitelist => {
                let mut listed = Vec::new();
                for (jid, word) in repo::affiliations(self.conn, open.node.id)? {
                    let is = Affiliation::from_name(&word).is_some_and(Affiliation::is_listed);
                    if is && repo::standing(self.conn, name, &jid)?.0 {
                        listed.push(jid);
                    }
                }
                return Ok(listed);
            }
        };
        let barred: Vec<BareJid> = repo::affiliations(self.conn, open.node.id)?
            .into_iter()
            .filter(|(_, a)| {
                matches!(
                    Affiliation::from_name(a),
                    Some(Affiliation::Outcast | Affiliation::PublishOnly)
                )
            })
            .map(|(j, _)| j)
            .collect();
        contacts.retain(|c| c.domain() == account.domain() && c != account && !barred.contains(c));
        Ok(contacts)
    }
}

//! What clients want to be notified of: their `+notify` features, by way of their capabilities (XEP-0060 §9.2,
//! [XEP-0115](https://xmpp.org/extensions/xep-0115.html) §6). A hash that is new is asked for once and remembered if the
//! answer has it.

use std::{sync::Arc, time::Duration};

use dashmap::DashMap;
use waddle_pubsub::Interests;
use waddle_stanza::{
    Stanza,
    disco::{Caps, DiscoInfo},
    ns,
};

use crate::{
    router::ask,
    server::Server,
    session::{Flag, Session},
};

/// How long a client has to say what it can do.
const PATIENCE: Duration = Duration::from_secs(30);
/// Nodes that one client may be interested in.
const NODES: usize = 200;

/// What is known of a session's client.
#[derive(Debug)]
pub(crate) struct Heard {
    /// The nodes it wants to hear of.
    pub interests: Arc<Interests>,
    /// What its presence shows.
    pub show: &'static str,
    /// What it says it can do.
    caps: Option<Caps>,
}

impl Default for Heard {
    fn default() -> Self {
        Self {
            interests: Arc::default(),
            show: "online",
            caps: None,
        }
    }
}

/// Capabilities that were asked for and proved, bounded: by hash, what is wanted.
#[derive(Debug, Default)]
pub(crate) struct KnownCaps(DashMap<Caps, Arc<Interests>, ahash::RandomState>);

impl KnownCaps {
    fn key(caps: &Caps) -> Caps {
        // The hash proves what it stands for, whoever says it.
        Caps {
            node: String::new(),
            ..caps.clone()
        }
    }

    fn get(&self, caps: &Caps) -> Option<Arc<Interests>> {
        self.0.get(&Self::key(caps)).map(|i| i.value().clone())
    }

    fn put(&self, caps: &Caps, interests: &Arc<Interests>, most: usize) {
        if self.0.len() >= most {
            self.0.clear();
        }
        self.0.insert(Self::key(caps), interests.clone());
    }
}

fn show(presence: &Stanza) -> &'static str {
    let text = presence.root().child_text("show", ns::CLIENT);
    ["away", "chat", "dnd", "xa"]
        .into_iter()
        .find(|s| text.as_deref().map(str::trim) == Some(*s))
        .unwrap_or("online")
}

/// A session announced itself: what it wants by what it says now, as far as it is known. The answer is what it did not
/// want before.
pub(crate) fn announced(server: &Arc<Server>, session: &Arc<Session>) -> Vec<Box<str>> {
    let template = session.announced.lock().presence.clone();
    let Some(presence) = template.and_then(|t| t.for_to("").to_stanza().ok()) else {
        return Vec::new();
    };
    let caps = Caps::within(presence.root());
    {
        let mut heard = session.heard.lock();
        heard.show = show(&presence);
        // Capabilities that are left out are as they were (XEP-0115 §8.4).
        if caps.is_none() || caps == heard.caps {
            return Vec::new();
        }
        heard.caps.clone_from(&caps);
    }
    let Some(caps) = caps else { return Vec::new() };
    if let Some(known) = server.caps.get(&caps) {
        return learn(session, &known);
    }
    let (server, session) = (server.clone(), session.clone());
    let runtime = server.runtime.clone();
    runtime.spawn(async move {
        let new = question(&server, &session, &caps).await;
        if !new.is_empty() {
            server.pubsub.arrived(session.jid.clone(), new).await;
        }
    });
    Vec::new()
}

/// It is no longer available: what it wants counts from its next presence on.
pub(crate) fn forget(session: &Session) {
    *session.heard.lock() = Heard::default();
}

/// Notes what a session wants; the answer is what it did not want before.
fn learn(session: &Session, interests: &Arc<Interests>) -> Vec<Box<str>> {
    let mut heard = session.heard.lock();
    let new = interests
        .iter()
        .filter(|i| !heard.interests.contains(*i))
        .cloned()
        .collect();
    heard.interests = interests.clone();
    new
}

/// Asks a client what it can do.
async fn question(server: &Arc<Server>, session: &Arc<Session>, caps: &Caps) -> Vec<Box<str>> {
    let query = DiscoInfo {
        node: Some(caps.disco_node()),
        ..DiscoInfo::default()
    };
    let mut w = waddle_stanza::XmlWriter::new();
    query.write(&mut w);
    let from = session.bare.as_jid();
    let answer = ask::ask(server, from, &session.jid, false, &w.finish(), PATIENCE).await;
    let Some(info) = answer
        .filter(|a| a.is_type("result"))
        .and_then(|a| a.payload().and_then(DiscoInfo::read))
    else {
        return Vec::new();
    };
    let interests: Interests = info
        .features
        .iter()
        .filter_map(|f| f.strip_suffix("+notify"))
        .filter(|n| !n.is_empty())
        .take(NODES)
        .map(Into::into)
        .collect();
    let interests = Arc::new(interests);
    // Whoever lies about a hash lies about itself only.
    if caps.hash == "sha-1" && info.caps_ver().as_deref() == Some(&*caps.ver) {
        server.caps.put(caps, &interests, server.limits.pubsub_caps);
    }
    let current = session.heard.lock().caps.as_ref() == Some(caps);
    if !current || !session.is(Flag::Available) || session.is(Flag::Ended) {
        return Vec::new();
    }
    learn(session, &interests)
}

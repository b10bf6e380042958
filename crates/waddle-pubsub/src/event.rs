//! Notifications: [XEP-0060 §7.1.2](https://xmpp.org/extensions/xep-0060.html#publisher-publish-success) and those of
//! §6.1, §7.2, §8.4, §8.5. Each is written once, whoever it goes to.

use waddle_core::{BareJid, Jid};
use waddle_stanza::{Class, Delay, HeadTemplate, Stanza, XmlWriter, forms::Form};
use waddle_storage::repo::pubsub_items::Item;

use crate::{
    config::{Config, ItemReply, Notification},
    ns,
};

/// Whom a notification goes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum To {
    /// Everybody who gets what the node says: its subscribers, and on an account those who see its presence.
    Node(Vec<Recipient>),
    /// One address, whatever it subscribed to.
    One(Jid),
    /// The resource of this address, if it is interested in the node.
    Resource(Jid),
}

/// Somebody who may get a node's notifications.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recipient {
    /// Subscribed explicitly, with these options.
    Subscriber(Jid, crate::options::Options),
    /// A contact of the account or the account itself: each resource that asked for it (XEP-0163 §4.3).
    Contact(BareJid),
}

/// A notification, ready but for its recipients.
#[derive(Debug, Clone)]
pub struct Event {
    /// Whose node it is: the account, or the service.
    pub from: BareJid,
    /// Whom it goes to.
    pub to: To,
    /// The node, for the interest of resources; its account, if it has one.
    pub node: String,
    /// Whether only those who are available get it.
    pub available_only: bool,
    /// The message.
    pub message: HeadTemplate,
}

/// Starts a message of a service.
fn message(from: &str, kind: Notification, id: &str) -> XmlWriter {
    let mut w = XmlWriter::message();
    w.attr("from", from).attr("id", id);
    if kind == Notification::Headline {
        w.attr("type", "headline");
    }
    w
}

fn template(w: XmlWriter) -> Option<HeadTemplate> {
    let out = w.outgoing(Class::Message);
    let stanza: Stanza = out.to_stanza().ok()?;
    Some(stanza.head().template())
}

/// Writes an item; `xmlns` is that of the element around it.
pub(crate) fn item(w: &mut XmlWriter, i: &Item, publisher: bool, payload: bool) {
    w.open("item").attr("id", &i.id);
    if publisher {
        w.attr("publisher", i.publisher.as_str());
    }
    if let Some(p) = i.payload.as_ref().filter(|_| payload) {
        w.trusted(p);
    }
    w.close();
}

/// What a notification says.
#[derive(Debug, Clone)]
pub enum News<'a> {
    /// An item; `late`: it was published before and is sent for the first time to this recipient.
    Item(&'a Item, Late),
    /// A publication without an item.
    Nothing,
    /// Items that are gone.
    Retracted(&'a [String]),
    /// All items are gone.
    Purged,
    /// The node is gone.
    Deleted(Option<&'a str>),
    /// The node is configured anew.
    Configured,
    /// A subscription is in this state now.
    Subscription(&'a Jid, &'a str, &'static str),
}

/// Whether an item is new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Late {
    /// Just published.
    No,
    /// Published before.
    Yes,
}

/// Writes a notification of the service `from`.
pub(crate) fn write(
    from: &str,
    id: &str,
    node: &str,
    config: &Config,
    news: &News<'_>,
) -> Option<HeadTemplate> {
    let kind = match news {
        News::Subscription(..) => Notification::Normal,
        _ => config.notification_type,
    };
    let mut w = message(from, kind, id);
    w.open_ns("event", ns::EVENT);
    let mut delay = None;
    let mut reply_to = None;
    match news {
        News::Item(i, late) => {
            let publisher = config.itemreply == Some(ItemReply::Publisher);
            w.open("items").attr("node", node);
            item(&mut w, i, publisher, config.deliver_payloads);
            w.close();
            if *late == Late::Yes {
                delay = Some(Delay::at(i.at));
            }
            if publisher {
                reply_to = Some(i.publisher.bare_str());
            }
        }
        News::Nothing => _ = w.open("items").attr("node", node).close(),
        News::Retracted(ids) => {
            w.open("items").attr("node", node);
            for id in *ids {
                w.open("retract").attr("id", id).close();
            }
            w.close();
        }
        News::Purged => _ = w.open("purge").attr("node", node).close(),
        News::Deleted(uri) => {
            w.open("delete").attr("node", node);
            if let Some(uri) = uri {
                w.open("redirect").attr("uri", uri).close();
            }
            w.close();
        }
        News::Configured => {
            w.open("configuration").attr("node", node);
            if config.deliver_payloads {
                config
                    .to_form(waddle_stanza::forms::FormKind::Result)
                    .write(&mut w);
            }
            w.close();
        }
        News::Subscription(jid, subid, state) => {
            w.open("subscription")
                .attr("node", node)
                .attr("jid", jid.as_str())
                .attr("subscription", state);
            if !subid.is_empty() {
                w.attr("subid", subid);
            }
            w.close();
        }
    }
    w.close();
    if let Some(d) = delay {
        d.write(&mut w);
    }
    if let Some(to) = reply_to {
        w.open_ns("addresses", "http://jabber.org/protocol/address");
        w.open("address").attr("type", "replyto").attr("jid", to).close();
        w.close();
    }
    template(w)
}

/// A request for approval, to an owner (§8.6).
pub(crate) fn approval(from: &str, id: &str, body: &str, form: &Form) -> Option<HeadTemplate> {
    let mut w = message(from, Notification::Normal, id);
    // With a body it waits for an owner who is away.
    w.leaf("body", body);
    form.write(&mut w);
    template(w)
}

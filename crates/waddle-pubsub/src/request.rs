//! What is asked of a service: the payload of an IQ as a value ([XEP-0060](https://xmpp.org/extensions/xep-0060.html) §5.6 to §8.9).

use bytes::Bytes;
use waddle_core::{BareJid, Jid};
use waddle_stanza::{
    Element,
    forms::{Form, FormKind},
    rsm::{PageRequest, Place},
};

use crate::{
    affiliation::Affiliation,
    error::{self, Result},
    ns,
};

/// Bytes of a node's or an item's name.
const NAME: usize = 1_024;
/// Items or entities in one request.
const MANY: usize = 1_000;

/// An item to publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewItem {
    /// Its identifier; the service makes one where there is none.
    pub id: Option<String>,
    /// One self-contained element.
    pub payload: Option<Bytes>,
    /// The namespace of that element.
    pub payload_ns: String,
    /// Whether there was more than one element in it.
    pub crowded: bool,
}

/// A request. Nodes are named by what the client calls them.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "the fields are the attributes of the element of that name"
)]
pub enum Request {
    Subscribe {
        node: String,
        jid: Jid,
        options: Option<Form>,
    },
    Unsubscribe {
        node: String,
        jid: Jid,
        subid: Option<String>,
    },
    Options {
        node: String,
        jid: Jid,
        subid: Option<String>,
        set: Option<Form>,
    },
    /// §6.4: what options a new subscription has.
    DefaultOptions,
    Subscriptions {
        node: Option<String>,
    },
    Affiliations {
        node: Option<String>,
    },
    Items {
        node: String,
        ids: Vec<String>,
        max: Option<usize>,
        page: Option<PageRequest>,
        subid: Option<String>,
    },
    Publish {
        node: String,
        item: Option<NewItem>,
        /// Preconditions (§7.1.5).
        options: Option<Form>,
        /// How the node is configured if it must be made; asks nothing of one that is there.
        defaults: Option<Form>,
    },
    Retract {
        node: String,
        ids: Vec<String>,
        notify: bool,
    },
    Create {
        node: Option<String>,
        config: Option<Form>,
    },
    /// §8.2: the configuration, or a change of it.
    Configure {
        node: String,
        set: Option<Form>,
    },
    /// §8.3: what configuration a new node has.
    DefaultConfig,
    Delete {
        node: String,
        redirect: Option<String>,
    },
    Purge {
        node: String,
    },
    OwnerSubscriptions {
        node: String,
        set: Option<Vec<(Jid, Option<String>, String)>>,
    },
    OwnerAffiliations {
        node: String,
        set: Option<Vec<(BareJid, Affiliation)>>,
    },
}

fn name(e: Element<'_>, attr: &str) -> Result<Option<String>> {
    match e.attr(attr) {
        Some(v) if v.is_empty() => Ok(None),
        Some(v) if v.len() > NAME => Err(error::not_acceptable("the name is too long")),
        v => Ok(v.map(Into::into)),
    }
}

fn node(e: Element<'_>) -> Result<String> {
    name(e, "node")?.ok_or_else(error::nodeid_required)
}

fn jid(e: Element<'_>) -> Result<Jid> {
    let text = e.attr("jid").ok_or_else(error::jid_required)?;
    text.parse().map_err(|_| error::invalid_jid())
}

/// The submitted form in an element; `None`: it was declined, or there is none.
fn form(e: Element<'_>) -> Result<Option<Form>> {
    let Some(x) = e.children().find(|c| c.name() == "x") else {
        return Ok(None);
    };
    let form = Form::read(x).ok_or_else(|| error::bad_request("the form cannot be read"))?;
    match form.kind {
        FormKind::Submit => Ok(Some(form)),
        FormKind::Cancel => Ok(None),
        _ => Err(error::bad_request("the form is not submitted")),
    }
}

fn of_type(form: Option<Form>, form_type: &str) -> Result<Option<Form>> {
    match &form {
        Some(f) if f.form_type().is_some_and(|t| t != form_type) => {
            Err(error::bad_request("the form is of another type"))
        }
        _ => Ok(form),
    }
}

fn flag(e: Element<'_>, attr: &str) -> bool {
    e.attr(attr).is_some_and(|v| v == "1" || v == "true")
}

impl Request {
    /// Reads the `<pubsub/>` element of an IQ of type `set` or `get`.
    pub fn read(pubsub: Element<'_>, set: bool) -> Result<Self> {
        let owner = pubsub.in_ns(ns::OWNER);
        let with_others = |name: &str| {
            let second = match name {
                "configure" => "create",
                "publish-options" => "publish",
                "options" => "subscribe",
                _ => return false,
            };
            !owner && pubsub.has(second, ns::PUBSUB)
        };
        let first = pubsub
            .children()
            .find(|c| c.in_ns(pubsub.ns()) && !with_others(c.name()))
            .ok_or_else(|| error::bad_request("nothing is asked for"))?;
        if owner {
            return Self::read_owner(first, set);
        }
        Self::read_common(pubsub, first, set)
    }

    fn read_common(pubsub: Element<'_>, e: Element<'_>, set: bool) -> Result<Self> {
        let other = |n: &str| pubsub.child(n, ns::PUBSUB);
        Ok(match (e.name(), set) {
            ("subscribe", true) => Self::Subscribe {
                node: node(e)?,
                jid: jid(e)?,
                options: match other("options") {
                    Some(o) => of_type(form(o)?, ns::SUBSCRIBE_OPTIONS)?,
                    None => None,
                },
            },
            ("unsubscribe", true) => Self::Unsubscribe {
                node: node(e)?,
                jid: jid(e)?,
                subid: name(e, "subid")?,
            },
            ("options", _) => Self::Options {
                node: node(e)?,
                jid: jid(e)?,
                subid: name(e, "subid")?,
                set: if set {
                    Some(of_type(form(e)?, ns::SUBSCRIBE_OPTIONS)?.ok_or_else(error::invalid_options)?)
                } else {
                    None
                },
            },
            ("default", false) => Self::DefaultOptions,
            ("subscriptions", false) => Self::Subscriptions {
                node: name(e, "node")?,
            },
            ("affiliations", false) => Self::Affiliations {
                node: name(e, "node")?,
            },
            ("items", false) => Self::read_items(pubsub, e)?,
            ("publish", true) => Self::Publish {
                node: node(e)?,
                item: item(e)?,
                options: match other("publish-options") {
                    Some(o) => of_type(form(o)?, ns::PUBLISH_OPTIONS)?,
                    None => None,
                },
                defaults: None,
            },
            ("retract", true) => {
                let mut ids = Vec::new();
                for i in e.children().filter(|c| c.name() == "item").take(MANY) {
                    ids.push(name(i, "id")?.ok_or_else(error::item_required)?);
                }
                let node = node(e)?;
                if ids.is_empty() {
                    return Err(error::item_required());
                }
                Self::Retract {
                    node,
                    ids,
                    notify: flag(e, "notify"),
                }
            }
            ("create", true) => Self::Create {
                node: name(e, "node")?,
                config: match other("configure") {
                    Some(c) => of_type(form(c)?, ns::NODE_CONFIG)?,
                    None => None,
                },
            },
            ("subscribe" | "unsubscribe" | "publish" | "retract" | "create", false)
            | ("items" | "subscriptions" | "affiliations" | "default", true) => {
                return Err(error::bad_request("the type of the request does not fit"));
            }
            _ => return Err(waddle_stanza::Condition::FeatureNotImplemented.into()),
        })
    }

    fn read_items(pubsub: Element<'_>, e: Element<'_>) -> Result<Self> {
        let max = e
            .attr("max_items")
            .map(|n| n.trim().parse::<usize>())
            .transpose()
            .map_err(|_| error::bad_request("max_items is no number"))?;
        let mut ids = Vec::new();
        for i in e.children().filter(|c| c.name() == "item").take(MANY) {
            ids.push(name(i, "id")?.ok_or_else(error::item_required)?);
        }
        let page = match pubsub.child("set", waddle_stanza::ns::RSM) {
            Some(set) => Some(PageRequest::read(set)?),
            None => None,
        };
        // What an item is called is compared, never read as anything else.
        if let Some(PageRequest {
            place: Place::After(id) | Place::Before(id),
            ..
        }) = &page
            && id.len() > NAME
        {
            return Err(error::not_found());
        }
        Ok(Self::Items {
            node: node(e)?,
            ids,
            max,
            page,
            subid: name(e, "subid")?,
        })
    }

    fn read_owner(e: Element<'_>, set: bool) -> Result<Self> {
        Ok(match (e.name(), set) {
            ("configure", false) => Self::Configure {
                node: node(e)?,
                set: None,
            },
            ("configure", true) => {
                let node = node(e)?;
                let cancelled =
                    waddle_stanza::forms::Form::within(e).is_some_and(|f| f.kind == FormKind::Cancel);
                let form = of_type(form(e)?, ns::NODE_CONFIG)?;
                if form.is_none() && !cancelled {
                    return Err(error::bad_request("there is no form"));
                }
                Self::Configure {
                    node,
                    // Declined: nothing changes.
                    set: Some(form.unwrap_or_else(|| Form::new(FormKind::Submit))),
                }
            }
            ("default", false) => Self::DefaultConfig,
            ("delete", true) => Self::Delete {
                node: node(e)?,
                redirect: match e.child("redirect", ns::OWNER) {
                    Some(r) => name(r, "uri")?,
                    None => None,
                },
            },
            ("purge", true) => Self::Purge { node: node(e)? },
            ("subscriptions", set) => {
                let mut list = Vec::new();
                for s in e.children().filter(|c| c.name() == "subscription").take(MANY) {
                    let state = s.attr("subscription").unwrap_or_default().into_owned();
                    list.push((jid(s)?, name(s, "subid")?, state));
                }
                Self::OwnerSubscriptions {
                    node: node(e)?,
                    set: set.then_some(list),
                }
            }
            ("affiliations", set) => {
                let mut list = Vec::new();
                for a in e.children().filter(|c| c.name() == "affiliation").take(MANY) {
                    let word = a.attr("affiliation").unwrap_or_default();
                    let what = Affiliation::from_name(&word)
                        .ok_or_else(|| error::bad_request("there is no such affiliation"))?;
                    list.push((jid(a)?.bare(), what));
                }
                Self::OwnerAffiliations {
                    node: node(e)?,
                    set: set.then_some(list),
                }
            }
            ("default" | "delete" | "purge", _) => {
                return Err(error::bad_request("the type of the request does not fit"));
            }
            _ => return Err(waddle_stanza::Condition::FeatureNotImplemented.into()),
        })
    }

    /// Whether it changes nothing.
    pub fn reads(&self) -> bool {
        matches!(
            self,
            Self::Options { set: None, .. }
                | Self::DefaultOptions
                | Self::Subscriptions { .. }
                | Self::Affiliations { .. }
                | Self::Items { .. }
                | Self::Configure { set: None, .. }
                | Self::DefaultConfig
                | Self::OwnerSubscriptions { set: None, .. }
                | Self::OwnerAffiliations { set: None, .. }
        )
    }

    /// A publication of one element under this name.
    pub fn publish(node: &str, id: &str, payload: Bytes) -> Self {
        let payload_ns = waddle_stanza::Stanza::parse(payload.clone())
            .map(|s| s.root().ns().to_owned())
            .unwrap_or_default();
        Self::Publish {
            node: node.to_owned(),
            item: Some(NewItem {
                id: Some(id.to_owned()),
                payload: Some(payload),
                payload_ns,
                crowded: false,
            }),
            options: None,
            defaults: None,
        }
    }
}

fn item(publish: Element<'_>) -> Result<Option<NewItem>> {
    let mut items = publish.children().filter(|c| c.name() == "item");
    let Some(i) = items.next() else { return Ok(None) };
    if items.next().is_some() {
        return Err(error::bad_request("one item is published at a time"));
    }
    let mut payloads = i.children();
    let payload = payloads.next();
    Ok(Some(NewItem {
        id: name(i, "id")?,
        payload: payload.map(|p| p.to_bytes()),
        payload_ns: payload.map(|p| p.ns().to_owned()).unwrap_or_default(),
        crowded: payloads.next().is_some(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use waddle_stanza::{Condition, Stanza, StanzaError};

    fn read(xml: &str, set: bool) -> Result<Request> {
        let s = Stanza::parse(xml.to_owned().into()).unwrap();
        Request::read(s.root(), set)
    }

    #[test]
    fn what_cannot_be_read_is_said_precisely() {
        for (body, owner, set, kind, app) in [
            ("", false, true, Condition::BadRequest, None),
            (
                "<subscribe node='n'/>",
                false,
                true,
                Condition::BadRequest,
                Some("jid-required"),
            ),
            (
                "<subscribe node='n' jid='@'/>",
                false,
                true,
                Condition::BadRequest,
                Some("invalid-jid"),
            ),
            (
                "<subscribe jid='a@b'/>",
                false,
                true,
                Condition::BadRequest,
                Some("nodeid-required"),
            ),
            (
                "<subscribe node='n' jid='a@b'/>",
                false,
                false,
                Condition::BadRequest,
                None,
            ),
            (
                "<items node='n' max_items='x'/>",
                false,
                false,
                Condition::BadRequest,
                None,
            ),
            (
                "<publish><item/></publish>",
                false,
                true,
                Condition::BadRequest,
                Some("nodeid-required"),
            ),
            (
                "<publish node='n'><item/><item/></publish>",
                false,
                true,
                Condition::BadRequest,
                None,
            ),
            (
                "<retract node='n'/>",
                false,
                true,
                Condition::BadRequest,
                Some("item-required"),
            ),
            (
                "<retract node='n'><item/></retract>",
                false,
                true,
                Condition::BadRequest,
                Some("item-required"),
            ),
            (
                "<retract><item id='i'/></retract>",
                false,
                true,
                Condition::BadRequest,
                Some("nodeid-required"),
            ),
            (
                "<configure/>",
                true,
                false,
                Condition::BadRequest,
                Some("nodeid-required"),
            ),
            ("<configure node='n'/>", true, true, Condition::BadRequest, None),
            (
                "<delete/>",
                true,
                true,
                Condition::BadRequest,
                Some("nodeid-required"),
            ),
            (
                "<purge/>",
                true,
                true,
                Condition::BadRequest,
                Some("nodeid-required"),
            ),
            (
                "<affiliations node='n'><affiliation jid='a@b' affiliation='king'/></affiliations>",
                true,
                true,
                Condition::BadRequest,
                None,
            ),
            ("<odd/>", false, true, Condition::FeatureNotImplemented, None),
            ("<odd/>", true, true, Condition::FeatureNotImplemented, None),
        ] {
            let ns = if owner { ns::OWNER } else { ns::PUBSUB };
            let xml = ["<pubsub xmlns='", ns, "'>", body, "</pubsub>"].concat();
            let e: StanzaError = read(&xml, set).unwrap_err().into();
            assert_eq!((e.kind, e.app.map(|a| a.0)), (kind, app), "{body}");
        }
    }

    #[test]
    fn a_publication() {
        let r = read(
            "<pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='n'><item id='i' publisher='x@y'>\
             <a xmlns='urn:a'>1</a></item></publish></pubsub>",
            true,
        )
        .unwrap();
        assert_eq!(
            r,
            Request::publish("n", "i", Bytes::from_static(b"<a xmlns='urn:a'>1</a>"))
        );
    }
}

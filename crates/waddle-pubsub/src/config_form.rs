//! A node's configuration as a data form: [XEP-0060 §16.4.4](https://xmpp.org/extensions/xep-0060.html#registrar-formtypes-config).

use waddle_core::{Jid, Limits};
use waddle_stanza::forms::{Field, FieldKind, Form, FormKind};

use crate::{
    config::{Access, Config, ItemReply, Notification, OrMax, PublishModel, SendLast, WhenFull},
    error::{self, Error, Result},
    ns,
};

/// Bytes of one text in a configuration.
const TEXT: usize = 4_096;
/// Values of a field that takes several.
const VALUES: usize = 100;

type Options = &'static [(&'static str, &'static str)];

struct Row {
    var: &'static str,
    label: &'static str,
    kind: FieldKind,
    options: Options,
}

const fn row(var: &'static str, label: &'static str, kind: FieldKind) -> Row {
    Row {
        var,
        label,
        kind,
        options: &[],
    }
}

const fn choice(var: &'static str, label: &'static str, options: Options) -> Row {
    Row {
        var,
        label,
        kind: FieldKind::ListSingle,
        options,
    }
}

use FieldKind::{Boolean, JidMulti, ListMulti, ListSingle, TextSingle};

const ROWS: &[Row] = &[
    row("pubsub#title", "A name for the node", TextSingle),
    row("pubsub#description", "A description of the node", TextSingle),
    row("pubsub#type", "Namespace of the payloads", TextSingle),
    row("pubsub#language", "Language of the node", ListSingle),
    row("pubsub#contact", "Whom to ask about the node", JidMulti),
    choice(
        "pubsub#access_model",
        "Who may subscribe and retrieve items",
        Access::OPTIONS,
    ),
    row(
        "pubsub#roster_groups_allowed",
        "Roster groups that may subscribe and retrieve items",
        ListMulti,
    ),
    choice("pubsub#publish_model", "Who may publish", PublishModel::OPTIONS),
    row("pubsub#persist_items", "Keep items", Boolean),
    row("pubsub#max_items", "Items that are kept, or max", TextSingle),
    row(
        "pubsub#item_expire",
        "Seconds that items are kept, or max",
        TextSingle,
    ),
    choice(
        "pubsub#publish_node_full",
        "What happens when a full node gets another item",
        WhenFull::OPTIONS,
    ),
    choice(
        "pubsub#send_last_published_item",
        "When the last item is sent by itself",
        SendLast::OPTIONS,
    ),
    row(
        "pubsub#deliver_payloads",
        "Notifications hold the payload",
        Boolean,
    ),
    row("pubsub#deliver_notifications", "Send notifications", Boolean),
    row("pubsub#notify_retract", "Notify of removed items", Boolean),
    row("pubsub#notify_delete", "Notify when the node is deleted", Boolean),
    row("pubsub#notify_config", "Notify of a new configuration", Boolean),
    row("pubsub#notify_sub", "Tell owners of subscribers", Boolean),
    choice(
        "pubsub#itemreply",
        "Whom a reply to an item goes to",
        ItemReply::OPTIONS,
    ),
    row(
        "pubsub#purge_offline",
        "Items go when their publisher goes offline",
        Boolean,
    ),
    row(
        "pubsub#presence_based_delivery",
        "Notify only who is available",
        Boolean,
    ),
    row("pubsub#subscribe", "Allow subscriptions", Boolean),
    row("pubsub#max_payload_size", "Bytes of a payload", TextSingle),
    choice(
        "pubsub#notification_type",
        "Type of notifications",
        Notification::OPTIONS,
    ),
    Row {
        var: "pubsub#node_type",
        label: "The kind of node",
        kind: FieldKind::ListSingle,
        options: &[("leaf", "A node with items")],
    },
];

fn flag(b: bool) -> Vec<String> {
    vec![if b { "1" } else { "0" }.to_owned()]
}

fn text(t: &str) -> Vec<String> {
    if t.is_empty() {
        Vec::new()
    } else {
        vec![t.to_owned()]
    }
}

/// The values of a field; `None`: there is no such field.
fn values(c: &Config, var: &str) -> Option<Vec<String>> {
    Some(match var.strip_prefix("pubsub#")? {
        "title" => text(&c.title),
        "description" => text(&c.description),
        "type" => text(&c.payload_type),
        "language" => text(&c.language),
        "contact" => c.contact.clone(),
        "access_model" => text(c.access_model.name()),
        "roster_groups_allowed" => c.roster_groups_allowed.clone(),
        "publish_model" => text(c.publish_model.name()),
        "persist_items" => flag(c.persist_items),
        "max_items" => vec![c.max_items.text()],
        "item_expire" => vec![c.item_expire.text()],
        "publish_node_full" => text(c.publish_node_full.name()),
        "send_last_published_item" => text(c.send_last_published_item.name()),
        "deliver_payloads" => flag(c.deliver_payloads),
        "deliver_notifications" => flag(c.deliver_notifications),
        "notify_retract" => flag(c.notify_retract),
        "notify_delete" => flag(c.notify_delete),
        "notify_config" => flag(c.notify_config),
        "notify_sub" => flag(c.notify_sub),
        "itemreply" => c.itemreply.map(|r| text(r.name())).unwrap_or_default(),
        "purge_offline" => flag(c.purge_offline),
        "presence_based_delivery" => flag(c.presence_based_delivery),
        "subscribe" => flag(c.subscribe),
        "max_payload_size" => c
            .max_payload_size
            .map(|n| vec![n.to_string()])
            .unwrap_or_default(),
        "notification_type" => text(c.notification_type.name()),
        "node_type" => text("leaf"),
        _ => return None,
    })
}

/// Whether a submission may stand for a form's field.
fn boolean(v: &str) -> Option<bool> {
    match v {
        "1" | "true" => Some(true),
        "0" | "false" => Some(false),
        _ => None,
    }
}

fn wrong(var: &str) -> Error {
    error::not_acceptable(&["the value of ", var, " is not allowed"].concat())
}

/// Sets a field. Fields that are not known here are an error.
fn set(c: &mut Config, var: &str, given: &[String], limits: &Limits) -> Result<()> {
    let bad = || wrong(var);
    if given.len() > VALUES || given.iter().any(|v| v.len() > TEXT) {
        return Err(bad());
    }
    let first = given.first().map_or("", String::as_str).trim();
    let yes = || boolean(first).ok_or_else(bad);
    match var.strip_prefix("pubsub#").unwrap_or_default() {
        "title" => first.clone_into(&mut c.title),
        "description" => given.join("\n").clone_into(&mut c.description),
        "type" => first.clone_into(&mut c.payload_type),
        "language" => first.clone_into(&mut c.language),
        "contact" => {
            if given.iter().any(|v| v.parse::<Jid>().is_err()) {
                return Err(bad());
            }
            c.contact = given.to_vec();
        }
        "access_model" => {
            c.access_model = Access::from_name(first).ok_or_else(|| {
                waddle_stanza::StanzaError::new(waddle_stanza::Condition::NotAcceptable)
                    .app("unsupported-access-model", ns::ERRORS)
            })?;
        }
        "roster_groups_allowed" => c.roster_groups_allowed = given.to_vec(),
        "publish_model" => c.publish_model = PublishModel::from_name(first).ok_or_else(bad)?,
        "persist_items" => c.persist_items = yes()?,
        "max_items" => {
            c.max_items = OrMax::read(first)
                .filter(|m| !matches!(m, OrMax::Is(n) if *n as usize > limits.pubsub_items_per_node))
                .ok_or_else(bad)?;
        }
        "item_expire" => {
            c.item_expire = if first.is_empty() {
                OrMax::Max
            } else {
                OrMax::read(first).ok_or_else(bad)?
            };
        }
        "publish_node_full" => c.publish_node_full = WhenFull::from_name(first).ok_or_else(bad)?,
        "send_last_published_item" => {
            c.send_last_published_item = SendLast::from_name(first).ok_or_else(bad)?;
        }
        "deliver_payloads" => c.deliver_payloads = yes()?,
        "deliver_notifications" => c.deliver_notifications = yes()?,
        "notify_retract" => c.notify_retract = yes()?,
        "notify_delete" => c.notify_delete = yes()?,
        "notify_config" => c.notify_config = yes()?,
        "notify_sub" => c.notify_sub = yes()?,
        "itemreply" if first.is_empty() => c.itemreply = None,
        "itemreply" => c.itemreply = Some(ItemReply::from_name(first).ok_or_else(bad)?),
        "purge_offline" => c.purge_offline = yes()?,
        "presence_based_delivery" => c.presence_based_delivery = yes()?,
        "subscribe" => c.subscribe = yes()?,
        "max_payload_size" if first.is_empty() => c.max_payload_size = None,
        "max_payload_size" => {
            let n: u32 = first.parse().map_err(|_| bad())?;
            if n as usize > limits.pubsub_payload_bytes {
                return Err(bad());
            }
            c.max_payload_size = Some(n);
        }
        "notification_type" => {
            c.notification_type = Notification::from_name(first).ok_or_else(bad)?;
        }
        "node_type" if first == "leaf" || first.is_empty() => {}
        "node_type" => return Err(error::unsupported("collections")),
        // Fields of collections, which clients send back as they got them elsewhere: empty, they ask for nothing.
        "collection"
        | "children"
        | "children_association_policy"
        | "children_association_whitelist"
        | "children_max"
        | "body_xslt"
        | "dataform_xslt"
        | "tempsub"
            if first.is_empty() || first == "0" || first == "false" => {}
        _ => return Err(error::not_acceptable(&["there is no field ", var].concat())),
    }
    Ok(())
}

impl Config {
    /// As a form of this kind: to fill out, or for information.
    pub fn to_form(&self, kind: FormKind) -> Form {
        let mut form = Form::of_type(kind, ns::NODE_CONFIG);
        for r in ROWS {
            let mut f = Field::new(r.var, r.kind).label(r.label);
            f.values = values(self, r.var).unwrap_or_default();
            if kind == FormKind::Form {
                for (word, label) in r.options {
                    f = f.option(Some(label), word);
                }
            }
            form.fields.push(f);
        }
        form
    }

    /// What a submitted form changes of it; fields that are not there stay. Answers `not-acceptable` for unknown
    /// fields and values.
    pub fn with_form(&self, form: &Form, limits: &Limits) -> Result<Self> {
        let mut c = self.clone();
        for f in &form.fields {
            match f.var.as_deref() {
                None | Some("FORM_TYPE") => {}
                Some(var) => set(&mut c, var, &f.values, limits)?,
            }
        }
        Ok(c)
    }

    /// Whether every field of `form` has its value here (§7.1.5).
    pub fn meets(&self, form: &Form, limits: &Limits) -> Result<bool> {
        Ok(self.with_form(form, limits)? == *self)
    }

    /// What of it is shown to everybody who may see the node (§5.4).
    pub(crate) fn meta_data(&self) -> Form {
        let mut form = Form::of_type(FormKind::Result, ns::META_DATA);
        for var in [
            "pubsub#title",
            "pubsub#description",
            "pubsub#type",
            "pubsub#language",
            "pubsub#contact",
            "pubsub#access_model",
            "pubsub#publish_model",
            "pubsub#max_items",
        ] {
            if let Some(r) = ROWS.iter().find(|r| r.var == var) {
                let mut f = Field::new(var, r.kind).label(r.label);
                f.values = values(self, var).unwrap_or_default();
                if !f.values.is_empty() {
                    form.fields.push(f);
                }
            }
        }
        form
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn submit(fields: &[(&str, &[&str])]) -> Form {
        let mut f = Form::of_type(FormKind::Submit, ns::NODE_CONFIG);
        for (var, values) in fields {
            let mut field = Field::new(var, TextSingle);
            field.values = values.iter().map(|v| (*v).to_owned()).collect();
            f.fields.push(field);
        }
        f
    }

    #[test]
    fn every_field_comes_back() {
        let limits = Limits::default();
        for c in [Config::default(), Config::personal()] {
            let form = c.to_form(FormKind::Form);
            assert_eq!(c.with_form(&form, &limits).unwrap(), c);
            assert!(c.meets(&form, &limits).unwrap());
        }
    }

    #[test]
    fn fields_are_set_and_refused() {
        let limits = Limits::default();
        let base = Config::default();
        let c = base
            .with_form(
                &submit(&[
                    ("pubsub#access_model", &["roster"]),
                    ("pubsub#roster_groups_allowed", &["a", "b"]),
                    ("pubsub#max_items", &["max"]),
                    ("pubsub#persist_items", &["false"]),
                    ("pubsub#item_expire", &["604800"]),
                ]),
                &limits,
            )
            .unwrap();
        assert_eq!(c.access_model, Access::Roster);
        assert_eq!(c.roster_groups_allowed, ["a", "b"]);
        assert_eq!((c.max_items, c.persist_items), (OrMax::Max, false));
        for (var, value) in [
            ("pubsub#access_model", "odd"),
            ("pubsub#max_items", "-1"),
            ("pubsub#max_items", "1000000"),
            ("pubsub#max_payload_size", "999999999"),
            ("pubsub#persist_items", "maybe"),
            ("pubsub#odd", "1"),
            ("pubsub#node_type", "collection"),
            ("odd", "1"),
        ] {
            assert!(
                base.with_form(&submit(&[(var, &[value])]), &limits).is_err(),
                "{var}"
            );
        }
        assert!(
            !base
                .meets(&submit(&[("pubsub#max_items", &["max"])]), &limits)
                .unwrap()
        );
    }
}

//! Service discovery ([XEP-0030](https://xmpp.org/extensions/xep-0030.html)) and entity capabilities
//! ([XEP-0115](https://xmpp.org/extensions/xep-0115.html)).

use base64::{Engine, engine::general_purpose::STANDARD};
use ring::digest;

use crate::{Element, XmlWriter, forms::Form, ns, rsm::PageResult};

/// What an entity is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity {
    /// Category of the registry, `conference`.
    pub category: String,
    /// Type within the category, `text`.
    pub type_: String,
    /// The name's language.
    pub lang: Option<String>,
    /// A name to show.
    pub name: Option<String>,
}

impl Identity {
    /// An identity with a name.
    pub fn new(category: &str, type_: &str, name: &str) -> Self {
        Self {
            category: category.to_owned(),
            type_: type_.to_owned(),
            lang: None,
            name: (!name.is_empty()).then(|| name.to_owned()),
        }
    }
}

/// What an entity is and can do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DiscoInfo {
    /// The node that was asked.
    pub node: Option<String>,
    /// What it is.
    pub identities: Vec<Identity>,
    /// What it can do.
    pub features: Vec<String>,
    /// More about it (XEP-0128).
    pub forms: Vec<Form>,
}

impl DiscoInfo {
    /// Reads a `<query/>` element.
    pub fn read(query: Element<'_>) -> Option<Self> {
        if !query.is("query", ns::DISCO_INFO) {
            return None;
        }
        let mut info = Self {
            node: query.attr("node").map(Into::into),
            ..Self::default()
        };
        for c in query.children() {
            if c.is("identity", ns::DISCO_INFO) {
                info.identities.push(Identity {
                    category: c.attr("category")?.into(),
                    type_: c.attr("type")?.into(),
                    lang: c.lang().map(Into::into),
                    name: c.attr("name").map(Into::into),
                });
            } else if c.is("feature", ns::DISCO_INFO) {
                info.features.push(c.attr("var")?.into());
            } else {
                info.forms.extend(Form::read(c));
            }
        }
        Some(info)
    }

    /// Writes the `<query/>` element.
    pub fn write(&self, w: &mut XmlWriter) {
        w.open_ns("query", ns::DISCO_INFO)
            .attr_opt("node", self.node.as_deref());
        for i in &self.identities {
            w.open("identity")
                .attr("category", &i.category)
                .attr("type", &i.type_);
            w.attr_opt("xml:lang", i.lang.as_deref())
                .attr_opt("name", i.name.as_deref())
                .close();
        }
        for f in &self.features {
            w.open("feature").attr("var", f).close();
        }
        for f in &self.forms {
            f.write(w);
        }
        w.close();
    }

    /// The verification string of XEP-0115 §5.1 with SHA-1; `None` where §5.4 calls the information ill-formed.
    pub fn caps_ver(&self) -> Option<String> {
        let mut identities: Vec<_> = self
            .identities
            .iter()
            .map(|i| {
                let part = |o: &Option<String>| o.clone().unwrap_or_default();
                [i.category.clone(), i.type_.clone(), part(&i.lang), part(&i.name)]
            })
            .collect();
        identities.sort_unstable();
        let mut features: Vec<&str> = self.features.iter().map(String::as_str).collect();
        features.sort_unstable();
        let mut forms = Vec::new();
        for f in &self.forms {
            let Some(field) = f.get("FORM_TYPE") else { continue };
            let kind = field.values.first()?;
            if field.values.iter().any(|v| v != kind) {
                return None;
            }
            // A form type that is not hidden does not count (§5.4, 3.6).
            if field.kind.is_none_or(|k| k == crate::forms::FieldKind::Hidden) {
                forms.push((kind.as_str(), f));
            }
        }
        forms.sort_unstable_by_key(|f| f.0);
        let twice = identities.windows(2).any(|p| p[0] == p[1])
            || features.windows(2).any(|p| p[0] == p[1])
            || forms.windows(2).any(|p| p[0].0 == p[1].0);
        if twice {
            return None;
        }
        let mut s = String::new();
        let mut add = |text: &str| {
            s.push_str(text);
            s.push('<');
        };
        for i in &identities {
            add(&i.join("/"));
        }
        for f in features {
            add(f);
        }
        for (kind, form) in forms {
            add(kind);
            let mut fields: Vec<_> = form
                .fields
                .iter()
                .filter(|f| f.var.as_deref() != Some("FORM_TYPE"))
                .collect();
            fields.sort_unstable_by_key(|f| f.var.as_deref().unwrap_or_default());
            for f in fields {
                add(f.var.as_deref().unwrap_or_default());
                let mut values: Vec<&str> = f.values.iter().map(String::as_str).collect();
                values.sort_unstable();
                for v in values {
                    add(v);
                }
            }
        }
        let hash = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, s.as_bytes());
        Some(STANDARD.encode(hash.as_ref()))
    }
}

/// A `<c/>` of a presence: where the entity's abilities can be asked and what they hash to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Caps {
    /// The software, a URI.
    pub node: String,
    /// The verification string.
    pub ver: String,
    /// The hash, `sha-1`.
    pub hash: String,
}

impl Caps {
    /// The capabilities of information, by SHA-1; `None` where it is ill-formed.
    pub fn of(node: &str, info: &DiscoInfo) -> Option<Self> {
        Some(Self {
            node: node.to_owned(),
            ver: info.caps_ver()?,
            hash: "sha-1".to_owned(),
        })
    }

    /// The capabilities among the children of a presence.
    pub fn within(presence: Element<'_>) -> Option<Self> {
        let c = presence.child("c", ns::CAPS)?;
        Some(Self {
            node: c.attr("node")?.into(),
            ver: c.attr("ver")?.into(),
            hash: c.attr("hash")?.into(),
        })
    }

    /// Writes the `<c/>` element.
    pub fn write(&self, w: &mut XmlWriter) {
        w.open_ns("c", ns::CAPS)
            .attr("hash", &self.hash)
            .attr("node", &self.node)
            .attr("ver", &self.ver)
            .close();
    }

    /// The node to ask: `node#ver`.
    pub fn disco_node(&self) -> String {
        [&self.node, "#", &self.ver].concat()
    }
}

/// An item of an entity.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DiscoItem {
    /// Its address.
    pub jid: String,
    /// Its node.
    pub node: Option<String>,
    /// A name to show.
    pub name: Option<String>,
}

/// The items of an entity.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DiscoItems {
    /// The node that was asked.
    pub node: Option<String>,
    /// The items of this page.
    pub items: Vec<DiscoItem>,
    /// Which page it is.
    pub page: Option<PageResult>,
}

impl DiscoItems {
    /// Reads a `<query/>` element.
    pub fn read(query: Element<'_>) -> Option<Self> {
        if !query.is("query", ns::DISCO_ITEMS) {
            return None;
        }
        let item = |c: Element<'_>| {
            Some(DiscoItem {
                jid: c.attr("jid")?.into(),
                node: c.attr("node").map(Into::into),
                name: c.attr("name").map(Into::into),
            })
        };
        Some(Self {
            node: query.attr("node").map(Into::into),
            items: query
                .children()
                .filter(|c| c.is("item", ns::DISCO_ITEMS))
                .filter_map(item)
                .collect(),
            page: query.child("set", ns::RSM).map(PageResult::read),
        })
    }

    /// Writes the `<query/>` element.
    pub fn write(&self, w: &mut XmlWriter) {
        w.open_ns("query", ns::DISCO_ITEMS)
            .attr_opt("node", self.node.as_deref());
        for i in &self.items {
            w.open("item")
                .attr("jid", &i.jid)
                .attr_opt("node", i.node.as_deref());
            w.attr_opt("name", i.name.as_deref()).close();
        }
        if let Some(page) = &self.page {
            page.write(w);
        }
        w.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Stanza;

    fn info(xml: &'static str) -> DiscoInfo {
        DiscoInfo::read(Stanza::parse(xml.into()).unwrap().root()).unwrap()
    }

    /// XEP-0115 §5.2.
    #[test]
    fn simple_vector() {
        let i = info(
            "<query xmlns='http://jabber.org/protocol/disco#info' node='http://code.google.com/p/exodus#QgayPKawpkPSDYmwT/WM94uAlu0='>\
             <identity category='client' name='Exodus 0.9.1' type='pc'/>\
             <feature var='http://jabber.org/protocol/caps'/><feature var='http://jabber.org/protocol/disco#info'/>\
             <feature var='http://jabber.org/protocol/disco#items'/><feature var='http://jabber.org/protocol/muc'/></query>",
        );
        let caps = Caps::of("http://code.google.com/p/exodus", &i).unwrap();
        assert_eq!(caps.ver, "QgayPKawpkPSDYmwT/WM94uAlu0=");
        assert_eq!(Some(caps.disco_node()), i.node);
        let mut w = XmlWriter::presence();
        caps.write(&mut w);
        assert_eq!(
            Caps::within(Stanza::parse(w.finish()).unwrap().root()),
            Some(caps)
        );
    }

    /// XEP-0115 §5.3.
    #[test]
    fn complex_vector() {
        let i = info(
            "<query xmlns='http://jabber.org/protocol/disco#info'>\
             <identity xml:lang='en' category='client' name='Psi 0.11' type='pc'/>\
             <identity xml:lang='el' category='client' name='&#x3A8; 0.11' type='pc'/>\
             <feature var='http://jabber.org/protocol/caps'/><feature var='http://jabber.org/protocol/disco#info'/>\
             <feature var='http://jabber.org/protocol/disco#items'/><feature var='http://jabber.org/protocol/muc'/>\
             <x xmlns='jabber:x:data' type='result'><field var='FORM_TYPE' type='hidden'><value>urn:xmpp:dataforms:softwareinfo</value></field>\
             <field var='ip_version' type='text-multi'><value>ipv4</value><value>ipv6</value></field>\
             <field var='os'><value>Mac</value></field><field var='os_version'><value>10.5.1</value></field>\
             <field var='software'><value>Psi</value></field><field var='software_version'><value>0.11</value></field></x></query>",
        );
        assert_eq!(i.caps_ver().as_deref(), Some("q07IKJEyjvHSyhy//CH0CxmKi8w="));
        let mut w = XmlWriter::new();
        i.write(&mut w);
        assert_eq!(
            DiscoInfo::read(Stanza::parse(w.finish()).unwrap().root()),
            Some(i)
        );
    }

    #[test]
    fn ill_formed() {
        let mut i = DiscoInfo {
            features: vec!["a".into(), "a".into()],
            ..DiscoInfo::default()
        };
        assert_eq!(i.caps_ver(), None);
        i.features.pop();
        assert!(i.caps_ver().is_some());
        i.identities = vec![Identity::new("a", "b", ""), Identity::new("a", "b", "")];
        assert_eq!(i.caps_ver(), None);
    }

    #[test]
    fn items() {
        let items = DiscoItems {
            node: None,
            items: vec![DiscoItem {
                jid: "a@b".into(),
                node: None,
                name: Some("A".into()),
            }],
            page: Some(PageResult {
                count: Some(1),
                ..PageResult::default()
            }),
        };
        let mut w = XmlWriter::new();
        items.write(&mut w);
        assert_eq!(
            DiscoItems::read(Stanza::parse(w.finish()).unwrap().root()),
            Some(items)
        );
    }
}

//! Message archives: [XEP-0313](https://xmpp.org/extensions/xep-0313.html), queries and their ends as values.

use waddle_core::{Jid, Timestamp};

use crate::{
    Class, Condition, Delay, Element, Outgoing, StanzaError, XmlWriter,
    forms::{Field, FieldKind, Form, FormKind},
    forward, ns,
    rsm::{PageRequest, PageResult},
};

/// A query of an archive.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MamQuery {
    /// What every result repeats.
    pub queryid: Option<String>,
    /// The archive's node.
    pub node: Option<String>,
    /// Not before this time.
    pub start: Option<Timestamp>,
    /// Not after this time.
    pub end: Option<Timestamp>,
    /// Only messages with this address.
    pub with: Option<Jid>,
    /// Only messages in front of this id.
    pub before_id: Option<String>,
    /// Only messages behind this id.
    pub after_id: Option<String>,
    /// Only these messages.
    pub ids: Vec<String>,
    /// Only messages with these words (XEP-0431).
    pub fulltext: Option<String>,
    /// Whether messages of rooms are wanted too; only archives of accounts know it.
    pub include_groupchat: Option<bool>,
    /// The latest first.
    pub flip_page: bool,
    /// Which page.
    pub page: PageRequest,
}

/// XEP-0431: the feature, and with its field's name behind it in braces the field.
pub const FULLTEXT: &str = "urn:xmpp:fulltext:0";
/// XEP-0431 §3.1.
const FULLTEXT_FIELD: &str = "{urn:xmpp:fulltext:0}fulltext";

/// More ids than this in one query are `bad-request`.
const MAX_IDS: usize = 256;

fn bad(text: &str) -> StanzaError {
    StanzaError::new(Condition::BadRequest).text(text)
}

impl MamQuery {
    /// Reads a `<query/>` of an `<iq type="set"/>`. A field that is not readable is `bad-request`, an unknown field
    /// `feature-not-implemented`, an address that is none `jid-malformed`.
    pub fn read(query: Element<'_>) -> Result<Self, StanzaError> {
        if !query.is("query", ns::MAM) {
            return Err(bad("This is no archive query."));
        }
        let mut q = Self {
            queryid: query.attr("queryid").map(Into::into),
            node: query.attr("node").map(Into::into),
            flip_page: query.has("flip-page", ns::MAM),
            page: PageRequest::within(query)?,
            ..Self::default()
        };
        let Some(x) = query.child("x", ns::DATA) else {
            return Ok(q);
        };
        let form = Form::read(x)
            .filter(|f| f.kind == FormKind::Submit)
            .ok_or_else(|| bad("The form is not readable."))?;
        if form.form_type() != Some(ns::MAM) {
            return Err(bad("FORM_TYPE must be urn:xmpp:mam:2."));
        }
        let time = |v: &str| {
            v.parse()
                .map_err(|_| bad("A time is not readable; write it as in 2026-01-31T12:00:00Z."))
        };
        for f in &form.fields {
            let value = f.values.first().map(String::as_str);
            match (f.var.as_deref().unwrap_or_default(), value) {
                ("FORM_TYPE", _) => {}
                (
                    "start" | "end" | "with" | "before-id" | "after-id" | "ids" | "include-groupchat"
                    | FULLTEXT_FIELD,
                    None,
                ) => {}
                (FULLTEXT_FIELD, Some(v)) => {
                    q.fulltext = Some(v.trim().to_owned()).filter(|v| !v.is_empty());
                }
                ("start", Some(v)) => q.start = Some(time(v)?),
                ("end", Some(v)) => q.end = Some(time(v)?),
                ("with", Some(v)) => {
                    q.with = Some(v.parse().map_err(|_| StanzaError::new(Condition::JidMalformed))?);
                }
                ("before-id", Some(v)) => q.before_id = Some(v.to_owned()),
                ("after-id", Some(v)) => q.after_id = Some(v.to_owned()),
                ("include-groupchat", Some(v)) => {
                    q.include_groupchat = Some(match v {
                        "1" | "true" => true,
                        "0" | "false" => false,
                        _ => return Err(bad("include-groupchat is true or false.")),
                    });
                }
                ("ids", _) if f.values.len() <= MAX_IDS => q.ids.clone_from(&f.values),
                ("ids", _) => return Err(bad("Too many ids.")),
                _ => {
                    return Err(StanzaError::new(Condition::FeatureNotImplemented)
                        .text("A field of the query is not supported."));
                }
            }
        }
        Ok(q)
    }

    /// Writes the `<query/>` element.
    pub fn write(&self, w: &mut XmlWriter) {
        w.open_ns("query", ns::MAM)
            .attr_opt("queryid", self.queryid.as_deref())
            .attr_opt("node", self.node.as_deref());
        let mut form = Form::of_type(FormKind::Submit, ns::MAM);
        let texts = [
            ("start", self.start.map(|t| t.to_string())),
            ("end", self.end.map(|t| t.to_string())),
            ("with", self.with.as_ref().map(ToString::to_string)),
            ("before-id", self.before_id.clone()),
            ("after-id", self.after_id.clone()),
            (FULLTEXT_FIELD, self.fulltext.clone()),
        ];
        for (var, value) in texts {
            if let Some(value) = value {
                form = form.field(Field {
                    var: Some(var.to_owned()),
                    values: vec![value],
                    ..Field::default()
                });
            }
        }
        if let Some(yes) = self.include_groupchat {
            form = form.field(Field::new("include-groupchat", FieldKind::Boolean).flag(yes));
        }
        if !self.ids.is_empty() {
            form = form.field(Field {
                var: Some("ids".to_owned()),
                values: self.ids.clone(),
                ..Field::default()
            });
        }
        form.write(w);
        if self.page != PageRequest::default() {
            self.page.write(w);
        }
        if self.flip_page {
            w.open("flip-page").close();
        }
        w.close();
    }

    /// The fields that a query may have, for the answer to `<iq type="get"/>`; `groupchat` where the archive knows
    /// `include-groupchat`.
    pub fn write_form(w: &mut XmlWriter, groupchat: bool) {
        w.open_ns("x", ns::DATA).attr("type", "form");
        w.open("field").attr("type", "hidden").attr("var", "FORM_TYPE");
        w.leaf("value", ns::MAM).close();
        for (var, kind) in [
            ("with", FieldKind::JidSingle),
            ("start", FieldKind::TextSingle),
            ("end", FieldKind::TextSingle),
            ("before-id", FieldKind::TextSingle),
            ("after-id", FieldKind::TextSingle),
            ("ids", FieldKind::ListMulti),
            (FULLTEXT_FIELD, FieldKind::TextSingle),
            ("include-groupchat", FieldKind::Boolean),
        ] {
            if var == "include-groupchat" && !groupchat {
                continue;
            }
            w.open("field").attr("type", kind.name()).attr("var", var);
            if kind == FieldKind::ListMulti {
                // XEP-0122: the client brings its own.
                w.open_ns("validate", "http://jabber.org/protocol/xdata-validate")
                    .attr("datatype", "xs:string");
                w.open("open").close().close();
            }
            w.close();
        }
        w.close();
    }
}

/// One result: a message to `to` from the archive at `from` that holds `stanza`, self-contained bytes as stored.
pub fn result(
    from: Option<&str>,
    to: &str,
    queryid: Option<&str>,
    id: &str,
    stamp: Timestamp,
    stanza: &[u8],
) -> Outgoing {
    let mut w = XmlWriter::with_capacity(stanza.len() + to.len() + 320);
    w.open_ns("message", ns::CLIENT)
        .attr_opt("from", from)
        .attr("to", to);
    w.open_ns("result", ns::MAM)
        .attr_opt("queryid", queryid)
        .attr("id", id);
    forward::write(&mut w, Some(&Delay::at(stamp)), stanza);
    w.outgoing(Class::Message)
}

/// The end of a query's results.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MamFin {
    /// Whether nothing is left in this direction.
    pub complete: bool,
    /// Whether what was given may still change; only `false` is written.
    pub unstable: bool,
    /// Which page it was.
    pub page: PageResult,
}

impl MamFin {
    /// Writes the `<fin/>` element.
    pub fn write(&self, w: &mut XmlWriter) {
        w.open_ns("fin", ns::MAM)
            .attr_opt("complete", self.complete.then_some("true"));
        w.attr_opt("stable", self.unstable.then_some("false"));
        self.page.write(w);
        w.close();
    }

    /// Reads a `<fin/>` element.
    pub fn read(e: Element<'_>) -> Option<Self> {
        e.is("fin", ns::MAM).then(|| Self {
            complete: e.attr("complete").is_some_and(|v| matches!(&*v, "true" | "1")),
            unstable: e.attr("stable").is_some_and(|v| matches!(&*v, "false" | "0")),
            page: e.child("set", ns::RSM).map(PageResult::read).unwrap_or_default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Stanza, rsm::Place};

    #[test]
    fn round_trip() {
        let q = MamQuery {
            queryid: Some("q".into()),
            start: Some("2026-01-01T00:00:00Z".parse().unwrap()),
            end: Some("2026-01-02T00:00:00Z".parse().unwrap()),
            with: Some("a@b".parse().unwrap()),
            before_id: Some("1".into()),
            after_id: Some("2".into()),
            ids: vec!["3".into(), "4".into()],
            fulltext: Some("a \"b c\"".into()),
            include_groupchat: Some(false),
            flip_page: true,
            page: PageRequest {
                max: Some(5),
                place: Place::Last,
                before: None,
            },
            node: None,
        };
        let mut w = XmlWriter::new();
        q.write(&mut w);
        assert_eq!(MamQuery::read(Stanza::parse(w.finish()).unwrap().root()), Ok(q));
        let empty = Stanza::parse("<query xmlns='urn:xmpp:mam:2'/>".into()).unwrap();
        assert_eq!(MamQuery::read(empty.root()), Ok(MamQuery::default()));
    }

    #[test]
    fn errors() {
        for (field, value, kind) in [
            ("start", "yesterday", Condition::BadRequest),
            ("with", "@", Condition::JidMalformed),
            ("include-groupchat", "perhaps", Condition::BadRequest),
            ("colour", "red", Condition::FeatureNotImplemented),
        ] {
            let mut w = XmlWriter::new();
            w.open_ns("query", ns::MAM);
            Form::of_type(FormKind::Submit, ns::MAM)
                .field(Field::new(field, FieldKind::TextSingle).value(value))
                .write(&mut w);
            let s = Stanza::parse(w.finish()).unwrap();
            assert_eq!(MamQuery::read(s.root()).unwrap_err().kind, kind, "{field}");
        }
        let s = Stanza::parse(
            "<query xmlns='urn:xmpp:mam:2'><x xmlns='jabber:x:data' type='submit'/></query>".into(),
        )
        .unwrap();
        assert_eq!(MamQuery::read(s.root()).unwrap_err().kind, Condition::BadRequest);
    }

    #[test]
    fn results() {
        let fin = MamFin {
            complete: true,
            unstable: false,
            page: PageResult {
                first: Some(("a".into(), None)),
                last: Some("b".into()),
                count: None,
            },
        };
        let mut w = XmlWriter::new();
        fin.write(&mut w);
        assert_eq!(MamFin::read(Stanza::parse(w.finish()).unwrap().root()), Some(fin));
        let inner = Stanza::parse("<message><body>x</body></message>".into())
            .unwrap()
            .head()
            .build()
            .concat();
        let out = result(Some("r@m"), "a@b/c", Some("q"), "id1", Timestamp(0), &inner);
        assert_eq!(
            out.concat(),
            "<message xmlns=\"jabber:client\" from=\"r@m\" to=\"a@b/c\"><result xmlns=\"urn:xmpp:mam:2\" queryid=\"q\" id=\"id1\">\
             <forwarded xmlns=\"urn:xmpp:forward:0\"><delay xmlns=\"urn:xmpp:delay\" stamp=\"1970-01-01T00:00:00Z\"/>\
             <message xmlns=\"jabber:client\"><body>x</body></message></forwarded></result></message>"
        );
    }
}

//! Finding rooms by words ([XEP-0433](https://xmpp.org/extensions/xep-0433.html)): name, description, address.
//!
//! What is found is what the list of rooms would show the asker, no more.

use std::sync::Arc;

use waddle_stanza::{
    Class, Condition, ErrorType, Outgoing, StanzaError, XmlWriter,
    forms::{Field, FieldKind, Form, FormKind},
    rsm::{PageRequest, PageResult},
};

use crate::{
    api::Arrived,
    rooms::Inner,
    service::{self, Listed},
};

/// `<search/>`, `<result/>` and the feature.
pub const SEARCH: &str = "urn:xmpp:channel-search:0:search";
const PARAMS: &str = "urn:xmpp:channel-search:0:search-params";
const ERROR: &str = "urn:xmpp:channel-search:0:error";
const BY_USERS: &str = "{urn:xmpp:channel-search:0:order}nusers";
const BY_ADDRESS: &str = "{urn:xmpp:channel-search:0:order}address";
/// The only type of service here.
const MUC: &str = "xep-0045";
/// Found rooms of one page at the most.
const PAGE: usize = 100;
/// Words of one search at the most.
const WORDS: usize = 16;

/// What is searched for.
#[derive(Debug, PartialEq, Eq)]
struct Query {
    /// Lower case; all of them must occur. None: everything is wanted.
    words: Vec<String>,
    in_name: bool,
    in_description: bool,
    in_address: bool,
    min_users: usize,
    /// Whether rooms are wanted at all.
    rooms: bool,
    by_users: bool,
}

/// Answers a search, or a request for the form.
pub(crate) async fn answer(rooms: &Arc<Inner>, inbound: &Arrived) -> Vec<Outgoing> {
    let stanza = &inbound.stanza;
    let bounce = |e: StanzaError| {
        let to = Some(inbound.sender.jid.as_str());
        e.reply(stanza, None, to).into_iter().collect::<Vec<_>>()
    };
    let Some(search) = stanza.payload() else {
        return Vec::new();
    };
    let Some(form) = Form::within(search) else {
        let mut w = stanza.result(None);
        w.open_ns("search", SEARCH);
        empty_form().write(&mut w);
        w.close();
        return vec![w.outgoing(Class::Iq)];
    };
    let (query, page) = match read(&form).and_then(|q| Ok((q, PageRequest::within(search)?))) {
        Ok(asked) => asked,
        Err(e) => return bounce(e),
    };
    let all = match service::visible(rooms, &inbound.sender.user).await {
        Ok(all) => all,
        Err(why) => return why.reply(stanza, &inbound.sender).into_iter().collect(),
    };
    let mut w = stanza.result(None);
    write(&mut w, found(all, &query), &page);
    vec![w.outgoing(Class::Iq)]
}

fn empty_form() -> Form {
    let yes = |var: &str, label: &str| Field::new(var, FieldKind::Boolean).label(label).flag(true);
    Form::of_type(FormKind::Form, PARAMS)
        .field(Field::new("q", FieldKind::TextSingle).label("Search for"))
        .field(Field::new("all", FieldKind::Boolean).label("Everything, whatever the words"))
        .field(yes("sinname", "Search in names"))
        .field(yes("sindescription", "Search in descriptions"))
        .field(yes("sinaddress", "Search in addresses"))
        .field(
            Field::new("min_users", FieldKind::TextSingle)
                .label("People in it at the least")
                .value("0"),
        )
        .field(
            Field::new("types", FieldKind::ListMulti)
                .label("Kinds of service")
                .value(MUC)
                .option(Some("Multi-User Chat"), MUC),
        )
        .field(
            Field::new("key", FieldKind::ListSingle)
                .label("Order")
                .value(BY_USERS)
                .option(Some("People in it"), BY_USERS)
                .option(Some("Address"), BY_ADDRESS),
        )
}

fn read(form: &Form) -> Result<Query, StanzaError> {
    let bad = |text: &'static str| StanzaError::new(Condition::BadRequest).text(text);
    if form.kind != FormKind::Submit || form.form_type() != Some(PARAMS) {
        return Err(bad("submit the form that an empty <search/> gives you"));
    }
    let words = form.value("q").filter(|q| !q.is_empty());
    let all = form.flag("all") == Some(true);
    let words = match (words, all) {
        (Some(_), true) => {
            return Err(
                bad("search for words or for everything, not for both").app("conflicting-fields", ERROR)
            );
        }
        (None, false) => {
            return Err(bad("say what to search for (q), or ask for everything (all)")
                .of_type(ErrorType::Cancel)
                .app("no-search-conditions", ERROR));
        }
        (None, true) => Vec::new(),
        (Some(q), false) => {
            let words: Vec<_> = q.split_whitespace().take(WORDS).map(str::to_lowercase).collect();
            if words.is_empty() {
                return Err(bad("there is no word to search for").app("invalid-search-terms", ERROR));
            }
            words
        }
    };
    let by_users = match form.value("key") {
        None | Some(BY_USERS) => true,
        Some(BY_ADDRESS) => false,
        Some(_) => {
            return Err(StanzaError::new(Condition::FeatureNotImplemented)
                .of_type(ErrorType::Modify)
                .text("order by people or by address")
                .app("invalid-sort-key", ERROR));
        }
    };
    let types = form.values("types");
    Ok(Query {
        words,
        in_name: form.flag("sinname") != Some(false),
        in_description: form.flag("sindescription") != Some(false),
        in_address: form.flag("sinaddress") != Some(false),
        min_users: form
            .value("min_users")
            .and_then(|n| n.trim().parse().ok())
            .unwrap_or(0),
        rooms: types.is_empty() || types.iter().any(|t| t == MUC),
        by_users,
    })
}

fn found(all: Vec<Listed>, query: &Query) -> Vec<Listed> {
    let matches = |room: &Listed| {
        let mut text = String::new();
        for (wanted, part) in [
            (query.in_name, &room.name),
            (query.in_description, &room.description),
            (query.in_address, &room.jid),
        ] {
            if wanted {
                text.push_str(&part.to_lowercase());
                text.push('\n');
            }
        }
        query.words.iter().all(|w| text.contains(w.as_str()))
    };
    let mut found: Vec<_> = all
        .into_iter()
        .filter(|room| query.rooms && room.users >= query.min_users && matches(room))
        .collect();
    if query.by_users {
        found.sort_by(|a, b| b.users.cmp(&a.users).then_with(|| a.jid.cmp(&b.jid)));
    }
    found
}

/// One page of what was found; an item of another page is named by its address.
fn write(w: &mut XmlWriter, found: Vec<Listed>, asked: &PageRequest) {
    let total = found.len();
    let place = |jid: &str| found.iter().position(|room| room.jid == jid);
    let range = asked.slice(total, PAGE, |jid| place(jid).map_or(0..total, |at| at..at + 1));
    let page = &found[range.clone()];
    w.open_ns("result", SEARCH);
    for room in page {
        w.open("item").attr("address", &room.jid);
        w.leaf("name", &room.name);
        if !room.description.is_empty() {
            w.leaf("description", &room.description);
        }
        if !room.lang.is_empty() {
            w.leaf("language", &room.lang);
        }
        w.leaf("nusers", &room.users.to_string());
        w.leaf("service-type", MUC);
        w.leaf("is-open", if room.open { "true" } else { "false" });
        let anonymity = if room.whois_anyone {
            "{urn:xmpp:channel-search:0:anonymity}none"
        } else {
            "muc_semianonymous"
        };
        w.leaf("anonymity-mode", anonymity);
        w.close();
    }
    let jid = |room: Option<&'_ Listed>| room.map(|r| r.jid.clone());
    let (first, last) = (jid(page.first()), jid(page.last()));
    PageResult::of_slice(total, &range, first.as_deref(), last.as_deref()).write(w);
    w.close();
}

#[cfg(test)]
mod tests {
    use super::*;
    use waddle_stanza::rsm::Place;

    fn room(name: &str, description: &str, users: usize) -> Listed {
        Listed {
            jid: [name, "@muc.x"].concat(),
            name: name.to_owned(),
            description: description.to_owned(),
            lang: String::new(),
            open: true,
            whois_anyone: false,
            users,
        }
    }

    fn form(fields: &[(&str, &str)]) -> Form {
        let mut form = Form::of_type(FormKind::Submit, PARAMS);
        for (var, value) in fields {
            form = form.field(Field::new(var, FieldKind::TextSingle).value(*value));
        }
        form
    }

    fn names(fields: &[(&str, &str)]) -> String {
        let all = vec![
            room("a", "garden", 1),
            room("b", "Rust garden", 7),
            room("rust", "", 3),
        ];
        let found = found(all, &read(&form(fields)).unwrap());
        found
            .iter()
            .map(|r| r.name.as_str())
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn words_places_and_order() {
        assert_eq!(names(&[("q", "RUST")]), "b rust", "the fuller one first");
        assert_eq!(names(&[("q", "rust garden")]), "b");
        assert_eq!(names(&[("q", "rust"), ("sindescription", "false")]), "rust");
        assert_eq!(names(&[("all", "1"), ("key", BY_ADDRESS)]), "a b rust");
        assert_eq!(names(&[("all", "1"), ("min_users", "3")]), "b rust");
        assert_eq!(names(&[("all", "1"), ("types", "xep-0369")]), "");
        assert_eq!(
            names(&[("all", "1"), ("{urn:x}unknown", "y"), ("key", BY_ADDRESS)]),
            "a b rust"
        );
    }

    #[test]
    fn what_cannot_be_searched() {
        let error = |fields: &[(&str, &str)]| {
            let mut w = XmlWriter::new();
            read(&form(fields)).unwrap_err().write(&mut w);
            String::from_utf8(w.finish().to_vec()).unwrap()
        };
        for (fields, condition, kind) in [
            (&[("q", "x"), ("all", "true")][..], "conflicting-fields", "modify"),
            (&[], "no-search-conditions", "cancel"),
            (&[("q", "  ")], "invalid-search-terms", "modify"),
            (&[("q", "x"), ("key", "colour")], "invalid-sort-key", "modify"),
        ] {
            let text = error(fields);
            assert!(text.contains(condition) && text.contains(kind), "{text}");
        }
    }

    #[test]
    fn pages_by_address() {
        let all: Vec<_> = (0..5).map(|n| room(&n.to_string(), "", 0)).collect();
        let page = |place| {
            let mut w = XmlWriter::new();
            let asked = PageRequest {
                max: Some(2),
                place,
                before: None,
            };
            write(&mut w, all.clone(), &asked);
            let text = String::from_utf8(w.finish().to_vec()).unwrap();
            let found: Vec<_> = text.split("address=\"").skip(1).map(|t| &t[..1]).collect();
            found.join(" ")
        };
        assert_eq!(page(Place::First), "0 1");
        assert_eq!(page(Place::After("1@muc.x".to_owned())), "2 3");
        assert_eq!(page(Place::Before("3@muc.x".to_owned())), "1 2");
        assert_eq!(page(Place::Before("1@muc.x".to_owned())), "0");
        assert_eq!(page(Place::Last), "3 4");
        assert_eq!(page(Place::After("gone@muc.x".to_owned())), "");
    }
}

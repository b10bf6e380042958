//! What a message links to, looked at aside and told to the room when it is known ([XEP-0511], `specs/messages.md`). A message
//! does not wait for it, and one that cannot be looked at has none.
//!
//! [XEP-0511]: https://xmpp.org/extensions/xep-0511.html

use waddle_core::{MessageId, SessionId};
use waddle_stanza::{Class, XmlWriter, ns};
use waddle_storage::repo::messages::Preview;

use crate::{
    fan::Fan,
    room::Room,
    state::{Effect, Effects, Stored, Write},
};

/// RDF, the frame of the metadata.
const RDF: &str = "http://www.w3.org/1999/02/22-rdf-syntax-ns#";
/// OpenGraph, its words.
const OPEN_GRAPH: &str = "https://ogp.me/ns#";

impl Room {
    /// What was stored is known to all by now: whoever listens is told, and newcomers do not hear of what is gone.
    pub(crate) fn stored(&mut self, stored: &Stored, fx: &mut Effects) {
        if let Some((user, id)) = &stored.read {
            fx.rest.push(Effect::Read(user.clone(), *id));
        }
        if !stored.gone.is_empty() {
            self.history.retain(|past| !stored.gone.contains(&past.id));
        }
        self.tell_news(stored.id, stored.news, fx);
    }

    /// The preview of a message is there. What a page says of itself is held against the rules like what people say.
    pub(crate) fn previewed(&mut self, id: MessageId, preview: Preview, fx: &mut Effects) {
        let texts = [
            &preview.title,
            &preview.description,
            &preview.site,
            &preview.image,
        ];
        let texts: Vec<&str> = texts.into_iter().flatten().map(String::as_str).collect();
        if !self.has_place() || self.forbids(&texts) {
            return;
        }
        let fan = Fan::new(announcement(&self.at, id, &preview));
        let then = move |room: &mut Room, result: crate::state::WriteResult, _, fx: &mut Effects| {
            if let Ok(Some(_)) = result {
                room.broadcast(&fan, fx);
            }
        };
        self.write(Write::Preview(id, Box::new(preview)), false, Box::new(then), fx);
    }
}

/// What everybody is told: the metadata, fastened to the message (XEP-0422).
fn announcement(room: &str, id: MessageId, preview: &Preview) -> waddle_stanza::Outgoing {
    let mut w = XmlWriter::message();
    w.attr("from", room)
        .attr("type", "groupchat")
        .attr("id", &SessionId::new().to_string());
    w.open_ns("apply-to", ns::FASTEN).attr_display("id", id);
    w.open("rdf:Description")
        .attr("xmlns:rdf", RDF)
        .attr("xmlns:og", OPEN_GRAPH)
        .attr("rdf:about", &preview.url);
    for (name, text) in [
        ("og:title", &preview.title),
        ("og:description", &preview.description),
        ("og:image", &preview.image),
        ("og:site_name", &preview.site),
    ] {
        if let Some(text) = text {
            w.leaf(name, text);
        }
    }
    w.leaf("og:url", &preview.url);
    w.close().close();
    w.empty("no-store", ns::HINTS);
    w.outgoing(Class::Message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn announcements_are_xml_whatever_the_page_says() {
        let preview = Preview {
            url: "https://a.example/?b=1&c=\"<".into(),
            title: Some("<script>".into()),
            ..Preview::default()
        };
        let stanza = announcement("r@m", MessageId(7), &preview).to_stanza().unwrap();
        let apply = stanza.root().child("apply-to", ns::FASTEN).unwrap();
        assert_eq!(apply.attr("id").as_deref(), Some("0000000000000007"));
        let about = apply.child("Description", RDF).unwrap();
        assert_eq!(about.attr_ns("about", RDF).as_deref(), Some(&*preview.url));
        assert_eq!(about.child_text("title", OPEN_GRAPH).as_deref(), Some("<script>"));
        assert!(stanza.root().has("no-store", ns::HINTS));
    }
}

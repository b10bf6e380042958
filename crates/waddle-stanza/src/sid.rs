//! Unique and stable stanza ids: [XEP-0359](https://xmpp.org/extensions/xep-0359.html).

use crate::{Element, XmlWriter, ns};

/// Writes `<stanza-id/>`.
pub fn write(w: &mut XmlWriter, by: &str, id: &str) {
    w.open_ns("stanza-id", ns::SID)
        .attr("by", by)
        .attr("id", id)
        .close();
}

/// The id that `by` gave the stanza.
pub fn read(stanza: Element<'_>, by: &str) -> Option<String> {
    let of = |e: &Element<'_>| e.is("stanza-id", ns::SID) && e.attr("by").is_some_and(|b| b == by);
    stanza.children().find(of)?.attr("id").map(Into::into)
}

/// `<origin-id/>` of the stanza.
pub fn origin(stanza: Element<'_>) -> Option<String> {
    stanza.child("origin-id", ns::SID)?.attr("id").map(Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Stanza;

    #[test]
    fn ids() {
        let mut w = XmlWriter::message();
        write(&mut w, "a@b", "1");
        write(&mut w, "c@d", "2");
        w.open_ns("origin-id", ns::SID).attr("id", "o");
        let s = Stanza::parse(w.finish()).unwrap();
        assert_eq!(
            (read(s.root(), "c@d").as_deref(), read(s.root(), "e@f")),
            (Some("2"), None)
        );
        assert_eq!(origin(s.root()).as_deref(), Some("o"));
    }
}

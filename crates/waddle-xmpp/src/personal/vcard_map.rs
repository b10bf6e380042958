//! vCards of two formats: [XEP-0054](https://xmpp.org/extensions/xep-0054.html) and vCard4 as XML
//! ([RFC 6351](https://www.rfc-editor.org/rfc/rfc6351), XEP-0292), one from the other.

use bytes::Bytes;
use waddle_stanza::{Element, XmlWriter};

/// vCards of XEP-0054.
pub const TEMP: &str = "vcard-temp";
/// vCard4 as XML.
pub const V4: &str = "urn:ietf:params:xml:ns:vcard-4.0";

/// Texts that are called the same: XEP-0054's name, vCard4's name, the type of its value.
const SIMPLE: [(&str, &str, &str); 8] = [
    ("FN", "fn", "text"),
    ("NICKNAME", "nickname", "text"),
    ("URL", "url", "uri"),
    ("BDAY", "bday", "date"),
    ("TITLE", "title", "text"),
    ("ROLE", "role", "text"),
    ("DESC", "note", "text"),
    ("TZ", "tz", "text"),
];
/// Parts of a name.
const NAME: [(&str, &str); 5] = [
    ("FAMILY", "surname"),
    ("GIVEN", "given"),
    ("MIDDLE", "additional"),
    ("PREFIX", "prefix"),
    ("SUFFIX", "suffix"),
];
/// Parts of an address.
const ADDRESS: [(&str, &str); 7] = [
    ("POBOX", "pobox"),
    ("EXTADD", "ext"),
    ("STREET", "street"),
    ("LOCALITY", "locality"),
    ("REGION", "region"),
    ("PCODE", "code"),
    ("CTRY", "country"),
];

fn text(e: Element<'_>, name: &str) -> String {
    e.child_text(name, e.ns()).unwrap_or_default().into_owned()
}

/// A vCard4 from a vCard of XEP-0054, without the photo.
pub fn to_v4(vcard: Element<'_>) -> Bytes {
    let mut w = XmlWriter::new();
    w.open_ns("vcard", V4);
    for e in vcard.children().filter(|c| c.in_ns(TEMP)) {
        if let Some((_, to, kind)) = SIMPLE.iter().find(|s| s.0 == e.name()) {
            let value = e.text();
            if !value.trim().is_empty() {
                w.open(to).leaf(kind, value.trim()).close();
            }
            continue;
        }
        match e.name() {
            "N" => {
                w.open("n");
                for (from, to) in NAME {
                    w.leaf(to, &text(e, from));
                }
                w.close();
            }
            "EMAIL" => valued(&mut w, "email", e, "text", &text(e, "USERID")),
            "TEL" => {
                let number = text(e, "NUMBER");
                if !number.is_empty() {
                    valued(&mut w, "tel", e, "uri", &["tel:", &number].concat());
                }
            }
            "ADR" => {
                w.open("adr");
                place(&mut w, e);
                for (from, to) in ADDRESS {
                    w.leaf(to, &text(e, from));
                }
                w.close();
            }
            "ORG" => {
                let mut parts = vec![text(e, "ORGNAME")];
                parts.extend(
                    e.children()
                        .filter(|c| c.name() == "ORGUNIT")
                        .map(|c| c.text().into_owned())
                        .filter(|t| !t.is_empty()),
                );
                if !parts[0].is_empty() {
                    w.open("org");
                    for p in parts {
                        w.leaf("text", &p);
                    }
                    w.close();
                }
            }
            "JABBERID" => {
                let jid = e.text();
                w.open("impp").leaf("uri", &["xmpp:", &*jid].concat()).close();
            }
            _ => {}
        }
    }
    w.finish()
}

/// An element with the place that it is for and a value.
fn valued(w: &mut XmlWriter, name: &str, from: Element<'_>, kind: &str, value: &str) {
    if value.is_empty() {
        return;
    }
    w.open(name);
    place(w, from);
    w.leaf(kind, value).close();
}

fn place(w: &mut XmlWriter, from: Element<'_>) {
    let at = if from.has("HOME", TEMP) {
        "home"
    } else if from.has("WORK", TEMP) {
        "work"
    } else {
        return;
    };
    w.open("parameters").open("type").leaf("text", at).close().close();
}

/// Writes what a vCard of XEP-0054 holds from a vCard4, without the photo.
pub fn from_v4(w: &mut XmlWriter, vcard: Element<'_>) {
    for e in vcard.children().filter(|c| c.in_ns(V4)) {
        if let Some((to, _, kind)) = SIMPLE.iter().find(|s| s.1 == e.name()) {
            let value = text(e, kind);
            if !value.is_empty() {
                w.leaf(to, &value);
            }
            continue;
        }
        match e.name() {
            "n" => {
                w.open("N");
                for (to, from) in NAME {
                    w.leaf(to, &text(e, from));
                }
                w.close();
            }
            "email" => {
                w.open("EMAIL");
                place_of(w, e);
                w.open("INTERNET").close();
                w.leaf("USERID", &text(e, "text")).close();
            }
            "tel" => {
                let mut number = text(e, "uri");
                if number.is_empty() {
                    number = text(e, "text");
                }
                w.open("TEL");
                place_of(w, e);
                w.leaf("NUMBER", number.strip_prefix("tel:").unwrap_or(&number))
                    .close();
            }
            "adr" => {
                w.open("ADR");
                place_of(w, e);
                for (to, from) in ADDRESS {
                    w.leaf(to, &text(e, from));
                }
                w.close();
            }
            "org" => {
                w.open("ORG");
                for (i, t) in e.children().filter(|c| c.name() == "text").enumerate() {
                    w.leaf(if i == 0 { "ORGNAME" } else { "ORGUNIT" }, &t.text());
                }
                w.close();
            }
            "impp" => {
                if let Some(jid) = text(e, "uri").strip_prefix("xmpp:") {
                    w.leaf("JABBERID", jid);
                }
            }
            _ => {}
        }
    }
}

fn place_of(w: &mut XmlWriter, e: Element<'_>) {
    let kind = e
        .child("parameters", V4)
        .and_then(|p| p.child("type", V4))
        .map(|t| text(t, "text"));
    match kind.as_deref() {
        Some("home") => _ = w.open("HOME").close(),
        Some("work") => _ = w.open("WORK").close(),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use waddle_stanza::Stanza;

    #[test]
    fn there_and_back() {
        let card = "<vCard xmlns='vcard-temp'><FN>A &amp; B</FN><N><FAMILY>F</FAMILY><GIVEN>G</GIVEN><MIDDLE/></N>\
            <NICKNAME>n</NICKNAME><URL>https://x</URL><BDAY>1966-08-06</BDAY><TITLE>t</TITLE><ROLE>r</ROLE>\
            <ORG><ORGNAME>o</ORGNAME><ORGUNIT>u</ORGUNIT></ORG><TEL><WORK/><VOICE/><NUMBER>1</NUMBER></TEL>\
            <ADR><HOME/><LOCALITY>Denver</LOCALITY></ADR><EMAIL><INTERNET/><USERID>a@b</USERID></EMAIL>\
            <JABBERID>a@x</JABBERID><DESC>d</DESC><PHOTO><BINVAL>AA==</BINVAL></PHOTO></vCard>";
        let temp = Stanza::parse(card.into()).unwrap();
        let v4 = to_v4(temp.root());
        let four = Stanza::parse(v4.clone()).unwrap();
        assert!(four.root().is("vcard", V4));
        let mut w = XmlWriter::new();
        w.open_ns("vCard", TEMP);
        from_v4(&mut w, four.root());
        let back = Stanza::parse(w.finish()).unwrap();
        for name in [
            "FN", "NICKNAME", "URL", "BDAY", "TITLE", "ROLE", "JABBERID", "DESC",
        ] {
            assert_eq!(text(back.root(), name), text(temp.root(), name), "{name}");
        }
        assert!(!back.root().has("PHOTO", TEMP));
        let tel = back.root().child("TEL", TEMP).unwrap();
        assert!(tel.has("WORK", TEMP) && text(tel, "NUMBER") == "1");
        // What was made of it says the same again.
        assert_eq!(to_v4(back.root()), v4);
    }
}

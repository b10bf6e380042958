//! One document read by the scanner and by rxml, and whether they agree (ADR 0002).

use std::collections::BTreeSet;

use rxml::{Event, Parse, Parser, error::EndOrError};
use waddle_stanza::{Element, Stanza, ns};

/// What both readers give for a document: elements, attributes in any order, text joined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// Namespace, name, and each attribute's namespace, name and value.
    Start(String, String, BTreeSet<(String, String, String)>),
    Text(String),
    End,
}

/// Where the two are known to differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Known {
    /// rxml takes two `xmlns` attributes on one element.
    TwiceXmlns,
    /// We take no reference or line break in the value of a namespace declaration.
    ReferenceInXmlns,
    /// rxml refuses CR in an attribute's value, or drops it.
    CrInAttribute,
    /// rxml keeps a CR that follows `]` in a CDATA section, where line ends are to be normalized.
    CrInCdata,
    /// rxml refuses U+FFxx in a name.
    FfxxInName,
}

/// What a comparison yields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    BothAccept,
    BothRefuse,
    Differ(Known),
    /// A bug: what each says.
    Bug(String),
}

fn push_text(seen: &mut Vec<Seen>, text: &str) {
    if text.is_empty() {
        return;
    }
    if let Some(Seen::Text(last)) = seen.last_mut() {
        last.push_str(text);
    } else {
        seen.push(Seen::Text(text.to_owned()));
    }
}

fn by_rxml(document: &[u8]) -> Result<Vec<Seen>, String> {
    let mut seen = Vec::new();
    let mut rest = document;
    let mut parser = Parser::new();
    let mut read = |e: Event| match e {
        Event::XmlDeclaration(..) => {}
        Event::StartElement(_, name, attrs) => seen.push(Seen::Start(
            name.0.to_string(),
            name.1.to_string(),
            attrs
                .iter()
                .map(|((ns, name), v)| (ns.to_string(), name.to_string(), v.clone()))
                .collect(),
        )),
        Event::EndElement(_) => seen.push(Seen::End),
        Event::Text(_, text) => push_text(&mut seen, &text),
    };
    match parser.parse_all(&mut rest, true, &mut read) {
        Ok(()) => Ok(seen),
        Err(EndOrError::Error(e)) => Err(e.to_string()),
        Err(EndOrError::NeedMoreData) => Err("incomplete".to_owned()),
    }
}

fn flatten(e: Element<'_>, seen: &mut Vec<Seen>) {
    let attrs = e
        .attrs()
        .filter(|a| a.ns() != ns::XMLNS && !(a.ns().is_empty() && a.name() == "xmlns"))
        .map(|a| (a.ns().to_owned(), a.name().to_owned(), a.value().into_owned()));
    seen.push(Seen::Start(
        e.ns().to_owned(),
        e.name().to_owned(),
        attrs.collect(),
    ));
    for node in e.nodes() {
        match node {
            waddle_stanza::Content::Text(t) => push_text(seen, &t),
            waddle_stanza::Content::Element(c) => flatten(c, seen),
        }
    }
    seen.push(Seen::End);
}

fn by_scanner(document: &[u8]) -> Result<Vec<Seen>, String> {
    let stanza = Stanza::parse(document.to_vec().into()).map_err(|e| e.name().to_owned())?;
    let mut seen = Vec::new();
    flatten(stanza.root(), &mut seen);
    Ok(seen)
}

/// Compares the two on `content` within an element that declares `jabber:client`.
pub fn compare(content: &[u8]) -> Verdict {
    let document = [b"<m xmlns=\"jabber:client\">", content, b"</m>"].concat();
    match (by_scanner(&document), by_rxml(&document)) {
        (Ok(a), Ok(b)) if a == b => Verdict::BothAccept,
        (Ok(_), Ok(_)) if cr_in_value(&document) => Verdict::Differ(Known::CrInAttribute),
        (Ok(_), Ok(_)) if has(&document, b"<![CDATA[") && has(&document, b"]\r") => {
            Verdict::Differ(Known::CrInCdata)
        }
        (Ok(a), Ok(b)) => Verdict::Bug(format!("read differently: {a:?} against {b:?}")),
        (Err(_), Err(_)) => Verdict::BothRefuse,
        (Err(e), Ok(_)) => stricter(&document).map_or_else(
            || Verdict::Bug(format!("refused only here: {e}")),
            Verdict::Differ,
        ),
        (Ok(a), Err(e)) => laxer(&a, &document).map_or_else(
            || Verdict::Bug(format!("accepted only here: {e}")),
            Verdict::Differ,
        ),
    }
}

fn has(document: &[u8], piece: &[u8]) -> bool {
    document.windows(piece.len()).any(|w| w == piece)
}

/// The start tags of a document that rxml accepts, each as its attributes' text and value.
fn tags(document: &[u8]) -> Vec<Vec<(String, String)>> {
    let text = String::from_utf8_lossy(document);
    let mut out = Vec::new();
    let mut rest = &*text;
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        if let Some(cdata) = rest.strip_prefix("![CDATA[") {
            rest = cdata.split_once("]]>").map_or("", |p| p.1);
            continue;
        }
        let mut attrs = Vec::new();
        let mut name = String::new();
        let mut chars = rest.char_indices();
        while let Some((_, c)) = chars.next() {
            match c {
                '>' => break,
                '"' | '\'' => {
                    let value: String = chars.by_ref().map(|p| p.1).take_while(|&v| v != c).collect();
                    let key: String = name
                        .trim_end_matches(|c: char| c == '=' || c.is_whitespace())
                        .into();
                    let key = key
                        .rsplit(|c: char| c.is_whitespace())
                        .next()
                        .unwrap_or_default()
                        .to_owned();
                    attrs.push((key, value));
                    name.clear();
                }
                c => name.push(c),
            }
        }
        rest = chars.as_str();
        out.push(attrs);
    }
    out
}

fn stricter(document: &[u8]) -> Option<Known> {
    let tags = tags(document);
    let declares = |name: &str| name == "xmlns" || name.starts_with("xmlns:");
    if tags
        .iter()
        .any(|t| t.iter().filter(|a| a.0 == "xmlns").count() > 1)
    {
        return Some(Known::TwiceXmlns);
    }
    let odd = |v: &str| v.contains(['&', '\t', '\n', '\r']);
    tags.iter()
        .flatten()
        .any(|(name, value)| declares(name) && odd(value))
        .then_some(Known::ReferenceInXmlns)
}

fn cr_in_value(document: &[u8]) -> bool {
    tags(document).iter().flatten().any(|(_, v)| v.contains('\r'))
}

fn laxer(seen: &[Seen], document: &[u8]) -> Option<Known> {
    if cr_in_value(document) {
        return Some(Known::CrInAttribute);
    }
    let odd = |s: &str| s.contains(|c: char| ('\u{FF00}'..='\u{FFFD}').contains(&c));
    let names = |s: &Seen| match s {
        Seen::Start(_, name, attrs) => odd(name) || attrs.iter().any(|a| odd(&a.1)),
        _ => false,
    };
    // a prefix is not in what was seen: look for it in the tags
    (seen.iter().any(names)
        || tags(document).iter().flatten().any(|(name, _)| odd(name))
        || odd_prefix(document))
    .then_some(Known::FfxxInName)
}

fn odd_prefix(document: &[u8]) -> bool {
    let text = String::from_utf8_lossy(document);
    text.split('<').any(|t| {
        let name: String = t
            .trim_start_matches('/')
            .chars()
            .take_while(|c| !c.is_whitespace() && !matches!(c, '>' | '/'))
            .collect();
        name.contains(|c: char| ('\u{FF00}'..='\u{FFFD}').contains(&c))
    })
}

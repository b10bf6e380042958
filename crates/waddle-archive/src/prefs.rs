//! What an account wants archived, on the wire ([XEP-0441](https://xmpp.org/extensions/xep-0441.html)).

use waddle_core::Jid;
use waddle_stanza::{Condition, Element, StanzaError, XmlWriter, ns};
use waddle_storage::repo::archive_prefs::{Otherwise, Prefs};

const OTHERWISE: [(Otherwise, &str); 3] = [
    (Otherwise::Always, "always"),
    (Otherwise::Never, "never"),
    (Otherwise::Roster, "roster"),
];

/// Reads `<prefs/>` with at most `most` addresses: `bad-request` where it is not readable, `jid-malformed` for an
/// address that is none, `policy-violation` for too many.
pub fn read(prefs: Element<'_>, most: usize) -> Result<Prefs, StanzaError> {
    let bad = |text: &'static str| StanzaError::new(Condition::BadRequest).text(text);
    let default = prefs
        .attr("default")
        .ok_or_else(|| bad("The attribute default is missing: always, never or roster."))?;
    let otherwise = OTHERWISE
        .iter()
        .find(|(_, name)| *name == default)
        .ok_or_else(|| bad("The default is always, never or roster."))?;
    let mut left = most;
    let mut list = |name| -> Result<Vec<Jid>, StanzaError> {
        let mut jids: Vec<Jid> = Vec::new();
        let listed = prefs.child(name, ns::MAM);
        for e in listed
            .iter()
            .flat_map(Element::children)
            .filter(|e| e.is("jid", ns::MAM))
        {
            left = left.checked_sub(1).ok_or_else(|| {
                StanzaError::new(Condition::PolicyViolation).text("The lists have too many addresses.")
            })?;
            let jid = e
                .text()
                .trim()
                .parse()
                .map_err(|_| StanzaError::new(Condition::JidMalformed))?;
            jids.push(jid);
        }
        jids.sort();
        jids.dedup();
        Ok(jids)
    };
    Ok(Prefs {
        always: list("always")?,
        never: list("never")?,
        otherwise: otherwise.0,
    })
}

/// Writes `<prefs/>`.
pub fn write(w: &mut XmlWriter, prefs: &Prefs) {
    let name = OTHERWISE.iter().find(|(o, _)| *o == prefs.otherwise);
    w.open_ns("prefs", ns::MAM)
        .attr("default", name.map_or("always", |(_, name)| name));
    for (name, list) in [("always", &prefs.always), ("never", &prefs.never)] {
        w.open(name);
        for jid in list {
            w.leaf("jid", jid.as_str());
        }
        w.close();
    }
    w.close();
}

#[cfg(test)]
mod tests {
    use waddle_stanza::Stanza;

    use super::*;

    #[test]
    fn round_trip_and_errors() {
        let prefs = Prefs {
            otherwise: Otherwise::Roster,
            always: vec!["a@b".parse().unwrap(), "a@b/c".parse().unwrap()],
            never: vec!["x@y".parse().unwrap()],
        };
        let mut w = XmlWriter::new();
        write(&mut w, &prefs);
        let xml = Stanza::parse(w.finish()).unwrap();
        assert_eq!(read(xml.root(), 3), Ok(prefs));
        assert_eq!(read(xml.root(), 2).unwrap_err().kind, Condition::PolicyViolation);
        for (xml, kind) in [
            ("<prefs xmlns='urn:xmpp:mam:2'/>", Condition::BadRequest),
            (
                "<prefs xmlns='urn:xmpp:mam:2' default='maybe'/>",
                Condition::BadRequest,
            ),
            (
                "<prefs xmlns='urn:xmpp:mam:2' default='never'><never><jid>@@</jid></never></prefs>",
                Condition::JidMalformed,
            ),
        ] {
            let xml = Stanza::parse(xml.into()).unwrap();
            assert_eq!(read(xml.root(), 9).unwrap_err().kind, kind);
        }
        let bare = Stanza::parse("<prefs xmlns='urn:xmpp:mam:2' default='always'/>".into()).unwrap();
        assert_eq!(read(bare.root(), 0), Ok(Prefs::default()));
    }
}

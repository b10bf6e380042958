//! Delayed delivery: [XEP-0203](https://xmpp.org/extensions/xep-0203.html).

use waddle_core::Timestamp;

use crate::{Element, XmlWriter, ns};

/// When and by whom something was held back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delay {
    /// Who held it back.
    pub from: Option<String>,
    /// When it was sent.
    pub stamp: Timestamp,
    /// Why.
    pub text: Option<String>,
}

impl Delay {
    /// A time alone.
    pub fn at(stamp: Timestamp) -> Self {
        Self {
            from: None,
            stamp,
            text: None,
        }
    }

    /// A time, as `from` says.
    pub fn by(from: impl Into<String>, stamp: Timestamp) -> Self {
        Self {
            from: Some(from.into()),
            ..Self::at(stamp)
        }
    }

    /// The first readable delay among the children of `parent`, from `from` where that is given.
    pub fn within(parent: Element<'_>, from: Option<&str>) -> Option<Self> {
        parent
            .children()
            .filter_map(Self::read)
            .find(|d| from.is_none() || d.from.as_deref() == from)
    }

    /// Reads a `<delay/>` element.
    pub fn read(e: Element<'_>) -> Option<Self> {
        if !e.is("delay", ns::DELAY) {
            return None;
        }
        Some(Self {
            from: e.attr("from").map(Into::into),
            stamp: e.attr("stamp")?.parse().ok()?,
            text: Some(e.text().into_owned()).filter(|t| !t.is_empty()),
        })
    }

    /// Writes the `<delay/>` element.
    pub fn write(&self, w: &mut XmlWriter) {
        w.open_ns("delay", ns::DELAY)
            .attr_opt("from", self.from.as_deref());
        w.attr_display("stamp", self.stamp);
        w.text(self.text.as_deref().unwrap_or_default()).close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Stanza;

    #[test]
    fn round_trip() {
        let d = Delay {
            text: Some("Offline".into()),
            ..Delay::by("a@b", "2002-09-10T23:08:25Z".parse().unwrap())
        };
        let mut w = XmlWriter::message();
        w.empty("delay", ns::DELAY);
        d.write(&mut w);
        let s = Stanza::parse(w.finish()).unwrap();
        assert_eq!(
            Delay::within(s.root(), None),
            Some(d.clone()),
            "one without a stamp is none"
        );
        assert_eq!(Delay::within(s.root(), Some("a@b")), Some(d));
        assert_eq!(Delay::within(s.root(), Some("c@d")), None);
    }
}

//! Result set management: [XEP-0059](https://xmpp.org/extensions/xep-0059.html).

use std::ops::Range;

use crate::{Condition, Element, StanzaError, XmlWriter, ns};

/// Where a page lies.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Place {
    /// At the start.
    #[default]
    First,
    /// At the end.
    Last,
    /// Behind an item.
    After(String),
    /// In front of an item.
    Before(String),
    /// From an index on.
    Index(u32),
}

/// Which page is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PageRequest {
    /// The most items; 0 asks for the count only.
    pub max: Option<u32>,
    /// Where.
    pub place: Place,
    /// With `After`, the other end too, where both were given.
    pub before: Option<String>,
}

impl PageRequest {
    /// The request among the children of `parent`; none is a request for the first page. What is no number is
    /// `bad-request`.
    pub fn within(parent: Element<'_>) -> Result<Self, StanzaError> {
        parent
            .child("set", ns::RSM)
            .map_or_else(|| Ok(Self::default()), Self::read)
    }

    /// Reads a `<set/>` element.
    pub fn read(set: Element<'_>) -> Result<Self, StanzaError> {
        let number = |name: &str| {
            set.child_text(name, ns::RSM)
                .map(|t| t.trim().parse::<u32>())
                .transpose()
                .map_err(|_| {
                    StanzaError::new(Condition::BadRequest).text("A number in <set/> is not readable.")
                })
        };
        let text = |name: &str| set.child_text(name, ns::RSM).map(String::from);
        let (after, before) = (text("after").filter(|t| !t.is_empty()), text("before"));
        let mut both = None;
        let place = match (after, before, number("index")?) {
            (Some(a), b, _) => {
                both = b.filter(|b| !b.is_empty());
                Place::After(a)
            }
            (None, Some(b), _) if b.is_empty() => Place::Last,
            (None, Some(b), _) => Place::Before(b),
            (None, None, Some(i)) => Place::Index(i),
            (None, None, None) => Place::First,
        };
        Ok(Self {
            max: number("max")?,
            place,
            before: both,
        })
    }

    /// Items to give: what is asked for, within the server's own bound.
    pub fn limit(&self, most: usize) -> usize {
        self.max.map_or(most, |m| most.min(m as usize))
    }

    /// Which part of a list in memory of `total` items is asked for, `most` at the most. `at` says where the item of
    /// an identifier stands, `n..n + 1`; where one that is gone would stand, `n..n`; or `0..total` where that is not
    /// known, which gives nothing.
    pub fn slice(&self, total: usize, most: usize, at: impl Fn(&str) -> Range<usize>) -> Range<usize> {
        let n = self.limit(most);
        let from = |start: usize| start..start.saturating_add(n).min(total);
        match &self.place {
            Place::First => from(0),
            Place::After(id) => from(at(id).end.min(total)),
            Place::Before(id) => {
                let end = at(id).start.min(total);
                end.saturating_sub(n)..end
            }
            Place::Last => total.saturating_sub(n)..total,
            Place::Index(i) => from((*i as usize).min(total)),
        }
    }

    /// Writes the `<set/>` element.
    pub fn write(&self, w: &mut XmlWriter) {
        w.open_ns("set", ns::RSM);
        if let Some(max) = self.max {
            w.leaf("max", &max.to_string());
        }
        match &self.place {
            Place::First => {}
            Place::Last => _ = w.open("before").close(),
            Place::After(id) => _ = w.leaf("after", id),
            Place::Before(id) => _ = w.leaf("before", id),
            Place::Index(i) => _ = w.leaf("index", &i.to_string()),
        }
        if let Some(before) = &self.before {
            w.leaf("before", before);
        }
        w.close();
    }
}

/// Which page was given.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PageResult {
    /// The first item's id, and its index where it is known.
    pub first: Option<(String, Option<u32>)>,
    /// The last item's id.
    pub last: Option<String>,
    /// All items there are, where it is known.
    pub count: Option<u32>,
}

impl PageResult {
    /// Of the part `range` of a list in memory, whose items have these identifiers.
    pub fn of_slice(total: usize, range: &Range<usize>, first: Option<&str>, last: Option<&str>) -> Self {
        Self {
            first: first.map(|id| (id.to_owned(), u32::try_from(range.start).ok())),
            last: last.map(str::to_owned),
            count: u32::try_from(total).ok(),
        }
    }

    /// Writes the `<set/>` element.
    pub fn write(&self, w: &mut XmlWriter) {
        w.open_ns("set", ns::RSM);
        if let Some((first, index)) = &self.first {
            w.open("first");
            if let Some(index) = index {
                w.attr_display("index", index);
            }
            w.text(first).close();
        }
        if let Some(last) = &self.last {
            w.leaf("last", last);
        }
        if let Some(count) = self.count {
            w.leaf("count", &count.to_string());
        }
        w.close();
    }

    /// Reads a `<set/>` element; numbers that are none are left out.
    pub fn read(set: Element<'_>) -> Self {
        let first = set.child("first", ns::RSM);
        Self {
            first: first.map(|f| (f.text().into(), f.attr("index").and_then(|i| i.parse().ok()))),
            last: set.child_text("last", ns::RSM).map(Into::into),
            count: set.child_text("count", ns::RSM).and_then(|c| c.parse().ok()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Stanza;

    #[test]
    fn slices_of_a_list() {
        let list = ["a", "c", "e", "g"];
        let of = |place, max| {
            let page = PageRequest {
                max: Some(max),
                place,
                before: None,
            };
            let range = page.slice(list.len(), 3, |id| match list.binary_search(&id) {
                Ok(i) => i..i + 1,
                Err(i) => i..i,
            });
            list[range].concat()
        };
        assert_eq!(of(Place::First, 2), "ac");
        assert_eq!(of(Place::First, 9), "ace", "the server's bound");
        assert_eq!(
            (of(Place::First, 0), of(Place::Last, 0)),
            (String::new(), String::new())
        );
        assert_eq!(
            (of(Place::After("c".into()), 2), of(Place::After("d".into()), 2)),
            ("eg".into(), "eg".into())
        );
        assert_eq!(of(Place::After("g".into()), 2), "");
        assert_eq!(
            (of(Place::Before("c".into()), 2), of(Place::Before("f".into()), 2)),
            ("a".into(), "ce".into())
        );
        assert_eq!(
            (of(Place::Last, 3), of(Place::Index(3), 2), of(Place::Index(9), 2)),
            ("ceg".into(), "g".into(), String::new())
        );
        let nowhere = |place| {
            let page = PageRequest {
                place,
                ..PageRequest::default()
            };
            page.slice(4, 3, |_| 0..4).len()
        };
        assert_eq!(
            (
                nowhere(Place::After("x".into())),
                nowhere(Place::Before("x".into()))
            ),
            (0, 0)
        );
    }

    #[test]
    fn requests() {
        for (xml, place) in [
            ("<max>10</max>", Place::First),
            ("<max>10</max><before/>", Place::Last),
            ("<max>10</max><before>x</before>", Place::Before("x".into())),
            ("<max>10</max><after>x</after>", Place::After("x".into())),
            ("<max>10</max><after/>", Place::First),
            ("<max>10</max><index>7</index>", Place::Index(7)),
        ] {
            let xml = [
                "<q><set xmlns='http://jabber.org/protocol/rsm'>",
                xml,
                "</set></q>",
            ]
            .concat();
            let s = Stanza::parse(xml.into()).unwrap();
            let p = PageRequest::within(s.root()).unwrap();
            assert_eq!((p.max, &p.place), (Some(10), &place));
            let mut w = XmlWriter::new();
            p.write(&mut w);
            assert_eq!(
                PageRequest::read(Stanza::parse(w.finish()).unwrap().root()).unwrap(),
                p
            );
            assert_eq!((p.limit(5), p.limit(50)), (5, 10));
        }
        let none = Stanza::parse("<q/>".into()).unwrap();
        assert_eq!(PageRequest::within(none.root()).unwrap(), PageRequest::default());
        for bad in ["-1", "4294967296", "x", ""] {
            let xml = [
                "<set xmlns='http://jabber.org/protocol/rsm'><max>",
                bad,
                "</max></set>",
            ]
            .concat();
            let s = Stanza::parse(xml.into()).unwrap();
            assert_eq!(
                PageRequest::read(s.root()).unwrap_err().kind,
                Condition::BadRequest,
                "{bad}"
            );
        }
    }

    #[test]
    fn results() {
        let r = PageResult {
            first: Some(("a".into(), Some(0))),
            last: Some("b".into()),
            count: Some(9),
        };
        let mut w = XmlWriter::new();
        r.write(&mut w);
        assert_eq!(PageResult::read(Stanza::parse(w.finish()).unwrap().root()), r);
    }
}

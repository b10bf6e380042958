//! Result sets (XEP-0059) and archive queries (XEP-0313): bounded, and what is written reads the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use waddle_stanza::{
    Stanza, XmlWriter,
    mam::{MamFin, MamQuery},
    rsm::{PageRequest, PageResult},
};

fn parsed(write: impl FnOnce(&mut XmlWriter)) -> Stanza {
    let mut w = XmlWriter::new();
    write(&mut w);
    Stanza::parse(w.finish()).expect("what is written is XML")
}

fuzz_target!(|data: &[u8]| {
    let Ok(stanza) = Stanza::parse(data.to_vec().into()) else {
        return;
    };
    let root = stanza.root();
    if let Ok(page) = PageRequest::read(root) {
        for most in [0, 1, 50, usize::MAX] {
            assert!(page.limit(most) <= most);
        }
        assert_eq!(PageRequest::read(parsed(|w| page.write(w)).root()).expect("a page"), page);
    }
    let result = PageResult::read(root);
    assert_eq!(PageResult::read(parsed(|w| result.write(w)).root()), result);
    if let Ok(query) = MamQuery::read(root) {
        assert_eq!(MamQuery::read(parsed(|w| query.write(w)).root()).expect("a query"), query);
    }
    if let Some(fin) = MamFin::read(root) {
        assert_eq!(MamFin::read(parsed(|w| fin.write(w)).root()).expect("an end"), fin);
    }
});

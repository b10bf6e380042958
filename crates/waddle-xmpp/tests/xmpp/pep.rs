//! What accounts publish of themselves and keep for themselves: personal eventing (XEP-0163) and what rests on it
//! (XEP-0048, XEP-0049, XEP-0054, XEP-0084, XEP-0107, XEP-0118, XEP-0153, XEP-0172, XEP-0222, XEP-0223, XEP-0292,
//! XEP-0384, XEP-0398, XEP-0402, XEP-0490).

mod events;
mod kinds;
mod stored;

use waddle_stanza::Stanza;

use crate::support::eventing::friends;
use crate::support::{Client, World, text, world};

const TUNE: &str = "http://jabber.org/protocol/tune";
const JULIET: &str = "juliet@waddle.test";

async fn verona() -> World {
    let w = world().await;
    for name in ["juliet", "romeo", "paris"] {
        w.account(name).await;
    }
    friends(&w, "juliet", "romeo", "lovers").await;
    w
}

async fn ok(c: &mut Client, xml: &str) -> Stanza {
    c.send(xml).await;
    loop {
        let s = c.next().await;
        if s.root().name() == "iq" {
            assert!(s.is_type("result"), "{}", text(&s));
            return s;
        }
    }
}

async fn no(c: &mut Client, xml: &str) -> Stanza {
    c.send(xml).await;
    loop {
        let s = c.next().await;
        if s.root().name() == "iq" {
            assert!(s.is_type("error"), "{}", text(&s));
            return s;
        }
    }
}

//! The subscription states of [RFC 6121 appendix A](https://www.rfc-editor.org/rfc/rfc6121#appendix-A), one side at a time: no
//! clock, no database, no session.
//!
//! What the tables name `To`, `From` and `Both` is [`Contact::subscription`]; *Pending Out* is [`Contact::asked`],
//! *Pending In* a stored [`Contact::request`].

use bytes::Bytes;
use waddle_storage::repo::roster::{Contact, FROM, TO};

/// The four stanzas of a subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Asks to see the other's presence.
    Subscribe,
    /// Lets the other see one's own.
    Subscribed,
    /// No longer wants to see the other's presence.
    Unsubscribe,
    /// No longer lets the other see one's own, or refuses to.
    Unsubscribed,
}

impl Kind {
    /// The kind that a presence type names.
    pub fn of(kind: &str) -> Option<Self> {
        Some(match kind {
            "subscribe" => Self::Subscribe,
            "subscribed" => Self::Subscribed,
            "unsubscribe" => Self::Unsubscribe,
            "unsubscribed" => Self::Unsubscribed,
            _ => return None,
        })
    }

    /// The presence type.
    pub fn name(self) -> &'static str {
        match self {
            Self::Subscribe => "subscribe",
            Self::Subscribed => "subscribed",
            Self::Unsubscribe => "unsubscribe",
            Self::Unsubscribed => "unsubscribed",
        }
    }
}

/// What the other side's server does with what it got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inbound {
    /// Nothing that anybody would notice.
    Ignore,
    /// The account's clients get it.
    Deliver,
    /// The server answers on behalf of the account.
    Reply(Kind),
}

/// A.2 and §3.4: the owner of `c` sends `kind`; whether the stanza is routed.
pub fn outbound(kind: Kind, c: &mut Contact) -> bool {
    match kind {
        Kind::Subscribe => {
            // §3.1.2: the contact is an item from here on, whatever it answers.
            c.listed = true;
            c.asked = !c.to();
            true
        }
        Kind::Unsubscribe => {
            c.subscription &= !TO;
            c.asked = false;
            true
        }
        Kind::Subscribed if c.from() => false,
        Kind::Subscribed => {
            c.listed = true;
            // §3.4.2: without a request it is the answer to one that may come.
            c.approved = c.request.is_none();
            if c.approved {
                return false;
            }
            c.request = None;
            c.subscription |= FROM;
            true
        }
        Kind::Unsubscribed => {
            let had = c.from() || c.request.is_some();
            c.subscription &= !FROM;
            c.request = None;
            c.approved = false;
            had
        }
    }
}

/// A.3: `kind` came from `c` to the owner of `c`; `stanza` is what a waiting request is kept as.
pub fn inbound(kind: Kind, c: &mut Contact, stanza: impl FnOnce() -> Bytes) -> Inbound {
    match kind {
        Kind::Subscribe if c.from() => Inbound::Reply(Kind::Subscribed),
        Kind::Subscribe if c.approved => {
            c.approved = false;
            c.listed = true;
            c.subscription |= FROM;
            c.request = None;
            Inbound::Reply(Kind::Subscribed)
        }
        Kind::Subscribe => {
            // The newest request is what a client sees that comes later; who has seen one is not asked again.
            let known = c.request.is_some();
            c.request = Some(stanza());
            if known { Inbound::Ignore } else { Inbound::Deliver }
        }
        Kind::Unsubscribe => {
            let had = c.from() || c.request.is_some();
            c.subscription &= !FROM;
            c.request = None;
            deliver(had)
        }
        Kind::Subscribed => {
            let waited = c.asked && !c.to();
            if waited {
                c.asked = false;
                c.subscription |= TO;
            }
            deliver(waited)
        }
        Kind::Unsubscribed => {
            let had = c.to() || c.asked;
            c.subscription &= !TO;
            c.asked = false;
            deliver(had)
        }
    }
}

fn deliver(yes: bool) -> Inbound {
    if yes { Inbound::Deliver } else { Inbound::Ignore }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The nine states, as the appendix writes them: subscription, pending out, pending in.
    const STATES: [&str; 9] = ["n", "no", "ni", "noi", "t", "ti", "f", "fo", "b"];

    fn contact(state: &str) -> Contact {
        let mut c = Contact::unknown("contact@x".parse().unwrap());
        c.listed = true;
        c.subscription = match &state[..1] {
            "t" => TO,
            "f" => FROM,
            "b" => TO | FROM,
            _ => 0,
        };
        c.asked = state[1..].contains('o');
        c.request = state[1..].contains('i').then(|| Bytes::from_static(b"r"));
        c
    }

    fn state(c: &Contact) -> String {
        let mut s = String::from(["n", "t", "f", "b"][usize::from(c.subscription)]);
        s.extend(c.asked.then_some('o'));
        s.extend(c.request.is_some().then_some('i'));
        s
    }

    #[test]
    fn outbound_tables() {
        // New states in the order of STATES; what is not routed has a `-` before it.
        let tables = [
            (
                Kind::Subscribe,
                ["no", "no", "noi", "noi", "t", "ti", "fo", "fo", "b"],
            ),
            (
                Kind::Unsubscribe,
                ["n", "n", "ni", "ni", "n", "ni", "f", "f", "f"],
            ),
            (
                Kind::Subscribed,
                ["-n", "-no", "f", "fo", "-t", "b", "-f", "-fo", "-b"],
            ),
            (
                Kind::Unsubscribed,
                ["-n", "-no", "n", "no", "-t", "t", "n", "no", "t"],
            ),
        ];
        for (kind, row) in tables {
            for (before, expected) in STATES.iter().zip(row) {
                let mut c = contact(before);
                let routed = outbound(kind, &mut c);
                let got = [if routed { "" } else { "-" }, &state(&c)].concat();
                assert_eq!(got, expected, "{} in {before}", kind.name());
            }
        }
    }

    #[test]
    fn inbound_tables() {
        // What is delivered is bare, what is ignored has `-`, what is answered has `+`.
        let tables = [
            (
                Kind::Subscribe,
                ["ni", "noi", "-ni", "-noi", "ti", "-ti", "+f", "+fo", "+b"],
            ),
            (
                Kind::Unsubscribe,
                ["-n", "-no", "n", "no", "-t", "t", "n", "no", "t"],
            ),
            (
                Kind::Subscribed,
                ["-n", "t", "-ni", "ti", "-t", "-ti", "-f", "b", "-b"],
            ),
            (
                Kind::Unsubscribed,
                ["-n", "n", "-ni", "ni", "n", "ni", "-f", "f", "f"],
            ),
        ];
        for (kind, row) in tables {
            for (before, expected) in STATES.iter().zip(row) {
                let mut c = contact(before);
                let sign = match inbound(kind, &mut c, || Bytes::from_static(b"new")) {
                    Inbound::Ignore => "-",
                    Inbound::Deliver => "",
                    Inbound::Reply(k) => {
                        assert_eq!(k, Kind::Subscribed);
                        "+"
                    }
                };
                assert_eq!(
                    [sign, &state(&c)].concat(),
                    expected,
                    "{} in {before}",
                    kind.name()
                );
            }
        }
    }

    #[test]
    fn approval_before_the_request() {
        for before in ["n", "no", "t"] {
            let mut c = contact(before);
            assert!(!outbound(Kind::Subscribed, &mut c) && c.approved, "{before}");
            let reply = inbound(Kind::Subscribe, &mut c, Bytes::new);
            assert_eq!(reply, Inbound::Reply(Kind::Subscribed));
            assert!(c.from() && c.request.is_none(), "{before}");
        }
        let mut c = contact("n");
        outbound(Kind::Subscribed, &mut c);
        assert!(!outbound(Kind::Unsubscribed, &mut c) && !c.approved, "taken back");
        assert_eq!(inbound(Kind::Subscribe, &mut c, Bytes::new), Inbound::Deliver);
    }
}

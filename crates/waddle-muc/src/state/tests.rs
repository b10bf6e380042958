//! The reducer without a runtime: what waits for a commit, and what does not.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use waddle_core::{BareJid, ChannelId, Limits, MessageId, Timestamp, UserId, WaddleId};
use waddle_outbox::Outbox;
use waddle_stanza::{Stanza, ns};

use super::*;
use crate::{
    occupant_id::RoomSecret,
    policy::Policy,
    room::{Channel, Kind},
    standing::{Affiliation, Role, Standing},
};

/// Everybody is a member until the revision is odd; then nobody is but `z`. `m` moderates until the first change. Counts what
/// it is asked.
#[derive(Debug, Clone, Default)]
struct Fake(Arc<AtomicU64>, Arc<AtomicU64>);

impl Policy for Fake {
    fn revision(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
    fn standing(&self, user: &UserId) -> Standing {
        self.1.fetch_add(1, Ordering::Relaxed);
        if self.revision() % 2 == 1 && *user != UserId::local("z") {
            return Standing::STRANGER;
        }
        let moderates = self.revision() == 0 && *user == UserId::local("m");
        Standing {
            join: true,
            affiliation: if moderates {
                Affiliation::Admin
            } else {
                Affiliation::Member
            },
            role: if moderates {
                Role::Moderator
            } else {
                Role::Participant
            },
        }
    }
    fn role(&self, _: &UserId) -> Option<waddle_community::Role> {
        None
    }
    fn belongs(&self, _: &UserId) -> bool {
        self.revision().is_multiple_of(2)
    }
}

struct Stage {
    room: Room,
    fx: Effects,
    policy: Fake,
}

const NOW: Timestamp = Timestamp(1_000_000);

fn sender(name: &str) -> Sender {
    Sender {
        jid: format!("{name}@x/1").parse().unwrap(),
        user: UserId::local(name),
        outbox: Arc::new(Outbox::new(1_000, 1 << 20)),
    }
}

impl Stage {
    fn new(limits: Limits) -> Self {
        let policy = Fake::default();
        let kind = Kind::Channel(Channel {
            waddle: WaddleId::new(),
            id: ChannelId::new(),
            policy: Box::new(policy.clone()),
        });
        let jid: BareJid = "r@muc.x".parse().unwrap();
        let secret = RoomSecret::new(&[0; 32]);
        Self {
            room: Room::new(jid, Arc::new(limits), kind, RoomSettings::default(), secret),
            fx: Effects::default(),
            policy,
        }
    }

    fn send(&mut self, who: &Sender, xml: &str) {
        let stanza = Stanza::parse(xml.to_owned().into()).unwrap();
        let stanza = stanza.head().from(who.jid.as_str()).build().to_stanza().unwrap();
        let inbound = crate::Inbound {
            stanza,
            sender: who.clone(),
        };
        let input = Input::Stanza(Arrived::new(inbound, None));
        self.room.handle(input, NOW, &mut self.fx);
    }

    fn join(&mut self, who: &Sender) {
        let local = who.jid.local().unwrap().to_owned();
        self.send(
            who,
            &[
                "<presence to='r@muc.x/",
                &local,
                "'><x xmlns='",
                ns::MUC,
                "'/></presence>",
            ]
            .concat(),
        );
        self.fx.deliveries.clear();
    }

    fn say(&mut self, who: &Sender, body: &str) {
        self.send(
            who,
            &[
                "<message type='groupchat' to='r@muc.x'><body>",
                body,
                "</body></message>",
            ]
            .concat(),
        );
    }

    fn commit(&mut self, token: u64) {
        let id = Some(MessageId(token as i64));
        let stored = id.map(|id| Stored {
            read: None,
            id,
            news: waddle_messages::NewsKind::Posted,
            gone: Vec::new(),
        });
        self.room
            .handle(Input::Written(token, Ok(stored)), NOW, &mut self.fx);
    }

    /// What went to `who`: bodies of messages, types and elements of the rest.
    fn got(&mut self, who: &Sender) -> Vec<String> {
        let all: VecDeque<_> = self.fx.deliveries.drain(..).collect();
        all.into_iter()
            .filter(|d| Arc::ptr_eq(&d.outbox, &who.outbox))
            .map(|d| {
                let s = d.item.to_stanza().unwrap();
                let type_ = s.type_().unwrap_or_default();
                match s.root().child_text("body", ns::CLIENT) {
                    Some(body) if type_ == "groupchat" => body.into_owned(),
                    _ => [s.root().name(), " ", &type_].concat(),
                }
            })
            .collect()
    }

    fn tokens(&mut self) -> Vec<u64> {
        let all = self.fx.rest.drain(..);
        all.filter_map(|e| {
            if let Effect::Write(token, _) = e {
                Some(token)
            } else {
                None
            }
        })
        .collect()
    }
}

#[test]
fn messages_do_not_wait_for_messages_but_go_out_in_order() {
    let mut s = Stage::new(Limits::default());
    let (a, b) = (sender("a"), sender("b"));
    s.join(&a);
    s.join(&b);
    for body in ["1", "2", "3"] {
        s.say(&a, body);
    }
    assert_eq!(s.tokens(), [1, 2, 3]);
    assert!(s.got(&b).is_empty(), "nothing before its commit");
    // Were commits heard of out of order, the order of the room would still hold.
    s.commit(2);
    assert!(s.got(&b).is_empty());
    s.commit(1);
    assert_eq!(s.got(&b), ["1", "2"]);
    s.commit(3);
    assert_eq!(s.got(&b), ["3"]);
    assert_eq!(s.room.history.len(), 3);
}

#[test]
fn presence_waits_for_the_messages_before_it_and_the_messages_behind_it_too() {
    let mut s = Stage::new(Limits::default());
    let (a, b) = (sender("a"), sender("b"));
    s.join(&a);
    s.join(&b);
    s.say(&a, "1");
    s.send(&a, "<presence type='unavailable' to='r@muc.x/a'/>");
    s.say(&a, "too late");
    s.say(&b, "2");
    assert_eq!(s.tokens(), [1]);
    assert!(s.got(&b).is_empty());
    s.commit(1);
    // The leaving and the refusal come at once, the message of the one who stayed is now being stored.
    assert_eq!(s.tokens(), [2]);
    assert_eq!(s.got(&b), ["1", "presence unavailable"]);
    s.commit(2);
    assert_eq!(s.got(&b), ["2"]);
}

#[test]
fn who_left_before_speaking_is_refused() {
    let mut s = Stage::new(Limits::default());
    let a = sender("a");
    s.join(&a);
    s.say(&a, "1");
    s.send(&a, "<presence type='unavailable' to='r@muc.x/a'/>");
    s.say(&a, "too late");
    s.commit(1);
    assert_eq!(s.got(&a), ["1", "presence unavailable", "message error"]);
}

#[test]
fn a_failed_write_is_the_senders_alone() {
    let mut s = Stage::new(Limits::default());
    let (a, b) = (sender("a"), sender("b"));
    s.join(&a);
    s.join(&b);
    s.say(&a, "1");
    s.say(&a, "2");
    let failed = Err(WriteFailed {
        temporary: true,
        ..WriteFailed::default()
    });
    s.room.handle(Input::Written(1, failed), NOW, &mut s.fx);
    s.commit(2);
    let sent = std::mem::take(&mut s.fx.deliveries);
    s.fx.deliveries = sent
        .iter()
        .map(|d| Delivery {
            outbox: d.outbox.clone(),
            item: d.item.clone(),
            droppable: false,
        })
        .collect();
    assert_eq!(s.got(&a), ["message error", "2"]);
    s.fx.deliveries = sent;
    assert_eq!(s.got(&b), ["2"]);
}

#[test]
fn a_stanza_is_done_when_it_is_stored_or_refused() {
    let mut s = Stage::new(Limits::default());
    let (a, b) = (sender("a"), sender("b"));
    s.join(&a);
    let done = Arc::new(AtomicU64::new(0));
    for who in [&a, &b] {
        let xml = "<message type='groupchat' to='r@muc.x'><body>x</body></message>";
        let inbound = crate::Inbound {
            stanza: Stanza::parse(xml.into()).unwrap(),
            sender: who.clone(),
        };
        let count = done.clone();
        let call = move || _ = count.fetch_add(1, Ordering::Relaxed);
        let input = Input::Stanza(Arrived::new(inbound, Some(Box::new(call))));
        s.room.handle(input, NOW, &mut s.fx);
    }
    assert_eq!(done.load(Ordering::Relaxed), 1, "b is not in the room");
    s.commit(1);
    assert_eq!(done.load(Ordering::Relaxed), 2);
}

#[test]
fn what_waits_is_bounded() {
    let mut s = Stage::new(Limits {
        muc_pending: 3,
        ..Limits::default()
    });
    let a = sender("a");
    s.join(&a);
    for _ in 0..100 {
        s.say(&a, "x");
    }
    assert_eq!(s.tokens(), [1, 2, 3]);
    let got = s.got(&a);
    assert_eq!((got.len(), got[0].as_str()), (97, "message error"));
    s.commit(1);
    s.say(&a, "y");
    assert_eq!(s.tokens(), [4], "there is a place again");
}

#[test]
fn a_right_that_is_gone_counts_at_once() {
    let mut s = Stage::new(Limits::default());
    let (a, b, z) = (sender("a"), sender("b"), sender("z"));
    s.join(&a);
    s.join(&b);
    s.join(&z);
    // The tuples changed; the room was not told yet.
    s.policy.0.store(1, Ordering::Relaxed);
    s.say(&a, "but");
    assert!(s.tokens().is_empty());
    assert_eq!(s.got(&a), ["message error"]);
    s.room
        .handle(Input::Recheck(Some(vec![a.user.clone()])), NOW, &mut s.fx);
    assert_eq!(s.got(&z), ["presence unavailable"]);
    assert_eq!(s.room.occupants.len(), 2);
}

#[test]
fn nobody_sees_the_presence_of_who_may_not_be_here_nor_they_anybodys() {
    let mut s = Stage::new(Limits::default());
    let (a, z) = (sender("a"), sender("z"));
    s.join(&a);
    s.join(&z);
    s.policy.0.store(1, Ordering::Relaxed);
    s.send(&a, "<presence to='r@muc.x/a'><status>psst</status></presence>");
    assert_eq!(s.got(&a), ["presence error"]);
    s.send(&a, "<presence to='r@muc.x/psst'/>");
    assert!(s.got(&z).is_empty());
    s.send(&z, "<presence to='r@muc.x/z'><show>away</show></presence>");
    assert!(s.got(&a).is_empty());
    // They may leave all the same, and come back when they may.
    s.send(&a, "<presence type='unavailable' to='r@muc.x/a'/>");
    assert_eq!(s.got(&z), ["presence unavailable"]);
    s.policy.0.store(2, Ordering::Relaxed);
    s.join(&a);
    s.send(&z, "<presence to='r@muc.x/z'/>");
    assert_eq!(s.got(&a), ["presence "]);
}

#[test]
fn who_moderates_no_more_kicks_nobody() {
    let kick = "<iq type='set' id='k' to='r@muc.x'><query xmlns='http://jabber.org/protocol/muc#admin'>\
                <item nick='a' role='none'/></query></iq>";
    for (revision, left) in [(0, 1), (2, 2)] {
        let mut s = Stage::new(Limits::default());
        let (a, m) = (sender("a"), sender("m"));
        s.join(&a);
        s.join(&m);
        s.policy.0.store(revision, Ordering::Relaxed);
        s.send(&m, kick);
        assert_eq!(s.room.occupants.len(), left, "at revision {revision}");
    }
}

#[test]
fn what_was_not_stored_was_not_said_in_slow_mode() {
    let mut s = Stage::new(Limits::default());
    let a = sender("a");
    s.join(&a);
    s.room.slow.set(600);
    s.say(&a, "1");
    assert_eq!(s.tokens(), [1]);
    s.say(&a, "2");
    assert!(s.tokens().is_empty(), "too soon");
    let failed = Err(WriteFailed {
        temporary: true,
        ..WriteFailed::default()
    });
    s.room.handle(Input::Written(1, failed), NOW, &mut s.fx);
    s.say(&a, "1");
    assert_eq!(s.tokens(), [2]);
}

#[test]
fn who_may_not_be_here_any_more_gets_nothing_that_is_said_since() {
    let mut s = Stage::new(Limits::default());
    let (a, b) = (sender("a"), sender("b"));
    s.join(&a);
    s.join(&b);
    s.say(&a, "1");
    s.say(&a, "2");
    s.commit(1);
    assert_eq!(s.got(&b), ["1"]);
    // They are removed after it was said and before it is told; the room hears of that later.
    s.policy.0.store(1, Ordering::Relaxed);
    s.commit(2);
    assert!(s.got(&b).is_empty());
    let private = "<message type='chat' to='r@muc.x/b'><body>psst</body></message>";
    s.send(&a, private);
    assert!(s.got(&b).is_empty());
    // They come back before the room has heard anything.
    s.policy.0.store(2, Ordering::Relaxed);
    s.say(&a, "3");
    s.commit(3);
    assert_eq!(s.got(&b), ["3"]);
    // While nothing changes nobody is asked anything.
    let asked = s.policy.1.load(Ordering::Relaxed);
    for token in 4..14 {
        s.say(&a, "x");
        s.commit(token);
    }
    assert_eq!(s.got(&b).len(), 10);
    assert_eq!(s.policy.1.load(Ordering::Relaxed), asked);
    s.policy.0.store(3, Ordering::Relaxed);
    s.room.handle(Input::Recheck(None), NOW, &mut s.fx);
    assert_eq!(
        s.got(&b).last().unwrap(),
        "presence unavailable",
        "they are told so"
    );
}

#[test]
fn occupants_are_found_after_others_have_gone() {
    let mut s = Stage::new(Limits::default());
    let all: Vec<Sender> = ["a", "b", "c", "d", "e"].map(sender).into();
    for who in &all {
        s.join(who);
    }
    for gone in [0, 3, 1] {
        s.room.handle(Input::Ended(all[gone].jid.clone()), NOW, &mut s.fx);
    }
    for (i, who) in all.iter().enumerate() {
        let at = s.room.occupants.of_session(&who.jid);
        assert_eq!(at.is_some(), [2, 4].contains(&i));
        if let Some(at) = at {
            assert_eq!(s.room.occupants.at(at).user, who.user);
            assert_eq!(s.room.occupants.of_key(who.jid.local().unwrap()), Some(at));
        }
    }
    assert_eq!((s.room.occupants.len(), s.room.occupants.sessions()), (2, 2));
}

//! Sessions: stream management, resumption, resources, limits (XEP-0198, RFC 6120 §7.7).

use crate::support::{Client, World, body, condition, text, until, world, world_with};
use waddle_core::Secret;

const SM: &str = "urn:xmpp:sm:3";

async fn enable(c: &mut Client) -> String {
    let e = c.request("<enable xmlns='urn:xmpp:sm:3' resume='true'/>").await;
    assert_eq!(e.root().name(), "enabled", "{}", text(&e));
    e.root().attr("id").unwrap().into_owned()
}

/// The next element that is neither `<r/>` nor presence.
async fn next(c: &mut Client) -> waddle_stanza::Stanza {
    loop {
        let s = c.next().await;
        if !matches!(s.root().name(), "r" | "presence") {
            return s;
        }
    }
}

async fn pair(w: &World) -> (Client, Client, String) {
    w.account("alice").await;
    w.account("bob").await;
    let a = w.online("alice", "one").await;
    let mut b = w.client("bob", "two").await;
    let id = enable(&mut b).await;
    b.send("<presence/>").await;
    b.next().await;
    (a, b, id)
}

#[tokio::test]
async fn a_lost_session_is_resumed_without_loss_or_repetition() {
    let w = world().await;
    let (mut a, mut b, id) = pair(&w).await;
    a.send("<message to='bob@waddle.test' type='chat'><body>seen</body></message>")
        .await;
    let m = next(&mut b).await;
    assert_eq!(body(&m), "seen");
    // own presence and one message were handled
    b.send("<a xmlns='urn:xmpp:sm:3' h='2'/>").await;
    b.quiet_sm().await;
    drop(b);
    for i in 0..3 {
        a.send(&format!(
            "<message to='bob@waddle.test' type='chat'><body>m{i}</body></message>"
        ))
        .await;
    }
    a.quiet().await;
    let mut c = w.login("bob").await;
    // the ping's answer was the third stanza
    let r = c
        .request(&format!("<resume xmlns='urn:xmpp:sm:3' previd='{id}' h='3'/>"))
        .await;
    assert_eq!(r.root().name(), "resumed", "{}", text(&r));
    assert_eq!(r.root().attr("previd").unwrap(), id);
    assert_eq!(r.root().attr("h").unwrap(), "2", "presence and ping were handled");
    for i in 0..3 {
        assert_eq!(body(&next(&mut c).await), format!("m{i}"));
    }
    c.quiet_sm().await;
    a.send("<message to='bob@waddle.test/two' type='chat'><body>after</body></message>")
        .await;
    assert_eq!(body(&next(&mut c).await), "after");
}

#[tokio::test]
async fn what_was_not_acknowledged_is_sent_again_on_resumption() {
    let w = world().await;
    let (mut a, mut b, id) = pair(&w).await;
    a.send("<message to='bob@waddle.test' type='chat'><body>lost</body></message>")
        .await;
    assert_eq!(body(&next(&mut b).await), "lost");
    // a second connection resumes while the first one still looks alive
    let mut c = w.login("bob").await;
    let r = c
        .request(&format!("<resume xmlns='urn:xmpp:sm:3' previd='{id}' h='1'/>"))
        .await;
    assert_eq!(r.root().name(), "resumed");
    assert_eq!(body(&next(&mut c).await), "lost");
    c.quiet_sm().await;
    while b.frame().await.is_some() {}
    // the name of the session moved on: it can be resumed again, but by its owner only
    let mut eve = w.login("alice").await;
    let r = eve
        .request(&format!("<resume xmlns='urn:xmpp:sm:3' previd='{id}' h='1'/>"))
        .await;
    assert_eq!(r.root().name(), "failed");
    assert!(
        r.root()
            .has("item-not-found", "urn:ietf:params:xml:ns:xmpp-stanzas")
    );
    eve.bind("still-usable").await;
}

#[tokio::test]
async fn an_expired_session_tells_its_count_and_its_messages_wait() {
    let w = world_with(|l| l.xmpp_resume_seconds = 1, |_| {}).await;
    let (mut a, b, id) = pair(&w).await;
    drop(b);
    a.send("<message to='bob@waddle.test' type='chat'><body>kept</body></message>")
        .await;
    a.quiet().await;
    // until the session has expired its resource is in the table
    until(|| w.server.sessions() <= 1).await;
    let mut c = w.login("bob").await;
    let r = c
        .request(&format!("<resume xmlns='urn:xmpp:sm:3' previd='{id}' h='1'/>"))
        .await;
    assert_eq!(r.root().name(), "failed");
    assert_eq!(r.root().attr("h").unwrap(), "1");
    c.bind("two").await;
    c.send("<presence/>").await;
    let m = c.message().await;
    assert_eq!(body(&m), "kept");
    assert!(m.root().has("delay", "urn:xmpp:delay"));
    c.quiet().await;
}

#[tokio::test]
async fn a_new_session_takes_the_place_of_a_lost_one_with_its_messages() {
    let w = world().await;
    let (mut a, mut b, _) = pair(&w).await;
    a.send("<message to='bob@waddle.test' type='chat'><body>unseen</body></message>")
        .await;
    assert_eq!(body(&next(&mut b).await), "unseen");
    let mut third = w.login("bob").await;
    let r = third
        .request("<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>two</resource></bind></iq>")
        .await;
    assert_eq!(condition(&r), "conflict", "the first one is alive");
    drop(b);
    // the loss is noticed at once on a pipe: then the resource is free
    let mut c = loop {
        let mut c = w.login("bob").await;
        let r = c
            .request("<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>two</resource></bind></iq>")
            .await;
        if r.type_().unwrap() == "result" {
            break c;
        }
    };
    c.send("<presence/>").await;
    assert_eq!(body(&c.message().await), "unseen");
    let mut d = w.online("bob", "three").await;
    let rest = d.sync().await;
    assert!(
        rest.iter().all(|s| s.root().name() == "presence"),
        "once, not twice"
    );
}

#[tokio::test]
async fn wrong_counts_end_the_stream() {
    let w = world().await;
    let (_a, mut b, _) = pair(&w).await;
    b.send("<a xmlns='urn:xmpp:sm:3' h='99'/>").await;
    loop {
        let s = b.next().await;
        if s.root().name() == "error" {
            assert!(
                s.root()
                    .has("undefined-condition", "urn:ietf:params:xml:ns:xmpp-streams")
            );
            let h = s.root().child("handled-count-too-high", SM).unwrap();
            assert_eq!(h.attr("h").unwrap(), "99");
            break;
        }
    }
}

/// XEP-0198 §5: a count beyond what was sent ends the new stream, not the session.
#[tokio::test]
async fn a_resumption_with_too_high_a_count_ends_the_stream() {
    let w = world_with(|_| {}, |c| c.resume_location = Some("sm.waddle.test:5222".into())).await;
    w.account("bob").await;
    let mut b = w.client("bob", "two").await;
    let e = b.request("<enable xmlns='urn:xmpp:sm:3' resume='true'/>").await;
    assert_eq!(e.root().attr("location").unwrap(), "sm.waddle.test:5222");
    let id = e.root().attr("id").unwrap().into_owned();
    drop(b);
    let resume = |h: u32| format!("<resume xmlns='urn:xmpp:sm:3' previd='{id}' h='{h}'/>");
    let mut c = w.login("bob").await;
    c.send(&resume(99)).await;
    c.ends_with("undefined-condition").await;
    let mut c = w.login("bob").await;
    assert_eq!(c.request(&resume(0)).await.root().name(), "resumed");
}

#[tokio::test]
async fn requests_out_of_order() {
    let w = world().await;
    w.account("bob").await;
    let mut c = w.login("bob").await;
    let r = c.request("<enable xmlns='urn:xmpp:sm:3'/>").await;
    assert_eq!(r.root().name(), "failed", "before bind");
    c.bind("x").await;
    let r = c.request("<r xmlns='urn:xmpp:sm:3'/>").await;
    assert_eq!(r.root().name(), "failed", "before enable");
    let r = c.request("<enable xmlns='urn:xmpp:sm:3'/>").await;
    assert!(r.root().name() == "enabled" && r.root().attr("id").is_none());
    let r = c.request("<enable xmlns='urn:xmpp:sm:3'/>").await;
    assert_eq!(r.root().name(), "failed", "twice");
    let r = c.request("<r xmlns='urn:xmpp:sm:3'/>").await;
    assert_eq!(r.root().attr("h").unwrap(), "0");
}

#[tokio::test]
async fn sessions_of_an_account_are_limited() {
    let w = world_with(|l| l.xmpp_sessions_per_account = 2, |_| {}).await;
    w.account("bob").await;
    let _one = w.client("bob", "1").await;
    let _two = w.client("bob", "2").await;
    let mut three = w.login("bob").await;
    let r = three
        .request("<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>")
        .await;
    assert_eq!(condition(&r), "resource-constraint");
}

#[tokio::test]
async fn a_changed_password_ends_the_sessions_that_used_it() {
    let w = world().await;
    w.account("bob").await;
    let mut b = w.client("bob", "1").await;
    let user = w.identity.by_localpart("bob").await.unwrap().unwrap().user;
    w.identity
        .set_password(&user, &Secret::new("other"))
        .await
        .unwrap();
    b.ends_with("not-authorized").await;
}

#[tokio::test]
async fn shutdown_says_so() {
    let w = world().await;
    w.account("bob").await;
    let mut b = w.client("bob", "1").await;
    let server = w.server.clone();
    let stop = tokio::spawn(async move { server.shutdown(std::time::Duration::from_secs(5)).await });
    b.ends_with("system-shutdown").await;
    drop(b);
    stop.await.unwrap();
    assert_eq!(w.server.connections(), 0);
}

#[tokio::test]
async fn a_hit_limit_is_an_error_and_the_stream_stays() {
    let w = world_with(
        |l| {
            l.xmpp_rate_messages = waddle_core::limits::Rate {
                count: 3,
                seconds: 60,
            }
        },
        |_| {},
    )
    .await;
    w.account("bob").await;
    let mut b = w.client("bob", "1").await;
    for i in 0..4 {
        b.send(&format!(
            "<message to='bob@waddle.test' id='m{i}' type='headline'/>"
        ))
        .await;
    }
    let e = b.next().await;
    assert_eq!(e.id().unwrap(), "m3");
    assert_eq!(condition(&e), "policy-violation");
    let error = e.root().child("error", "jabber:client").unwrap();
    assert_eq!(error.attr("type").unwrap(), "wait");
    assert!(text(&e).contains("20 s"), "{}", text(&e));
    b.quiet().await;
}

#[tokio::test]
async fn a_slow_reader_is_closed_and_loses_nothing() {
    let w = world_with(|l| l.xmpp_outbox_stanzas = 50, |c| c.rate_limits = false).await;
    w.account("alice").await;
    w.account("bob").await;
    let mut a = w.online("alice", "one").await;
    let b = w.online("bob", "two").await;
    let big = "x".repeat(60_000);
    for i in 0..100 {
        a.send(&format!(
            "<message to='bob@waddle.test' type='chat' id='{i}'><body>{i} {big}</body></message>"
        ))
        .await;
    }
    a.quiet().await;
    until(|| w.server.sessions() <= 1).await;
    let mut seen = Vec::new();
    let mut b = b;
    // what was written before the stream ended
    while let Some(f) = b.frame_lossy().await {
        if let waddle_stanza::Frame::Stanza(s) = f
            && s.root().name() == "message"
        {
            seen.push(body(&s).split(' ').next().unwrap().to_owned());
        }
    }
    let mut c = w.online("bob", "three").await;
    while seen.last().is_none_or(|last| last != "99") {
        let m = c.message().await;
        seen.push(body(&m).split(' ').next().unwrap().to_owned());
    }
    c.quiet().await;
    let lost: Vec<_> = (0..100)
        .map(|i| i.to_string())
        .filter(|i| !seen.contains(i))
        .collect();
    assert!(
        lost.len() <= 1,
        "only a half-written one may be missing: {lost:?}"
    );
    let mut once = seen.clone();
    once.sort();
    once.dedup();
    assert_eq!(once.len(), seen.len(), "none twice");
}

#[tokio::test]
async fn a_client_that_never_acknowledges_is_closed_and_loses_nothing() {
    let w = world_with(
        |l| {
            l.xmpp_unacked_stanzas = 5;
            l.xmpp_outbox_stanzas = 10;
        },
        |c| c.rate_limits = false,
    )
    .await;
    let (mut a, mut b, _) = pair(&w).await;
    for i in 0..40 {
        a.send(&format!(
            "<message to='bob@waddle.test' type='chat'><body>{i}</body></message>"
        ))
        .await;
    }
    a.quiet().await;
    b.ends_with("resource-constraint").await;
    let mut c = w.online("bob", "three").await;
    let mut last = String::new();
    let mut seen = 0;
    while last != "39" {
        last = body(&c.message().await);
        seen += 1;
    }
    assert_eq!(seen, 40, "everything that was not acknowledged waited");
    c.quiet().await;
}

#[tokio::test]
async fn two_resumptions_at_once_give_the_session_to_one() {
    let w = world().await;
    let (_a, b, id) = pair(&w).await;
    drop(b);
    let mut one = w.login("bob").await;
    let mut two = w.login("bob").await;
    let resume = format!("<resume xmlns='urn:xmpp:sm:3' previd='{id}' h='1'/>");
    one.send(&resume).await;
    two.send(&resume).await;
    // the second takes it from the first, or comes first: in the end one has it
    let (r1, r2) = (one.next().await, two.next().await);
    let resumed = [&r1, &r2].iter().filter(|r| r.root().name() == "resumed").count();
    assert!(resumed >= 1, "{} {}", text(&r1), text(&r2));
    assert_eq!(w.server.sessions(), 2, "Alice's and the one of Bob");
}

//! The negotiation without a runtime: frames in, effects out.

use bytes::Bytes;
use waddle_core::UserId;
use waddle_identity::{CredentialId, CredentialKind};
use waddle_stanza::sasl::ScramKeys;

use super::*;
use crate::connection::effects::LoginFailure;

fn policy(framing: Framing) -> Policy {
    Policy {
        domain: "waddle.test".into(),
        framing,
        starttls: framing == Framing::Stream,
        login_without_tls: false,
        register: Register::default(),
        oauth: Some("https://waddle.test/oauth".into()),
        sasl2: true,
        fast: true,
        downgrade: true,
        attempts: 3,
    }
}

fn header(to: &str, from: Option<&str>) -> Input {
    Input::Frame(Frame::Open(StreamHeader {
        to: Some(to.to_owned()),
        from: from.map(str::to_owned),
        lang: None,
        version: "1.0".to_owned(),
        id: None,
        namespace: ns::CLIENT,
    }))
}

fn stanza(xml: &'static str) -> Input {
    Input::Frame(Frame::Stanza(
        Stanza::parse(Bytes::from_static(xml.as_bytes())).unwrap(),
    ))
}

fn login() -> LoggedIn {
    LoggedIn {
        user: UserId::local("bob"),
        localpart: "bob".to_owned(),
        credential: CredentialId(7),
        kind: CredentialKind::Password,
        expires_at: None,
        admin: false,
        disabled: false,
    }
}

fn channel() -> ChannelBinding {
    ChannelBinding::offered(vec![
        ("tls-exporter", vec![9; 32]),
        ("tls-server-end-point", vec![8; 32]),
    ])
}

fn secure() -> Negotiation {
    let mut n = Negotiation::new(policy(Framing::Stream), true, channel(), || "server".to_owned());
    n.handle(header("waddle.test", None));
    n
}

fn offer(effects: &Effects) -> &Offer {
    effects
        .iter()
        .find_map(|e| match e {
            Effect::Features(o) => Some(o),
            _ => None,
        })
        .unwrap()
}

fn sent(effects: &Effects) -> String {
    effects
        .iter()
        .filter_map(|e| match e {
            Effect::Send(o) => Some(String::from_utf8(o.concat().to_vec()).unwrap()),
            _ => None,
        })
        .collect()
}

fn closed(effects: &Effects) -> Option<StreamError> {
    effects.iter().find_map(|e| match e {
        Effect::Close(e, _) => e.clone(),
        _ => None,
    })
}

const PLAIN: &str =
    "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AGJvYgBzZWNyZXQ=</auth>";

#[test]
fn nothing_but_tls_is_offered_in_the_clear() {
    let mut n = Negotiation::new(
        policy(Framing::Stream),
        false,
        ChannelBinding::none(),
        String::new,
    );
    let e = n.handle(header("waddle.test", Some("bob@waddle.test")));
    assert!(matches!(&e[0], Effect::Open { to: Some(j), .. } if j.as_str() == "bob@waddle.test"));
    assert_eq!(
        *offer(&e),
        Offer {
            starttls: Some(true),
            ..Offer::default()
        }
    );
    assert!(sent(&n.handle(stanza(PLAIN))).contains("encryption-required"));
    let e = n.handle(stanza("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"));
    assert!(matches!(e[1], Effect::StartTls) && sent(&e).contains("proceed"));
    let e = n.handle(Input::Secured(channel()));
    assert!(matches!(e[0], Effect::Restart));
    let e = n.handle(header("waddle.test", None));
    let o = offer(&e);
    assert!(o.starttls.is_none() && o.bindings.len() == 2 && o.mechanisms.len() == 8 && o.sasl2);
    assert_eq!(o.mechanisms[0], "SCRAM-SHA-512-PLUS");
    // twice is an error that ends the stream
    let e = n.handle(stanza("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"));
    assert!(sent(&e).contains("failure") && matches!(e[1], Effect::Close(None, _)));
}

#[test]
fn a_websocket_without_tls_offers_scram_only() {
    let mut n = Negotiation::new(
        policy(Framing::WebSocket),
        false,
        ChannelBinding::none(),
        String::new,
    );
    let e = n.handle(header("waddle.test", None));
    assert_eq!(
        offer(&e).mechanisms,
        ["SCRAM-SHA-512", "SCRAM-SHA-256", "SCRAM-SHA-1"]
    );
    assert!(offer(&e).starttls.is_none());
}

#[test]
fn wrong_hosts_and_headers_out_of_order() {
    for to in [
        "elsewhere.example",
        "bob@waddle.test",
        "waddle.test/x",
        "",
        "a@@b",
    ] {
        let mut n = Negotiation::new(policy(Framing::Stream), true, ChannelBinding::none(), String::new);
        let e = n.handle(header(to, None));
        assert!(matches!(e[0], Effect::Open { .. }), "its own header first");
        assert_eq!(closed(&e), Some(StreamError::HostUnknown), "{to}");
    }
    assert_eq!(
        closed(&secure().handle(header("waddle.test", None))),
        Some(StreamError::BadFormat)
    );
}

#[test]
fn a_login_binds_a_resource() {
    let mut n = secure();
    let e = n.handle(stanza(PLAIN));
    assert!(
        matches!(&e[0], Effect::VerifyPlain { username, password } if username == "bob" && password.expose() == "secret")
    );
    let e = n.handle(Input::Verified(Ok(login())));
    assert!(sent(&e).starts_with("<success"));
    assert!(matches!(&e[1], Effect::LoggedIn(l, "PLAIN") if l.localpart == "bob"));
    assert!(matches!(e[2], Effect::Restart));
    let e = n.handle(header("waddle.test", None));
    assert!(offer(&e).bind && offer(&e).mechanisms.is_empty());
    let bind = "<iq type='set' id='b1'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>r</resource></bind></iq>";
    let e = n.handle(stanza(bind));
    assert!(matches!(&e[0], Effect::Bind { resource: Some(r), .. } if r == "r"));
    let e = n.handle(Input::Bound(Err(StanzaError::new(Condition::Conflict))));
    assert!(sent(&e).contains("conflict") && sent(&e).contains("b1"));
    n.handle(stanza(bind));
    let e = n.handle(Input::Bound(Ok("bob@waddle.test/r".parse().unwrap())));
    assert!(sent(&e).contains("<jid>bob@waddle.test/r</jid>"));
    assert!(matches!(e[1], Effect::Done(_)));
}

#[test]
fn nobody_acts_as_somebody_else() {
    for (message, ok) in [
        ("Ym9iQHdhZGRsZS50ZXN0AGJvYgBzZWNyZXQ=", true),
        ("YWxpY2VAd2FkZGxlLnRlc3QAYm9iAHNlY3JldA==", false),
    ] {
        let mut n = secure();
        let xml: &'static str = if ok {
            "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>Ym9iQHdhZGRsZS50ZXN0AGJvYgBzZWNyZXQ=</auth>"
        } else {
            "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>YWxpY2VAd2FkZGxlLnRlc3QAYm9iAHNlY3JldA==</auth>"
        };
        assert!(xml.contains(message));
        n.handle(stanza(xml));
        let e = n.handle(Input::Verified(Ok(login())));
        assert_eq!(sent(&e).contains("success"), ok);
        assert_eq!(sent(&e).contains("invalid-authzid"), !ok);
    }
    let mut n = secure();
    n.handle(stanza(PLAIN));
    n.handle(Input::Verified(Ok(login())));
    let e = n.handle(header("waddle.test", Some("alice@waddle.test")));
    assert_eq!(closed(&e), Some(StreamError::InvalidFrom));
}

#[test]
fn attempts_are_counted_until_the_stream_ends() {
    let mut n = secure();
    for i in 1..=3 {
        n.handle(stanza(PLAIN));
        let e = n.handle(Input::Verified(Err(LoginFailure::NotAuthorized)));
        assert!(matches!(
            e[0],
            Effect::Failed {
                mechanism: "PLAIN",
                guess: true,
                ..
            }
        ));
        assert_eq!(closed(&e).is_some(), i == 3);
    }
    let mut n = secure();
    for i in 1..=6 {
        let e = n.handle(stanza(
            "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='UNHEARD-OF'/>",
        ));
        assert!(sent(&e).contains("invalid-mechanism"));
        assert_eq!(closed(&e).is_some(), i == 6, "what guesses nothing counts half");
    }
    let mut n = secure();
    n.handle(stanza(PLAIN));
    let e = n.handle(Input::Verified(Err(LoginFailure::Throttled(9))));
    assert!(sent(&e).contains("temporary-auth-failure"));
    assert!(matches!(e[0], Effect::Failed { guess: false, .. }));
}

#[test]
fn stream_management_waits_for_the_login() {
    let e = secure().handle(stanza("<enable xmlns='urn:xmpp:sm:3'/>"));
    assert!(sent(&e).contains("unexpected-request") && closed(&e).is_none());
}

#[test]
fn an_exchange_can_be_given_up_and_not_be_mixed() {
    let mut n = secure();
    let e = n.handle(stanza(
        "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='SCRAM-SHA-1'>biwsbj1ib2Iscj1hYmM=</auth>",
    ));
    assert!(matches!(&e[0], Effect::FindKeys { username, .. } if username == "bob"));
    let keys = Keys {
        salt: vec![1; 16],
        iterations: 4096,
        candidates: vec![ScramKeys {
            stored_key: vec![0; 20],
            server_key: vec![0; 20],
        }],
        logins: vec![Some(login())],
    };
    assert!(sent(&n.handle(Input::Keys(Ok(keys.clone())))).contains("challenge"));
    assert!(
        sent(&n.handle(stanza(PLAIN))).contains("malformed-request"),
        "a second one meanwhile"
    );
    n.handle(stanza(
        "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='SCRAM-SHA-1'>biwsbj1ib2Iscj1hYmM=</auth>",
    ));
    n.handle(Input::Keys(Ok(keys)));
    assert!(sent(&n.handle(stanza("<abort xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>"))).contains("aborted"));
}

#[test]
fn nothing_is_routed_before_bind() {
    for xml in [
        "<message/>",
        "<presence/>",
        "<iq type='get' id='1'><ping xmlns='urn:xmpp:ping'/></iq>",
    ] {
        let mut n = secure();
        assert_eq!(
            closed(&n.handle(stanza(xml))),
            Some(StreamError::NotAuthorized),
            "{xml}"
        );
        let mut n = secure();
        n.handle(stanza(PLAIN));
        n.handle(Input::Verified(Ok(login())));
        n.handle(header("waddle.test", None));
        assert_eq!(
            closed(&n.handle(stanza(xml))),
            Some(StreamError::NotAuthorized),
            "{xml}"
        );
    }
}

const AUTHENTICATE: &str = "<authenticate xmlns='urn:xmpp:sasl:2' mechanism='PLAIN'>\
    <initial-response>AGJvYgBzZWNyZXQ=</initial-response><bind xmlns='urn:xmpp:bind:0'/></authenticate>";

#[test]
fn the_newer_profile_needs_no_restart() {
    let mut n = secure();
    let e = n.handle(stanza(AUTHENTICATE));
    assert!(matches!(&e[0], Effect::VerifyPlain { username, .. } if username == "bob"));
    let e = n.handle(Input::Verified(Ok(login())));
    assert!(matches!(&e[0], Effect::LoggedIn(_, "PLAIN")));
    assert!(matches!(&e[1], Effect::Establish(e) if e.wish.bind.is_some() && e.login.localpart == "bob"));
    assert!(offer(&n.handle(Input::Established)).bind);
    let mut n = secure();
    n.handle(stanza(AUTHENTICATE));
    n.handle(Input::Verified(Ok(login())));
    let e = n.handle(Input::NotEstablished);
    assert!(sent(&e).contains("<failure xmlns=\"urn:xmpp:sasl:2\">") && n.login().is_none());
}

#[test]
fn nothing_comes_between_in_the_newer_profile() {
    for xml in [
        "<presence/>",
        "<iq type='get' id='1'><query xmlns='jabber:iq:register'/></iq>",
        PLAIN,
        AUTHENTICATE,
    ] {
        let mut n = secure();
        n.handle(stanza(
            "<authenticate xmlns='urn:xmpp:sasl:2' mechanism='PLAIN'/>",
        ));
        assert_eq!(
            closed(&n.handle(stanza(xml))),
            Some(StreamError::NotAuthorized),
            "{xml}"
        );
    }
    let mut n = secure();
    let e = n.handle(stanza("<response xmlns='urn:xmpp:sasl:2'/>"));
    assert!(sent(&e).contains("malformed-request"));
    n.handle(stanza(
        "<authenticate xmlns='urn:xmpp:sasl:2' mechanism='PLAIN'/>",
    ));
    let e = n.handle(stanza("<abort xmlns='urn:xmpp:sasl:2'/>"));
    assert!(sent(&e).contains("<aborted") && sent(&e).contains("urn:xmpp:sasl:2"));
    let mut n = Negotiation::new(
        policy(Framing::WebSocket),
        false,
        ChannelBinding::none(),
        String::new,
    );
    n.handle(header("waddle.test", None));
    assert_eq!(
        closed(&n.handle(stanza(AUTHENTICATE))),
        Some(StreamError::NotAuthorized),
        "not without TLS"
    );
}

#[test]
fn an_authorization_identity_fits_the_stream() {
    // bob@waddle.test NUL bob NUL secret
    const WITH_AUTHZID: &str = "<authenticate xmlns='urn:xmpp:sasl:2' mechanism='PLAIN'>\
        <initial-response>Ym9iQHdhZGRsZS50ZXN0AGJvYgBzZWNyZXQ=</initial-response></authenticate>";
    for (from, ok) in [
        (None, true),
        (Some("bob@waddle.test"), true),
        (Some("alice@waddle.test"), false),
    ] {
        let mut n = Negotiation::new(policy(Framing::Stream), true, channel(), String::new);
        n.handle(header("waddle.test", from));
        n.handle(stanza(WITH_AUTHZID));
        let e = n.handle(Input::Verified(Ok(login())));
        assert_eq!(sent(&e).contains("invalid-authzid"), !ok, "{from:?}");
    }
}

#[test]
fn who_says_to_be_of_elsewhere_is_told() {
    for from in ["bob@elsewhere.example", "a@@b", ""] {
        let mut n = Negotiation::new(policy(Framing::Stream), true, channel(), String::new);
        let e = n.handle(header("waddle.test", Some(from)));
        assert_eq!(closed(&e), Some(StreamError::InvalidFrom), "{from}");
    }
}

#[test]
fn a_bad_token_is_told_where_to_get_a_good_one() {
    // n,,^Aauth=Bearer x^A^A
    let mut n = secure();
    let e = n.handle(stanza(
        "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='OAUTHBEARER'>biwsAWF1dGg9QmVhcmVyIHgBAQ==</auth>",
    ));
    assert!(matches!(&e[0], Effect::VerifyToken(t) if t.expose() == "x"));
    let e = n.handle(Input::Verified(Err(LoginFailure::NotAuthorized)));
    assert!(sent(&e).contains("<challenge"));
    assert!(
        matches!(
            e[0],
            Effect::Failed {
                guess: true,
                mechanism: "OAUTHBEARER",
                ..
            }
        ),
        "whether or not the client answers"
    );
    let e = n.handle(stanza(
        "<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>AQ==</response>",
    ));
    assert!(!e.iter().any(|e| matches!(e, Effect::Failed { .. })), "once");
    assert!(sent(&e).contains("not-authorized"));
    // n,,^Aauth=Bearer ^A^A
    let e = n.handle(stanza(
        "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='OAUTHBEARER'>biwsAWF1dGg9QmVhcmVyIAEB</auth>",
    ));
    assert!(sent(&e).contains("<challenge"), "who has none asks");
    let e = n.handle(stanza("<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>"));
    assert!(
        matches!(e[0], Effect::Failed { guess: false, .. }),
        "and tries no secret"
    );
}

#[test]
fn a_token_of_fast_needs_the_word_and_the_client() {
    const RESPONSE: &str = "Ym9iAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let xml = |inside: &str| {
        let xml = [
            "<authenticate xmlns='urn:xmpp:sasl:2' mechanism='HT-SHA-256-ENDP'><initial-response>",
            RESPONSE,
            "</initial-response>",
            inside,
            "</authenticate>",
        ]
        .concat();
        Input::Frame(Frame::Stanza(Stanza::parse(xml.into()).unwrap()))
    };
    let agent = "<user-agent id='d4565fa7-4d72-4749-b3d3-740edbf87770'/>";
    for bad in ["", agent, "<fast xmlns='urn:xmpp:fast:0'/>"] {
        assert!(
            sent(&secure().handle(xml(bad))).contains("malformed-request"),
            "{bad}"
        );
    }
    let whole = [agent, "<fast xmlns='urn:xmpp:fast:0' count='2'/>"].concat();
    let mut n = secure();
    let e = n.handle(xml(&whole));
    let Effect::VerifyFast(proof) = &e[0] else {
        panic!("{e:?}")
    };
    assert_eq!(
        (proof.binding.as_slice(), proof.used.count),
        (&[8; 32][..], Some(2))
    );
    let e = n.handle(Input::Fast(Err(LoginFailure::Expired)));
    assert!(sent(&e).contains("credentials-expired"));
    let mut n = secure();
    n.handle(stanza(
        "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='HT-SHA-256-NONE'/>",
    ));
    let e = n.handle(stanza("<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>Ym9iAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA</response>"));
    assert!(sent(&e).contains("malformed-request"), "not in the older profile");
}

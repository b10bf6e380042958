//! Tests of rules as a waddle has them.

use super::*;

fn rule(json: &str) -> Rule {
    serde_json::from_str(json).unwrap()
}

fn judge_as(rules: &[&str], text: &str, role: &str) -> Judgement {
    let rules = (1..).zip(rules.iter().map(|r| rule(r)));
    Screen::new(rules, "penguins", "chat.example").map_or_else(Judgement::default, |s| {
        s.judge(ChannelId::new(), &[text], |roles| roles.iter().any(|r| r == role))
    })
}

fn judge(rules: &[&str], text: &str) -> Judgement {
    judge_as(rules, text, "member")
}

const VILE: &str = r#"{"name":"manners","kind":"words","words":["vile"],"timeout_seconds":60,"report":true}"#;
const STARS: &str = r#"{"name":"stars","kind":"words","words":["darn","h*ck"],"then":"replace"}"#;

#[test]
fn a_broken_rule_says_what_follows() {
    let j = judge(&[VILE], "how V1LE of you");
    let broken = j.refused().unwrap();
    assert_eq!((broken.id, &*broken.name, &*broken.found), (1, "manners", "V1LE"));
    assert_eq!(j.timeout().unwrap().timeout_seconds, 60);
    assert!(broken.report && j.explanation().unwrap().contains("manners"));
    assert_eq!(judge(&[VILE], "how kind of you"), Judgement::default());
}

#[test]
fn moderators_are_spared_unless_a_rule_says_otherwise() {
    assert_eq!(judge_as(&[VILE], "vile", "moderator"), Judgement::default());
    let all = r#"{"name":"all","kind":"words","words":["vile"],"exempt_roles":[]}"#;
    assert!(judge_as(&[all], "vile", "moderator").refused().is_some());
}

#[test]
fn stars_cover_what_was_found_and_nothing_else() {
    let j = judge(&[STARS], "Darn it, what the H E C K is dárn?");
    assert!(j.refused().is_none());
    assert_eq!(j.covered.unwrap(), ["**** it, what the * * * * is ****?"]);
    let both = judge(&[STARS, VILE], "darn vile");
    assert!(
        both.covered.is_none() && both.refused().is_some(),
        "the stronger one wins"
    );
}

#[test]
fn a_removed_text_does_not_name_its_rule() {
    let remove = r#"{"name":"secret","kind":"patterns","patterns":["free\\s+coins"],"then":"remove"}"#;
    let j = judge(&[VILE, remove], "vile: FREE   coins");
    assert_eq!(&*j.refused().unwrap().name, "secret");
    assert!(!j.explanation().unwrap().contains("secret"));
    let told = r#"{"name":"x","kind":"words","words":["a"],"message":"Ask in #help instead."}"#;
    assert_eq!(
        judge(&[told], "a").explanation().unwrap(),
        "Ask in #help instead."
    );
}

#[test]
fn links() {
    let deny = r#"{"name":"l","kind":"links","deny":["evil.example"],"allow":["good.evil.example"]}"#;
    for bad in [
        "https://evil.example/",
        "http://a.b.EVIL.example",
        "evil.example",
        "https://x@evil.example",
    ] {
        assert!(judge(&[deny], bad).refused().is_some(), "{bad}");
    }
    for good in [
        "https://notevil.example",
        "https://good.evil.example/x",
        "evil dot example",
    ] {
        assert!(judge(&[deny], good).refused().is_none(), "{good}");
    }
    let only = r#"{"name":"l","kind":"links","only_allowed":true,"allow":["wiki.example"]}"#;
    for bad in ["https://other.example/x", "other.com", "ftp://x.example/"] {
        assert!(judge(&[only], bad).refused().is_some(), "{bad}");
    }
    for good in [
        "en.wiki.example/Penguin",
        "https://chat.example/app",
        "see main.rs",
        "no link",
    ] {
        assert!(judge(&[only], good).refused().is_none(), "{good}");
    }
    let own = r#"{"name":"l","kind":"links","invitations":"own"}"#;
    let code = "abcdefghijklmnopqrstuvwxyz";
    let mine = format!("https://chat.example/invite/penguins-{code}");
    let theirs = format!("https://chat.example/invite/seals-{code}");
    assert!(judge(&[own], &mine).refused().is_none() && judge(&[own], &theirs).refused().is_some());
    assert!(judge(&[own], "discord.gg/abc").refused().is_some());
    let none = r#"{"name":"l","kind":"links","invitations":"none"}"#;
    assert!(judge(&[none], &mine).refused().is_some());
}

#[test]
fn a_rule_counts_where_it_says() {
    let here = ChannelId::new();
    let mut r = rule(VILE);
    r.channels = vec![here];
    let screen = |r: &Rule| Screen::new([(1, r.clone())], "p", "x").unwrap();
    let hits = |r: &Rule, c| !screen(r).judge(c, &["vile"], |_| false).broken.is_empty();
    assert!(hits(&r, here) && !hits(&r, ChannelId::new()));
    r.exempt_channels = vec![here];
    assert!(!hits(&r, here));
    r.enabled = false;
    assert!(Screen::new([(1, r)], "p", "x").is_none(), "nothing to ask");
}

#[test]
fn what_is_no_rule_is_refused() {
    let bounds = Bounds { entries: 3 };
    for bad in [
        r#"{"name":" ","kind":"words","words":["a"]}"#,
        r#"{"name":"x","kind":"words","words":[]}"#,
        r#"{"name":"x","kind":"words","words":["a","b","c","d"]}"#,
        r#"{"name":"x","kind":"patterns","patterns":["("]}"#,
        r#"{"name":"x","kind":"links"}"#,
        r#"{"name":"x","kind":"links","deny":["http://x"]}"#,
        r#"{"name":"x","kind":"words","words":["a"],"timeout_seconds":99999999}"#,
    ] {
        assert!(rule(bad).check(bounds).is_err(), "{bad}");
    }
    assert_eq!(rule(VILE).check(bounds), Ok(()));
    let text = serde_json::to_string(&rule(VILE)).unwrap();
    assert_eq!(rule(&text), rule(VILE), "as it is stored");
}

#[test]
fn a_long_text_and_many_words_take_no_time() {
    let words: Vec<String> = (0..2_000).map(|n| format!("unlikely{n}x")).collect();
    let mut r = rule(VILE);
    r.trigger = Trigger::Words { words };
    let screen = Screen::new([(1, r)], "p", "x").unwrap();
    let text = "the quick brown fox jumps over the lazy dog. ".repeat(20);
    let channel = ChannelId::new();
    let begun = std::time::Instant::now();
    for _ in 0..100 {
        assert!(screen.judge(channel, &[&text], |_| false).broken.is_empty());
    }
    // 900 bytes each; without optimisation, on a busy machine.
    assert!(
        begun.elapsed() < std::time::Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
}

#[test]
fn covering_takes_no_longer_than_reading_and_has_an_end() {
    let rule = r#"{"name":"s","kind":"words","words":["bad"],"then":"replace"}"#;
    let few = "bad ".repeat(PLACES);
    assert_eq!(judge(&[rule], &few).covered.unwrap()[0], "*** ".repeat(PLACES));
    let begun = std::time::Instant::now();
    let j = judge(&[rule], &"bad ".repeat(65_000));
    assert!(
        j.covered.is_none() && j.refused().is_some_and(|b| b.then == Then::Block),
        "too many places"
    );
    // A quarter of a megabyte; without optimisation, on a busy machine.
    assert!(
        begun.elapsed() < std::time::Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
}

#[test]
fn what_overlaps_is_covered_once_in_each_text() {
    let rules = [
        r#"{"name":"a","kind":"patterns","patterns":["cat nap","nap"],"then":"replace"}"#,
        r#"{"name":"b","kind":"words","words":["cat"],"then":"replace"}"#,
    ];
    let rules = (1..).zip(rules.iter().map(|r| rule(r)));
    let screen = Screen::new(rules, "p", "x").unwrap();
    let j = screen.judge(
        ChannelId::new(),
        &["nothing", "a cat naps é cat", "", "nap"],
        |_| false,
    );
    assert_eq!(j.covered.unwrap(), ["nothing", "a *** ***s é ***", "", "***"]);
}

#[test]
fn no_trick_hides_where_a_link_goes() {
    let deny = r#"{"name":"l","kind":"links","deny":["evil.example"]}"#;
    let only = r#"{"name":"l","kind":"links","only_allowed":true,"allow":["ok.example"]}"#;
    for trick in [
        "https://evil.example/#xmpp:a@ok.example",
        "https://evil.example/?xmpp:a@ok.example",
        "https://evil.example/?u=https://ok.example/",
        "https://ok.example/?u=https://evil.example/x",
        "https://ok.example@evil.example/",
        "https://ok.example:x@evil.example/?https://ok.example",
        "https://ok.example,https://evil.example",
        "evil.example/#https://ok.example",
        "//evil.example/https://ok.example",
        "xmpp:a@evil.example/b@ok.example",
        "xmpp://me@ok.example/a@evil.example?join",
        "xmpp:a@evil.example#@ok.example",
        "https:evil.example",
        "https:/evil.example/x",
        "https:\\evil.example\\x",
        "https://ok.example://https://evil.example://x",
    ] {
        assert!(judge(&[deny], trick).refused().is_some(), "{trick}");
        assert!(judge(&[only], trick).refused().is_some(), "{trick}");
    }
    for good in [
        "https://ok.example/?a=b@c",
        "xmpp:a@ok.example?join",
        "https://ok.example/a,b;c",
    ] {
        assert!(judge(&[only], good).refused().is_none(), "{good}");
    }
    let none = r#"{"name":"l","kind":"links","invitations":"none"}"#;
    for invites in [
        "https://discord.gg/abc#xmpp:a@b.c",
        "https://x.example/?to=https://discord.gg/abc",
    ] {
        assert!(judge(&[none], invites).refused().is_some(), "{invites}");
    }
}

#[test]
fn a_word_of_many_links_takes_no_time() {
    let deny = r#"{"name":"l","kind":"links","deny":["evil.example"]}"#;
    let begun = std::time::Instant::now();
    assert!(judge(&[deny], &"h://a".repeat(10_000)).refused().is_none());
    assert!(judge(&[deny], &"://".repeat(20_000)).refused().is_none());
    assert!(
        begun.elapsed() < std::time::Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
}

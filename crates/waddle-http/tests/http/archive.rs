//! The web-readable archive: what anybody may read, and what nobody may.

use crate::support::{Answer, rooms::with_rooms};
use serde_json::json;
use waddle_core::{ChannelId, Clock as _, MessageId, UserId, WaddleId};
use waddle_messages::{Act, NewMessage};
use waddle_muc::Rooms;

async fn say(rooms: &Rooms, who: &str, w: WaddleId, c: ChannelId, new: NewMessage) -> MessageId {
    rooms.act(&UserId::local(who), w, c, Act::Say(new)).await.unwrap()
}

#[track_caller]
fn is_page(a: &Answer) {
    assert_eq!(a.status, 200, "{}", a.text);
    let csp = a.header("content-security-policy");
    assert!(
        csp.contains("default-src 'none'") && !csp.contains("script"),
        "{csp}"
    );
    assert_eq!(a.header("x-content-type-options"), "nosniff");
    // scripts are none; what machines read is inert
    let scripts = a.text.matches("<script").count();
    let inert = a.text.matches("<script type=\"application/ld+json\">").count();
    assert_eq!(scripts, inert, "{}", a.text);
}

#[tokio::test]
async fn days_threads_feeds_and_what_is_gone() {
    let (t, rooms, w, c) = with_rooms().await;
    let first = say(
        &rooms,
        "alice",
        w,
        c,
        NewMessage::text("Hello <script>alert(1)</script> https://a.example/x"),
    )
    .await;
    let mut reply = NewMessage::text("in answer");
    reply.reply_to = Some(first);
    let second = say(&rooms, "bob", w, c, reply).await;
    let react = Act::React {
        id: first,
        emojis: vec!["🐧".into()],
    };
    rooms.act(&UserId::local("bob"), w, c, react).await.unwrap();
    // three days on; the two between are skipped
    t.clock
        .set(t.clock.now().plus(std::time::Duration::from_secs(3 * 86_400)));
    let late = say(&rooms, "bob", w, c, NewMessage::text("much later")).await;

    let index = t.get("/archive").send().await;
    is_page(&index);
    assert!(
        index
            .text
            .contains("<a href=\"/archive/penguins\">Penguins &lt;3</a>"),
        "{}",
        index.text
    );
    let community = t.get("/archive/penguins").send().await;
    is_page(&community);
    assert!(
        community.text.contains("/archive/penguins/general") && community.text.contains("Cold &amp; wet")
    );
    let channel = t.get("/archive/penguins/general").send().await;
    is_page(&channel);
    let (day, next) = (
        "/archive/penguins/general/2026-01-31",
        "/archive/penguins/general/2026-02-03",
    );
    assert!(
        channel.text.find(next).unwrap() < channel.text.find(day).unwrap(),
        "the latest first"
    );

    let page = t.get(day).send().await;
    is_page(&page);
    assert!(
        page.text.contains("&lt;script&gt;alert(1)&lt;/script&gt;"),
        "{}",
        page.text
    );
    assert!(
        page.text
            .contains("<a rel=\"nofollow ugc noopener\" href=\"https://a.example/x\">"),
        "{}",
        page.text
    );
    assert!(
        page.text.contains(&format!("id=\"m-{first}\""))
            && page.text.contains(&format!("href=\"#m-{first}\""))
    );
    assert!(page.text.contains("🐧 1"), "{}", page.text);
    assert!(
        page.text.contains(&format!("rel=\"next\" href=\"{next}\"")),
        "{}",
        page.text
    );
    assert!(page.text.contains(&format!(
        "<link rel=\"canonical\" href=\"http://127.0.0.1:3000{day}\">"
    )));
    assert!(page.text.contains("DiscussionForumPosting") && page.text.contains("og:title"));
    assert!(
        !page.text.contains("example.org/") && !page.text.contains("local:"),
        "nicknames only"
    );
    let later = t.get(next).send().await;
    is_page(&later);
    assert!(
        later.text.contains(&format!("rel=\"prev\" href=\"{day}\"")) && later.text.contains("much later")
    );

    // asked again with its tag it is the same; a change is seen at once
    let tag = page.header("etag").to_owned();
    let again = t.get(day).header("if-none-match", tag.clone()).send().await;
    assert_eq!((again.status.as_u16(), again.text.as_str()), (304, ""));
    assert!(!page.header("last-modified").is_empty());
    let edit = Act::Edit {
        id: second,
        body: "in other words".into(),
    };
    rooms.act(&UserId::local("bob"), w, c, edit).await.unwrap();
    let edited = t.get(day).header("if-none-match", tag).send().await;
    is_page(&edited);
    assert!(
        edited.text.contains("in other words")
            && edited.text.contains(">edited<")
            && !edited.text.contains("in answer")
    );
    rooms
        .act(&UserId::local("bob"), w, c, Act::Retract { id: second })
        .await
        .unwrap();
    let gone = t.get(day).send().await;
    assert!(
        gone.text.contains("was taken back") && !gone.text.contains("other words"),
        "{}",
        gone.text
    );

    // addresses of messages, threads, feed, maps
    let link = t.get(&format!("/archive/penguins/general/m/{late}")).send().await;
    assert_eq!(
        (link.status.as_u16(), link.header("location")),
        (303, format!("{next}#m-{late}").as_str())
    );
    let thread = t
        .get(&format!("/archive/penguins/general/t/{first}"))
        .send()
        .await;
    assert!(matches!(thread.status.as_u16(), 200 | 404), "{}", thread.text);
    let feed = t.get("/archive/penguins/general/feed.atom").send().await;
    assert_eq!(
        (feed.status.as_u16(), feed.header("content-type")),
        (200, "application/atom+xml; charset=utf-8")
    );
    assert!(
        feed.text.contains("much later")
            && !feed.text.contains("other words")
            && feed.text.contains("&lt;a rel"),
        "{}",
        feed.text
    );
    let map = t.get("/sitemap.xml").send().await;
    assert!(
        map.text
            .contains("http://127.0.0.1:3000/archive/penguins/sitemap.xml"),
        "{}",
        map.text
    );
    let map = t.get("/archive/penguins/sitemap.xml").send().await;
    assert!(map.text.contains(day) && map.text.contains(next), "{}", map.text);
    let robots = t.get("/robots.txt").send().await;
    assert!(
        robots.text.contains("Sitemap: http://127.0.0.1:3000/sitemap.xml")
            && robots.text.contains("Disallow: /api/")
    );
    assert_eq!(t.get("/archive.css").send().await.status, 200);
}

#[tokio::test]
async fn what_is_not_public_is_not_there() {
    let (t, rooms, w, c) = with_rooms().await;
    let alice = t.token("alice").await;
    say(&rooms, "bob", w, c, NewMessage::text("bob was here")).await;
    let day = "/archive/penguins/general/2026-01-31";
    is_page(&t.get(day).send().await);
    let nothing = t.get("/archive/nobody").send().await;
    assert_eq!(nothing.status, 404);
    for path in [
        "/archive/penguins/nothing",
        "/archive/penguins/general/2026-01-30",
        "/archive/penguins/general/today",
        "/archive/penguins/general/2026-01-31?from=x",
        "/archive/penguins/general/m/0000000000000001",
        "/archive/penguins/general/t/x",
        "/archive/penguins/nothing/feed.atom",
    ] {
        let a = t.get(path).send().await;
        assert_eq!(
            (a.status.as_u16(), a.text.as_str()),
            (404, nothing.text.as_str()),
            "{path}"
        );
    }
    // a person's wish
    let bob = t.token("bob").await;
    let hide = t
        .ask("PUT", "/me/web-archive")
        .bearer(&bob)
        .json(json!({"hidden": true}))
        .send()
        .await;
    assert_eq!(hide.status, 200, "{}", hide.text);
    let page = t.get(day).send().await;
    assert!(
        !page.text.contains("bob") && page.text.contains("does not appear"),
        "{}",
        page.text
    );
    assert!(
        !t.get("/archive/penguins/general/feed.atom")
            .send()
            .await
            .text
            .contains("bob")
    );
    t.ask("PUT", "/me/web-archive")
        .bearer(&bob)
        .json(json!({"hidden": false}))
        .send()
        .await;
    assert!(t.get(day).send().await.text.contains("bob was here"));

    // not for search engines, then not at all, then the channel's own switch, then the waddle's
    let set = async |path: &str, body: serde_json::Value| {
        let a = t.ask("PATCH", path).bearer(&alice).json(body).send().await;
        assert_eq!(a.status, 200, "{}", a.text);
    };
    set("/waddles/penguins", json!({"settings": {"indexed": false}})).await;
    let page = t.get(day).send().await;
    assert_eq!(
        (page.status.as_u16(), page.header("x-robots-tag")),
        (200, "noindex")
    );
    assert!(page.text.contains("noindex") && !t.get("/sitemap.xml").send().await.text.contains("penguins"));
    set(
        "/waddles/penguins/channels/general",
        json!({"public_archive": false}),
    )
    .await;
    assert_eq!(t.get(day).send().await.status, 404);
    set(
        "/waddles/penguins/channels/general",
        json!({"public_archive": true, "private": true}),
    )
    .await;
    assert_eq!(t.get(day).send().await.status, 404);
    set("/waddles/penguins/channels/general", json!({"private": false})).await;
    assert_eq!(t.get(day).send().await.status, 200);
    set(
        "/waddles/penguins",
        json!({"settings": {"public_archive": false}}),
    )
    .await;
    assert_eq!(t.get(day).send().await.status, 404);
    set(
        "/waddles/penguins",
        json!({"settings": {"public_archive": true}, "visibility": "restricted"}),
    )
    .await;
    assert_eq!(t.get(day).send().await.status, 404);
    assert!(!t.get("/archive").send().await.text.contains("penguins"));
}

#[tokio::test]
async fn addresses_of_messages_lead_to_the_pages_of_their_day() {
    let (mut t, rooms, w, c) = with_rooms().await;
    t.config.limits.archive_page_messages = 3;
    t.router = waddle_http::router(t.config.clone(), t.deps.clone());
    let mut ids = Vec::new();
    for n in 0..8 {
        ids.push(say(&rooms, "alice", w, c, NewMessage::text(format!("number {n}"))).await);
    }
    let day = "/archive/penguins/general/2026-01-31";
    let mut page = day.to_owned();
    for (n, id) in ids.iter().enumerate() {
        if n > 0 && n % 3 == 0 {
            // the page that one turns to
            let shown = t.get(&page).send().await.text;
            page = format!("{day}?from={}", MessageId(ids[n - 1].0 + 1));
            assert!(
                shown.contains(&format!("rel=\"next\" href=\"{page}\"")),
                "{shown}"
            );
        }
        let link = t.get(&format!("/archive/penguins/general/m/{id}")).send().await;
        assert_eq!(link.header("location"), format!("{page}#m-{id}"), "{n}");
        assert!(t.get(&page).send().await.text.contains(&format!("id=\"m-{id}\"")));
    }
}

#[tokio::test]
async fn a_map_of_days_is_made_now_and_then_and_closed_channels_leave_it_at_once() {
    let (t, rooms, w, c) = with_rooms().await;
    let alice = t.token("alice").await;
    let map = async || t.get("/archive/penguins/sitemap.xml").send().await.text;
    let day = "/archive/penguins/general/2026-01-31";
    assert!(map().await.contains("/archive/penguins/general<") && !map().await.contains(day));
    say(&rooms, "bob", w, c, NewMessage::text("first")).await;
    assert!(!map().await.contains(day), "made a moment ago");
    t.clock
        .set(t.clock.now().plus(std::time::Duration::from_secs(900)));
    assert!(map().await.contains(day));
    let closed = t
        .ask("PATCH", "/waddles/penguins/channels/general")
        .bearer(&alice)
        .json(json!({"public_archive": false}))
        .send()
        .await;
    assert_eq!(closed.status, 200, "{}", closed.text);
    assert!(!map().await.contains("general"));
}

#[tokio::test]
async fn pictures_are_loaded_from_uploads_and_nowhere_else() {
    let (t, rooms, w, c) = with_rooms().await;
    let upload = ["http://127.0.0.1:3000/upload/", &"A".repeat(32), "/p.png"].concat();
    for (url, shown) in [
        (upload.as_str(), true),
        ("http://127.0.0.1:3000/upload/../auth/logout.png", false),
        ("http://127.0.0.1:3000/upload/%2e%2e/auth/logout.png", false),
        ("https://elsewhere.example/upload/p.png", false),
    ] {
        let mut new = NewMessage::text("");
        new.attachments.push(waddle_messages::Attachment {
            url: url.to_owned(),
            media_type: Some("image/png".into()),
            ..waddle_messages::Attachment::default()
        });
        let id = say(&rooms, "alice", w, c, new).await;
        let page = t.get("/archive/penguins/general/2026-01-31").send().await;
        is_page(&page);
        let (_, line) = page.text.split_once(&format!("id=\"m-{id}\"")).unwrap();
        let line = line.split("</article>").next().unwrap();
        assert_eq!(line.contains("<img"), shown, "{url}: {line}");
        assert!(line.contains("<a rel=\"nofollow ugc noopener\""), "{line}");
    }
}

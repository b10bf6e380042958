"""The public archive as programs read it: a feed reader, a parser of pages, a search engine's robot; what stock clients say
appears there, and what they take back is gone at once (specs/integrations.md, "Web archive")."""
import html.parser
import json
import urllib.parse
import urllib.robotparser
import xml.etree.ElementTree as ET

import feedparser
import requests

from people import until


class Page(html.parser.HTMLParser):
    """A page as a browser without scripts would read it: title, meta data, links, articles."""

    def __init__(self, answer):
        super().__init__(convert_charrefs=True)
        self.status, self.headers, self.url = answer.status_code, answer.headers, answer.url
        self.title, self.meta, self.rel, self.links, self.articles, self.scripts, self.sources = "", {}, {}, [], {}, [], []
        self._article, self._in = None, None
        self.feed(answer.text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        assert not [a for a in attrs if a.startswith("on")], (tag, attrs)
        if tag == "article":
            self._article = attrs["id"]
            self.articles[self._article] = ""
        elif tag == "meta":
            self.meta[attrs.get("name") or attrs.get("property")] = attrs.get("content")
        elif tag == "link":
            self.rel[attrs["rel"]] = attrs["href"]
        elif tag == "a":
            self.links.append((attrs.get("href"), attrs.get("rel")))
        elif tag in ("img", "iframe", "object", "embed"):
            self.sources.append((tag, attrs.get("src")))
        if tag in ("title", "script"):
            self._in = tag
            if tag == "script":
                self.scripts.append([attrs.get("type"), ""])

    def handle_endtag(self, tag):
        if tag == "article":
            self._article = None
        if tag in ("title", "script"):
            self._in = None

    def handle_data(self, data):
        if self._in == "title":
            self.title += data
        elif self._in == "script":
            self.scripts[-1][1] += data
        elif self._article:
            self.articles[self._article] += data


def read(server, path, **headers):
    """A page of the archive, as somebody without a login reads it."""
    return Page(requests.get(urllib.parse.urljoin(server.url, path), headers=headers, timeout=10))


def test_feeds_and_pages(stage):
    server, waddle = stage.server, stage.waddle("public")
    room, at = waddle.room(), f"/archive/{waddle.slug}/general"
    stage.alice.api.ok("PATCH", waddle.path, {"name": "Reef & co", "description": "Fish <and> ice"})
    stage.alice.api.ok("PATCH", f"{waddle.path}/channels/general", {"topic": "Only \"fish\"", "public_archive": True})
    with stage.alice.chat() as alice, stage.bob.chat() as bob:
        alice.enter(room)
        bob.enter(room)
        first = alice.say(room, "who has seen <a> plectropomus & co? https://fish.example/x?a=1&b=2")
        reply = waddle.say(stage.bob, "<script>alert(1)</script> I have", reply_to=first["stanza_id"])
        picture = bob.upload("fish.png", b"\x89PNG\r\n", "image/png")
        waddle.say(stage.bob, "", attachments=[{"url": picture, "name": "fish.png", "media_type": "image/png"}])

        # A feed reader.
        feed = feedparser.parse(requests.get(f"{server.url}{at}/feed.atom", timeout=10).content)
        assert not feed.bozo and feed.version == "atom10", feed.get("bozo_exception")
        assert "Reef & co" in feed.feed.title and feed.feed.subtitle == 'Only "fish"'
        entries = {e.id: e for e in feed.entries}
        assert len(entries) == 3 and feed.entries[-1].author == "alice"
        entry = feed.entries[-1]
        assert "plectropomus & co?" in entry.title and entry.published_parsed and first["stanza_id"] in entry.id
        assert '<a rel="nofollow ugc noopener" href="https://fish.example/x?a=1&amp;b=2">' in entry.content[0].value \
            or 'href="https://fish.example/x?a=1&amp;b=2"' in entry.content[0].value
        assert "<script" not in feed.entries[1].content[0].value
        # Its address leads to the day, on which the message stands.
        day = read(server, entry.link)
        assert day.status == 200 and day.url.startswith(f"{server.url}{at}/2") and f"m-{first['stanza_id']}" in day.articles
        text = day.articles[f"m-{first['stanza_id']}"]
        assert "who has seen <a> plectropomus & co?" in text and "alice" in text
        assert "<script>alert(1)</script> I have" in day.articles[f"m-{reply['id']}"], "as text"
        assert [s[0] for s in day.scripts] == ["application/ld+json"]
        assert ("https://fish.example/x?a=1&b=2", "nofollow ugc noopener") in day.links
        assert ("img", picture) in day.sources
        policy = day.headers["content-security-policy"]
        assert "default-src 'none'" in policy and "script-src" not in policy and "frame-ancestors 'none'" in policy
        assert day.meta["og:title"] == day.title.split(" – ")[0] or day.meta["og:title"] in day.title
        assert day.rel["canonical"] == day.url.split("#")[0] and "robots" not in day.meta
        posting = json.loads(day.scripts[0][1])
        assert posting["@type"] == "DiscussionForumPosting" and posting["author"]["name"] == "alice"
        assert posting["comment"][0]["text"].startswith("<script>alert(1)</script>")
        assert stage.alice.jid not in requests.get(day.url, timeout=10).text, "nicknames alone"
        # The way there from the front: communities, channels, days; what a search engine's robot finds.
        assert f"/archive/{waddle.slug}" in [l for l, _ in read(server, "/archive").links]
        assert at in [l for l, _ in read(server, f"/archive/{waddle.slug}").links]
        days = read(server, at)
        assert urllib.parse.urlparse(day.url).path in [l for l, _ in days.links] and days.rel["alternate"] == f"{at}/feed.atom"
        thread = read(server, f"{at}/t/{first['stanza_id']}")
        assert {f"m-{first['stanza_id']}", f"m-{reply['id']}"} <= set(thread.articles)
        robots = urllib.robotparser.RobotFileParser()
        robots.parse(requests.get(f"{server.url}/robots.txt", timeout=10).text.splitlines())
        assert robots.can_fetch("*", at) and not robots.can_fetch("*", "/api/v1/waddles")
        locations = lambda path: [l.text for l in ET.fromstring(requests.get(server.url + path, timeout=10).content).iter(
            "{http://www.sitemaps.org/schemas/sitemap/0.9}loc")]
        assert f"{server.url}/archive/{waddle.slug}/sitemap.xml" in locations("/sitemap.xml")
        assert day.url.split("#")[0] in locations(f"/archive/{waddle.slug}/sitemap.xml")
        # Unchanged is told as such; taken back by a stock client, it is gone at once, from pages and feed.
        tag = day.headers["etag"]
        assert requests.get(day.url, headers={"If-None-Match": tag}, timeout=10).status_code == 304
        alice.tell(room, None, f"<retract xmlns='urn:xmpp:message-retract:1' id='{first['stanza_id']}'/><store xmlns='urn:xmpp:hints'/>")
        changed = requests.get(day.url, headers={"If-None-Match": tag}, timeout=10)
        assert changed.status_code == 200 and "plectropomus" not in changed.text
        feed = feedparser.parse(requests.get(f"{server.url}{at}/feed.atom", timeout=10).content)
        assert not feed.bozo and len(feed.entries) == 2 and "plectropomus" not in str(feed)
        assert "taken back" in Page(changed).articles[f"m-{first['stanza_id']}"]
        # Who does not want to appear there does not, at once; and appears again.
        stage.bob.api.ok("PUT", "/me/web-archive", {"hidden": True}, status=(200,))
        try:
            hidden = read(server, day.url)
            assert "alert(1)" not in str(hidden.articles) and "does not appear" in hidden.articles[f"m-{reply['id']}"]
            assert feedparser.parse(requests.get(f"{server.url}{at}/feed.atom", timeout=10).content).entries == []
        finally:
            stage.bob.api.ok("PUT", "/me/web-archive", {"hidden": False}, status=(200,))
        assert "alert(1)" in read(server, day.url).articles[f"m-{reply['id']}"]


def test_what_is_not_public_is_nowhere(stage):
    server, waddle, other = stage.server, stage.waddle("public"), stage.waddle("private")
    nest = stage.alice.api.ok("POST", f"{waddle.path}/channels", {"name": "nest", "private": True}, status=(201,))
    for place in (waddle, other):
        stage.alice.api.ok("PATCH", f"{place.path}/channels/general", {"public_archive": True})
    with stage.alice.chat() as alice:
        for room in (waddle.room(), nest["jid"], other.room()):
            alice.enter(room)
            alice.say(room, "a plectropomus")
    at = f"/archive/{waddle.slug}/general"
    assert "a plectropomus" in str(feedparser.parse(requests.get(f"{server.url}{at}/feed.atom", timeout=10).content))
    nothing = requests.get(f"{server.url}/archive/no-such-reef/general", timeout=10)
    assert nothing.status_code == 404

    def hidden(path):
        """Answered as what is not there."""
        found = requests.get(server.url + path, timeout=10)
        return (found.status_code, found.text) == (404, nothing.text) and "plectropomus" not in found.text

    for path in (f"/archive/{waddle.slug}/nest", f"/archive/{waddle.slug}/nest/feed.atom", f"/archive/{other.slug}",
                 f"/archive/{other.slug}/general", f"/archive/{other.slug}/general/feed.atom", f"{at}/2020-01-01", f"{at}/yesterday",
                 f"{at}/m/00000000000000ab", f"{at}/t/nonsense"):
        assert hidden(path), path
    assert other.slug not in requests.get(f"{server.url}/archive", timeout=10).text
    # Not for search engines; not for anybody; a channel for itself; the waddle not public any more.
    assert stage.bob.api.request("PATCH", waddle.path, {"settings": {"indexed": False}}).status_code == 403
    stage.alice.api.ok("PATCH", waddle.path, {"settings": {"indexed": False}})
    page = until(lambda: (p := read(server, at)).meta.get("robots") == "noindex" and p)
    assert page.headers["x-robots-tag"] == "noindex" and waddle.slug not in requests.get(f"{server.url}/sitemap.xml", timeout=10).text
    for off, on in (({"settings": {"public_archive": False}}, {"settings": {"public_archive": True}}),
                    ({"visibility": "private"}, {"visibility": "public"})):
        stage.alice.api.ok("PATCH", waddle.path, off)
        until(lambda: hidden(at)), until(lambda: hidden(f"{at}/feed.atom"))
        stage.alice.api.ok("PATCH", waddle.path, on)
        until(lambda: not hidden(at))
    stage.alice.api.ok("PATCH", f"{waddle.path}/channels/general", {"public_archive": False})
    assert hidden(at) and hidden(f"{at}/feed.atom")

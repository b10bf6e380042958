"""Messages, each thing done with a stock XMPP client and over HTTP, and seen the same by both: mentions, pins, reactions,
replies, threads, corrections, retraction, expiry, previews, search (specs/messages.md)."""
import http.server
import threading
import time
import urllib.parse
import xml.etree.ElementTree as ET

import pytest
import requests

from clients import Refused
from people import until

PINS = "urn:waddle:pins:0"
NOBODY = "00000000000000ab"


def mentioned(view):
    return sorted(m["user"] or m["kind"] for m in view["mentions"])


def unread(person, waddle, channel="general"):
    """(unread, mentions) of a channel in somebody's inbox over HTTP."""
    room = waddle.room(channel)
    found = [c for c in person.api.ok("GET", "/inbox?limit=100")["conversations"] if c["jid"] == room]
    return (found[0]["unread"], found[0]["mentions"]) if found else None


def refused(answer, status):
    """An answer of HTTP that is a problem of this status."""
    assert answer.status_code == status, (answer.status_code, answer.text)
    assert answer.headers["content-type"].startswith("application/problem+json") and answer.json()["detail"]


def test_mentions(stage):
    waddle = stage.waddle()
    room = waddle.room()
    bob_api, mona_api = stage.bob.api, stage.mona.api
    with stage.alice.chat() as alice, stage.bob.chat() as bob, stage.bob.events(waddles=waddle.slug) as stream:
        alice.enter(room)
        bob.enter(room, "Bobby")
        # A reference of a stock client (XEP-0372) to a person's address.
        said = alice.tell(room, "look, over there", "<reference xmlns='urn:xmpp:reference:0' type='mention' begin='6' end='10' "
                                                    f"uri='xmpp:{stage.bob.jid}'/>")
        assert "urn:xmpp:reference:0" in bob.wait("message", body="look, over there")["xml"]
        assert mentioned(waddle.message(stage.bob, said["stanza_id"])) == ["local:bob"]
        told = stream.wait("event", type="message.created", text=lambda t: "over there" in t)
        assert told["data"]["mentions_me"] is True
        # A name behind an @ over HTTP: a nickname of the room, and somebody who is not there.
        made = waddle.say(stage.alice, "and you, @Bobby, ask @mona and @nobody-here")
        assert mentioned(made) == ["local:bob", "local:mona"]
        bob.wait("message", body=made["body"], stanza_id=made["id"])
        assert unread(stage.bob, waddle) == (2, 2) == bob.inbox()[room]
        assert unread(stage.mona, waddle) == (2, 1)
        # Everybody at once: a right, without which it is a word like any other.
        mark = bob.mark()
        word = waddle.message(stage.alice, bob.say(room, "@everyone hello")["stanza_id"])
        assert word["mentions"] == [] and waddle.say(stage.bob, "@everyone, @here")["mentions"] == []
        assert unread(stage.mona, waddle) == (4, 1)
        alice.say(room, "@everyone food")
        heard = bob.wait("message", mark, body="@everyone food")
        assert mentioned(waddle.message(stage.bob, heard["stanza_id"])) == ["everyone"]
        assert unread(stage.mona, waddle) == (5, 2) and unread(stage.bob, waddle)[1] == 3
        stream.wait("event", type="message.created", data=lambda d: d["mentions_me"] and "food" in d["message"]["body"])
        # Who may not read here is mentioned by nothing.
        stranger = alice.tell(room, "carl", "<reference xmlns='urn:xmpp:reference:0' type='mention' begin='0' end='4' "
                                            f"uri='xmpp:{stage.carl.jid}'/>")
        assert waddle.message(stage.bob, stranger["stanza_id"])["mentions"] == []
        assert room not in str(stage.carl.api.ok("GET", "/inbox"))
    refused(stage.carl.api.request("GET", f"{waddle.at()}/messages"), 403)
    assert mona_api.ok("GET", f"{waddle.at()}/read")["mentions"] == 2
    bob_api.ok("PUT", f"{waddle.at()}/read", {"id": stranger["stanza_id"]})
    assert unread(stage.bob, waddle) == (0, 0)


def pinned(client, room):
    answer = client.element("get", room, f"<pins xmlns='{PINS}'/>")
    return [p.get("id") for p in answer.iter(f"{{{PINS}}}pin")]


def test_pins(stage):
    waddle = stage.waddle()
    room, pins = waddle.room(), f"{waddle.at()}/pins"
    listed = lambda: [p["message"]["id"] for p in stage.bob.api.ok("GET", pins)["pins"]]
    with stage.mona.chat() as mona, stage.bob.chat() as bob:
        mona.enter(room)
        bob.enter(room)
        first, second = mona.say(room, "read me")["stanza_id"], waddle.say(stage.bob, "and me")["id"]
        # By a stock client, seen over HTTP.
        answer = mona.ask("set", room, f"<pin xmlns='{PINS}' id='{first}'/>")
        assert "error" not in answer, answer
        told = bob.wait("message", xml=lambda x: PINS in x and first in x)
        assert told["from"] == room and f'by="{room}/mona"' in told["xml"]
        assert listed() == [first] and waddle.message(stage.bob, first)["pinned"]
        by = stage.bob.api.ok("GET", pins)["pins"][0]
        assert by["pinned_by"] == "local:mona" and by["pinned_at"]
        # Over HTTP, seen by stock clients.
        mark = bob.mark()
        stage.mona.api.ok("PUT", f"{pins}/{second}", status=(204,))
        bob.wait("message", mark, xml=lambda x: PINS in x and second in x)
        assert pinned(bob, room) == [second, first] == listed()
        # Without the right, or without the message, by neither way.
        assert "forbidden" in bob.ask("set", room, f"<unpin xmlns='{PINS}' id='{first}'/>")
        refused(stage.bob.api.request("PUT", f"{pins}/{first}"), 403)
        assert "item-not-found" in mona.ask("set", room, f"<pin xmlns='{PINS}' id='{NOBODY}'/>")
        refused(stage.mona.api.request("PUT", f"{pins}/{NOBODY}"), 404)
        refused(stage.carl.api.request("GET", pins), 403)
        mark = bob.mark()
        forged = bob.tell(room, "x", f"<pinned xmlns='{PINS}' id='{first}' by='{room}/mona'/>")
        assert PINS not in forged["xml"], "only the room says so"
        stage.mona.api.ok("DELETE", f"{pins}/{first}", status=(204,))
        bob.wait("message", mark, xml=lambda x: "unpinned" in x and first in x)
        assert pinned(mona, room) == [second]
        # What is taken back is pinned no more.
        stage.bob.api.ok("DELETE", f"{waddle.at()}/messages/{second}", status=(204,))
        assert pinned(mona, room) == [] == listed()


def test_reactions(stage):
    waddle = stage.waddle()
    room = waddle.room()
    with stage.alice.chat() as alice, stage.bob.chat() as bob:
        alice.enter(room)
        bob.enter(room)
        said = alice.say(room, "fish?")["stanza_id"]
        path = f"{waddle.at()}/messages/{said}/reactions"
        counts = lambda: {r["emoji"]: r["count"] for r in waddle.message(stage.bob, said)["reactions"]}
        stage.bob.api.ok("PUT", f"{path}/{urllib.parse.quote('🐟')}", status=(204,))
        heard = alice.wait("message", xml=lambda x: "urn:xmpp:reactions:0" in x and said in x)
        assert "🐟" in heard["xml"] and heard["from"].startswith(room + "/bob")
        react = lambda client, *emojis: client.tell(room, None, f"<reactions xmlns='urn:xmpp:reactions:0' id='{said}'>" + "".join(
            f"<reaction>{e}</reaction>" for e in emojis) + "</reactions><store xmlns='urn:xmpp:hints'/>")
        react(alice, "🐟", "🎉")
        until(lambda: counts() == {"🐟": 2, "🎉": 1})
        own = waddle.message(stage.alice, said)["reactions"]
        assert [r["me"] for r in own] == [True, True] and [r["me"] for r in waddle.message(stage.bob, said)["reactions"]] == [True, False]
        who = stage.bob.api.ok("GET", f"{path}?emoji={urllib.parse.quote('🐟')}")["reactions"]
        assert sorted(r["user"] for r in who) == ["local:alice", "local:bob"]
        # The later ones take the place of the earlier ones; none at all takes them back.
        react(alice, "👍")
        until(lambda: counts() == {"🐟": 1, "👍": 1})
        react(alice)
        until(lambda: counts() == {"🐟": 1})
        stage.bob.api.ok("DELETE", f"{path}/{urllib.parse.quote('🐟')}", status=(204,))
        assert counts() == {}
        # What is no emoji is none; what is not there is not reacted to; strangers learn nothing.
        react(alice, "fish")
        refused(stage.bob.api.request("PUT", f"{path}/fish"), 422)
        refused(stage.bob.api.request("PUT", f"{waddle.at()}/messages/{NOBODY}/reactions/{urllib.parse.quote('🐟')}"), 404)
        refused(stage.carl.api.request("PUT", f"{path}/{urllib.parse.quote('🐟')}"), 403)
        assert counts() == {}


def test_replies_and_threads(stage):
    waddle = stage.waddle()
    room = waddle.room()
    with stage.alice.chat() as alice, stage.bob.chat() as bob:
        alice.enter(room)
        bob.enter(room)
        root = alice.say(room, "where do we meet?")["stanza_id"]
        answer = bob.tell(room, "at the pier", f"<reply xmlns='urn:xmpp:reply:0' id='{root}' to='{room}/alice'/>")["stanza_id"]
        view = waddle.message(stage.alice, answer)
        assert (view["reply_to"], view["thread_root"]) == (root, root)
        # However deep, it is one thread.
        mark = alice.mark()
        deep = waddle.say(stage.bob, "by noon", reply_to=answer)
        assert (deep["reply_to"], deep["thread_root"]) == (answer, root)
        heard = alice.wait("message", mark, stanza_id=deep["id"])
        reply = ET.fromstring(heard["xml"]).find("{urn:xmpp:reply:0}reply")
        assert (reply.get("id"), reply.get("to")) == (answer, f"{room}/bob")
        named = alice.tell(room, "fine", f"<thread>{root}</thread>")["stanza_id"]
        late = waddle.say(stage.alice, "bring fish", thread_root=root)["id"]
        thread = stage.bob.api.ok("GET", f"{waddle.at()}/messages/{deep['id']}/thread")["messages"]
        assert [m["id"] for m in thread] == [answer, deep["id"], named, late]
        assert waddle.message(stage.bob, root)["replies"] == 4
        # An answer to what is not there answers nothing; over HTTP it is refused.
        lost = bob.tell(room, "hm", f"<reply xmlns='urn:xmpp:reply:0' id='{NOBODY}' to='{room}/alice'/>")["stanza_id"]
        assert waddle.message(stage.bob, lost)["reply_to"] is None
        refused(stage.bob.api.request("POST", f"{waddle.at()}/messages", {"body": "x", "reply_to": NOBODY}), 404)
        refused(stage.carl.api.request("GET", f"{waddle.at()}/messages/{root}/thread"), 403)


def test_corrections(stage):
    waddle = stage.waddle()
    room = waddle.room()
    correct = "urn:xmpp:message-correct:0"
    with stage.alice.chat() as alice, stage.bob.chat() as bob:
        alice.enter(room)
        bob.enter(room)
        said = alice.say(room, "the kwrill is good")
        alice.tell(room, "the krill is good, @bob", f"<replace xmlns='{correct}' id='{said['id']}'/>")
        view = until(lambda: (v := waddle.message(stage.bob, said["stanza_id"]))["edited_at"] and v)
        assert view["body"] == "the krill is good, @bob" and mentioned(view) == ["local:bob"]
        assert len(waddle.messages(stage.bob)) == 1, "one message, however often it is changed"
        assert waddle.found(stage.bob, "krill") == ["the krill is good, @bob"] and waddle.found(stage.bob, "kwrill") == []
        # The other way round: what was said over HTTP is changed there, and clients are told which.
        made = waddle.say(stage.bob, "I am hungri")
        first = alice.wait("message", stanza_id=made["id"])
        mark = alice.mark()
        changed = stage.bob.api.ok("PATCH", f"{waddle.at()}/messages/{made['id']}", {"body": "I am hungry"})
        assert (changed["id"], changed["body"]) == (made["id"], "I am hungry")
        heard = alice.wait("message", mark, body="I am hungry")
        assert ET.fromstring(heard["xml"]).find(f"{{{correct}}}replace").get("id") == first["id"]
        # Somebody else's word is nobody's to change.
        bob.tell(room, "the krill is bad", f"<replace xmlns='{correct}' id='{said['id']}'/>")
        assert waddle.message(stage.bob, said["stanza_id"])["body"] == "the krill is good, @bob"
        refused(stage.bob.api.request("PATCH", f"{waddle.at()}/messages/{said['stanza_id']}", {"body": "x"}), 403)
        refused(stage.bob.api.request("PATCH", f"{waddle.at()}/messages/{made['id']}", {"body": ""}), 422)
        refused(stage.bob.api.request("PATCH", f"{waddle.at()}/messages/{NOBODY}", {"body": "x"}), 404)


def gone(url):
    return requests.get(url, timeout=10).status_code in (404, 410)


def test_retraction_takes_the_text_and_the_file(stage):
    waddle = stage.waddle()
    room = waddle.room()
    retract = "urn:xmpp:message-retract:1"
    with stage.alice.chat() as alice, stage.bob.chat() as bob:
        alice.enter(room)
        bob.enter(room)
        url = alice.upload("plectropomus.txt", b"a rare fish")
        said = alice.tell(room, url, f"<x xmlns='jabber:x:oob'><url>{url}</url><desc>plectropomus</desc></x>")
        view = waddle.message(stage.bob, said["stanza_id"])
        assert [a["url"] for a in view["attachments"]] == [url]
        text = alice.say(room, "plectropomus, as I said")
        assert requests.get(url, timeout=10).content == b"a rare fish"
        assert waddle.found(stage.bob, "plectropomus") == [text["body"], url] == bob.found("plectropomus", of=room)[::-1]
        assert waddle.found(stage.bob, "plectropomus", "&has=file") == [url]
        # Nobody takes back what somebody else said.
        assert bob.tell(room, None, f"<retract xmlns='{retract}' id='{text['stanza_id']}'/>")["error"] == "forbidden"
        refused(stage.bob.api.request("DELETE", f"{waddle.at()}/messages/{text['stanza_id']}"), 403)
        # By a stock client: the text and the file are gone for everybody, everywhere.
        mark = bob.mark()
        for one in (said, text):
            alice.tell(room, None, f"<retract xmlns='{retract}' id='{one['stanza_id']}'/><store xmlns='urn:xmpp:hints'/>")
            bob.wait("message", mark, xml=lambda x: retract in x and one["stanza_id"] in x)
        seen = waddle.messages(stage.bob)
        assert all(seen[o["stanza_id"]]["deleted"] and not seen[o["stanza_id"]]["body"] and not seen[o["stanza_id"]]["attachments"]
                   for o in (said, text))
        assert waddle.found(stage.bob, "plectropomus") == [] == bob.found("plectropomus", of=room)
        archive = {m["archive_id"]: m for m in bob.archive(of=room)}
        assert all(archive[o["stanza_id"]]["body"] is None and "retracted" in archive[o["stanza_id"]]["xml"] for o in (said, text))
        assert "plectropomus" not in str(archive) and url not in str(archive)
        until(lambda: gone(url))
        assert url not in str(stage.alice.api.ok("GET", "/files"))
        assert alice.tell(room, None, f"<retract xmlns='{retract}' id='{text['stanza_id']}'/>")["error"] == "item-not-found"
        refused(stage.alice.api.request("DELETE", f"{waddle.at()}/messages/{NOBODY}"), 404)
        # Over HTTP, with a file that was shared by its metadata (XEP-0447).
        url = alice.upload("trench.txt", b"deep")
        made = waddle.say(stage.alice, "look at this", attachments=[{"url": url, "name": "trench.txt", "media_type": "text/plain", "size": 4}])
        heard = bob.wait("message", stanza_id=made["id"])
        assert "urn:xmpp:sfs:0" in heard["xml"] and "trench.txt" in heard["xml"]
        assert waddle.found(stage.bob, "look", "&has=file") == ["look at this"]
        # A moderator takes it away; whose it was is still told, what it was is not.
        mark = bob.mark()
        stage.mona.api.ok("DELETE", f"{waddle.at()}/messages/{made['id']}?reason=deep", status=(204,))
        told = bob.wait("message", mark, xml=lambda x: retract in x and made["id"] in x)
        assert "urn:xmpp:message-moderate:1" in told["xml"]
        until(lambda: gone(url))
        assert waddle.message(stage.bob, made["id"])["deleted"]


def test_messages_that_expire(stage):
    waddle = stage.waddle()
    room = waddle.room()
    path = f"{waddle.path}/channels/general"
    with stage.alice.chat() as alice, stage.bob.chat() as bob:
        alice.enter(room)
        bob.enter(room)
        refused(stage.bob.api.request("PATCH", path, {"expire_seconds": 2}), 403)
        refused(stage.alice.api.request("PATCH", path, {"expire_seconds": 40_000_000}), 422)
        stage.alice.api.ok("PATCH", path, {"expire_seconds": 6})
        form = until(lambda: (f := alice.ask("get", room, "<query xmlns='http://jabber.org/protocol/muc#owner'/>"))
                     and "x-expire_seconds" in f and f)
        assert "<value>6</value>" in form.replace("ns0:", "").replace("ns1:", "").replace("ns2:", "")
        url = alice.upload("ice.txt", b"melting")
        mark = bob.mark()
        began = time.monotonic()
        said = until(lambda: (m := alice.tell(room, "melting ice", f"<x xmlns='jabber:x:oob'><url>{url}</url></x>"))["error"] is None and m)
        heard = bob.wait("message", mark, stanza_id=said["stanza_id"])
        assert 'urn:xmpp:ephemeral:0' in heard["xml"] and 'timer="6"' in heard["xml"]
        made = waddle.say(stage.bob, "melting too")["id"]
        assert {said["stanza_id"], made} <= set(waddle.messages(stage.bob))
        assert not gone(url)
        until(lambda: not {said["stanza_id"], made} & set(waddle.messages(stage.bob)))
        assert time.monotonic() - began > 5
        until(lambda: not {said["stanza_id"], made} & {m["archive_id"] for m in bob.archive(of=room)})
        assert waddle.found(stage.bob, "melting") == [] == bob.found("melting", of=room)
        until(lambda: gone(url))
        refused(stage.bob.api.request("GET", f"{waddle.at()}/messages/{made}"), 404)
        # Who comes now hears nothing of it.
        mark = bob.mark()
        bob.leave(room, "bob")
        bob.enter(room)
        assert not bob.find("message", mark, body=lambda b: b and "melting" in b)


class Pages(http.server.ThreadingHTTPServer):
    """A web server of this machine with a few pages; `asked` are the paths that were asked for."""

    PAGES = {
        "/fish": (200, "text/html", "<html><head><title>plain</title><meta property='og:title' content='Fish &amp; ice'>"
                                    "<meta property='og:description' content='All about it'>"
                                    "<meta property='og:site_name' content='The sea'></head><body>x</body></html>"),
        "/plain": (200, "text/html", "<title>Only a title</title>"),
        "/broken": (500, "text/html", "<title>no</title>"),
        "/picture": (200, "image/png", "<title>no</title>"),
    }

    def __init__(self):
        asked = self.asked = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                asked.append(self.path)
                if self.path == "/elsewhere":
                    self.send_response(302)
                    self.send_header("Location", "http://127.0.0.1:25/")
                    self.end_headers()
                    return
                status, kind, body = Pages.PAGES.get(self.path, (404, "text/html", ""))
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *_):
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()


def test_link_previews(stage):
    waddle = stage.waddle()
    room = waddle.room()
    with Pages() as pages, stage.alice.chat() as alice, stage.bob.chat() as bob:
        alice.enter(room)
        bob.enter(room)
        mark = bob.mark()
        said = alice.say(room, f"see {pages.url}/fish, please")
        told = bob.wait("message", mark, xml=lambda x: "urn:xmpp:fasten:0" in x and said["stanza_id"] in x)
        assert "Fish &amp; ice" in told["xml"] and f"{pages.url}/fish" in told["xml"] and told["from"] == room
        view = waddle.message(stage.bob, said["stanza_id"])
        assert view["preview"] == {"url": f"{pages.url}/fish", "title": "Fish & ice", "description": "All about it",
                                   "image": None, "site": "The sea"}
        # Over HTTP the same; a page without OpenGraph has its title.
        made = waddle.say(stage.bob, f"{pages.url}/plain")
        bob.wait("message", mark, xml=lambda x: "urn:xmpp:fasten:0" in x and "Only a title" in x)
        assert waddle.message(stage.alice, made["id"])["preview"]["title"] == "Only a title"
        # Fail-open: what answers wrongly, is no page, or leads to where nobody may go has none, and is said all the same.
        mark = bob.mark()
        others = [waddle.say(stage.alice, f"{pages.url}{path}") for path in ("/broken", "/picture", "/elsewhere", "/nothing")]
        others.append(waddle.say(stage.alice, "http://127.0.0.1:25/x"))
        until(lambda: {"/broken", "/picture", "/elsewhere", "/nothing"} <= set(pages.asked))
        last = alice.say(room, f"again {pages.url}/fish")
        bob.wait("message", mark, xml=lambda x: "urn:xmpp:fasten:0" in x and last["stanza_id"] in x)
        assert [waddle.message(stage.bob, o["id"])["preview"] for o in others] == [None] * 5
        assert pages.asked.count("/fish") == 1, "what was found is kept"
        # A waddle may do without them; only who configures it says so.
        refused(stage.bob.api.request("PUT", f"{waddle.path}/message-settings", {"link_previews": False}), 403)
        stage.alice.api.ok("PUT", f"{waddle.path}/message-settings", {"link_previews": False})
        quiet = alice.say(room, f"{pages.url}/unasked")
        stage.alice.api.ok("PUT", f"{waddle.path}/message-settings", {"link_previews": True})
        mark = bob.mark()
        alice.say(room, f"{pages.url}/plain")
        bob.wait("message", mark, xml=lambda x: "urn:xmpp:fasten:0" in x and "Only a title" in x)
        assert "/unasked" not in pages.asked and waddle.message(stage.bob, quiet["stanza_id"])["preview"] is None
        # What is taken back has none any more.
        stage.alice.api.ok("DELETE", f"{waddle.at()}/messages/{said['stanza_id']}")
        assert waddle.message(stage.bob, said["stanza_id"])["preview"] is None


def test_search_leaves_private_channels_out(stage):
    waddle = stage.waddle()
    room = waddle.room()
    nest = stage.alice.api.ok("POST", f"{waddle.path}/channels", {"name": "nest", "private": True}, status=(201,))
    with stage.alice.chat() as alice, stage.bob.chat() as bob:
        alice.enter(room)
        alice.enter(nest["jid"])
        bob.enter(room)
        alice.say(room, "a plectropomus in the open")
        alice.say(nest["jid"], "a secret plectropomus")
        made = waddle.say(stage.bob, "Plectropomus leopardus, the leopard coral")
        url = bob.upload()
        waddle.say(stage.bob, "plectropomus as a picture", attachments=[{"url": url}])
        # Both ways the same, newest first over HTTP, in the archive's order over XMPP.
        every = ["plectropomus as a picture", made["body"], "a plectropomus in the open"]
        assert waddle.found(stage.bob, "plectropomus") == every == bob.found("plectropomus", of=room)[::-1]
        assert waddle.found(stage.alice, "plectropomus") == [every[0], every[1], "a secret plectropomus", every[2]]
        assert alice.found("plectropomus", of=nest["jid"]) == ["a secret plectropomus"]
        # One who may not see the channel learns nothing of it, whatever they ask.
        assert waddle.found(stage.bob, "secret") == [] == bob.found("secret", of=room)
        refused(stage.bob.api.request("GET", f"{waddle.path}/search?q=secret&channel=nest"), 404)
        refused(stage.bob.api.request("GET", f"{waddle.path}/search?q=secret&channel={nest['id']}"), 404)
        with pytest.raises(Refused) as why:
            bob.found("secret", of=nest["jid"])
        assert why.value.args[0] == "item-not-found"
        refused(stage.carl.api.request("GET", f"{waddle.path}/search?q=secret"), 403)
        with stage.carl.chat() as carl, pytest.raises(Refused) as why:
            carl.found("secret", of=room)
        assert why.value.args[0] == "forbidden"
        # Phrases, beginnings, exclusions, filters, what is around.
        assert waddle.found(stage.bob, '"leopard coral"') == [made["body"]] == bob.found('"leopard coral"', of=room)
        assert waddle.found(stage.bob, '"coral leopard"') == [] == bob.found('"coral leopard"', of=room)
        assert waddle.found(stage.bob, "leop*") == [made["body"]] == bob.found("leop*", of=room)
        assert waddle.found(stage.bob, "plectropomus -leopard") == [every[0], every[2]]
        assert waddle.found(stage.bob, "plectropomus", "&author=alice") == [every[2]]
        assert waddle.found(stage.bob, "plectropomus", "&has=file") == [every[0]]
        assert waddle.found(stage.bob, "plectropomus", "&channel=announcements") == []
        assert waddle.found(stage.bob, "plectropomus", "&before=2020-01-01T00:00:00Z") == []
        around = stage.bob.api.ok("GET", f"{waddle.path}/search?q=leopardus&context=1")["results"][0]
        assert [m["body"] for m in (*around["before"], *around["after"])] == [every[2], every[0]]
        for bad in ("q=", "q=%22%22", "q=x&before=yesterday", "q=x&has=fish", "q=x&cursor=nonsense"):
            assert stage.bob.api.request("GET", f"{waddle.path}/search?{bad}").status_code in (400, 422), bad

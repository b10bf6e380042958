"""What is done with a stock XMPP client is seen over HTTP, and the other way round: one change, tuples included
(specs/rooms.md, specs/http.md)."""
import uuid

import pytest
import requests

from clients import Refused
from people import Person, later, make_waddle, until

ADMIN = "http://jabber.org/protocol/muc#admin"


@pytest.fixture
def reef(start_server):
    server = start_server(rate_limits="off")
    for name in ("alice", "mona", "bob"):
        setattr(server, name, Person(server, name))
    make_waddle(server.alice, "reef")
    server.command("waddle", "add-member", "reef", "mona", "--role", "moderator")
    server.command("waddle", "add-member", "reef", "bob")
    return server


def general(server):
    return server.room("reef", "general")


def members(server):
    found = server.alice.api.ok("GET", "/waddles/reef/members?limit=100")
    found = found["members"] if isinstance(found, dict) else found
    return {m["localpart"] if m.get("localpart") else m["user"].removeprefix("local:"): m["role"] for m in found}


def affiliate(client, room, jid, affiliation, reason="because"):
    return client.ask("set", room, f"<query xmlns='{ADMIN}'><item affiliation='{affiliation}' jid='{jid}'>"
                                   f"<reason>{reason}</reason></item></query>")


def test_a_kick_ends_the_visit_and_a_removal_the_membership(reef):
    with reef.mona.chat() as mona, reef.bob.chat() as bob:
        mona.enter(general(reef))
        bob.enter(general(reef))
        answer = mona.ask("set", general(reef), f"<query xmlns='{ADMIN}'><item nick='bob' role='none'><reason>noise</reason></item></query>")
        assert "error" not in answer, answer
        out = bob.wait("presence", type="unavailable", **{"from": f"{general(reef)}/bob"})
        assert {110, 307} <= set(out["statuses"]) and out["reason"] == "noise"
        assert members(reef)["bob"] == "member", "a kick from the room is for the visit"
        mark = bob.mark()
        bob.enter(general(reef))
        reef.mona.api.ok("DELETE", "/waddles/reef/members/bob")
        out = bob.wait("presence", mark, type="unavailable", **{"from": f"{general(reef)}/bob"})
        assert {110, 321} <= set(out["statuses"])
        assert "bob" not in members(reef)


def test_a_ban_from_a_stock_client_is_a_ban_of_the_waddle(reef):
    announcements = reef.room("reef", "announcements")
    with reef.mona.chat() as mona, reef.bob.chat() as bob:
        mona.enter(general(reef))
        bob.enter(general(reef))
        bob.enter(announcements)
        assert "error" not in affiliate(mona, general(reef), reef.bob.jid, "outcast", "spam")
        for room in (general(reef), announcements):
            out = bob.wait("presence", type="unavailable", **{"from": f"{room}/bob"})
            assert 301 in out["statuses"], room
        bans = reef.alice.api.ok("GET", "/waddles/reef/bans")
        assert "spam" in str(bans) and "bob" in str(bans)
        assert "bob" not in members(reef)
        assert reef.bob.api.request("GET", "/waddles/reef").status_code == 403
        with pytest.raises(Refused):
            bob.archive(of=general(reef))
        with reef.bob.mqtt() as mqtt:
            assert mqtt.subscribe("waddle/reef/#") == 0x87
        outcasts = mona.ask("get", announcements, f"<query xmlns='{ADMIN}'><item affiliation='outcast'/></query>")
        assert reef.bob.jid in outcasts and "spam" in outcasts
        # Lifted over HTTP, gone in the client.
        reef.mona.api.ok("DELETE", "/waddles/reef/bans/bob")
        outcasts = mona.ask("get", announcements, f"<query xmlns='{ADMIN}'><item affiliation='outcast'/></query>")
        assert reef.bob.jid not in outcasts
        # Given over HTTP, seen in the client.
        reef.mona.api.ok("PUT", "/waddles/reef/bans/bob", {"reason": "again"})
        outcasts = mona.ask("get", announcements, f"<query xmlns='{ADMIN}'><item affiliation='outcast'/></query>")
        assert reef.bob.jid in outcasts and "again" in outcasts


def test_roles_and_hats(reef):
    with reef.alice.chat() as alice, reef.bob.chat() as bob:
        assert "owner" in str(alice.enter(general(reef))["hats"]).lower()
        bob.enter(general(reef))
        mark = alice.mark()
        assert "error" not in affiliate(alice, general(reef), reef.bob.jid, "admin")
        seen = alice.wait("presence", mark, affiliation="admin", **{"from": f"{general(reef)}/bob"})
        assert seen["role"] == "moderator"
        assert members(reef)["bob"] == "admin"
        mark = alice.mark()
        reef.alice.api.ok("PATCH", "/waddles/reef/members/bob", {"role": "moderator"})
        seen = alice.wait("presence", mark, affiliation="admin", **{"from": f"{general(reef)}/bob"})
        assert [h.lower() for h in seen["hats"]] == ["moderator"]
        mark = alice.mark()
        reef.alice.api.ok("PATCH", "/waddles/reef/members/bob", {"role": "member"})
        seen = alice.wait("presence", mark, affiliation="member", **{"from": f"{general(reef)}/bob"})
        assert seen["role"] == "participant" and not seen["hats"]
        # A role of the waddle's own making is a hat, and its permissions are real.
        role = reef.alice.api.ok("POST", "/waddles/reef/roles", {"name": "Diver", "permissions": ["moderate"]}, status=(201,))
        mark = alice.mark()
        reef.alice.api.ok("PUT", f"/waddles/reef/roles/{role['id']}/members/bob")
        alice.wait("presence", mark, role="moderator", hats=lambda h: h and "Diver" in h, **{"from": f"{general(reef)}/bob"})


def test_subjects_and_settings(reef):
    with reef.alice.chat() as alice, reef.bob.chat() as bob:
        alice.enter(general(reef))
        bob.enter(general(reef))
        alice.send(do="subject", room=general(reef), body="Fish & ice")
        bob.wait("message", subject="Fish & ice")
        channel = lambda: reef.bob.api.ok("GET", "/waddles/reef/channels/general")
        assert until(lambda: channel()["topic"] == "Fish & ice")
        reef.alice.api.ok("PATCH", "/waddles/reef/channels/general", {"topic": "only fish"})
        bob.wait("message", subject="only fish")
        mark = bob.mark()
        reef.alice.api.ok("PATCH", "/waddles/reef/channels/general", {"name": "Deep Sea"})
        info = until(lambda: (i := bob.ask("get", general(reef), "<query xmlns='http://jabber.org/protocol/disco#info'/>"))
                     and "Deep Sea" in i and i)
        assert "conference" in info
        bob.wait("message", mark, xml=lambda x: 'code="104"' in x)
        # A member changes nothing, in neither way.
        assert reef.bob.api.request("PATCH", "/waddles/reef/channels/general", {"topic": "mine"}).status_code == 403
        mark = bob.mark()
        bob.raw(f"<message to='{general(reef)}' type='groupchat' id='s'><subject>mine</subject></message>")
        assert bob.wait("message", mark, type="error", id="s")["error"] == "forbidden"


def test_announcements_private_channels_and_slow_mode(reef):
    announcements = reef.room("reef", "announcements")
    api = reef.alice.api
    announced, talked = (api.ok("GET", f"/waddles/reef/channels/{c}")["id"] for c in ("announcements", "general"))
    with reef.alice.chat() as alice, reef.bob.chat() as bob:
        alice.enter(announcements)
        assert bob.enter(announcements)["role"] == "visitor"
        mark = bob.mark()
        bob.raw(f"<message to='{announcements}' type='groupchat' id='a'><body>me too</body></message>")
        assert bob.wait("message", mark, type="error", id="a")["error"] == "forbidden"
        assert reef.bob.api.request("POST", f"/channels/{announced}/messages", {"body": "me too"}).status_code == 403
        alice.say(announcements, "hear, hear")
        bob.wait("message", body="hear, hear")

        nest = api.ok("POST", "/waddles/reef/channels", {"name": "nest", "type": "text", "private": True}, status=(201,))
        assert bob.join(nest["jid"], "bob")["error"] == "item-not-found"
        assert reef.bob.api.request("GET", "/waddles/reef/channels/nest").status_code == 404
        assert "nest" not in str(reef.bob.api.ok("GET", "/waddles/reef/channels"))

        api.ok("PATCH", "/waddles/reef/channels/general", {"slow_mode_seconds": 60})
        bob.enter(general(reef))
        bob.say(general(reef), "one")
        mark = bob.mark()
        bob.raw(f"<message to='{general(reef)}' type='groupchat' id='two'><body>two</body></message>")
        assert bob.wait("message", mark, type="error", id="two")["error"] == "policy-violation"
        again = reef.bob.api.request("POST", f"/channels/{talked}/messages", {"body": "three"})
        assert again.status_code == 429 and int(again.headers["retry-after"]) > 0, again.text
        alice.enter(general(reef))
        alice.say(general(reef), "not for me")
        alice.say(general(reef), "really")


def test_messages_reactions_and_search(reef):
    """The same conversation by both ways: said, answered, reacted to, corrected, pinned, found, taken back."""
    api = reef.bob.api
    messages = f"/channels/{api.ok('GET', '/waddles/reef/channels/general')['id']}/messages"

    def listed():
        found = api.ok("GET", messages)
        return {m["id"]: m for m in found["messages"]}

    with reef.alice.chat() as alice:
        alice.enter(general(reef))
        said = alice.say(general(reef), "who has seen a plectropomus?")
        view = until(lambda: listed().get(said["stanza_id"]))
        assert view["body"] == said["body"] and view["author"]["jid"] == reef.alice.jid
        mark = alice.mark()
        made = api.ok("POST", messages, {"body": "I have", "reply_to": said["stanza_id"]}, status=(201,))
        heard = alice.wait("message", mark, body=lambda b: b and b.endswith("I have"))
        assert heard["stanza_id"] == made["id"]
        assert listed()[made["id"]]["reply_to"] == said["stanza_id"]
        # A reaction of the stock client is counted.
        alice.raw(f"<message to='{general(reef)}' type='groupchat' id='{uuid.uuid4().hex}'>"
                  f"<reactions xmlns='urn:xmpp:reactions:0' id='{made['id']}'><reaction>🐟</reaction></reactions></message>")
        reactions = until(lambda: listed()[made["id"]]["reactions"])
        assert reactions[0]["emoji"] == "🐟" and reactions[0]["count"] == 1 and not reactions[0]["me"]
        # Search by both ways finds it, and only for who may read.
        found = api.ok("GET", "/waddles/reef/search?q=plectropomus")
        assert said["stanza_id"] in str(found)
        xmpp = alice.ask("set", general(reef), "<query xmlns='urn:xmpp:mam:2' queryid='s'><x xmlns='jabber:x:data' type='submit'>"
                         "<field var='FORM_TYPE'><value>urn:xmpp:mam:2</value></field>"
                         "<field var='{urn:xmpp:fulltext:0}fulltext'><value>plectropomus</value></field></x></query>")
        assert "fin" in xmpp, xmpp
        assert [m["archive_id"] for m in alice.find("archived", query="s")] == [said["stanza_id"]]
        # Taken back over HTTP, gone for all.
        mark = alice.mark()
        api.ok("DELETE", f"{messages}/{made['id']}")
        assert until(lambda: made["id"] not in listed() or listed()[made["id"]]["deleted"])
        assert "I have" not in str([m["body"] for m in alice.archive(of=general(reef))])
        # And by a moderator's stock client.
        with reef.mona.chat() as mona:
            mona.enter(general(reef))
            answer = mona.ask("set", general(reef), f"<moderate xmlns='urn:xmpp:message-moderate:1' id='{said['stanza_id']}'>"
                                                    "<retract xmlns='urn:xmpp:message-retract:1'/></moderate>")
            assert "error" not in answer, answer
        assert until(lambda: "plectropomus" not in str(listed()))
        assert "plectropomus" not in str(api.ok("GET", "/waddles/reef/search?q=plectropomus")).replace("q=plectropomus", "")


def test_an_invited_person_finds_their_channels(reef):
    """Bookmarks, disco and the space of a waddle appear when somebody joins, and go when they leave."""
    carl = Person(reef, "carl")
    invite = reef.alice.api.ok("POST", "/waddles/reef/invites", {})
    with carl.chat() as client:
        rooms = lambda: client.ask("get", f"muc.{reef.domain}", "<query xmlns='http://jabber.org/protocol/disco#items'/>")
        assert "reef." not in rooms()
        carl.api.ok("POST", f"/waddles/reef/invites/{invite['code']}/accept", {})
        assert until(lambda: f"{general(reef)}" in rooms())
        bookmarks = lambda: client.ask("get", carl.jid, "<pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='urn:xmpp:bookmarks:1'/></pubsub>")
        assert until(lambda: general(reef) in bookmarks())
        client.enter(general(reef))
        carl.api.ok("DELETE", "/waddles/reef/members/carl")
        client.wait("presence", type="unavailable", **{"from": f"{general(reef)}/carl"})
        assert "reef." not in rooms()


def test_a_deleted_waddle(reef):
    with reef.bob.chat() as bob:
        bob.enter(general(reef))
        reef.alice.api.ok("DELETE", "/waddles/reef")
        bob.wait("presence", type="unavailable", **{"from": f"{general(reef)}/bob"})
        assert reef.bob.api.request("GET", "/waddles/reef").status_code == 403
        # Below a name that is free anybody makes a room; it ends when a waddle takes the name.
        assert bob.join(general(reef), "bob")["error"] is None
        mark = bob.mark()
        reef.mona.api.ok("POST", "/waddles", {"slug": "reef", "name": "Reef"}, status=(201,))
        bob.wait("presence", mark, type="unavailable", **{"from": f"{general(reef)}/bob"})
        assert bob.join(general(reef), "bob")["error"] == "forbidden"
        with reef.mona.chat() as mona:
            assert mona.enter(general(reef))["affiliation"] == "owner"
            assert not [m for m in mona.archive(of=general(reef)) if m["body"]]


def owner_form(client, room):
    answer = client.element("get", room, "<query xmlns='http://jabber.org/protocol/muc#owner'/>")
    return {f.get("var"): [v.text for v in f.findall("{jabber:x:data}value")] for f in answer.iter("{jabber:x:data}field")}


def test_the_configuration_form_is_the_channel(reef):
    channel = lambda: reef.alice.api.ok("GET", "/waddles/reef/channels/general")
    with reef.alice.chat() as alice, reef.bob.chat() as bob:
        alice.enter(general(reef))
        bob.enter(general(reef))
        reef.alice.api.ok("PATCH", "/waddles/reef/channels/general", {"slow_mode_seconds": 30, "name": "Reef talk"})
        form = until(lambda: (f := owner_form(alice, general(reef))).get("x-slow_mode_seconds") == ["30"] and f)
        assert form["muc#roomconfig_roomname"] == ["Reef talk"]
        mark = bob.mark()
        answer = alice.ask("set", general(reef), "<query xmlns='http://jabber.org/protocol/muc#owner'><x xmlns='jabber:x:data' type='submit'>"
                           "<field var='FORM_TYPE'><value>http://jabber.org/protocol/muc#roomconfig</value></field>"
                           "<field var='muc#roomconfig_roomname'><value>Quiet reef</value></field>"
                           "<field var='muc#roomconfig_moderatedroom'><value>1</value></field>"
                           "<field var='x-slow_mode_seconds'><value>0</value></field></x></query>")
        assert "error" not in answer, answer
        seen = channel()
        assert (seen["name"], seen["type"], seen["slow_mode_seconds"]) == ("Quiet reef", "announcement", 0)
        # It is a channel of announcements now: Bob sees himself lose his voice.
        bob.wait("presence", mark, role="visitor", **{"from": f"{general(reef)}/bob"})
        refused = bob.ask("set", general(reef), "<query xmlns='http://jabber.org/protocol/muc#owner'><x xmlns='jabber:x:data' type='submit'>"
                          "<field var='muc#roomconfig_roomname'><value>mine</value></field></x></query>")
        assert "forbidden" in refused, refused


def test_a_webhook_speaks_and_hears(reef):
    """What a program posts is a message for stock clients; what is said there is in the archive under its name."""
    api = reef.alice.api
    hook = api.ok("POST", "/waddles/reef/channels/general/webhooks", {"name": "Weather"}, status=(201,))
    with reef.bob.chat() as bob:
        bob.enter(general(reef))
        posted = requests.post(hook["url"], json={"text": "storm is coming <soon> & strong"}, timeout=10)
        assert posted.status_code == 200, posted.text
        heard = bob.wait("message", type="groupchat", body=lambda b: b and "storm is coming <soon> & strong" in b)
        assert heard["stanza_id"] == posted.json()["id"] and "Weather" in heard["from"]
        assert heard["stanza_id"] in [m["archive_id"] for m in bob.archive(of=general(reef))]
        # Its address alone lets it in; a wrong one says nothing, whether there is such a hook or not.
        wrong = [requests.post(hook["url"][:-5] + end, json={"text": "x"}, timeout=10) for end in ("aaaaa", "bbbbb")]
        other = requests.post(hook["url"].replace(hook["id"], "0" * 32), json={"text": "x"}, timeout=10)
        assert {r.status_code for r in (*wrong, other)} == {404} and wrong[0].json()["detail"] == other.json()["detail"]
        api.ok("DELETE", f"/waddles/reef/webhooks/{hook['id']}", status=(204,))
        assert requests.post(hook["url"], json={"text": "x"}, timeout=10).status_code == 404
        assert reef.bob.api.request("POST", "/waddles/reef/channels/general/webhooks", {"name": "mine"}).status_code == 403


def test_a_timeout_silences_everywhere(reef):
    api = reef.mona.api
    announcements = reef.room("reef", "announcements")
    with reef.bob.chat() as bob, reef.mona.chat() as mona:
        bob.enter(general(reef))
        mona.enter(general(reef))
        bob.say(general(reef), "noise")
        mark = bob.mark()
        api.ok("PUT", "/waddles/reef/timeouts/bob", {"expires_at": later(600), "reason": "calm down"})
        bob.wait("presence", mark, role="visitor", **{"from": f"{general(reef)}/bob"})
        bob.raw(f"<message to='{general(reef)}' type='groupchat' id='t'><body>more noise</body></message>")
        assert bob.wait("message", mark, type="error", id="t")["error"] == "forbidden"
        channel = api.ok("GET", "/waddles/reef/channels/general")["id"]
        assert reef.bob.api.request("POST", f"/channels/{channel}/messages", {"body": "more"}).status_code == 403
        with reef.bob.mqtt() as mqtt:
            assert mqtt.publish("waddle/reef/home/t", "noise") == 0x87
        assert bob.archive(of=general(reef)), "reading goes on"
        assert bob.enter(announcements)["role"] == "visitor"
        mark = bob.mark()
        api.ok("DELETE", "/waddles/reef/timeouts/bob")
        bob.wait("presence", mark, role="participant", **{"from": f"{general(reef)}/bob"})
        bob.say(general(reef), "calm")
        log = str(reef.alice.api.ok("GET", "/waddles/reef/audit"))
        assert "calm down" in log and "bob" in log


def test_a_report_from_a_stock_client_is_in_the_queue(reef):
    with reef.alice.chat() as alice, reef.bob.chat() as bob:
        alice.enter(general(reef))
        bob.enter(general(reef))
        said = alice.say(general(reef), "buy pearls")
        bob.wait("message", body="buy pearls")
        answer = bob.ask("set", None, f"<block xmlns='urn:xmpp:blocking'><item jid='{general(reef)}/alice'>"
                         "<report xmlns='urn:xmpp:reporting:1' reason='urn:xmpp:reporting:spam'>"
                         f"<stanza-id xmlns='urn:xmpp:sid:0' by='{general(reef)}' id='{said['stanza_id']}'/><text>pearls again</text>"
                         "</report></item></block>")
        assert "error" not in answer, answer
        found = until(lambda: "pearls again" in str(r := reef.mona.api.ok("GET", "/waddles/reef/reports")) and r)
        assert said["stanza_id"] in str(found)
        assert reef.bob.api.request("GET", "/waddles/reef/reports").status_code == 403


def test_a_restricted_waddle_is_seen_and_joined_by_request(reef):
    carl = Person(reef, "carl")
    reef.alice.api.ok("PATCH", "/waddles/reef", {"visibility": "restricted"})
    with carl.chat() as client:
        assert "reef" in str(carl.api.ok("GET", "/discover"))
        assert client.join(general(reef), "carl")["error"] == "forbidden"
        assert carl.api.ok("GET", "/waddles/reef/channels")["channels"] == []
        carl.api.ok("POST", "/waddles/reef/join-requests", {"message": "let me swim"})
        requests_of = reef.alice.api.ok("GET", "/waddles/reef/join-requests")
        one = next(iter(requests_of.values()))[0]
        assert one["message"] == "let me swim"
        reef.alice.api.ok("POST", f"/waddles/reef/join-requests/{one['id']}/accept")
        assert client.enter(general(reef))["affiliation"] == "member"
        reef.alice.api.ok("PATCH", "/waddles/reef", {"visibility": "private"})
        assert "reef" not in str(Person(reef, "dora").api.ok("GET", "/discover"))

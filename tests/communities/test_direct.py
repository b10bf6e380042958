"""Direct messages: from whom one takes them, requests, small groups, blocking, reports; with stock XMPP clients and over
HTTP, which see the same (specs/moderation.md, "Direct messages", "Groups")."""
import itertools

import pytest

from clients import Refused
from people import COMMANDS, Person, note, until

DIRECT = "urn:waddle:direct#"
FRESH = itertools.count(1)


@pytest.fixture
def pair(stage):
    """Two people who have never met, and a third."""
    n = next(FRESH)
    return [Person(stage.server, f"{name}{n}") for name in ("erin", "fred", "gina")]


def asked(person):
    return person.api.ok("GET", "/direct/requests")["requests"]


def offered(client):
    """The requests that a stock client is offered."""
    answer = client.element("set", None, f"<command xmlns='{COMMANDS}' node='{DIRECT}requests'/>")
    return [o.get("label") for o in answer.iter("{jabber:x:data}option")]


def last(person, peer):
    found = [c for c in person.api.ok("GET", "/inbox?limit=100")["conversations"] if c["jid"] == peer]
    return found[0]["last_direct"]["body"] if found else None


def test_requests_are_accepted_and_refused(stage, pair):
    erin, fred, gina = pair
    with erin.chat() as e, fred.chat() as f, gina.chat() as g, erin.events() as stream:
        stream.wait("event", type="ready")
        # Set by a stock client, read over HTTP; what is none is refused by both.
        assert erin.api.ok("GET", "/direct/policy") == {"policy": "everyone"}
        assert note(e.run(None, f"{DIRECT}policy", {"policy": "friends_only"})).startswith("Contacts")
        assert erin.api.ok("GET", "/direct/policy") == {"policy": "friends_only"}
        assert note(e.run(None, f"{DIRECT}policy", {"policy": "no"})) in ("bad-request", "not-acceptable")
        assert erin.api.request("PUT", "/direct/policy", {"policy": "no"}).status_code == 422
        # What a stranger writes waits: they are told nothing, the recipient once.
        marks = e.mark(), f.mark()
        f.chat(erin.jid, "hello?")
        f.chat(erin.jid, "are you there?")
        told = e.wait("message", marks[0], body=lambda b: b and fred.jid in b and "would like to write" in b)
        assert told["from"] == stage.server.domain
        one = until(lambda: (r := asked(erin)) and r[0]["messages"] == 2 and r)[0]
        assert (one["jid"], one["text"], one["group"]) == (fred.jid, "hello?", None)
        event = stream.wait("event", type="direct_request.created")["data"]["request"]
        assert (event["id"], event["jid"], event["text"]) == (one["id"], fred.jid, "hello?")
        assert offered(e)[0] == f"{fred.jid}: hello?" and len([o for o in offered(e) if "@" in o]) == 1
        assert last(erin, fred.jid) is None and fred.jid not in e.inbox()
        # Somebody else's request is nobody's business.
        assert gina.api.request("PUT", f"/direct/requests/{one['id']}").status_code == 404
        assert note(g.run(None, f"{DIRECT}requests", {"request": one["id"], "answer": "accept"})) in ("nobody asks", "item-not-found")
        # Accepted over HTTP, delivered to the stock client with the time that it was sent.
        erin.api.ok("PUT", f"/direct/requests/{one['id']}", status=(200,))
        for body in ("hello?", "are you there?"):
            assert e.wait("message", marks[0], body=body, **{"from": f.jid})["delay"]
            stream.wait("event", type="direct.message", data=lambda d: d["jid"] == fred.jid and d["message"]["body"] == body)
        closed = stream.wait("event", type="direct_request.closed")["data"]
        assert (closed["request_id"], closed["accepted"]) == (one["id"], True)
        assert asked(erin) == [] and last(erin, fred.jid) == "are you there?" == last(fred, erin.jid)
        f.chat(erin.jid, "good")
        e.wait("message", body="good", **{"from": f.jid})
        assert not f.find("message", marks[1]), "who waited was told nothing"
        # Refused by a stock client: it is gone, and they are not heard again, nor told.
        mark = g.mark()
        g.chat(erin.jid, "pearls?")
        two = until(lambda: asked(erin))[0]
        assert note(e.run(None, f"{DIRECT}requests", {"request": two["id"], "answer": "refuse"})) == "refused"
        assert stream.wait("event", type="direct_request.closed", data=lambda d: d["request_id"] == two["id"])["data"]["accepted"] is False
        g.chat(erin.jid, "cheap pearls?")
        f.chat(erin.jid, "fence")
        e.wait("message", body="fence")
        assert asked(erin) == [] and offered(e) == [] and "pearls" not in str(e.seen)
        assert not g.find("message", mark) and erin.api.request("DELETE", f"/direct/requests/{two['id']}").status_code == 404
        # Nobody at all: a stranger is told so at once. Whom one writes to oneself may answer.
        erin.api.ok("PUT", "/direct/policy", {"policy": "nobody"})
        new = Person(stage.server, f"{gina.name}-too")
        with new.chat() as n:
            mark = n.mark()
            id = n.chat(erin.jid, "hello")
            assert n.wait("message", mark, type="error", id=id)["error"] == "forbidden"
            e.chat(new.jid, "hello yourself")
            n.wait("message", mark, body="hello yourself")
            n.chat(erin.jid, "ah")
            e.wait("message", body="ah")
            sent = stream.wait("event", type="direct.message", data=lambda d: d["message"]["body"] == "hello yourself")["data"]
            assert (sent["jid"], sent["message"]["mine"]) == (new.jid, True)


def test_who_shares_a_waddle_may_write(stage, pair):
    erin, fred, gina = pair
    erin.api.ok("PUT", "/direct/policy", {"policy": "friends_and_waddles"})
    waddle = stage.waddle("public")
    with erin.chat() as e, fred.chat() as f, gina.chat() as g:
        for person in (erin, fred):
            person.api.ok("POST", f"{waddle.path}/join")
        # Who was only added there has not chosen to be: to be put into a waddle opens no door.
        other = f"den-{gina.name}"
        gina.api.ok("POST", "/waddles", {"slug": other, "name": "Den"}, status=(201,))
        gina.api.ok("POST", f"/waddles/{other}/members", {"user": erin.name}, status=(201,))
        mark = e.mark()
        f.chat(erin.jid, "from the reef")
        e.wait("message", mark, body="from the reef")
        assert last(erin, fred.jid) == "from the reef" and asked(erin) == []
        g.chat(erin.jid, "from the den")
        assert until(lambda: asked(erin))[0]["jid"] == gina.jid
        assert last(erin, gina.jid) is None and offered(e)[0].startswith(gina.jid)


def test_a_small_group(stage, pair):
    erin, fred, gina = pair
    gina.api.ok("PUT", "/direct/policy", {"policy": "friends_only"})
    with erin.chat() as e, fred.chat() as f, gina.chat() as g, fred.events() as stream:
        stream.wait("event", type="ready")
        marks = f.mark(), g.mark()
        made = erin.api.ok("POST", "/direct", {"name": "Us & them", "people": [fred.name, gina.name]}, status=(201,))
        since = {p["jid"]: p["since"] for p in made["people"]}
        assert since[erin.jid] and since[fred.jid] and since[gina.jid] is None, since
        group = stream.wait("event", type="direct_group.updated")["data"]
        assert (group["group"], group["jid"]) == (made["id"], made["jid"])
        # Who is in is invited, who takes nothing from strangers is asked.
        f.wait("message", marks[0], xml=lambda x: "invite" in x and made["jid"] in x)
        g.wait("message", marks[1], body=lambda b: b and "Us & them" in b)
        assert g.join(made["jid"], "gina")["error"] in ("registration-required", "forbidden")
        assert gina.api.request("GET", f"/direct/{made['id']}").status_code == 404
        request = asked(gina)[0]
        assert (request["group"], request["jid"]) == (made["id"], erin.jid)
        assert "may write" in note(g.run(None, f"{DIRECT}requests", {"request": request["id"], "answer": "accept"}))
        people = lambda who: sorted(p["jid"] for p in who.api.ok("GET", f"/direct/{made['id']}")["people"])
        assert people(gina) == sorted(p.jid for p in pair)
        # They talk as in any room; what is not read is counted.
        for client, nick in ((e, "Erin"), (f, "Fred"), (g, "Gina")):
            client.enter(made["jid"], nick)
        said = e.say(made["jid"], "only for us, @Fred")
        g.wait("message", body="only for us, @Fred")
        counted = lambda who: (lambda d: (d["unread"], d["mentions"]))(who.api.ok("GET", f"/direct/{made['id']}"))
        assert counted(fred) == (1, 1) and counted(gina) == (1, 0) and counted(erin) == (0, 0)
        f.tell(made["jid"], None, f"<displayed xmlns='urn:xmpp:chat-markers:0' id='{said['stanza_id']}'/>")
        until(lambda: counted(fred) == (0, 0))
        read = stream.wait("event", type="inbox.read")["data"]
        assert (read["jid"], read["message_id"], read["waddle_id"]) == (made["jid"], said["stanza_id"], None)
        # Strangers find nothing, by neither way.
        with stage.carl.chat() as carl:
            rooms = carl.ask("get", f"muc.{stage.server.domain}", "<query xmlns='http://jabber.org/protocol/disco#items'/>")
            assert made["id"] not in rooms and carl.join(made["jid"], "carl")["error"] in ("registration-required", "forbidden")
            with pytest.raises(Refused):
                carl.archive(of=made["jid"])
        assert stage.carl.api.request("GET", f"/direct/{made['id']}").status_code == 404
        assert fred.api.request("DELETE", f"/direct/{made['id']}/people/{gina.name}").status_code == 422
        # Renamed over HTTP, left by command; who left hears nothing more.
        fred.api.ok("PATCH", f"/direct/{made['id']}", {"name": "We"})
        until(lambda: 'name="We"' in g.ask("get", made["jid"], "<query xmlns='http://jabber.org/protocol/disco#info'/>"))
        assert "out of the group" in note(f.run(None, f"{DIRECT}leave-group", {"group": made["id"]}))
        stream.wait("event", type="direct_group.left", data=lambda d: d["group"] == made["id"])
        assert people(erin) == sorted((erin.jid, gina.jid)) and fred.api.ok("GET", "/direct")["groups"] == []
        mark = f.mark()
        e.say(made["jid"], "he is gone")
        with pytest.raises(Refused):
            f.archive(of=made["jid"])
        assert not f.find("message", mark, body="he is gone")


def test_blocking(stage, pair):
    erin, fred, _ = pair
    with erin.chat() as e, fred.chat() as f:
        f.chat(erin.jid, "before")
        e.wait("message", body="before")
        assert "error" not in e.ask("set", None, f"<block xmlns='urn:xmpp:blocking'><item jid='{fred.jid}'/></block>")
        mark = f.mark()
        id = f.chat(erin.jid, "while blocked")
        assert f.wait("message", mark, type="error", id=id)["error"] == "service-unavailable"
        mark = e.mark()
        id = e.chat(fred.jid, "you there?")
        assert e.wait("message", mark, type="error", id=id)["error"] == "not-acceptable"
        # Nor by a group, over HTTP.
        answer = fred.api.request("POST", "/direct", {"name": "x", "people": [erin.name]})
        assert answer.status_code == 403 and asked(erin) == []
        assert last(erin, fred.jid) == "before" and "while blocked" not in [m["body"] for m in e.archive()]
        assert "error" not in e.ask("set", None, f"<unblock xmlns='urn:xmpp:blocking'><item jid='{fred.jid}'/></unblock>")
        f.chat(erin.jid, "after")
        e.wait("message", body="after")
        assert last(erin, fred.jid) == "after"


def test_taken_back_and_reported(stage, pair):
    erin, fred, _ = pair
    with erin.chat() as e, fred.chat() as f, erin.events() as stream:
        stream.wait("event", type="ready")
        id = f.tell(erin.jid, "by mistake", kind="chat")
        kept = e.wait("message", body="by mistake")["stanza_id"]
        f.tell(erin.jid, None, f"<retract xmlns='urn:xmpp:message-retract:1' id='{id}'/><store xmlns='urn:xmpp:hints'/>", kind="chat")
        e.wait("message", xml=lambda x: "urn:xmpp:message-retract:1" in x)
        assert stream.wait("event", type="direct.deleted")["data"] | {"type": None} == {
            "type": None, "jid": fred.jid, "message_id": kept}
        assert "by mistake" not in str(erin.api.ok("GET", "/inbox")) and "by mistake" not in str([m["body"] for m in e.archive()])
        # A stock client reports and blocks (XEP-0377): the server's administrators read it over HTTP, nobody else.
        f.chat(erin.jid, "buy pearls")
        spam = e.wait("message", body="buy pearls")
        answer = e.ask("set", None, f"<block xmlns='urn:xmpp:blocking'><item jid='{fred.jid}'>"
                       "<report xmlns='urn:xmpp:reporting:1' reason='urn:xmpp:reporting:spam'>"
                       f"<stanza-id xmlns='urn:xmpp:sid:0' by='{erin.jid}' id='{spam['stanza_id']}'/><text>pearls & more</text>"
                       "</report></item></block>".replace("& more", "&amp; more"))
        assert "error" not in answer, answer
        reports = stage.alice.api.ok("GET", f"/reports?reported={fred.jid}")["reports"]
        assert len(reports) == 1, reports
        one = reports[0]
        assert (one["reported"], one["reporter"], one["reason"], one["text"], one["times"]) == (
            fred.jid, f"local:{erin.name}", "urn:xmpp:reporting:spam", "pearls & more", 1)
        assert one["messages"] == [{"by": erin.jid, "id": spam["stanza_id"]}]
        for person in (erin, fred):
            assert person.api.request("GET", "/reports").status_code == 403
            assert person.api.request("DELETE", f"/reports/{one['id']}").status_code == 403
        stage.alice.api.ok("DELETE", f"/reports/{one['id']}", status=(204,))
        assert stage.alice.api.request("DELETE", f"/reports/{one['id']}").status_code == 404
        assert stage.alice.api.ok("GET", f"/reports?reported={fred.jid}")["reports"] == []

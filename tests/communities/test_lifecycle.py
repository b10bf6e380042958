"""A waddle's life from outside: exported and imported, backed up while it is written to and restored elsewhere, with the
files that were uploaded (specs/lifecycle.md)."""
import json
import threading
import uuid
import xml.etree.ElementTree as ET

import pytest
import requests

from people import PASSWORD, Person, make_waddle
from waddle_server import Api, CommandFailed

UPLOAD = "urn:xmpp:http:upload:0"


def upload(client, domain, name="fish.txt", data=b"a fish"):
    slot = client.element("get", f"upload.{domain}",
                          f"<request xmlns='{UPLOAD}' filename='{name}' size='{len(data)}' content-type='text/plain'/>")
    put, get = slot.find(f".//{{{UPLOAD}}}put"), slot.find(f".//{{{UPLOAD}}}get")
    headers = {h.get("name"): h.text for h in put} | {"Content-Type": "text/plain"}
    assert requests.put(put.get("url"), data=data, headers=headers, timeout=10).status_code == 201
    return get.get("url")


class Talk:
    """Somebody who goes on talking."""

    def __init__(self, client, room):
        self.client, self.room, self.said, self.stop = client, room, [], threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        for number in range(100_000):
            if self.stop.is_set():
                return
            self.said.append(self.client.say(self.room, f"meanwhile {number}")["body"])

    def end(self):
        self.stop.set()
        self.thread.join(15)


def test_export_and_import(start_server, tmp_path):
    server = start_server("old", rate_limits="off", domain="localhost")
    alice, bob = Person(server, "alice"), Person(server, "bob")
    make_waddle(alice, "reef", members=[bob])
    room = server.room("reef", "general")
    file = tmp_path / "reef.export"
    with alice.chat() as a, bob.chat() as b:
        a.enter(room)
        b.enter(room)
        first = b.say(room, "hello <from> bob & öñ 🐧")
        talk = Talk(a, room)
        b.wait("message", body="meanwhile 5")
        server.command("waddle", "export", "reef", file)
        b.wait("message", body=f"meanwhile {len(talk.said) + 5}")
        talk.end()
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert lines[0]["waddle_export"] == 1 and lines[-1]["end"]["members"] == 2
    with pytest.raises(CommandFailed) as again:
        server.command("waddle", "export", "reef", file)
    assert "exists" in again.value.args[1]

    # Over HTTP the owner gets the same; nobody else, whether there is such a waddle or not.
    answer = requests.post(f"{server.url}/api/v1/waddles/reef/export", timeout=30,
                           headers={"Authorization": f"Bearer {alice.api.token}"})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-disposition"].startswith("attachment; filename=\"reef")
    assert [json.loads(line)["end"] for line in answer.text.splitlines()[-1:]][0]["members"] == 2
    refused = [bob.api.request("POST", f"/waddles/{w}/export") for w in ("reef", "reez")]
    assert [r.status_code for r in refused] == [403, 403]

    # The same server, another slug: stock clients find it, history and all.
    server.command("waddle", "import", file, "copy")
    copy = server.room("copy", "general")
    with bob.chat() as b:
        assert b.enter(copy)["affiliation"] == "member"
        archive = b.archive(of=copy)
        assert [m for m in archive if m["body"] == first["body"]][0]["archive_id"] == first["stanza_id"]
        assert archive[0]["from"].startswith(copy + "/")
        assert b.say(copy, "and on")["stanza_id"]
    assert {w["slug"] for w in alice.api.ok("GET", "/waddles")["waddles"]} == {"reef", "copy"}

    # Another server, where people have other names.
    new = start_server("new", rate_limits="off")
    ann = Person(new, "ann")
    Person(new, "bob")
    with pytest.raises(CommandFailed) as unknown:
        new.command("waddle", "import", file, "reef")
    assert "alice@localhost" in unknown.value.args[1] and "--map" in unknown.value.args[1]
    made = new.json("waddle", "import", file, "reef", "--map", "alice=ann")
    assert made["rows"]["members"] == 2
    with ann.chat() as a:
        assert a.enter(new.room("reef", "general"))["affiliation"] == "owner"
        assert first["body"] in [m["body"] for m in a.archive(of=new.room("reef", "general"))]
    with pytest.raises(CommandFailed) as taken:
        new.command("waddle", "import", file, "reef", "--map", "alice=ann")
    assert "taken" in taken.value.args[1]


def test_backup_while_written_to_and_restored_elsewhere(start_server, tmp_path):
    server = start_server("old", rate_limits="off")
    alice, bob = Person(server, "alice"), Person(server, "bob")
    make_waddle(alice, "reef", members=[bob])
    make_waddle(alice, "other")
    room = server.room("reef", "general")
    whole, one = tmp_path / "whole", tmp_path / "one"
    with alice.chat() as a, bob.chat() as b:
        a.enter(room)
        b.enter(room)
        url = upload(a, server.domain)
        talk = Talk(a, room)
        b.wait("message", body="meanwhile 5")
        server.command("backup", whole)
        server.command("backup", one, "--waddle", "reef")
        b.wait("message", body=f"meanwhile {len(talk.said) + 5}")
        talk.end()
    assert sorted(p.name for p in one.rglob("*.db")) and not (one / "server.db").exists()

    # Everything, elsewhere: people, waddles, messages and files.
    new = start_server("new", rate_limits="off")
    new.stop()
    restored = new.json("restore", whole)
    assert restored["waddles"] == 2 and restored["files"] == 1
    new.start()
    assert requests.get(url.replace(server.url, new.url), timeout=10).content == b"a fish"
    login = Person.__new__(Person)
    login.server, login.name, login.jid, login.api = new, "bob", bob.jid, Api.login(new, "bob", PASSWORD)
    with login.chat() as b:
        b.enter(room)
        kept = [m["body"] for m in b.archive(of=room) if m["body"]]
        assert kept == talk.said[:len(kept)] and len(kept) >= 5
        assert b.say(room, "it lives")["stanza_id"]

    # One waddle, in a third place that has the same people.
    third = start_server("third", rate_limits="off")
    bob3 = Person(third, "bob")
    assert bob3.api.request("GET", "/waddles/reef").status_code == 403
    third.stop()
    third.command("restore", one, "--waddle", "reef")
    with pytest.raises(CommandFailed) as none:
        third.command("restore", one, "--waddle", "other")
    assert "no waddle other" in none.value.args[1]
    third.start()
    bob3.api = Api.login(third, "bob", PASSWORD)
    assert bob3.api.ok("GET", "/waddles/reef")["slug"] == "reef"
    with bob3.chat() as b:
        assert b.enter(room)["affiliation"] == "member"
        since = [m["body"] for m in b.archive(of=room) if m["body"]]
        assert since == talk.said[:len(since)] and len(since) >= 5
        assert b.say(room, "here too")["stanza_id"]


def test_a_deleted_account_is_gone_for_its_contacts(server):
    alice, bob = Person(server, "alice"), Person(server, "bob")
    with alice.chat() as a, bob.chat() as b:
        for one, other in ((a, bob), (b, alice)):
            one.raw(f"<presence to='{other.jid}' type='subscribe'/>")
        for one, other in ((a, bob), (b, alice)):
            one.wait("presence", type="subscribe", **{"from": other.jid})
            one.raw(f"<presence to='{other.jid}' type='subscribed'/>")
        for one, other in ((a, bob), (b, alice)):
            one.wait("presence", type="available", **{"from": lambda f, o=other: f and f.startswith(o.jid + "/")})
        mark = a.mark()
        server.command("account", "delete", "bob")
        a.wait("presence", mark, type="unavailable", **{"from": lambda f: f and f.startswith(bob.jid)})
        a.wait("presence", mark, type="unsubscribed", **{"from": bob.jid})
        a.wait("presence", mark, type="unsubscribe", **{"from": bob.jid})
        roster = a.ask("get", None, "<query xmlns='jabber:iq:roster'/>")
        item = [i for i in roster.split("<") if bob.jid in i]
        assert item and "subscription=\"none\"" in item[0], roster
    with alice.chat() as again:
        gone, never = (again.ask("get", f"{name}@{server.domain}", "<query xmlns='jabber:iq:last'/>") for name in ("bob", "bib"))
        assert gone.replace("bob@", "bib@") == never
        id = uuid.uuid4().hex
        again.raw(f"<message to='{bob.jid}' id='{id}' type='chat'><body>there?</body></message>")
        assert again.wait("message", id=id)["error"] == "service-unavailable"


def test_a_person_takes_everything_along(server):
    """The document of XEP-0227, read with a stock parser: contacts, vCard, private storage, nodes, messages; no secrets."""
    alice, bob = Person(server, "alice"), Person(server, "bob")
    with alice.chat() as a, bob.chat() as b:
        a.ask("set", None, "<query xmlns='jabber:iq:roster'><item jid='carl@example.org' name='C &amp; co'><group>fish</group></item></query>")
        a.ask("set", None, "<query xmlns='jabber:iq:private'><notes xmlns='urn:x:notes'>remember</notes></query>")
        a.ask("set", None, "<vCard xmlns='vcard-temp'><FN>Alice</FN></vCard>")
        a.ask("set", None, "<block xmlns='urn:xmpp:blocking'><item jid='spam@example.org'/></block>")
        a.publish("urn:x:thing", "<thing xmlns='urn:x:thing'>1</thing>")
        a.chat(bob.jid, "said <once> & only once")
        b.wait("message", type="chat", body="said <once> & only once")
    answer = alice.api.request("GET", "/account/export/xmpp")
    assert answer.status_code == 200, answer.text
    root = ET.fromstring(answer.content)
    pie, mam = "{urn:xmpp:pie:0}", "{urn:xmpp:mam:2}"
    user = root.find(f"{pie}host[@jid='localhost']/{pie}user[@name='alice']")
    assert root.tag == f"{pie}server-data" and user.get("password") is None
    item = user.find("{jabber:iq:roster}query/{jabber:iq:roster}item[@jid='carl@example.org']")
    assert item.get("name") == "C & co" and item.findtext("{jabber:iq:roster}group") == "fish"
    assert user.findtext("{jabber:iq:private}query/{urn:x:notes}notes") == "remember"
    assert user.findtext("{vcard-temp}vCard/{vcard-temp}FN") == "Alice"
    assert user.find("{urn:xmpp:blocking}blocklist/{urn:xmpp:blocking}item").get("jid") == "spam@example.org"
    pubsub = "{http://jabber.org/protocol/pubsub}"
    assert user.findtext(f"{pubsub}pubsub/{pubsub}items[@node='urn:x:thing']/{pubsub}item/{{urn:x:thing}}thing") == "1"
    bodies = [m.findtext("{jabber:client}body") for m in user.iter("{jabber:client}message")]
    assert bodies == ["said <once> & only once"]
    assert all(r.get("id") for r in user.iter(f"{mam}result"))
    assert PASSWORD not in answer.text
    token = alice.api.ok("POST", "/auth/access-tokens", {"label": "t", "scopes": ["read", "account"]}, status=(201,))
    refused = Api(server, token["token"]).request("GET", "/account/export/xmpp")
    assert refused.status_code == 403, "only a login of the person takes it all"

"""The end of a tuple reaches everything that lives within a second, and who was removed never sees what was said
afterwards (specs/lifecycle.md, "Revocation")."""
import itertools
import threading
import time
import uuid

import paho.mqtt.client as paho
import pytest
import requests

from clients import Refused, mosquitto_pub
from people import PASSWORD, Person, make_waddle, until

ROUNDS = 200
WITHIN = 1.0


@pytest.fixture
def reef(start_server):
    server = start_server(rate_limits="off")
    server.alice, server.bob = Person(server, "alice"), Person(server, "bob")
    make_waddle(server.alice, "reef", members=[server.bob])
    return server


def general(server):
    return server.room("reef", "general")


def kick(server, who="bob"):
    """Ends a membership; the moment it was acknowledged."""
    server.alice.api.ok("DELETE", f"/waddles/reef/members/{who}")
    return time.monotonic()


def show(what, began, ended):
    took = ended - began
    print(f"revocation: {what}: {took * 1000:.0f} ms")
    assert took < WITHIN, (what, took)


def test_live_rooms_and_the_archive(reef):
    with reef.alice.chat() as alice, reef.bob.chat() as bob:
        alice.enter(general(reef))
        bob.enter(general(reef))
        alice.say(general(reef), "before")
        bob.wait("message", body="before")
        began = time.monotonic()
        kick(reef)
        out = bob.wait("presence", type="unavailable", **{"from": f"{general(reef)}/bob"})
        assert {110, 321} <= set(out["statuses"])
        show("live room", began, out["at"])
        with pytest.raises(Refused) as refused:
            bob.archive(of=general(reef))
        show("archive of the room", began, time.monotonic())
        assert refused.value.args[0] == "forbidden"
        alice.say(general(reef), "after")
        reef.alice.api.ok("POST", "/waddles/reef/members", {"user": "bob"})
        bob.enter(general(reef))
        assert "after" in [m["body"] for m in bob.archive(of=general(reef))], "a member again, they read again"


def test_a_relation_to_one_channel(reef):
    """The end of a membership is one tuple; what somebody was given in a private channel is another."""
    api = reef.alice.api
    api.ok("POST", "/waddles/reef/channels", {"name": "nest", "type": "text", "private": True})
    nest = reef.room("reef", "nest")
    with reef.alice.chat() as alice, reef.bob.chat() as bob:
        alice.enter(nest)
        assert bob.join(nest, "bob")["error"] == "item-not-found"
        api.ok("PATCH", "/waddles/reef/channels/nest", {"private": False})
        until(lambda: bob.join(nest, "bob")["error"] is None)
        began = time.monotonic()
        api.ok("PATCH", "/waddles/reef/channels/nest", {"private": True})
        out = bob.wait("presence", type="unavailable", **{"from": f"{nest}/bob"})
        show("channel made private", began, out["at"])
        with pytest.raises(Refused):
            bob.archive(of=nest)


def test_mqtt_subscriptions_queues_and_retained_messages(reef):
    device = reef.json("device", "create", "reef", "kitchen", "--topic", "home")

    def measure(value, *options):
        sent = mosquitto_pub(reef, device["username"], device["password"], "home/t", value, "-q", "1", *options)
        assert sent.returncode == 0, sent.stderr

    measure("kept", "-r")
    with reef.bob.mqtt("reef", client_id="sleeper", expiry=3600) as sleeper:
        assert sleeper.subscribe("home/#") == 1
        assert sleeper.wait("message", payload="kept")["retain"]
        sleeper.drop()
    measure("while asleep")
    with reef.bob.mqtt("reef") as live, reef.bob.mqtt("reef", protocol=paho.MQTTv311) as old, reef.bob.mqtt() as plain:
        assert live.subscribe("home/#") == 1 and old.subscribe("home/#") == 1
        assert plain.subscribe("waddle/reef/home/#") == 1
        began = time.monotonic()
        kick(reef)
        show("MQTT 5 subscription", began, live.wait("offline", code=0x87)["at"])
        show("MQTT 3.1.1 subscription", began, old.wait("offline")["at"])
        marks = live.mark(), old.mark(), plain.mark()
        measure("after")
        with reef.alice.mqtt("reef") as alice:
            alice.subscribe("home/#")
            alice.wait("message", payload="kept")
        for client, mark in zip((live, old, plain), marks):
            assert not client.find("message", mark), client.name
    # Queue and retained messages: the mount is refused, and from outside there is nothing.
    began = time.monotonic()
    for options in ({"client_id": "sleeper", "expiry": 3600}, {}):
        try:
            with reef.bob.mqtt("reef", **options) as again:
                assert again.subscribe("home/#") == 0x87
                assert not again.find("message"), again.seen
        except Refused as refused:
            assert refused.args[0] in (0x86, 0x87)
    with reef.bob.mqtt() as again:
        assert again.subscribe("waddle/reef/home/#") == 0x87
        assert not again.find("message")
    show("queue and retained messages, three connections", began, time.monotonic())


def test_what_waited_for_a_member_is_not_given_to_a_stranger(reef):
    """A session that was asleep while its person was removed and taken in again gets nothing of the time between."""
    device = reef.json("device", "create", "reef", "kitchen", "--topic", "home")
    with reef.bob.mqtt(client_id="plain", expiry=3600) as sleeper:
        assert sleeper.subscribe("waddle/reef/home/#") == 1
        sleeper.drop()
    kick(reef)

    def measure(value):
        assert mosquitto_pub(reef, device["username"], device["password"], "home/t", value, "-q", "1").returncode == 0

    measure("between")
    reef.alice.api.ok("POST", "/waddles/reef/members", {"user": "bob"})
    with reef.bob.mqtt(client_id="plain", expiry=3600) as awake:
        assert awake.subscribe("waddle/reef/home/#") == 1
        measure("now")
        awake.wait("message", payload="now")
        assert not awake.find("message", payload="between"), awake.seen


def fence(speaker, stream, mark=0):
    """What was said in rooms before this is in the stream, or not coming."""
    word = uuid.uuid4().hex
    speaker.chat("bob@localhost", word)
    stream.wait("event", mark, type="direct.message", text=lambda t: word in t)


def test_http_events(reef):
    with reef.bob.events() as bob, reef.alice.events() as alice, reef.alice.chat() as speaker:
        assert bob.status == alice.status == 200, bob.answer.text
        speaker.enter(general(reef))
        speaker.say(general(reef), "before")
        for stream in (bob, alice):
            stream.wait("event", text=lambda t: "before" in t)
        began = time.monotonic()
        kick(reef)
        mark = bob.mark()
        speaker.say(general(reef), "after")
        alice.wait("event", text=lambda t: "after" in t)
        show("HTTP events", began, time.monotonic())
        fence(speaker, bob, mark)
        assert not bob.find("event", mark, text=lambda t: "after" in t)
    # Nor does a resumed stream find it.
    last = [e["id"] for e in bob.find("event") if e["id"]]
    with reef.bob.events(cursor=last[-1]) if last else reef.bob.events() as again, reef.alice.chat() as speaker:
        speaker.enter(general(reef))
        speaker.say(general(reef), "much later")
        fence(speaker, again)
        again_seen = again.find("event", text=lambda t: "after" in t or "much later" in t)
        assert not again_seen, again_seen


def test_http_reads_and_search(reef):
    paths = ["/waddles/reef", "/waddles/reef/channels", "/waddles/reef/members",
             "/waddles/reef/search?q=before", f"/channels/{reef.alice.api.ok('GET', '/waddles/reef/channels/general')['id']}/messages"]
    with reef.alice.chat() as alice:
        alice.enter(general(reef))
        alice.say(general(reef), "before")
    there = [p for p in paths if reef.bob.api.request("GET", p).status_code == 200]
    assert len(there) >= 3, there
    began = time.monotonic()
    kick(reef)
    for path in there:
        assert reef.bob.api.request("GET", path).status_code == 403, path
    show(f"HTTP reads ({len(there)} paths)", began, time.monotonic())
    with reef.alice.chat() as alice:
        alice.enter(general(reef))
        alice.say(general(reef), "@bob after")
    for path in ("/inbox", "/waddles", "/discover"):
        answer = reef.bob.api.request("GET", path)
        assert "after" not in answer.text and "before" not in answer.text and "reef" not in answer.text, (path, answer.text)


def test_uploads_are_who_knows_the_address(reef):
    """An upload is read by whoever knows its address, which nobody guesses: stated in specs/lifecycle.md. What ends with
    a membership is that new addresses are seen, and with the message its file."""
    namespace = "urn:xmpp:http:upload:0"
    with reef.alice.chat() as alice, reef.bob.chat() as bob:
        alice.enter(general(reef))
        bob.enter(general(reef))
        slot = alice.element(
            "get", f"upload.{reef.domain}",
            f"<request xmlns='{namespace}' filename='a.txt' size='5' content-type='text/plain'/>")
        put, get = slot.find(f".//{{{namespace}}}put"), slot.find(f".//{{{namespace}}}get")
        headers = {h.get("name"): h.text for h in put} | {"Content-Type": "text/plain"}
        assert requests.put(put.get("url"), data=b"hello", headers=headers, timeout=10).status_code == 201
        kick(reef)
        bob.wait("presence", type="unavailable", **{"from": f"{general(reef)}/bob"})
        mark = bob.mark()
        alice.say(general(reef), get.get("url"))
        alice.chat(reef.bob.jid, "fence")
        bob.wait("message", mark, body="fence")
        assert not bob.find("message", mark, type="groupchat")
        unguessable = get.get("url").rsplit("/", 2)[-2]
        assert len(unguessable) >= 20, unguessable
        wrong = get.get("url").replace(unguessable, unguessable[::-1])
        assert requests.get(wrong, timeout=10).status_code == 404


class Flood:
    """Somebody who talks and measures without a break; `sent` is raised before each."""

    def __init__(self, server, device):
        self.server, self.sent, self.stop = server, 0, threading.Event()
        self.chat = server.alice.chat()
        self.chat.enter(general(server))
        from clients import Mqtt
        self.mqtt = Mqtt(server, device["username"], device["password"])
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        for number in itertools.count(1):
            if self.stop.is_set():
                return
            self.sent = number
            text = f"number {number}."
            self.chat.send(do="say", room=general(self.server), body=text, id=uuid.uuid4().hex)
            self.mqtt.client.publish("home/t", text, 0)
            if number % 20 == 0:
                # Never more than a few ahead of what came back.
                self.chat.wait("message", body=f"number {number - 10}.", timeout=10)

    def end(self):
        self.stop.set()
        self.thread.join(15)
        self.chat.close()
        self.mqtt.close()


def number_in(text):
    return int(text.split("number ")[1].split(".")[0])


def test_the_new_enemy(reef):
    """Remove a member, then post: they never see it, over whatever they were listening, raced many times."""
    device = reef.json("device", "create", "reef", "kitchen", "--topic", "home")
    flood = Flood(reef, device)
    channel = reef.alice.api.ok("GET", "/waddles/reef/channels/general")["id"]
    worst, seen = 0.0, 0
    try:
        with reef.bob.chat() as bob, reef.bob.events() as stream:
            for turn in range(ROUNDS):
                mark = bob.mark()
                bob.enter(general(reef))
                with reef.bob.mqtt() as plain, reef.bob.mqtt("reef") as mounted:
                    assert plain.subscribe("waddle/reef/home/#", 0) == 0
                    assert mounted.subscribe("home/#", 0) == 0
                    begun = flood.sent
                    plain.wait("message", payload=lambda p: number_in(p) > begun)
                    bob.wait("message", mark, body=lambda b: b and number_in(b) > begun)
                    began = time.monotonic()
                    kick(reef)
                    # Whatever is sent from here on is not for Bob.
                    last = flood.sent
                    flood.chat.wait("message", body=f"number {last + 5}.", timeout=10)
                    out = bob.wait("presence", mark, type="unavailable", **{"from": f"{general(reef)}/bob"})
                    worst = max(worst, out["at"] - began)
                    heard = {
                        "XMPP": [number_in(e["body"]) for e in bob.find("message", mark, type="groupchat", delay=None) if e["body"]],
                        "MQTT": [number_in(e["payload"]) for e in plain.find("message")],
                        "MQTT mounted": [number_in(e["payload"]) for e in mounted.find("message")],
                        "events": [number_in(e["text"]) for e in stream.find("event") if "number " in e["text"]],
                    }
                    seen += sum(map(len, heard.values()))
                    for how, numbers in heard.items():
                        late = [n for n in numbers if n > last and n < last + 1000 and n > begun]
                        # Of earlier rounds everything is old.
                        assert not late, (turn, how, last, late)
                for path in (f"/channels/{channel}/messages", "/waddles/reef/search?q=number"):
                    answer = reef.bob.api.request("GET", path)
                    assert answer.status_code == 403, (path, answer.status_code)
                    assert "number" not in reef.bob.api.request("GET", "/inbox").text
                with pytest.raises(Refused):
                    bob.archive(of=general(reef), page=1)
                reef.alice.api.ok("POST", "/waddles/reef/members", {"user": "bob"})
    finally:
        flood.end()
    print(f"the new enemy: {ROUNDS} rounds, {seen} messages heard, out of the room after {worst * 1000:.0f} ms at most")
    assert worst < WITHIN and seen > ROUNDS
    assert PASSWORD not in reef.log()

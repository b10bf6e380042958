"""The story that Waddle exists for, on real parts: people from a real PDS log in, chat in a channel of their
waddle from three stock clients, a sensor's reading appears in a channel, who is not a member gets nothing, who
is removed is out within a second, and `kill -9` loses nothing that was acknowledged.

The steps build on each other and run in order, on one server.
"""
import datetime
import json
import re
import subprocess
import threading
import time
import uuid

import paho.mqtt.client as paho
import pytest
import requests

import atproto_network
from atproto_network import Browser, CookieApi
from clients import JavaScript, Mqtt, Refused, Slixmpp, TokioXmpp, mosquitto_pub, mosquitto_sub, node_folder
from waddle_server import Api, CommandFailed, WaddleServer

WADDLE = "penguins"
DORA_PASSWORD = "correct horse battery"


class Person:
    """Somebody from the PDS with a session and an XMPP token."""

    def __init__(self, server, account):
        self.did = account["did"]
        self.handle = account["handle"]
        self.browser = Browser(server).login(account)
        self.api = CookieApi(self.browser)
        self.access = self.api.xmpp_token()
        self.jid = self.access["jid"]
        self.localpart = self.jid.split("@")[0]
        self.token = self.access["token"]


class Story:
    """What the steps hand on."""

    def __init__(self, net, server):
        self.net = net
        self.server = server
        self.device = None
        self.said = []
        self.seen = set()  # archive ids of the direct messages that Bob has

    @property
    def general(self):
        return self.server.room(WADDLE, "general")

    @property
    def sensors(self):
        return self.server.room(WADDLE, "sensors")


@pytest.fixture(scope="module")
def story(net, tmp_path_factory):
    server = WaddleServer(tmp_path_factory.mktemp("story") / "data", rate_limits="off", **atproto_network.settings(net))
    server.start()
    story = Story(net, server)
    yield story
    server.stop()


def need(story, *names):
    """Later steps stand on earlier ones; without them they say so instead of failing for another reason."""
    for name in names:
        if not hasattr(story, name) or getattr(story, name) is None:
            pytest.fail(f"an earlier step did not get as far as {name}")


def test_1_the_server_starts_on_its_defaults(story):
    server = story.server
    assert re.search(r"http://127\.0\.0\.1:\d+", server.log()), server.log()
    assert requests.get(f"{server.url}/healthz", timeout=5).status_code == 200
    assert requests.get(f"{server.url}/readyz", timeout=5).status_code == 200
    page = requests.get(f"{server.url}/", timeout=5)
    assert page.status_code == 200 and "handle" in page.text
    server.command("status")


def test_2_people_log_in_with_their_pds(story):
    story.alice = Person(story.server, story.net["accounts"]["alice"])
    story.bob = Person(story.server, story.net["accounts"]["bob"])
    story.carol = Person(story.server, story.net["accounts"]["carol"])
    for person in (story.alice, story.bob):
        assert person.jid == f"{person.did.rsplit(':', 1)[1]}@{story.server.domain}"
        access = person.access
        assert set(access) >= {"jid", "token", "expires_at", "xmpp_host", "xmpp_port", "websocket_url"}
        expires = datetime.datetime.fromisoformat(access["expires_at"].replace("Z", "+00:00"))
        assert expires.utcoffset() == datetime.timedelta(0)
        assert expires > datetime.datetime.now(datetime.timezone.utc)
        assert access["xmpp_port"] == int(story.server.ready["xmpp"].rsplit(":", 1)[1])
        assert re.fullmatch(r"wss?://[^/]+/xmpp-websocket", access["websocket_url"])
        assert person.token not in story.server.log()
    # The cookie alone is not enough: another site could send it along.
    assert story.alice.browser.post("/auth/xmpp-token", csrf=False).status_code == 403
    assert requests.post(f"{story.server.url}/auth/xmpp-token", json={}, timeout=5).status_code == 401


def test_2_a_refused_login_is_a_clean_end(story):
    browser = Browser(story.server)
    begun = browser.http.get(
        f"{browser.base}/auth/login", params={"handle": "dave.test"}, allow_redirects=False, timeout=20)
    back = atproto_network.sign_in(begun.headers["location"], story.net["accounts"]["dave"], "--reject")
    refused = browser.http.get(back, allow_redirects=False, timeout=20)
    assert 400 <= refused.status_code < 500 or "error" in refused.headers.get("location", "")
    # The same answer again, and one that nobody began.
    assert browser.http.get(back, allow_redirects=False, timeout=20).status_code >= 300
    stranger = requests.get(
        f"{browser.base}/auth/callback", params={"state": "made-up", "code": "x"}, allow_redirects=False, timeout=20)
    assert 400 <= stranger.status_code < 500
    assert requests.get(f"{story.server.url}/healthz", timeout=5).status_code == 200


def test_3_a_waddle_with_channels_and_an_invite(story):
    need(story, "alice", "bob")
    server = story.server
    made = story.alice.api.ok("POST", "/waddles", {"slug": WADDLE, "name": "Penguins", "visibility": "private"}, status=(201,))
    assert made["slug"] == WADDLE and made["id"]
    channels = story.alice.api.ok("GET", f"/waddles/{WADDLE}/channels")
    channels = channels if isinstance(channels, list) else channels["channels"]
    assert {c["jid"] for c in channels} == {server.room(WADDLE, "general"), server.room(WADDLE, "announcements")}
    assert {c["room_id"] for c in channels} == {f"{WADDLE}/general", f"{WADDLE}/announcements"}

    # The same on the command line, with the owner's handle.
    server.command("waddle", "create", "puffins", "--owner", story.alice.handle)
    with pytest.raises(CommandFailed):
        server.command("waddle", "create", "puffins", "--owner", story.alice.handle)

    # Nobody but a member sees it; Bob becomes one by the link.
    assert story.bob.api.request("GET", f"/waddles/{WADDLE}").status_code == 403
    invite = story.alice.api.ok("POST", f"/waddles/{WADDLE}/invites", {})
    assert invite["code"] in invite["url"]
    story.bob.api.ok("POST", f"/waddles/{WADDLE}/invites/{invite['code']}/accept", {})
    assert story.bob.api.ok("GET", f"/waddles/{WADDLE}")["slug"] == WADDLE
    # A member is no owner.
    assert story.bob.api.request("POST", f"/waddles/{WADDLE}/channels", {"name": "mine", "type": "text"}).status_code == 403
    assert story.bob.api.request("DELETE", f"/waddles/{WADDLE}/members/{story.alice.did}").status_code == 403

    server.account("dora", DORA_PASSWORD)
    server.command("waddle", "add-member", WADDLE, "dora")
    assert Api.login(server, "dora", DORA_PASSWORD).ok("GET", f"/waddles/{WADDLE}")["slug"] == WADDLE
    story.ready = True


def test_4_three_clients_talk(story):
    need(story, "ready")
    server, room = story.server, story.general
    with (
        Slixmpp(server, story.alice.localpart, story.alice.token) as alice,
        JavaScript(server, story.bob.localpart, story.bob.token) as bob,
        TokioXmpp(server, "dora", DORA_PASSWORD) as dora,
    ):
        people = {"alice": alice, "bob": bob, "dora": dora}
        for nick, client in people.items():
            outcome = client.join(room, nick)
            assert outcome["error"] is None, outcome
            assert outcome["affiliation"] == ("owner" if nick == "alice" else "member")
        for client in people.values():
            for nick in people:
                client.wait("presence", type="available", **{"from": f"{room}/{nick}"})
        # Everybody sees what everybody says, in the same order and under the same archive id.
        alice.send(do="subject", room=room, body="Fish & ice")
        for client in people.values():
            client.wait("message", subject="Fish & ice")
        for nick, client in people.items():
            story.said.append(client.say(room, f"hello from {nick} <&> öñ 🐧")["body"])
        ids = {
            name: [client.wait("message", body=body, delay=None)["stanza_id"] for body in story.said]
            for name, client in people.items()
        }
        assert ids["alice"] == ids["bob"] == ids["dora"] and all(ids["alice"])

        # Bob leaves and comes back: history, then the subject.
        gone = bob.leave(room, "bob")
        assert 110 in gone["statuses"]
        alice.wait("presence", type="unavailable", **{"from": f"{room}/bob"})
        since = bob.mark()
        bob.join(room, "bob")
        last = [bob.wait("message", since, body=body, delay=lambda d: d is not None)["at"] for body in story.said][-1]
        assert bob.wait("message", since, subject="Fish & ice")["at"] >= last

        # Each pages the room's archive and finds the same.
        for client in people.values():
            found = client.archive(of=room, page=2)
            assert [m["body"] for m in found if m["body"]] == story.said
            assert [m["archive_id"] for m in found if m["body"]] == ids["alice"]

        # Direct messages, in both directions.
        bob.chat(story.alice.jid, "fish?")
        assert alice.wait("message", type="chat", body="fish?")["from"].split("/")[0] == story.bob.jid
        alice.chat(story.bob.jid, "fish!")
        assert bob.wait("message", type="chat", body="fish!")["from"].split("/")[0] == story.alice.jid
        story.seen = {e["stanza_id"] for e in bob.find("message", type="chat")}


def test_4_what_arrived_while_away_arrives_once(story):
    need(story, "ready")
    server = story.server
    bodies = [f"while you were away {n}" for n in range(3)]
    with Slixmpp(server, story.alice.localpart, story.alice.token) as alice:
        for body in bodies:
            alice.chat(story.bob.jid, body)
        # Her own archive has them, so the server has them.
        deadline = time.monotonic() + 10
        while [m["body"] for m in alice.archive() if m["body"] in bodies] != bodies:
            assert time.monotonic() < deadline, alice.archive()
        with JavaScript(server, story.bob.localpart, story.bob.token) as bob:
            for body in bodies:
                bob.wait("message", type="chat", body=body)
            # What comes after a later message of the same sender came before it or never.
            alice.chat(story.bob.jid, "now")
            bob.wait("message", type="chat", body="now")
            # @xmpp/client does not count the answers to its own requests (XEP-0198), so what it acknowledged last
            # may come again, as its author must expect, with the same stanza-id; nothing else may.
            fresh = [e["body"] for e in bob.find("message", type="chat") if e["stanza_id"] not in story.seen]
            assert fresh == [*bodies, "now"]
        # And not again.
        with JavaScript(server, story.bob.localpart, story.bob.token) as bob:
            alice.chat(story.bob.jid, "again")
            bob.wait("message", type="chat", body="again")
            assert [e["body"] for e in bob.find("message", type="chat")] == ["again"]
            assert [m["body"] for m in bob.archive() if m["body"] in bodies] == bodies


def test_5_a_reading_appears_in_the_channel(story):
    need(story, "ready")
    server = story.server
    server.command("channel", "create", WADDLE, "sensors")
    story.device = server.json("device", "create", WADDLE, "kitchen", "--topic", "home/sensors")
    assert set(story.device) >= {"username", "password", "topics"}
    with pytest.raises(CommandFailed):
        server.command("feed", "bind", WADDLE, "no-such-channel", "home/sensors/#")
    server.command("feed", "bind", WADDLE, "sensors", "home/sensors/#")

    reading = json.dumps({"value": 21.5, "unit": "°C"}, ensure_ascii=False)
    topic = "home/sensors/temperature/kitchen"
    url = f"ws://{server.ready['http']}/mqtt"
    with (
        Slixmpp(server, story.alice.localpart, story.alice.token) as alice,
        mosquitto_sub(server, f"{story.bob.jid}/{WADDLE}", story.bob.token, "home/sensors/#") as mounted,
        mosquitto_sub(server, story.bob.jid, story.bob.token, f"waddle/{WADDLE}/home/sensors/#", "-V", "5") as plain,
        subprocess.Popen(
            ["node", node_folder() / "mqtt.mjs", url, f"{story.bob.jid}/{WADDLE}", "home/sensors/#"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
        ) as javascript,
    ):
        javascript.stdin.write(story.bob.token + "\n")
        javascript.stdin.flush()
        assert json.loads(javascript.stdout.readline()) == {"event": "subscribed", "code": 1, "error": None}
        assert alice.join(story.sensors, "alice")["error"] is None
        for subscriber in (mounted, plain):
            subscriber.wait("debug", line=lambda line: line.startswith("Subscribed"))
        sent = mosquitto_pub(
            server, story.device["username"], story.device["password"], topic, reading, "-q", "1", "-r")
        assert sent.returncode == 0, sent.stderr
        seen = alice.wait("message", type="groupchat", body=lambda b: b is not None and "kitchen" in b)
        assert "21.5" in seen["body"] and "°C" in seen["body"]
        assert seen["stanza_id"]
        assert json.loads(mounted.wait("message", topic=topic)["payload"]) == json.loads(reading)
        assert json.loads(plain.wait("message", topic=f"waddle/{WADDLE}/{topic}")["payload"]) == json.loads(reading)
        assert json.loads(json.loads(javascript.stdout.readline())["payload"]) == json.loads(reading)
        javascript.stdin.close()
        javascript.wait(10)
        # A late joiner finds the reading in the archive of the channel.
        assert seen["stanza_id"] in [m["archive_id"] for m in alice.archive(of=story.sensors)]


def test_6_no_member_no_access(story):
    need(story, "device")
    server, carol = story.server, story.carol
    with Slixmpp(server, carol.localpart, carol.token) as client:
        for channel in ("general", "sensors", "no-such-channel"):
            assert client.join(server.room(WADDLE, channel), "carol")["error"] == "forbidden"
        since = client.mark()
        client.send(do="say", room=story.general, body="let me in", id=uuid.uuid4().hex)
        assert client.wait("message", since, type="error")["error"] in ("forbidden", "not-acceptable")
        with pytest.raises(Refused) as refused:
            client.archive(of=story.general)
        assert refused.value.args[0] == "forbidden"
    for protocol, code in ((paho.MQTTv5, 0x87), (paho.MQTTv311, 0x80)):
        with Mqtt(server, carol.jid, carol.token, protocol) as client:
            assert client.subscribe(f"waddle/{WADDLE}/home/sensors/#") == code
            assert client.subscribe(f"waddle/{WADDLE}/#") == code
    answer = carol.api.request("GET", f"/waddles/{WADDLE}")
    assert answer.status_code == 403
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert answer.json()["status"] == 403 and answer.json()["title"]

    # The device reaches its prefix and nothing else.
    device = story.device
    with Mqtt(server, device["username"], device["password"]) as client:
        assert client.publish("home/sensors/humidity/kitchen", '{"value": 40, "unit": "%"}') < 0x80
        for topic in ("home/lights/kitchen", "home/sensorsX/a", f"waddle/{WADDLE}/home/sensors/a", "waddle/puffins/home/sensors/a"):
            assert client.publish(topic, "x") == 0x87, topic
        assert client.subscribe("home/lights/#") == 0x87
        assert client.subscribe("#") == 0x87
    with pytest.raises(Refused):
        Mqtt(server, device["username"], "wrong")
    with pytest.raises(Refused):
        Slixmpp(server, story.alice.localpart, "wrong")


def test_7_removed_is_out_within_a_second(story):
    need(story, "device")
    server, bob = story.server, story.bob
    mount = f"{bob.jid}/{WADDLE}"
    with (
        Slixmpp(server, story.alice.localpart, story.alice.token) as alice,
        JavaScript(server, bob.localpart, bob.token) as client,
        Mqtt(server, mount, bob.token) as mounted,
        Mqtt(server, mount, bob.token, paho.MQTTv311) as old,
        Mqtt(server, bob.jid, bob.token) as plain,
    ):
        for one in (alice, client):
            assert one.join(story.general, "alice" if one is alice else "bob")["error"] is None
        assert mounted.subscribe("home/sensors/#") == 1
        assert old.subscribe("home/sensors/#") == 1
        assert plain.subscribe(f"waddle/{WADDLE}/home/sensors/#") == 1

        mark = client.mark()
        began = time.monotonic()
        story.alice.api.ok("DELETE", f"/waddles/{WADDLE}/members/{bob.did}")
        out = client.wait("presence", mark, timeout=5, type="unavailable", **{"from": f"{story.general}/bob"})
        assert out["at"] - began < 1
        assert {110, 321} <= set(out["statuses"]) and out["affiliation"] == "none" and out["role"] == "none"
        seen = alice.wait("presence", type="unavailable", **{"from": f"{story.general}/bob"})
        assert 321 in seen["statuses"] and 110 not in seen["statuses"]
        ended = mounted.wait("offline", timeout=5)
        assert ended["at"] - began < 1 and ended["code"] == 0x87
        assert old.wait("offline", timeout=5)["at"] - began < 1

        # What is said and measured now reaches him no more.
        marks = client.mark(), plain.mark()
        alice.say(story.general, "Bob is gone")
        story.said.append("Bob is gone")
        mosquitto_pub(server, story.device["username"], story.device["password"], "home/sensors/after", "1", "-q", "1")
        assert client.join(story.general, "bob")["error"] == "forbidden"
        if not plain.find("offline"):
            assert plain.subscribe(f"waddle/{WADDLE}/home/sensors/#") == 0x87
        assert not client.find("message", marks[0], body="Bob is gone")
        assert not plain.find("message", marks[1])
    with Mqtt(server, bob.jid, bob.token) as again:
        assert again.subscribe(f"waddle/{WADDLE}/#") == 0x87
        assert not again.find("message")
    assert bob.api.request("GET", f"/waddles/{WADDLE}").status_code == 403


def test_8_kill_9_loses_nothing_acknowledged(story):
    need(story, "device")
    server, alice, device = story.server, story.alice, story.device
    keeper = f"{alice.jid}/{WADDLE}"
    with Mqtt(server, keeper, alice.token, client_id="keeper", expiry=3600) as sleeper:
        assert sleeper.subscribe("home/sensors/#") == 1
        sleeper.drop()

    speaker = Slixmpp(server, alice.localpart, alice.token)
    listener = TokioXmpp(server, "dora", DORA_PASSWORD)
    assert speaker.join(story.general, "alice")["error"] is None
    assert listener.join(story.general, "dora")["error"] is None
    sensor = Mqtt(server, device["username"], device["password"])
    stop = threading.Event()
    acknowledged, enough = [], threading.Event()

    def talk():
        for number in range(100_000):
            if stop.is_set():
                return
            try:
                speaker.send(do="say", room=story.general, body=f"in flight {number}", id=uuid.uuid4().hex)
            except Exception:  # the server is gone, as it should be
                return
            if number % 20 == 19:
                # A client that listens: never more than a few dozen ahead of what came back.
                try:
                    speaker.wait("message", body=f"in flight {number - 19}", timeout=10)
                except AssertionError:
                    return

    def measure():
        for number in range(100_000):
            if stop.is_set():
                return
            topic = f"home/sensors/count/{number % 10}"
            try:
                if sensor.publish(topic, str(number), retain=True) < 0x80:
                    acknowledged.append((topic, str(number)))
                    if len(acknowledged) == 50:
                        enough.set()
            except AssertionError:
                return

    workers = [threading.Thread(target=talk, daemon=True), threading.Thread(target=measure, daemon=True)]
    for worker in workers:
        worker.start()
    listener.wait("message", body="in flight 100", timeout=30)
    assert enough.wait(30), "the device's publishes are not acknowledged"
    server.kill()
    stop.set()
    for worker in workers:
        worker.join(20)
    said = {e["body"] for client in (speaker, listener) for e in client.find("message", type="groupchat", delay=None)}
    said = {body for body in said if body and body.startswith("in flight")}
    assert len(said) > 50
    speaker.close()
    listener.close()
    sensor.drop()

    server.start()
    # Tokens and passwords, members, channels.
    with Slixmpp(server, alice.localpart, alice.token) as client, TokioXmpp(server, "dora", DORA_PASSWORD) as dora:
        assert client.join(story.general, "alice")["affiliation"] == "owner"
        assert dora.join(story.general, "dora")["affiliation"] == "member"
        archive = [m["body"] for m in dora.archive(of=story.general, page=100) if m["body"]]
        assert said <= set(archive), sorted(said - set(archive))[:5]
        assert len(archive) == len(set(archive)), "something is in the archive twice"
        assert archive[:len(story.said)] == story.said
        numbers = [int(body.rsplit(" ", 1)[1]) for body in archive if body.startswith("in flight")]
        assert numbers == sorted(numbers), "the archive's order is not the order of speaking"

        # The binding still binds.
        assert client.join(story.sensors, "alice")["error"] is None
        since = client.mark()
        with Mqtt(server, device["username"], device["password"]) as sensor:
            assert sensor.publish("home/sensors/temperature/kitchen", '{"value": 19, "unit": "°C"}', retain=True) < 0x80
        client.wait("message", since, delay=None, body=lambda b: b is not None and "kitchen" in b and "19" in b)
    assert story.alice.api.ok("GET", f"/waddles/{WADDLE}")["slug"] == WADDLE
    assert story.bob.api.request("GET", f"/waddles/{WADDLE}").status_code == 403

    # Retained messages: for each topic the last acknowledged value, or one that was sent after it.
    last = dict(acknowledged)
    with Mqtt(server, keeper, alice.token) as client:
        assert client.subscribe("home/sensors/count/#") == 1
        for topic, value in last.items():
            assert int(client.wait("message", topic=topic, retain=True)["payload"]) >= int(value)
    # The sleeping session gets everything that was acknowledged while it slept.
    with Mqtt(server, keeper, alice.token, client_id="keeper", expiry=3600) as sleeper:
        assert sleeper.find("connack")[0]["session_present"]
        for topic, value in acknowledged:
            sleeper.wait("message", topic=topic, payload=value)

"""Two waddles on one server learn nothing of each other: every listing, archive, search, node, topic, request and error
message is asked for something that exists and for something that does not, by a stranger and by a member of the other
waddle, and the answers are the same (specs/lifecycle.md, "Isolation")."""
import json
import re
import uuid

import paho.mqtt.client as paho
import pytest
import requests

from clients import Mqtt, Refused, mosquitto_pub
from people import PASSWORD, Person, make_waddle

# What exists, and what does not, of the same length.
REAL, FAKE = "reef", "reez"
CHANNEL, NO_CHANNEL = "corals", "coralz"
SECRET = "plectropomus"


class Sea:
    """`reef` with everything a waddle can have, in which nothing is open; and `dune`, whose people look."""

    def __init__(self, server):
        self.server = server
        self.rita, self.dan, self.sam = (Person(server, name) for name in ("rita", "dan", "sam"))
        make_waddle(self.rita, REAL)
        make_waddle(self.dan, "dune")
        api = self.rita.api
        api.ok("PATCH", f"/waddles/{REAL}", {"name": f"{SECRET} club", "description": SECRET})
        self.waddle = api.ok("GET", f"/waddles/{REAL}")["id"]
        self.channel = api.ok("POST", f"/waddles/{REAL}/channels", {"name": CHANNEL, "type": "text", "topic": SECRET})["id"]
        self.invite = api.ok("POST", f"/waddles/{REAL}/invites", {})["code"]
        self.device = server.json("device", "create", REAL, SECRET, "--topic", "home")
        server.command("feed", "bind", REAL, CHANNEL, "home/#")
        with self.rita.chat() as rita:
            room = server.room(REAL, CHANNEL)
            rita.enter(room)
            rita.send(do="subject", room=room, body=SECRET)
            self.message = rita.say(room, f"{SECRET} says hello")["stanza_id"]
        sent = mosquitto_pub(server, self.device["username"], self.device["password"], "home/t", SECRET, "-q", "1", "-r")
        assert sent.returncode == 0, sent.stderr

    @property
    def lookers(self):
        return [self.dan, self.sam]


@pytest.fixture(scope="module")
def sea(tmp_path_factory):
    from waddle_server import WaddleServer
    server = WaddleServer(tmp_path_factory.mktemp("isolation") / "data", rate_limits="off")
    server.start()
    yield Sea(server)
    server.stop()


# What may differ between two answers about the same thing.
VOLATILE = re.compile(
    r"\b[0-9a-f]{32}\b|\b[0-9a-f]{16}\b|\d{4}-\d\d-\d\dT[0-9:.]+Z|\b[0-9a-f-]{36}\b|request[-_ ]id\S*|[0-9a-f]{20,}")


def same(text):
    """An answer without the names that were asked for."""
    text = VOLATILE.sub("*", text)
    for name in (REAL, FAKE, CHANNEL, NO_CHANNEL, "generel", "general"):
        text = text.replace(name, "?")
    return text


class Told(list):
    """What was told that should not be; all of it, at the end."""

    def compare(self, real, fake, what):
        if SECRET in real or same(real) != same(fake):
            self.append(f"{what} tells whether it exists:\n  {real}\n  {fake}")

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        assert kind or not self, f"{len(self)} answers tell something:\n" + "\n".join(self[:20])


def test_xmpp_rooms(sea):
    server = sea.server
    # That a slug is a waddle's is known to whoever tries to take it: below any other, a stranger makes a room of their own.
    rooms = [(server.room(REAL, CHANNEL), server.room(REAL, NO_CHANNEL)), (server.room(REAL, "general"), server.room(REAL, "generel"))]
    asked = [
        ("get", "<query xmlns='http://jabber.org/protocol/disco#info'/>"),
        ("get", "<query xmlns='http://jabber.org/protocol/disco#info' node='x-roomuser-item'/>"),
        ("get", "<query xmlns='http://jabber.org/protocol/disco#items'/>"),
        ("get", "<query xmlns='http://jabber.org/protocol/muc#admin'><item affiliation='member'/></query>"),
        ("get", "<query xmlns='http://jabber.org/protocol/muc#admin'><item affiliation='outcast'/></query>"),
        ("set", "<query xmlns='http://jabber.org/protocol/muc#admin'><item affiliation='outcast' jid='rita@localhost'/></query>"),
        ("set", "<query xmlns='http://jabber.org/protocol/muc#admin'><item role='none' nick='rita'/></query>"),
        ("get", "<query xmlns='http://jabber.org/protocol/muc#owner'/>"),
        ("set", "<query xmlns='http://jabber.org/protocol/muc#owner'><destroy/></query>"),
        ("get", "<query xmlns='jabber:iq:register'/>"),
        ("get", "<query xmlns='urn:xmpp:mam:2'/>"),
        ("get", "<metadata xmlns='urn:xmpp:mam:2'/>"),
        ("set", "<query xmlns='urn:xmpp:mam:2' queryid='q'/>"),
        ("set", f"<query xmlns='urn:xmpp:mam:2' queryid='q'><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'>"
                f"<value>urn:xmpp:mam:2</value></field><field var='withtext'><value>{SECRET}</value></field></x></query>"),
        ("set", f"<moderate xmlns='urn:xmpp:message-moderate:1' id='{sea.message}'><retract xmlns='urn:xmpp:message-retract:1'/></moderate>"),
        ("get", "<vCard xmlns='vcard-temp'/>"),
        ("get", "<ping xmlns='urn:xmpp:ping'/>"),
        ("get", "<query xmlns='jabber:iq:version'/>"),
        ("get", "<pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='urn:xmpp:avatar:metadata'/></pubsub>"),
        ("set", "<query xmlns='http://jabber.org/protocol/commands'/>"),
        ("set", "<command xmlns='http://jabber.org/protocol/commands' node='urn:xmpp:hats:commands:list'/>"),
        ("set", "<pin xmlns='urn:waddle:pins:0' id='1'/>"),
    ]
    for looker in sea.lookers:
        with Told() as told, looker.chat() as client:
            for real, fake in rooms:
                for kind, payload in asked:
                    told.compare(client.ask(kind, real, payload), client.ask(kind, fake, payload), (looker.name, real, payload))
                    # An occupant that may be there, and one that is not.
                    told.compare(client.ask(kind, f"{real}/rita", payload), client.ask(kind, f"{fake}/rita", payload),
                                 (looker.name, f"{real}/rita", payload))
                outcomes = [client.join(room, "looker") for room in (real, fake)]
                assert {o["error"] for o in outcomes} == {"forbidden"}, outcomes
                assert same(str(outcomes[0]["text"])) == same(str(outcomes[1]["text"])), outcomes
                for extra in ("", "<body>hi</body>", "<subject>hi</subject>",
                              "<x xmlns='http://jabber.org/protocol/muc#user'><invite to='sam@localhost'/></x>",
                              "<x xmlns='jabber:x:data' type='submit'/>"):
                    for kind in ("groupchat", "chat", "normal"):
                        seen = []
                        for room in (real, fake):
                            id, mark = uuid.uuid4().hex, client.mark()
                            client.raw(f"<message to='{room}' type='{kind}' id='{id}'>{extra}<z xmlns='urn:x'/></message>")
                            # A room answers in its order, however long it takes.
                            client.ask("get", room, "<ping xmlns='urn:xmpp:ping'/>")
                            client.raw(f"<message to='{client.jid}' id='end-{id}'><body>end</body></message>")
                            client.wait("message", mark, id=f"end-{id}")
                            seen.append([e["error"] for e in client.find("message", mark, id=id)])
                        told.compare(str(seen[0]), str(seen[1]), (looker.name, real, kind, extra))


def test_xmpp_listings_and_searches(sea):
    server = sea.server
    services = [server.domain, *(f"{s}.{server.domain}" for s in ("muc", "pubsub", "upload"))]
    asked = [
        ("get", "<query xmlns='http://jabber.org/protocol/disco#items'/>"),
        ("get", "<query xmlns='http://jabber.org/protocol/disco#info'/>"),
        ("get", "<query xmlns='http://jabber.org/protocol/disco#items' node='http://jabber.org/protocol/commands'/>"),
        ("get", "<query xmlns='http://jabber.org/protocol/disco#items' node='urn:xmpp:spaces:0'/>"),
        ("get", "<query xmlns='jabber:iq:search'/>"),
        ("get", "<services xmlns='urn:xmpp:extdisco:2'/>"),
        ("get", "<pubsub xmlns='http://jabber.org/protocol/pubsub'><subscriptions/></pubsub>"),
        ("get", "<pubsub xmlns='http://jabber.org/protocol/pubsub'><affiliations/></pubsub>"),
        ("get", "<unique xmlns='http://jabber.org/protocol/muc#unique'/>"),
    ]
    words = re.compile(rf"\b{REAL}\b|{SECRET}|{CHANNEL}|{sea.waddle}|{sea.channel}")
    search = ("<search xmlns='https://xmlns.zombofant.net/muclumbus/search/1.0'><x xmlns='jabber:x:data' type='submit'>"
              "<field var='FORM_TYPE' type='hidden'><value>https://xmlns.zombofant.net/muclumbus/search/1.0#params</value></field>"
              "<field var='q'><value>{}</value></field><field var='sinname'><value>true</value></field>"
              "<field var='sindescription'><value>true</value></field><field var='sinaddr'><value>true</value></field></x></search>")
    for looker in sea.lookers:
        with Told() as told, looker.chat() as client:
            for service in services:
                for kind, payload in asked:
                    answer = client.ask(kind, service, payload)
                    assert not words.search(answer), (looker.name, service, payload, answer)
            for word in (REAL, SECRET, CHANNEL, "club"):
                answer = client.ask("get", f"muc.{server.domain}", search.format(word))
                assert not words.search(answer.replace(f"<value>{word}", "")), answer
            # Nodes of a waddle: its space, its topics.
            for real, fake in ((REAL, FAKE), (sea.waddle, uuid.uuid4().hex), (f"waddle/{REAL}/home/t", f"waddle/{FAKE}/home/t"),
                               (f"{REAL}/home/t", f"{FAKE}/home/t")):
                for kind, payload in (
                    ("get", "<query xmlns='http://jabber.org/protocol/disco#info' node='{}'/>"),
                    ("get", "<query xmlns='http://jabber.org/protocol/disco#items' node='{}'/>"),
                    ("get", "<pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='{}'/></pubsub>"),
                    ("set", "<pubsub xmlns='http://jabber.org/protocol/pubsub'><subscribe node='{}' jid='" + looker.jid + "'/></pubsub>"),
                    ("set", "<pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='{}'><item><x xmlns='urn:x'/></item></publish></pubsub>"),
                    ("get", "<pubsub xmlns='http://jabber.org/protocol/pubsub#owner'><configure node='{}'/></pubsub>"),
                    ("set", "<pubsub xmlns='http://jabber.org/protocol/pubsub#owner'><delete node='{}'/></pubsub>"),
                ):
                    for service in services[:3]:
                        told.compare(client.ask(kind, service, payload.format(real)), client.ask(kind, service, payload.format(fake)),
                                     (looker.name, service, payload, real))
            # What a member of the waddle keeps for herself.
            for node in ("urn:xmpp:bookmarks:1", "storage:bookmarks", "urn:xmpp:mds:displayed:0"):
                answer = client.ask("get", sea.rita.jid,
                                    f"<pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='{node}'/></pubsub>")
                assert "error" in answer and not words.search(answer), answer
            # Her devices are told nothing either; the feed of a stranger is a stranger's.
            for payload in ("<query xmlns='jabber:iq:last'/>", "<query xmlns='http://jabber.org/protocol/disco#items'/>",
                            "<query xmlns='urn:xmpp:mam:2'/>", "<query xmlns='jabber:iq:version'/>"):
                answer = client.ask("get", sea.rita.jid, payload)
                assert not words.search(answer), answer


def test_xmpp_names_that_are_taken(sea):
    """A room below a waddle's slug cannot be made: that the name is taken is told, and nothing more."""
    with sea.sam.chat() as client:
        real = client.join(sea.server.room(REAL, "anything"), "sam")
        assert real["error"] == "forbidden" and SECRET not in str(real)


def test_mqtt(sea):
    server = sea.server
    for looker in sea.lookers:
        for protocol in (paho.MQTTv5, paho.MQTTv311):
            with looker.mqtt(protocol=protocol) as client:
                for filter in ("waddle/{}/#", "waddle/{}/home/t", "waddle/{}/home/+", "{}/home/t", "waddle/+/home/t", "#", "+/+/+/+"):
                    codes = [client.subscribe(filter.format(name)) for name in (REAL, FAKE)]
                    assert codes[0] == codes[1], (looker.name, filter, codes)
                for topic in ("waddle/{}/home/t", "{}/home/t", "$SYS/{}"):
                    codes = [client.publish(topic.format(name), "x") for name in (REAL, FAKE)]
                    assert codes[0] == codes[1], (looker.name, topic, codes)
                with sea.rita.mqtt(REAL) as rita:
                    assert rita.subscribe("home/#") in (1, 2)
                    rita.wait("message", payload=SECRET)
                    assert not [m for m in rita.find("message") if m["payload"] == "x"]
                mosquitto_pub(server, sea.device["username"], sea.device["password"], "home/live", SECRET, "-q", "1")
                client.subscribe("fence")  # its answer comes behind what was on its way
                assert not client.find("message", payload=SECRET), client.seen
        answers = []
        for name in (REAL, FAKE):
            try:
                with Mqtt(server, f"{looker.jid}/{name}", PASSWORD) as client:
                    answers.append([client.subscribe(f) for f in ("home/#", "#", "home/t")] + [client.publish("home/t", "x")])
            except Refused as refused:
                answers.append(refused.args[0])
        assert answers[0] == answers[1], (looker.name, answers)


def paths_of(server):
    """Every operation of the API's document."""
    answer = requests.get(f"{server.url}/api/v1/openapi.json", timeout=10)
    found = [(method.upper(), path.removeprefix("/api/v1")) for path, operations in answer.json()["paths"].items()
             for method in operations if method in ("get", "post", "put", "patch", "delete")]
    assert len(found) > 150, found
    return found


BODIES = [{}, {"name": "x", "slug": "xx", "type": "text", "user": "sam", "body": "hi", "text": "hi", "role": "member", "reason": "x"}]


class Kept:
    """Requests over one connection, which the server may end after an answer to a body that it did not read."""

    def __init__(self):
        self.web = requests.Session()

    def request(self, method, url, **more):
        self.web.cookies.clear()
        try:
            return self.web.request(method, url, timeout=10, **more)
        except requests.ConnectionError:
            return self.web.request(method, url, timeout=10, **more)


def test_http(sea):
    """Every operation with a waddle in its path, for one that exists and one that does not, by slug and by id; and with
    a channel or a message that exists in a waddle of one's own."""
    names = {
        "waddle": [(REAL, FAKE), (sea.waddle, uuid.uuid4().hex)],
        "channel": [(CHANNEL, NO_CHANNEL), (sea.channel, uuid.uuid4().hex)],
        "message": (sea.message, format(int(sea.message, 16) ^ 0xfff, "016x")),
    }
    asked, told, kept = 0, [], Kept()
    for method, path in paths_of(sea.server):
        parts = re.findall(r"{(\w+)}", path)
        if not path.startswith(("/waddles/{", "/channels/{", "/messages/{")):
            continue
        for real_waddle, fake_waddle in names["waddle"]:
            for real_channel, fake_channel in names["channel"]:
                def fill(real):
                    filled = path
                    for number, part in enumerate(parts):
                        if part in ("c", "channel", "channel_id") or (number == 0 and path.startswith("/channels/{")):
                            value = real_channel if real else fake_channel
                        elif number == 0 and path.startswith("/waddles/{"):
                            value = real_waddle if real else fake_waddle
                        elif part in ("m", "message", "id", "message_id"):
                            value = names["message"][0] if real else names["message"][1]
                        elif part in ("who", "user", "member"):
                            value = "rita" if real else "sam"
                        else:
                            value = "xyz"
                        filled = filled.replace("{" + part + "}", value)
                    return filled

                for looker in [*sea.lookers, None]:
                    for body in ([None] if method in ("GET", "DELETE") else BODIES):
                        answers = []
                        for real in (True, False):
                            headers = {} if looker is None else {"Authorization": f"Bearer {looker.api.token}"}
                            answer = kept.request(method, f"{sea.server.url}/api/v1{fill(real)}", json=body, headers=headers)
                            text = answer.text.replace("rita", "sam").replace("xyz", "?")
                            answers.append((answer.status_code, same(text), SECRET in text, sorted(
                                h for h in answer.headers if h.lower() not in ("date", "content-length", "connection"))))
                        asked += 1
                        if answers[0] != answers[1] or answers[0][2]:
                            told.append((method, path, looker and looker.name, body, answers))
                        elif answers[0][0] < 400:
                            told.append((method, path, looker and looker.name, body, "let in", answers[0][0]))
    assert asked > 100
    assert not told, f"{len(told)} of {asked} tell something: " + "\n".join(map(str, told[:20]))
    print(f"isolation: {asked} pairs of HTTP requests answered alike")


def test_http_listings(sea):
    words = re.compile(rf"\b{REAL}\b|{SECRET}|{CHANNEL}|{sea.waddle}|{sea.channel}")
    looked = 0
    for method, path in paths_of(sea.server):
        if method != "GET" or "{" in path or "events" in path or "export" in path:
            continue
        for looker in sea.lookers:
            for query in ("", f"?q={SECRET}", f"?q={REAL}&limit=200", f"?waddle={REAL}", f"?channel={sea.channel}"):
                answer = looker.api.request("GET", path + query)
                text = answer.text.replace(f"?q={REAL}", "")
                # The question may be said again, what is found may not.
                assert not words.search(text) or answer.status_code in (400, 404, 422), (path, query, text[:500])
                looked += 1
    for path in ("/", f"/archive/{REAL}", f"/archive/{REAL}/{CHANNEL}", f"/@{REAL}", f"/w/{REAL}", "/sitemap.xml", "/robots.txt"):
        real, fake = (requests.get(sea.server.url + p, timeout=10, allow_redirects=False) for p in (path, path.replace(REAL, FAKE)))
        assert (real.status_code, same(real.text)) == (fake.status_code, same(fake.text)), path
        assert SECRET not in real.text and sea.waddle not in real.text
    print(f"isolation: {looked} listings")


def test_events(sea):
    """What happens in one waddle is heard in no other."""
    with sea.dan.events() as dan, sea.sam.events() as sam, sea.rita.chat() as rita:
        assert dan.status == sam.status == 200
        room = sea.server.room(REAL, CHANNEL)
        rita.enter(room)
        rita.say(room, f"{SECRET} again")
        sea.rita.api.ok("PATCH", f"/waddles/{REAL}/channels/{CHANNEL}", {"topic": f"{SECRET} 2"})
        with sea.dan.chat() as client:
            client.enter(sea.server.room("dune", "general"))
            client.say(sea.server.room("dune", "general"), "sand")
        dan.wait("event", text=lambda t: "sand" in t)
        rita.chat(sea.sam.jid, "fence")
        sam.wait("event", type="direct.message")
        for stream in (dan, sam):
            assert not stream.find("event", text=lambda t: SECRET in t or sea.waddle in t), stream.seen
    answers = []
    for name in (REAL, FAKE, sea.waddle, uuid.uuid4().hex):
        with sea.dan.events(waddles=name) as stream:
            answers.append((stream.status, same(stream.answer.text.replace(name, "?")) if stream.status != 200 else None))
    assert answers[0][0] == 403 and len(set(answers)) == 1, answers


def test_commands_and_invitations(sea):
    codes = [sea.invite, sea.invite[:-4] + "aaaa", f"{FAKE}-{'a' * 26}"]
    answers = [sea.sam.api.request("GET", f"/invites/{code}") for code in codes[1:]]
    assert answers[0].status_code == answers[1].status_code
    assert same(answers[0].text.replace(codes[1], "")) == same(answers[1].text.replace(codes[2], ""))
    # Of the server's administration a person learns nothing at all.
    for path in ("/admin/waddles", "/admin/status", "/status", "/metrics"):
        answer = sea.sam.api.request("GET", path)
        assert SECRET not in answer.text and json.dumps(REAL) not in answer.text
    for path in ("/metrics", "/status", "/healthz", "/readyz"):
        answer = requests.get(sea.server.url + path, timeout=10)
        assert SECRET not in answer.text and REAL not in answer.text, path

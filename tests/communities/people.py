"""People with local accounts, and a waddle of theirs, over whatever client a test wants."""
import asyncio
import datetime
import itertools
import json
import threading
import time
import urllib.parse
import uuid
import xml.etree.ElementTree as ET
from xml.sax.saxutils import escape

import aiohttp
import requests
import slixmpp

from clients import PATIENCE, Events, Mqtt, Refused, Slixmpp, condition
from waddle_server import Api

PASSWORD = "correct horse battery"
COMMANDS = "http://jabber.org/protocol/commands"
UPLOAD = "urn:xmpp:http:upload:0"


class Person:
    """Somebody with a local account: HTTP at once, XMPP and MQTT when asked for."""

    def __init__(self, server, name, *options):
        self.server, self.name = server, name
        self.jid = f"{name}@{server.domain}"
        server.account(name, PASSWORD, *options)
        self.api = Api.login(server, name, PASSWORD)

    def chat(self, resource="desktop", plugins=()):
        return Client(self.server, self.name, PASSWORD, resource, plugins)

    def mqtt(self, waddle=None, **options):
        return Mqtt(self.server, self.jid if waddle is None else f"{self.jid}/{waddle}", PASSWORD, **options)

    def events(self, **wanted):
        return Stream(self, wanted)


class Client(Slixmpp):
    """slixmpp that also shows whole answers, so that two of them can be compared, and whole messages (`xml`)."""

    def _presence(self, stanza):
        item = stanza.xml.find("{*}x/{*}item")
        hats = [h.get("title") for h in stanza.xml.findall("{urn:xmpp:hats:0}hats/{*}hat")]
        # Whoever waits sees the event when all of it is there.
        with self._changed:
            super()._presence(stanza)
            self.seen[-1] |= {
                "text": stanza.xml.findtext("{jabber:client}error/{*}text"), "hats": hats,
                "reason": None if item is None else item.findtext("{*}reason"),
            }

    def _message(self, stanza):
        with self._changed:
            super()._message(stanza)
            self.seen[-1] |= {
                "text": stanza.xml.findtext("{jabber:client}error/{*}text"),
                "xml": ET.tostring(stanza.xml, encoding="unicode"),
            }

    def ask(self, kind, to, payload):
        """An IQ; its answer as text without what differs from request to request."""
        async def send():
            iq = self.xmpp.make_iq(ito=to, itype=kind)
            iq.append(ET.fromstring(payload))
            try:
                answer = await iq.send(timeout=PATIENCE)
            except slixmpp.exceptions.IqError as error:
                answer = error.iq
            return plain(answer.xml)

        return self._call(send)

    def element(self, kind, to, payload):
        """The same as an element."""
        return ET.fromstring(self.ask(kind, to, payload))

    def raw(self, xml):
        self._call(self.xmpp.send_raw, xml)

    def tell(self, to, body=None, extra="", kind="groupchat"):
        """Says something with more in it than a text. In a room the answer is its reflection, or the error; otherwise
        its identifier."""
        id, mark = uuid.uuid4().hex, self.mark()
        text = "" if body is None else f"<body>{escape(body)}</body>"
        self.raw(f"<message to='{to}' type='{kind}' id='{id}'>{text}{extra}</message>")
        return self.wait("message", mark, id=id) if kind == "groupchat" else id

    def found(self, words, of=None):
        """The bodies that a search of an archive finds (XEP-0431)."""
        query = uuid.uuid4().hex
        answer = self.ask("set", of, f"<query xmlns='urn:xmpp:mam:2' queryid='{query}'><x xmlns='jabber:x:data' type='submit'>"
                          "<field var='FORM_TYPE'><value>urn:xmpp:mam:2</value></field>"
                          f"<field var='{{urn:xmpp:fulltext:0}}fulltext'><value>{escape(words)}</value></field></x></query>")
        if "<fin" not in answer and ":fin" not in answer:
            raise Refused(condition(ET.fromstring(answer)))
        return [m["body"] for m in self.find("archived", query=query)]

    def inbox(self):
        """What is not read (XEP-0430): address -> (unread, mentions)."""
        mark = self.mark()
        answer = self.ask("get", None, "<inbox xmlns='urn:xmpp:inbox:1' messages='false'/>")
        assert "urn:xmpp:inbox:1" in answer and "error" not in answer, answer
        entries = (ET.fromstring(m["xml"]).find("{urn:xmpp:inbox:1}entry") for m in self.find("message", mark))
        return {e.get("jid"): (int(e.get("unread")), int(e.get("mentions", 0))) for e in entries if e is not None}

    def upload(self, name="fish.txt", data=b"a fish", kind="text/plain"):
        """Uploads a file (XEP-0363); its address."""
        slot = self.element("get", f"upload.{self.xmpp.boundjid.domain}",
                            f"<request xmlns='{UPLOAD}' filename='{name}' size='{len(data)}' content-type='{kind}'/>")
        put, get = slot.find(f".//{{{UPLOAD}}}put"), slot.find(f".//{{{UPLOAD}}}get")
        headers = {h.get("name"): h.text for h in put} | {"Content-Type": kind}
        assert requests.put(put.get("url"), data=data, headers=headers, timeout=10).status_code == 201
        return get.get("url")

    def run(self, to, node, *forms):
        """Runs an ad-hoc command (XEP-0050), a form for each step; the last answer as an element. A form is a
        dictionary: what is a list has several values."""
        session, answer = "", None
        for form in forms or (None,):
            filled = "" if form is None else "<x xmlns='jabber:x:data' type='submit'>" + "".join(
                f"<field var='{name}'>" + "".join(f"<value>{escape(str(v))}</value>"
                                                  for v in (value if isinstance(value, list) else [value])) + "</field>"
                for name, value in form.items()) + "</x>"
            answer = self.element("set", to, f"<command xmlns='{COMMANDS}' node='{node}'{session}>{filled}</command>")
            command = answer.find(f"{{{COMMANDS}}}command")
            if command is not None and command.get("sessionid"):
                session = f" sessionid='{command.get('sessionid')}'"
        return answer

    def enter(self, room, nick=None):
        """Joins, and must be let in."""
        outcome = self.join(room, nick or self.xmpp.boundjid.user)
        assert outcome["error"] is None, outcome
        return outcome


def plain(element):
    """A stanza as text without identifiers and addresses of the asker."""
    element = ET.fromstring(ET.tostring(element))
    for name in ("id", "to"):
        element.attrib.pop(name, None)
    return ET.tostring(element, encoding="unicode")


class Stream(Events):
    """The events of HTTP as server-sent events, read on a thread of its own."""

    def __init__(self, person, wanted, path="/events"):
        super().__init__(f"events:{person.name}")
        self.answer = requests.get(
            f"{person.server.url}/api/v1{path}", params=wanted, stream=True, timeout=(10, 60),
            headers={"Authorization": f"Bearer {person.api.token}", "Accept": "text/event-stream"})
        # As the WHATWG has it, whatever the head says.
        self.answer.encoding = "utf-8"
        self.status = self.answer.status_code
        self.thread = threading.Thread(target=self._read, daemon=True)
        if self.status == 200:
            self.thread.start()

    def _read(self):
        event = {}
        try:
            for line in self.answer.iter_lines(chunk_size=1, decode_unicode=True):
                if not line:
                    if "data" in event:
                        self.record({"event": "event", "type": event.get("event"), "id": event.get("id"),
                                     "data": json.loads(event["data"]), "text": event["data"]})
                    event = {}
                elif not line.startswith(":"):
                    name, _, value = line.partition(":")
                    event[name] = event[name] + value if name in event else value.removeprefix(" ")
        except (requests.RequestException, OSError, AttributeError, ValueError):
            pass
        self.record({"event": "end"})

    def close(self):
        # The socket first: closing the response waits for the reader otherwise.
        try:
            self.answer.raw._fp.fp.raw._sock.shutdown(2)
        except (AttributeError, OSError):
            pass
        self.answer.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Socket(Events):
    """The same events over a WebSocket."""

    def __init__(self, person, **wanted):
        super().__init__(f"socket:{person.name}")
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_until_complete, args=(self._read(person, wanted),), daemon=True)
        self.thread.start()

    async def _read(self, person, wanted):
        headers = {"Authorization": f"Bearer {person.api.token}"}
        async with aiohttp.ClientSession(headers=headers) as web, \
                web.ws_connect(f"{person.server.url}/api/v1/events/ws", params=wanted) as self.socket:
            async for message in self.socket:
                data = json.loads(message.data)
                self.record({"event": "event", "type": data["type"], "id": data.get("cursor"), "data": data, "text": message.data})
        self.record({"event": "end", "code": self.socket.close_code})

    def close(self):
        if not self.find("end"):
            asyncio.run_coroutine_threadsafe(self.socket.close(), self.loop)
        self.thread.join(5)

    def __enter__(self):
        self.wait("event", type="ready")
        return self

    def __exit__(self, *_):
        self.close()


def make_waddle(owner, slug, visibility="private", members=()):
    """A waddle with members, who did not have to be invited."""
    owner.api.ok("POST", "/waddles", {"slug": slug, "name": slug.title(), "visibility": visibility}, status=(201,))
    for member in members:
        owner.server.command("waddle", "add-member", slug, member.name)
    return slug


def until(what, patience=PATIENCE):
    """What a function answers as soon as that is something."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        if found := what():
            return found
        time.sleep(0.02)
    raise AssertionError(f"{what} did not come true within {patience} s")


def note(answer):
    """What a command says at its end, or the error."""
    error = condition(answer)
    return error or answer.findtext(f"{{{COMMANDS}}}command/{{{COMMANDS}}}note")


def later(seconds):
    """A moment from now, as the API reads it."""
    at = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


class Waddle:
    """A waddle of the stage: Alice owns it, Mona moderates, Bob is a member; Carl is a stranger."""

    def __init__(self, stage, slug, visibility):
        self.stage, self.slug = stage, slug
        api = stage.alice.api
        made = api.ok("POST", "/waddles", {"slug": slug, "name": slug.title(), "visibility": visibility}, status=(201,))
        self.id = made["id"]
        for person, role in (("mona", "moderator"), ("bob", "member")):
            api.ok("POST", f"/waddles/{slug}/members", {"user": person, "role": role}, status=(201,))
        self.path = f"/waddles/{slug}"

    def room(self, channel="general"):
        return self.stage.server.room(self.slug, channel)

    def channel(self, channel="general"):
        """The identifier of a channel."""
        return self.stage.alice.api.ok("GET", f"{self.path}/channels/{channel}")["id"]

    def at(self, channel="general"):
        """The path of a channel below which its messages are."""
        return f"/channels/{self.slug}.{channel}"

    def messages(self, person, channel="general"):
        """What somebody reads there over HTTP, by identifier."""
        return {m["id"]: m for m in person.api.ok("GET", f"{self.at(channel)}/messages")["messages"]}

    def message(self, person, id, channel="general"):
        return person.api.ok("GET", f"{self.at(channel)}/messages/{id}")

    def say(self, person, body, channel="general", **more):
        """Says something over HTTP; as the API shows it."""
        return person.api.ok("POST", f"{self.at(channel)}/messages", {"body": body, **more}, status=(201,))

    def found(self, person, words, query=""):
        """The bodies that a search over HTTP finds."""
        words = urllib.parse.quote(words)
        return [r["message"]["body"] for r in person.api.ok("GET", f"{self.path}/search?q={words}{query}")["results"]]


class Stage:
    """One server with people on it, for tests that each make a waddle of their own."""

    def __init__(self, server):
        self.server = server
        self.alice, self.mona, self.bob, self.carl = (
            Person(server, name, *options)
            for name, options in (("alice", ("--admin",)), ("mona", ()), ("bob", ()), ("carl", ())))
        self._numbers = itertools.count(1)

    def waddle(self, visibility="private"):
        return Waddle(self, f"reef{next(self._numbers)}", visibility)

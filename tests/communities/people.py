"""People with local accounts, and a waddle of theirs, over whatever client a test wants."""
import json
import threading
import time
import xml.etree.ElementTree as ET

import requests
import slixmpp

from clients import PATIENCE, Events, Mqtt, Slixmpp
from waddle_server import Api

PASSWORD = "correct horse battery"


class Person:
    """Somebody with a local account: HTTP at once, XMPP and MQTT when asked for."""

    def __init__(self, server, name, *options):
        self.server, self.name = server, name
        self.jid = f"{name}@{server.domain}"
        server.account(name, PASSWORD, *options)
        self.api = Api.login(server, name, PASSWORD)

    def chat(self, resource="desktop"):
        return Client(self.server, self.name, PASSWORD, resource)

    def mqtt(self, waddle=None, **options):
        return Mqtt(self.server, self.jid if waddle is None else f"{self.jid}/{waddle}", PASSWORD, **options)

    def events(self, **wanted):
        return Stream(self, wanted)


class Client(Slixmpp):
    """slixmpp that also shows whole answers, so that two of them can be compared."""

    def _presence(self, stanza):
        item = stanza.xml.find("{*}x/{*}item")
        hats = [h.get("title") for h in stanza.xml.findall("{urn:xmpp:hats:0}hats/{*}hat")]
        super()._presence(stanza)
        with self._changed:
            self.seen[-1] |= {
                "text": stanza.xml.findtext("{jabber:client}error/{*}text"), "hats": hats,
                "reason": None if item is None else item.findtext("{*}reason"),
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

    def __init__(self, person, wanted):
        super().__init__(f"events:{person.name}")
        self.answer = requests.get(
            f"{person.server.url}/api/v1/events", params=wanted, stream=True, timeout=(10, 60),
            headers={"Authorization": f"Bearer {person.api.token}", "Accept": "text/event-stream"})
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
                        self.record({"event": "event", "kind": event.get("event"), "id": event.get("id"),
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
